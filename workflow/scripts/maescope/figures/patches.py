"""Pictures of patch tokens: the first three principal components of a layer as red, green and blue."""

from pathlib import PurePosixPath

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, FigureBase

from maescope.figures.style import PAGE

LAYERS, IMAGES, ACROSS = 4, 6, 2  # at most, of each model; models beside each other


def figure_patches(measured: pd.DataFrame) -> Figure:
    """A block per model, two beside each other: images in rows, layers across, the first and the last among them.

    Parameters
    ----------
    measured : model, layer, label, image, patch_row, patch_column, red, green, blue, explained, noise
    """
    models = list(measured.groupby("model", sort=False))
    rows = min(IMAGES, max(len(part[["label", "image"]].drop_duplicates()) for _, part in models))
    across = min(ACROSS, len(models))
    down = -(-len(models) // across)
    figure = plt.figure(figsize=(PAGE * across / ACROSS, down * (0.6 + 0.72 * rows)))
    blocks = figure.subfigures(down, across, squeeze=False).ravel()
    for block, (model, part) in zip(blocks, models, strict=False):
        _block(block, part)
        block.suptitle(f"{model} (noise: {100 * part['noise'].iloc[0]:.0f} %)", fontsize=8)
    return figure


def _block(block: FigureBase, part: pd.DataFrame) -> None:
    """One model: pictures, above each layer the share of variance that its three colours have."""
    every = np.sort(part["layer"].unique())
    layers = every[np.unique(np.linspace(0, len(every) - 1, LAYERS).round().astype(int))]
    images = part[["label", "image"]].drop_duplicates()[:IMAGES].to_numpy().tolist()
    axes = block.subplots(len(images), len(layers), squeeze=False)
    for row, (label, image) in zip(axes, images, strict=True):
        own = part[(part["label"] == label) & (part["image"] == image)]
        for axis, layer in zip(row, layers, strict=True):
            shown = own[own["layer"] == layer].sort_values(["patch_row", "patch_column"])
            shape = shown["patch_row"].nunique(), shown["patch_column"].nunique(), 3
            axis.imshow(shown[["red", "green", "blue"]].to_numpy().reshape(shape))
            axis.set(xticks=[], yticks=[])
            axis.spines[["left", "bottom"]].set_visible(False)
        words = _short(label), _short(PurePosixPath(image).stem)
        row[0].set_ylabel("\n".join(words), fontsize=6, rotation=0, ha="right", va="center")
    for axis, layer in zip(axes[0], layers, strict=True):
        explained = part.loc[part["layer"] == layer, "explained"].iloc[0]
        share = "all the same" if pd.isna(explained) else f"{100 * explained:.0f} %"
        axis.set_title(f"layer {layer}\n{share}", fontsize=7)


def _short(name: str) -> str:
    return name if len(name) < 12 else f"{name[:10]}…"
