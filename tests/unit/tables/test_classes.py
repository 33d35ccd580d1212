"""Accuracy by class and what wrong images are called, counted by hand."""

import pandas as pd
import pytest
from scipy.stats import binomtest

from maescope.tables import classes

INTERVALS = {"resamples": 100, "confidence": 0.95, "seed": 0}


def measure(model, answers):
    """target -> predictions of its images."""
    rows = [(target, prediction) for target, own in answers.items() for prediction in own]
    frame = pd.DataFrame(rows, columns=["target", "prediction"])
    return frame.assign(model=model, correct=(frame["target"] == frame["prediction"]).astype(int))


@pytest.fixture
def confused():
    frame = pd.concat([measure("z", {2: [2, 2, 0, 1], 0: [0, 0]}), measure("a", {2: [1, 1, 1, 2], 0: [2, 0]})])
    return classes.confusion(frame, ["cat", "cow", "dog"])


def test_answers_are_counted_by_class_in_the_order_of_the_head_and_models_as_they_come(confused):
    assert confused.to_numpy().tolist() == [
        ["z", "cat", "cat", 2, 2],
        ["z", "dog", "cat", 1, 4],
        ["z", "dog", "cow", 1, 4],
        ["z", "dog", "dog", 2, 4],
        ["a", "cat", "cat", 1, 2],
        ["a", "cat", "dog", 1, 2],
        ["a", "dog", "cow", 3, 4],
        ["a", "dog", "dog", 1, 4],
    ]


def test_accuracy_by_class_with_wilsons_interval_and_the_most_frequent_wrong_answer(confused):
    table = classes.by_class(confused, INTERVALS).set_index(["model", "label"])
    assert table["accuracy"].tolist() == [100, 50, 50, 25]
    assert table.loc[("z", "dog"), ["called", "called_share"]].tolist() == ["cat", 25]  # as often as cow, and before it
    assert table.loc[("a", "dog"), ["called", "called_share", "images"]].tolist() == ["cow", 75, 4]
    assert table.loc[("z", "cat"), ["called", "called_share"]].isna().all()
    expected = binomtest(1, 4).proportion_ci(0.95, method="wilson")
    assert table.loc[("a", "dog"), "accuracy_low"] == pytest.approx(100 * expected.low)
    assert table.loc[("a", "dog"), "accuracy_high"] == pytest.approx(100 * expected.high)
