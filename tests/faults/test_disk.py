"""A full disk, a real one: docs/faults.md row 19. Mounting a small one needs root; without, these tests are skipped."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from conftest import REPOSITORY
from tiny import another, finished, same_file

NEEDED = [part + name for name in ("images", "check_model", "check_labels") for part in ("", "provenance/")]
REMEDY = "cannot be written, the disk is full; free some space and run again"


@contextmanager
def disk(folder, size):
    """A disk of that size in the place of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if (mounted := subprocess.run(command, capture_output=True, text=True)).returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def grow(folder, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def test_row_19_a_disk_too_small_for_tokens_is_refused_beforehand_or_when_it_is_full(tmp_path, tmp_path_factory):
    workflow, _ = another(tmp_path_factory, tmp_path / "clone")
    config = workflow.config()
    config["perturbations"]["mask"] = {"kind": "mask", "masks": 100}
    workflow.configure(config)
    place = "results/tokens/vit/pets/mask"
    target, tokens = f"{place}.csv", workflow / place
    workflow.must_run(target)
    undisturbed = shutil.copytree(tokens, tmp_path / "undisturbed")
    for name in NEEDED:  # by an extraction
        shutil.copytree(workflow / "results" / name, tmp_path / "needed" / name)
    with disk(workflow / "results", "800k"):
        shutil.copytree(tmp_path / "needed", workflow / "results", dirs_exist_ok=True)
        refused = workflow.run(target)
        assert refused.returncode == 1
        assert re.search(rf"error: {place}: 0\.\d+ GB free, but the tokens need 0\.\d+ GB", refused.stdout)
        assert "free some space, store fewer patch_tokens, or set tokens_dtype: float16" in refused.stdout
        assert not list(tokens.rglob("*.h5"))

        # Room for the arrays, but not for what HDF5 adds to arrays as small as these: the disk fills up on the way.
        grow(workflow / "results", "1600k")
        filled = workflow.run(target)
        assert filled.returncode == 1
        line = rf": error: {place}/(cat|dog)\.h5: {REMEDY}$"
        assert re.search(line, filled.stdout, re.MULTILINE), filled.stdout
        assert "Traceback" not in workflow.logs() and "SIG" not in filled.stdout
        done = {path.name: path.stat().st_mtime_ns for path in tokens.iterdir()}
        assert len(done) < 2 and all(same_file(tokens / name, undisturbed / name) for name in done)
        assert not (workflow / target).exists()

        grow(workflow / "results", "64m")
        workflow.must_run(target)
        assert sorted(path.name for path in tokens.iterdir()) == ["cat.h5", "dog.h5"]
        assert all((tokens / name).stat().st_mtime_ns == time for name, time in done.items())
        assert all(same_file(path, undisturbed / path.name) for path in tokens.iterdir())


WRITE = """
import sys
import numpy as np
from maescope.base.errors import InputError
from maescope.tokens import store
images, levels, room = 40, [str(level) for level in range(30)], sys.argv[1]
try:
    with store.writing(room, [f"{n}.png" for n in range(images)], [0] * images, levels, {"config_hash": "h"}) as writer:
        for start in range(0, images, 10):
            for level in levels:
                shape = {"cls": (2, 10, 24), "head": (2, 10, 3, 8), "patch": (2, 10, 16, 24)}
                writer.write(level, start, {name: np.ones(shape[name], np.float32) for name in shape})
except InputError as error:
    sys.exit(f"refused: {error}")
"""


def test_row_19_wherever_a_disk_fills_up_hdf5_does_not_crash(tmp_path):
    """With more and more room, until it is enough: in the first attribute, in the arrays, in the last flush."""
    path, ends = tmp_path / "disk/0.h5", []
    environment = dict(os.environ, PYTHONPATH=str(REPOSITORY / "workflow/scripts"))
    with disk(path.parent, "4k"):
        for kilobytes in (4, 8, 16, 100, 500, 1000, 2000, 3000, 3900, 4200, 4400, 9000):
            grow(path.parent, f"{kilobytes}k")
            command = [sys.executable, "-c", WRITE, path]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) in ((0, ""), (1, f"refused: {path}: {REMEDY}\n"))
            assert [other.name for other in path.parent.iterdir()] == ["0.h5"] * (done.returncode == 0)
            path.unlink(missing_ok=True)
            ends.append(done.returncode)
    assert ends[0] == 1 and ends[-1] == 0


@pytest.fixture
def tiny(tmp_path_factory):
    yield from finished(tmp_path_factory)


def test_row_19_a_full_disk_under_training_measures_figures_and_tables(tiny):
    files = {
        "models": "models/trained.safetensors",
        "measures/quality": "measures/quality/vit/pets/blur.csv",
        "pets/figures": "pets/figures/figure_5.pdf",
        "pets/tables": "pets/tables/table_3.csv",
    }
    targets = [f"results/{path}" for path in files.values()]
    folders = [tiny / "results" / folder for folder in files]
    with ExitStack() as disks:
        for folder in folders:
            disks.enter_context(disk(folder, "4k"))
            (folder / "full").write_bytes(bytes(4096))
        said = tiny.run("--keep-going", *targets)
        assert said.returncode == 1
        for folder, path in zip(folders, files.values(), strict=True):
            line = rf"error: results/{Path(path).with_suffix('')}[.\w]+: {REMEDY}"
            assert re.search(line, said.stdout), said.stdout
            assert [file.name for file in folder.rglob("*") if file.is_file()] == ["full"]
            (folder / "full").unlink()
            grow(folder, "64m")
        tiny.must_run(*targets)
        assert [path for path in files.values() if path in tiny.differing()] == []
    assert tiny.differing() == []
