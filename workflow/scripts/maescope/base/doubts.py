"""Reasons not to believe an accuracy: guessing would do as well, or the head's outputs are in another order than told.

Apart from `accuracy`, because the check before extraction needs it as well.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

log = logging.getLogger(__name__)

RARE = 0.001  # how often there would be a doubt by accident
SHOWN = 3  # exchanged classes and names of an order that a sentence has


@dataclass(frozen=True)
class Doubt:
    """Why an accuracy may not be what it seems."""

    title: str  # of a figure or a note
    reason: str  # against a verdict
    words: str  # what was seen and what to do, without the name of the model

    def of(self, model: str) -> str:
        return f"{self.title}: {model}, {self.words}"


def doubts(clean: pd.DataFrame, classes: Sequence[str], choices: int) -> list[Doubt]:
    """What speaks against a model's answers to clean images.

    Parameters
    ----------
    clean : target, prediction (indices of `classes`) and correct, of each image
    classes : names of the head's outputs, in the order that the configuration says
    choices : among how many a prediction is the best
    """
    found = []
    if near_chance(clean["correct"], choices):
        words = (
            f"{100 * clean['correct'].mean():.1f} % among {choices} classes ({len(clean)} images). Do `classes` follow "
            "the order of the head's outputs, and are preprocessing and pooling those of the model? Nothing means "
            "anything before they do."
        )
        found.append(Doubt("CLEAN ACCURACY NEAR CHANCE", "the clean accuracy is near chance", words))
    if len(clean):
        others = [_in_another_order(clean, classes), _exchanged(clean, classes)]
        best = max(filter(None, others), key=lambda other: other[1], default=None)
        found += [best[0]] if best else []
    return found


def near_chance(correct: pd.Series, choices: int) -> bool:
    """Whether so many right answers could be guessing.

    Parameters
    ----------
    correct : right or wrong, of each clean image
    """
    right, images = int(correct.sum()), len(correct)
    if not images:
        return False
    from scipy.special import bdtr  # of scipy.stats.binom the cdf; most jobs that count answers have no clean images

    fewer = bdtr(right - 1, images, 1 / choices) if right else 0.0  # how often guessing gives fewer right answers
    return bool(fewer < 1 - RARE)


def warn(measure: pd.DataFrame, classes: Sequence[str], choices: int) -> None:
    """Say loudly what speaks against the answers to the clean images of a measure, with `level`."""
    for doubt in doubts(measure[measure["level"] == "clean"], classes, choices):
        log.critical("%s: %s", doubt.title, doubt.words)


def orders(classes: Sequence[str]) -> dict[str, list[str]]:
    """Orders that the outputs of a head may have instead: in words -> names."""
    text = sorted(classes)
    found = {
        "in the order of text": text,
        "in the order of numbers": sorted(classes, key=_natural),
        "in the order of text, capitals like small letters": sorted(classes, key=lambda name: (name.casefold(), name)),
        "in the order of numbers, capitals like small letters": sorted(text, key=lambda name: _natural(name.lower())),
        "from the last to the first": [*classes][::-1],
        "from the second on, the first at the end": [*classes[1:], *classes[:1]],
        "from the last on, the first behind it": [*classes[-1:], *classes[:-1]],
    }
    return {words: order for words, order in found.items() if order != list(classes)}


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers in names by their size: 2 before 10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _in_another_order(clean: pd.DataFrame, classes: Sequence[str]) -> tuple[Doubt, float] | None:
    """An order under which clearly more answers are right, and what share of them is."""
    place = {name: number for number, name in enumerate(classes)}
    target, prediction = clean["target"].to_numpy(), clean["prediction"].to_numpy()
    others = orders(classes)
    right = {words: np.array([place[name] for name in order])[prediction] == target for words, order in others.items()}
    best = max(right, key=lambda words: right[words].sum(), default=None)
    if best is None or not _clearly_more(right[best], prediction == target):
        return None
    if len(np.unique(target[right[best] & (prediction != target)])) < 2:  # of one class it tells of no order
        return None
    first = ", ".join(others[best][:SHOWN])
    words = (
        f"{100 * (prediction == target).mean():.1f} % right as `classes` has them, {100 * right[best].mean():.1f} % if "
        f"the head's outputs are {best} ({first}, ...). Give `classes` in that order; nothing means anything before."
    )
    return Doubt("CLASSES IN ANOTHER ORDER", f"the head's outputs are rather {best}", words), right[best].mean()


def _exchanged(clean: pd.DataFrame, classes: Sequence[str]) -> tuple[Doubt, float] | None:
    """Classes most of whose images are called another, each the next one's name and the last the first's.

    And what share of the answers is right if so.
    """
    called = most_called(clean)
    rings = [ring for ring in _rings(dict(zip(called["target"], called["called"], strict=True))) if len(ring) > 1]
    told, right = [], (clean["prediction"] == clean["target"]).to_numpy()
    after = right.copy()
    for ring in rings:
        names = {one: ring[(number + 1) % len(ring)] for number, one in enumerate(ring)}
        own = clean["target"].isin(ring).to_numpy()
        otherwise = (clean["prediction"] == clean["target"].map(names)).to_numpy()
        if _clearly_more(otherwise[own], right[own]):
            after[own] = otherwise[own]
            told.append(", ".join(_call(called, classes, one) for one in ring[:SHOWN]))
    if not told:
        return None
    more = f" and {len(told) - SHOWN} more such groups" if len(told) > SHOWN else ""
    words = (
        f"{'; '.join(told[:SHOWN])}{more}. Are they exchanged in `classes`, or are their folders? "
        f"{100 * right.mean():.1f} % are right as it is, {100 * after.mean():.1f} % otherwise."
    )
    return Doubt("CLASSES EXCHANGED", "images of some classes are called each other's name", words), after.mean()


def _call(called: pd.DataFrame, classes: Sequence[str], target: int) -> str:
    row = called.set_index("target").loc[target]
    return f"{row['times']} of {row['images']} images of {classes[target]} are called {classes[row['called']]}"


def most_called(clean: pd.DataFrame) -> pd.DataFrame:
    """The classes more than half of whose images have one answer: target, called (that answer), times, images."""
    counts = clean.groupby(["target", "prediction"]).size().rename("times").reset_index()
    counts["images"] = counts.groupby("target")["times"].transform("sum")
    most = counts[2 * counts["times"] > counts["images"]]
    return most.rename(columns={"prediction": "called"})


def _rings(follows: Mapping[int, int]) -> Iterator[list[int]]:
    """Rings a -> b -> ... -> a of a mapping, each once, from its smallest member on."""
    for start in sorted(follows):
        ring = [start]
        while (after := follows.get(ring[-1])) is not None and after > start and after not in ring:
            ring.append(after)
        if after == start:
            yield ring


def _clearly_more(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether one way of reading the answers makes more of the same images right than another (sign test)."""
    from scipy.special import bdtrc  # of scipy.stats.binom the sf

    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return gained > 0 and bool(bdtrc(gained - 1, gained + lost, 0.5) < RARE)
