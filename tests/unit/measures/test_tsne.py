"""t-SNE: separates blobs, repeats exactly, and names both numbers when the perplexity is too large."""

import numpy as np
import pytest

from maescope.measures import tsne


def blobs(rng, each=25):
    centres = 20 * np.eye(3, 12)
    return (np.repeat(centres, each, axis=0) + rng.standard_normal((3 * each, 12))).astype(np.float32)


def test_blobs_stay_apart_and_a_rerun_is_identical():
    points = blobs(np.random.default_rng(0))
    flat = tsne.tsne(points, seed=0, perplexity=10)
    assert flat.shape == (75, 2) and flat.dtype == np.float32
    gaps = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert np.array_equal(gaps.argmin(1) // 25, np.arange(75) // 25)
    assert np.array_equal(flat, tsne.tsne(points, seed=0, perplexity=10))


def test_starts_from_pca_and_uses_the_seed():
    """scikit-learn's PCA is exact up to 500 dimensions, where no seed matters; above, it is randomised."""
    noise = np.random.default_rng(1).standard_normal((60, 520))
    small = [tsne.tsne(noise[:, :50], seed=s, perplexity=10) for s in (0, 1)]
    large = [tsne.tsne(noise, seed=s, perplexity=10) for s in (0, 0, 1)]
    assert np.array_equal(*small)
    assert np.array_equal(*large[:2])
    assert not np.array_equal(*large[1:])


@pytest.mark.parametrize("n", [20, 30])
def test_perplexity_not_below_n_names_both(n):
    with pytest.raises(ValueError, match=f"perplexity 30 .* {n}$"):
        tsne.tsne(np.zeros((n, 4)), seed=0)


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_points_that_are_all_the_same_are_refused_before_any_map(noise, monkeypatch):
    """The guard alone: scikit-learn is not given such points."""
    monkeypatch.setattr(tsne, "TSNE", None)
    points = 3 + noise * np.random.default_rng(2).standard_normal((50, 8))
    with pytest.raises(ValueError, match="50 points that are all the same have no map"):
        tsne.tsne(points, seed=0, perplexity=10)


def test_side_by_side_equals_one_after_the_other():
    sets = [blobs(np.random.default_rng(seed), each) for seed, each in ((0, 12), (1, 8))]
    expected = [tsne.tsne(points, 0, 5) for points in sets]
    for processes in (1, 2):
        found = tsne.side_by_side(sets, 0, 5, processes)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
