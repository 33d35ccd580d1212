"""What the CLS token of each head looks at (as in DINO, Caron et al. 2021), and how much of it the class decides."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import entr

from maescope.base.errors import InputError


def table(maps: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per head and class: head, label, to_patches, spread, same_class, other_classes.

    to_patches : share of the attention of CLS that falls on patches and not on itself or registers. Mean over images
    spread : exp(entropy) of what falls on patches over N: 1 / N for one patch, 1 for all alike. Mean over images
    same_class, other_classes : mean cosine of the maps of an image of the class and another of it, or of other classes

    Parameters
    ----------
    maps : class -> (B, H, N) attention of CLS to each patch, B images; rows sum to 1 with that to CLS and registers

    Raises
    ------
    InputError
        where there is one class only, or one of one image
    """
    if len(maps) < 2 or min(map(len, maps.values())) < 2:
        few = min(maps, key=lambda label: len(maps[label]))
        raise InputError(
            f"{len(maps)} labels, {len(maps[few])} images of {few}: what CLS looks at is compared between 2 labels or "
            "more, of 2 images or more; set study.compared: [] to leave this out"
        )
    unit = {label: own / np.linalg.norm(own, axis=-1, keepdims=True) for label, own in _double(maps).items()}
    sums = {label: own.sum(axis=0) for label, own in unit.items()}  # (H, N)
    total, images = sum(sums.values()), sum(map(len, unit.values()))
    frames = []
    for label, own in _double(maps).items():
        n, to_patches = len(own), own.sum(axis=-1)  # (B, H)
        spread = np.exp(entr(own / to_patches[..., None]).sum(axis=-1)) / own.shape[-1]
        same = (np.square(sums[label]).sum(axis=-1) - n) / (n * (n - 1))  # all pairs but each with itself
        other = (sums[label] * (total - sums[label])).sum(axis=-1) / (n * (images - n))
        means = {"to_patches": to_patches.mean(axis=0), "spread": spread.mean(axis=0)}
        rows = {"head": np.arange(1, own.shape[1] + 1), "label": label, **means}
        frames.append(pd.DataFrame(rows | {"same_class": same, "other_classes": other}))
    return pd.concat(frames, ignore_index=True)


def _double(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In float64, where attention that is 0 in float32 is as small as can be, and looks at all patches alike."""
    return {label: np.maximum(own, np.finfo(np.float32).tiny, dtype=np.float64) for label, own in maps.items()}


def over_labels(measured: pd.DataFrame) -> pd.DataFrame:
    """Mean over classes of each head, and `contrast`, the cosine within a class above that with other classes.

    Parameters
    ----------
    measured : model, layer, head and the columns of `table`, and `uniform`, the share of patches among all tokens
    """
    columns = ["to_patches", "spread", "same_class", "other_classes", "uniform"]
    heads = measured.groupby(["model", "layer", "head"], sort=False)[columns].mean().reset_index()
    return heads.assign(contrast=heads["same_class"] - heads["other_classes"])
