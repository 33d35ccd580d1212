"""Clean and perturbed embeddings of the same image: cosine and norms (Table III of the paper)."""

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
