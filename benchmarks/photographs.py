"""JPEG files of 500 x 375 px, cut from the photographs that installed packages bring along."""

from pathlib import Path

import numpy as np
import pandas as pd
import skimage
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_images

NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg", "motorcycle_left.png")
WIDTH, HEIGHT = 500, 375  # the usual size in ImageNet


def write(folder: Path, count: int) -> list[str]:
    """Different cuts of the photographs in turn, and where they lie."""
    rng, photographs = np.random.default_rng(0), _photographs()
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        _cut(photographs[number % len(photographs)], rng).save(path, quality=90)
    return [str(path) for path in paths]


def rows(folder: Path, labels: list[str], each: int, files: int) -> pd.DataFrame:
    """A list of images as extraction takes it, of so many `files`, read again and again where there are more images."""
    paths = write(folder, files)
    images = [f"{label}/{number}" for label in labels for number in range(each)]
    cycled = [paths[number % files] for number in range(len(images))]
    return pd.DataFrame({"label": np.repeat(labels, each), "image": images, "path": cycled, "target": 0})


def _photographs() -> list[Image.Image]:
    own = [Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB") for name in NAMES]
    hopper = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    return [*own, hopper, *map(Image.fromarray, load_sample_images().images)]


def _cut(photograph: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A rectangle of 4 : 3, from six tenths of the largest possible to all of it."""
    scale = rng.uniform(0.6, 1) * min(photograph.width / WIDTH, photograph.height / HEIGHT)
    width, height = scale * WIDTH, scale * HEIGHT
    left, top = rng.uniform(0, photograph.width - width), rng.uniform(0, photograph.height - height)
    return photograph.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
