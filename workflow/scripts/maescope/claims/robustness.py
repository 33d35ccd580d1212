"""Claims on accuracy and embeddings under occlusion, blur, corruption and distribution shift."""

import pandas as pd

from maescope.base import statistics
from maescope.claims.verdicts import (
    NOT_THE_PAPERS,
    UNKNOWN,
    Evidence,
    Finding,
    agreement,
    beyond,
    condition,
    example,
    last_layer,
    top_1,
)
from maescope.tables import accuracies, table_2

NOT_OCCLUDED = "images are not occluded in this study"

# ---- Occlusion and blur ----------------------------------------------------------------------------------------------


def occluded_90(evidence: Evidence, paper: float) -> Finding:
    """Accuracy with 90 % of the most attended patches occluded."""
    rule = "the interval of the accuracy reaches the paper's value or lies above it"
    if evidence.occlusion is None:
        return Finding(rule, why=NOT_OCCLUDED)
    part = condition(evidence.accuracy, evidence.occlusion, "90")
    if part.empty:
        return Finding(rule, why=f"{evidence.occlusion} has no level 90")
    return top_1(part["correct"], paper, "at least", rule, evidence)


def stays_high(evidence: Evidence, paper: float) -> Finding:
    """The largest share of occluded patches up to which accuracy is high: at most 10 points below clean."""
    rule = "up to the paper's percentage the accuracy is at most 10 points below clean (paired; our reading of 'high')"
    if evidence.occlusion is None:
        return Finding(rule, why=NOT_OCCLUDED)
    both = evidence.accuracy[evidence.accuracy["perturbation"].isin(["clean", evidence.occlusion])]
    changes = accuracies.with_intervals(both.assign(model=""), ["model", "perturbation", "level"], evidence.intervals)
    changes = changes[changes["perturbation"] == evidence.occlusion].assign(level=lambda t: t["level"].astype(int))
    changes = changes[changes["level"] > 0].sort_values("level")
    if paper not in changes["level"].to_numpy():
        return Finding(rule, why=f"{evidence.occlusion} has no level {paper:g}")
    if why := evidence.doubt:
        return Finding(rule, why=why)
    low, measured, high = (_last_above(changes, end, -10) for end in ("change_low", "change", "change_high"))
    verdict = beyond(low, high, paper)
    why = "at the paper's percentage the interval of the change includes 10 points" if verdict == UNKNOWN else ""
    return Finding(rule, verdict, measured, low, high, "% of patches", changes["images"].iloc[0], why)


def _last_above(changes: pd.DataFrame, column: str, threshold: float) -> int:
    """The largest level such that a column is at or above the threshold there and at all levels before; 0 for none."""
    kept = changes["level"][(changes[column] >= threshold).cummin()]
    return int(kept.max()) if len(kept) else 0


def cosine_correct(evidence: Evidence, paper: float) -> Finding:
    """Mean cosine of the images that are still right at the strongest blur."""
    rule = "the interval of the cosine reaches the paper's value or lies above it"
    return _cosine(evidence, paper, 1, "at least", rule)


def cosine_misclassified(evidence: Evidence, paper: float) -> Finding:
    """Mean cosine of the images that are wrong at the strongest blur."""
    rule = "the interval of the cosine reaches the paper's value or lies below it"
    return _cosine(evidence, paper, 0, "at most", rule)


def _cosine(evidence: Evidence, paper: float, correct: int, direction: str, rule: str) -> Finding:
    if evidence.blur is None:
        return Finding(rule, why="images are not blurred in this study")
    part = condition(last_layer(evidence.alignment), evidence.blur, evidence.strongest)
    part = part[part["cosine"].notna()]  # an embedding of zeros has none
    values, labels, inside = (
        part["cosine"].to_numpy(),
        part["label"].to_numpy(),
        (part["correct"] == correct).to_numpy(),
    )
    if (images := int(inside.sum())) < 10:
        return Finding(rule, images=images, why=f"only {images} such images")
    low, high = statistics.subset_bootstrap(values, labels, inside, **evidence.intervals)
    verdict, why = agreement(low, high, paper, direction, 0.05)
    if why := evidence.doubt or why:  # right and wrong mean nothing then
        verdict = UNKNOWN
    return Finding(rule, verdict, statistics.class_mean(values[inside], labels[inside]), low, high, "", images, why)


def lowest_norm_difference(evidence: Evidence, paper: float) -> Finding:
    """Smallest | norm clean - norm perturbed | of an image over all levels."""
    return _norm_difference(evidence, paper, "min")


def highest_norm_difference(evidence: Evidence, paper: float) -> Finding:
    """Largest | norm clean - norm perturbed | of an image over all levels."""
    return _norm_difference(evidence, paper, "max")


def _norm_difference(evidence: Evidence, paper: float, extreme: str) -> Finding:
    if evidence.alignment is None:
        why = "images are neither blurred nor occluded in this study"
        return Finding("the paper's example lies within those here", why=why)
    last = last_layer(evidence.alignment)
    last = last[last["level"] != "0"]  # occlusion of nothing changes nothing
    drift = (last["norm_clean"] - last["norm_perturbed"]).abs()
    return example(drift.groupby([last["label"], last["image"]]).agg(extreme), evidence, paper)


# ---- ImageNet, -C, -R and -A -----------------------------------------------------------------------------------------


def top_1_imagenet(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on the validation images of all of ImageNet-1K."""
    rule = "the interval of the accuracy contains the paper's value"
    if evidence.images != "imagenet-1k":
        return Finding(rule, why="the study's images are not of all 1000 classes of ImageNet-1K")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    return top_1(condition(evidence.accuracy, "clean", "clean")["correct"], paper, "equal", rule, evidence)


def mce(evidence: Evidence, paper: float) -> Finding:
    """Mean corruption error on all of ImageNet-C."""
    rule = "the interval of the mCE contains the paper's value"
    if evidence.images != "imagenet-1k":
        return Finding(rule, why="the study's images are not of all 1000 classes of ImageNet-1K")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    if not evidence.sources or any(source["source"] != "files" for source in evidence.sources.values()):
        return Finding(rule, why="the corrupted images are not ImageNet-C's files")
    errors = table_2.errors(evidence.accuracy, evidence.sources, evidence.intervals).set_index("perturbation")
    if "accuracy" not in errors:
        return Finding(rule, why="not all 75 conditions are there")
    value, low, high, images = errors.loc["mCE", ["accuracy", "accuracy_low", "accuracy_high", "images"]]
    verdict, why = agreement(low, high, paper, "equal", 5)
    return Finding(rule, verdict, value, low, high, "%", images, why)


def top_1_r(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on ImageNet-R among its 200 classes."""
    return _top_1_shifted(evidence, paper, "imagenet-r")


def top_1_a(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on ImageNet-A among its 200 classes."""
    return _top_1_shifted(evidence, paper, "imagenet-a")


def _top_1_shifted(evidence: Evidence, paper: float, name: str) -> Finding:
    rule = "the interval of the accuracy among the 200 classes contains the paper's value"
    if name not in evidence.shift:
        return Finding(rule, why=f"the study has no dataset with the classes of {name}")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    shift = evidence.shift[name]
    return top_1(shift.loc[shift["among"] == "masked200", "correct"], paper, "equal", rule, evidence)
