"""Intervals and paired tests against scipy, closed forms and sums done by hand.

The references `plain_...` are the formulas of the papers, one number at a time.
"""

import itertools
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtri, stdtrit
from scipy.stats import binomtest

from maescope.base import seeds, statistics


def counts(rng) -> tuple[int, int]:
    """Successes and trials: 1 to 10,000 trials, often none or all of them successes."""
    trials = int(10 ** rng.uniform(0, 4))
    return int(rng.choice([0, trials, rng.integers(trials + 1)])), trials


def plain_wilson(successes, trials, confidence):
    z, share = float(ndtri(0.5 + confidence / 2)), successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return centre - half, centre + half


def plain_newcombe(a, b, confidence):
    (low_a, high_a), (low_b, high_b) = plain_wilson(*a, confidence), plain_wilson(*b, confidence)
    share_a, share_b = a[0] / a[1], b[0] / b[1]
    low = share_a - share_b - math.sqrt((share_a - low_a) ** 2 + (high_b - share_b) ** 2)
    return low, share_a - share_b + math.sqrt((high_a - share_a) ** 2 + (share_b - low_b) ** 2)


def plain_mcnemar(only_a, only_b):
    """Twice the share of all sequences of wins with as few of the rarer kind, in whole numbers."""
    discordant = only_a + only_b
    as_few = sum(math.comb(discordant, wins) for wins in range(min(only_a, only_b) + 1))
    return float(min(Fraction(1), Fraction(2 * as_few, 2**discordant)))


def plain_t_interval(values, confidence):
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = float(stdtrit(len(values) - 1, 0.5 + confidence / 2)) * math.sqrt(variance / len(values))
    return mean - half, mean + half


CONFIDENCES = [0.5, 0.9, 0.95, 0.999]


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_wilson_and_newcombe_equal_their_formulas(confidence):
    rng = np.random.default_rng(0)
    for _ in range(500):
        a, b = counts(rng), counts(rng)
        assert statistics.wilson(*a, confidence) == pytest.approx(plain_wilson(*a, confidence), rel=1e-12, abs=1e-15)
        expected = plain_newcombe(a, b, confidence)
        assert statistics.newcombe(a, b, confidence) == pytest.approx(expected, rel=1e-12, abs=1e-13)


def test_mcnemar_equals_sums_in_whole_numbers():
    rng = np.random.default_rng(0)
    for discordant in [0, 1, 2, 3, *rng.integers(4, 1000, 40)]:
        only_a = int(rng.choice([0, discordant // 2, rng.integers(discordant + 1)]))
        a = np.repeat([True, False, True, False], [only_a, discordant - only_a, 7, 0])
        b = np.repeat([False, True, True, False], [only_a, discordant - only_a, 7, 0])
        expected = plain_mcnemar(only_a, int(discordant) - only_a)
        assert statistics.mcnemar(a, b) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_students_interval_equals_its_formula(confidence):
    rng = np.random.default_rng(0)
    for size in range(2, 40):
        values = rng.uniform(-1, 1) + rng.normal(size=size) * 10 ** rng.uniform(-4, 1)
        expected = plain_t_interval(values.tolist(), confidence)
        assert statistics.t_interval(values, confidence) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_students_interval_of_equal_values_is_one_of_no_width():
    assert statistics.t_interval(np.array([0.5, 0.5, 0.5])) == (0.5, 0.5)


@pytest.mark.parametrize("sizes", [(2, 2), (5, 9, 30), (20,) * 10])
@pytest.mark.parametrize("balanced", [True, False])
def test_the_bootstrap_is_scipys_of_one_sample_a_class(sizes, balanced):
    """From the same random numbers, which scipy draws in the same order as long as all resamples fit into memory."""
    values = np.random.default_rng(1).normal(size=sum(sizes))
    labels = np.repeat([f"class {n}" for n in range(len(sizes))], sizes)
    weights = [1 / len(sizes) if balanced else size / sum(sizes) for size in sizes]

    def mean(*parts, axis=-1):
        return sum(weight * part.mean(axis=axis) for weight, part in zip(weights, parts, strict=True))

    settings = {"n_resamples": 500, "confidence_level": 0.9, "method": "percentile", "vectorized": True}
    parts, generator = np.split(values, np.cumsum(sizes)[:-1]), seeds.generator(3, "bootstrap")
    expected = scipy.stats.bootstrap(parts, mean, rng=generator, **settings).confidence_interval
    found = statistics.bootstrap(values, labels, 500, 0.9, seed=3, balanced=balanced)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (10, 10), (37, 50), (450, 500)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_equals_scipy(successes, trials, confidence):
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert statistics.wilson(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("trials", [1, 20, 200, 500])
def test_ends_of_wilson_are_0_and_1_exactly_where_none_or_all_are_right(trials):
    assert statistics.wilson(0, trials)[0] == 0.0 and statistics.wilson(trials, trials)[1] == 1.0


def test_the_class_mean_counts_every_class_the_same():
    assert statistics.class_mean(np.array([1.0, 1.0, 1.0, 5.0]), np.array(["a", "a", "a", "b"])) == 3.0


@pytest.mark.parametrize(("balanced", "weights"), [(True, (1 / 3, 1 / 3, 1 / 3)), (False, (0.1, 0.3, 0.6))])
def test_the_bootstrap_interval_is_the_normal_one_for_many_images(balanced, weights):
    sizes, means = (100, 300, 600), (0.0, 5.0, 10.0)
    rng = np.random.default_rng(0)
    parts = [rng.normal(mean, 1.0 + n, size) for n, (mean, size) in enumerate(zip(means, sizes, strict=True))]
    labels = np.repeat(["a", "b", "c"], sizes)
    centre = sum(w * part.mean() for w, part in zip(weights, parts, strict=True))
    half = 1.96 * math.sqrt(sum(w**2 * part.var() / len(part) for w, part in zip(weights, parts, strict=True)))
    low, high = statistics.bootstrap(np.concatenate(parts), labels, 20_000, balanced=balanced)
    assert low == pytest.approx(centre - half, abs=0.06 * half)
    assert high == pytest.approx(centre + half, abs=0.06 * half)


def test_a_higher_confidence_gives_a_wider_interval():
    values, labels = np.random.default_rng(0).normal(size=200), np.repeat(["a", "b"], 100)
    narrow, wide = (np.ptp(statistics.bootstrap(values, labels, confidence=c)) for c in (0.5, 0.99))
    assert wide / narrow == pytest.approx(2.576 / 0.674, rel=0.15)


def test_resampling_within_classes_takes_no_width_from_differences_between_them():
    values, labels = np.repeat([0.0, 100.0], 50), np.repeat(["a", "b"], 50)
    assert statistics.bootstrap(values, labels) == pytest.approx((50, 50))
    low, high = statistics.bootstrap(values, np.repeat("a", 100))
    assert high - low == pytest.approx(2 * 1.96 * 50 / math.sqrt(100), rel=0.15)


def test_the_bootstrap_repeats_for_a_seed_and_differs_for_another():
    values, labels = np.random.default_rng(0).normal(size=60), np.repeat(["a", "b"], 30)
    assert statistics.bootstrap(values, labels, seed=1) == statistics.bootstrap(values, labels, seed=1)
    assert statistics.bootstrap(values, labels, seed=1) != statistics.bootstrap(values, labels, seed=2)


def test_five_hundred_images_give_the_intervals_that_the_method_states():
    for share, half in ((0.9, 0.026), (0.6, 0.043)):
        low, high = statistics.wilson(round(500 * share), 500)
        assert (high - low) / 2 == pytest.approx(half, abs=0.001)


def drawn_by_hand(values, labels, inside, pools):
    """All equally likely resamples of a few images, written out: the mean over classes of means over those inside."""
    means = []
    for draws in itertools.product(*(itertools.product(pool, repeat=len(pool)) for pool in pools)):
        drawn = [image for draw in draws for image in draw if inside[image]]
        by_class = {labels[image]: [values[i] for i in drawn if labels[i] == labels[image]] for image in drawn}
        means += [np.mean([np.mean(own) for own in by_class.values()])] if drawn else []
    return np.sort(means)


@pytest.mark.parametrize(
    ("labels", "inside", "pools"),
    [
        ("aabb", (1, 1, 1, 0), ((0, 1), (2, 3))),  # of class b none in a quarter of the resamples
        ("aabbb", (1, 0, 1, 1, 0), ((0, 1), (2, 3, 4))),
        ("abbb", (1, 1, 1, 0), ((0, 1, 2, 3),)),  # one image of a: all are drawn together
    ],
)
def test_the_bootstrap_of_a_subset_has_the_quantiles_of_all_resamples(labels, inside, pools):
    values = np.array([0.0, 1.0, 10.0, 12.0, 99.0])[: len(labels)]
    means = drawn_by_hand(values, labels, inside, pools)
    for confidence in (0.3, 0.5, 0.62, 0.8):
        tail = (1 - confidence) / 2
        around = [np.quantile(means, [t - 0.02, t + 0.02], method="inverted_cdf") for t in (tail, 1 - tail)]
        ends = statistics.subset_bootstrap(values, list(labels), np.array(inside), 20_000, confidence, seed=4)
        assert all(low <= end <= high for end, (low, high) in zip(ends, around, strict=True))


def test_the_bootstrap_of_a_subset_that_is_all_of_it_is_that_of_all():
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=90), np.repeat(["a", "b", "c"], [20, 30, 40])
    for balanced in (True, False):
        own = statistics.subset_bootstrap(values, labels, np.ones(90), 20_000, balanced=balanced)
        assert own == pytest.approx(statistics.bootstrap(values, labels, 20_000, balanced=balanced), abs=0.01)


def test_a_class_with_one_image_has_the_images_drawn_together_and_one_image_has_no_interval():
    means = drawn_by_hand([0.5, 0.9, 0.7], "abb", (1, 1, 1), ((0, 1, 2),))
    low, high = statistics.bootstrap(np.array([0.5, 0.9, 0.7]), ["a", "b", "b"], 4000)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975], method="inverted_cdf")))
    assert np.isnan(statistics.bootstrap(np.array([0.5]), ["a"])).all()
    assert np.isnan(statistics.subset_bootstrap(np.array([0.5, 0.9]), ["a", "a"], np.array([1, 0]))).all()


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs():
    a = np.array([True] * 6 + [False] * 1 + [True] * 20 + [False] * 5)
    b = np.array([False] * 6 + [True] * 1 + [True] * 20 + [False] * 5)
    assert statistics.mcnemar(a, b) == pytest.approx(2 * (1 + 7) / 2**7)  # six against one
    assert statistics.mcnemar(b, a) == statistics.mcnemar(a, b)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (0, 9), (3, 3), (4, 3), (40, 12)])
def test_mcnemar_equals_scipy(only_a, only_b):
    a = np.repeat([True, False, True], [only_a, only_b, 7])
    b = np.repeat([False, True, True], [only_a, only_b, 7])
    assert statistics.mcnemar(a, b) == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-12)


def test_mcnemar_of_equal_answers_is_one():
    answers = np.array([True, False, True])
    assert statistics.mcnemar(answers, answers) == 1.0


def answers(wins, losses, images):
    """Of two models, so that the second alone is right on so many, the first alone on so many others."""
    a, b = np.zeros(images, bool), np.zeros(images, bool)
    b[:wins] = a[wins : wins + losses] = True
    return a, b


def plain_below(limit, wins, losses, images):
    """How likely Fay and Lumbard's lower distribution is below a limit: a sum over the share of images that differ."""
    share = (np.arange(200_000) + 0.5) / 200_000
    differ = scipy.stats.beta.pdf(share, wins + losses + (limit < 0), images - wins - losses + (limit >= 0))
    return np.mean(differ * scipy.stats.beta.cdf((1 + limit / share) / 2, wins, losses + 1))


@pytest.mark.parametrize(
    ("wins", "losses", "images", "confidence"),
    [(58, 50, 500, 0.95), (2, 7, 21, 0.5), (9, 2, 161, 0.95), (1, 1, 3, 0.9), (1, 30, 40, 0.999), (40, 1, 5000, 0.95)],
)
def test_the_interval_of_pairs_is_fay_and_lumbards(wins, losses, images, confidence):
    found, tail = statistics.paired(*answers(wins, losses, images), confidence), (1 - confidence) / 2
    assert found.value == (wins - losses) / images
    assert found.p == pytest.approx(binomtest(wins, wins + losses).pvalue)
    for limit, own in ((found.low, (wins, losses)), (-found.high, (losses, wins))):
        assert plain_below(limit - 2e-5, *own, images) < tail < plain_below(limit + 2e-5, *own, images)


def test_the_interval_of_pairs_that_differ_one_way_only_or_not_at_all_is_clopper_and_pearsons():
    for wins, images in ((0, 1), (0, 500), (1, 1), (3, 9), (96, 500), (20, 20)):
        found = statistics.paired(*answers(wins, 0, images))
        assert found.high == pytest.approx(binomtest(wins, images).proportion_ci(method="exact").high)
        if wins == 0:
            assert found.low == -found.high and found.p == 1


def test_an_interval_of_pairs_at_the_very_level_of_p_ends_at_0():
    for wins, confidence in ((1, 0.0), (2, 0.5), (5, 0.9375), (9, 1 - 2**-8)):  # p is 2 / 2^wins
        found = statistics.paired(*answers(wins, 0, 20), confidence)
        assert found.low == 0 and found.p == 1 - confidence and found.high > wins / 20 - 1e-12


def test_the_interval_of_pairs_excludes_0_where_p_is_small_and_only_there():
    small = [(wins, losses, 11) for wins in range(12) for losses in range(12 - wins)]
    rng = np.random.default_rng(0)
    large = [(wins := int(rng.beta(9, 9) * differ), differ - wins, 3000) for differ in rng.integers(1, 900, 60)]
    sides = set()
    for confidence in (0.9, 0.95, 0.999):
        for counts in small + large:
            found = statistics.paired(*answers(*counts), confidence)
            assert -1 <= found.low <= found.value <= found.high <= 1, counts
            excludes = found.low > 0 or found.high < 0
            assert excludes == (found.p < 1 - confidence), (counts, found)
            sides.add(excludes)
    assert sides == {True, False}


def test_the_interval_of_pairs_holds_the_truth_as_often_as_it_says():
    """Of all samples of twelve images: how likely is each, and does its interval hold the true difference?"""
    images = 12
    counts = [(wins, losses) for wins in range(images + 1) for losses in range(images + 1 - wins)]
    found = [statistics.paired(*answers(*own, images), 0.9) for own in counts]
    for differ in (0.02, 0.1, 0.3, 0.7, 1.0):
        for share in (0.5, 0.6, 0.8, 1.0):
            truth = differ * (2 * share - 1)
            chances = scipy.stats.multinomial(images, [differ * share, differ * (1 - share), 1 - differ])
            held = [one.low <= truth + 1e-12 and truth - 1e-12 <= one.high for one in found]
            often = [chances.pmf([*own, images - sum(own)]) for own in counts]
            assert sum(often) == pytest.approx(1) and np.dot(held, often) >= 0.9, (differ, share)


@pytest.mark.parametrize(
    ("a", "b", "interval"),
    [  # Newcombe 1998, Table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_newcombe_gives_the_published_intervals(a, b, interval):
    assert statistics.newcombe(a, b) == pytest.approx(interval, abs=1e-4)
    low, high = statistics.newcombe(b, a)
    assert (-high, -low) == pytest.approx(interval, abs=1e-4)


def test_students_interval_is_scipys():
    values = np.array([0.81, 0.84, 0.86])
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert statistics.t_interval(values, 0.9) == pytest.approx([expected.low, expected.high])
    assert np.isnan(statistics.t_interval(values[:1])).all()


def test_a_contrast_of_two_groups_is_welchs_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 4), rng.normal(0, 3, 7)
    expected = scipy.stats.ttest_ind(a, b, equal_var=False)
    ends = expected.confidence_interval(0.95)
    found = statistics.contrast([a, b], [1, -1])
    assert found == pytest.approx((a.mean() - b.mean(), ends.low, ends.high, expected.pvalue))


def test_a_contrast_of_three_groups_by_hand():
    groups = [np.array([1.0, 3]), np.array([2.0, 6]), np.array([0.0, 0, 3])]  # variances 2, 8, 3; means 2, 4, 1
    found = statistics.contrast(groups, [0.5, 0.5, -1], 0.95)
    parts = np.array([0.25 * 2 / 2, 0.25 * 8 / 2, 3 / 3])  # 0.25 + 1 + 1 = 2.25, so the error is 1.5
    freedom = 2.25**2 / (parts**2 / [1, 1, 2]).sum()
    assert found.value == pytest.approx(2)
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(2 / 1.5, freedom))
    assert found.high - 2 == pytest.approx(1.5 * scipy.stats.t.ppf(0.975, freedom)) == pytest.approx(2 - found.low)


@pytest.mark.parametrize("groups", [([1.0], [1.0, 2.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_a_contrast_without_any_spread_has_no_interval(groups):
    found = statistics.contrast([np.array(group) for group in groups], [1, -1])
    assert found.value == np.mean(groups[0]) - np.mean(groups[1])
    assert np.isnan(found[1:]).all()


def test_one_class_of_many_images_holds_no_resamples_in_float64():
    """16 MB of counts for 4,000 images and 2,000 resamples, two bytes each to 65,535; 64 MB as numbers of float64."""
    values = np.random.default_rng(5).random(4000)
    statistics._times_drawn((4000,), 2000, 5)
    tracemalloc.start()
    low, high = statistics.bootstrap(values, ["a"] * 4000, 2000, seed=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=1e-3)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 4000**0.5, rel=0.1)


def test_the_jackknife_of_a_mean_is_students_interval():
    """Leaving out one image at a time, as on paper: its error is that of the mean."""
    values = np.random.default_rng(0).normal(3, 2, 12)
    left_out = (values.sum() - values) / 11
    assert statistics.jackknife(values.mean(), left_out, 0.9) == pytest.approx(statistics.t_interval(values, 0.9))
    assert statistics.jackknife(values.mean(), left_out + 5, 0.9) == pytest.approx(statistics.t_interval(values, 0.9))
    for few in ([], [1.0], [1.0, np.nan]):
        assert np.isnan(statistics.jackknife(1.0, few)).all()
