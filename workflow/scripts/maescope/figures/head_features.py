"""Figures 6-8: common features of heads, and how many of them are lost."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maescope.figures.axes import below, ends_of
from maescope.figures.style import COLOURS, MARKERS, PAGE, STYLE


def head_maps(maps: pd.DataFrame, titles: dict[str, str], count: str, seen: str) -> Figure:
    """Figures 6 and 7: a heat map of layers x heads for each level, all on one colour scale.

    Parameters
    ----------
    maps : level, layer, head, features
    titles : level -> how its panel is named, in the order of the panels
    count : what the colours count
    seen : of which model, and what it sees
    """
    columns = min(5 if len(titles) % 5 == 0 else 4, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(PAGE, (PAGE - 1) / columns * rows + 0.6), sharex=True, sharey=True, squeeze=False
    )
    top = maps["features"].max()
    for axis, (level, title) in zip(axes.flat, titles.items(), strict=False):
        panel = maps[maps["level"] == level].pivot(index="layer", columns="head", values="features")
        layers, heads = panel.shape
        image = axis.imshow(
            panel,
            cmap="cividis",
            vmin=0,
            vmax=max(top, 1e-9),
            origin="lower",
            extent=(0.5, heads + 0.5, 0.5, layers + 0.5),
        )
        axis.set(title=title, xticks=ends_of(heads), yticks=ends_of(layers), aspect="auto")
        axis.grid(False)
    for axis in axes.flat[len(titles) :]:
        axis.set_visible(False)
    figure.suptitle(seen, fontsize=9)
    figure.supxlabel("head", fontsize=STYLE["font.size"])
    figure.supylabel("layer", fontsize=STYLE["font.size"])
    figure.colorbar(image, ax=axes, label=count if rows > 1 else fill(count, 22), shrink=0.8, aspect=30)
    return figure


def figure_8(drops: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """Figure 8: common features lost by level, a row per model, a panel per perturbation, beside shuffled classes.

    All panels have one axis, as models are compared by it.

    Parameters
    ----------
    drops : model, perturbation, level, clean, drop, drop_low, drop_high, and the same with shuffled_ before; the two
        start from different numbers, so the share that is lost stands above each panel
    titles : perturbation -> what its levels are
    """
    models = drops["model"].unique()
    size = (PAGE, 2.3 * len(models) + 0.4)
    figure, axes = plt.subplots(len(models), len(titles), figsize=size, sharey=True, squeeze=False)
    for row, model in zip(axes, models, strict=True):
        own = drops[drops["model"] == model]
        for axis, (perturbation, title) in zip(row, titles.items(), strict=True):
            lost = _lost_features(axis, own[own["perturbation"] == perturbation])
            axis.set_title(f"{model}, {perturbation}\n{lost}", fontsize=7)
            axis.set_xlabel(title)
        row[0].set_ylabel("mean drop (features per head)")
    axes[0, 0].set_ylim(0, 1.05 * drops[["clean", "shuffled_clean", "drop_high"]].max(axis=None) or 1)
    below(figure, axes[0, 0])
    return figure


def _lost_features(axis: plt.Axes, part: pd.DataFrame) -> str:
    """One panel of Figure 8: the drop of each level, of classes and of shuffled labels; and what is lost, in words."""
    places, lost = np.arange(len(part)), []
    series = {"": "classes", "shuffled_": "shuffled labels"}
    for (prefix, name), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        drop = part[f"{prefix}drop"]
        errors = [drop - part[f"{prefix}drop_low"], part[f"{prefix}drop_high"] - drop]
        clean, last = part[f"{prefix}clean"].iloc[0], part["level"].iloc[-1]
        lost.append(f"{100 * drop.iloc[-1] / clean:.0f} % of {clean:.2f}" if clean else "of none")
        line = "-" if not prefix else (0, (4, 2))
        style = {"color": colour, "marker": marker, "linestyle": line, "capsize": 2, "elinewidth": 0.9}
        axis.axhline(clean, color=colour, linestyle=(0, (1, 2)), linewidth=1.2)
        axis.errorbar(places, drop, None if prefix else errors, label=f"common features of {name}", **style)
    axis.plot([], [], color="0.35", linestyle=(0, (1, 2)), linewidth=1.2, label="all of them lost (same colours)")
    axis.set_xticks(places, part["level"])
    return f"lost at {last}: {lost[0]}, of shuffled labels {lost[1]}"
