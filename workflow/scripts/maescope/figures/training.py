"""What the models trained here have learned: loss by epoch, and what a masked autoencoder makes up."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maescope.figures.style import PAGE


def training_curves(losses: dict[str, list[pd.DataFrame]], descriptions: dict[str, str]) -> Figure:
    """Loss by epoch of each model that was trained here, one panel per model, one curve per seed.

    Where a model is validated, the loss of those images is a dashed curve, and above the panel is their accuracy.

    Parameters
    ----------
    losses : model -> epoch, loss and, where it is validated, validation_loss and validation_accuracy of each seed
    descriptions : model -> what the loss is
    """
    columns = min(len(losses), 3 if len(losses) < 7 else 4)
    rows = -(-len(losses) // columns)
    size = (min(PAGE, 2.6 * columns), (2.3 if columns < 4 else 1.8) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis, (model, seeds) in zip(axes.flat, losses.items(), strict=False):
        for loss in seeds:
            marker = "." if len(loss) < 30 else None
            axis.plot(loss["epoch"], loss["loss"], color="0.25", linewidth=1, marker=marker)
            if "validation_loss" in loss:
                axis.plot(
                    loss["epoch"], loss["validation_loss"], color="C0", linewidth=1, linestyle="--", marker=marker
                )
        words = f"end{'s' * (len(seeds) == 1)} at {_range([loss['loss'].iloc[-1] for loss in seeds])}"
        if all("validation_accuracy" in loss for loss in seeds):
            words += f"; validation {_range([loss['validation_accuracy'].iloc[-1] for loss in seeds])} right"
        elif all("validation_loss" in loss for loss in seeds):
            words += f"; validation {_range([loss['validation_loss'].iloc[-1] for loss in seeds])}"
        axis.set_title(f"{model}\n{words}", fontsize=7)
        axis.set(xlabel="epoch", ylabel=descriptions[model])
        axis.set_ylim(0, None)
        axis.locator_params(axis="x", integer=True, min_n_ticks=1, nbins=5)
    for axis in axes.flat[len(losses) :]:
        axis.set_visible(False)
    return figure


def _range(values: Sequence[float]) -> str:
    """A number, or the least and the largest of several."""
    return " to ".join(f"{value:.3f}" for value in ([min(values), max(values)] if len(values) > 1 else values))


def reconstruction(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, names: Sequence[str], title: str
) -> Figure:
    """What a masked autoencoder sees, what it makes of it, and what was there: one column per image.

    Parameters
    ----------
    original, masked, rebuilt : (n, height, width, 3) in [0, 1]; hidden patches are NaN in `masked`
    names : (n,) titles of the columns
    title : whose reconstruction it is
    """
    rows = {"input": np.where(np.isnan(masked), 0.5, masked), "reconstruction": rebuilt, "original": original}
    height, width = original.shape[1:3]
    size = (PAGE, PAGE * 3 / len(names) * height / width + 0.5)
    figure, axes = plt.subplots(3, len(names), figsize=size, squeeze=False)
    for row, (what, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(np.clip(picture, 0, 1), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(what)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name)
    figure.suptitle(title, fontsize=8)
    return figure


def reconstruction_errors(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, colour: Sequence[float]
) -> dict[str, np.ndarray]:
    """Mean square over an image's hidden pixels of what is wrong, `error`, and of painting them in one colour, `blank`.

    Parameters
    ----------
    original, masked, rebuilt : as for `reconstruction`
    colour : red, green and blue that a network which learned nothing paints

    Returns
    -------
    (n,) each
    """
    hidden = np.isnan(masked)
    wrong = {"error": np.clip(rebuilt, 0, 1) - original, "blank": np.asarray(colour) - original}
    return {name: np.mean(of**2, axis=(1, 2, 3), where=hidden) for name, of in wrong.items()}
