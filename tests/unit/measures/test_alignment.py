"""Cosine and norms: vectors whose answer is known on paper."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from maescope.measures import alignment


def test_cosine_of_a_vector_with_its_double_its_opposite_and_an_orthogonal_one():
    x = np.array([3.0, 4.0, 0.0])
    found = alignment.cosine(np.stack([x, x, x]), np.stack([2 * x, -x, np.array([0.0, 0.0, 7.0])]))
    assert found == pytest.approx([1, -1, 0], abs=1e-15)


def test_cosine_of_a_known_angle():
    assert alignment.cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(math.sqrt(0.5))


def test_cosine_never_leaves_its_range_and_is_computed_in_float64():
    x = np.random.default_rng(0).standard_normal((1000, 96)).astype(np.float32)
    found = alignment.cosine(x, 3 * x)
    assert found.dtype == np.float64
    assert found.max() <= 1
    assert found.min() > 1 - 1e-7  # 3 x is rounded to float32


def test_cosine_of_large_float32_vectors_does_not_overflow():
    assert alignment.cosine(np.full(4, 1e30, np.float32), np.full(4, 1e30, np.float32)) == pytest.approx(1)


@pytest.mark.filterwarnings("error::RuntimeWarning")  # of nothing else, as a file that is closed late
def test_cosine_with_a_zero_vector_is_nan_without_a_warning():
    assert np.isnan(alignment.cosine(np.zeros(3), np.ones(3)))


def test_norm_is_euclidean():
    assert alignment.norm(np.array([[3.0, 4.0], [0.0, 2.0]])).tolist() == [5.0, 2.0]


def test_the_table_has_one_row_an_image_and_layer_with_layers_from_one():
    clean = np.array([[[3.0, 4.0], [1.0, 0.0]], [[0.0, 2.0], [1.0, 0.0]]])  # (L, B, D)
    perturbed = np.array([[[3.0, 4.0], [0.0, 2.0]], [[0.0, -2.0], [5.0, 0.0]]])
    table = alignment.table(clean, perturbed, ["x", "y"], np.array([True, False]))
    assert table["image"].tolist() == ["x", "y", "x", "y"]
    assert table["layer"].tolist() == [1, 1, 2, 2]
    assert table["cosine"].tolist() == pytest.approx([1, 0, -1, 1])
    assert table["norm_clean"].tolist() == [5, 1, 2, 1]
    assert table["norm_perturbed"].tolist() == [5, 2, 2, 5]
    assert table["correct"].tolist() == [1, 0, 1, 0]


def unit(points):
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def test_the_smallest_ball_of_two_points_is_half_their_distance_and_of_orthogonal_ones_known():
    rng = np.random.default_rng(0)
    pair = rng.normal(size=(2, 3, 7))  # of three images
    expected = np.linalg.norm(unit(pair)[0] - unit(pair)[1], axis=-1) / 2
    assert alignment.radius(pair) == pytest.approx(expected)
    assert alignment.radius(pair) == pytest.approx(np.sqrt((1 - alignment.cosine(*pair)) / 2))
    for m in range(1, 6):
        assert alignment.radius(3 * np.eye(m)[:, None]) == pytest.approx([np.sqrt(1 - 1 / m)])
    assert alignment.radius(np.array([[[1.0, 0]], [[-2, 0]], [[0, 1]]])) == pytest.approx([1])  # opposite ones


def test_a_point_within_the_ball_changes_nothing_and_the_same_points_have_none():
    ends, between = np.array([[[1.0, 0]], [[0, 1]]]), np.array([[[1.0, 1]]])
    assert alignment.radius(np.concatenate([ends, between, ends])) == pytest.approx(alignment.radius(ends))
    assert alignment.radius(np.repeat(between, 9, axis=0)) == pytest.approx([0], abs=1e-7)
    assert np.isnan(alignment.radius(np.array([[[1.0, 0]], [[0, 0]]]))).all()


@pytest.mark.parametrize("spread", [3, 0.3, 1e-3])
def test_the_smallest_ball_is_that_of_an_optimiser_of_its_centre(spread):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1, 4, 5)) + spread * rng.normal(size=(7, 4, 5))
    for found, own in zip(alignment.radius(points), np.moveaxis(unit(points), 1, 0), strict=True):
        scaled = (own - own.mean(0)) / spread
        held = {"type": "ineq", "fun": lambda x, scaled=scaled: x[-1] - np.square(scaled - x[:-1]).sum(1)}
        how = {"constraints": held, "method": "SLSQP", "options": {"ftol": 1e-14, "maxiter": 500}}
        best = minimize(lambda x: x[-1], [0] * 5 + [9], **how)  # the centre, and the squared radius
        assert found == pytest.approx(spread * np.sqrt(best.x[-1]), rel=1e-5)
