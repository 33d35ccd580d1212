"""Principal angles between class subspaces as tidy rows, with their baselines (the paper's Fig. 4)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.measures import geometry
from maescope.measures.subspaces import product_frame

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


def angle_table(
    whole: np.ndarray,
    even: np.ndarray,
    odd: np.ndarray,
    labels: Sequence[str],
    k: int,
    draws: int,
    seed: int,
    every: bool = True,
) -> pd.DataFrame:
    """Principal angles of the top-k subspaces, one per row, in degrees.

    `kind` tells what is compared: `between` two classes, `within` one (its two halves), or two `random` subspaces.

    Parameters
    ----------
    whole, even, odd : (L, classes, D, k or more) as in `Bases`
    draws : pairs of random subspaces in each layer
    every : all k angles between each two classes; else the smallest of each two, and of the others `QUANTILES` over all
        pairs, in rows without labels and with a `quantile`
    """
    layers, dim = len(whole), whole.shape[2]
    names = np.asarray(labels, dtype=object)
    within = geometry.angles_between(even[..., :k], odd[..., :k])  # (L, classes, k)
    random = geometry.random_subspace_angles(dim, k, layers * draws, seed).reshape(layers, draws, k)
    frames = []
    for layer in range(layers):  # one at a time: of a thousand classes all would not fit
        angles, pairs = geometry.principal_angles(whole[layer : layer + 1, ..., :k])  # (1, pairs, k)
        kept = angles if every else angles[..., :1]
        rows = _rows("between", kept, names[pairs[:, 0]], names[pairs[:, 1]]).assign(layer=layer + 1)
        frames += [rows] if every else [rows, _quantiles(angles[0]).assign(layer=layer + 1)]
    frames += [_rows("within", within, names, names), _rows("random", random, [None] * draws, [None] * draws)]
    columns = ["layer", "kind", "label_a", "label_b", "k", "index", "angle_deg", *([] if every else ["quantile"])]
    return pd.concat(frames).assign(k=k)[columns]


def _rows(kind: str, angles: np.ndarray, first: Sequence, second: Sequence) -> pd.DataFrame:
    """Angles (L, pairs, k), one per row, of pairs with two names each."""
    layers, pairs, k = angles.shape
    rows = product_frame(layer=range(1, layers + 1), pair=range(pairs), index=range(1, k + 1))
    pair = rows.pop("pair")
    return rows.assign(kind=kind, label_a=np.take(first, pair), label_b=np.take(second, pair), angle_deg=angles.ravel())


def _quantiles(angles: np.ndarray) -> pd.DataFrame:
    """Quantiles over pairs of all angles (pairs, k) but the smallest."""
    rows = product_frame(quantile=QUANTILES, index=range(2, angles.shape[1] + 1))
    found = np.quantile(angles[:, 1:], QUANTILES, axis=0)  # (quantiles, k - 1)
    return rows.assign(kind="between", label_a=None, label_b=None, angle_deg=found.ravel())
