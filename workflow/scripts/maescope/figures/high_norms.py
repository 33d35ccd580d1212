"""Patch tokens of outlying norm: how many by layer, and where they sit."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import along_depth, below, models, name_depth, panel_grid
from maescope.figures.style import CHANCE, PAGE


def figure_high_norms(measured: pd.DataFrame) -> Figure:
    """Share of outlying tokens by layer, one curve per model; then, a map per model, their places in its worst layer.

    Parameters
    ----------
    measured : model, layer, patch_row, patch_column, share, gaussian
    """
    by = ["model", "layer"]
    shares, label = along_depth(measured.groupby(by, sort=False)[["share", "gaussian"]].mean().reset_index())
    styles = {model: style for model, _, style in models(shares)}
    figure = plt.figure(figsize=(PAGE, 0.5 + 2.2 * -(-(len(styles) + 1) // 4)))
    first, *maps = panel_grid(figure, len(styles) + 1, 4)
    for model, curve, _ in models(shares):
        first.plot(curve["x"], 100 * curve["share"], label=model, **styles[model])
        first.plot(curve["x"], 100 * curve["gaussian"], **CHANCE | {"color": styles[model]["color"]})
    first.plot([], [], label="one Gaussian", **CHANCE)
    first.set_ylabel("tokens of outlying norm (%)")
    top = max(1, 105 * shares[["share", "gaussian"]].max(axis=None))
    first.set_ylim(-0.03 * top, top)
    name_depth(first, shares, label)
    for axis, (model, part) in zip(maps, measured.groupby("model", sort=False), strict=False):
        own = shares[shares["model"] == model].set_index("layer")["share"]
        _map(axis, model, part[part["layer"] == own.idxmax()], own.idxmax())
    below(figure, first)
    return figure


def _map(axis: Axes, model: str, part: pd.DataFrame, layer: int) -> None:
    """Where the outlying tokens of a layer sit, in percent of the images."""
    shares = 100 * part.pivot(index="patch_row", columns="patch_column", values="share").to_numpy()
    axis.set(xticks=[], yticks=[])
    if not shares.any():
        axis.set_title(model)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.text(0.5, 0.5, "no layer has\ntwo humps", ha="center", va="center", transform=axis.transAxes, color="0.35")
        return
    image = axis.imshow(shares, vmin=0, vmax=max(1, np.max(shares)), cmap="cividis")
    axis.set_title(f"{model}\nlayer {layer}")
    axis.grid(False)
    axis.figure.colorbar(image, ax=axis, shrink=0.7, label="of the images (%)")
