"""Claims on the features of heads."""

from maescope.base import statistics
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN, Evidence, Finding, beyond

KINDS = ("common", "shuffled")  # features of classes, and of shuffled labels


# ---- Heads -----------------------------------------------------------------------------------------------------------


def features_persist(evidence: Evidence, paper: float) -> Finding:
    """Features common to the clean images of a class that stay common under the strongest blur, as a share of them.

    Of all layers and heads together, then mean over classes, which are resampled.
    """
    rule = (
        "at the strongest blur at least half of the features common to the clean images of a class stay common (our "
        "reading of 'stay active'), and a larger share than of shuffled labels; both whole intervals"
    )
    if evidence.features is None:
        return Finding(rule, why="common features of heads are not measured in this study")
    last = evidence.features[evidence.features["level"] == evidence.strongest]
    sums = last.groupby("label")[[f"{kind}_{when}" for kind in KINDS for when in ("clean", "perturbed")]].sum()
    classes = len(sums)
    sums = sums[(sums["common_clean"] > 0) & (sums["shuffled_clean"] > 0)]  # a share of none is no number
    if sums.empty:
        return Finding(rule, why="no feature is common to the clean images of a class, or none with shuffled labels")
    share, shuffled = (100 * sums[f"{kind}_perturbed"] / sums[f"{kind}_clean"] for kind in KINDS)
    low, high, more, most = (
        end
        for values in (share, share - shuffled)
        for end in statistics.bootstrap(values.to_numpy(), ["all"] * len(values), **evidence.intervals)
    )
    left_out = f" of {classes}, the others have no common features" if len(share) < classes else ""
    why = f"{len(share)} classes{left_out}; of shuffled labels {shuffled.mean():.3g} % stay"
    if len(share) < 5:
        return Finding(rule, UNKNOWN, share.mean(), low, high, "%", why=f"{why}; too few classes to resample")
    both = {beyond(low, high, 50), beyond(more, most, 0)}
    verdict = FAILS if FAILS in both else UNKNOWN if UNKNOWN in both else HOLDS
    return Finding(rule, verdict, share.mean(), low, high, "%", why=why)
