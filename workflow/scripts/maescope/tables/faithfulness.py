"""Whether patches that a ranking puts first matter more: deletion and insertion curves (Petsiuk et al. 2018)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from maescope.base import statistics

OPPOSITE = {"most": "least", "centre": "edge", "random": "random"}  # what is taken first -> what is kept to the end
NAMES = {"most": "rollout", "centre": "centre", "random": "random"}
ROLLOUTS = {"cls": "rollout of CLS", "gradient": "rollout by gradient"}


def curves(accuracy: pd.DataFrame, rankings: Mapping[str, dict], intervals: dict) -> pd.DataFrame:
    """Accuracy by the share of patches taken away, or put in, by ranking and fill.

    Patches are put in in an order where the opposite one takes them away last, so insertion to p % is occlusion of
    100 - p % by it. An area is the mean accuracy under a curve, by the trapezoid rule; `over_random` is what it has
    more than that of random patches with the same fill, of the same images at the levels that both have, and its
    interval a bootstrap over images. Of several perturbations of one ranking and fill the first is shown.

    Parameters
    ----------
    accuracy : measure `accuracy` of one model with column `perturbation`; levels are percentages
    rankings : perturbation -> its entry (order, fill, rollout), as far as it was measured

    Returns
    -------
    ranking, fill, curve (deletion, insertion), percent, accuracy, accuracy_low, accuracy_high, images, area,
    over_random, over_random_low, over_random_high
    """
    measured, known = set(accuracy["perturbation"]), {}
    for name, entry in rankings.items():
        for order, (kind, sign) in ((entry["order"], ("deletion", 1)), (_opposite(entry["order"]), ("insertion", -1))):
            named = ROLLOUTS.get(entry.get("rollout")) if order == "most" else None
            key = (named or NAMES.get(order, ""), entry["fill"], kind)
            if order not in OPPOSITE or name not in measured or key in known:
                continue
            own = accuracy[accuracy["perturbation"] == name].assign(percent=lambda t: t["level"].astype(int))
            own = own.pivot(index=["label", "image"], columns="percent", values="correct").astype(float)  # (n, levels)
            own.columns = own.columns if sign > 0 else 100 - own.columns
            known[key] = own[sorted(own.columns)]
    frames = []
    for key, own in known.items():
        names = dict(zip(("ranking", "fill", "curve"), key, strict=True))
        against = _against(own, known.get(("random", *key[1:])), key, intervals)
        frames.append(_curve(own, intervals).assign(**names, **against))
    return pd.concat(frames, ignore_index=True)


def _opposite(order: str) -> str | None:
    """The order in which patches are put in where this one takes them away."""
    return next((first for first, last in OPPOSITE.items() if last == order), None)


def _curve(own: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """Mean accuracy of images (n, levels) and Wilson's interval, in percent."""
    rows = []
    for percent, correct in own.items():
        ends = statistics.wilson(int(correct.sum()), len(correct), intervals["confidence"])
        row = {"percent": percent, "accuracy": 100 * correct.mean(), "images": len(correct)}
        rows.append(row | {"accuracy_low": 100 * ends[0], "accuracy_high": 100 * ends[1]})
    return pd.DataFrame(rows)


def _area(own: pd.DataFrame) -> pd.Series:
    """Area under the curve of each image (n, levels) in percent, as a mean over the levels; NaN of one level."""
    percents = own.columns.to_numpy(float)
    if len(percents) < 2:
        return pd.Series(np.nan, own.index)
    return pd.Series(100 * np.trapezoid(own.to_numpy(), percents, axis=1) / np.ptp(percents), own.index)


def _against(own: pd.DataFrame, random: pd.DataFrame | None, key: tuple, intervals: dict) -> dict[str, float]:
    """An area, and its difference from that of random patches at the levels of both; NaN without those."""
    found = dict.fromkeys(("area", "over_random", "over_random_low", "over_random_high"), np.nan)
    found |= {"area": _area(own).mean()}
    both = [] if random is None or key[0] == "random" else own.columns.intersection(random.columns)
    if len(both) < 2:
        return found
    difference = _area(own[both]) - _area(random[both]).reindex(own.index)
    labels = own.index.get_level_values("label")
    low, high = statistics.bootstrap(difference.to_numpy(), labels, **intervals, balanced=False)
    return found | {"over_random": difference.mean(), "over_random_low": low, "over_random_high": high}
