"""Whether images of a class fall together and classes stand apart alike: neural collapse (Papyan, Han, Donoho 2020)."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

ROWS = 1024  # of the cosines of all pairs of classes at a time


def neural_collapse(features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """NC1 and both parts of NC2; 0 is collapse, each class counting the same.

    With class means about their own mean, of which between-class covariance S_B is made, and within-class covariance
    S_W:

    - nc1: tr(S_W S_B^+) / C, how far images of a class are spread compared to classes
    - equinorm: standard deviation over mean of the lengths of the C class means
    - equiangle: mean over pairs of classes of | cosine + 1 / (C - 1) |, which is 0 for a simplex

    Parameters
    ----------
    features : (n, D)
    labels : (n,), two classes or more

    Returns
    -------
    NaN, all three, where the class means are one and the same or no class has two images; and NC2 of two classes, whose
    means about their own mean are opposite and of one length whatever they are
    """
    classes, codes = np.unique(labels, return_inverse=True)
    order, count = np.argsort(codes, kind="stable"), len(classes)
    features, sizes = features[order].astype(np.float64), np.bincount(codes)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    means = np.stack([features[start:end].mean(axis=0) for start, end in pairwise(ends)])  # (C, D)
    within = (features - means[codes[order]]) / np.sqrt(count * sizes[codes[order]])[:, None]  # S_W = within^T within
    centred = means - means.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    keep = lengths > 1e-6 * np.linalg.norm(means)  # not the rounding of float32
    if not keep.any() or sizes.max() < 2:
        return dict.fromkeys(("nc1", "equinorm", "equiangle"), np.nan)
    along = np.square(within @ directions[keep].T).sum(axis=0)  # of S_W in the eigenvectors of S_B
    norms = np.linalg.norm(centred, axis=1)
    units = centred / np.maximum(norms, 1e-300)[:, None]
    apart = sum(np.abs(part).sum() for part in _from_simplex(units))
    return {
        "nc1": float((along / np.square(lengths[keep])).sum()),  # 1 / C, and C of S_B = centred^T centred / C
        "equinorm": float(norms.std() / norms.mean()) if count > 2 else np.nan,
        "equiangle": float(apart / (count * (count - 1) / 2)) if count > 2 else np.nan,
    }


def _from_simplex(units: np.ndarray) -> Iterator[np.ndarray]:
    """Cosine + 1 / (C - 1) of each two of C unit vectors (C, D) once, some rows at a time, zeros beside them."""
    for start in range(0, len(units), ROWS):
        cosines = units[start : start + ROWS] @ units[start:].T
        yield np.triu(cosines + 1 / (len(units) - 1), 1)
