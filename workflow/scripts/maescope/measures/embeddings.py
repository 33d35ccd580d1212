"""Tokens of chosen images as points of one layer, each with its class and its image (for Figs. 1 and 2)."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from maescope.tokens.store import TokenFile

log = logging.getLogger(__name__)

ROUNDING = 1e-6  # of float32, in what has gone through a network: images differ by 1e-2 and more of their length


class Points(NamedTuple):
    """n tokens of one layer.

    values : (n, D) float32
    names : label, image and, for patch tokens, the patch of each (missing for others)
    """

    values: np.ndarray
    names: pd.DataFrame

    @property
    def labels(self) -> np.ndarray:
        return self.names["label"].to_numpy(str)

    @property
    def images(self) -> np.ndarray:
        """Labels are part of it: two folders may hold a file of the same name."""
        return (self.names["label"] + "/" + self.names["image"]).to_numpy(str)


def collect(files: Mapping[str, TokenFile], level: str, token: str, layer: int, images: int | None = None) -> Points:
    """Tokens of one kind at one layer, of all labels.

    Parameters
    ----------
    files : label -> its token file
    token : "cls", "mean" (one point per image) or "patch" (N_v points per image)
    layer : 1-based
    images : how many of each label, the first ones; None for all
    """
    values, names = [], []
    for label, file in files.items():
        own = file.read(level, token, layer, images)  # (B, D) or (B, N_v, D)
        own = own.reshape(len(own), -1, own.shape[-1])  # (B, 1 or N_v, D)
        frame = pd.DataFrame({"label": label, "image": np.repeat(file.images[:images], own.shape[1])})
        patches = file.read(level, "visible", images=images).ravel() if token == "patch" else pd.NA
        names.append(frame.assign(patch=pd.array(np.broadcast_to(patches, len(frame)), dtype="Int64")))
        values.append(own.reshape(-1, own.shape[-1]))
    return Points(np.concatenate(values), pd.concat(names, ignore_index=True))


def values(files: Mapping[str, TokenFile], level: str, token: str, layer: int, most: int | None = None) -> np.ndarray:
    """Tokens "cls" or "mean" at one layer, of the images of all labels in the order of `collect`: (n, D) float32.

    Of the first images of each label alone, where it has more than `most`.
    """
    sizes = {label: min(most or len(file.images), len(file.images)) for label, file in files.items()}
    return np.concatenate([file.read(level, token, layer, sizes[label]) for label, file in files.items()])


def collapsed(points: np.ndarray) -> bool:
    """Whether points (n, D) are one and the same but for rounding, as where a layer says the same of all images."""
    points = np.asarray(points, np.float64)
    return bool(np.linalg.norm(points - points[0]) <= ROUNDING * np.linalg.norm(points))


def warn_if_collapsed(points: np.ndarray, token: str, layer: int) -> bool:
    """Whether tokens (n, D) of one kind and layer are the same for all images, of which little can be said; loudly."""
    same = collapsed(points)
    if same:
        log.critical("%s tokens of layer %d are the same for all images: is this model broken there?", token, layer)
    return same


def told_apart(sets: Mapping[tuple[str, int], Points]) -> dict[tuple[str, int], Points]:
    """Those sets, by kind of token and layer, whose points differ; the others are named loudly: no map shows them."""
    return {key: points for key, points in sets.items() if not warn_if_collapsed(points.values, *key)}
