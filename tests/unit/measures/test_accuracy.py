"""Top-1 predictions and the warning near chance."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from maescope.base import doubts
from maescope.measures import accuracy

LOGITS = np.array([[0.1, 0.9, 0.3, 0.2], [0.7, 0.1, 0.1, 0.9], [0.5, 0.5, 0.1, 0.5]])


def test_the_prediction_is_the_largest_logit_and_ties_go_to_the_lower_index():
    assert accuracy.predict(LOGITS).tolist() == [1, 3, 0]


def test_a_restricted_prediction_is_an_index_of_the_whole_head():
    assert accuracy.predict(LOGITS, [0, 2]).tolist() == [2, 0, 0]


def test_the_order_of_the_allowed_classes_does_not_matter_not_even_for_ties():
    assert accuracy.predict(LOGITS, [3, 1, 0]).tolist() == accuracy.predict(LOGITS, [0, 1, 3]).tolist() == [1, 3, 0]


def warned(right, images, classes, caplog, level="clean"):
    target = np.arange(images) % classes
    wrong = (target + 1 + np.arange(images) // classes % (classes - 1)) % classes  # no class more than the others
    measure = pd.DataFrame({"target": target, "prediction": np.where(np.arange(images) < right, target, wrong)})
    measure = measure.assign(level=level, correct=(measure["target"] == measure["prediction"]).astype(int))
    with caplog.at_level(logging.WARNING):
        doubts.warn(measure, [str(number) for number in range(classes)], classes)
    return caplog.text


@pytest.mark.parametrize("right", [0, 50, 60])
def test_clean_accuracy_that_could_be_guessed_gives_a_loud_warning(right, caplog):
    text = warned(right, 500, 10, caplog)
    assert "CLEAN ACCURACY NEAR CHANCE" in text
    assert f"{right / 5:.1f} % among 10 classes (500 images)" in text


@pytest.mark.parametrize(("images", "classes"), [(1, 2), (20, 10), (500, 10), (500, 1000)])
def test_near_chance_is_what_one_guess_in_a_thousand_would_exceed(images, classes):
    most = int(binom.ppf(0.999, images, 1 / classes))
    right = [pd.Series([1] * count + [0] * (images - count)) for count in range(min(most + 3, images + 1))]
    assert [doubts.near_chance(clean, classes) for clean in right] == [n <= most for n in range(len(right))]


def test_clean_accuracy_well_above_chance_gives_no_warning(caplog):
    assert warned(90, 500, 10, caplog) == ""


def test_perturbed_accuracy_near_chance_gives_no_warning(caplog):
    assert warned(50, 500, 10, caplog, level="90") == ""
