"""Deletion and insertion curves by ranking of patches."""

from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import reference
from maescope.figures.style import COLOURS, MARKERS, PAGE

FILLS = {"mean": "mean colour", "black": "black", "shuffled": "shuffled patches", "drop": "tokens dropped"}
AXES = {"deletion": "patches taken away (%)", "insertion": "patches put in (%)"}


def figure_faithfulness(curves: pd.DataFrame, chance: float) -> Figure:
    """A row per replacement, deletion at the left and insertion at the right, a curve per ranking.

    Parameters
    ----------
    curves : ranking, fill, curve, percent, accuracy and its ends, area, over_random and its ends
    chance : accuracy of guessing, in percent
    """
    fills = [fill for fill in FILLS if fill in set(curves["fill"])]
    figure, axes = plt.subplots(len(fills), 2, figsize=(PAGE, 2.6 * len(fills)), sharey=True, squeeze=False)
    rankings = list(curves["ranking"].unique())
    styles = {
        name: (colour, marker) for name, colour, marker in zip(rankings, cycle(COLOURS), cycle(MARKERS), strict=False)
    }
    for row, fill in zip(axes, fills, strict=True):
        for axis, kind in zip(row, AXES, strict=True):
            own = curves[(curves["fill"] == fill) & (curves["curve"] == kind)]
            axis.set_visible(len(own) > 0)
            _panel(axis, own, styles)
            reference(axis, chance, "chance")
            axis.set(title=f"{kind}, {FILLS[fill]}", ylim=(0, 102), xlim=(-2, 102))
            axis.legend(fontsize=6, title="area (difference from random)", title_fontsize=6)
        row[0].set_ylabel("top-1 accuracy (%)")
    for axis, words in zip(axes[-1], AXES.values(), strict=True):
        axis.set_xlabel(words)
    return figure


def _panel(axis: Axes, part: pd.DataFrame, styles: dict) -> None:
    for ranking, curve in part.groupby("ranking", sort=False):
        colour, marker = styles[ranking]
        first = curve.iloc[0]
        label = f"{ranking}: {first['area']:.1f}"
        if pd.notna(first["over_random"]):
            ends = f"{first['over_random_low']:+.1f}, {first['over_random_high']:+.1f}"
            label += f" ({first['over_random']:+.1f} [{ends}])"
        axis.plot(curve["percent"], curve["accuracy"], color=colour, marker=marker, label=label)
        ends = curve["accuracy_low"], curve["accuracy_high"]
        axis.fill_between(curve["percent"], *ends, color=colour, alpha=0.18, linewidth=0)
