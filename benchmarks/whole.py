"""The workflow as a whole, in a fresh copy of it: how long a plan takes, and the demo."""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from row import Row, seconds

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from maescope.images.corruptions import CORRUPTIONS  # noqa: E402

PARTS = ("Snakefile", "Makefile", "requirements.txt", "workflow", "config", "profiles", "envs")


def plan(options: argparse.Namespace) -> Row:
    """Planning config/imagenet.yaml, of which only the names of folders and weights are looked at."""
    with _copy() as folder:
        _fake_folders(folder)
        command = [sys.executable, "-m", "snakemake", "-n", "-q", "--cores", "1", "--configfile", "paper.yaml"]
        before = _children_seconds()
        times = [seconds(lambda: _run(command, folder)) for _ in range(options.rounds)]
        arithmetic = (_children_seconds() - before) / options.rounds
    span, remark = (min(times), max(times)), f"{arithmetic:.1f} s of CPU time"
    return Row("plan of config/imagenet.yaml", statistics.median(times), 5, True, " s", span, remark)


def demo(options: argparse.Namespace) -> Row:
    """`make demo` on two cores, in the environment of this process."""
    what = "make demo, two cores, installed before"
    if not options.demo:
        return Row(what, None, 480, limit=True, unit=" s", remark="not asked for: --demo")
    with _copy() as folder:
        environment = [f"VENV={sys.prefix}", "-o", f"{sys.prefix}/requirements.txt"]  # as it is: never made anew
        taken = seconds(lambda: _run(["make", "demo", *environment, "CORES=2"], folder))
    return Row(what, taken, 480, limit=True, unit=" s")


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        copy_into(Path(name))
        yield Path(name)


def copy_into(folder: Path) -> None:
    """Put what runs of the workflow into a folder."""
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / part)


def _fake_folders(folder: Path) -> None:
    """The paper's configuration with three empty folders in it, weights and corruptions there by name."""
    config = yaml.safe_load((folder / "config/imagenet.yaml").read_text())
    config["folders"] = {name: str(folder / "data" / name) for name in config["folders"]}
    for corruption in CORRUPTIONS:
        for severity in range(1, 6):
            (folder / "data/variants/imagenet-c" / corruption / str(severity)).mkdir(parents=True)
    (folder / "data/checkpoints").mkdir()
    for model in config["models"].values():
        Path(model["weights"].format(**config["folders"])).touch()
    (folder / "paper.yaml").write_text(yaml.safe_dump(config))


def _children_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _run(command: list[str], folder: Path) -> None:
    """Run it; what it says goes to standard error, so that it does not end up in the table."""
    subprocess.run(command, cwd=folder, env=os.environ, stdout=sys.stderr, check=True)
