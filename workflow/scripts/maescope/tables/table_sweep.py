"""A sweep's settings as a printed table."""

import numpy as np
import pandas as pd

from maescope.tables.sweep import NONE, SETTING, UNMASKED

LINES = {
    "probe_accuracy": ("linear probe", 3),
    "knn_accuracy": ("k-NN", 3),
    "silhouette": ("silhouette", 3),
    "theta_1": ("angle between classes (°)", 2),
    "theta_1_within": ("angle between halves of a class (°)", 2),
    "theta_1_excess": ("the one less the other (°)", 2),
    "error_low": ("error at low frequencies", 3),
    "error_high": ("error at high frequencies", 3),
    "psnr_db": ("PSNR (dB)", 1),
    "ssim": ("SSIM", 3),
    "accuracy_clean": ("fine-tuned: clean (%)", 1),
    "accuracy_blur": ("fine-tuned: blur (%)", 1),
    "accuracy_occlusion": ("fine-tuned: occlusion (%)", 1),
    "accuracy_corruption": ("fine-tuned: corruption (%)", 1),
}


def printed_settings(summary: pd.DataFrame) -> pd.DataFrame:
    """The table of settings as text: one row per measure, one column per setting; embeddings are mean patches."""
    rows = {}
    shown = summary[
        (summary["token"] != "cls") & ~(summary["measure"].str.startswith("theta_1_") & (summary["at"] != "last layer"))
    ]
    for measure, (words, digits) in LINES.items():
        for (sees, at), part in shown[shown["measure"] == measure].groupby(["seen", "at"], sort=False):
            line = {
                "measure": words,
                "encoder sees": "all" if sees == UNMASKED else sees,
                "at": "–" if at == NONE else at,
            }
            for _, row in part.sort_values(SETTING).iterrows():
                line[f"{100 * row['ratio']:.3g} %, {row['patch']} px"] = with_interval(row, digits)
            rows[measure, sees, at] = line
    return pd.DataFrame(rows.values()).fillna("–")


def with_interval(row: pd.Series, digits: int) -> str:
    ends = "" if np.isnan(row["low"]) else f" [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
    return f"{row['mean']:.{digits}f}{ends}"


def number(value: float, digits: str = ".2g") -> str:
    return "–" if np.isnan(value) else f"{value:{digits}}"


def notes(runs: pd.DataFrame, images: int | None, classes: int, confidence: float) -> list[str]:
    """What a reader must know.

    Parameters
    ----------
    images : of each class, None for all there are
    """
    models = runs.loc[runs["measure"] == "theta_1", "model"].nunique()
    left_out = runs.loc[runs["measure"] == "images_left_out", "value"]
    flat = [
        f"Up to {left_out.max():.0f} images of a model are left out of PSNR and SSIM: flat ones, in which no colour "
        "has a standard deviation of one of 255 grey levels, and of PSNR those that are rebuilt exactly."
    ]
    return (flat if len(left_out) else []) + [
        f"{models} pretrained models, {images or 'all'} images of each of {classes} classes. "
        f"In brackets Student's {100 * confidence:g} % interval over the models (seeds) of a setting; of few models it "
        "may pass 100 %, and it has no width where all are alike.",
        "Linear probe, k-NN and silhouette are of mean patch tokens. The best layer is chosen for each model on the "
        "same images, so it is a little flattered.",
        "Errors are of hidden patches at the model's own ratio, over those of painting them with the mean colour: 1 is "
        "nothing learned. Low frequencies are what a Gaussian mean over hidden pixels keeps, high ones the rest. PSNR "
        "and SSIM are of the whole picture. A lower ratio has the easier task: compare ratios by the other measures.",
        "Accuracies of the fine-tuned models are on whole images; each level of a perturbation counts the same.",
    ]
