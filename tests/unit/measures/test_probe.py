"""The linear probe in torch against scikit-learn's, fitted as far as it goes."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from maescope.measures import probe


@pytest.fixture(scope="module")
def drawn():
    """1,500 points of six classes that overlap, in dimensions of very different scales, and as many others."""
    rng = np.random.default_rng(0)
    own = rng.integers(0, 6, 3000)
    mixed = np.linalg.qr(rng.standard_normal((40, 40)))[0] * np.logspace(0, -3, 40)
    points = (0.8 * rng.standard_normal((6, 40))[own] + rng.standard_normal((3000, 40))) @ mixed.T
    return points.astype(np.float32), own


def objective(weights, biases, points, own):
    """Sum of cross-entropies and half the squared weights, in float64."""
    scores = points.astype(np.float64) @ weights + biases
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(own)), own]
    return losses.sum() + (weights**2).sum() / 2


def test_it_minimises_what_scikit_learn_does(drawn, monkeypatch):
    monkeypatch.setattr(probe, "ENOUGH", 1e-6)
    points, own = drawn[0][:1500], drawn[1][:1500]
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    exact = LogisticRegression(max_iter=10_000, tol=1e-8).fit(points.astype(np.float64), own)
    lowest = objective(exact.coef_.T, exact.intercept_, points, own)
    weights, biases = probe.fitted(points, own, 6)
    assert weights.shape == (40, 6) and biases.shape == (6,)
    found = objective(weights.astype(np.float64), biases, points, own)
    assert lowest * (1 - 1e-6) < found < lowest * (1 + 1e-3)
    assert found < 0.9 * objective(np.zeros((40, 6)), np.zeros(6), points, own)
    agree = (points @ weights + biases).argmax(axis=1) == exact.predict(points)
    assert agree.mean() > 0.99


def test_many_points_are_guessed_as_few_are(drawn, monkeypatch):
    points, own = drawn
    names = np.array(["f", "b", "a", "d", "c", "e"])[own]
    few = probe.guesses(points[:1500], names[:1500], points[1500:])
    monkeypatch.setattr(probe, "MUCH", 0)
    monkeypatch.setattr(probe, "PART", 700)
    many = probe.guesses(points[:1500], names[:1500], points[1500:])
    assert (many == few).mean() > 0.98
    right = [(guesses == names[1500:]).mean() for guesses in (few, many)]
    assert right[1] == pytest.approx(right[0], abs=0.003) and right[0] > 0.4


def test_it_ends_where_scikit_learn_does_on_what_is_easily_told_apart(drawn, monkeypatch):
    monkeypatch.setattr(probe, "ENOUGH", -np.inf)  # what steps gain ends nothing
    points, own = drawn[0][:1500] + 4 * np.eye(6, 40, dtype=np.float32)[drawn[1][:1500]], drawn[1][:1500]
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    weights, biases = (part.astype(np.float64) for part in probe.fitted(points, own, 6))
    scores = points.astype(np.float64) @ weights + biases
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    rest = shares / shares.sum(axis=1, keepdims=True) - np.eye(6)[own]  # the slope of the loss by the scores
    steepest = max(abs(points.T @ rest + weights).max(), abs(rest.sum(axis=0)).max()) / 1500
    assert 1e-5 < steepest < 1.01e-4  # 200 steps reach a hundredth of that


def test_dimensions_that_do_not_vary_are_harmless(monkeypatch):
    monkeypatch.setattr(probe, "MUCH", 0)
    points = np.zeros((40, 3), np.float32)
    points[:, 1] = np.repeat([0, 5], 20)
    assert probe.guesses(points, np.repeat(["x", "y"], 20), points).tolist() == ["x"] * 20 + ["y"] * 20
    names = np.repeat(["x", "y"], [30, 10])
    assert probe.guesses(np.zeros((40, 3), np.float32), names, np.zeros((2, 3), np.float32)).tolist() == ["x", "x"]
