"""Figures 1-4 and mask invariance: tidy measures in, a matplotlib figure out. Colours and style: see `plots`."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from maescope import invariance
from maescope.plots import CHANCE, COLOURS, MARKERS, PAGE

TOKENS = {"cls": ("CLS", "#CC79A7", "D"), "mean": ("mean patch", "#000000", "o"), "patch": ("patch", "#56B4E9", "s")}
ACROSS = 6  # panels of maps in a row


def figure_1(tsne: pd.DataFrame, separation: pd.DataFrame) -> Figure:
    """Figure 1: t-SNE of CLS and mean-patch tokens by layer, above how well classes separate in the layer itself.

    Parameters
    ----------
    tsne : token, layer, label, x, y
    separation : token, layer, scope, silhouette, knn_accuracy, probe_accuracy, chance, classes, images
    """
    return _maps_and_curves(tsne, separation, ["cls", "mean"], {"s": 5, "alpha": 0.9})


def figure_2(tsne: pd.DataFrame, separation: pd.DataFrame) -> Figure:
    """Figure 2: as Figure 1, of the patch tokens themselves, small and translucent."""
    return _maps_and_curves(tsne, separation, ["patch"], {"s": 3, "alpha": 0.35})


def _maps_and_curves(tsne: pd.DataFrame, separation: pd.DataFrame, tokens: list[str], points: dict) -> Figure:
    layers = sorted(tsne["layer"].unique())
    rows = -(-len(layers) // ACROSS)
    height = 1.16 * rows * len(tokens) + 0.3
    figure = plt.figure(figsize=(PAGE, height + 2.4))
    *blocks, below = figure.subfigures(len(tokens) + 1, 1, height_ratios=[height / len(tokens)] * len(tokens) + [2.4])
    for block, token in zip(blocks, tokens, strict=True):
        _maps(block, tsne[tsne["token"] == token], layers, rows, TOKENS[token][0], points)
    _curves(below, separation[separation["token"].isin(tokens)], tokens)
    return figure


def _maps(block: SubFigure, maps: pd.DataFrame, layers: list[int], rows: int, name: str, points: dict) -> None:
    """One panel a layer, each class in a colour and a shape of its own."""
    axes = block.subplots(rows, ACROSS, squeeze=False).ravel()
    labels = list(maps["label"].unique())
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        axis.spines[:].set_visible(True)
        axis.spines[:].set_color("0.8")
    for axis, layer in zip(axes, layers, strict=False):
        own = maps[maps["layer"] == layer].sample(frac=1, random_state=0)  # no class covers the others
        order = own["label"].map(labels.index).to_numpy()
        colours = np.array(COLOURS, dtype=object)[order % len(COLOURS)]
        for number in range(len(labels)) if points["s"] > 4 else [slice(None)]:
            chosen = order == number if isinstance(number, int) else number
            marker = MARKERS[number % len(MARKERS)] if isinstance(number, int) else "o"
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
            marker=MARKERS[n % len(MARKERS)] if points["s"] > 4 else "o",
            linestyle="none",
            label=f" {label}",  # a name that begins with _ would be left out
        )
        for n, label in enumerate(labels)
    ]
    block.legend(handles=handles, loc="outside upper right", ncols=len(labels), title=None)
    block.suptitle(f"t-SNE of {name} tokens, by class", x=0.01, ha="left", fontsize=8)


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
        chances = (
            {0.0: "as near to another class"}
            if column == "silhouette"
            else {
                chance: f"guessing one of {classes}"
                for classes, chance in separation.groupby("classes")["chance"].first().items()
            }
        )
        for chance, what in chances.items():
            axis.axhline(chance, **CHANCE)
            axis.annotate(
                what,
                (1, chance),
                xytext=(0, 2),
                textcoords="offset points",
                va="bottom",
                ha="right",
                xycoords=("axes fraction", "data"),
                fontsize=6,
                color="0.35",
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
                zorder=1.5,  # above the grid and below the curves
            )
        axis.set(title=title, xlabel="layer")
        axis.set_xticks(few(separation["layer"]))
        if column != "silhouette":
            axis.set_ylim(0, 1.02)
    handles, labels = axes[0].get_legend_handles_labels()
    below.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def few(layers: pd.Series, most: int = 12) -> list[int]:
    """Layers to be named on an axis."""
    values = sorted(layers.unique())
    return values[:: -(-len(values) // most)]


def figure_3(heads: pd.DataFrame) -> Figure:
    """Figure 3: mean attention distance of each head by layer, one column a model, one row a dataset.

    Parameters
    ----------
    heads : dataset, model, layer, head, distance_px, uniform_px
    """
    datasets, models = heads["dataset"].unique(), heads["model"].unique()
    width = min(PAGE, 3.6 * len(models))
    figure, axes = plt.subplots(
        len(datasets), len(models), figsize=(width, 2.1 * len(datasets) + 0.4), sharey=True, sharex=True, squeeze=False
    )
    for row, dataset in zip(axes, datasets, strict=True):
        for axis, model, colour in zip(row, models, cycle(COLOURS), strict=False):
            part = heads[(heads["dataset"] == dataset) & (heads["model"] == model)]
            means = part.groupby("layer")["distance_px"].mean()
            axis.scatter(part["layer"], part["distance_px"], s=9, color=colour, alpha=0.55, linewidths=0, label="head")
            axis.plot(means.index, means, color=colour, label="mean over heads")
            uniform = part["uniform_px"].iloc[0]
            axis.axhline(uniform, label=f"uniform attention ({uniform:.1f} px)", **CHANCE)
            axis.set(title=f"{model}, {dataset}")
            axis.set_xticks(few(heads["layer"]))
            axis.legend(loc="lower right")
    axes[0, 0].set_ylim(0, 1.05 * heads["distance_px"].max())  # shared: the first panel's own would cut the others
    for axis in axes[-1]:
        axis.set_xlabel("layer")
    for axis in axes[:, 0]:
        axis.set_ylabel("mean attention distance (px)")
    return figure


def figure_4(first_angles: pd.DataFrame, singular_values: pd.DataFrame) -> Figure:
    """Figure 4: the smallest angle of pairs of class subspaces by layer with its baselines, and singular values.

    Parameters
    ----------
    first_angles : layer, kind (between, within, random), angle_deg: theta_1 only
    singular_values : layer, label, index, relative
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.9), width_ratios=(1.7, 1))
    layers = sorted(first_angles["layer"].unique())
    styles = {"between": ("two classes", COLOURS[0], -0.2), "within": ("halves of one class", COLOURS[1], 0.2)}
    for kind, (name, colour, shift) in styles.items():
        part = first_angles[first_angles["kind"] == kind]
        values = [part.loc[part["layer"] == layer, "angle_deg"].to_numpy() for layer in layers]
        line = {"color": colour}
        boxes = left.boxplot(
            values,
            positions=np.array(layers) + shift,
            widths=0.34,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
            whiskerprops=line,
            capprops=line,
            medianprops={"color": colour, "linewidth": 1.6},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": colour},
        )
        boxes["boxes"][0].set_label(name)
    random = first_angles.loc[first_angles["kind"] == "random", "angle_deg"].median()
    left.axhline(random, label=f"two random subspaces ({random:.1f}°)", **CHANCE)
    left.set(xlabel="layer", ylabel="smallest angle θ₁ (degrees, log scale)", yscale="log")
    left.set_xticks(few(first_angles["layer"]))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter(sparse)
    left.margins(y=0.1)
    left.set_ylim(top=min(left.get_ylim()[1], 95))  # no angle is above 90
    figure.legend(loc="outside upper left", ncols=3)
    _spectra(right, singular_values)
    return figure


def sparse(value: float, position: int | None = None) -> str:
    """On a logarithmic axis 2 and 5 are named between the powers of ten."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _spectra(axis: plt.Axes, singular_values: pd.DataFrame) -> None:
    """Mean over classes of the normalised singular values, one line a layer, dark to light with depth."""
    means = singular_values.groupby(["layer", "index"])["relative"].mean().unstack()
    shades = ListedColormap(plt.get_cmap("viridis")(np.linspace(0, 0.9, len(means))))
    for (_, values), colour in zip(means.iterrows(), shades.colors, strict=True):
        axis.plot(values.index, values, color=colour, linewidth=1)
    axis.set(xlabel="index", ylabel="singular value / Frobenius norm", yscale="log")
    axis.set_xticks(few(singular_values["index"]))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(sparse)
    scale = Normalize(means.index.min() - 0.5, means.index.max() + 0.5)
    bar = axis.figure.colorbar(ScalarMappable(scale, shades), ax=axis, label="layer")
    bar.set_ticks(few(singular_values["layer"]))
    bar.ax.grid(False)


def figure_masks(pairs: pd.DataFrame) -> Figure:
    """Cosine of embeddings under different masks, of one image and of two; norms under all masks, image by image.

    Parameters
    ----------
    pairs : compared, label, image, mask_a, mask_b, cosine, norm_a, norm_b
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.7), width_ratios=(1, 1.2))
    titles = {
        "one image": "one image",
        "one class": "two images of one class",
        "two classes": "two images of two classes",
    }
    bins = np.linspace(pairs["cosine"].min(), 1, 60)
    for (name, part), colour, style in zip(
        pairs.groupby("compared", sort=False), COLOURS, ("-", "--", ":"), strict=False
    ):
        weights = np.full(len(part), 100 / len(part))
        label = f"{titles[name]} (mean {part['cosine'].mean():.3f})"
        left.hist(part["cosine"], bins, weights=weights, histtype="stepfilled", color=colour, alpha=0.2)
        left.hist(
            part["cosine"],
            bins,
            weights=weights,
            histtype="step",
            color=colour,
            linestyle=style,
            linewidth=1.3,
            label=label,
        )
    left.set(xlabel="cosine of two masked embeddings", ylabel="pairs (%)")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    norms = invariance.norms(pairs)
    groups = list(norms.groupby(["label", "image"], sort=False)["norm"])
    right.boxplot(
        [values for _, values in groups],
        positions=range(len(groups)),
        whis=(0, 100),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": "0.85", "edgecolor": "0.3"},
        medianprops={"color": "#000000"},
        manage_ticks=False,
    )
    right.set(
        xlabel="image, by class", ylabel="norm of the embedding", title="all masks of each image: quartiles, extremes"
    )
    right.set_xticks(range(len(groups)), [label for (label, _), _ in groups])
    right.set_ylim(0, None)
    return figure
