"""A sweep's settings and verdicts as printed tables."""

from functools import partial

import numpy as np
import pandas as pd

from maescope import tables
from maescope.sweep import AXES, NONE, SETTING, UNMASKED
from maescope.sweepclaims import CLAIMS, ENDS, seen

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
    """The table of settings as text: one row a measure, one column a setting; of embeddings the mean patch tokens."""
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
                line[f"{100 * row['ratio']:.3g} %, {row['patch']} px"] = _with_interval(row, digits)
            rows[measure, sees, at] = line
    return pd.DataFrame(rows.values()).fillna("–")


def _with_interval(row: pd.Series, digits: int) -> str:
    ends = "" if np.isnan(row["low"]) else f" [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
    return f"{row['mean']:.{digits}f}{ends}"


def printed_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as text."""
    digits = {claim.words: LINES[claim.measure][1] for claim in CLAIMS}
    columns: list[tables.Column] = [
        ("varied", lambda row: f"{row['axis']}, at {row['held']}"),
        ("more between the extremes of", lambda row: row["claim"]),
        ("between", lambda row: _number(row["between"], f".{digits[row['claim']]}f")),
    ]
    for end in ENDS:
        columns += [
            (f"at the {end}", partial(_at, end=end, digits=digits)),
            (f"less than between by, {end}", partial(_difference, end=end, digits=digits)),
            (f"p, {end}", lambda row, end=end: _number(row[f"{end}_p"])),
            (f"p together, {end}", lambda row, end=end: _number(row[f"{end}_p_holm"])),
        ]
    return tables.as_text(
        verdicts,
        [
            *columns,
            ("verdict", lambda row: row["verdict"]),
            ("of all rows together", lambda row: row["verdict_together"]),
            ("remark", lambda row: row["why"]),
        ],
    )


def _at(row: pd.Series, end: str, digits: dict[str, int]) -> str:
    if np.isnan(row[f"{end}_value"]):
        return "–"
    unit = "px" if row["axis"] == AXES["patch"] else "%"
    setting = row[f"{end}_setting"] * (1 if unit == "px" else 100)
    return f"{row[f'{end}_value']:.{digits[row['claim']]}f} ({setting:.3g} {unit})"


def _difference(row: pd.Series, end: str, digits: dict[str, int]) -> str:
    if np.isnan(row[f"{end}_difference"]):
        return "–"
    names = {"mean": f"{end}_difference", "low": f"{end}_difference_low", "high": f"{end}_difference_high"}
    return _with_interval(pd.Series({new: row[old] for new, old in names.items()}), digits[row["claim"]])


def _number(value: float, digits: str = ".2g") -> str:
    return "–" if np.isnan(value) else f"{value:{digits}}"


def notes(runs: pd.DataFrame, images: int | None, classes: int, confidence: float) -> list[str]:
    """What a reader must know.

    Parameters
    ----------
    images : of each class, None for all there are
    """
    models = runs.loc[runs["measure"] == "theta_1", "model"].nunique()
    return [
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


def verdict_notes(verdicts: pd.DataFrame, confidence: float) -> list[str]:
    """What a reader must know of the verdicts."""
    contrasts = int(verdicts[["lowest_p", "highest_p"]].notna().to_numpy().sum())
    return [
        *seen(verdicts),
        "Holds: the mean of the settings between the extremes is above that of either extreme. Does not hold: it is "
        f"below one of them. By Welch's test over seeds at {1 - confidence:.2g}, half of it where one end is enough; "
        f"together, by Holm's adjustment for all {contrasts} contrasts of this table. Else it cannot be said.",
        "Angles of few tokens are larger by noise alone, so those between halves of one class are subtracted.",
    ]
