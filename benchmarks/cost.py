"""What a whole study costs: time and disk, from what was measured and from what is assumed of a GPU.

python benchmarks/cost.py --forward IMAGES_PER_SECOND [--ratio R] [--images N] [--workers N] [--start S]
                          [--dtype float32|float16]

Measures here, in CPU time so that a busy machine does not count, what decoding costs a core; --forward is the bare
forward pass of ViT-B/16 on one GPU, at batches of one label (50 images), and --ratio what extraction keeps of it (rows
of benchmarks/bench.py). The formula is in docs/scale.md. Prints Markdown.
"""

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from sklearn.datasets import load_sample_images

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from maescope.images.reading import Preprocessing, crop  # noqa: E402
from maescope.study import class_lists, settings  # noqa: E402

LAYERS, WIDTH, CLASSES, VISIBLE = 12, 768, 1000, 49
WHOLE = {"imagenet-1k": 50_000, "imagenet-r": 30_000, "imagenet-a": 7_500}  # images of a dataset without `count`
JOBS = {"clean": 1, "blur": 10, "occlusion": 10} | {f"corruption {number}": 5 for number in range(1, 16)}  # levels
IMAGENET = Preprocessing(256, 224, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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
        crop(decoded, IMAGENET) if size != (224, 224) else np.asarray(decoded)
    return count / (time.process_time() - start)


def study_jobs(config: dict) -> dict[tuple[str, str, str], int]:
    """Levels of each extraction that a whole study asks for: model, dataset, perturbation."""
    study, levels = config["study"], levels_of(config["perturbations"])
    scenes, pretrained = study["scenes"], study["pretrained"]
    wanted = {(pretrained, study["dataset"], name) for name in ("clean", study["mask"])}
    wanted |= {(pretrained, *(study["mask_variants"][key] for key in ("dataset", "perturbation")))}
    wanted |= {(model, scenes, "clean") for model in (pretrained, study["supervised"], *study["finetuned"])}
    for model in study["finetuned"]:
        occlusions = study["occlusion"] if model in study["controlled"] else study["occlusion"][:1]
        wanted |= {(model, study["dataset"], name) for name in ("clean", study["blur"], *occlusions)}
    for model in study["corrupted"]:
        wanted |= {(model, study["dataset"], name) for name in study["corruptions"]}
        wanted |= {(model, dataset, "clean") for pair in study["shifts"].items() for dataset in pair}
    return {job: levels[job[2]] for job in sorted(wanted)}


def levels_of(perturbations: dict) -> dict[str, int]:
    """How many levels each perturbation has; of a corruption all five severities, on disk or not."""
    kinds = {"clean": lambda entry: 1, "corruption": lambda entry: 5, "mask": lambda entry: entry["masks"]}
    return {
        name: kinds.get(entry["kind"], lambda entry: len(entry["levels"]))(entry)
        for name, entry in perturbations.items()
    }


def images_of(dataset: dict) -> int:
    """Images of a dataset: `count` of each label, or all; of ImageNet's validation split 50 of each label."""
    if dataset["count"]:
        return dataset["count"] * len(dataset["labels"])
    shifted = None if "/val/" in dataset["pattern"] else class_lists.known_list(dataset["labels"])
    return WHOLE[shifted] if shifted else 50 * len(dataset["labels"])


def study_cost(config: dict, dtype: str) -> tuple[int, int]:
    """Forward passes of images, and bytes of tokens, of a whole study."""
    passes = stored = 0
    for (model, dataset, perturbation), levels in study_jobs(config).items():
        own = levels * images_of(config["datasets"][dataset])
        logits = 4 * CLASSES * bool(config["models"][model]["num_classes"])
        one = token_bytes(dtype) - 4 * CLASSES + logits
        if perturbation in config["models"][model]["patch_tokens"]:
            one += LAYERS * VISIBLE * WIDTH * {"float32": 4, "float16": 2}[dtype]
        passes, stored = passes + own, stored + own * one
    return passes, stored


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
        reads = {whole: 1} if not name.startswith("corruption") else {crop: levels}
        reading = options.images * sum(times / rate for rate, times in reads.items()) / options.workers
        computing = options.images * levels / (options.forward * options.ratio)
        hours[name] = (options.start + max(reading, computing)) / 3600
    disk = options.images * sum(JOBS.values()) * token_bytes(options.dtype)
    study = checked(ROOT / "config/imagenet.yaml")
    passes, stored = study_cost(study, options.dtype)
    starts = len(study_jobs(study)) * options.start
    print(f"| {options.images} images x {sum(JOBS.values())} conditions | |\n|---|---|")
    print(f"| JPEGs of 500 x 375 px that a core decodes and resizes in a second (measured) | {whole:.0f} |")
    print(f"| JPEGs of 224 x 224 px that a core decodes in a second (measured) | {crop:.0f} |")
    print(f"| images/s of the bare forward pass (given) | {options.forward:g} |")
    print(f"| share that extraction keeps (given) | {options.ratio:g} |")
    print(f"| hours on one GPU | {sum(hours.values()):.2f} |")
    print(f"| hours on eight GPUs | {makespan(hours, 8):.2f} |")
    print(f"| GB of tokens, {options.dtype} | {disk / 1e9:.0f} |")
    print(f"| MB/s to write, one GPU | {disk / 1e6 / sum(hours.values()) / 3600:.0f} |")
    print(f"| forward passes of config/imagenet.yaml | {passes} |")
    print(f"| minutes of them on one GPU | {passes / (options.forward * options.ratio) / 60:.1f} |")
    print(f"| minutes to start its {len(study_jobs(study))} extractions | {starts / 60:.1f} |")
    print(f"| GB of tokens of config/imagenet.yaml, {options.dtype} | {stored / 1e9:.1f} |")


def checked(path: Path) -> dict:
    """A configuration with its defaults."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    return settings.check(yaml.safe_load(path.read_text()), schema)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forward", type=float, required=True, help="images/s of the bare forward pass on one GPU")
    parser.add_argument("--ratio", type=float, default=0.97)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2, help="cores that decode for one GPU")
    parser.add_argument("--start", type=float, default=6, help="seconds until an extraction has its model")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    return parser.parse_args()


if __name__ == "__main__":
    main()
