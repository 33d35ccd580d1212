"""Eigenvalues of embeddings, and the numbers that are made of them, against scipy, scikit-learn and paper."""

import numpy as np
import pytest
from scipy.stats import linregress
from sklearn.decomposition import PCA

from maescope.measures import eigenvalues


@pytest.mark.parametrize("shape", [(40, 9), (9, 40), (12, 12)])
def test_eigenvalues_are_scikit_learns_explained_variances(shape):
    features = np.random.default_rng(0).normal(3, 2, size=shape).astype(np.float32)
    expected = PCA(min(shape[0] - 1, shape[1]), svd_solver="full").fit(features.astype(float)).explained_variance_
    assert eigenvalues.eigenvalues(features) == pytest.approx(expected, rel=1e-6)


def test_equal_eigenvalues_count_all_and_one_alone_counts_one():
    for counted in (eigenvalues.participation_ratio, eigenvalues.nesum):
        assert counted(np.full(7, 0.3)) == pytest.approx(7)
        assert counted(np.array([2.0, 0, 0])) == 1
        assert np.isnan(counted(np.zeros(3)))
    three = np.array([3.0, 1.0, 1.0])
    assert eigenvalues.participation_ratio(three) == pytest.approx(25 / 11)
    assert eigenvalues.nesum(three) == pytest.approx(5 / 3)


@pytest.mark.parametrize("exponent", [0.5, 1, 2.5])
def test_a_power_law_has_its_exponent_whatever_the_first_few_do(exponent):
    values = 7 * np.arange(1, 41, dtype=float) ** -exponent
    values[:4] *= 10
    values[20:] = values[19] / 1000
    assert eigenvalues.alpha(values) == pytest.approx(exponent, rel=1e-9)


def test_alpha_is_scipys_regression():
    values = np.sort(np.random.default_rng(0).exponential(size=60))[::-1]
    fit = linregress(np.log(np.arange(5, 31)), np.log(values[4:30]))
    assert eigenvalues.alpha(values) == pytest.approx(-fit.slope, rel=1e-9)


def test_alpha_needs_ranks_with_variance():
    assert np.isnan(eigenvalues.alpha(np.ones(17)))  # ranks 5 to 8
    assert eigenvalues.alpha(np.ones(18)) == pytest.approx(0, abs=1e-12)
    assert np.isnan(eigenvalues.alpha(np.repeat([1.0, 0.0], [6, 30])))


def test_embeddings_that_are_all_the_same_have_none_of_it():
    assert np.isnan(list(eigenvalues.summary(np.full((30, 20), 0.1, np.float32)).values())).all()
