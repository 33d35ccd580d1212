"""Claims on the features of heads."""

import pandas as pd

from maescope.base import statistics
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN, Evidence, Finding, beyond

KINDS = ("common", "shuffled")  # features of classes, and of shuffled labels
FEWEST = 5  # classes that are resampled for a verdict


# ---- Heads -----------------------------------------------------------------------------------------------------------


def features_persist(evidence: Evidence, paper: float) -> Finding:
    """Features common to the clean images of a class that stay common under the strongest blur, as a share of them.

    Of all layers and heads together, then mean over the classes that have such features; the difference to shuffled
    labels, over those that have some with these as well. Classes are resampled.
    """
    rule = (
        "at the strongest blur at least half of the features common to the clean images of a class stay common (our "
        "reading of 'stay active'), and a larger share than of shuffled labels; both whole intervals"
    )
    if evidence.features is None:
        return Finding(rule, why="common features of heads are not measured in this study")
    last = evidence.features[evidence.features["level"] == evidence.strongest]
    sums = last.groupby("label")[[f"{kind}_{when}" for kind in KINDS for when in ("clean", "perturbed")]].sum()
    share, shuffled = (
        (100 * sums[f"{kind}_perturbed"] / sums[f"{kind}_clean"]).dropna()
        for kind in KINDS  # a share of none is NaN
    )
    more = (share - shuffled).dropna()
    if share.empty:
        return Finding(rule, why="no feature is common to the clean images of a class")
    why = f"{len(share)} classes"
    if len(share) < len(sums):
        why += f" of {len(sums)}, the others have no common features"
    if more.empty:
        why += "; no feature is common with shuffled labels, so there is nothing to compare"
    else:
        why += f"; of shuffled labels {shuffled[more.index].mean():.3g} % stay"
    if 0 < len(more) < len(share):
        why += f", compared in the {len(more)} classes that have common features then as well"
    low, high = _interval(share, evidence)
    if len(share) < FEWEST:
        return Finding(rule, UNKNOWN, share.mean(), low, high, "%", why=f"{why}; too few classes to resample")
    above = beyond(*_interval(more, evidence), 0) if len(more) >= FEWEST else UNKNOWN
    both = {beyond(low, high, 50), above}
    verdict = FAILS if FAILS in both else UNKNOWN if UNKNOWN in both else HOLDS
    return Finding(rule, verdict, share.mean(), low, high, "%", why=why)


def _interval(values: pd.Series, evidence: Evidence) -> tuple[float, float]:
    """Of a mean over classes, which are resampled."""
    return statistics.bootstrap(values.to_numpy(), ["all"] * len(values), **evidence.intervals)
