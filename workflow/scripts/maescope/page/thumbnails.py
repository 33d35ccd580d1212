"""Pictures of the study page: of which images, as a model sees them, clean and degraded, encoded small."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from maescope.base import grid
from maescope.images import perturbations
from maescope.tokens import store
from maescope.tokens.store import TokenFile

MOST, SIDE = 600, 96  # thumbnails, and pixels of their longer side; smaller pictures are kept as they are
FOLLOWED, LARGE = 24, 160  # images whose path through perturbations is shown, and pixels of their longer side
GREY = (0.5, 0.5, 0.5)  # patches that a model is not given


def turned(accuracy: pd.DataFrame) -> pd.Series:
    """Which images are right when clean and wrong under some perturbation, by label and image.

    Parameters
    ----------
    accuracy : perturbation, level, label, image, correct; of one model, clean images among them
    """
    clean = accuracy["perturbation"] == "clean"
    of = ["label", "image"]
    right = accuracy[clean].groupby(of, sort=False)["correct"].min() == 1
    worst = accuracy[~clean].groupby(of, sort=False)["correct"].min()
    return right & (worst.reindex(right.index, fill_value=1) == 0)


def picked(images: pd.DataFrame, turned: pd.Series, shown: Sequence[str], each: int, most: int = MOST) -> pd.DataFrame:
    """The images that have a thumbnail, in their order: those of t-SNE, then label by label in turn.

    Of a label, images that a perturbation turns wrong come first: those are what one wants to see.

    Parameters
    ----------
    images : label, image, as sampled
    turned : of `turned`
    shown, each : the labels that t-SNE shows, and how many images of each
    """
    own = images.reset_index(drop=True)
    keys = pd.MultiIndex.from_frame(own[["label", "image"]])
    mapped = own["label"].isin(shown) & (own.groupby("label").cumcount() < each)
    ranks = pd.DataFrame({"label": own["label"], "later": ~mapped})
    ranks["kept"] = ~turned.reindex(keys, fill_value=False).to_numpy(bool)
    ranks = ranks.sort_values(["later", "kept"], kind="stable")
    ranks["turn"] = ranks.groupby(["later", "label"]).cumcount()
    chosen = ranks.sort_values(["later", "turn"], kind="stable").index[:most]
    return own.loc[sorted(chosen)]


def followed(images: pd.DataFrame, turned: pd.Series, labels: Sequence[str]) -> pd.DataFrame:
    """The images whose path through perturbations is shown: of each label as many, those that turn wrong first."""
    each = max(1, FOLLOWED // len(labels)) if labels else 0
    return picked(images[images["label"].isin(labels)], turned, labels, 0, each * len(labels))


def encoded(picture: np.ndarray, side: int = SIDE) -> str:
    """A picture (3, h, w) uint8 as WebP in base64, its longer side brought down to `side` pixels."""
    image, file = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))), BytesIO()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(file, "WEBP", quality=85)
    return base64.b64encode(file.getvalue()).decode()


def degraded(
    perturbation: object, level: str, pictures: np.ndarray, images: Sequence[str], masked: np.ndarray | None, geometry
) -> np.ndarray:
    """Pictures at one level of a blur or an occlusion; patches that the model is not given are grey.

    Parameters
    ----------
    perturbation : of `images.perturbations`
    pictures : (B, 3, h, w) uint8
    masked : (B, N), the patches that the token file says were occluded; None of a blur
    geometry : `images.perturbations.Geometry`

    Returns
    -------
    (B, 3, h, w) uint8
    """
    batch = perturbations.Batch(torch.from_numpy(pictures).float().div(255), images)
    if masked is None:
        return _bytes(perturbation.apply(level, batch, geometry).pixels)
    gone = torch.from_numpy(masked.astype(bool))
    if perturbation.fill == "drop":
        grey = perturbations.Geometry(geometry.grid, GREY)
        return _bytes(perturbations.fill_patches(batch.pixels, gone, grey, "mean"))
    return _bytes(perturbation.painted(level, batch, gone, geometry))


def _bytes(pixels: Tensor) -> np.ndarray:
    return pixels.mul(255).round().clamp(0, 255).to(torch.uint8).numpy()


def answers(logits: np.ndarray, targets: np.ndarray, among: Sequence[int] | None = None) -> pd.DataFrame:
    """What a head says: prediction, its probability and that of the right class, by the softmax over `among` (or all).

    Parameters
    ----------
    logits : (B, C)
    targets : (B,) class indices
    """
    classes = np.arange(logits.shape[1]) if among is None else np.sort(np.asarray(among))
    own = logits[:, classes].astype(np.float64)
    shares = np.exp(own - own.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    best = shares.argmax(1)
    right = (shares * (classes == np.asarray(targets)[:, None])).sum(1)
    return pd.DataFrame({"prediction": classes[best], "probability": shares.max(1), "of_right": right})


def paths_of_label(
    label: str,
    images: Sequence[str],
    crops: np.ndarray,
    files: Mapping[str, TokenFile],
    conditions: Mapping[str, object],
    scores: str,
    preprocessing,
    among: Sequence[int] | None = None,
) -> list[dict]:
    """The paths of some images of a label, see `paths`.

    Parameters
    ----------
    crops : (B, 3, h, w) uint8, the images as the model takes them
    files : the label's token files by perturbation, `clean` among them
    conditions : perturbations by name, as `images.perturbations.build` has them
    scores : the array of the clean file that ranks patches
    preprocessing : `images.reading.Preprocessing`
    among : class indices that a prediction may be, None for all
    """
    clean = files["clean"]
    rows = [clean.images.index(image) for image in images]
    targets, rollout = clean.targets[rows], clean.read("clean", scores)[rows]
    geometry = perturbations.Geometry(grid.shape(rollout.shape[1], preprocessing.crop), preprocessing.mean)
    steps = {"clean": {"clean": step(crops, clean.read("clean", "logits")[rows], targets, among)}}
    occluded = {name for name, of in conditions.items() if isinstance(of, perturbations.Occlusion)}
    for name, condition in conditions.items():
        store.require_pair(clean, files[name])
        steps[name] = {}
        for level in condition.levels:
            masked = files[name].read(level, "masked")[rows] if name in occluded else None
            seen = degraded(condition, level, crops, images, masked, geometry)
            steps[name][level] = step(seen, files[name].read(level, "logits")[rows], targets, among)
    return paths(label, images, targets, rollout, geometry.grid, steps)


def step(
    pictures: np.ndarray, logits: np.ndarray, targets: np.ndarray, among: Sequence[int] | None = None
) -> list[dict]:
    """Of each image at one level its picture and what the head says."""
    said = answers(logits, targets, among).round(4).to_dict("records")
    return [{"picture": encoded(picture, LARGE), **one} for picture, one in zip(pictures, said, strict=True)]


def paths(
    label: str, images: Iterable[str], targets: np.ndarray, rollout: np.ndarray, shape: Sequence[int], steps: dict
) -> list[dict]:
    """Of each image of a label its path: its rollout as shares of the largest, and a step per perturbation and level.

    Parameters
    ----------
    rollout : (B, N)
    shape : rows and columns of patches
    steps : perturbation -> level -> of `step`
    """
    return [
        {
            "label": label,
            "image": image,
            "target": int(targets[row]),
            "grid": list(shape),
            "rollout": (rollout[row] / rollout[row].max()).round(3).tolist(),
            "steps": {
                name: [{"level": level, **one[row]} for level, one in levels.items()] for name, levels in steps.items()
            },
        }
        for row, image in enumerate(images)
    ]
