"""What claims are held against, what is found, and when a number holds.

A verdict is `holds`, `does not hold` or `cannot be said with this data`, the last also where the data are there but the
interval is wider than would tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.base.doubts import doubts

NOT_THE_PAPERS = "the number is of the paper's model, and this one is not it"
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be said with this data"


@dataclass
class Finding:
    """What was measured of a claim, and what follows."""

    rule: str  # when the claim counts as holding
    verdict: str = UNKNOWN
    measured: float = np.nan
    low: float = np.nan  # of the interval, in the unit of the claim
    high: float = np.nan
    unit: str = ""
    images: float = np.nan
    why: str = ""  # of a verdict that needs a reason


@dataclass
class Evidence:
    """The measures of a study that claims are held against; None where the study has not measured one.

    Parameters
    ----------
    accuracy, alignment : with column `perturbation`, of the fine-tuned model
    features : of the fine-tuned model under blur
    shift : imagenet-r, imagenet-a -> measure `shift`
    attention : of clean images and the pretrained model; attention_supervised, of a supervised one
    separation, mask_invariance, angles : of the pretrained model
    blur, occlusion : names of the perturbations, None without one; strongest : the last level of blur
    sources : perturbation -> corruption and source, as in Table II
    choices : how many a guess chooses among; outputs, the names of what the head tells apart
    images : which list of classes the study's dataset has all of, e.g. imagenet-1k
    crop : the model's input in pixels: its side, or height and width
    repeats_paper : whether model and data are the paper's, so that absolute numbers can be compared
    """

    accuracy: pd.DataFrame
    blur: str | None
    strongest: str | None
    occlusion: str | None
    intervals: dict
    crop: int | Sequence[int]
    choices: int
    outputs: list[str]
    repeats_paper: bool
    images: str | None = None
    sources: dict[str, dict] = field(default_factory=dict)
    shift: dict[str, pd.DataFrame] = field(default_factory=dict)
    alignment: pd.DataFrame | None = None
    attention: pd.DataFrame | None = None
    attention_supervised: pd.DataFrame | None = None
    separation: pd.DataFrame | None = None
    mask_invariance: pd.DataFrame | None = None
    angles: pd.DataFrame | None = None
    features: pd.DataFrame | None = None

    @cached_property
    def doubt(self) -> str:
        """A reason against any verdict on right and wrong answers: guessing, or classes in another order; none else."""
        found = doubts(condition(self.accuracy, "clean", "clean"), self.outputs, self.choices)
        return "; ".join(one.reason for one in found)


# ---- Verdicts --------------------------------------------------------------------------------------------------------


def agreement(low: float, high: float, paper: float, direction: str, finest: float) -> tuple[str, str]:
    """Whether a measured interval agrees with a published number: the verdict, and why where it cannot be said.

    Parameters
    ----------
    direction : at least, at most or equal: the interval must reach the paper's value, or lie on the good side of it
    finest : half a width of the interval beyond which nothing can be said
    """
    if np.isnan(low) or np.isnan(high):
        return UNKNOWN, "a single image has no interval"
    if (high - low) / 2 > finest:
        return UNKNOWN, f"the interval is wider than +-{finest:g}"
    reaches = {"at least": high >= paper, "at most": low <= paper, "equal": low <= paper <= high}
    return (HOLDS if reaches[direction] else FAILS), ""


def beyond(low: float, high: float, threshold: float) -> str:
    """Whether a whole interval is at or above a threshold, below it, or neither."""
    return HOLDS if low >= threshold else FAILS if high < threshold else UNKNOWN


def top_1(correct: pd.Series, paper: float, direction: str, rule: str, evidence: Evidence) -> Finding:
    """A claim about an accuracy in percent."""
    right, number = int(correct.sum()), len(correct)
    low, high = (100 * end for end in statistics.wilson(right, number, evidence.intervals["confidence"]))
    verdict, why = agreement(low, high, paper, direction, 5)
    if why := evidence.doubt or why:
        verdict = UNKNOWN
    return Finding(rule, verdict, 100 * right / number, low, high, "%", number, why)


def example(values: pd.Series, evidence: Evidence, paper: float) -> Finding:
    """A number that the paper gives of one image, against the middle and the central share of the images here."""
    rule = "the paper's example lies within the central share of the images measured here; only for the paper's model"
    tail = (1 - evidence.intervals["confidence"]) / 2
    low, measured, high = values.quantile([tail, 0.5, 1 - tail])
    finding = Finding(rule, UNKNOWN, measured, low, high, "norm", len(values))
    if evidence.repeats_paper:
        finding.verdict = HOLDS if low <= paper <= high else FAILS
    else:
        finding.why = "norms depend on the model, and this one is not the paper's"
    return finding


def condition(measure: pd.DataFrame, perturbation: str, level: str) -> pd.DataFrame:
    return measure[(measure["perturbation"] == perturbation) & (measure["level"] == level)]


def last_layer(alignment: pd.DataFrame) -> pd.DataFrame:
    return alignment[alignment["layer"] == alignment["layer"].max()]
