"""Runs of the workflow on the one-node Slurm, and what there is to see of them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import onenode
from conftest import Workflow

COMMAND = ("snakemake", "--cores", "8", "--profile", "slurm")
QUICK = ("--slurm-init-seconds-before-status-checks", "2")  # a user waits longer, the tests need not
FIELD = re.compile(r"(\w+)=(\S*)")
ENVIRONMENT = Path(sys.executable).parent
STARTED = []  # every run of this session, for end_all


class Run:
    """Snakemake at work on the cluster, in the background.

    The command is typed as a user would, in a shell whose PATH begins with the environment. It has a process group of
    its own, all of which is killed at the end of a `with`. What it said is on its terminal, and in Snakemake's log.
    """

    def __init__(self, workflow: Workflow, *arguments: str, command=COMMAND, **environment: str):
        self.workflow = workflow
        self.log = workflow / f"run-{time.monotonic_ns()}.log"
        self.before = self._records()
        search = f"{ENVIRONMENT}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", 'exec "$@"', "bash", *command, "--nocolor", *arguments],
            cwd=workflow.folder,
            env={"PATH": search, "HOME": str(Path.home()), "COLUMNS": "500"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored by what a script runs with &
        )
        self.over = False
        STARTED.append(self)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error) -> None:
        self.kill()

    def kill(self) -> None:
        """End Snakemake and all that it started here, once: the number may later be another's."""
        if not self.over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=60)
            self.over = True

    @property
    def said(self) -> str:
        records = sorted(self._records() - self.before)
        return "".join(path.read_text() for path in (self.log, *records))

    def _records(self) -> set[Path]:
        return set((self.workflow / ".snakemake/log").glob("*.log"))

    def ends(self, code: int | None = 0) -> str:
        """Wait for the end, which must be as expected, and return what was said."""
        try:
            returned = self.process.wait(timeout=900)
        finally:
            self.kill()
        assert code is None or returned == code, self.said
        return self.said

    def reaches(self, rule: str) -> None:
        """Wait until a job of a rule runs on the node."""
        onenode.wait_until(
            lambda: any(job["JobState"] == "RUNNING" and rule in job["Comment"] for job in jobs(self.workflow)),
            300,
            f"a job of {rule} to run",
        )

    def stop(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=60)


def end_all() -> None:
    """Kill what still runs."""
    for run in STARTED:
        run.kill()


def jobs(workflow: Workflow) -> list[dict[str, str]]:
    """The Slurm jobs of a copy of the workflow, as `scontrol` has them, in their order."""
    every = [dict(FIELD.findall(line)) for line in onenode.said("scontrol", "show", "job", "-o").splitlines()]
    own = [job for job in every if job.get("WorkDir") == str(workflow.folder)]
    return sorted(own, key=lambda job: int(job["JobId"]))


def clone(folder: Path, config: dict) -> Workflow:
    """A fresh copy of the workflow with a configuration."""
    workflow = Workflow(folder)
    workflow.configure(config)
    return workflow


def edit(workflow: Workflow, path: str, old: str, new: str) -> None:
    file = workflow / path
    assert old in file.read_text(), f"{path} has no {old!r}"
    file.write_text(file.read_text().replace(old, new))


def accuracy(*perturbations: str) -> list[str]:
    """Targets: measures of the small study that need one extraction each."""
    return [f"results/measures/accuracy/mae_finetuned/three/{name}.parquet" for name in perturbations]


def half_files(folder: Path) -> list[str]:
    """Token files that are there and not whole."""
    return [str(path) for path in folder.rglob("*.h5") if not path.name.startswith(".tmp.") and not _whole(path)]


class Watch(threading.Thread):
    """Looks at the token files as long as a run goes on.

    half : those that were there and not whole
    temporary : those that were being written
    """

    def __init__(self, run: Run):
        super().__init__(daemon=True)
        self.run_watched, self.half, self.temporary = run, set(), set()
        self.start()

    def run(self) -> None:
        folder = self.run_watched.workflow / "results"
        while self.run_watched.process.poll() is None:
            self.half |= set(half_files(folder))
            self.temporary |= {path.name for path in folder.rglob(".tmp.*.h5")}
            time.sleep(0.3)


def _whole(path: Path) -> bool:
    try:
        with h5py.File(path) as file:
            return file.attrs.get("complete") == 1
    except FileNotFoundError:  # taken away in between, as outputs of failed jobs are
        return True
    except OSError:
        return False
