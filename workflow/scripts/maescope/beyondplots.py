"""Figures beyond the paper: measures of the field, models side by side. Colours and style: see `plots`."""

from collections.abc import Callable, Iterator
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage

from maescope.layerplots import few, sparse
from maescope.plots import CHANCE, COLOURS, MARKERS, PAGE

TOKENS = {"cls": "CLS", "mean": "mean patch"}


def along_depth(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The frame with a column `x` and the name of that axis: layers, or shares of the depth where models differ in it.

    Parameters
    ----------
    frame : model, layer and others
    """
    depth = frame.groupby("model")["layer"].transform("max")
    if depth.nunique() == 1:
        return frame.assign(x=frame["layer"]), "layer"
    return frame.assign(x=frame["layer"] / depth), "layer / number of layers"


def _name_depth(axis: Axes, frame: pd.DataFrame, label: str) -> None:
    """Name the axis of depth, and of layers some."""
    axis.set_xlabel(label)
    if label == "layer":
        axis.set_xticks(few(frame["x"]))


def _models(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict]]:
    """Each model's rows and how its curve looks, in the order in which models come."""
    for (model, part), colour, marker in zip(
        frame.groupby("model", sort=False), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        yield model, part, {"color": colour, "marker": marker}


def _reference(axis: Axes, value: float, words: str) -> None:
    """A dotted line of what would be measured without any structure, named where it lies."""
    axis.axhline(value, **CHANCE)
    place = {"xytext": (0, 2), "textcoords": "offset points", "xycoords": ("axes fraction", "data")}
    axis.annotate(words, (1, value), va="bottom", ha="right", fontsize=6, color="0.35", zorder=0.9, **place)


def _below(figure: Figure, axis: Axes) -> None:
    """One legend for all panels, below them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))


def figure_cka(pairs: pd.DataFrame, changes: pd.DataFrame) -> Figure:
    """CKA of every layer with every layer, a map for two models each; below, of each layer with itself when perturbed.

    Parameters
    ----------
    pairs : model, other, layer, other_layer, cka, shuffled
    changes : model, perturbation, level, layer, cka, shuffled, levels in their order
    """
    maps = list(pairs.groupby(["model", "other"], sort=False))
    curves = list(changes.groupby(["model", "perturbation"], sort=False))
    heights = [2.2 * -(-len(maps) // 3), 2.2 * -(-len(curves) // 2)]
    figure = plt.figure(figsize=(PAGE, sum(heights)))
    top, bottom = figure.subfigures(2, 1, height_ratios=heights)
    panels = _panels(top, len(maps), 3)
    for axis, ((model, other), part) in zip(panels, maps, strict=False):
        image = _map(axis, part)
        axis.set(xlabel=f"layer of {other}", ylabel=f"layer of {model}")
    top.colorbar(image, ax=list(panels), label="linear CKA", shrink=0.8)
    axes = _panels(bottom, len(curves), 2, sharey=True)
    for axis, ((model, perturbation), part) in zip(axes, curves, strict=False):
        _levels(axis, part)
        axis.set_title(f"{model}: {perturbation} against clean")
    for axis in axes[::2]:
        axis.set_ylabel("CKA with the clean layer")
    axes[0].set_ylim(min(0, changes["cka"].min()), 1.02)  # shared: the first panel's own would cut the others
    return figure


def _panels(figure: FigureBase, count: int, across: int, **options) -> np.ndarray:
    """So many panels in rows of `across`; what is left of the last row is there and hidden."""
    across = min(across, count)
    axes = figure.subplots(-(-count // across), across, squeeze=False, **options).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    return axes


def _map(axis: Axes, part: pd.DataFrame) -> AxesImage:
    """CKA of each layer of one model (rows) with each of another."""
    values = part.pivot(index="layer", columns="other_layer", values="cka")
    edges = (0.5, values.shape[1] + 0.5, 0.5, values.shape[0] + 0.5)
    image = axis.imshow(values, origin="lower", extent=edges, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axis.set_title(f"images in random order: {part['shuffled'].mean():.2f}", fontsize=6, color="0.35", pad=2)
    axis.set_xticks(few(part["other_layer"], 6))
    axis.set_yticks(few(part["layer"], 6))
    axis.grid(False)
    return image


def _levels(axis: Axes, part: pd.DataFrame) -> None:
    """CKA of each layer with itself on clean images: one curve a level, dark to light."""
    levels = list(part.groupby("level", sort=False))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(levels)))
    for (level, curve), colour, marker in zip(levels, shades, cycle(MARKERS), strict=False):
        axis.plot(curve["layer"], curve["cka"], color=colour, marker=marker, markersize=2.5, linewidth=1, label=level)
    _reference(axis, part["shuffled"].mean(), "images in random order")
    axis.set_xlabel("layer")
    axis.set_xticks(few(part["layer"]))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="level", fontsize=6)


def figure_rank(ranks: pd.DataFrame) -> Figure:
    """Effective rank of the embeddings of all images by layer, one panel a kind of token, one curve a model.

    Parameters
    ----------
    ranks : model, token, layer, effective_rank, noise, most
    """
    ranks, label = along_depth(ranks)
    figure, axes = plt.subplots(1, len(TOKENS), figsize=(PAGE, 2.8), sharey=True)
    for axis, (token, name) in zip(axes, TOKENS.items(), strict=True):
        part = ranks[ranks["token"] == token]
        for model, curve, style in _models(part):
            axis.plot(curve["x"], curve["effective_rank"], label=model, **style)
        ranks_of_noise = sorted(part["noise"].round().unique())
        for noise in ranks_of_noise:
            axis.axhline(noise, **CHANCE)
        words = " or ".join(f"{noise:.0f}" for noise in ranks_of_noise)
        _reference(axis, ranks_of_noise[-1], f"noise of the same shape ({words})")
        axis.set(title=f"{name} tokens", yscale="log")
        _name_depth(axis, part, label)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(sparse)
    axes[0].set_ylabel("effective rank (log scale)")
    _below(figure, axes[0])
    return figure


def figure_spectrum(spectra: pd.DataFrame) -> Figure:
    """Fourier amplitude of patch tokens: by frequency, one panel a model, one curve a layer; at the highest by layer.

    Parameters
    ----------
    spectra : model, layer, frequency, log_amplitude, noise
    """
    models = list(spectra.groupby("model", sort=False))
    figure, axes = plt.subplots(1, len(models) + 1, figsize=(PAGE, 2.6))
    *panels, last = axes
    for axis, (model, part) in zip(panels, models, strict=True):
        axis.sharey(panels[0])
        _amplitudes(axis, part)
        axis.set_title(model)
    _highest(last, spectra)
    for axis in (panels[0], last):  # the last one's scale is its own
        axis.set_ylabel("log amplitude above\nthat of frequency 0 (nats)")
    return figure


def _amplitudes(axis: Axes, part: pd.DataFrame) -> None:
    """One model's amplitude by frequency: a curve a layer, dark to light, three of them named."""
    layers = list(part.groupby("layer"))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(layers)))
    for (layer, curve), colour in zip(layers, shades, strict=True):
        named = layer in (1, len(layers) // 2, len(layers))
        axis.plot(curve["frequency"], curve["log_amplitude"], color=colour, label=f"layer {layer}" * named)
    axis.plot(layers[0][1]["frequency"], layers[0][1]["noise"], **CHANCE)
    axis.set_xlabel("frequency (π per patch)")
    axis.legend(fontsize=6)


def _highest(axis: Axes, spectra: pd.DataFrame) -> None:
    """Amplitude at each model's highest frequency by layer: one curve a model."""
    of_model = spectra.groupby("model")["frequency"]  # an odd grid has no frequency of 1
    highest, label = along_depth(spectra[spectra["frequency"] == of_model.transform("max")])
    for model, curve, style in _models(highest):
        axis.plot(curve["x"], curve["log_amplitude"], label=model, **style)
    for noise in highest["noise"].unique():
        _reference(axis, noise, "white noise")
    axis.set_title("at the highest frequency")
    _name_depth(axis, highest, label)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=6)


def figure_heads(heads: pd.DataFrame) -> Figure:
    """Entropy of attention and mutual information of queries and keys: a dot a head, one column a model.

    Parameters
    ----------
    heads : model, layer, head, entropy, nmi, patches
    """
    measures = {"entropy": "entropy of attention (nats)", "nmi": "mutual information\n(normalised)"}
    return _head_dots(
        heads,
        measures,
        lambda part: {
            "entropy": (np.log(part["patches"].iloc[0]), "all patches alike"),
            "nmi": (0, "all queries alike"),
        },
    )


def figure_class_attention(heads: pd.DataFrame) -> Figure:
    """What CLS looks at: how much of it patches, how many of them, and whether the class decides which.

    Parameters
    ----------
    heads : model, layer, head, to_patches, spread, contrast
    """
    measures = {
        "to_patches": "share on patches",
        "spread": "patches looked at\n(share of all)",
        "contrast": "cosine of maps, one class\nless other classes",
    }
    return _head_dots(
        heads,
        measures,
        lambda part: {
            "to_patches": (part["uniform"].iloc[0], "all tokens alike"),
            "spread": (1, "all patches alike"),
            "contrast": (0, "the class does not matter"),
        },
    )


def _head_dots(
    heads: pd.DataFrame, measures: dict[str, str], references: Callable[[pd.DataFrame], dict[str, tuple[float, str]]]
) -> Figure:
    """A dot a head and a line through each layer's mean: one row a measure, one column a model.

    Parameters
    ----------
    heads : model, layer and the columns of `measures`
    measures : column -> how its axis is named
    references : of one model's rows, column -> what a head without any structure would have, and what that is called
    """
    models = list(heads["model"].unique())
    figure, axes = plt.subplots(
        len(measures),
        len(models),
        figsize=(min(PAGE, 1 + 2.6 * len(models)), 1.7 * len(measures) + 0.4),
        sharey="row",
        sharex="col",
        squeeze=False,
    )
    for axis, title in zip(axes[:, 0], measures.values(), strict=True):
        axis.set_ylabel(title)
    for column, (model, part, style) in zip(axes.T, _models(heads), strict=True):
        for axis, name in zip(column, measures, strict=True):
            means = part.groupby("layer")[name].mean()
            axis.scatter(part["layer"], part[name], s=9, color=style["color"], alpha=0.55, linewidths=0)
            axis.plot(means.index, means, color=style["color"])
            _reference(axis, *references(part)[name])
            axis.set_xticks(few(part["layer"]))
        column[0].set_title(model)
        column[-1].set_xlabel("layer")
    return figure


def figure_models(separation: pd.DataFrame) -> Figure:
    """How well classes separate by layer, models side by side: one row a kind of token, one panel a measure.

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
            for model, curve, style in _models(part):
                axis.plot(curve["x"], curve[column], label=model, **style)
            chance = 0.0 if column == "silhouette" else part["chance"].iloc[0]
            _reference(axis, chance, "no structure" if column == "silhouette" else "guessing")
            axis.set(title=f"{title}, {name}")
    for axis in axes[-1]:
        _name_depth(axis, separation, label)
    _below(figure, axes[0, 0])
    return figure
