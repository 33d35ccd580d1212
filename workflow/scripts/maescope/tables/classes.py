"""Accuracy by class, and what the images that are wrong are called instead."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.base import statistics


def confusion(accuracy: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How often images of each class are called what.

    Parameters
    ----------
    accuracy : measure `accuracy` of clean images with column `model`
    classes : names of the head's outputs

    Returns
    -------
    model, label, called, times, images (of the label), in the order of the head's outputs; only what was answered
    """
    models = pd.Categorical(accuracy["model"], accuracy["model"].unique(), ordered=True)  # in the order they come in
    counts = accuracy.assign(model=models).groupby(["model", "target", "prediction"], observed=True).size()
    counts = counts.rename("times").reset_index().astype({"model": str})
    counts["images"] = counts.groupby(["model", "target"])["times"].transform("sum")
    names = np.asarray(classes, dtype=object)
    counts = counts.assign(label=names[counts["target"]], called=names[counts["prediction"]])
    return counts[["model", "label", "called", "times", "images"]]


def by_class(confused: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """Accuracy of each class in percent, with Wilson's interval, and the most frequent wrong answer.

    Parameters
    ----------
    confused : from `confusion`

    Returns
    -------
    model, label, images, accuracy, accuracy_low, accuracy_high, called (of equally frequent ones the first output; none
    where all are right), called_share in percent
    """
    rows = []
    for (model, label), own in confused.groupby(["model", "label"], sort=False):
        images, wrong = int(own["images"].iloc[0]), own[own["called"] != label]
        right = images - int(wrong["times"].sum())
        low, high = statistics.wilson(right, images, intervals["confidence"])
        row = {"model": model, "label": label, "images": images, "accuracy": 100 * right / images}
        row |= {"accuracy_low": 100 * low, "accuracy_high": 100 * high, "called": None, "called_share": np.nan}
        if len(wrong):
            most = wrong.loc[wrong["times"].idxmax()]
            row |= {"called": most["called"], "called_share": 100 * most["times"] / images}
        rows.append(row)
    return pd.DataFrame(rows)
