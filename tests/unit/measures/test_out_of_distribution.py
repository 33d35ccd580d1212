"""Scores and areas of out-of-distribution detection against scikit-learn, torch and sums by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from maescope.measures import out_of_distribution as measure


@pytest.mark.parametrize("digits", [1, 12])  # of one digit many are ties
def test_the_area_is_scikit_learns(digits):
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=70).round(digits), rng.normal(0.7, 2, size=31).round(digits)
    expected = roc_auc_score(np.repeat([0, 1], [70, 31]), np.concatenate([inside, outside]))
    assert measure.auroc(inside, outside)[0] == pytest.approx(expected, abs=1e-12)


def test_the_interval_is_delongs_summed_by_hand():
    inside, outside = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0])
    value, found = measure.auroc(inside, outside)
    assert value == pytest.approx(5 / 6)  # of six pairs only 4 > 3
    error = np.sqrt(np.var([2 / 3, 1], ddof=1) / 2 + np.var([1, 1, 1 / 2], ddof=1) / 3)
    assert found == pytest.approx(error)
    counts = {"inside": [3], "outside": [2]}
    frame = measure.with_intervals(pd.DataFrame({"auroc": [value], "error": [error]} | counts), 0.95)
    assert frame[["low", "high"]].iloc[0].tolist() == pytest.approx([5 / 6 - 1.959964 * error, 1])


@pytest.mark.parametrize("shared", [0, 2])  # of the scores of one image, clean and perturbed
def test_intervals_cover_chance_as_often_as_they_say(shared):
    rng, drawn = np.random.default_rng(1), []
    for _ in range(400):
        own = shared * rng.normal(size=60)
        outside = rng.normal(size=60) + own if shared else rng.normal(size=40)
        drawn.append(measure.auroc(rng.normal(size=60) + own, outside, paired=shared > 0))
    frame = pd.DataFrame(drawn, columns=["auroc", "error"]).assign(inside=60, outside=40)
    frame = measure.with_intervals(frame, 0.95)
    assert 0.92 < ((frame["low"] <= 0.5) & (frame["high"] >= 0.5)).mean() < 0.98


def test_images_that_are_all_told_apart_have_an_interval_as_well():
    for sign, ends in ((1, [5 / (5 + 1.959964**2), 1]), (-1, [0, 1.959964**2 / (5 + 1.959964**2)])):
        frame = measure.table([("energy", None, np.zeros(5))], [("energy", None, sign * np.ones(7))], paired=False)
        assert measure.with_intervals(frame, 0.95)[["low", "high"]].iloc[0].tolist() == pytest.approx(ends)


def test_nothing_is_said_of_no_images_and_no_interval_of_one():
    assert np.isnan(measure.auroc(np.zeros(0), np.zeros(3))).all()
    value, error = measure.auroc(np.zeros(1), np.ones(3))
    assert value == 1 and np.isnan(error)


def test_scores_of_logits_are_torchs():
    logits = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32) * 30
    own = torch.from_numpy(logits).double()
    assert measure.softmax_score(logits) == pytest.approx(-own.softmax(1).amax(1).numpy(), rel=1e-12)
    assert measure.energy_score(logits) == pytest.approx(-own.logsumexp(1).numpy(), rel=1e-12)


@pytest.mark.parametrize("k", [1, 4, 50])
def test_distances_to_neighbours_are_scikit_learns(k):
    rng = np.random.default_rng(0)
    bank, points = (rng.normal(size=(n, 5)).astype(np.float32) for n in (30, 12))
    unit = [a.astype(float) / np.linalg.norm(a.astype(float), axis=1, keepdims=True) for a in (bank, points)]
    expected = NearestNeighbors(n_neighbors=min(k, 30)).fit(unit[0]).kneighbors(unit[1])[0][:, -1]
    known, own = measure.at_length_1(bank), measure.at_length_1(points)
    assert measure.neighbour_score(known, own, k) == pytest.approx(expected, abs=1e-7)
    assert measure.neighbour_score(known, known[:3], 1) == pytest.approx(0, abs=1e-7)  # each its own neighbour


def test_a_vector_of_zeros_stays_one_and_is_at_distance_1_of_all_others():
    bank = measure.at_length_1(np.array([[0.0, 0], [3, 4]]))
    assert bank.tolist() == [[0, 0], [0.6, 0.8]]
    assert measure.neighbour_score(bank, np.array([[0.0, 0], [0.6, 0.8]]), 2) == pytest.approx([1, 1])


class Tokens:
    """Of two layers, 2 wide; an image is at an angle that is its number, the other way round in the second layer."""

    images = ("0", "1", "2", "3", "4")
    levels = ("clean",)

    def read(self, level, name, images=None):
        numbers = np.arange(images, dtype=np.float32)
        if name == "logits":
            return numbers[:, None]
        turned = np.stack([np.cos(numbers / 10), np.sin(numbers / 10)], axis=-1)
        return np.stack([turned, 7 * turned[:, ::-1]])


def gathered(labels=2):
    parts = {}
    for _ in range(labels):
        measure.gather(parts, Tokens(), labels)
    return parts


def test_the_bank_and_the_images_that_are_told_apart_share_none(monkeypatch):
    parts = gathered()["clean"]
    bank, others = (measure.every_other(parts, first) for first in (0, 1))
    assert bank["logits"][:, 0].tolist() == [0, 2, 4] * 2 and others["logits"][:, 0].tolist() == [1, 3] * 2
    assert bank["mean"].shape == (2, 6, 2) and np.square(bank["mean"]).sum(-1) == pytest.approx(1)
    assert len(measure.every_other(parts, None)["logits"]) == 10
    scored = list(measure.scores(others, bank["mean"], 1))
    assert [(name, layer, len(own)) for name, layer, own in scored] == [
        ("softmax", None, 4),
        ("energy", None, 4),
        ("neighbour", 1, 4),
        ("neighbour", 2, 4),
    ]
    assert scored[1][2].tolist() == [-1, -3, -1, -3]  # log sum exp of one logit
    assert scored[2][2] == pytest.approx(2 * np.sin(0.05))  # the chord of a tenth
    monkeypatch.setattr(measure, "MOST", 6)
    assert measure.every_other(gathered()["clean"], None)["logits"][:, 0].tolist() == [0, 1, 2] * 2


def test_conditions_are_compared_with_clean_images_which_come_first():
    comparison = measure.Comparison(1)
    control = comparison.add("clean", gathered(), True)
    assert control[["inside", "outside"]].to_numpy().tolist() == [[2, 2]] * 4
    again = comparison.add("nothing", {"I": gathered()["clean"], "II": gathered()["clean"]}, True)
    assert again["auroc"].tolist() == [0.5] * 8 and again["level"].tolist() == ["I"] * 4 + ["II"] * 4
    assert set(comparison.add("others", {"I": gathered()["clean"]}, False)["outside"]) == {10}


def test_a_model_without_a_head_is_told_by_its_layers_alone():
    parts = {}
    for _ in range(2):
        measure.gather(parts, Tokens(), 2, ("mean",))
    comparison, whole = measure.Comparison(1), measure.Comparison(1)
    found, expected = comparison.add("clean", parts, True), whole.add("clean", gathered(), True)
    assert found["score"].tolist() == ["neighbour"] * 2 and found["layer"].tolist() == [1, 2]
    assert found.equals(expected[expected["score"] == "neighbour"].reset_index(drop=True))


def test_the_table_has_a_row_per_score_and_layer():
    clean = [("softmax", None, np.array([0.0, 1])), ("neighbour", 1, np.array([0.0, 1]))]
    far = [("softmax", None, np.array([0.0, 1])), ("neighbour", 1, np.array([2.0, 3, 4]))]
    table = measure.table(clean, far, paired=False)
    assert table["auroc"].tolist() == [0.5, 1] and table["layer"].isna().tolist() == [True, False]
    assert table[["inside", "outside"]].to_numpy().tolist() == [[2, 2], [2, 3]]
