"""What a person sees of a run, on a terminal and without; its lines are in tests/unit/base/test_terminal_lines.py."""

import inspect
import logging
import os
import re
import sys
from pathlib import Path

import pytest
import snakemake.api
import snakemake.logging
import snakemake.scheduling.job_scheduler as scheduling
import snakemake.workflow
import yaml
from conftest import SMALLEST, Workflow
from PIL import Image
from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent
from terminals import Terminal

from maescope.base import terminal

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
# Each process of Python runs this first, that of Snakemake as well.
NOISY = """
import os, sys, threading, time

class Timer(threading.Timer):
    def start(self):
        open("timers", "a").close()
        super().start()

threading.Timer = Timer
if "scripts" in sys.argv[0]:
    os.write(2, b"a job writes\\nto standard error\\n")
    end = time.monotonic() + 120
    while os.path.exists("wait") and time.monotonic() < end:
        time.sleep(0.1)
"""


@pytest.fixture
def small(tmp_path) -> Workflow:
    """A study of two datasets; jobs write to standard error, and wait while there is a file called wait."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(NOISY)
    datasets = {}
    for name in ("pets", "birds"):
        for path in (tmp_path / name / label / f"{number}.png" for label in ("one", "other") for number in range(3)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20)).save(path)
        pattern = f"{tmp_path}/{name}/{{label}}/*.png"
        datasets[name] = {"pattern": pattern, "classes": ["one", "other"], "count": 3}
    config = yaml.safe_load(SMALLEST.read_text())
    vit = config["models"]["supervised"]
    vit |= {"weights": "results/models/vit.safetensors", "num_classes": 2}
    vit["training"]["dataset"] = "pets"
    kinds = {name: config["perturbations"][name] for name in ("clean", "blur", "occlusion")}
    workflow = Workflow(tmp_path / "clone")
    study = {"name": "pets", "finetuned": ["vit"], "dataset": "pets"}
    workflow.configure({"study": study, "datasets": datasets, "models": {"vit": vit}, "perturbations": kinds})
    return workflow


def on_a_terminal(workflow: Workflow, *arguments: str, **more) -> Terminal:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [SNAKEMAKE, "--cores", "2", *arguments]
    return Terminal(command, workflow.folder, PATH=path, PYTHONPATH=str(workflow / "../site"), **more)


def test_a_run_on_a_narrow_terminal_is_a_line_a_job_below_what_jobs_write(small):
    """One picture cannot be decoded, which the last line says; the other dataset is fine."""
    (small / "../pets/other/1.png").write_bytes(b"<html>not a picture</html>")
    (small / "wait").touch()
    targets = ("results/images/pets.csv", "results/images/birds.csv")
    seen = on_a_terminal(small, *targets, "--keep-going", columns=60)
    seen.until("0 of 2 [----------]")
    seen.until("to standard error")
    (small / "wait").unlink()
    assert seen.closed() == 1
    lines = "\n".join(seen.lines()[-20:])
    assert re.search(r"^2 jobs$", lines, re.MULTILINE) and lines.count("a job writes\nto standard error") == 2
    assert re.search(r"^1 of 2   0:\d\d  sample birds", lines, re.MULTILINE), lines
    assert re.search(r"^failed after 0:\d\d: sample pets$", lines, re.MULTILINE), lines
    assert "At least one job" not in lines and "CalledProcessError" not in lines and "Exiting because" not in lines
    *_, done, last = re.split(r"\n(?=1 of 2 jobs done|results/logs/sample)", lines)
    assert re.match(r"1 of 2 jobs done in 0:\d\d; the whole record: /", done), lines
    joined = last.replace("\n", "")  # the line is longer than the terminal
    assert joined.startswith("results/logs/sample/pets.log: error: "), lines
    assert "other/1.png" in joined and "replace it" in joined, lines
    assert seen.screen.cursor.x == 0 and not seen.screen.cursor.hidden
    assert not (small / "timers").exists()  # Snakemake does not wake up for jobs that have ended
    (record,) = (small / ".snakemake/log").glob("*.log")
    said = record.read_text()
    assert "Finished jobid" in said and "output: results/images/birds.csv" in said
    for words in terminal.UNSAID.pattern.split("|"):  # Snakemake says it as it did: else look at base/terminal.py
        assert re.search(f"^{words}", said, re.MULTILINE), words


def test_ctrl_c_in_the_middle_of_a_bar_and_a_second_run_beside_it(small):
    (small / "wait").touch()
    seen = on_a_terminal(small, "results/images/pets.csv")
    seen.until("----] | sample pets")
    second = small.run("results/images/pets.csv")
    assert second.returncode == 1 and "--unlock" in second.stdout.rstrip().splitlines()[-1], second.stdout
    seen.press("\x03")
    assert seen.closed() != 0
    lines = seen.lines()
    assert lines[-3:-1] == ["to standard error", "Terminating processes on user request, this might take some time."]
    assert re.match(r"stopped: 0 of 1 jobs done in 0:\d\d; the same command goes on from there$", lines[-1])
    assert seen.screen.cursor.x == 0 and not seen.screen.cursor.hidden
    (small / "wait").unlink()
    said = small.must_run("results/images/pets.csv")  # not locked, and without a terminal
    lines = r"1 job\n1 of 1   0:\d\d  sample pets\n1 of 1 jobs done in 0:\d\d\n"
    assert re.fullmatch(lines, said[said.index("1 job") :]), said
    assert not re.search("[\x1b\r]", said)


def test_snakemake_is_as_it_was_where_it_does_not_run_jobs(small):
    """A dry run, the summary and the plan of a refused study; what is refused ends in one line all the same."""
    said = small.must_run("results/images/pets.csv", "--dry-run")
    assert "rule sample:" in said and "This was a dry-run" in said and "wildcards: dataset=pets" in said
    config = small.config()
    config["datasets"]["pets"]["cuont"] = 3
    small.configure(config)
    seen = on_a_terminal(small, "--summary", "results/images/pets.csv")
    assert seen.closed() == 1
    assert (
        seen.lines()[-1]
        == (
            "error: config/config.yaml: the configuration is not usable: datasets.pets: unknown key 'cuont' "
            "(did you mean 'count'?)"
        )[-len(seen.lines()[-1]) :]
    )


# What the terminal hangs on in Snakemake beyond what it documents: where one of these fails, look at base/terminal.py.


def test_snakemake_names_its_handler_as_it_did():
    manager = snakemake.logging.LoggerManager(logging.Logger("another"), OutputSettings())
    (handler,) = manager.logger.handlers
    assert handler.name == terminal.USUAL and hasattr(handler, "stream")
    manager.stop()


def test_snakemake_makes_the_records_that_the_terminal_reads():
    assert {*terminal.EVENTS, "error", "workflow_started", "shellcmd"} <= {str(event) for event in LogEvent}


@pytest.mark.parametrize("words", terminal.SAID.pattern.split("|"))
def test_snakemake_says_what_it_said(words):
    known = [NOTHING_TO_BE_DONE_MSG, *map(inspect.getsource, (scheduling, snakemake.workflow))]
    assert any(words in said for said in known), words
