"""Intervals and paired tests: those of statsmodels where it has them.

It is imported where it is used, because that takes longer than importing all else here.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betainc, betaincinv, ndtri, stdtr, stdtrit

from maescope.base import seeds

PICKS = 4_000_000  # held at a time


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927): never empty, never outside [0, 1]."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, trials, 1 - confidence, method="wilson")
    return 0.0 if successes == 0 else low, 1.0 if successes == trials else high  # exactly: rounding leaves 1e-16


def newcombe(a: tuple[int, int], b: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two independent proportions, from Wilson's of each (Newcombe 1998, method 10).

    Parameters
    ----------
    a, b : successes and trials; the difference is that of a from b, a - b
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff", alpha=1 - confidence)
    return float(low), float(high)


def class_mean(values: np.ndarray, labels: np.ndarray) -> float:
    """Mean of each class, then over classes."""
    return float(pd.Series(values).groupby(labels).mean().mean())


def finite_mean(values: pd.Series) -> float:
    """Mean of those that are finite; infinite where the others all are, NaN where there is none."""
    finite = values[np.isfinite(values)]
    return finite.mean() if len(finite) else values.mean()


def bootstrap(
    values: np.ndarray,
    labels: np.ndarray,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    balanced: bool = True,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, images resampled within their classes.

    By hand, because `scipy.stats.bootstrap` holds the resamples of all classes at once: 800 MB for 50,000 images. How
    often each image is drawn is the same for all values of as many images, so of many conditions it is drawn once.
    Where a class has one image only, which resampling within classes would take for certain: `subset_bootstrap`.

    Parameters
    ----------
    values : (n,) one number per image
    labels : (n,) its class
    balanced : of `class_mean`, each class counting the same; else of the plain mean over images

    Returns
    -------
    low, high : NaN of one image alone
    """
    means = np.zeros(resamples)
    classes = pd.Series(np.asarray(values, dtype=np.float64)).groupby(np.asarray(labels))
    sizes = classes.size()
    if sizes.min() < 2:
        every = np.ones(len(values), bool)
        return subset_bootstrap(values, labels, every, resamples, confidence, seed, balanced=balanced)
    for (_, own), times in zip(classes, _times_drawn(tuple(sizes), resamples, seed), strict=True):
        sums = np.einsum("ri,i->r", times, own.to_numpy())  # `@` would hold all times in float64
        means += sums / (len(own) * len(classes) if balanced else len(values))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@lru_cache(3)  # of as many datasets, or numbers of images with an embedding; 100 MB each of 50,000 images
def _times_drawn(sizes: tuple[int, ...], resamples: int, seed: int) -> list[np.ndarray]:
    """How often each image is drawn in each resample of its class: (resamples, size) of each class."""
    generator, found = seeds.generator(seed, "bootstrap"), []
    for size in sizes:
        times = np.empty((resamples, size), np.uint8 if size < 256 else np.uint16 if size < 65536 else np.uint32)
        for start in range(0, resamples, step := max(1, PICKS // size)):
            rows = times[start : start + step]
            picks = generator.integers(size, size=rows.shape) + size * np.arange(len(rows))[:, None]
            rows[:] = np.bincount(picks.ravel(), minlength=rows.size).reshape(rows.shape)
        found.append(times)
    return found


def subset_bootstrap(
    values: np.ndarray,
    labels: np.ndarray,
    inside: np.ndarray,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    balanced: bool = True,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over images that an outcome chose, as those that a model gets wrong.

    How many such images a class has is chance as well, so no sample of a fixed size per class was drawn of them. All
    images are resampled within their classes, and those inside are averaged: a mean over a domain, as surveys call it
    (Särndal et al. 1992, ch. 10). A class that has none inside in a resample is left out of its mean. Where a class has
    one image only, all images are resampled together, whatever their class, which is wider. Drawn is how many of each
    class are inside, and then which ones: the same as drawing images, for less.

    Parameters
    ----------
    values, labels, balanced : as in `bootstrap`
    inside : (n,) bool, which images are meant; values of the others do not count

    Returns
    -------
    low, high : NaN where fewer than two images are inside
    """
    inside = np.asarray(inside, bool)
    if inside.sum() < 2:
        return np.nan, np.nan
    frame = pd.DataFrame({"value": np.where(inside, np.asarray(values, np.float64), 0), "inside": inside})
    groups = frame.groupby(np.asarray(labels))
    sizes, members = groups.size().to_numpy(), groups["inside"].sum().to_numpy()
    generator = seeds.generator(seed, "bootstrap")
    if sizes.min() < 2:
        shares = np.append(members, len(frame) - members.sum()) / len(frame)
        counts = generator.multinomial(len(frame), shares, size=resamples)[:, :-1]
    else:
        counts = generator.binomial(sizes, members / sizes, size=(resamples, len(sizes)))
    sums = np.zeros(counts.shape)  # of the images inside that a resample has of each class
    for column, (_, own) in zip(range(len(sizes)), groups, strict=True):
        drawn, known = counts[:, column], own["value"].to_numpy()[own["inside"].to_numpy()]
        if total := drawn.sum():
            picked = np.append(known[generator.integers(len(known), size=total)], 0)
            sums[:, column] = np.where(drawn > 0, np.add.reduceat(picked, np.cumsum(drawn) - drawn), 0)
    with np.errstate(invalid="ignore"):  # a class, or a whole resample, may have none
        means = np.nansum(sums / counts, axis=1) / (counts > 0).sum(axis=1)
        means, tail = means if balanced else sums.sum(axis=1) / counts.sum(axis=1), (1 - confidence) / 2
    if np.isnan(means).all():
        return np.nan, np.nan
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return float(low), float(high)


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test that two models (or conditions) are right equally often.

    Parameters
    ----------
    a, b : (n,) bool, right or wrong on the same images
    """
    from statsmodels.stats import contingency_tables

    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    return float(contingency_tables.mcnemar(table, exact=True).pvalue)


class RankCorrelation(NamedTuple):
    """Spearman's, its interval, and what random orders stay below as often as `confidence` says, in size."""

    value: float
    low: float
    high: float
    chance: float


def rank_correlation(a: np.ndarray, b: np.ndarray, confidence: float = 0.95) -> RankCorrelation:
    """Spearman's rank correlation of n pairs, with the interval of Bonett and Wright (2000) on Fisher's scale.

    Orders that agree in all are taken for ones in which two neighbours are exchanged: else the interval had no width.
    NaN, all but chance, of fewer than 4 pairs or where a side does not vary.
    """
    from scipy.stats import spearmanr  # here for the reason given in `statistics`

    n, z = len(a), float(ndtri(0.5 + confidence / 2))
    chance = min(1.0, z / np.sqrt(n - 1)) if n > 1 else 1.0
    if n < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return RankCorrelation(np.nan, np.nan, np.nan, chance)
    value = float(spearmanr(a, b).statistic)
    most = 1 - 12 / (n * (n**2 - 1))
    within = float(np.clip(value, -most, most))
    low, high = np.tanh(np.arctanh(within) + np.array([-1, 1]) * z * np.sqrt((1 + within**2 / 2) / (n - 3)))
    return RankCorrelation(value, min(float(low), value), max(float(high), value), chance)


def holm(p: np.ndarray) -> np.ndarray:
    """p values of several tests together (n,): each times how many are not smaller, never below a smaller one's."""
    from statsmodels.stats.multitest import multipletests  # here for the reason given in `statistics`

    return multipletests(p, method="holm")[1]


def t_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of a mean, as over a few seeds; NaN of a single value."""
    if len(values) < 2:
        return np.nan, np.nan
    from statsmodels.stats.weightstats import DescrStatsW

    low, high = DescrStatsW(values).tconfint_mean(1 - confidence)
    return float(low), float(high)


def jackknife(value: float, left_out: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of what no image has by itself, from its values with each group of images left out in turn.

    The jackknife's variance, (g - 1) / g times the sum of squares about the mean of g values (Tukey 1958; of groups,
    Kott 2001), and Student's t of g - 1. No image is in twice, as in a bootstrap, where it would be its own nearest
    neighbour; that all values are of fewer images than the whole moves them together, and the interval by nothing.

    Parameters
    ----------
    left_out : (g,) where all groups are of as many images, or nearly

    Returns
    -------
    low, high : NaN of fewer than two groups, or where a value is missing
    """
    left_out = np.asarray(left_out, np.float64)
    if len(left_out) < 2 or np.isnan(left_out).any():
        return np.nan, np.nan
    error = np.sqrt((len(left_out) - 1) * left_out.var())
    half = stdtrit(len(left_out) - 1, 0.5 + confidence / 2) * error
    return float(value - half), float(value + half)


class Contrast(NamedTuple):
    """A weighted sum of means, its interval, and the two-sided p of it being zero: of one method, so they agree."""

    value: float
    low: float
    high: float
    p: float


def paired(a: np.ndarray, b: np.ndarray, confidence: float = 0.95) -> Contrast:
    """How much more often b is right than a on the same images: exact McNemar's p and the interval that goes with it.

    The interval excludes 0 where p is below 1 - confidence, and only there (Fay and Lumbard 2021, Statistics in
    Medicine 40, 1147). It counts images as they come, whatever their classes, as McNemar's test does.

    Parameters
    ----------
    a, b : (n,) bool, right or wrong
    """
    wins, losses, tail = int((b & ~a).sum()), int((a & ~b).sum()), (1 - confidence) / 2
    low, high = _lower_end(wins, losses, len(a), tail), -_lower_end(losses, wins, len(a), tail)
    return Contrast((wins - losses) / len(a), low, high, mcnemar(a, b))


_STEPS, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_STEPS = (1 + _STEPS) / 2
_WEIGHTS *= 3 * _STEPS * (1 - _STEPS)  # of quantiles that lie close together where distributions are steep, at 0 and 1
_QUANTILES = _STEPS**2 * (3 - 2 * _STEPS)


def _lower_end(wins: int, losses: int, images: int, tail: float) -> float:
    """The lower end of the interval of (wins - losses) / images: what T (2 B - 1) exceeds with probability 1 - tail.

    B is Clopper and Pearson's lower confidence distribution of the share of wins among the images that differ, T that
    of the share of images that differ: where 2 B - 1 is negative the upper one, which makes their product smaller.
    """
    from scipy.optimize import brentq  # here for the reason given in `statistics`

    differ = wins + losses
    if differ == images and wins == 0:
        return -1.0
    if wins == 0:  # B is 0
        return -float(betaincinv(differ + 1, images - differ, 1 - tail))
    below_0 = betainc(wins, losses + 1, 0.5)
    if np.isclose(below_0, tail, rtol=1e-12, atol=0):
        return 0.0
    negative = bool(below_0 > tail)
    if differ == images and negative:  # T is 1
        shares = np.ones_like(_QUANTILES)
    else:
        shares = betaincinv(differ + negative, images - differ + (not negative), _QUANTILES)

    def excess(low: float) -> float:
        below = betainc(wins, losses + 1, np.clip((1 + low / shares) / 2, 0, 1))
        return float(_WEIGHTS @ below) - tail

    return float(brentq(excess, *((-1, 0) if negative else (0, 1))))


def contrast(groups: Sequence[np.ndarray], weights: Sequence[float], confidence: float = 0.95) -> Contrast:
    """A contrast between the means of independent groups of different variances (Welch 1947, Satterthwaite 1946).

    By hand, because scipy and statsmodels have Welch's interval of two groups only, and without weights.

    Parameters
    ----------
    groups : the values of each, two or more
    weights : of the groups' means, e.g. 1 and -1 for a difference

    Returns
    -------
    ends and p are NaN where a group has one value, or none of them varies
    """
    value = sum(weight * np.mean(group) for group, weight in zip(groups, weights, strict=True))
    sizes = np.array([len(group) for group in groups])
    if sizes.min() < 2:
        return Contrast(float(value), np.nan, np.nan, np.nan)
    variances = np.square(weights) * [np.var(group, ddof=1) for group in groups] / sizes
    error = np.sqrt(variances.sum())
    if error <= 1e-12 * max(abs(np.mean(group)) for group in groups):  # equal values, but for rounding
        return Contrast(float(value), np.nan, np.nan, np.nan)
    freedom = variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum()
    half = stdtrit(freedom, 0.5 + confidence / 2) * error
    p = 2 * stdtr(freedom, -abs(value) / error)
    return Contrast(float(value), float(value - half), float(value + half), float(p))
