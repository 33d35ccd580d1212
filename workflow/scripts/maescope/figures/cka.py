"""Linear CKA of layers, of models, of clean and perturbed images."""

from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage

from maescope.figures.axes import ends_of, panel_grid, reference
from maescope.figures.style import MARKERS, PAGE

ACROSS = 6  # panels of changes in a row


def figure_cka(pairs: pd.DataFrame, changes: pd.DataFrame) -> Figure:
    """CKA of every layer with every layer, a map for two models each; below, of each layer with itself when perturbed.

    Parameters
    ----------
    pairs : model, other, layer, other_layer, cka, shuffled
    changes : model, perturbation, level, layer, cka, shuffled, levels in their order
    """
    count = pairs["model"].nunique()
    side = min(1.3, 6 / count)  # of a map, in inches; the rest of the width is for names and the colour bar
    perturbed = list(changes.groupby("perturbation", sort=False))
    heights = [side * count + 0.6] + [0.4 + _height(part) for _, part in perturbed]
    figure = plt.figure(figsize=(PAGE, sum(heights)))
    top, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    blank = PAGE - (side * count + 1.2)
    _maps(top if blank < 0.1 else top.subfigures(1, 2, width_ratios=(PAGE - blank, blank))[0], pairs)
    for block, (perturbation, part) in zip(below, perturbed, strict=True):
        _changes(block, part, f"{perturbation}: CKA\nwith clean layer", min(0, changes["cka"].min()))
    return figure


def _height(part: pd.DataFrame) -> float:
    """Height of all panels of a perturbation in inches, one panel per model: wide ones are higher."""
    count = part["model"].nunique()
    return -(-count // ACROSS) * (1.5 if count < 4 else 1.15)


def _maps(figure: FigureBase, pairs: pd.DataFrame) -> None:
    """A triangle of maps, one for two models each; the models are named at its outer edges."""
    models = list(pairs["model"].unique())
    axes = figure.subplots(len(models), len(models), sharex="col", sharey="row", squeeze=False)
    for axis in axes[np.triu_indices(len(models), 1)]:
        axis.remove()
    for (model, other), part in pairs.groupby(["model", "other"], sort=False):
        image = _map(axes[models.index(model), models.index(other)], part)
    for axis, below, model in zip(axes[:, 0], axes[-1], models, strict=True):
        axis.set_ylabel(fill(model, 16), fontsize=7)
        below.set_xlabel(fill(model, 16), fontsize=7)
    figure.supxlabel("layer", fontsize=8)
    figure.supylabel("layer", fontsize=8)
    low, high = pairs.groupby(["model", "other"])["shuffled"].mean().agg(["min", "max"])
    grey = "; grey: all\nimages alike" if pairs["cka"].isna().any() else ""
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, aspect=30)
    bar.set_label(f"linear CKA (random\norder: {low:.2f} to {high:.2f}{grey})", fontsize=7)


def _map(axis: Axes, part: pd.DataFrame) -> AxesImage:
    """CKA of each layer of one model (rows) with each of another."""
    values = part.pivot(index="layer", columns="other_layer", values="cka")
    layers, others = values.shape
    edges = (0.5, others + 0.5, 0.5, layers + 0.5)
    shades = plt.get_cmap("viridis").with_extremes(bad="0.85")  # of layers that say the same of all images
    image = axis.imshow(values, origin="lower", extent=edges, vmin=0, vmax=1, cmap=shades, aspect="auto")
    axis.set(xticks=ends_of(others), yticks=ends_of(layers))
    axis.tick_params(labelsize=7)
    axis.grid(False)
    return image


def _changes(figure: FigureBase, part: pd.DataFrame, label: str, lowest: float) -> None:
    """One perturbation: a panel per model, one legend for the levels of all."""
    models = list(part.groupby("model", sort=False))
    axes = panel_grid(figure, len(models), ACROSS, sharey=True)
    for axis, (model, own) in zip(axes, models, strict=False):
        _levels(axis, own)
        axis.set_title(fill(model, 16), fontsize=7, pad=4)
    for axis in axes[::ACROSS]:
        axis.set_ylabel(label)
    axes[0].set_ylim(lowest, 1.02)  # shared: the first panel's own would cut the others
    figure.supxlabel("layer", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    columns = 1 if len(labels) < 8 else 2
    figure.legend(
        handles, labels, loc="outside right upper", ncols=columns, title="level", fontsize=6, handlelength=1.5
    )


def _levels(axis: Axes, part: pd.DataFrame) -> None:
    """CKA of each layer with itself on clean images: one curve per level, dark to light."""
    levels = list(part.groupby("level", sort=False))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(levels)))
    for (level, curve), colour, marker in zip(levels, shades, cycle(MARKERS), strict=False):
        axis.plot(curve["layer"], curve["cka"], color=colour, marker=marker, markersize=2.5, linewidth=1, label=level)
    reference(axis, part["shuffled"].mean(), "random\norder")
    axis.set_xticks(ends_of(part["layer"].max()))
    axis.tick_params(labelsize=7)
