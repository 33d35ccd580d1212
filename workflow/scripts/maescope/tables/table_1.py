"""Table I: accuracy and image quality by level of Gaussian blur."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.tables.accuracies import with_intervals
from maescope.tables.published import beside_paper
from maescope.tables.writing import Column, as_text, interval, number


def table(
    accuracy: pd.DataFrame,
    quality: pd.DataFrame,
    filters: dict,
    same_crop: Sequence[str],
    intervals: dict,
    paper: pd.DataFrame | None,
) -> pd.DataFrame:
    """Table I: accuracy, PSNR and SSIM by level of blur, with the order by measured PSNR.

    Parameters
    ----------
    accuracy : measure `accuracy` of clean and blurred images with column `model`
    quality : measure `quality` of the blurred images
    filters : level -> kernel, sigma
    same_crop : models that see the very pixels that `quality` was measured on
    paper : the published table (level, accuracy, psnr_db, ssim), or None

    Returns
    -------
    one row per model and level; images_changed of them have a PSNR that is in its mean
    """
    table = with_intervals(accuracy, ["model", "level"], intervals)
    by_level = quality.groupby("level", sort=False)
    means = by_level.agg(psnr_db=("psnr_db", statistics.finite_mean), ssim=("ssim", "mean"))
    means["order_by_psnr"] = means["psnr_db"].rank(ascending=False, method="min")
    means["images_changed"] = np.isfinite(quality["psnr_db"]).groupby(quality["level"], sort=False).sum()
    means.insert(0, "sigma", [filters[level]["sigma"] for level in means.index])
    means.insert(0, "kernel", [filters[level]["kernel"] for level in means.index])
    table = table.merge(means.reset_index(), how="left", on="level")
    table.loc[~table["model"].isin(same_crop), ["psnr_db", "ssim", "order_by_psnr", "images_changed"]] = np.nan
    for column in ("kernel", "order_by_psnr", "images_changed"):
        table[column] = table[column].astype("Int64")
    if paper is not None:
        table = beside_paper(table, paper, ["level", "kernel", "sigma"], ["accuracy", "psnr_db", "ssim"])
    return table


NOTES = [
    "Kernel and sigma in pixels of the model's input; change in points and p (exact McNemar) against the clean images.",
    "PSNR: data range 1, mean over images of the PSNR of each.",
    "SSIM: Wang et al. 2004, Gaussian window 11 x 11, sigma 1.5, K1 0.01, K2 0.03, population covariance, mean over "
    "RGB and over positions where the whole window is inside, data range 1; mean over images.",
    "A dash for a model that sees other crops than the first, on which PSNR and SSIM are measured.",
    "Order by PSNR: 1 is the level that, as measured, changes the images least; the paper's order need not be it.",
]


def notes(quality: pd.DataFrame) -> list[str]:
    """`NOTES`, and which images are not in the means of PSNR and SSIM.

    Parameters
    ----------
    quality : measure `quality` of the blurred images
    """
    lines, images = list(NOTES), len(quality.drop_duplicates(["label", "image"]))
    flat = quality.loc[quality["ssim"].isna(), ["label", "image"]].drop_duplicates()
    if len(flat):
        first = flat.iloc[0]
        lines.append(
            f"{len(flat)} of {images} images are flat (no colour has a standard deviation of one of 255 grey levels; "
            f"the first is {first['image']}): there is hardly anything to blur, so PSNR and SSIM are means over the "
            "others."
        )
    same = np.isinf(quality["psnr_db"]).groupby(quality["level"], sort=False).sum()
    if same.any():
        listed = ", ".join(f"{level} {number}" for level, number in same[same > 0].items())
        lines.append(
            f"Images that a level does not change at all, whose PSNR is infinite: {listed}. The mean is over the "
            "others, and infinite where there are none."
        )
    return lines


def _change(row: pd.Series) -> str:
    return interval(row, "change", "change_low", "change_high", 1, sign=True)


_COLUMNS: list[Column] = [
    ("model", lambda r: r["model"]),
    ("level", lambda r: r["level"]),
    ("kernel", lambda r: number(r["kernel"], 0)),
    ("sigma", lambda r: number(r["sigma"], 1)),
    ("accuracy (%)", partial(interval, value="accuracy", low="accuracy_low", high="accuracy_high", digits=1)),
    ("change", lambda r: "–" if r["level"] == "clean" else _change(r)),
    ("p", lambda r: "–" if r["level"] == "clean" else f"{r['p_mcnemar']:.2g}"),
    ("PSNR (dB)", lambda r: number(r["psnr_db"], 2)),
    ("SSIM", lambda r: number(r["ssim"], 3)),
    ("order by PSNR", lambda r: number(r["order_by_psnr"], 0)),
]
_PAPER: list[Column] = [
    ("paper's accuracy", lambda r: number(r["accuracy_paper"], 1)),
    ("difference", lambda r: number(r["accuracy_difference"], 1, sign=True)),
    ("paper's PSNR", lambda r: number(r["psnr_db_paper"], 2)),
    ("paper's SSIM", lambda r: number(r["ssim_paper"], 3)),
]


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """Table I as text."""
    return as_text(table, _COLUMNS + (_PAPER if "accuracy_paper" in table else []))
