"""Clean and perturbed embeddings of the same image: cosine and norms (Table III of the paper)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine along the last axis, in float64: (..., D), (..., D) -> (...). NaN where a vector is zero."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.clip((a * b).sum(-1) / norms, -1, 1)


def norm(a: np.ndarray) -> np.ndarray:
    """Euclidean norm along the last axis, in float64."""
    return np.linalg.norm(a.astype(np.float64), axis=-1)


def table(clean: np.ndarray, perturbed: np.ndarray, images: Sequence[str], correct: np.ndarray) -> pd.DataFrame:
    """Cosine and norms of each image at each layer, one row each.

    Parameters
    ----------
    clean, perturbed : (L, B, D)
    images : (B,) identities
    correct : (B,) bool, whether the perturbed image is still classified correctly
    """
    layers = len(clean)
    return pd.DataFrame(
        {
            "image": np.tile(images, layers),
            "layer": np.repeat(np.arange(1, layers + 1), len(images)),
            "cosine": cosine(clean, perturbed).ravel(),
            "norm_clean": norm(clean).ravel(),
            "norm_perturbed": norm(perturbed).ravel(),
            "correct": np.tile(correct.astype(int), layers),
        }
    )
