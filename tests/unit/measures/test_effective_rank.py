"""The effective rank: cases known on paper, and the definition through scipy."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from maescope.measures.effective_rank import effective_rank


@pytest.mark.parametrize("dimensions", [1, 2, 7])
def test_equal_singular_values_count_as_one_dimension_each(dimensions):
    features = np.zeros((20, 9))
    features[:dimensions, :dimensions] = 3 * np.eye(dimensions)
    assert effective_rank(features) == pytest.approx(dimensions, rel=1e-4)  # RankMe's epsilon adds a little


def test_two_singular_values_of_3_and_1():
    features = np.diag([3.0, 1.0])
    assert effective_rank(features) == pytest.approx(4 / 3**0.75, rel=1e-5)  # exp of - 3/4 log 3/4 - 1/4 log 1/4


def test_it_is_the_exponential_of_scipys_entropy_whatever_the_scale():
    features = np.random.default_rng(0).normal(size=(50, 12)) * np.geomspace(1, 0.01, 12)
    expected = np.exp(scipy.stats.entropy(scipy.linalg.svdvals(features)))
    assert effective_rank(features) == pytest.approx(expected, rel=1e-5)
    assert effective_rank(1000 * features.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_features_of_zeros_have_no_rank_and_those_that_are_all_alike_have_one():
    assert np.isnan(effective_rank(np.zeros((4, 4), np.float32)))
    assert effective_rank(np.full((4, 4), 7, np.float32)) == pytest.approx(1, rel=1e-5)
