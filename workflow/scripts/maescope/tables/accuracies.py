"""Accuracies of conditions with their intervals, and what a reader must know of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.base.doubts import Doubt, doubts
from maescope.base.statistics import Contrast


def with_intervals(accuracy: pd.DataFrame, by: Sequence[str], intervals: dict) -> pd.DataFrame:
    """Top-1 accuracy and its change from clean, paired by image, of each condition; in percent and points.

    The interval of an accuracy is Wilson's, which is not empty where a model is all right, all wrong, or right on some
    classes only; that of `bootstrap` resamples images within classes; that of the change goes with its p.

    Parameters
    ----------
    accuracy : rows of the measure `accuracy` with `by` among its columns; level `clean` once for each model
    by : columns that tell the conditions apart, `model` and `level` among them
    intervals : resamples, confidence and seed
    """
    images = ["model", "label", "image"]
    clean = accuracy.loc[accuracy["level"] == "clean", [*images, "correct"]].rename(columns={"correct": "clean"})
    rows = []
    for key, part in accuracy.merge(clean, on=images, validate="many_to_one").groupby(list(by), sort=False):
        correct, before, labels = part["correct"].to_numpy(bool), part["clean"].to_numpy(bool), part["label"].to_numpy()
        same = (part["level"] == "clean").all()
        change = Contrast(0.0, 0.0, 0.0, 1.0) if same else statistics.paired(before, correct, intervals["confidence"])
        numbers = {
            "accuracy": correct.mean(),
            **_ends("accuracy", statistics.wilson(correct.sum(), len(correct), intervals["confidence"])),
            **_ends("bootstrap", statistics.bootstrap(correct, labels, **intervals, balanced=False)),
            "change": change.value,
            **_ends("change", (change.low, change.high)),
        }
        row = dict(zip(by, key, strict=True)) | {name: 100 * value for name, value in numbers.items()}
        rows.append(row | {"p_mcnemar": change.p, "images": len(part)})
    return pd.DataFrame(rows)


def _ends(name: str, interval: tuple[float, float]) -> dict[str, float]:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def occlusion_curves(accuracy: pd.DataFrame, intervals: dict) -> pd.DataFrame:
    """Figure 5: accuracy by percentage of occluded patches, and the area under each curve as a mean accuracy.

    Parameters
    ----------
    accuracy : measure `accuracy` with columns `model` and `perturbation`; levels are percentages, 0 among them
    """
    rows = []
    for (model, perturbation, level), part in accuracy.groupby(["model", "perturbation", "level"], sort=False):
        correct = part["correct"].to_numpy(bool)
        low, high = statistics.wilson(correct.sum(), len(correct), intervals["confidence"])
        row = {"model": model, "perturbation": perturbation, "percent": int(level), "images": len(part)}
        rows.append(row | dict(accuracy=100 * correct.mean(), accuracy_low=100 * low, accuracy_high=100 * high))
    curves = pd.DataFrame(rows).sort_values(["model", "perturbation", "percent"], ignore_index=True, key=_first_seen)
    areas = {
        key: np.trapezoid(curve["accuracy"], curve["percent"]) / np.ptp(curve["percent"]) if len(curve) > 1 else np.nan
        for key, curve in curves.groupby(["model", "perturbation"])
    }
    return curves.assign(area=[areas[key] for key in zip(curves["model"], curves["perturbation"], strict=True)])


def _first_seen(column: pd.Series) -> pd.Series:
    """Sort names in the order in which they come, numbers by size."""
    return column if column.dtype.kind in "iuf" else pd.Series(pd.factorize(column)[0], column.index)


def notes_on_doubts(accuracy: pd.DataFrame, classes: Sequence[str], choices: int) -> list[str]:
    """A loud note on each reason not to believe a model's accuracy, by its answers to clean images."""
    return [doubt.of(model) for model, own in doubted(accuracy, classes, choices).items() for doubt in own]


def doubted(accuracy: pd.DataFrame, classes: Sequence[str], choices: int) -> dict[str, list[Doubt]]:
    """The models whose answers to clean images are in doubt, and why.

    Parameters
    ----------
    accuracy : measure `accuracy` with column `model`
    classes, choices : names of the head's outputs, and among how many a prediction is the best
    """
    clean = accuracy[accuracy["level"] == "clean"].groupby("model", sort=False)
    found = {model: doubts(own, classes, choices) for model, own in clean}
    return {model: own for model, own in found.items() if own}


def notes_on_accuracy(accuracy: pd.DataFrame, count: int | None, intervals: dict) -> list[str]:
    """What a reader must know of the sample and the intervals."""
    sizes = accuracy.drop_duplicates(["label", "image"]).groupby("label", sort=False).size()
    notes = [
        f"{sizes.sum()} images of {len(sizes)} classes; {100 * intervals['confidence']:g} % intervals in brackets: "
        "Wilson's for accuracies; of changes the one that excludes 0 where exact McNemar's p is below "
        f"{1 - intervals['confidence']:.2g} (Fay and Lumbard 2021); for cosines bootstrap over images within classes, "
        f"{intervals['resamples']} resamples, of no width where the images of each class agree."
    ]
    fewer = sizes[sizes < count] if count else sizes[:0]
    if len(fewer):
        listed = ", ".join(f"{label} {size}" for label, size in fewer.items())
        notes.append(f"Fewer than the {count} images asked for: {listed}.")
    return notes


def notes_on_size(images: pd.DataFrame, resize: dict[str, int]) -> list[str]:
    """What a reader must know of pictures that are small for a model.

    Parameters
    ----------
    images : the sampled list, with width and height in pixels
    resize : model -> shorter side in pixels that pictures are brought to
    """
    side, notes = images[["width", "height"]].min(axis=1), []
    for size in sorted(set(resize.values())):
        small = side[2 * side < size]
        if len(small):
            models = ", ".join(model for model, own in resize.items() if own == size)
            notes.append(
                f"{len(small)} of {len(side)} pictures are enlarged more than twofold for {models}, the smallest from "
                f"{small.min()} to {size} px; what they lack in detail is interpolated."
            )
    return notes
