"""Neural collapse of class means whose answer is known on paper, and against plain matrices."""

import numpy as np
import pytest

from maescope.measures import neural_collapse as module
from maescope.measures.neural_collapse import neural_collapse


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_orthogonal_classes_are_a_simplex_with_the_spread_that_was_put_in(classes):
    """Means e_1 ... e_C: S_B^+ is C (I - 1 1^T / C), S_W is s^2 I, so NC1 is s^2 (C - 1)."""
    spread = 0.3 * np.sqrt(classes) * np.concatenate([np.eye(classes), -np.eye(classes)])  # of variance s^2 C / C
    features = np.concatenate([mean + spread for mean in np.eye(classes)])
    found = neural_collapse(features, np.repeat(np.arange(classes), 2 * classes))
    assert found["nc1"] == pytest.approx(0.09 * (classes - 1))
    nothing = np.nan if classes == 2 else 0  # the means of two are opposite, whatever they are
    assert (found["equinorm"], found["equiangle"]) == pytest.approx((nothing, nothing), abs=1e-12, nan_ok=True)


def test_images_that_are_their_class_mean_have_collapsed():
    found = neural_collapse(np.repeat(np.eye(4), 5, axis=0), np.repeat(list("abcd"), 5))
    assert list(found.values()) == pytest.approx([0, 0, 0], abs=1e-12)


def test_classes_on_a_line_have_the_lengths_and_angles_of_paper():
    """Means -2, -1, 3: lengths 2, 1, 3 about 0; cosines 1, -1, -1, of which a simplex has -1/2 each."""
    found = neural_collapse(np.array([[-2.0, 0], [-1, 0], [3, 0]] * 2), np.array(["a", "b", "c"] * 2))
    assert found["equinorm"] == pytest.approx(np.sqrt(2 / 3) / 2)
    assert found["equiangle"] == pytest.approx((1.5 + 0.5 + 0.5) / 3)


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (2, 9, 4, 30)])
def test_nc1_is_that_of_plain_matrices_in_any_order_of_images(sizes):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(["a", "b", "c", "d"], sizes))
    features = rng.normal(5, 1, size=(sum(sizes), 10)) + np.array([[ord(label)] for label in labels]) * rng.normal(
        size=10
    )
    parts = [features[labels == label] for label in "abcd"]
    means = np.stack([part.mean(0) for part in parts])
    within = sum(np.cov(part.T, bias=True) for part in parts) / 4
    between = np.cov(means.T, bias=True)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-9, hermitian=True)) / 4
    assert neural_collapse(features, labels)["nc1"] == pytest.approx(expected, rel=1e-6)


def test_class_means_that_are_one_say_nothing():
    same = np.tile(np.array([[0.1, 0.7], [0.3, 0.2]], np.float32), (3, 1))
    assert np.isnan(list(neural_collapse(same, np.repeat(["a", "b", "c"], 2)).values())).all()


def test_classes_of_one_image_have_no_spread_that_could_have_collapsed():
    features = np.random.default_rng(0).normal(size=(5, 4))
    assert np.isnan(list(neural_collapse(features, np.arange(5)).values())).all()


def test_angles_of_classes_are_the_same_however_many_are_compared_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(21, 5)), np.arange(21) % 7
    means = np.stack([features[labels == label].mean(axis=0) for label in range(7)])
    means -= means.mean(axis=0)
    expected = [
        abs(means[i] @ means[j] / np.linalg.norm(means[i]) / np.linalg.norm(means[j]) + 1 / 6)
        for i in range(7)
        for j in range(i)
    ]
    for rows in (1, 3, 7, 100):
        monkeypatch.setattr(module, "ROWS", rows)
        assert neural_collapse(features, labels)["equiangle"] == pytest.approx(np.mean(expected))
