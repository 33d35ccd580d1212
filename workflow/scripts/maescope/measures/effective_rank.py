"""How many dimensions representations use: the effective rank (Roy and Vetterli 2007; RankMe, Garrido et al. 2023)."""

import numpy as np

EPSILON = 1e-7  # of RankMe


def effective_rank(features: np.ndarray) -> float:
    """exp of the entropy of the singular values of features (n, D), each over their sum: from 1 to min(n, D).

    Not centred, as in RankMe: a large common mean is a dimension that all images share. NaN where all features are 0.
    """
    values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    if values[0] == 0:
        return np.nan
    shares = values / values.sum() + EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))
