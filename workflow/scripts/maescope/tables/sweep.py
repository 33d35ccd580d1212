"""What mask ratio and patch size decide: measures of many models by setting, with intervals over their seeds.

The claims are those of Kong et al. (CVPR 2023): ratios and patch sizes between the extremes give semantic
representations, extreme ones low-level ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.tables.layers import first_angles

UNMASKED, OWN, NONE = "unmasked", "own ratio", "none"
MEASURE = ["measure", "token", "seen", "at"]  # what a number is of
SETTING = ["ratio", "patch"]  # of the model it is measured of
AXES = {"ratio": "mask ratio", "patch": "patch size"}


class Series(NamedTuple):
    """One of the numbers that are measured of every setting, and how it is named."""

    words: str
    measure: str
    token: str = NONE
    seen: str = UNMASKED
    at: str = NONE


def chosen(frame: pd.DataFrame, series: Series) -> pd.DataFrame:
    """The rows of `points` or `summary` that are of one series."""
    return frame[(frame[MEASURE] == list(series[1:])).all(axis=1)]


def separations(separation: pd.DataFrame, seen: str) -> pd.DataFrame:
    """Silhouette, k-NN and linear probe of all images.

    Parameters
    ----------
    separation : measure `separation` with column `model`
    seen : what the encoder saw, `UNMASKED` or its `OWN` ratio
    """
    columns = ["silhouette", "knn_accuracy", "probe_accuracy"]
    part = separation[separation["scope"] == "all"]
    long = part.melt(["model", "token", "layer"], columns, var_name="measure", value_name="value")
    return long.assign(seen=seen)


def angles(angles: pd.DataFrame) -> pd.DataFrame:
    """theta_1 between classes, between halves of one class, and the excess of the one over the other.

    Medians over pairs in degrees. Few tokens make all angles larger, those of halves as well (measure `angles`).
    """
    names = {"between": "theta_1", "within": "theta_1_within"}
    first = pd.concat(first_angles(part) for _, part in angles.groupby("model", sort=False))
    first = first[first["kind"].isin(names)]
    median = first.groupby(["model", "kind", "layer"], sort=False)["angle_deg"].median().reset_index(name="value")
    median["measure"] = median.pop("kind").map(names)
    both = median.pivot(index=["model", "layer"], columns="measure", values="value")
    both["theta_1_excess"] = both["theta_1"] - both["theta_1_within"]
    long = both.reset_index().melt(["model", "layer"], var_name="measure", value_name="value")
    return long.assign(token="patch", seen=OWN)


def rebuilt(errors: pd.DataFrame) -> pd.DataFrame:
    """Errors of hidden patches over those of painting them with the mean colour, PSNR and SSIM.

    PSNR and SSIM are of images that are not flat, PSNR of those that are not rebuilt exactly, where it is infinite;
    `images_left_out` counts the others, where there are some.

    Parameters
    ----------
    errors : measure `reconstruction_error` with column `model`
    """
    by_model = errors.groupby("model", sort=False)
    sums, left_out = by_model.mean(numeric_only=True), (~np.isfinite(errors["psnr_db"])).groupby(errors["model"]).sum()
    found = sums[["ssim"]].assign(
        psnr_db=by_model["psnr_db"].agg(statistics.finite_mean),
        error_low=sums["error_low"] / sums["blank_low"],
        error_high=sums["error_high"] / sums["blank_high"],
    )
    found = found.assign(images_left_out=left_out) if left_out.any() else found
    long = found.reset_index().melt("model", var_name="measure", value_name="value")
    return long.assign(token=NONE, seen=OWN, layer=np.nan)


def robustness(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent of clean images and, each level counting the same, of each family of perturbations.

    Parameters
    ----------
    accuracy : measure `accuracy` with columns `model`, `perturbation` and `family`; level 0, of occlusion, is the clean
        images again and left out
    """
    by = ["model", "family", "perturbation", "level"]
    levels = accuracy[accuracy["level"] != "0"].groupby(by, sort=False)["correct"].mean()
    means = 100 * levels.groupby(["model", "family"], sort=False).mean()
    long = means.reset_index(name="value").rename(columns={"family": "measure"})
    return long.assign(measure="accuracy_" + long["measure"], token=NONE, seen=UNMASKED, layer=np.nan)


def runs(measured: Sequence[pd.DataFrame], models: pd.DataFrame) -> pd.DataFrame:
    """All of the above: ratio, patch, model, measure, token, seen, layer, value.

    Parameters
    ----------
    models : model, ratio, patch
    """
    every = models.merge(pd.concat(measured, ignore_index=True), on="model", validate="one_to_many")
    return every[[*SETTING, "model", "measure", "token", "seen", "layer", "value"]]


def points(runs: pd.DataFrame) -> pd.DataFrame:
    """One value per model and measure, with a column `at`: the last layer and the best one, where there are layers.

    The best layer of each model is that of its largest value on the same images, so a little flattered.
    """
    whole, deep = runs[runs["layer"].isna()], runs[runs["layer"].notna()]
    own = deep.groupby(["model", "measure", "token", "seen"], sort=False)
    last = deep[deep["layer"] == own["layer"].transform("max")]
    best = deep.loc[own["value"].idxmax()]
    return pd.concat([whole.assign(at=NONE), last.assign(at="last layer"), best.assign(at="best layer")])


def summary(points: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Mean over the models of a setting, with Student's interval and what it is made of."""
    rows = []
    for key, part in points.groupby([*SETTING, *MEASURE], sort=False):
        values = part["value"].to_numpy()
        low, high = statistics.t_interval(values, confidence)
        numbers = {"mean": values.mean(), "low": low, "high": high, "smallest": values.min(), "largest": values.max()}
        layers = sorted(part["layer"].dropna().astype(int).unique())
        numbers |= {"models": len(values), "layers": " ".join(map(str, layers))}
        rows.append(dict(zip([*SETTING, *MEASURE], key, strict=True)) | numbers)
    return pd.DataFrame(rows)


def held(frame: pd.DataFrame, axis: str) -> tuple[str, float]:
    """What stays the same along an axis, ratio or patch size, and its value: of most settings, else the middle one.

    Of all settings, whether or not a measure was taken of each: give the whole of `runs`, `points` or `summary`.
    """
    other = next(name for name in SETTING if name != axis)
    most = frame.drop_duplicates(SETTING)[other].mode()
    return other, most[len(most) // 2]


def along(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The settings that differ in `axis` alone."""
    other, value = held(frame, axis)
    return frame[frame[other] == value].sort_values(axis, kind="stable")


def axes(frame: pd.DataFrame) -> list[str]:
    """Ratio and patch size, those of which there are several values to compare."""
    return [axis for axis in AXES if along(frame, axis)[axis].nunique() > 1]


def fixed(frame: pd.DataFrame, axis: str) -> str:
    """What stays the same along an axis, in words."""
    other, value = held(frame, axis)
    return f"patches of {value:g} px" if other == "patch" else f"a ratio of {100 * value:.3g} %"
