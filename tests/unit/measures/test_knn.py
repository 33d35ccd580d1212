"""k-NN by weighted votes against a plain loop in float64, and a case known on paper."""

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from maescope.measures import knn
from maescope.tables import table_knn


def plain(points, voting, own, k):
    """Image by image, vote by vote (Wu et al. 2018, equation 7)."""
    found = []
    for point in points.astype(float):
        alike = [point @ other / (np.linalg.norm(point) * np.linalg.norm(other)) for other in voting.astype(float)]
        votes = np.zeros(own.max() + 1)
        for place in np.argsort(alike)[::-1][:k]:
            votes[own[place]] += math.exp(alike[place] / 0.07)
        found.append(votes.argmax())
    return found


@pytest.mark.parametrize("room", [1, 2**25])
def test_guesses_are_those_of_a_plain_loop(monkeypatch, room):
    monkeypatch.setattr(knn, "ROOM", room)  # one row at a time, and all at once
    rng = np.random.default_rng(0)
    centres, own = rng.normal(size=(4, 12)), rng.integers(0, 4, 60)
    voting = (centres[own] + 1.5 * rng.normal(size=(60, 12))).astype(np.float32)
    points = (centres[rng.integers(0, 4, 40)] + 1.5 * rng.normal(size=(40, 12))).astype(np.float32)
    found = knn.guesses(points, voting, own, [1, 5, 20, 60])
    for k in (1, 5, 20, 60):
        assert found[k].tolist() == plain(points, voting, own, k), k
    assert found[1].tolist() != found[60].tolist()


def test_one_vote_nearby_outweighs_two_from_afar():
    """exp((1 - 0.8) / 0.07) is 17: with 20 far ones it would lose. Length does not count."""
    voting = np.array([[9.0, 0.0]] + [[0.8, 0.6]] * 2)
    own, point = np.array([0, 1, 1]), np.array([[0.5, 0.0]])
    assert knn.guesses(point, voting, own, [3])[3].tolist() == [0]
    many = np.concatenate([voting, [[0.8, 0.6]] * 18])
    assert knn.guesses(point, many, np.array([0] + [1] * 20), [21])[21].tolist() == [1]


def test_accuracies_for_no_more_votes_than_there_are():
    rng = np.random.default_rng(1)
    labels = np.repeat(["a", "b"], 10)
    voting = np.where(labels == "a", 1, -1)[:, None] + 0.1 * rng.normal(size=(20, 3))
    points, names = np.array([[1.0, 1, 1], [1, 1, 1], [-1, -1, -1]]), np.array(["a", "a", "a"])
    found = knn.measure(points, names, voting, labels, 0.9)
    assert found["k"].tolist() == [10, 20] and found["accuracy"].tolist() == [2 / 3] * 2
    expected = proportion_confint(2, 3, 0.1, "wilson")
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx(expected)
    assert found.loc[0, ["images", "votes", "classes"]].tolist() == [3, 20, 2]


def test_the_table_tells_which_token_the_head_reads():
    measured = pd.DataFrame({"model": ["b", "b", "a", "a"], "token": ["cls", "mean"] * 2, "k": 20, "images": 50})
    measured = measured.assign(accuracy=[0.5, 0.25, 0.75, 1], low=0.1, high=1.0, votes=90, classes=4)
    table = table_knn.table(measured, {"a": "avg", "b": "token", "c": "token"})
    assert table[["model", "token", "read"]].to_numpy().tolist() == [
        ["b", "cls", True],
        ["b", "mean", False],
        ["a", "cls", False],
        ["a", "mean", True],
    ]
    shown = table_knn.printed(table)
    assert shown.to_numpy().tolist()[0] == ["b", "CLS, read by its head", "50.0 [10.0, 100.0]"]
    assert "50 images, for whose classes 90 images of train vote" in table_knn.notes("train", table)[0]
    assert "gives 25.0" in table_knn.notes("train", table)[0]
