"""Clean and perturbed embeddings of the same image: cosine and norms (Table III of the paper), and their spread."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine along the last axis, in float64: (..., D), (..., D) -> (...). NaN where a vector is zero."""
    return _cosine(_product(a, b), norm(a), norm(b))


def norm(a: np.ndarray) -> np.ndarray:
    """Euclidean norm along the last axis, in float64."""
    return np.sqrt(_product(a, a))


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner products along the last axis, in float64, without their terms in memory."""
    return np.einsum("...d,...d->...", a, b, dtype=np.float64)


def _cosine(products: np.ndarray, *norms: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.clip(products / (norms[0] * norms[1]), -1, 1)


def radius(points: np.ndarray) -> np.ndarray:
    """Radius of the smallest ball that holds an image's points, all brought to length 1: (m, n, D) -> (n,), in [0, 1].

    The divergence radius of Liu et al. (2026). Of points on the unit sphere the centre is the point of their convex
    hull that is nearest to 0, as any weights w of sum 1 give a bound on the squared radius, 1 - |sum w p|^2. That is a
    problem of least squares with weights that are not negative: of |sum u p|^2 + (sum u - 1)^2, but for the scale of u.

    NaN where one of an image's points is zero.
    """
    from scipy.optimize import nnls  # here for the reason given in `base.statistics`

    found = np.full(points.shape[1], np.nan)
    for number, own in enumerate(np.moveaxis(points, 1, 0).astype(np.float64)):  # (m, D)
        lengths = norm(own)
        if lengths.all():
            held = np.column_stack([own / lengths[:, None], np.ones(len(own))])  # (m, D + 1)
            weights = nnls(held.T, np.eye(held.shape[1])[-1])[0]
            centre = weights @ held[:, :-1] / weights.sum()
            found[number] = np.sqrt(max(0.0, 1 - centre @ centre))
    return found


def table(clean: np.ndarray, perturbed: np.ndarray, images: Sequence[str], correct: np.ndarray) -> pd.DataFrame:
    """Cosine and norms of each image at each layer, one row each.

    Parameters
    ----------
    clean, perturbed : (L, B, D)
    images : (B,) identities
    correct : (B,) bool, whether the perturbed image is still classified correctly
    """
    layers, before, after = len(clean), norm(clean), norm(perturbed)
    return pd.DataFrame(
        {
            "image": np.tile(images, layers),
            "layer": np.repeat(np.arange(1, layers + 1), len(images)),
            "cosine": _cosine(_product(clean, perturbed), before, after).ravel(),
            "norm_clean": before.ravel(),
            "norm_perturbed": after.ravel(),
            "correct": np.tile(correct.astype(int), layers),
        }
    )
