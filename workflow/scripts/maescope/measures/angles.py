"""Principal angles between class subspaces as tidy rows, with their baselines (the paper's Fig. 4)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.measures import geometry
from maescope.measures.subspaces import product_frame


def angle_table(
    whole: np.ndarray, even: np.ndarray, odd: np.ndarray, labels: Sequence[str], k: int, draws: int, seed: int
) -> pd.DataFrame:
    """All k principal angles of the top-k subspaces, one per row, in degrees.

    `kind` tells what is compared: `between` two classes, `within` one (its two halves), or two `random` subspaces.

    Parameters
    ----------
    whole, even, odd : (L, classes, D, k or more) as in `Bases`
    draws : pairs of random subspaces in each layer
    """
    layers, dim = len(whole), whole.shape[2]
    between, pairs = geometry.principal_angles(whole[..., :k])  # (L, pairs, k)
    within = geometry.angles_between(even[..., :k], odd[..., :k])  # (L, classes, k)
    random = geometry.random_subspace_angles(dim, k, layers * draws, seed).reshape(layers, draws, k)
    names = np.asarray(labels, dtype=object)
    kinds = {
        "between": (between, names[pairs[:, 0]], names[pairs[:, 1]]),
        "within": (within, names, names),
        "random": (random, [None] * draws, [None] * draws),
    }
    frames = []
    for kind, (angles, first, second) in kinds.items():
        rows = product_frame(layer=range(1, layers + 1), pair=range(angles.shape[1]), index=range(1, k + 1))
        pair = rows.pop("pair")
        frames.append(
            rows.assign(
                kind=kind, label_a=np.take(first, pair), label_b=np.take(second, pair), k=k, angle_deg=angles.ravel()
            )
        )
    return pd.concat(frames)[["layer", "kind", "label_a", "label_b", "k", "index", "angle_deg"]]
