"""Figures 1 and 2: t-SNE by layer, and how well classes separate in the layer itself."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from maescope.figures.axes import band, few
from maescope.figures.style import CHANCE, COLOURS, MARKERS, PAGE

TOKENS = {"cls": ("CLS", "#CC79A7", "D"), "mean": ("mean patch", "#000000", "o"), "patch": ("patch", "#56B4E9", "s")}
ACROSS = 6  # panels of maps in a row


def figure_1(tsne: pd.DataFrame, separation: pd.DataFrame, seen: str) -> Figure:
    """Figure 1: t-SNE of CLS and mean-patch tokens by layer, above how well classes separate in the layer itself.

    Parameters
    ----------
    tsne : token, layer, label, x, y
    separation : token, layer, scope, silhouette, knn_accuracy, probe_accuracy, each also with _low and _high, chance,
        classes, images
    seen : of which model, and what it sees
    """
    tokens = [token for token in ("cls", "mean") if (separation["token"] == token).any()]  # some models have no CLS
    return _maps_and_curves(tsne, separation, tokens, {"s": 5, "alpha": 0.9}, seen)


def figure_2(tsne: pd.DataFrame, separation: pd.DataFrame, seen: str) -> Figure:
    """Figure 2: as Figure 1, of the patch tokens themselves, small and translucent."""
    return _maps_and_curves(tsne, separation, ["patch"], {"s": 3, "alpha": 0.35}, seen)


def _maps_and_curves(
    tsne: pd.DataFrame, separation: pd.DataFrame, tokens: list[str], points: dict, seen: str
) -> Figure:
    layers = sorted({*tsne["layer"], *separation["layer"]})  # of one that is the same for all images there is no map
    rows = -(-len(layers) // ACROSS)
    height = 1.16 * rows * len(tokens) + 0.3
    figure = plt.figure(figsize=(PAGE, height + 2.6))
    figure.suptitle(seen, x=0.01, ha="left", fontsize=9)
    *blocks, below = figure.subfigures(len(tokens) + 1, 1, height_ratios=[height / len(tokens)] * len(tokens) + [2.4])
    for block, token in zip(blocks, tokens, strict=True):
        _maps(block, tsne[tsne["token"] == token], layers, rows, TOKENS[token][0], points)
    _curves(below, separation[separation["token"].isin(tokens)], tokens)
    return figure


def _maps(block: SubFigure, maps: pd.DataFrame, layers: list[int], rows: int, name: str, points: dict) -> None:
    """One panel per layer, each class in a colour and a shape of its own."""
    axes = block.subplots(rows, ACROSS, squeeze=False).ravel()
    labels = list(maps["label"].unique())
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        axis.spines[:].set_visible(True)
        axis.spines[:].set_color("0.8")
    for axis, layer in zip(axes, layers, strict=False):
        own = maps[maps["layer"] == layer].sample(frac=1, random_state=0)  # no class covers the others
        if own.empty:
            middle = {"transform": axis.transAxes, "ha": "center", "va": "center"}
            axis.text(0.5, 0.5, "the same of\nall images", fontsize=6, **middle)
        order = own["label"].map(labels.index).to_numpy(int)
        colours = np.array(COLOURS, dtype=object)[order % len(COLOURS)]
        for number in range(len(labels)) if points["s"] > 4 else [slice(None)]:
            chosen = order == number if isinstance(number, int) else number
            marker = _marker(number) if isinstance(number, int) else "o"
            x, y = own["x"].to_numpy()[chosen], own["y"].to_numpy()[chosen]
            axis.scatter(x, y, c=list(colours[chosen]), marker=marker, linewidths=0, **points)
        axis.set_title(f"layer {layer}", pad=2)
    for axis in axes[len(layers) :]:
        axis.set_visible(False)
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[n % len(COLOURS)],
            marker=_marker(n) if points["s"] > 4 else "o",
            linestyle="none",
            label=f" {label}",  # a name that begins with _ would be left out
        )
        for n, label in enumerate(labels)
    ]
    if handles:
        block.legend(handles=handles, loc="outside upper right", ncols=len(labels), title=None)
    block.suptitle(f"t-SNE of {name} tokens, by class", x=0.01, ha="left", fontsize=8)


def _marker(number: int) -> str:
    """Of a class; the eighth has the colour of the first, and another marker."""
    return MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]


def _curves(below: SubFigure, separation: pd.DataFrame, tokens: list[str]) -> None:
    """Silhouette, k-NN and linear probe over depth, in the space of the layer and not of the map."""
    measures = {"silhouette": "silhouette", "knn_accuracy": "k-NN accuracy", "probe_accuracy": "linear probe accuracy"}
    axes = below.subplots(1, len(measures))
    for axis, (column, title) in zip(axes, measures.items(), strict=True):
        for (scope, token), curve in separation.groupby(["scope", "token"], sort=False):
            name, colour, marker = TOKENS[token]
            shown = scope == "shown"
            label = f"{name}, {curve['classes'].iloc[0]} classes{' as shown' if shown else ''}"
            fill = {"linestyle": "-" if shown else "--", "markerfacecolor": colour if shown else "white"}
            axis.plot(curve["layer"], curve[column], color=colour, marker=marker, label=label, **fill)
            band(axis, curve, "layer", column, colour)
        if column == "silhouette":
            chances, words = [0.0], "0: as near to another class"
        else:
            of = separation.groupby("classes")["chance"].first()
            chances, words = (
                list(of),
                f"guessing one of {' or '.join(map(str, of.index))}: {' or '.join(f'{c:.3g}' for c in of)}",
            )
        for chance in chances:
            axis.axhline(chance, **CHANCE)
        axis.set_title(title, pad=10)
        above = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        axis.annotate(words, (0.5, 1), xycoords="axes fraction", fontsize=6, color="0.35", **above)  # no curve is there
        axis.set_xlabel("layer")
        axis.set_xticks(few(separation["layer"]))
        if column != "silhouette":
            axis.set_ylim(0, 1.02)
    handles, labels = axes[0].get_legend_handles_labels()
    below.legend(handles, labels, loc="outside lower center", ncols=len(labels))
