"""How the variance of embeddings is spread over dimensions: eigenvalues of their covariance, summed up."""

import numpy as np

from maescope.measures.embeddings import collapsed

FIRST, FEWEST = 5, 5  # rank at which the fit of a power law begins, and ranks that it needs


def eigenvalues(features: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance of features (n, D), largest first: min(n - 1, D) of them, in float64."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    wide = centred.shape[1] > len(centred)
    products = centred @ centred.T if wide else centred.T @ centred
    values = np.linalg.eigvalsh(products)[::-1] / (len(features) - 1)
    return np.maximum(values[: min(len(features) - 1, features.shape[1])], 0)


def participation_ratio(values: np.ndarray) -> float:
    """(sum of eigenvalues)^2 / sum of their squares: from 1 to how many there are. NaN where all are 0."""
    return _share(values.sum() ** 2, np.square(values).sum())


def nesum(values: np.ndarray) -> float:
    """Sum of eigenvalues over the largest (NESum, He and Ozay 2022): from 1 to their number. NaN where all are 0."""
    return _share(values.sum(), values[0])


def alpha(values: np.ndarray) -> float:
    """Exponent of the power law by which eigenvalues fall with their rank (alpha-ReQ, Agrawal et al. 2022).

    Minus the slope of log eigenvalue over log rank by least squares, from rank `FIRST` to half of all: the first few
    and the last, which so many images do not determine, follow no law. Near 1 is what alpha-ReQ found to generalise;
    more is fewer dimensions. NaN where fewer than `FEWEST` ranks are left, or one has no variance.
    """
    ranks = np.arange(FIRST, len(values) // 2 + 1)
    own = values[ranks - 1]
    if len(ranks) < FEWEST or own.min() <= 1e-12 * values[0]:  # the rounding of 0
        return np.nan
    x, y = np.log(ranks), np.log(own)
    x = x - x.mean()
    return -float(x @ y / (x @ x))


def summary(features: np.ndarray) -> dict[str, float]:
    """`participation_ratio`, `nesum` and `alpha` of features (n, D); NaN of features that are all the same."""
    if collapsed(features):
        return dict.fromkeys(("participation_ratio", "nesum", "alpha"), np.nan)
    values = eigenvalues(features)
    return {"participation_ratio": participation_ratio(values), "nesum": nesum(values), "alpha": alpha(values)}


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else np.nan
