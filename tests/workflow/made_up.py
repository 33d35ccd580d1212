"""A study page of made-up measures: as many classes as one likes, called as one likes."""

import base64
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from conftest import REPOSITORY
from PIL import Image

from maescope.page import alive, document, plots

ALIVE = "document.body.dataset.alive === 'all'"


def picture(number: int) -> str:
    file = BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 90, 40)).save(file, "WEBP")
    return base64.b64encode(file.getvalue()).decode()


def page_of(folder: Path, labels: list[str], each: int, bare: bool = False) -> Path:
    """A page of `each` images of each label; a bare one has neither maps nor pictures, and nothing shuffled."""
    rng, rows = np.random.default_rng(0), [(label, f"{label}/{number}") for label in labels for number in range(each)]
    images = pd.DataFrame(rows, columns=["label", "image"]).assign(target=np.repeat(np.arange(len(labels)), each))
    frames = []
    for name, level, wrong in (("clean", "clean", 0.1), ("blur", "I", 0.4), ("blur", "II", 0.8)):
        drawn = np.where(rng.random(len(images)) < wrong, rng.integers(0, len(labels), len(images)), images["target"])
        frames.append(images.assign(model="m", perturbation=name, level=level, prediction=drawn))
    grid = [
        (level, label, layer, head)
        for level in ("I", "II")
        for label in labels[:3]
        for layer in (1, 2)
        for head in (1, 2)
    ]
    features = pd.DataFrame(grid, columns=["level", "label", "layer", "head"]).assign(perturbation="blur")
    features = features.assign(common_clean=4, common_perturbed=3, shuffled_clean=2.0, shuffled_perturbed=1.0)
    if bare:
        features[["shuffled_clean", "shuffled_perturbed"]] = np.nan
    tsne = None if bare else pd.concat([images.assign(token="mean", layer=layer, patch=np.nan) for layer in (1, 2)])
    if not bare:
        tsne = tsne.assign(x=rng.normal(0, 30, len(tsne)), y=rng.normal(0, 30, len(tsne)))
    own = [] if bare else [SimpleNamespace(label=label, image=image) for label, image in rows[:600]]
    shown = [{"label": one.label, "image": one.image, "picture": picture(number)} for number, one in enumerate(own)]
    pictures = {"thumbnails": shown, "paths": []}
    alignment = pd.DataFrame(columns=["perturbation", "level", "label", "image", "cosine"])
    data = alive.data(pd.concat(frames), features, alignment, tsne, pictures, "m", labels, {"class 0": "named"})
    data |= {"choices": len(labels), "panels": {"blur": {}}, "plots": plots.of(data, 1 / len(labels))}
    study = {
        "name": "<b>made up</b>",
        "note": None,
        "pretrained": None if bare else "p",
        "mask": "mask",
        "heads": "m",
        "title": "<b>made up</b>",
        "authors": ["A & B", "C"],
    }
    template, style, behaviour = (
        (REPOSITORY / f"workflow/page/study.{kind}").read_text() for kind in ("html", "css", "js")
    )
    text = document.page(
        template,
        style,
        [plots.library(), behaviour],
        data,
        study=study,
        found=["Nothing."],
        headings=[],
        left_out={},
        sections={},
        overview=[],
    )
    path = folder / "study.html"
    path.write_text(text)
    return path
