"""Pairs block by block against scikit-learn and plain loops: classes cut by blocks, near points, ties, float32."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from maescope.measures import pairs


@pytest.fixture(params=[np.float64, np.float32])
def small_blocks(request, monkeypatch):
    """Blocks of 32 points, compared in float64 as few points are, or in float32 as many are."""
    monkeypatch.setattr(pairs, "BLOCK", 32)
    monkeypatch.setattr(pairs, "FEW", 5000 if request.param == np.float64 else 0)
    return 1e-12 if request.param == np.float64 else 3e-7


def brute(points, groups, k):
    """The k nearest of other groups by exact squared distances of float64, of equal ones the lower index."""
    apart = ((points[:, None].astype(np.float64) - points) ** 2).sum(2)
    apart[groups[:, None] == groups] = np.inf
    return [set(row[:k]) for row in np.argsort(apart, axis=1, kind="stable").tolist()]


def agree(points, own, groups, k, tolerance):
    """Compared as they are, and as scikit-learn and brute force have it, of distances by differences."""
    silhouettes, nearest, _ = pairs.compared(points, own, groups, k)
    apart = np.sqrt(((points[:, None].astype(np.float64) - points) ** 2).sum(2))
    expected = silhouette_samples(apart, own, metric="precomputed")
    assert silhouettes == pytest.approx(expected, abs=10 * tolerance)
    assert silhouettes.mean() == pytest.approx(expected.mean(), abs=tolerance)
    assert [set(row) for row in nearest.tolist()] == brute(points, groups, k)


def drawn(seed, sizes, dim=24, gap=1.0):
    """Points of classes of some sizes in any order, not around 0."""
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = gap * rng.standard_normal((len(sizes), dim))
    return (7 + centres[own] + rng.standard_normal((len(own), dim))).astype(np.float32), own


@pytest.mark.parametrize(
    "sizes",
    [[2] * 60, [10, 12, 9, 11, 10, 14], [150, 3, 2, 40], [3, 64, 32, 33, 31], [2, 118]],
    ids=["classes of two", "some in a block", "one of many blocks", "one of just a block", "hardly any other"],
)
def test_blocks_of_any_classes(small_blocks, sizes):
    points, own = drawn(1, sizes)
    agree(points, own, np.arange(len(own)), 5, small_blocks)


def test_a_block_has_whole_classes_or_a_part_of_one(monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK", 8)
    found = [
        (b.points.start, b.points.stop, b.classes.start, b.classes.stop, b.cut) for b in pairs.blocks([3, 5, 17, 2, 7])
    ]
    assert found == [
        (0, 8, 0, 2, False),
        (8, 16, 2, 3, True),
        (16, 24, 2, 3, True),
        (24, 25, 2, 3, True),
        (25, 27, 3, 4, False),
        (27, 34, 4, 5, False),
    ]


def test_none_of_the_own_group_is_a_neighbour(small_blocks):
    points, own = drawn(2, [40, 44, 36])
    points += 5 * np.random.default_rng(3).standard_normal((60, 24)).astype(np.float32)[np.arange(120) // 2]
    agree(points, own, np.arange(120) // 2, 7, small_blocks)


def test_equal_points_far_from_the_others_are_0_apart(small_blocks):
    """Of each five; more are equally near than are held, so that all points are looked at again."""
    kinds, own = drawn(4, [4, 5, 3], gap=0)
    agree(np.repeat(kinds, 30, axis=0), np.repeat(own, 30), np.arange(360), 3, small_blocks)


def test_points_on_a_grid_have_ties_everywhere(small_blocks):
    rng = np.random.default_rng(5)
    points, own = rng.integers(0, 3, (150, 3)).astype(np.float32), np.arange(150) % 4
    agree(points, own, np.arange(150), 4, small_blocks)


@pytest.mark.parametrize("size", [1e-5, 3e-3])
def test_classes_far_smaller_than_their_distances(small_blocks, size):
    """In pairs a few times as far apart as they are large, all else 1 apart: little but rounding in float32 alone."""
    rng = np.random.default_rng(6)
    far = np.repeat(rng.standard_normal((10, 24)), 2, axis=0) + 3 * size * rng.standard_normal((20, 24))
    own = np.repeat(np.arange(20), 10)
    points = far[own] + size * rng.standard_normal((200, 24))
    agree(points, own, np.arange(200), 5, 1e-7)


def test_what_float32_cannot_tell_apart_is_told(small_blocks):
    """Rings of points around each, whose radii differ by 1e-7 of themselves; an outlier makes nothing of it worse."""
    rng = np.random.default_rng(7)
    own = np.arange(120) % 2
    points = rng.standard_normal((120, 24))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[:-2] *= 1 + 1e-7 * rng.random((118, 1))
    points[-2], points[-1] = 0, 1e4
    agree(points, own, np.arange(120), 6, small_blocks)


def test_the_order_of_points_does_not_matter(small_blocks):
    points, own = drawn(8, [30, 41, 29])
    order = np.random.default_rng(9).permutation(100)
    silhouettes, nearest, draws = pairs.compared(points, own, np.arange(100), 4)
    again, theirs, their_draws = pairs.compared(points[order], own[order], np.arange(100), 4)
    assert again == pytest.approx(silhouettes[order], abs=small_blocks)
    assert their_draws() == pytest.approx(draws()[order], abs=20 * small_blocks)
    assert [set(order[row]) for row in theirs] == [set(nearest[place]) for place in order]


@pytest.mark.parametrize("size", [1e-21, 1e20])
def test_points_whose_squares_float32_cannot_hold(small_blocks, size):
    points, own = drawn(10, [40, 44, 36])
    agree((size * points.astype(np.float64)).astype(np.float32), own, np.arange(120), 5, small_blocks)


@pytest.mark.parametrize("apart", [1e-4, 4e-3])
def test_classes_far_smaller_than_their_distances_are_not_looked_at_again_whole(small_blocks, monkeypatch, apart):
    """Squared distances within classes are this part of the squared norm: float64 tells them, not all pairs again."""
    rng, looked, whole = np.random.default_rng(11), [], pairs.all_squares
    monkeypatch.setattr(pairs, "all_squares", lambda *given: looked.append(len(given[2])) or whole(*given))
    own = np.repeat(np.arange(3), 30)
    points = rng.standard_normal((3, 768))[own] + np.sqrt(apart / 2) * rng.standard_normal((90, 768))
    agree(points.astype(np.float32), own, np.arange(90), 5, 1e-6)
    assert sum(looked) < 9


def weighted_silhouette(points, own, weights):
    """The mean silhouette of points that count as often as their weights say, in plain loops."""
    apart = np.sqrt(((points[:, None].astype(np.float64) - points) ** 2).sum(2))
    total = 0.0
    for i, label in enumerate(own):
        means = {}
        for one in np.unique(own):
            others = (own == one) & (np.arange(len(own)) != i)
            means[one] = np.average(apart[i, others], weights=weights[others])
        inside = means.pop(label)
        outside = min(means.values())
        total += weights[i] * (outside - inside) / max(outside, inside)
    return total / weights.sum()


@pytest.mark.parametrize("gap", [0.3, 2.0])
def test_draws_are_how_the_mean_silhouette_grows_with_a_points_weight(small_blocks, gap):
    """By differences of plain loops; what is the same for a whole class is taken off."""
    points, own = drawn(20, [9, 6, 11], dim=4, gap=gap)
    grown = []
    for i in range(len(own)):
        ends = [weighted_silhouette(points, own, 1 + step * np.eye(len(own))[i]) for step in (1e-4, -1e-4)]
        grown.append(len(own) * (ends[0] - ends[1]) / 2e-4)
    found = pairs.compared(points, own, np.arange(len(own)), 3).draws()
    for label in range(3):
        here = own == label
        expected = np.array(grown)[here] - np.mean(np.array(grown)[here])
        assert found[here] - found[here].mean() == pytest.approx(
            expected, abs=2e-4 * np.abs(grown).max() + 20 * small_blocks
        )
    assert found.mean() == pytest.approx(weighted_silhouette(points, own, np.ones(len(own))), abs=small_blocks * 10)


def test_of_many_points_some_stand_for_the_others(monkeypatch):
    points, own = drawn(21, [300, 500, 200], gap=2.0)
    every = pairs.compared(points, own, np.arange(1000), 5).draws()
    monkeypatch.setattr(pairs, "SAMPLED", 250)
    some = pairs.compared(points, own, np.arange(1000), 5).draws()
    assert not np.array_equal(some, every) and np.corrcoef(some, every)[0, 1] > 0.99
    assert some.std() == pytest.approx(every.std(), rel=0.03)
