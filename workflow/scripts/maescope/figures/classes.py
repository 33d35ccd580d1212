"""Accuracy by class, with the confusion that shows what is wrong, of models side by side."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from maescope.base.doubts import Doubt
from maescope.figures.style import CHANCE, COLOURS, COLUMN

MOST = 20  # classes that are all shown, each with each
LOWEST = 15  # classes that are named where there are more
RIGHT, WRONG = COLOURS[:2]


def figure_classes(
    confused: pd.DataFrame, by_class: pd.DataFrame, chance: float, doubted: Mapping[str, Sequence[Doubt]]
) -> Figure:
    """One column per model: all classes with their confusion, or where they are many the lowest of them.

    Parameters
    ----------
    confused : model, label, called, times, images
    by_class : model, label, accuracy, accuracy_low, accuracy_high, called, called_share (percent)
    chance : accuracy of guessing, in percent
    doubted : models whose accuracy is in doubt, and why
    """
    models = list(by_class["model"].unique())
    labels = by_class["label"].nunique()
    across = min(2, len(models))
    down = -(-len(models) // across)
    height = 1.1 + 0.16 * max(labels, 6) if labels <= MOST else 2.2 + 0.16 * LOWEST
    figure = plt.figure(figsize=(COLUMN * across, height * down))
    for part, model in zip(figure.subfigures(down, across, squeeze=False).flat, models, strict=False):
        own = by_class[by_class["model"] == model].reset_index(drop=True)
        if labels <= MOST:
            _each_with_each(part, confused[confused["model"] == model], own, chance)
        else:
            _lowest(part, own, chance)
        why = doubted.get(model, ())
        colour = {"color": WRONG} if why else {}
        part.suptitle("\n".join([model, *(doubt.title for doubt in why)]), fontsize=8, **colour)
    return figure


def _each_with_each(part: SubFigure, confused: pd.DataFrame, own: pd.DataFrame, chance: float) -> None:
    """What the images of each class are called, and beside it how many are right."""
    matrix, dots = part.subplots(1, 2, sharey=True, width_ratios=[1.75, 1])
    labels, rows = list(own["label"]), np.arange(len(own))
    columns = labels if set(confused["called"]) <= set(labels) else [*labels, "others"]
    shares = np.zeros((len(labels), len(columns)))
    for _, one in confused.iterrows():
        column = columns.index(one["called"]) if one["called"] in labels else len(labels)
        shares[labels.index(one["label"]), column] += one["times"] / one["images"]
    own_class = np.eye(*shares.shape, dtype=bool)
    colours = np.where(own_class[..., None], _rgb(RIGHT), _rgb(WRONG))  # (classes, columns, 3)
    matrix.imshow(1 - shares[..., None] * (1 - colours), aspect="auto")
    for row, column in np.argwhere(shares >= 0.005) if len(columns) <= 12 else ():
        dark = shares[row, column] > 0.5
        text = {"color": "white" if dark else "0.2", "fontsize": 5, "ha": "center", "va": "center"}
        matrix.text(column, row, f"{100 * shares[row, column]:.0f}", **text)
    matrix.grid(False)
    upright = 90 if max(map(len, columns)) > 2 else 0
    matrix.set_xticks(range(len(columns)), [_short(name, 12) for name in columns], rotation=upright, fontsize=6)
    matrix.set_yticks(rows, [_short(name, 14) for name in labels], fontsize=6)
    matrix.set(xlabel="called (% of the class)", ylabel="class")
    _accuracies(dots, own, chance)
    dots.set_xlabel("top-1 accuracy (%)")
    at = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points", "fontsize": 6}
    dots.annotate("chance", (chance, 1), ha="center", color="0.35", **at)


def _lowest(part: SubFigure, own: pd.DataFrame, chance: float) -> None:
    """How accuracy is spread over all classes, and below it those of lowest accuracy with their wrong answers."""
    spread, dots = part.subplots(2, 1, height_ratios=[1, 2.2])
    low = own.sort_values("accuracy", kind="stable", ignore_index=True)
    spread.step(np.arange(1, len(low) + 1), low["accuracy"], where="mid", color=RIGHT)
    spread.axhline(chance, **CHANCE)
    spread.set(xlabel=f"{len(low)} classes, the lowest first", ylabel="accuracy (%)", ylim=(-2, 102))
    shown = low.head(LOWEST)
    _accuracies(dots, shown, chance)
    wrong = shown["called_share"]
    dots.plot(wrong, shown.index, color=WRONG, marker="s", linestyle="none", label="most frequent wrong answer")
    beside = {"xycoords": ("axes fraction", "data"), "fontsize": 6, "va": "center"}
    for row, one in shown[wrong.notna()].iterrows():
        dots.annotate(_short(one["called"], 14), (1.02, row), **beside)
    dots.annotate("called", (1.02, len(shown)), **beside)
    dots.set_yticks(range(len(shown)), [_short(name, 14) for name in shown["label"]], fontsize=6)
    dots.set(xlabel="% of the images of the class", ylabel=f"the {len(shown)} lowest classes")
    part.legend(*dots.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _accuracies(axis: Axes, own: pd.DataFrame, chance: float) -> None:
    """A dot with its interval per class, the first on top."""
    ends = np.abs(own[["accuracy_low", "accuracy_high"]].to_numpy().T - own["accuracy"].to_numpy())
    axis.errorbar(own["accuracy"], own.index, xerr=ends, color=RIGHT, marker="o", linestyle="none", label="right")
    axis.axvline(chance, label="chance", **CHANCE)
    axis.set(xlim=(-4, 104), ylim=(len(own) - 0.5, -0.5))


def _rgb(colour: str) -> np.ndarray:
    return np.array(plt.matplotlib.colors.to_rgb(colour))


def _short(name: str, most: int) -> str:
    """A name that has room, its end left out where it is longer."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
