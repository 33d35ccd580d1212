"""What tests of the workflow share: copies of it in temporary folders, and one finished run of the smallest study."""

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
SMALLEST = REPOSITORY / "tests/workflow/config.yaml"
WORKFLOW = ("Snakefile", "workflow", "config", "profiles", "envs", "slurm", "tools")
JOB = re.compile(r"^ *(?:local)?rule (\w+):$|^ +wildcards: (.*)$", re.MULTILINE)  # those of groups are indented


class Workflow:
    """A copy of the workflow, uncommitted changes included, in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        for name in WORKFLOW:
            source = REPOSITORY / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name, follow_symlinks=False)

    def moved(self, folder: Path) -> "Workflow":
        """A copy of this one in another folder, with all that it has made."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        return other

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
        modules : folder of Python modules that hide those installed
        """
        environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", COLUMNS="500")
        if modules:
            environment["PYTHONPATH"] = str(modules)
        command = [Path(sys.executable).with_name("snakemake"), "--cores", "2", "--nocolor", *arguments]
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


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """The smallest study, run to its end with everything that it can make. Only to be looked at."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke") / "run")
    shutil.copy(SMALLEST, workflow / "config/config.yaml")
    masks = [f"results/tokens/mae_pretrained/three/mask/{label}.h5" for label in "012"]
    workflow.must_run("--", "all", *masks)
    return workflow


@pytest.fixture
def smoke(finished, tmp_path) -> Workflow:
    """A copy of the finished run, to be changed."""
    return finished.moved(tmp_path / "smoke")
