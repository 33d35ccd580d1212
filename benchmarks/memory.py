"""Memory of extraction: against hooks that keep everything, and of 5,000 images against 500, with the time of both.

Each measurement is a process of its own: python benchmarks/memory.py ours|hooks FOLDER ARCHITECTURE IMAGES BATCH
prints seconds, what the process takes with the loaded model, and the curve of peak memory above that, in bytes, over
the images done.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import photographs
import torch
from row import Row, forget_peak, in_a_process, resident, seconds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.base.memory import keep_freed
from maescope.images import perturbations, reading
from maescope.models import architectures
from maescope.tokens import extraction
from maescope.tokens.forward import forward

IMAGENET = reading.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EACH = 50  # images of a label
MARK = 500  # images between two points of the curve


def against_hooks(options: argparse.Namespace) -> Row:
    """Extraction of clean images with attention, over hooks on eager attention that keep all they see."""
    count = min(options.images, _affordable(options.architecture))
    with tempfile.TemporaryDirectory() as folder:
        hooks, ours = (_run(kind, folder, options.architecture, count, options.batch) for kind in ("hooks", "ours"))
    what = f"peak memory above the model's, {count} images, clean with attention, over hooks that keep everything"
    peaks = {"hooks_bytes": hooks["curve"][-1], "ours_bytes": ours["curve"][-1]}
    remark = f"{peaks['ours_bytes'] / 1e9:.2f} GB, hooks {peaks['hooks_bytes'] / 1e9:.2f} GB"
    if count < options.images:
        remark += f"; no memory here for hooks on {options.images}, where theirs would be {options.images / count:g} x"
    return Row(what, peaks["ours_bytes"] / peaks["hooks_bytes"], 0.1, limit=True, remark=remark, details=peaks)


def many_images(options: argparse.Namespace) -> list[Row]:
    """5,000 images in 100 labels against 500 in 10: peak memory, and time over ten times that of 500.

    Memory is all that the process takes, after 5,000 and after 500 images of the same run; what lies above the loaded
    model's differs by more than a tenth between two runs of 500.
    """
    with tempfile.TemporaryDirectory() as folder:
        # the few before and after the many: a drift of the machine's speed falls on both
        before, many, after = (_run("ours", folder, options.small, n, options.batch) for n in (500, 5000, 500))
    spans = sorted(many["seconds"] / (10 * few["seconds"]) for few in (before, after))
    few_seconds = (before["seconds"] + after["seconds"]) / 2
    few_peak, many_peak = (many["model"] + many["curve"][end] for end in (0, -1))
    where = f"of extraction, 5,000 over 500 images, {options.small}"
    others = " and ".join(f"{run['curve'][-1] / 1e6:.0f}" for run in (before, after))
    points = ", ".join(f"{peak / 1e6:.0f}" for peak in many["curve"])
    above = many["curve"][-1] / many["curve"][0]
    memory = f"{few_peak / 1e6:.0f} and {many_peak / 1e6:.0f} MB; above the loaded model's {above:.3g}: "
    memory += f"{points} MB after each {MARK}, in other runs of {MARK} {others} MB"
    time = f"{few_seconds:.1f} and {many['seconds']:.1f} s"
    pace = many["seconds"] / (10 * few_seconds)
    curve = {"model_bytes": many["model"], "curve_bytes": many["curve"], "images_between": MARK}
    return [
        Row(f"peak memory of the process {where}", many_peak / few_peak, 1.1, limit=True, remark=memory, details=curve),
        Row(f"time for each image {where}", pace, 1.1, limit=True, span=tuple(spans), remark=time),
    ]


def _affordable(architecture: str) -> int:
    """Images whose hidden states, head outputs and attention maps fill half of the free memory, in steps of 64."""
    model = architectures.build(architecture, {})
    tokens, heads = model.pos_embed.shape[1], model.blocks[0].attn.num_heads
    one = 4 * len(model.blocks) * (2 * tokens * model.embed_dim + heads * tokens * tokens)
    free = int(re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())[1]) * 1024
    return max(64, free // 2 // one // 64 * 64)


def _run(kind: str, folder: str, architecture: str, count: int, batch: int) -> dict:
    return in_a_process(__file__, kind, folder, architecture, count, batch)


def _ours(model: torch.nn.Module, rows, folder: str, batch: int) -> Iterator[int]:
    """As the workflow extracts: freed memory kept, files read ahead, a token file per label. Yields images done."""
    keep_freed()
    extractor = extraction.Extractor(model, perturbations.Clean(), IMAGENET, attention=True)
    outputs = {label: f"{folder}/{label}.h5" for label in rows["label"].unique()}
    workers = len(os.sched_getaffinity(0))
    return extraction.extract(extractor, rows, outputs, None, {"config_hash": ""}, batch, workers=workers)


def _hooks(model: torch.nn.Module, rows, folder: str, batch: int) -> Iterator[int]:
    """As one would first write it down: unfused attention, and lists that fill. Yields images done."""
    hidden, heads, maps = [], [], []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.register_forward_hook(lambda module, inputs, output: hidden.append(output))
        block.attn.proj.register_forward_pre_hook(lambda module, inputs: heads.append(inputs[0]))
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: maps.append(output))
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    with torch.inference_mode():
        for pixels in reading.batches(rows["path"].tolist(), batch, IMAGENET):
            model((torch.from_numpy(pixels).float() / 255 - mean) / std)
            yield len(pixels)
    assert len(hidden) == len(heads) == len(maps) == len(model.blocks) * -(-len(rows) // batch)


def main(kind: str, folder: str, architecture: str, count: int, batch: int) -> None:
    """Measure one way over so many images."""
    torch.manual_seed(0)
    model = architectures.build(architecture, {}, num_classes=1000, pooling="avg")
    labels = [f"label {number:03d}" for number in range(-(-count // EACH))]
    rows = photographs.rows(Path(folder), labels, EACH, 100).iloc[:count]
    forward(model, torch.zeros(1, 3, 224, 224))  # what is made once, at the first pass, is not timed
    base, curve = forget_peak(), []

    def measured() -> None:
        done = 0
        for more in {"ours": _ours, "hooks": _hooks}[kind](model, rows, folder, batch):
            done += more
            if done % MARK < more or done == count:  # a point was passed
                curve.append(resident("VmHWM") - base)

    print(json.dumps({"seconds": seconds(measured), "model": base, "curve": curve}))


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
