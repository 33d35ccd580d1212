"""More than one at a time: docs/faults.md row 22, readers of a replaced file, a configuration edited meanwhile."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import REPOSITORY
from tiny import ACCURACY, SOAK, Running, finished

from maescope.tokens import store

READER = Path(__file__).with_name("replaced.py")


@pytest.fixture
def study(tmp_path_factory):
    yield from finished(tmp_path_factory)


def test_row_22_a_second_snakemake_is_refused_and_the_first_unharmed(study):
    study.forget_blur()
    with Running(study, ACCURACY) as first:
        jobs = first.next_jobs()
        first.signal(jobs, signal.SIGSTOP)  # it does not end before the second has begun
        second = study.run(ACCURACY)
        assert second.returncode == 1
        assert "Directory cannot be locked" in second.stdout and "--unlock" in second.stdout
        assert "extract" not in second.stdout
        assert first.signal(jobs, signal.SIGCONT) == len(jobs)
        assert first.end() == 0, first.said()
    assert study.differing() == []


def test_sixteen_readers_of_a_file_that_is_replaced_see_one_version_or_refuse(tmp_path):
    path, stop = tmp_path / "0.h5", tmp_path / "stop"

    def replace(number):
        with store.writing(str(path), ["a", "b"], [number] * 2, ["I", "II"], {"config_hash": "abc"}) as writer:
            for level in ("I", "II"):
                writer.write(level, 0, {"mean": np.full((2, 2, 5), number, np.float32)})
                writer.write(level, 0, {"head": np.full((2, 2, 3, 300), number, np.float32)})

    replace(1)
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY / "workflow/scripts"), OMP_NUM_THREADS="1")
    command = [sys.executable, READER, path, stop, "16"]
    readers = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert [readers.stdout.readline() for _ in range(16)] == ["began\n"] * 16
        for number in range(2, 400 * SOAK):
            replace(number)
    finally:
        stop.touch()
        try:
            said = readers.communicate(timeout=60)[0].splitlines()
        finally:
            if readers.poll() is None:
                os.killpg(readers.pid, signal.SIGKILL)
    assert readers.returncode == 0 and len(said) == 16
    read, refused = np.array([line.split() for line in said], dtype=int).T
    assert read.sum() > 100 and refused.sum() > 0
    assert [other.name for other in tmp_path.glob("*0.h5")] == ["0.h5"]


def test_results_carry_the_settings_that_made_them_when_the_configuration_changes_meanwhile(study):
    """The run goes on with the settings that it was started with, and the next one makes again what differs."""
    config = study.config()
    stronger = {"kind": "blur", "levels": {"I": {"kernel": 7, "sigma": 3.0}}}
    tokens, reference = (folder / "tokens/vit/pets/blur/cat.h5" for folder in (study / "results", study.reference))
    study.configure(config | {"perturbations": config["perturbations"] | {"blur": stronger}})
    with Running(study, "table_1") as run:
        run.next_jobs()
        study.configure(config)
        assert run.end() == 0, run.said()
    with h5py.File(tokens) as made, h5py.File(reference) as other:
        assert made.attrs["config_hash"] != other.attrs["config_hash"]
        assert not np.array_equal(made["levels/I/mean"], other["levels/I/mean"])
        assert np.allclose(made["target"], other["target"])
    assert "pets/tables/table_1.csv" in study.differing()
    jobs = set(re.findall(r"^\d+ of \d+ +\S+  (\w+)", study.must_run("table_1"), re.MULTILINE))
    assert jobs == {"extract_pets", "accuracy", "quality", "table_1"}
    assert study.differing() == []
