"""What the paper says against what was measured: one small function per claim, each with its rule in words.

A function takes the evidence and the paper's value and returns a `Finding`. To add a claim: a function in the module of
its subject, its name in `CLAIMS` under the words of config/paper/claims.csv, and a row there.
"""

from collections.abc import Callable

import pandas as pd

from maescope.claims.heads import features_persist
from maescope.claims.layers import (
    first_clustered_layer,
    growing_angles,
    highest_distance,
    highest_mask_norm,
    lowest_distance,
    lowest_mask_norm,
    more_global_than_supervised,
)
from maescope.claims.robustness import (
    cosine_correct,
    cosine_misclassified,
    highest_norm_difference,
    lowest_norm_difference,
    mce,
    occluded_90,
    stays_high,
    top_1_a,
    top_1_imagenet,
    top_1_r,
)
from maescope.claims.verdicts import Evidence, Finding


def table(evidence: Evidence, paper: pd.DataFrame) -> pd.DataFrame:
    """One row per claim: claim, where, paper, measured, low, high, unit, images, verdict, rule, why.

    Parameters
    ----------
    paper : claim, where, value (none for a claim without a number)
    """
    rows = []
    for _, row in paper.iterrows():
        finding = CLAIMS[row["claim"]](evidence, row["value"]) if row["claim"] in CLAIMS else Finding("no rule yet")
        rows.append({"claim": row["claim"], "where": row["where"], "paper": row["value"]} | vars(finding))
    order = ["claim", "where", "paper", "measured", "low", "high", "unit", "images", "verdict", "rule", "why"]
    return pd.DataFrame(rows, columns=order)


CLAIMS: dict[str, Callable[[Evidence, float], Finding]] = {
    "accuracy with 90% of the most attended patches occluded (percent)": occluded_90,
    "accuracy stays high up to this occlusion (percent of patches)": stays_high,
    "mean cosine of correctly classified images at the strongest blur": cosine_correct,
    "mean cosine of misclassified images at the strongest blur": cosine_misclassified,
    "lowest absolute norm difference clean against perturbed (one example)": lowest_norm_difference,
    "highest absolute norm difference clean against perturbed (one example)": highest_norm_difference,
    "lowest norm over 100 random masks (one image)": lowest_mask_norm,
    "highest norm over 100 random masks (one image)": highest_mask_norm,
    "lowest mean attention distance over heads and layers (pixels)": lowest_distance,
    "highest mean attention distance over heads and layers (pixels)": highest_distance,
    "first layer at which class clusters emerge": first_clustered_layer,
    "top-1 of fine-tuned MAE ViT-B on all of ImageNet-1K val (He et al.; percent)": top_1_imagenet,
    "mean corruption error of fine-tuned MAE ViT-B on all of ImageNet-C (mCE)": mce,
    "top-1 on ImageNet-R with 200 classes (He et al.; percent)": top_1_r,
    "top-1 on ImageNet-A with 200 classes (He et al.; percent)": top_1_a,
    "attention is global from the first layer on, unlike that of a supervised ViT": more_global_than_supervised,
    "subspaces of classes become increasingly separable with depth": growing_angles,
    "features active in a head for a class stay active under blur": features_persist,
}

NOTES = [
    "Verdicts are about the model and images of this study, each by the rule in its row: where these are not the "
    "paper's, a claim that does not hold here may well hold there. Of what is not there, or measured too coarsely, "
    "nothing is said.",
    "Intervals: Wilson's for accuracies; of changes the one that goes with exact McNemar's test; bootstrap over images "
    "within classes for cosines and distances (for the cosines of right and of wrong images, of which no fixed number "
    "was drawn, all images are resampled and those of the kind averaged; where a class has one image only, images "
    "are resampled whatever their class), and over classes for angles and features; for a number that the paper gives "
    "of one image, the central share of images.",
]


def print_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    return pd.DataFrame(
        {
            "claim": table["claim"],
            "where": table["where"],
            "paper": [_short(value) for value in table["paper"]],
            "measured": [_measured(row) for _, row in table.iterrows()],
            "verdict": table["verdict"],
            "holds if": table["rule"],
            "remark": table["why"],
        }
    )


def _short(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}"


def _measured(row: pd.Series) -> str:
    """The measured value with its interval and unit."""
    if pd.isna(row["measured"]):
        return "–"
    ends = "" if pd.isna(row["low"]) else f" [{_short(row['low'])}, {_short(row['high'])}]"
    value, unit = f"{_short(row['measured'])}{ends}", row["unit"]
    return f"{unit} {value}" if unit in ("layer", "norm") else f"{value} {unit}".rstrip()
