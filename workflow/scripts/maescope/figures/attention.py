"""Attention of each head: its distance (Figure 3), its entropy and mutual information, what CLS looks at."""

from collections.abc import Callable, Iterable
from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import below, few, models
from maescope.figures.style import CHANCE, COLOURS, PAGE


def figure_3(heads: pd.DataFrame) -> Figure:
    """Figure 3: mean attention distance of each head by layer, one column per model, one row per dataset.

    Parameters
    ----------
    heads : dataset, model, layer, head, distance_px, uniform_px
    """
    datasets, shown = heads["dataset"].unique(), heads["model"].unique()
    width = min(PAGE, 3.6 * len(shown))
    figure, axes = plt.subplots(
        len(datasets), len(shown), figsize=(width, 2.1 * len(datasets) + 0.6), sharey=True, sharex=True, squeeze=False
    )
    for row, dataset in zip(axes, datasets, strict=True):
        for axis, model, colour in zip(row, shown, cycle(COLOURS), strict=False):
            part = heads[(heads["dataset"] == dataset) & (heads["model"] == model)]
            means = part.groupby("layer")["distance_px"].mean()
            axis.scatter(part["layer"], part["distance_px"], s=9, color=colour, alpha=0.55, linewidths=0)
            axis.plot(means.index, means, color=colour)
            axis.axhline(part["uniform_px"].iloc[0], **CHANCE)
            axis.set(title=f"{model}, {dataset}")
            axis.set_xticks(few(heads["layer"]))
    axes[0, 0].set_ylim(0, 1.05 * heads["distance_px"].max())  # shared: the first panel's own would cut the others
    for axis in axes[-1]:
        axis.set_xlabel("layer")
    for axis in axes[:, 0]:
        axis.set_ylabel("mean attention distance (px)")
    _legend(figure, axes[0, 0], heads["uniform_px"].round(1).unique())
    return figure


def _legend(figure: Figure, axis: Axes, uniform: Iterable[float]) -> None:
    """One legend for panels of all colours, below them."""
    axis.plot([], [], color="0.35", marker="o", markersize=3, linestyle="none", label="head")
    axis.plot([], [], color="0.35", label="mean over heads")
    axis.plot([], [], label=f"uniform attention ({' or '.join(f'{one:.1f}' for one in uniform)} px)", **CHANCE)
    below(figure, axis)


def figure_heads(heads: pd.DataFrame) -> Figure:
    """Entropy of attention and mutual information of queries and keys: a dot per head, one row per model.

    Parameters
    ----------
    heads : model, layer, head, entropy, nmi, patches
    """
    titles = {
        "entropy": "entropy of attention (nats)\ndotted: all patches alike",
        "nmi": "mutual information (normalised)\ndotted: all queries alike",
    }
    return _head_dots(heads, titles, lambda part: {"entropy": np.log(part["patches"].iloc[0]), "nmi": 0})


def figure_class_attention(heads: pd.DataFrame) -> Figure:
    """What CLS looks at: how much of it patches, how many of them, and whether the class decides which.

    Parameters
    ----------
    heads : model, layer, head, to_patches, spread, contrast, uniform
    """
    titles = {
        "to_patches": "share on patches\ndotted: all tokens alike",
        "spread": "patches looked at (share of all)\ndotted: all patches alike",
        "contrast": "cosine of maps: class minus others\ndotted: the class does not matter",
    }
    return _head_dots(heads, titles, lambda part: {"to_patches": part["uniform"].iloc[0], "spread": 1, "contrast": 0})


def _head_dots(
    heads: pd.DataFrame, titles: dict[str, str], references: Callable[[pd.DataFrame], dict[str, float]]
) -> Figure:
    """A dot per head and a line through each layer's mean: one row per model, one column per measure.

    Parameters
    ----------
    heads : model, layer and the columns of `titles`
    titles : column -> what it is, and what its dotted line
    references : of one model's rows, column -> what a head without any structure would have
    """
    count = heads["model"].nunique()
    size = (PAGE, (1.6 if count < 5 else 1.15) * count + 0.6)
    figure, axes = plt.subplots(count, len(titles), figsize=size, sharex=True, sharey="col", squeeze=False)
    for row, (model, part, style) in zip(axes, models(heads), strict=True):
        for axis, name in zip(row, titles, strict=True):
            means = part.groupby("layer")[name].mean()
            axis.scatter(part["layer"], part[name], s=9, color=style["color"], alpha=0.55, linewidths=0)
            axis.plot(means.index, means, color=style["color"])
            axis.axhline(references(part)[name], **CHANCE)
        row[0].set_ylabel(fill(model, 18))
    for axis, lowest, title in zip(axes[0], axes[-1], titles.values(), strict=True):
        axis.set_title(title, fontsize=7)
        lowest.set_xlabel("layer")
        lowest.set_xticks(few(heads["layer"], 8))
    return figure
