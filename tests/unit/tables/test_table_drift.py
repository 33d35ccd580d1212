"""Drift from clean to perturbed embeddings, and what it foretells, on vectors and orders known on paper."""

import numpy as np
import pandas as pd
import pytest

from maescope.base import statistics
from maescope.measures import alignment
from maescope.tables import table_drift


def measured(clean, perturbed, correct, level="I", layers=1):
    """Measure `alignment` of one condition: vectors (images, dim) of the last of some layers."""
    stack = [np.stack([a[::-1]] * (layers - 1) + [a]) for a in (clean, perturbed)]
    images = [f"{n}.png" for n in range(len(clean))]
    frame = alignment.table(*stack, images, np.array(correct, bool))
    spread = alignment.radius(np.stack([clean, perturbed]))
    frame.loc[frame["layer"] == layers, "radius"] = spread
    return frame.assign(level=level, label="a", model="m", perturbation="blur")


def test_distances_are_those_of_the_vectors():
    rng = np.random.default_rng(0)
    clean, perturbed = (rng.normal(size=(9, 5)) for _ in range(2))
    perturbed[:3] = clean[:3] * [[1], [2], [1 + 1e-9]]
    found = table_drift.drifts(measured(clean, perturbed, [1] * 9, layers=2))
    expected = np.linalg.norm(clean - perturbed, axis=1)
    assert found["euclidean"].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert found["relative"].to_numpy() == pytest.approx(expected / np.linalg.norm(clean, axis=1), abs=1e-6)
    norms = np.abs(np.linalg.norm(clean, axis=1) - np.linalg.norm(perturbed, axis=1))
    assert found["norm"].to_numpy() == pytest.approx(norms, abs=1e-12)
    assert found["cosine"].iloc[:2].tolist() == pytest.approx([0, 0], abs=1e-12)


def test_level_0_and_images_without_a_cosine_are_left_out():
    clean = np.array([[1.0, 0], [0, 0], [0, 1]])
    both = pd.concat([measured(clean, clean, [1, 1, 1], level) for level in ("0", "10")])
    assert table_drift.drifts(both)["image"].tolist() == ["0.png", "2.png"]


def conditions(turns, wrong):
    """Images (1, 0), turned by an angle under each condition; wrong: condition -> images that are."""
    count = len(turns[0])
    clean = np.tile([1.0, 0], (count, 1))
    frames = [
        measured(
            clean, np.stack([np.cos(own), np.sin(own)], axis=1), [n not in lost for n in range(count)], str(number)
        )
        for number, (own, lost) in enumerate(zip(map(np.array, turns), wrong, strict=True), 1)
    ]
    right = pd.DataFrame({"model": "m", "label": "a", "image": [f"{n}.png" for n in range(count)], "correct": 1})
    return pd.concat(frames), right


def test_drift_that_grows_with_the_loss_is_1_and_against_it_minus_1():
    turns, wrong = [[0.1] * 5, [0.2] * 5, [0.3] * 5, [0.4] * 5], [(), (0,), (0, 1), (0, 1, 2)]
    for order, expected in ((wrong, 1), (wrong[::-1], -1)):
        found = table_drift.table(*conditions(turns, order), 0.95).set_index(["over", "perturbation", "drift"])
        for drift in ("cosine", "euclidean", "relative"):
            assert found.loc[("conditions", "blur", drift), "correlation"] == pytest.approx(expected)
        assert found.loc[("conditions", "all", "cosine"), "count"] == 4


def test_over_images_only_those_count_that_are_right_when_clean():
    turns = [np.linspace(0.1, 0.5, 6)] * 2
    frames, right = conditions(turns, [(3, 4, 5), (4, 5)])
    right.loc[0, "correct"] = 0
    row = table_drift.table(frames, right, 0.95).query("over == 'images' and drift == 'euclidean'").iloc[0]
    assert row["count"] == 5
    assert row["correlation"] == pytest.approx(np.corrcoef([1, 2, 3, 4, 5], [1.5, 1.5, 3, 4.5, 4.5])[0, 1])
    assert row["low"] < row["correlation"] < row["high"] <= 1


def test_the_divergence_radius_foretells_over_images_alone():
    frames, right = conditions([np.linspace(0.1, 0.6, 6)] * 2, [(3, 4, 5), (4, 5)])
    frames["radius"] = frames["image"].str[0].astype(float).rsub(9)  # the other way round than what they lose
    found = table_drift.table(frames, right, 0.95).set_index(["over", "drift"])["correlation"]
    assert (
        found["images", "radius"] == pytest.approx(-found["images", "euclidean"]) and found["images", "radius"] < -0.8
    )
    assert ("conditions", "radius") not in found.index
    shown = table_drift.printed(table_drift.table(frames, right, 0.95))
    assert shown.iloc[-1][["over", "drift"]].tolist() == ["6 images", "divergence radius"]


def test_rank_correlations_have_the_interval_of_their_formula():
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    b = a + rng.normal(size=30)
    ranks = np.argsort(np.argsort(a)), np.argsort(np.argsort(b))
    rho = 1 - 6 * np.square(ranks[0] - ranks[1]).sum() / (30 * (30**2 - 1))
    half = 1.959963984540054 * np.sqrt((1 + rho**2 / 2) / 27)
    found = statistics.rank_correlation(a, b)
    expected = (rho, np.tanh(np.arctanh(rho) - half), np.tanh(np.arctanh(rho) + half), 1.959963984540054 / np.sqrt(29))
    assert tuple(found) == pytest.approx(expected, rel=1e-9)


def test_orders_that_agree_in_all_have_an_interval_as_if_two_neighbours_were_exchanged():
    one, other = (
        statistics.rank_correlation(np.arange(6), np.array(order)) for order in (range(6), [1, 0, 2, 3, 4, 5])
    )
    assert (one.value, one.high) == (1, 1) and one.low == pytest.approx(other.low) and other.low < 0.9


def test_few_pairs_and_constants_have_no_rank_correlation():
    for a, b in ((np.arange(3), np.arange(3)), (np.arange(9), np.ones(9))):
        assert np.isnan(statistics.rank_correlation(a, b)[:3]).all()


def test_the_table_is_printed_with_its_chance():
    turns, wrong = [[0.1] * 5, [0.2] * 5, [0.3] * 5, [0.4] * 5], [(), (0,), (0, 1), (0, 1, 2)]
    shown = table_drift.printed(table_drift.table(*conditions(turns, wrong), 0.95))
    assert shown.iloc[0][["over", "drift", "chance"]].tolist() == ["4 conditions", "1 - cosine", "±1.00"]
    assert shown.iloc[0]["rank correlation"].startswith("1.00 [")
