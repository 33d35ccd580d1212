"""Training: from JPEG files to steps against the bare step on tensors in memory, and what a study's trainings cost.

`python benchmarks/training_steps.py CONFIG [--only NAME ...] [--device cpu|cuda] [--batch N] [--images N] [--rate R]`
measures a step of each training of a study, here, and multiplies; of a CPU it is one thread, in float32, by its own
clock. The operations of all are counted, which gives hours of a GPU of an assumed rate. --images is how many images a
training sees in an epoch; by itself what the configuration says, or 1300 of each class. Prints Markdown.
"""

import argparse
import copy
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import photographs
import psutil
import torch
import yaml
from row import Row, ratio
from torch.optim.optimizer import register_optimizer_step_post_hook

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.base import grid, memory
from maescope.images import reading
from maescope.models import feeding, objectives, trainer, training
from maescope.models.ranks import World
from maescope.study import recipes, settings

ROOT = Path(__file__).resolve().parents[1]
IMAGENET = reading.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
WHAT = "training steps from JPEG files, MAE's pretraining of ViT-S at 224 px"
STEPS = 6


def files_row(options: argparse.Namespace) -> Row:
    """On the CPU, all of its cores, batches of 16."""
    return _row(f"{WHAT}, CPU, float32", options, torch.device("cpu"), "float32", 16, min(3, options.rounds))


def gpu_row(options: argparse.Namespace) -> Row:
    """On a GPU, batches of 256."""
    what = f"{WHAT}, GPU, bfloat16"
    if not torch.cuda.is_available():
        return Row(what, None, 0.95, remark="no GPU")
    return _row(what, options, torch.device("cuda", 0), "bfloat16", 256, options.rounds)


def _row(what: str, options: argparse.Namespace, device: torch.device, precision: str, size: int, rounds: int) -> Row:
    """The engine's steps but for the first, in which readers start, and as many on one batch, in turns."""
    memory.keep_freed()
    entry = pretraining(size, precision)
    cores, batches = len(os.sched_getaffinity(0)), (1 + STEPS) * size
    with tempfile.TemporaryDirectory() as folder:
        rows = photographs.rows(Path(folder), ["any"], batches, min(batches, 256))
        objective = built(entry)
        how = training.Training(objective, entry["training"], IMAGENET, workers=cores, world=World(device=device))
        images = feeding.Images(
            feeding.Listed(rows),
            rows["target"].to_numpy("int64"),
            IMAGENET,
            entry["training"]["augmentation"],
            0,
            objective.hidden,
        )
        bare = step(copy.deepcopy(objective), entry["training"], device, size)
        taken = _in_turns(
            lambda: _of_steps(lambda: [bare() for _ in range(1 + STEPS)]),
            lambda: _of_steps(lambda: training.train(how, images)),
            rounds,
        )
    wall, cpu = ([tuple(one[clock] for one in pair) for pair in taken] for clock in (0, 1))
    bare_rate, rate = (STEPS * size / statistics.median(column) for column in zip(*wall, strict=True))
    of_cpu = ratio(cpu)["measured"]
    remark = f"{rate:.3g} images/s, bare {bare_rate:.3g}; of CPU time {of_cpu:.3g}, {cores} cores"
    details = {"images_per_s": rate, "bare_images_per_s": bare_rate, "cpu_ratio": of_cpu}
    return Row(what, target=0.95, remark=remark, details=details, **ratio(wall))


def _of_steps(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and CPU seconds of this process and its readers, from the end of the first step to that of the last."""
    ends: list[tuple[float, float]] = []

    def ended(*_: object) -> None:
        readers = (psutil.Process(child.pid).cpu_times() for child in multiprocessing.active_children())
        ends.append((time.perf_counter(), time.process_time() + sum(own.user + own.system for own in readers)))

    handle = register_optimizer_step_post_hook(ended)
    try:
        action()
    finally:
        handle.remove()
    return ends[-1][0] - ends[0][0], ends[-1][1] - ends[0][1]


def _in_turns(plain: Callable, ours: Callable, rounds: int) -> list[tuple]:
    """What both return, round by round after one that does not count, each first in turn."""
    plain(), ours()
    found = []
    for number in range(rounds):
        first = ours() if number % 2 else None
        other = plain()
        found.append((other, first or ours()))
    return found


def pretraining(batch: int, precision: str, architecture: str = "vit_small_patch16_224") -> dict:
    """The entry of a model that is pretrained for an epoch by the recipe of photographs."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["$defs"]["training"]
    defaults = {key: one["default"] for key, one in schema["properties"].items() if "default" in one}
    stated = {
        "recipe": "pretrain",
        "dataset": "any",
        "epochs": 1,
        "batch_size": batch,
        "precision": precision,
        "seed": 0,
    }
    entry = {"architecture": architecture, "arguments": {}, "num_classes": 0, "pooling": "token"}
    entry |= {"preprocessing": vars(IMAGENET), "training": copy.deepcopy(defaults) | stated}
    recipes.complete(entry)
    return entry


def built(entry: dict) -> objectives.Pretraining | objectives.Classification:
    """The model of an entry, its first weights drawn, and what its training makes small."""
    job = trainer.Job("any", entry, entry["training"], {"state_minutes": 10}, "any", None, threads=1)
    return trainer.build(job)


def step(objective: torch.nn.Module, recipe: dict, device: torch.device, size: int) -> Callable[[], None]:
    """A bare step: forward, backward and AdamW, on a batch that lies on the device."""
    objective.to(device).train()
    model = getattr(objective.model, "encoder", objective.model)
    images = torch.randn(size, 3, *grid.sides(model.patch_embed.img_size), device=device)
    targets = torch.zeros(size, dtype=torch.int64, device=device)
    patches, shown = objective.hidden or (0, 0)
    visible = torch.rand(size, patches, device=device).argsort(1)[:, :shown].sort(1).values
    optimizer = objectives.optimizer(objective.groups(recipe["weight_decay"]), recipe)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        objective(images, targets, visible).backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def measured(entry: dict, device: torch.device, size: int) -> float:
    """Seconds of an image in a step of a training, the faster of two steps after one."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    run, took = step(built(entry), entry["training"], device, size), []
    for _ in range(3):
        start = clock()
        run()
        took.append(clock() - start)
    return min(took[1:]) / size


def operations(entry: dict) -> float:
    """Of an image in a step, as torch counts them: forward, and twice as many backward but for a probe."""
    preprocessing = reading.Preprocessing(**entry["preprocessing"])
    how = training.Training(built(entry), entry["training"], preprocessing)
    return (1 if entry["training"]["recipe"] == "probe" else 3) * training._flops_an_image(how)


def main() -> None:
    """A line for each training of a study that differs in more than its seed."""
    options = _options()
    config = settings.check(
        yaml.safe_load(Path(options.config).read_text()),
        yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()),
    )
    device = torch.device("cuda", 0) if options.device == "cuda" else torch.device("cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    print(f"{device}, batch {options.batch}; GPU hours at {options.rate:g} operations per second, assumed\n")
    print("| model | seeds | images x epochs | GFLOP per image | ms per image | hours here | hours of a GPU, assumed |")
    print("|---|---|---|---|---|---|---|")
    total = 0.0
    for names in _alike(config["models"]):
        entry = config["models"][names[0]]
        dataset = config["datasets"][entry["training"]["dataset"]]
        images = options.images or len(dataset["labels"]) * (dataset["count"] or 1300)
        seen, flops, own = len(names) * images * entry["training"]["epochs"], operations(entry), ""
        if not options.only or names[0] in options.only:
            on_cpu = {"precision": "float32"} if device.type == "cpu" else {}
            seconds = measured(entry | {"training": entry["training"] | on_cpu}, device, options.batch)
            own = f"{1000 * seconds:.3g} | {seen * seconds / 3600:.3g}"
        hours = seen * flops / options.rate / 3600
        total += hours
        cells = names[0], len(names), f"{seen:,}", f"{flops / 1e9:.3g}", own or "- | -", f"{hours:.2g}"
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    print(f"| all | | | | | | {total:.3g} |")


def _alike(models: dict) -> list[list[str]]:
    """Models that are trained here, those together whose entries differ in nothing but seed and initial weights."""
    found: dict[str, list[str]] = {}
    for name, model in models.items():
        if model["training"]:
            own = {key: value for key, value in model["training"].items() if key not in ("seed", "initial")}
            built = [model[key] for key in ("architecture", "arguments", "preprocessing", "num_classes")]
            found.setdefault(repr((built, sorted(own.items(), key=str), name.rpartition("-")[0])), []).append(name)
    return list(found.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--images", type=int)
    parser.add_argument("--rate", type=float, default=5e13, help="operations per second of the GPU that is assumed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
