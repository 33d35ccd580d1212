"""Intervals of how well classes separate by layer, for Figures 1 and 2 and the models side by side."""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from maescope.base import statistics

ERRORS = {"silhouette": "silhouette_error", "knn_accuracy": "knn_error", "probe_accuracy": "probe_error"}


def with_intervals(separation: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The measure with the ends of an interval of each of silhouette, k-NN and probe: `<column>_low`, `<column>_high`.

    Of silhouettes the normal interval. Of accuracies Wilson's, of as many images as would have the standard error that
    was measured if each were one draw (Franco et al. 2019, Journal of Survey Statistics and Methodology 7, 334): so
    patches count by their images, and one at 0 or 1 has a width.
    """
    ends = {}
    for column, error in ERRORS.items():
        rows = separation[[column, error, "images"]].itertuples(index=False)
        own = [_interval(column, *row, confidence) for row in rows]
        ends[f"{column}_low"], ends[f"{column}_high"] = np.array(own).reshape(-1, 2).T
    return separation.assign(**ends)


def _interval(column: str, value: float, error: float, images: float, confidence: float) -> tuple[float, float]:
    if column == "silhouette":
        half = float(ndtri(0.5 + confidence / 2)) * error
        return max(value - half, -1.0), min(value + half, 1.0)
    trials = value * (1 - value) / error**2 if error > 0 else images
    return statistics.wilson(value * trials, trials, confidence)
