"""What a study found, in five sentences: from the claims and their verdicts."""

import re

import pandas as pd

from maescope.base import statistics
from maescope.claims.claims import print_claims
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN

SENTENCES = 5

# Claim -> what was measured, `{}` being the number with its interval, and what the number of the paper is of.
TOLD = {
    "accuracy with 90% of the most attended patches occluded (percent)": (
        "with 90 % of the most attended patches occluded, accuracy is {}", " %",
    ),
    "accuracy stays high up to this occlusion (percent of patches)": (
        "accuracy stays within 10 points of that on clean images with up to {} occluded", " %",
    ),
    "mean cosine of correctly classified images at the strongest blur": (
        "at the strongest blur, embeddings of images that are classified correctly have a mean cosine of {} with the "
        "clean ones", "",
    ),
    "mean cosine of misclassified images at the strongest blur": (
        "at the strongest blur, embeddings of images that are misclassified have a mean cosine of {} with the clean "
        "ones", "",
    ),
    "lowest absolute norm difference clean against perturbed (one example)": (
        "the norm of an image's embedding changes by at least {} when the image is perturbed", " in one example",
    ),
    "highest absolute norm difference clean against perturbed (one example)": (
        "the norm of an image's embedding changes by up to {} when the image is perturbed", " in one example",
    ),
    "lowest norm over 100 random masks (one image)": (
        "over random masks, the smallest norm of an image's embedding is {}", " for one image",
    ),
    "highest norm over 100 random masks (one image)": (
        "over random masks, the largest norm of an image's embedding is {}", " for one image",
    ),
    "lowest mean attention distance over heads and layers (pixels)": (
        "the most local head attends at a mean distance of {}", " px at an input of 224 px",
    ),
    "highest mean attention distance over heads and layers (pixels)": (
        "the most global head attends at a mean distance of {}", " px at an input of 224 px",
    ),
    "first layer at which class clusters emerge": ("the first layer at which class clusters emerge is {}", " of 12"),
    "top-1 of fine-tuned MAE ViT-B on all of ImageNet-1K val (He et al.; percent)": (
        "on the validation images of ImageNet-1K, top-1 accuracy is {}", " %",
    ),
    "mean corruption error of fine-tuned MAE ViT-B on all of ImageNet-C (mCE)": (
        "on ImageNet-C, the mean corruption error is {}", " %",
    ),
    "top-1 on ImageNet-R with 200 classes (He et al.; percent)": ("on ImageNet-R, top-1 accuracy is {}", " %"),
    "top-1 on ImageNet-A with 200 classes (He et al.; percent)": ("on ImageNet-A, top-1 accuracy is {}", " %"),
    "attention is global from the first layer on, unlike that of a supervised ViT": (
        "in layer 1, the mean attention distance of the most local head, less that of the supervised model, is {}", "",
    ),
    "subspaces of classes become increasingly separable with depth": (
        "from the first to the last layer, the angle between classes, less that between halves of one class, "
        "changes by {}", "",
    ),
    "features active in a head for a class stay active under blur": (
        "at the strongest blur, {} of the features that are common to the clean images of a class stay common", "",
    ),
}  # fmt: skip
VERDICTS = {
    HOLDS: "The claim holds here",
    FAILS: "The claim does not hold here",
    UNKNOWN: "Whether the claim holds cannot be said with this data",
}


def sentences(table: pd.DataFrame, accuracy: str) -> list[str]:
    """A sentence that counts verdicts, and one or two on each of the first claims that are decided, or else measured.

    Parameters
    ----------
    table : of claims.csv
    accuracy : a sentence that is told where no claim is decided, `on_clean`
    """
    table = table.fillna({"unit": "", "why": ""})
    if table.empty:
        return ["No claims were held against these measurements.", accuracy]
    holds, fails, unknown = table["verdict"].value_counts().reindex([HOLDS, FAILS, UNKNOWN], fill_value=0)
    first = (
        f"Of {len(table)} claims of the paper, {holds} {'holds' if holds == 1 else 'hold'} in this study, "
        f"{fails} {'does' if fails == 1 else 'do'} not, and {unknown} cannot be judged with its data."
    )
    rank = (table["verdict"] == UNKNOWN) * (1 + table["measured"].isna())
    first = [first] if holds or fails else [first, accuracy]
    told = table.assign(rank=rank).sort_values("rank", kind="stable").index[: SENTENCES - len(first)]
    printed = print_claims(table)
    return [*first, *(_sentence(printed.loc[index]) for index in sorted(told))]


def on_clean(accuracy: pd.DataFrame, model: str, choices: int, confidence: float) -> str:
    """How many clean images a model is right about, with Wilson's interval, and what guessing one of so many would be.

    Parameters
    ----------
    accuracy : model, perturbation, correct
    """
    correct = accuracy.loc[(accuracy["model"] == model) & (accuracy["perturbation"] == "clean"), "correct"]
    low, high = statistics.wilson(int(correct.sum()), len(correct), confidence)
    share = f"{100 * correct.mean():.3g} % [{100 * low:.3g}, {100 * high:.3g}]"
    return (
        f"{model} is right about {share} of {len(correct)} clean images, where guessing would be {100 / choices:.3g} %."
    )


def _sentence(claim: pd.Series) -> str:
    """What was measured of a claim, what the paper has, and the verdict, from the claim as printed."""
    words, unit = TOLD.get(claim["claim"], (f"{claim['claim']}: {{}}", ""))
    if claim["measured"] == "–":
        said = f"{claim['claim']}: {'none' if claim['verdict'] == FAILS else 'not measured'}"
    else:
        number = claim["measured"].removeprefix("norm ")
        said = words.format(re.sub(r"(\S+) (\[.*?\])(.*)", r"\1\3 \2", number))  # the unit before the interval
    paper = "" if claim["paper"] == "–" else f" (in the paper {claim['paper']}{unit})"
    why = f": {claim['remark']}" if claim["remark"] else ""
    return f"{said[0].upper()}{said[1:]}{paper}. {VERDICTS[claim['verdict']]}{why}."
