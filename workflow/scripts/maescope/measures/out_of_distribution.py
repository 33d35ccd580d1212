"""How well a model tells images of another distribution from clean ones: layer by layer by distance, and by its logits.

Scores are higher the stranger an image: minus the largest softmax probability (Hendrycks and Gimpel 2017), minus the
energy's log sum exp of logits (Liu et al. 2020), the distance to the k-th nearest clean image (Sun et al. 2022).
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import logsumexp, ndtri, softmax

from maescope.tokens.store import TokenFile

MOST = 2000  # images of a condition that are compared: distances grow with their square


def softmax_score(logits: np.ndarray) -> np.ndarray:
    """Minus the largest probability: (n, C) -> (n,)."""
    return -softmax(logits.astype(np.float64), axis=1).max(axis=1)


def energy_score(logits: np.ndarray) -> np.ndarray:
    """Minus log sum exp of the logits: (n, C) -> (n,)."""
    return -logsumexp(logits.astype(np.float64), axis=1)


def at_length_1(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., D) at length 1, in float64; those of zeros stay so."""
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def neighbour_score(bank: np.ndarray, points: np.ndarray, k: int) -> np.ndarray:
    """Distance to the k-th nearest of a bank (m, D), the farthest of fewer than k: (n, D) -> (n,).

    Parameters
    ----------
    bank, points : as `at_length_1` gives them
    """
    nearer = points @ (-2 * bank.T)
    nearer += np.square(bank).sum(axis=1)  # squared distances but for what all of a point have in common
    place = min(k, len(bank)) - 1
    squares = np.partition(nearer, place, axis=1)[:, place] + np.square(points).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))


def auroc(inside: np.ndarray, outside: np.ndarray, *, paired: bool = False) -> tuple[float, float]:
    """Chance that an image from outside has the higher score, ties counting half, and DeLong's standard error (1988).

    0.5 is chance.

    Parameters
    ----------
    inside, outside : (n,) and (m,) scores
    paired : whether they are of the same n images, clean and perturbed: each is a cluster then (Obuchowski 1997)

    Returns
    -------
    value, error : the latter NaN of fewer than two images, both of none
    """
    if min(len(inside), len(outside)) == 0:
        return np.nan, np.nan
    below, above = (
        (np.searchsorted(np.sort(other), own, "left") + np.searchsorted(np.sort(other), own, "right"))
        / (2 * len(other))
        for own, other in ((outside, inside), (inside, outside))
    )
    if min(len(inside), len(outside)) < 2:
        return float(below.mean()), np.nan
    parts = [below - above] if paired else [below, above]
    return float(below.mean()), float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))


def with_intervals(measured: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The measure with the ends of the normal interval, within 0 and 1: low, high.

    Where all pairs are told apart, the error is 0 and would leave no interval: then it is Wilson's of as many images as
    the smaller side has, which is wide enough, as the variance is A (1 - A) / min(n, m) at most.
    """
    z, value, error = ndtri(0.5 + confidence / 2), measured["auroc"], measured["error"]
    images = measured[["inside", "outside"]].min(axis=1)
    low, high, reach = value - z * error, value + z * error, images / (images + z**2)
    low, high = low.mask((error == 0) & (value == 1), reach), high.mask((error == 0) & (value == 0), 1 - reach)
    return measured.assign(low=low.clip(0, 1), high=high.clip(0, 1))


def gather(
    parts: dict[str, dict[str, list[np.ndarray]]],
    tokens: TokenFile,
    labels: int,
    arrays: Sequence[str] = ("logits", "mean"),
) -> None:
    """Add arrays of one label's first images to those of other labels: level -> array -> parts.

    Parameters
    ----------
    arrays : logits, which a model without a head has none of, and mean
    """
    images = min(max(2, MOST // labels), len(tokens.images))
    for level in tokens.levels:
        for name in arrays:
            array = tokens.read(level, name, images=images)
            parts.setdefault(level, {}).setdefault(name, []).append(array)


def every_other(parts: dict[str, list[np.ndarray]], first: int | None) -> dict[str, np.ndarray]:
    """Every second image of each label, from `first` on, or all for None: logits (n, C), mean (L, n, D) at length 1."""
    every = slice(first, None, None if first is None else 2)
    found = {name: np.concatenate([part[..., every, :] for part in own], -2) for name, own in parts.items()}
    return found | {"mean": at_length_1(found["mean"])}


def scores(images: Mapping[str, np.ndarray], bank: np.ndarray, k: int) -> Iterator[tuple[str, int | None, np.ndarray]]:
    """Scores of the images of one condition: name, 1-based layer or None, (n,).

    Parameters
    ----------
    images : of `every_other`
    bank : (L, m, D), clean images that distances are taken to
    """
    if "logits" in images:
        yield "softmax", None, softmax_score(images["logits"])
        yield "energy", None, energy_score(images["logits"])
    for layer, (known, points) in enumerate(zip(bank, images["mean"], strict=True), 1):
        yield "neighbour", layer, neighbour_score(known, points, k)


class Comparison:
    """Conditions against the clean images, which come first: half of each label's is the bank, half is told from.

    Parameters
    ----------
    k : neighbours
    """

    def __init__(self, k: int):
        self.k, self.bank, self.inside = k, None, []

    def add(self, shifted: str, parts: dict[str, dict[str, list[np.ndarray]]], paired: bool) -> pd.DataFrame:
        """AUROC by level, score and layer: shifted, level and what `table` gives; of clean images among themselves.

        Parameters
        ----------
        parts : of `gather`
        paired : whether they are the study's images, perturbed: then only those count that are not in the bank
        """
        if self.bank is None:
            self.bank = every_other(parts["clean"], 0)["mean"]
            self.inside = list(scores(every_other(parts["clean"], 1), self.bank, self.k))
            halves = ([(*score, values[start::2]) for *score, values in self.inside] for start in (0, 1))
            return table(*halves, paired=False).assign(shifted=shifted, level="clean")
        frames = []
        for level, own in parts.items():
            outside = list(scores(every_other(own, 1 if paired else None), self.bank, self.k))
            frames.append(table(self.inside, outside, paired=paired).assign(shifted=shifted, level=level))
        return pd.concat(frames)


def table(
    inside: Sequence[tuple[str, int | None, np.ndarray]],
    outside: Sequence[tuple[str, int | None, np.ndarray]],
    *,
    paired: bool,
) -> pd.DataFrame:
    """AUROC of one condition by score and layer: score, layer, auroc, error, inside, outside (numbers of images).

    Parameters
    ----------
    inside, outside, paired : `scores` of clean images and of those of the condition, and as in `auroc`
    """
    rows = []
    for (score, layer, clean), (_, _, shifted) in zip(inside, outside, strict=True):
        value, error = auroc(clean, shifted, paired=paired)
        row = {"score": score, "layer": layer, "auroc": value, "error": error}
        rows.append(row | {"inside": len(clean), "outside": len(shifted)})
    return pd.DataFrame(rows).astype({"layer": "Int64"})
