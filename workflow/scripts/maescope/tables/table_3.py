"""Table III: cosine of clean and perturbed embeddings at the last layer."""

from functools import partial

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.tables.accuracies import with_intervals
from maescope.tables.published import beside_paper
from maescope.tables.writing import Column, as_text, interval, number


def table(alignment: pd.DataFrame, accuracy: pd.DataFrame, intervals: dict, paper: pd.DataFrame | None) -> pd.DataFrame:
    """Table III: cosine of clean and perturbed mean-patch embeddings at the last layer, by level.

    Parameters
    ----------
    alignment : measure `alignment` with columns `model` and `perturbation`
    accuracy : measure `accuracy` of the same conditions and of the clean images, with the same columns
    paper : the published table (perturbation, level, mean_cosine), or None
    """
    by = ["model", "perturbation", "level"]
    last = alignment[alignment["layer"] == alignment.groupby("model")["layer"].transform("max")]
    rows = []
    for key, part in last.groupby(by, sort=False):
        right = part["correct"].to_numpy(bool)
        row = dict(zip(by, key, strict=True)) | _mean_cosine(part, None, "", intervals)
        row |= _mean_cosine(part, right, "_correct", intervals) | _mean_cosine(
            part, ~right, "_misclassified", intervals
        )
        drift = (part["norm_clean"] - part["norm_perturbed"]).abs()
        rows.append(row | {"norm_difference": statistics.class_mean(drift.to_numpy(), part["label"].to_numpy())})
    tops = with_intervals(accuracy, by, intervals)[[*by, "accuracy", "accuracy_low", "accuracy_high"]]
    table = pd.DataFrame(rows).merge(tops, on=by)
    if paper is not None:
        table = beside_paper(table, paper, ["perturbation", "level"], ["mean_cosine"])
    return table


def _mean_cosine(images: pd.DataFrame, inside: np.ndarray | None, suffix: str, intervals: dict) -> dict[str, float]:
    """Mean over classes of the mean cosine, its interval, and of how many images; NaN where there are none.

    Parameters
    ----------
    inside : (n,) bool, the images that are meant, all for None; the interval of some is that of a subset by outcome
    """
    names = [f"mean_cosine{suffix}", f"cosine_low{suffix}", f"cosine_high{suffix}"]
    known = images["cosine"].notna().to_numpy()  # an embedding of zeros has none
    values, labels = images["cosine"].to_numpy()[known], images["label"].to_numpy()[known]
    own = np.ones(len(values), bool) if inside is None else inside[known]
    numbers = [np.nan] * 3
    if own.any():
        ends = (
            statistics.bootstrap(values, labels, **intervals)
            if inside is None
            else statistics.subset_bootstrap(values, labels, own, **intervals)
        )
        numbers = [statistics.class_mean(values[own], labels[own]), *ends]
    return dict(zip(names, numbers, strict=True)) | {f"images{suffix}": int(own.sum())}


def notes(alignment: pd.DataFrame) -> list[str]:
    """`NOTES`, and which images have no cosine.

    Parameters
    ----------
    alignment : as for `table`
    """
    last = alignment[alignment["layer"] == alignment.groupby("model")["layer"].transform("max")]
    without = last[last["cosine"].isna()]
    if without.empty:
        return list(NOTES)
    first, images = without.iloc[0], len(without.drop_duplicates(["label", "image"]))
    where = ", ".join(without["model"].unique())
    return [
        *NOTES,
        f"{images} images (the first is {first['image']}) have an embedding of zeros, clean or perturbed, of {where}: "
        "they have no cosine there and are in no mean of cosines.",
    ]


NOTES = [
    "Cosine of the mean patch token of the clean and of the perturbed image at the last encoder layer, before any "
    "final norm; mean over the images of a class, then over classes.",
    "Correct and misclassified: the same over the perturbed images that the model gets right and over those it gets "
    "wrong, their number in parentheses; the norm difference is the mean of | norm clean - norm perturbed |. Their "
    "intervals are in the CSV file: all images are resampled within classes, and those of the kind averaged.",
]
_COLUMNS: list[Column] = [
    ("model", lambda r: r["model"]),
    ("perturbation", lambda r: r["perturbation"]),
    ("level", lambda r: r["level"]),
    ("cosine", partial(interval, value="mean_cosine", low="cosine_low", high="cosine_high", digits=3)),
    ("correct", lambda r: f"{number(r['mean_cosine_correct'], 3)} ({r['images_correct']})"),
    ("misclassified", lambda r: f"{number(r['mean_cosine_misclassified'], 3)} ({r['images_misclassified']})"),
    ("norm difference", lambda r: number(r["norm_difference"], 2)),
    ("accuracy (%)", partial(interval, value="accuracy", low="accuracy_low", high="accuracy_high", digits=1)),
]
_PAPER: list[Column] = [
    ("paper's cosine", lambda r: number(r["mean_cosine_paper"], 3)),
    ("difference", lambda r: number(r["mean_cosine_difference"], 3, sign=True)),
]


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """Table III as text."""
    return as_text(table, _COLUMNS + (_PAPER if "mean_cosine_paper" in table else []))
