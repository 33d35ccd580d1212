"""What extraction costs beside the bare forward pass of timm: ratios of images per second, measured in one run.

python benchmarks/bench.py [--architecture NAME] [--batch N] [--rounds N] [--device auto|cpu|cuda] [--layers N]

Every row alternates the bare pass and the measured one, round by round, so that a drift of the machine's speed falls on
both; the ratio is the median over rounds. Prints Markdown and writes benchmarks/latest.json.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import layers  # noqa: E402

from maescope import extraction, images, models, perturb, store  # noqa: E402

IMAGENET = images.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
ROWS = [  # what, precision, patch tokens, attention, target
    ("cls, mean, head, logits", "float32", False, False, 0.97),
    ("cls, mean, head, logits", "bfloat16", False, False, 0.92),
    ("with patch tokens", "float32", True, False, 0.93),
    ("clean, with distance, entropy, rollout", "float32", False, True, 0.85),
    ("clean, with distance, entropy, rollout", "bfloat16", False, True, 0.70),
]


def main() -> None:
    options = _options()
    device = models.device_of(options.device)
    torch.manual_seed(0)
    model = models.build(options.architecture, {}, num_classes=1000, pooling="avg").to(device)
    size = model.patch_embed.img_size[0]
    pixels = np.random.default_rng(0).integers(0, 256, (options.batch, 3, size, size), dtype=np.uint8)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"{options.architecture}, batch {options.batch}, {machine}, torch {torch.__version__}\n")
    print("| extraction to finished token files | precision | images/s | bare images/s | ratio | range | target |")
    print("|---|---|---|---|---|---|---|")
    results = []
    for what, precision, patch, attention, target in ROWS:
        model.to(models.PRECISIONS[precision])
        row = {"what": what, "precision": precision, "target": target}
        row |= measure(model, pixels, patch, attention, options.rounds)
        results.append(row)
        print(
            f"| {what} | {precision} | {row['images_per_s']:.2f} | {row['bare_images_per_s']:.2f} | "
            f"{row['ratio']:.3f} | {row['lowest']:.3f} to {row['highest']:.3f} | >= {target} |",
            flush=True,
        )
    results += layers.rows(options.layers)
    settings = vars(options) | {"machine": machine, "platform": platform.platform(), "versions": store.versions()}
    (ROOT / "benchmarks" / "latest.json").write_text(
        json.dumps({"settings": settings, "rows": results}, indent=1) + "\n"
    )


def measure(model, pixels: np.ndarray, patch: bool, attention: bool, rounds: int) -> dict[str, float]:
    """Images per second of the bare pass and of extraction, file writing included, and their ratio."""
    parameter = next(model.parameters())
    inputs = torch.randn(pixels.shape, device=parameter.device, dtype=parameter.dtype)
    extractor = extraction.Extractor(model, perturb.Clean(), IMAGENET, patch=patch, attention=attention)
    names = [str(number) for number in range(len(pixels))]

    @torch.inference_mode()
    def bare() -> None:
        model(inputs)
        _synchronise(parameter.device)

    def full() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tokens.h5")
            with store.writing(path, names, [0] * len(names), ["clean"], {"config_hash": ""}) as writer:
                for level, arrays in extractor.arrays(pixels, names, None, "float32"):
                    writer.write(level, 0, arrays)

    bare(), full()
    times = [(_seconds(bare), _seconds(full)) for _ in range(rounds)]
    ratios = [b / f for b, f in times]
    return {
        "images_per_s": len(pixels) / statistics.median(f for _, f in times),
        "bare_images_per_s": len(pixels) / statistics.median(b for b, _ in times),
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }


def _seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default="vit_base_patch16_224")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--layers", type=int, default=12, help="of subspaces and t-SNE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
