"""What a whole study costs: time, disk and memory, from what was measured and from what is assumed of a GPU.

python benchmarks/cost.py --forward IMAGES_PER_SECOND [--ratio R] [--images N] [--workers N] [--dtype float32|float16]

Measures here, in CPU time so that a busy machine does not count, what decoding costs a core; --forward is the bare
forward pass of ViT-B/16 on one GPU and --ratio what extraction keeps of it (rows of benchmarks/bench.py). The formula
is in docs/scale.md. Prints Markdown.
"""

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from maescope import images  # noqa: E402

LAYERS, WIDTH, CLASSES = 12, 768, 1000
JOBS = {"clean": 1, "blur": 10, "occlusion": 10} | {f"corruption {number}": 5 for number in range(1, 16)}  # levels
IMAGENET = images.Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def token_bytes(dtype: str) -> int:
    """Stored of one image at one level: cls, mean and head of every layer, and logits."""
    return LAYERS * 3 * WIDTH * {"float32": 4, "float16": 2}[dtype] + 4 * CLASSES


def decoded_per_second(size: tuple[int, int], count: int = 100) -> float:
    """JPEGs of a size (width, height) that a core decodes and, if larger than the crop, resizes in a second."""
    picture = Image.fromarray(load_sample_images().images[0]).resize(size)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    start = time.process_time()
    for _ in range(count):
        decoded = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
        images.crop(decoded, IMAGENET) if size != (224, 224) else np.asarray(decoded)
    return count / (time.process_time() - start)


def makespan(hours: dict[str, float], gpus: int) -> float:
    """Hours until the last job ends: the longest first, each on the GPU that is free first, occlusion after clean."""
    free = [0.0] * gpus
    chain = {"clean and occlusion": hours["clean"] + hours["occlusion"]}
    rest = {name: own for name, own in hours.items() if name not in ("clean", "occlusion")}
    for own in sorted((chain | rest).values(), reverse=True):
        free[free.index(min(free))] += own
    return max(free)


def main() -> None:
    options = _options()
    whole, crop = decoded_per_second((500, 375)), decoded_per_second((224, 224))
    hours = {}
    for name, levels in JOBS.items():
        reads = {whole: 1} if not name.startswith("corruption") else {whole: 1, crop: levels}
        reading = options.images * sum(times / rate for rate, times in reads.items()) / options.workers
        computing = options.images * levels / (options.forward * options.ratio)
        hours[name] = max(reading, computing) / 3600
    disk = options.images * sum(JOBS.values()) * token_bytes(options.dtype)
    print(f"| {options.images} images x {sum(JOBS.values())} conditions | |\n|---|---|")
    print(f"| JPEGs of 500 x 375 px that a core decodes and resizes in a second (measured) | {whole:.0f} |")
    print(f"| JPEGs of 224 x 224 px that a core decodes in a second (measured) | {crop:.0f} |")
    print(f"| images/s of the bare forward pass (given) | {options.forward:g} |")
    print(f"| share that extraction keeps (given) | {options.ratio:g} |")
    print(f"| hours on one GPU | {sum(hours.values()):.2f} |")
    print(f"| hours on eight GPUs | {makespan(hours, 8):.2f} |")
    print(f"| GB of tokens, {options.dtype} | {disk / 1e9:.0f} |")
    print(f"| MB/s to write, one GPU | {disk / 1e6 / sum(hours.values()) / 3600:.0f} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forward", type=float, required=True, help="images/s of the bare forward pass on one GPU")
    parser.add_argument("--ratio", type=float, default=0.97)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2, help="cores that decode for one GPU")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    return parser.parse_args()


if __name__ == "__main__":
    main()
