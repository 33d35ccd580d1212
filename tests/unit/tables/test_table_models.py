"""Models against each other: differences and tests known on paper."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from maescope.base import statistics
from maescope.tables import table_models

INTERVALS = {"resamples": 500, "confidence": 0.95, "seed": 0}


def measure(model, level, correct, perturbation="blur"):
    """One row per image, of two classes by turns."""
    images = [f"{number}.png" for number in range(len(correct))]
    labels = ["ab"[number % 2] for number in range(len(correct))]
    rows = {"model": model, "perturbation": perturbation, "level": level, "label": labels, "image": images}
    return pd.DataFrame(rows | {"correct": correct})


def test_the_difference_is_that_of_the_same_images_whatever_their_order():
    first = measure("mae", "I", [1, 1, 1, 1, 0, 0, 0, 0, 1, 1])
    second = measure("twin", "I", [1, 0, 0, 0, 0, 0, 1, 0, 0, 0]).sample(frac=1, random_state=0)
    row = table_models.paired(pd.concat([first, second]), INTERVALS).iloc[0]
    assert row[["model_a", "model_b", "level", "images"]].tolist() == ["mae", "twin", "I", 10]
    assert row[["accuracy_a", "accuracy_b", "difference"]].tolist() == pytest.approx([60, 20, -40])
    assert row["difference_low"] < -40 < 0 < row["difference_high"]  # as p says
    assert row["p_mcnemar"] == pytest.approx(binomtest(1, 6).pvalue)  # of six images where they differ, one


def test_all_pairs_of_models_in_their_order_and_only_what_both_were_measured_under():
    frames = [measure(model, "I", [1, 0, 1, 0]) for model in ("c", "a", "b")]
    frames.append(measure("a", "clean", [1, 1, 1, 1], "clean"))
    table = table_models.paired(pd.concat(frames), INTERVALS)
    assert list(zip(table["model_a"], table["model_b"], strict=True)) == [("c", "a"), ("c", "b"), ("a", "b")]
    assert set(table["perturbation"]) == {"blur"}


def plain_holm(p):
    """The largest, among p values that are not larger, of each times the number of those not before it in order."""
    ranked = sorted(p)
    times = [min(1.0, (len(p) - n) * value) for n, value in enumerate(ranked)]
    return [max(adjusted for adjusted, value in zip(times, ranked, strict=True) if value <= own) for own in p]


def test_holm_equals_plain_loops():
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 10, 200):
        for p in (rng.uniform(size=size) ** 6, rng.choice([0.0, 1e-9, 0.01, 0.3, 1.0], size)):  # many equal ones
            np.testing.assert_allclose(statistics.holm(p), plain_holm(p), rtol=1e-12, atol=0)
    assert len(statistics.holm(np.array([]))) == 0  # of a sweep without any contrast


def test_holm_multiplies_by_the_number_of_tests_that_are_left():
    assert statistics.holm(pd.Series([0.01, 0.04, 0.03]).to_numpy()) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm(pd.Series([0.5, 0.6]).to_numpy()) == pytest.approx([1, 1])


def test_the_printed_table_has_intervals_and_both_p():
    both = pd.concat([measure("mae", "I", [1, 1, 1, 1]), measure("twin", "I", [0, 1, 1, 1])])
    printed = table_models.printed(table_models.paired(both, INTERVALS)).iloc[0]
    assert printed[["first (%)", "second (%)", "p", "together"]].tolist() == ["100.0", "75.0", "1", "1"]
    assert printed["difference"].startswith("-25.0 [")


def test_models_that_say_one_class_each_do_not_differ_by_the_classes_that_they_say():
    # each right on all of one class; within classes nothing varies, which made an interval of [-3.0, -0.8]
    labels, images = np.repeat(list("abcdefghij"), 50), [f"{number}.png" for number in range(500)]
    first, second = labels == "a", labels == "b"
    first[100:109] = True
    rows = {"perturbation": "occlusion", "level": "70", "label": labels, "image": images}
    both = [pd.DataFrame(rows | {"model": m, "correct": c}) for m, c in (("mae", first), ("twin", second))]
    row = table_models.paired(pd.concat(both), INTERVALS).iloc[0]
    assert row["difference"] == pytest.approx(-1.8)
    assert row["p_mcnemar"] == pytest.approx(binomtest(50, 109).pvalue) and row["p_mcnemar"] > 0.4
    assert row["difference_low"] < -5 and row["difference_high"] > 1


def test_every_image_counts_the_same_in_value_and_interval_and_level_0_is_left_out():
    # two images of class a, on which alone the second model is wrong, and eighteen of b: 10 points, not 50
    images = [f"{number}.png" for number in range(20)]
    rows = {"perturbation": "occlusion", "level": "50", "label": ["a"] * 2 + ["b"] * 18, "image": images}
    both = [pd.DataFrame(rows | {"model": m, "correct": c}) for m, c in (("x", [1] * 20), ("y", [0] * 2 + [1] * 18))]
    table = table_models.paired(pd.concat([*both, *(frame.assign(level="0") for frame in both)]), INTERVALS)
    assert table["level"].tolist() == ["50"]
    row = table.iloc[0]
    assert row["difference"] == pytest.approx(-10)
    assert row["difference_low"] == pytest.approx(-100 * binomtest(2, 20).proportion_ci().high)  # none the other way
    assert row["difference_high"] > 0  # of two images that differ, both one way: p is 0.5
