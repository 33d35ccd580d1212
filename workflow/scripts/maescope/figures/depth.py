"""Effective rank, eigenvalues, separation of classes and their collapse by layer, models side by side."""

from collections.abc import Callable
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import along_depth, band, below, models, name_depth, reference, sparse
from maescope.figures.style import CHANCE, PAGE

TOKENS = {"cls": "CLS", "mean": "mean patch"}
LOGARITHMIC = ("participation_ratio", "nesum", "nc1")  # of what is told beside a control several times as large


def figure_rank(ranks: pd.DataFrame) -> Figure:
    """Effective rank of the embeddings of all images by layer, one panel per kind of token, one curve per model.

    Parameters
    ----------
    ranks : model, token, layer, effective_rank, noise, most
    """
    ranks, label = along_depth(ranks)
    tokens, styles = _there(ranks), {model: style for model, _, style in models(ranks)}
    figure, axes = plt.subplots(1, len(tokens), figsize=(PAGE, 2.8), sharey=True, squeeze=False)
    for axis, (token, name) in zip(axes[0], tokens.items(), strict=True):
        part = ranks[ranks["token"] == token]
        for model, curve, _ in models(part):
            axis.plot(curve["x"], curve["effective_rank"], label=model, **styles[model])
        ranks_of_noise = sorted(part["noise"].round().unique())
        words = " or ".join(f"{noise:.0f}" for noise in ranks_of_noise)
        for noise in ranks_of_noise:
            reference(axis, noise, f"noise of the same shape ({words})")
        axis.set(title=f"{name} tokens", yscale="log")
        _name_lacking(axis, ranks, part)
        name_depth(axis, part, label)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(sparse)
    axes[0, 0].set_ylabel("effective rank (log scale)")
    below(figure, axes[0, -1])  # of mean tokens, which all models have
    return figure


def figure_models(separation: pd.DataFrame) -> Figure:
    """How well classes separate by layer, models side by side: one row per kind of token, one panel per measure.

    Parameters
    ----------
    separation : model, token, layer, silhouette, knn_accuracy, probe_accuracy, each also with _low and _high, chance
    """
    measures = {"silhouette": "silhouette", "knn_accuracy": "k-NN accuracy", "probe_accuracy": "linear probe accuracy"}

    def chance(axis: Axes, column: str, part: pd.DataFrame, styles: dict[str, dict]) -> None:
        for model, curve, _ in models(part):
            band(axis, curve, "x", column, styles[model]["color"])
        if column == "silhouette":
            reference(axis, 0, "silhouette 0: as near to another class")
        else:
            reference(axis, part["chance"].iloc[0], "accuracy of guessing")

    return _grid(separation, measures, chance)


def figure_eigenvalues(ranks: pd.DataFrame) -> Figure:
    """How variance is spread over dimensions by layer: one row per kind of token, one panel per measure.

    Parameters
    ----------
    ranks : model, token, layer, participation_ratio, nesum, alpha, and each of noise, as noise_alpha
    """
    measures = {"participation_ratio": "participation ratio", "nesum": "NESum", "alpha": "alpha"}
    return _with_controls(ranks, measures, "noise_", "noise of the same shape")


def figure_neural_collapse(measured: pd.DataFrame) -> Figure:
    """Neural collapse by layer: one row per kind of token, one panel per measure, each with its shuffled labels.

    Parameters
    ----------
    measured : model, token, layer, nc1, equinorm, equiangle, and each of shuffled labels, as shuffled_nc1
    """
    measures = {"nc1": "NC1", "equinorm": "NC2, lengths", "equiangle": "NC2, angles"}
    return _with_controls(measured, measures, "shuffled_", "classes shuffled")


def _with_controls(frame: pd.DataFrame, measures: dict[str, str], control: str, words: str) -> Figure:
    """Curves of all models, solid, and of their controls, dotted, in the columns that `control` is put before."""

    def controls(axis: Axes, column: str, part: pd.DataFrame, styles: dict[str, dict]) -> None:
        for model, curve, _ in models(part):
            own = {} if part[control + column].nunique() == 1 else {"color": styles[model]["color"]}
            axis.plot(curve["x"], curve[control + column], **CHANCE | own)
        axis.plot([], [], label=words, **CHANCE)
        if column in LOGARITHMIC:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(sparse)

    return _grid(frame, measures, controls)


def _grid(frame: pd.DataFrame, measures: dict[str, str], beside: Callable) -> Figure:
    """Curves of all models over depth: one row per kind of token, one panel per measure.

    Parameters
    ----------
    frame : model, token, layer and the columns of `measures`
    measures : column -> title
    beside : draws what they are read against: of an axis, the column, the rows of a token and the models' styles
    """
    frame, label = along_depth(frame)
    tokens, styles = _there(frame), {model: style for model, _, style in models(frame)}
    size = (PAGE, 0.6 + 2 * len(tokens))
    figure, axes = plt.subplots(len(tokens), len(measures), figsize=size, sharex=True, sharey="col", squeeze=False)
    for row, (token, name) in zip(axes, tokens.items(), strict=True):
        part = frame[frame["token"] == token]
        _name_lacking(row[0], frame, part)
        for axis, (column, title) in zip(row, measures.items(), strict=True):
            for model, curve, _ in models(part):
                axis.plot(curve["x"], curve[column], label=model, **styles[model])
            beside(axis, column, part, styles)
            axis.set(title=f"{title}, {name}")
    for axis in axes[-1]:
        name_depth(axis, frame, label)
    below(figure, *axes[-1])
    return figure


def _there(frame: pd.DataFrame) -> dict[str, str]:
    """The kinds of token of which there is any; a model may have no CLS."""
    return {token: name for token, name in TOKENS.items() if (frame["token"] == token).any()}


def _name_lacking(axis: Axes, frame: pd.DataFrame, part: pd.DataFrame) -> None:
    """Name the models that a panel has no curve of."""
    lacking = [model for model in frame["model"].unique() if model not in set(part["model"])]
    if lacking:
        words = fill(f"without CLS: {', '.join(lacking)}", 40)
        box = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1}
        axis.text(
            0.02, 0.03, words, transform=axis.transAxes, fontsize=6, color="0.35", va="bottom", bbox=box, zorder=3
        )
