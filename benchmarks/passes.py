"""Extraction against the bare forward pass of timm: same batch, same precision, images per second of both."""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import photographs
import torch
from row import Row, alternate, ratio, seconds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.base import memory
from maescope.images import perturbations, reading
from maescope.models import architectures, devices
from maescope.tokens import extraction, store

IMAGENET = reading.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LABELS = ["astronaut", "bicycle", "cat", "deep field"]
GPU_BATCH = 50  # images of a label in the paper's study, and so its largest batch
GPU_LABELS = [str(number) for number in range(20)]


def pixels_to_files(precision: str, target: float, *, patch: bool = False, attention: bool = False) -> Callable:
    """The row of extraction from pixels in memory to finished token files."""

    def row(options: argparse.Namespace) -> Row:
        device = devices.device_of(options.device)
        kept = "clean, with distance, entropy, rollout" if attention else "cls, mean, head, logits"
        what = f"extraction of {kept}{' and patch tokens' * patch}, {precision}"
        return _from_memory(what, target, options, device, precision, options.batch, patch, attention)

    return row


def jpegs_to_files(options: argparse.Namespace) -> Row:
    """The way from files as the workflow goes it, attention apart: read ahead (of a warm cache), extract, write."""
    what = "JPEG files to token files, CPU, float32"
    return _from_jpegs(what, 0.95, options, "cpu", "float32", options.batch, LABELS)


def gpu_from_jpegs(options: argparse.Namespace) -> Row:
    """The whole way with a GPU; decoding limits it, so the number is reported with that of decoding alone."""
    what = "JPEG files to token files, GPU, bfloat16"
    if not torch.cuda.is_available():
        return Row(what, None, None, remark="no GPU")
    return _from_jpegs(what, None, options, "cuda", "bfloat16", GPU_BATCH, GPU_LABELS)


def gpu_from_memory(options: argparse.Namespace) -> Row:
    """From decoded images, GPU."""
    what = "decoded images to token files, GPU, bfloat16"
    if not torch.cuda.is_available():
        return Row(what, None, 0.90, remark="no GPU")
    return _from_memory(what, 0.90, options, "cuda", "bfloat16", GPU_BATCH, False, False)


def _from_memory(
    what: str,
    target: float,
    options: argparse.Namespace,
    device: str | torch.device,
    precision: str,
    size: int,
    patch: bool,
    attention: bool,
) -> Row:
    model = _model(options.architecture, str(device)).to(devices.PRECISIONS[precision])
    labels = GPU_LABELS if torch.device(device).type == "cuda" else LABELS[:1]
    extractor = extraction.Extractor(model, perturbations.Clean(), IMAGENET, patch=patch, attention=attention)
    pixels = np.random.default_rng(0).integers(0, 256, (size, 3, 224, 224), dtype=np.uint8)
    names = [str(number) for number in range(size)]
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder, f"{number}.h5") for number in count())  # to remove one takes time, and is not ours

        def full() -> None:
            with extraction.writing_behind(extractor.device) as write:
                for _ in labels:
                    file = store.writing(next(paths), names, [0] * size, ["clean"], {"config_hash": ""})
                    for level, arrays in extractor.passes(pixels, names, None, "float32"):
                        write(file, level, 0, arrays)

        times = alternate(_bare(model, size, len(labels)), full, options.rounds)
    return _row(what, target, size * len(labels), times)


def _from_jpegs(
    what: str,
    target: float | None,
    options: argparse.Namespace,
    device: str,
    precision: str,
    size: int,
    labels: list[str],
) -> Row:
    model = _model(options.architecture, device).to(devices.PRECISIONS[precision])
    extractor = extraction.Extractor(model, perturbations.Clean(), IMAGENET)
    workers, total = len(os.sched_getaffinity(0)), size * len(labels)
    with tempfile.TemporaryDirectory() as folder:
        rows = photographs.rows(Path(folder), labels, size, total)
        outputs = {label: f"{folder}/{label}.h5" for label in labels}

        def full() -> None:
            for _ in extraction.extract(extractor, rows, outputs, None, {"config_hash": ""}, size, workers=workers):
                pass

        times = alternate(_bare(model, size, total // size), full, options.rounds)
        decoding = total / seconds(lambda: list(reading.batches(rows["path"], size, IMAGENET, workers)))
    row = _row(what, target, total, times)
    row.remark += f"; decoding alone {decoding:.0f}"
    return row


def _bare(model: torch.nn.Module, size: int, batches: int) -> Callable[[], None]:
    """So many forward passes over one batch of tensors that lie on the device."""
    parameter = next(model.parameters())
    inputs = torch.randn((size, 3, 224, 224), device=parameter.device, dtype=parameter.dtype)

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(batches):
            model(inputs)
        if parameter.is_cuda:
            torch.cuda.synchronize()

    return bare


def _row(what: str, target: float | None, size: int, times: list[tuple[float, float]]) -> Row:
    columns = list(zip(*times, strict=True))  # seconds of the bare pass, and ours
    plain, ours = (size / statistics.median(column) for column in columns)
    fastest = min(columns[0]) / min(columns[1])
    remark = f"{ours:.3g} images/s, bare {plain:.3g}; the fastest of each {fastest:.3g}"
    details = {"images_per_s": ours, "bare_images_per_s": plain, "fastest": fastest}
    return Row(what, target=target, remark=remark, details=details, **ratio(times))


@cache
def _model(architecture: str, device: str) -> torch.nn.Module:
    """A model with random weights; freed memory is kept as in the job, for the bare pass as well."""
    torch.manual_seed(0)
    model = architectures.build(architecture, {}, num_classes=1000, pooling="avg").to(device)
    memory.keep_freed()
    return model
