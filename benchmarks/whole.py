"""The workflow as a whole, in a fresh copy of it: how long a plan takes, what an ended job costs, and the demo."""

import argparse
import json
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

import numpy as np
import timm
import yaml
from PIL import Image
from row import Row, seconds
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from maescope.images.corruptions import CORRUPTIONS  # noqa: E402

LABELS = 1000
SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
ENDING = ("accuracy", "attention", "effective_rank", "neural_collapse")  # measures of clean images, and CKA
SNAKEMAKE = """
import atexit, json, resource, sys
from snakemake.cli import main

used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
atexit.register(lambda: print(json.dumps({"seconds": used()}), file=open("used.json", "w"), flush=True))
main(sys.argv[1:])
"""
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


def plan_thousand(options: argparse.Namespace) -> list[Row]:
    """A study of a thousand labels: CPU time of planning its hundred jobs, and of Snakemake for each one that ends."""
    with _copy() as folder:
        study_of(folder, LABELS)
        planned, said = [], ""
        for _ in range(options.rounds):
            own, said = _snakemake(folder, "--dry-run")
            planned.append(own)
        jobs = int(said.rpartition("total")[2].split()[0])
        what = f"plan of {jobs} jobs, {LABELS} labels"
        rows = [Row(what, statistics.median(planned), 5, True, " s", (min(planned), max(planned)), "CPU time")]
        targets = [f"results/measures/{name}/first/many/clean.{kind_of(name)}" for name in ENDING]
        targets.append("results/measures/cka/first/many/clean/first.csv")
        _snakemake(folder, "--until", "check_labels", "--", *targets)
        plan_of, said = _snakemake(folder, "--dry-run", "--", *targets)
        jobs = int(said.rpartition("total")[2].split()[0])
        whole, _ = _snakemake(folder, "--", *targets)
        again, said = _snakemake(folder, "--dry-run", "--", *targets)
    remark = (
        f"CPU time; {jobs} jobs {whole:.1f} s, of which their plan {plan_of:.1f} s; all found done in {again:.1f} s"
    )
    what = f"Snakemake for each job that ends, {LABELS} labels"
    return [*rows, Row(what, (whole - plan_of) / jobs, 0.2, True, " s", remark=remark)]


def kind_of(measure: str) -> str:
    """Of what kind the file of a measure is."""
    return "parquet" if measure in ("accuracy", "attention") else "csv"


def study_of(folder: Path, labels: int) -> None:
    """A configuration in the place of the default one: pictures by label, two networks, a table of corruptions."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    names = [f"n{number:08d}" for number in range(labels)]
    for name in names:
        (folder / "pictures" / name).mkdir(parents=True)
        for number, picture in enumerate(pixels):
            Image.fromarray(picture).save(folder / f"pictures/{name}/{number}.png")
    model = {"architecture": "vit_tiny_patch16_224", "arguments": SMALL, "num_classes": labels}
    model["preprocessing"] = {"resize": 16, "crop": 16, "mean": [0.5] * 3, "std": [0.5] * 3}
    network = timm.create_model(model["architecture"], num_classes=labels, global_pool="token", **SMALL)
    save_file(network.state_dict(), folder / "vit.safetensors")
    model |= {"weights": str(folder / "vit.safetensors"), "pooling": "token"}
    models = dict.fromkeys(("first", "second"), model)
    perturbations = {
        "clean": {"kind": "clean"},
        "blur": {"kind": "blur", "levels": {"weak": {"kernel": 5, "sigma": 1.0}}},
        "occlusion": {"kind": "occlusion", "levels": [0, 50]},
        "random": {"kind": "occlusion", "order": "random", "levels": [0, 50]},
        "corruptions": {"kind": "corruption", "name": "all"},
    }
    study = {"name": "thousand", "dataset": "many", "finetuned": list(models), "compared": list(models)}
    study |= {"occlusion": ["occlusion", "random"], "corrupted": list(models)}
    dataset = {"pattern": str(folder / "pictures/{label}/*.png"), "classes": names, "count": 2}
    few = {"folds": 2, "neighbours": 3, "perplexity": 3}
    config = {"study": study | {"tsne": {"images": 2}}, "analysis": few, "datasets": {"many": dataset}}
    config |= {"models": models, "perturbations": perturbations}
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _snakemake(folder: Path, *arguments: str) -> tuple[float, str]:
    """CPU seconds of Snakemake itself, without its jobs' scripts, and what it says."""
    command = [sys.executable, "-c", SNAKEMAKE, "--cores", "2", "--nocolor", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout)
    return json.loads((folder / "used.json").read_text())["seconds"], done.stdout


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
