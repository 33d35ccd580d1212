"""Effective rank and separation of classes by layer, models side by side."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from maescope.figures.axes import along_depth, below, models, name_depth, reference, sparse
from maescope.figures.style import PAGE

TOKENS = {"cls": "CLS", "mean": "mean patch"}


def figure_rank(ranks: pd.DataFrame) -> Figure:
    """Effective rank of the embeddings of all images by layer, one panel per kind of token, one curve per model.

    Parameters
    ----------
    ranks : model, token, layer, effective_rank, noise, most
    """
    ranks, label = along_depth(ranks)
    figure, axes = plt.subplots(1, len(TOKENS), figsize=(PAGE, 2.8), sharey=True)
    for axis, (token, name) in zip(axes, TOKENS.items(), strict=True):
        part = ranks[ranks["token"] == token]
        for model, curve, style in models(part):
            axis.plot(curve["x"], curve["effective_rank"], label=model, **style)
        ranks_of_noise = sorted(part["noise"].round().unique())
        words = " or ".join(f"{noise:.0f}" for noise in ranks_of_noise)
        for noise in ranks_of_noise:
            reference(axis, noise, f"noise of the same shape ({words})")
        axis.set(title=f"{name} tokens", yscale="log")
        name_depth(axis, part, label)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(sparse)
    axes[0].set_ylabel("effective rank (log scale)")
    below(figure, axes[0])
    return figure


def figure_models(separation: pd.DataFrame) -> Figure:
    """How well classes separate by layer, models side by side: one row per kind of token, one panel per measure.

    Parameters
    ----------
    separation : model, token, layer, silhouette, knn_accuracy, probe_accuracy, chance
    """
    measures = {"silhouette": "silhouette", "knn_accuracy": "k-NN accuracy", "probe_accuracy": "linear probe accuracy"}
    separation, label = along_depth(separation)
    figure, axes = plt.subplots(len(TOKENS), len(measures), figsize=(PAGE, 4.6), sharex=True, sharey="col")
    for row, (token, name) in zip(axes, TOKENS.items(), strict=True):
        part = separation[separation["token"] == token]
        for axis, (column, title) in zip(row, measures.items(), strict=True):
            for model, curve, style in models(part):
                axis.plot(curve["x"], curve[column], label=model, **style)
            if column == "silhouette":
                reference(axis, 0, "silhouette 0: as near to another class")
            else:
                reference(axis, part["chance"].iloc[0], "accuracy of guessing")
            axis.set(title=f"{title}, {name}")
    for axis in axes[-1]:
        name_depth(axis, separation, label)
    below(figure, *axes[0])
    return figure
