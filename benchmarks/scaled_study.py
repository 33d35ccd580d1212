"""A study of any number of small pictures, with every figure and table that an ordinary one has.

The pictures are drawn: a hundred classes, each a coarse texture that its pictures have at another place, amid another
such texture and noise. So classes are told apart, but not at once. Networks are of four layers and were trained for
seconds on 2,000 more of these, whatever the size of the study.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE, CLASSES, LEARNT = 32, 100, 20  # LEARNT: pictures of each class to train on
LABELS = [f"class_{number:02d}" for number in range(CLASSES)]


def write(folder: Path, images: int) -> dict:
    """The pictures of a study of so many images, in `folder`, and its configuration."""
    rng = np.random.default_rng(0)
    textures = _coarse(rng, CLASSES)
    for name, each, sign in (("train", LEARNT, 1), ("test", images // CLASSES, 1), ("negatives", images // 500, -1)):
        for label, texture in zip(LABELS, textures, strict=True):
            _save(folder / name / label, _drawn(rng, sign * texture, each))
    return _configuration(str(folder), images)


def _coarse(rng: np.random.Generator, count: int) -> np.ndarray:
    """Coarse textures (count, SIDE, SIDE, 3) of variance 1."""
    return rng.standard_normal((count, 8, 8, 3)).repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)


def _drawn(rng: np.random.Generator, texture: np.ndarray, count: int) -> np.ndarray:
    """Pictures (count, SIDE, SIDE, 3) of a texture, each moved, under another texture and noise."""
    places = rng.integers(-4, 5, (count, 2))
    moved = np.stack([np.roll(texture, place, axis=(0, 1)) for place in places])
    levels = 128 + 36 * moved + 30 * _coarse(rng, count) + 12 * rng.standard_normal(moved.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _save(folder: Path, pictures: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:05d}.png", compress_level=1)


def _configuration(folder: str, images: int) -> dict:
    tiny = {"img_size": SIDE, "patch_size": 8, "embed_dim": 64, "depth": 4, "num_heads": 4}
    seen = {"resize": SIDE, "crop": SIDE, "mean": [0.5] * 3, "std": [0.2] * 3}
    model = {"architecture": "vit_tiny_patch16_224", "arguments": tiny, "preprocessing": seen, "threads": 1}
    head, whole = {"num_classes": CLASSES, "pooling": "avg"}, {"patch_tokens": ["mask", "clean"]}
    pretraining = {"recipe": "pretrain", "dataset": "train", "epochs": 2, "decoder": {"width": 32, "depth": 1}}
    tuning = {"recipe": "finetune", "initial": "pretrained", "dataset": "train", "epochs": 4}
    scratch = {"recipe": "scratch", "dataset": "train", "epochs": 4}
    few = {"pattern": f"{folder}/test/{{label}}/*.png", "labels": LABELS[:2], "count": 2}
    return {
        "seed": 0,
        "study": {
            "name": "scaled",
            "pretrained": "pretrained",
            "finetuned": ["tuned", "supervised"],
            "compared": ["pretrained", "tuned"],
            "dataset": "pictures",
            "reference": "train",
            "mask_variants": {"dataset": "few", "perturbation": "mask_variants"},
            "occlusion": ["occlusion", "occlusion_random"],
            "controlled": ["tuned"],
            "corrupted": ["tuned"],
            "shifts": {"negatives": "pictures"},
            "tsne": {"images": min(30, images // CLASSES)},
        },
        "datasets": {
            name: {"pattern": f"{folder}/{place}/{{label}}/*.png", "classes": LABELS}
            for name, place in (("pictures", "test"), ("train", "train"), ("negatives", "negatives"))
        }
        | {"few": few},
        "models": {
            "pretrained": model | whole | {"training": pretraining},
            "tuned": model | head | {"training": tuning},
            "supervised": model | head | {"training": scratch},
        },
        "perturbations": {
            "clean": {"kind": "clean"},
            "mask": {"kind": "mask"},
            "mask_variants": {"kind": "mask", "masks": 10},
            "blur": {
                "kind": "blur",
                "levels": {
                    "weak": {"kernel": 3, "sigma": 0.7},
                    "strong": {"kernel": 11, "sigma": 5.0},
                },
            },
            "occlusion": {"kind": "occlusion", "levels": [0, 50]},
            "occlusion_random": {"kind": "occlusion", "order": "random", "levels": [0, 50]},
            "gaussian_noise": {"kind": "corruption"},
        },
        "analysis": {"perplexity": 5, "subspace": {"k": 5}},
    }
