"""What tests of the workflow share: copies of it in temporary folders, and one finished run of the smallest study."""

import gc
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import warm
import yaml
from filelock import FileLock

from maescope.base import yaml_keys

gc.disable()  # until all files of tests are imported
# Of the tests' own arithmetic, before torch is imported: threads that wait for each other would take cores from another
# worker. Snakemake tells its jobs how many they have.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).parents[1]
SCHEMA = yaml.load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(), yaml_keys.LOADER)
SMALLEST = REPOSITORY / "tests/workflow/config.yaml"
WORKFLOW = ("Snakefile", "workflow", "config", "profiles", "envs", "slurm", "tools")
JOB = re.compile(r"^ *(?:local)?rule (\w+):$|^ +wildcards: (.*)$", re.MULTILINE)  # those of groups are indented

LONG = ["run", "kills", "partial_studies", "tokens", "sweep_run", "sensitivity_run", "trainings", "hostile", "touched"]
LONG += ["told_early", "faults", "sound_models", "corruption_faults", "module", "scale_faults", "pictures", "disk"]
LONG += ["machine_faults", "concurrency", "properties", "verify", "report", "plan", "layer_figures", "study_page"]
LONG += ["parity", "last_line", "terminal", "beyond", "site"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, units last: so no worker has a long one left when the others have nothing to do."""
    places = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


def pytest_collection_finish() -> None:
    """What all files have imported is not looked through for garbage again and again."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # else triton tells of it


class Workflow:
    """A copy of the workflow, uncommitted changes included, in a folder of its own.

    Parameters
    ----------
    finished : the folder of another one, to be copied with all that it has made
    """

    def __init__(self, folder: Path, finished: Path | None = None):
        self.folder = folder
        if finished:
            shutil.copytree(finished, folder, symlinks=True)
            return
        folder.mkdir(parents=True)
        for name in WORKFLOW:
            source = REPOSITORY / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name, follow_symlinks=False)

    def moved(self, folder: Path) -> "Workflow":
        """A copy of this one in another folder, with all that it has made."""
        return Workflow(folder, self.folder)

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def configure(self, config: dict) -> None:
        """Put a configuration in the place of the default one."""
        (self / "config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def config(self) -> dict:
        return yaml.safe_load((self / "config/config.yaml").read_text())

    def run(self, *arguments: str, modules: Path | None = None) -> subprocess.CompletedProcess:
        """Run Snakemake on two cores; what it says, why jobs failed included, is in `stdout`.

        Parameters
        ----------
        modules : folder of Python modules that hide those installed; then all starts anew, and is no fork of what has
            imported Snakemake or torch
        """
        environment = dict(os.environ, PATH=f"{warm.COMMANDS}:{os.environ['PATH']}", COLUMNS="500")
        command = [warm.COMMANDS / "snakemake", "--cores", "2", "--nocolor", *arguments]
        if not modules:
            return warm.run(command, self.folder, environment, stderr=subprocess.STDOUT)
        environment["PYTHONPATH"] = str(modules)
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def must_run(self, *arguments: str, modules: Path | None = None) -> str:
        """Run Snakemake, to a good end, and return what it says."""
        done = self.run(*arguments, modules=modules)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def logs(self) -> str:
        """What all jobs have said in their logs."""
        return "".join(path.read_text() for path in sorted((self / "results").glob("**/logs/**/*.log")))

    def plan(self, *arguments: str) -> list[tuple[str, ...]]:
        """The jobs of a dry run, sorted: their rule and the values of their wildcards."""
        jobs: list[tuple[str, ...]] = []
        for rule, wildcards in JOB.findall(self.must_run("--dry-run", *arguments)):
            if rule:
                jobs.append((rule,))
            else:
                jobs[-1] += tuple(pair.split("=", 1)[1] for pair in wildcards.split(", "))
        return sorted(jobs)


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    """A fresh copy with the default configuration."""
    return Workflow(tmp_path / "clone")


@pytest.fixture
def without_pretrained(workflow) -> Workflow:
    """A fresh copy whose study looks at no model layer by layer."""
    config = workflow.config()
    for key in ("pretrained", "supervised", "scenes", "mask_variants"):
        del config["study"][key]
    del config["conventions"]  # of masks and subspaces, among others
    workflow.configure(config)
    return workflow


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled, once in a session: the workers that run tests side by side share it."""
    root = factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
    return folder


def run_the_smallest_study(folder: Path) -> None:
    workflow = Workflow(folder / "run")
    shutil.copy(SMALLEST, workflow / "config/config.yaml")
    workflow.must_run("--", "all", "results/tokens/mae_pretrained/three/mask.csv")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """The smallest study, run to its end with everything that it can make. Only to be looked at."""
    folder = once(tmp_path_factory, "finished", run_the_smallest_study)
    return Workflow(tmp_path_factory.mktemp("smoke") / "run", folder / "run")


@pytest.fixture(scope="session")
def report(finished, tmp_path_factory) -> Path:
    """Its report as one page, made by nothing but Snakemake."""

    def make(folder: Path) -> None:
        finished.must_run("--report", str(folder / "report.html"))

    return once(tmp_path_factory, "report", make) / "report.html"


@pytest.fixture
def smoke(finished, tmp_path) -> Workflow:
    """A copy of the finished run, to be changed."""
    return finished.moved(tmp_path / "smoke")
