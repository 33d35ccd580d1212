"""The tiny study of the fault suite, run once, and its jobs as processes of their own, to be killed at any moment.

A start of Snakemake takes seconds, a job of this study a fraction of one: so Snakemake is asked to leave the scripts of
its jobs behind, and they are run again as they are, by processes that have imported torch and the like already.
"""

import multiprocessing
import os
import re
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
from conftest import REPOSITORY, Workflow, once
from safetensors.torch import save_file
from test_faults import model, pets, state, study

SOAK = int(os.environ.get("MAESCOPE_SOAK", "1"))  # how many times as many kills, flips and examples
TARGETS = ("figure_5", "figure_8", "table_1", "table_3", "training_curves")
ACCURACY = "results/measures/accuracy/vit/pets/blur.parquet"
COPIES = re.compile(r"/[^'\"]*?/snakemake-runtime-cache/\w+/file(?=/)")
VARYING = {"logs", "benchmarks", "overview.html", "study.html"}  # they tell the time, or of killed jobs
OF_THIS_PROCESS = []  # the finished study, once it was asked for


def config_of(folder):
    """A study of pictures and weights that are made in `folder`, with a model that is trained."""
    pets(folder / "pets")
    save_file(state(), folder / "vit.safetensors")
    config = study(folder / "vit.safetensors", folder / "pets")
    del config["perturbations"]["mask"]
    training = {"recipe": "scratch", "dataset": "pets", "epochs": 3}
    config["models"]["trained"] = model("results/models/trained.safetensors", training=training)
    return config


def run_the_tiny_study(folder):
    """In `folder`, where it stays as it is; what its scripts call copies of the library leads to this clone's."""
    clone = Workflow(folder / "clone")
    clone.configure(config_of(folder))
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")):
        clone.must_run("--skip-script-cleanup", *TARGETS)
    scripts = (path.read_text() for path in scripts_of(clone.folder))
    for path in map(Path, {match for script in scripts for match in COPIES.findall(script)}):
        path.parent.mkdir(parents=True, exist_ok=True)  # Snakemake has removed it
        path.symlink_to("/")


def scripts_of(folder):
    return sorted((folder / ".snakemake/scripts").glob("tmp*.*.py"))


class Finished(Workflow):
    """A copy of that clone, to be changed; `reference` has what was made undisturbed."""

    def __init__(self, folder, kept):
        super().__init__(folder, kept)
        self.kept, self.reference = kept, kept / "results"
        self.jobs = [Job(self, script) for script in scripts_of(folder)]
        assert finish(self.jobs[0].start()) == 0  # the first one waits until torch and the like are imported

    def jobs_of(self, *rules):
        return [job for job in self.jobs if job.rule in rules]

    def restore(self):
        """Put everything back as it was after the run, whatever a test did to it."""
        for process in multiprocessing.active_children():
            if isinstance(process, multiprocessing.context.ForkServerProcess):  # not joblib's, of other tests
                process.kill()
                process.join()
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder, symlinks=True)

    def job_making(self, rule, path):
        """The job of a rule whose script has a path; of one rule only outputs differ in such a way."""
        (job,) = (job for job in self.jobs_of(rule) if str(path) in job.script.read_text())
        return job

    def outputs(self, job):
        """What a job makes, and the seconds that it takes for it; an extraction makes all labels anew."""
        for path in self.tokens(job):
            path.unlink()
        before = {path: path.stat().st_mtime_ns for path in (self / "results").rglob("*") if path.is_file()}
        began = time.monotonic()
        assert finish(job.start()) == 0
        took = time.monotonic() - began
        made = [path for path in (self / "results").rglob("*") if path.is_file()]
        changed = [path for path in made if path.stat().st_mtime_ns != before.get(path)]
        return [path for path in changed if not VARYING & set(path.parts)], took

    def tokens(self, job):
        """The token files of an extraction."""
        (of,) = re.findall(r"results/logs/extract/([\w/]+)\.log", job.script.read_text()) or [None]
        return sorted((self / f"results/tokens/{of}").glob("*.h5")) if of else []

    def forget_table_1(self):
        """Remove the table and all tokens and measures that it is made of."""
        for folder in ("tokens/vit/pets", "measures/accuracy", "pets/tables"):
            for path in (self / "results" / folder).rglob("*.*"):
                if "occlusion" not in str(path) and "table_3" not in path.name:
                    path.unlink()

    def forget_blur(self):
        """Remove the tokens of blurred images, and `ACCURACY`, which is made of them."""
        for folder in ("tokens/vit/pets", "measures/accuracy/vit/pets"):
            for path in (self / "results" / folder).rglob("*.*"):
                if "blur" in str(path.relative_to(self / "results")):
                    path.unlink()

    def half_made(self):
        """Final files that are neither absent nor as they were made undisturbed."""
        return [name for name in self.differing() if (self / "results" / name).exists() and "/.tmp." not in name]

    def differing(self):
        """What is not as it was made undisturbed: token files array by array, others byte by byte."""
        made, wanted = (
            {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
            for folder in (self / "results", self.reference)
        )
        names = {name for name in made | wanted if not VARYING & set(name.split("/"))}
        return sorted(name for name in names if not same_file(self / "results" / name, self.reference / name))


def finished(factory) -> Iterator[Finished]:
    """The finished study, of a factory of temporary folders, for one test, which may change it."""
    study = _of_this_process(factory)
    if isinstance(study, Exception):
        raise study
    yield study
    study.restore()


def _of_this_process(factory):
    """The study, or why there is none: what takes half a minute to fail is not tried again for each test."""
    if not OF_THIS_PROCESS:
        try:
            kept = once(factory, "tiny", run_the_tiny_study) / "clone"
            OF_THIS_PROCESS.append(Finished(factory.mktemp("tiny") / "clone", kept))
        except Exception as error:
            OF_THIS_PROCESS.append(error)
    return OF_THIS_PROCESS[0]


def another(factory, folder):
    """A copy of the finished study to be changed, and the folder of its pictures and weights, not to be changed."""
    kept = once(factory, "tiny", run_the_tiny_study)
    return Workflow(folder, kept / "clone"), kept


def same_file(path, other):
    if not (path.is_file() and other.is_file()):
        return False
    same = path.read_bytes() == other.read_bytes()
    return same or (path.suffix == ".h5" and same_tokens(path, other))


def same_tokens(path, other):
    """Whether two token files have the same attributes and the same arrays."""

    def arrays(file):
        found = {}
        file.visititems(lambda name, item: found.update({name: item[:]} if isinstance(item, h5py.Dataset) else {}))
        return found | {f"@{name}": value for name, value in file.attrs.items()}

    try:
        with h5py.File(path) as one, h5py.File(other) as two:
            first, second = arrays(one), arrays(two)
    except OSError:  # damaged
        return False
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


class Job:
    """A job of the finished study, which can be run again and killed.

    Parameters
    ----------
    script : what Snakemake left behind of it
    """

    def __init__(self, workflow, script):
        self.folder, self.script = workflow.folder, script
        self.rule = script.name.split(".")[1]  # the one whose name the script has: finetune, of scratch as well

    def start(self, cut=("", 0)):
        """Run it in a process of its own, which ends when it has written so many bytes of a file of that name."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["preloaded"])
        path = f"{REPOSITORY / 'tests'}:{REPOSITORY / 'tests/faults'}"
        with mock.patch.dict(os.environ, PYTHONPATH=path):  # of the one that forks
            forkserver.ensure_running()
        process = context.Process(target=_run, args=(str(self.folder), str(self.script), *cut), daemon=True)
        process.start()
        return process


def finish(process, seconds=120):
    """The exit status of a process, which must not hang."""
    process.join(seconds)
    hangs = process.is_alive()
    process.kill()
    process.join()
    assert not hangs
    return process.exitcode


def _run(folder, script, name, size):
    """In the new process: a job's script, where Snakemake would run it."""
    os.chdir(folder)
    sys.argv = [script]
    if name:
        _cut(name, size)
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception:  # multiprocessing would report it in its own way
        sys.excepthook(*sys.exc_info())
        sys.exit(1)


def _cut(name, size):
    """Let the kernel end this process, no less abruptly than kill -9, at a byte of the file of that name."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it

    def limit(event, arguments):
        if event == "open" and str(arguments[0]).endswith(f".{name}"):  # the temporary file, not one it reads
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    sys.addaudithook(limit)


def wait_for(found, seconds=120):
    """What `found` returns, as soon as that is something."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
    return result


class Running:
    """A Snakemake on two cores that goes on by itself, until the `with` block ends at the latest."""

    def __init__(self, study, *arguments):
        self.folder = study.folder
        environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        self.log = open(study.folder / "running.log", "a+")  # noqa: SIM115 - as long as the process
        command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", "--nocolor", *arguments]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def jobs(self):
        """Numbers of the processes of this Snakemake, dead or alive, that run a job's script."""
        scripts = f"{self.folder}/.snakemake/scripts/tmp".encode()
        numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [number for number in numbers if self._owns(number, scripts)]

    def _owns(self, number, scripts):
        """Whether a process is of this Snakemake and has such an argument; its shell has it within one."""
        try:
            arguments = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            runs = any(argument.startswith(scripts) for argument in arguments)
            return runs and os.getpgid(number) == self.process.pid
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            return False

    def next_jobs(self):
        """Those processes, as soon as there are some."""

        def begun():
            jobs = self.jobs()
            assert jobs or self.process.poll() is None, self.said()
            return jobs

        return wait_for(begun)

    def signal(self, jobs, number):
        """Send a signal to such processes; how many of them were still there."""
        sent = 0
        for job in jobs:
            with suppress(ProcessLookupError):
                os.kill(job, number)
                sent += 1
        return sent

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def end(self):
        """Wait for it, then for the jobs that it left."""
        code = self.process.wait(timeout=240)
        wait_for(lambda: not self.jobs())
        return code
