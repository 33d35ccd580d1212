"""Figures beyond the paper: measures of the field, models side by side. Colours and style: see `plots`."""

from collections.abc import Callable, Iterator
from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage

from maescope.layerplots import few, sparse
from maescope.plots import CHANCE, COLOURS, MARKERS, PAGE, ends_of

TOKENS = {"cls": "CLS", "mean": "mean patch"}
ACROSS = 6  # panels of changes in a row


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
        axis.set_xticks(few(frame["x"], 8))


def _models(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict]]:
    """Each model's rows and how its curve looks, in the order in which models come."""
    for (model, part), colour, marker in zip(
        frame.groupby("model", sort=False), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        yield model, part, {"color": colour, "marker": marker}


def _reference(axis: Axes, value: float, words: str) -> None:
    """A dotted line of what would be measured without any structure, named in the legend."""
    axis.axhline(value, label=words, **CHANCE)


def _below(figure: Figure, *axes: Axes) -> None:
    """One legend for all panels, below them: what these show, each name once."""
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=min(4, len(named)))


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
    """Height of all panels of a perturbation in inches, one panel a model: wide ones are higher."""
    count = part["model"].nunique()
    return -(-count // ACROSS) * (1.5 if count < 4 else 1.15)


def _panels(figure: FigureBase, count: int, across: int, **options) -> np.ndarray:
    """So many panels in rows of `across`; what is left of the last row is there and hidden."""
    across = min(across, count)
    axes = figure.subplots(-(-count // across), across, squeeze=False, **options).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    return axes


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
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, aspect=30)
    bar.set_label(f"linear CKA (random\norder: {low:.2f} to {high:.2f})", fontsize=7)


def _map(axis: Axes, part: pd.DataFrame) -> AxesImage:
    """CKA of each layer of one model (rows) with each of another."""
    values = part.pivot(index="layer", columns="other_layer", values="cka")
    layers, others = values.shape
    edges = (0.5, others + 0.5, 0.5, layers + 0.5)
    image = axis.imshow(values, origin="lower", extent=edges, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axis.set(xticks=ends_of(others), yticks=ends_of(layers))
    axis.tick_params(labelsize=7)
    axis.grid(False)
    return image


def _changes(figure: FigureBase, part: pd.DataFrame, label: str, lowest: float) -> None:
    """One perturbation: a panel a model, one legend for the levels of all."""
    models = list(part.groupby("model", sort=False))
    axes = _panels(figure, len(models), ACROSS, sharey=True)
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
    """CKA of each layer with itself on clean images: one curve a level, dark to light."""
    levels = list(part.groupby("level", sort=False))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(levels)))
    for (level, curve), colour, marker in zip(levels, shades, cycle(MARKERS), strict=False):
        axis.plot(curve["layer"], curve["cka"], color=colour, marker=marker, markersize=2.5, linewidth=1, label=level)
    _reference(axis, part["shuffled"].mean(), "random\norder")
    axis.set_xticks(ends_of(part["layer"].max()))
    axis.tick_params(labelsize=7)


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
        words = " or ".join(f"{noise:.0f}" for noise in ranks_of_noise)
        for noise in ranks_of_noise:
            _reference(axis, noise, f"noise of the same shape ({words})")
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
    rows = -(-(len(models) + 1) // 4)
    figure = plt.figure(figsize=(PAGE, 2.3 * rows + 0.4))
    axes = _panels(figure, len(models) + 1, 4)
    panels, last = axes[: len(models)], axes[len(models)]
    for axis, (model, part) in zip(panels, models, strict=True):
        axis.sharey(panels[0])
        _amplitudes(axis, part)
        axis.set_title(model)
    _highest(last, spectra)
    for axis in (*panels[::4], last):  # the last one's scale is its own
        axis.set_ylabel("log amplitude above\nthat of frequency 0 (nats)")
    _below(figure, last)
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
    axis.legend(loc="lower left", fontsize=6, handlelength=1, labelspacing=0.2, borderpad=0)


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


def figure_heads(heads: pd.DataFrame) -> Figure:
    """Entropy of attention and mutual information of queries and keys: a dot a head, one row a model.

    Parameters
    ----------
    heads : model, layer, head, entropy, nmi, patches
    """
    titles = {
        "entropy": "entropy of attention (nats)\ndotted: all patches alike",
        "nmi": "mutual information (normalised)\ndotted: all queries alike",
    }
    return _head_dots(heads, titles, lambda part: {"entropy": np.log(part["patches"].iloc[0]), "nmi": 0})


def figure_class_attention(heads: pd.DataFrame) -> Figure:
    """What CLS looks at: how much of it patches, how many of them, and whether the class decides which.

    Parameters
    ----------
    heads : model, layer, head, to_patches, spread, contrast, uniform
    """
    titles = {
        "to_patches": "share on patches\ndotted: all tokens alike",
        "spread": "patches looked at (share of all)\ndotted: all patches alike",
        "contrast": "cosine of maps, one class minus others\ndotted: the class does not matter",
    }
    return _head_dots(heads, titles, lambda part: {"to_patches": part["uniform"].iloc[0], "spread": 1, "contrast": 0})


def _head_dots(
    heads: pd.DataFrame, titles: dict[str, str], references: Callable[[pd.DataFrame], dict[str, float]]
) -> Figure:
    """A dot a head and a line through each layer's mean: one row a model, one column a measure.

    Parameters
    ----------
    heads : model, layer and the columns of `titles`
    titles : column -> what it is, and what its dotted line
    references : of one model's rows, column -> what a head without any structure would have
    """
    count = heads["model"].nunique()
    size = (PAGE, (1.6 if count < 5 else 1.15) * count + 0.6)
    figure, axes = plt.subplots(count, len(titles), figsize=size, sharex=True, sharey="col", squeeze=False)
    for row, (model, part, style) in zip(axes, _models(heads), strict=True):
        for axis, name in zip(row, titles, strict=True):
            means = part.groupby("layer")[name].mean()
            axis.scatter(part["layer"], part[name], s=9, color=style["color"], alpha=0.55, linewidths=0)
            axis.plot(means.index, means, color=style["color"])
            axis.axhline(references(part)[name], **CHANCE)
        row[0].set_ylabel(fill(model, 18))
    for axis, below, title in zip(axes[0], axes[-1], titles.values(), strict=True):
        axis.set_title(title, fontsize=7)
        below.set_xlabel("layer")
        below.set_xticks(few(heads["layer"], 8))
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
            if column == "silhouette":
                _reference(axis, 0, "silhouette 0: as near to another class")
            else:
                _reference(axis, part["chance"].iloc[0], "accuracy of guessing")
            axis.set(title=f"{title}, {name}")
    for axis in axes[-1]:
        _name_depth(axis, separation, label)
    _below(figure, *axes[0])
    return figure
