"""How alike two representations of the same images are: linear CKA (Kornblith et al. 2019).

Equal up to rotation and one common scale, representations have 1. The plain estimate grows with the width over the
number of images, even of noise; the debiased one (Song et al. 2012) is 0 there on average, and may be negative.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from maescope.base.errors import InputError
from maescope.measures.embeddings import collapsed

Read = Callable[[str, str, int], np.ndarray]
ROOM = 1e9  # bytes of features of other layers that are held at a time


class Features(NamedTuple):
    """Features of n images as CKA takes them, in float64; see `prepare`.

    values : (n, D), of mean 0 and Frobenius norm 1
    squares : (n,) squared norm of each row, the diagonal of the Gram matrix
    own, own_debiased : the two estimates of HSIC with itself
    """

    values: np.ndarray
    squares: np.ndarray
    own: float = np.nan
    own_debiased: float = np.nan


def prepare(features: np.ndarray) -> Features:
    """Centre and scale features (n, D) once for many comparisons.

    Raises
    ------
    InputError
        where there are fewer than 4 images, of which the debiased estimate needs that many, or all are alike
    """
    if len(features) < 4:
        raise InputError(f"{len(features)} images, but CKA needs 4 or more; set study.compared: [] to leave it out")
    values = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm(values)
    if collapsed(features):
        raise InputError("all images have the same features, so CKA cannot compare them: is this model broken?")
    values /= norm
    alone = Features(values, np.einsum("ij,ij->i", values, values))
    return Features(*alone[:2], *_hsic(alone, alone))


def cka(a: Features, b: Features) -> tuple[float, float]:
    """Linear CKA of two representations of the same n images, in the same order; they may differ in width.

    Returns
    -------
    cka : in [0, 1], |A^T B|^2 / (|A^T A| |B^T B|) with Frobenius norms (Kornblith et al. 2019, eq. 3)
    debiased : with the unbiased estimate of HSIC in all three places (Song et al. 2012, eq. 5); NaN where, of so few
        images and so wide, a representation is not even like itself
    """
    plain, debiased = _hsic(a, b)
    known = all(side.own_debiased > 1e-12 * side.own for side in (a, b))  # not the rounding of 0
    return plain / np.sqrt(a.own * b.own), debiased / np.sqrt(a.own_debiased * b.own_debiased) if known else np.nan


def _hsic(a: Features, b: Features) -> tuple[float, float]:
    """|A^T B|^2, and the unbiased estimate of HSIC times n (n - 3).

    That is tr(K L) + (1 K 1)(1 L 1) / ((n - 1)(n - 2)) - 2 (1 K L 1) / (n - 2) of Gram matrices K, L without their
    diagonals. As features are centred, each row sums to minus its diagonal.
    """
    n = len(a.values)
    plain = float(np.square(a.values.T @ b.values).sum())
    diagonals = float(a.squares @ b.squares)
    sums = float(a.squares.sum() * b.squares.sum()) / ((n - 1) * (n - 2))
    return plain, plain - diagonals + sums - 2 * diagonals / (n - 2)


def prepared(features: np.ndarray) -> Features | None:
    """Features of a layer, as `prepare` gives them; None for one that says the same of all images."""
    return None if collapsed(features) else prepare(features)


def table(own: np.ndarray, others: Mapping[int, Features | None]) -> pd.DataFrame:
    """CKA of one layer with other layers: other_layer, cka, debiased, shuffled.

    `shuffled` is the mean of the plain estimate over all orders of the images of one side: what two representations
    have that know nothing of each other. For centred Gram matrices K, L it is tr K tr L / ((n - 1) |K| |L|). All three
    are missing where a layer says the same of all images.

    Parameters
    ----------
    own : (n, D)
    others : 1-based layer -> its features, of the same n images, as `prepared` gives them; widths may differ
    """
    features = prepared(own)
    rows = []
    for layer, other in others.items():
        if features is None or other is None:
            rows.append({"other_layer": layer, "cka": np.nan, "debiased": np.nan, "shuffled": np.nan})
            continue
        plain, debiased = cka(features, other)
        shuffled = 1 / ((len(own) - 1) * np.sqrt(features.own * other.own))  # both traces are 1
        rows.append({"other_layer": layer, "cka": plain, "debiased": debiased, "shuffled": shuffled})
    return pd.DataFrame(rows)


def of_clean(own: Read, other: Read, token: str, depth: int, other_depth: int) -> pd.DataFrame:
    """What `table` gives of each layer with each, of clean images: level, layer and that, in the order of layers.

    Of the other side as many layers are held as fit into `ROOM`, and the own ones are read once more for each group.

    Parameters
    ----------
    own, other : from level, token and 1-based layer to features (n, D) of the same images
    depth, other_depth : layers of either
    """
    found: dict[int, list[pd.DataFrame]] = {}
    for known in _groups(other, token, other_depth):
        for layer in range(1, depth + 1):
            found.setdefault(layer, []).append(table(own("clean", token, layer), known).assign(layer=layer))
    return pd.concat([frame for frames in found.values() for frame in frames]).assign(level="clean")


def of_perturbed(own: Read, clean: Read, token: str, levels: Sequence[str], depth: int) -> pd.DataFrame:
    """What `table` gives of each layer with its clean self: level, layer and that, in the order of `levels` and layers.

    Parameters
    ----------
    own, clean : as in `of_clean`
    """
    found: dict[str, list[pd.DataFrame]] = {level: [] for level in levels}
    for known in _groups(clean, token, depth):
        for level in levels:
            for layer, features in known.items():
                frame = table(own(level, token, layer), {layer: features})
                found[level].append(frame.assign(level=level, layer=layer))
    return pd.concat([frame for frames in found.values() for frame in frames])


def _groups(read: Read, token: str, depth: int) -> Iterator[dict[int, Features | None]]:
    """Clean layers 1 to `depth`, prepared, as many at a time as fit into `ROOM`, one at least; gone with the next."""
    group: dict[int, Features | None] = {}
    for layer in range(1, depth + 1):
        features = read("clean", token, layer)
        if group and 8 * features.size * (len(group) + 1) > ROOM:
            yield group
            group.clear()
        group[layer] = prepared(features)
    yield group


def parts(measured: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What Figure CKA shows: clean images of two models, all layers; perturbed ones, each layer with its clean self.

    Parameters
    ----------
    measured : model, other, perturbation, level, layer, other_layer, cka and more
    """
    clean = measured["perturbation"] == "clean"
    return measured[clean], measured[~clean & (measured["layer"] == measured["other_layer"])]
