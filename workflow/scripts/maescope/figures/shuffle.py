"""Accuracy and cosine of images whose pieces were shuffled."""

from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from maescope.figures.axes import below, reference
from maescope.figures.style import COLOURS, MARKERS, PAGE


def figure_shuffle(curves: pd.DataFrame, chance: float) -> Figure:
    """Top-1 accuracy, and cosine with the clean embedding, over the pieces along a side; a curve per model.

    Parameters
    ----------
    curves : model, perturbation, pieces, accuracy, cosine, each with _low and _high
    chance : accuracy of guessing, in percent
    """
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.9))
    several = curves["perturbation"].nunique() > 1
    parts = curves.groupby(["model", "perturbation"], sort=False)
    for ((model, name), part), colour, marker in zip(parts, cycle(COLOURS), cycle(MARKERS), strict=False):
        label = f"{model}, {name}" if several else model
        for axis, column in zip(axes, ("accuracy", "cosine"), strict=True):
            axis.plot(part["pieces"], part[column], color=colour, marker=marker, label=label)
            ends = part[f"{column}_low"], part[f"{column}_high"]
            axis.fill_between(part["pieces"], *ends, color=colour, alpha=0.18, linewidth=0)
    reference(axes[0], chance, f"chance ({chance:.3g} %)")
    axes[0].set(ylabel="top-1 accuracy (%)", ylim=(0, 102))
    axes[1].set(ylabel="cosine with the clean embedding", ylim=(min(0, curves["cosine"].min()) - 0.02, 1.02))
    for axis in axes:
        axis.set(xlabel="pieces along a side (1: clean)", xticks=sorted(curves["pieces"].unique()))
    below(figure, axes[0])
    return figure
