"""Accuracy and cosine of shuffled images, by the pieces along a side."""

import pandas as pd

from maescope.base import statistics
from maescope.tables.accuracies import with_intervals


def curves(accuracy: pd.DataFrame, alignment: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """One row per model, perturbation and level, the clean images first as one piece.

    Parameters
    ----------
    accuracy : measure `accuracy` of clean and of shuffled images, with columns `model` and `perturbation`
    alignment : measure `alignment` of the shuffled ones

    Returns
    -------
    model, perturbation, pieces (along a side), accuracy and its ends in percent, images, cosine and its ends, the mean
    over classes at the last layer, 1 of clean images
    """
    by = ["model", "perturbation", "level"]
    tops = with_intervals(accuracy, by, intervals)[[*by, "accuracy", "accuracy_low", "accuracy_high", "images"]]
    last = alignment[alignment["layer"] == alignment.groupby("model")["layer"].transform("max")]
    rows = []
    for key, part in last[last["cosine"].notna()].groupby(by, sort=False):
        values, labels = part["cosine"].to_numpy(), part["label"].to_numpy()
        low, high = statistics.bootstrap(values, labels, **intervals)
        ends = {"cosine": statistics.class_mean(values, labels), "cosine_low": low, "cosine_high": high}
        rows.append(dict(zip(by, key, strict=True)) | ends)
    cosines = pd.DataFrame(rows, columns=[*by, "cosine", "cosine_low", "cosine_high"])
    shuffled = tops[tops["level"] != "clean"].merge(cosines, "left", by)
    clean = (
        tops[tops["level"] == "clean"].drop(columns="perturbation").assign(cosine=1.0, cosine_low=1.0, cosine_high=1.0)
    )
    clean = shuffled[["model", "perturbation"]].drop_duplicates().merge(clean, on="model")
    whole = pd.concat([clean, shuffled], ignore_index=True)
    whole["pieces"] = whole["level"].replace("clean", "1").astype(int)
    return whole.drop(columns="level").sort_values(["model", "perturbation", "pieces"], ignore_index=True)
