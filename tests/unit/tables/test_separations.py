"""Intervals of the separation of classes: of draws of images, with widths that hold at 0 and 1."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from maescope.measures import separation
from maescope.tables import separations


def row(silhouette=0.2, knn=0.8, probe=1.0, errors=(0.01, 0.04, 0.0), images=100):
    names = ["silhouette", "knn_accuracy", "probe_accuracy", "silhouette_error", "knn_error", "probe_error", "images"]
    return pd.DataFrame([[silhouette, knn, probe, *errors, images]], columns=names)


def test_intervals_known_on_paper():
    found = separations.with_intervals(row(), 0.95).iloc[0]
    assert [found["silhouette_low"], found["silhouette_high"]] == pytest.approx([0.2 - 0.0196, 0.2 + 0.0196], abs=1e-5)
    # 0.8 with an error of 0.04 is 80 of 100; 1 without any error is 100 of 100
    for name, right in (("knn_accuracy", 80), ("probe_accuracy", 100)):
        expected = proportion_confint(right, 100, method="wilson")
        assert [found[f"{name}_low"], found[f"{name}_high"]] == pytest.approx(expected)
    assert found["probe_accuracy_high"] == 1 and found["probe_accuracy_low"] < 0.97


def test_an_accuracy_of_patches_counts_as_many_images_as_its_error_is_worth():
    """0.8 with an error of 0.08 is 20 of 25, however many images there are."""
    for images in (25, 100):
        found = separations.with_intervals(row(errors=(0.01, 0.08, 0), images=images), 0.95).iloc[0]
        expected = proportion_confint(20, 25, method="wilson")
        assert [found["knn_accuracy_low"], found["knn_accuracy_high"]] == pytest.approx(expected)


def test_intervals_stay_where_values_can_be_and_hold_their_value():
    found = separations.with_intervals(row(-0.999, 0.0, 0.01, (0.1, 0.0, 0.01), 5), 0.99).iloc[0]
    assert found["silhouette_low"] == -1 and found["knn_accuracy_low"] == 0 < found["knn_accuracy_high"] < 1
    assert 0 < found["probe_accuracy_low"] < 0.01 < found["probe_accuracy_high"]


def test_of_other_draws_of_images_to_judge_95_percent_hold_the_accuracy():
    """300 draws from classes whose images are right with other chances, tokens of an image alike."""
    rng, held = np.random.default_rng(0), 0
    labels, groups = np.repeat(["a", "b"], 200), np.repeat(np.arange(100), 4)
    for _ in range(300):
        chance = np.repeat([0.9, 0.6], 50) + rng.uniform(-0.1, 0.1, 100)  # of each image, 0.75 on average
        right = rng.random((100, 4)) < np.where(rng.random((100, 1)) < chance[:, None], 0.95, 0.15)
        error = separation.standard_error(right.ravel(), labels, groups)
        found = separations.with_intervals(row(knn=right.mean(), errors=(0, error, 0)), 0.95).iloc[0]
        held += found["knn_accuracy_low"] <= 0.75 * 0.95 + 0.25 * 0.15 <= found["knn_accuracy_high"]
    assert 0.915 <= held / 300 <= 0.985
