"""Patch tokens of outlying norm, which Darcet et al. (2024) found in places that say little of the image."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from maescope.base import seeds

MOST = 10_000  # tokens that a mixture is fitted to, drawn from all: every so many would be of a few places alone
DIP = 0.5  # of the lower hump: what the density falls to between two humps that count as two


class Humps(NamedTuple):
    """Two humps of log norms.

    threshold : of the norm, where a token belongs to either as likely
    ratio : norm of the upper hump over that of the lower
    """

    threshold: float
    ratio: float


def norms(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Euclidean norms of patch tokens, in float64: blocks of (B, N, D) -> (n, N)."""
    return np.concatenate([np.sqrt(np.square(block, dtype=np.float64).sum(axis=-1)) for block in blocks])


def humps(lengths: np.ndarray) -> Humps | None:
    """Two humps of norms, by a mixture of two Gaussians of their standardised logarithms; None where there is one.

    There are two where BIC prefers the mixture to one Gaussian, the density between both means falls to half of the
    lower hump, and the upper has fewer tokens than the lower: a skewed hump, or one of broad tails, is none of that.

    Parameters
    ----------
    lengths : norms of any shape; zeros, which have no logarithm, belong to no hump
    """
    from sklearn.mixture import GaussianMixture  # takes longer to import than all else here

    logs = np.log(lengths[lengths > 0])
    if len(logs) < 10 or np.ptp(logs) <= 1e-6:  # the rounding of float32
        return None
    centre, spread = logs.mean(), logs.std()
    drawn = seeds.generator(0, "high_norms").choice(len(logs), min(MOST, len(logs)), replace=False)
    x = ((logs - centre) / spread)[drawn, None]
    start = np.quantile(x, [0.4, 0.999])[:, None]
    two = GaussianMixture(2, weights_init=[0.9, 0.1], means_init=start, precisions_init=np.ones((2, 1, 1))).fit(x)
    low, high = two.means_[:, 0].argsort()
    between = np.linspace(*two.means_[[low, high], 0], 1001)[:, None]
    density = two.score_samples(between)
    shares = two.predict_proba(between)[:, high]
    dips = density.min() <= np.log(DIP) + min(density[0], density[-1])
    if not (dips and two.weights_[high] < two.weights_[low] and two.bic(x) < GaussianMixture(1).fit(x).bic(x)):
        return None
    threshold = between[(shares > 0.5).argmax(), 0]
    return Humps(float(np.exp(centre + spread * threshold)), float(np.exp(spread * (between[-1, 0] - between[0, 0]))))


def table(lengths: np.ndarray, shape: tuple[int, int]) -> pd.DataFrame:
    """Share of images whose token is outlying, by place: patch_row, patch_column, share, gaussian, threshold, ratio.

    `gaussian` is the share that one Gaussian of the mean and deviation of log norms would have above the threshold. Of
    one hump all shares are 0, and there is neither threshold nor ratio.

    Parameters
    ----------
    lengths : (n, N) norms of the patch tokens of one layer, row by row
    shape : rows and columns of the grid of patches
    """
    found = humps(lengths)
    if found is None:
        above, gaussian, found = np.zeros(lengths.shape[1]), 0.0, Humps(np.nan, np.nan)
    else:
        logs = np.log(lengths[lengths > 0])
        above = (lengths > found.threshold).mean(axis=0)
        gaussian = float(ndtr((logs.mean() - np.log(found.threshold)) / logs.std()))
    rows, columns = np.unravel_index(np.arange(lengths.shape[1]), shape)
    places = {"patch_row": rows, "patch_column": columns, "share": above, "gaussian": gaussian}
    return pd.DataFrame(places | found._asdict())
