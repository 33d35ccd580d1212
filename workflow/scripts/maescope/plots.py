"""Figures: tidy numbers in, a matplotlib figure out. Colours are Okabe and Ito's, safe for colour-blind readers."""

import os
from collections.abc import Container, Sequence
from itertools import cycle
from textwrap import fill

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maescope import provenance
from maescope.atomic import replacing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CHANCE = {"color": "0.35", "linestyle": (0, (1, 2)), "linewidth": 1.2}
COLUMN, PAGE = 3.5, 7.2  # widths in inches of one column and of a page
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a class may be called $x$
    "svg.hashsalt": "maescope",
}
plt.rcParams.update(STYLE)


def save(figure: Figure, *paths: str | os.PathLike) -> None:
    """Write a figure to each path, without dates, so that the same numbers give the same file; it says what made it."""
    stamp = provenance.stamp()
    for path in paths:
        with replacing(path) as temporary:
            metadata = {"CreationDate": None, "Keywords": stamp} if str(path).endswith(".pdf") else {"maescope": stamp}
            figure.savefig(temporary, dpi=200, metadata=metadata)
    plt.close(figure)


def figure_5(curves: pd.DataFrame, titles: dict[str, str], chance: float, guessing: Container[str] = ()) -> Figure:
    """Figure 5: accuracy over occluded patches, one panel a model, one curve an order of removal.

    Parameters
    ----------
    curves : model, perturbation, percent, accuracy, accuracy_low, accuracy_high (percent), area (mean accuracy)
    titles : perturbation -> how its curve is named
    chance : accuracy of guessing, in percent
    guessing : models of which the figure says that their clean accuracy is no better
    """
    models = list(curves["model"].unique())
    columns = min(3, len(models))
    rows = -(-len(models) // columns)
    size = (min(PAGE, COLUMN * columns), 2.9 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    for axis, model in zip(axes.flat, models, strict=False):
        part = curves[curves["model"] == model]
        for (name, title), colour, marker in zip(titles.items(), cycle(COLOURS), cycle(MARKERS), strict=False):
            curve = part[part["perturbation"] == name].sort_values("percent")
            if curve.empty:  # a control that this model was not measured with
                continue
            label = f"{title} (area {curve['area'].iloc[0]:.1f})"
            axis.plot(curve["percent"], curve["accuracy"], color=colour, marker=marker, label=label)
            axis.fill_between(
                curve["percent"], curve["accuracy_low"], curve["accuracy_high"], color=colour, alpha=0.18, linewidth=0
            )
        axis.axhline(chance, label=f"chance ({chance:.3g} %)", **CHANCE)
        axis.set(title=model, xlabel="patches occluded (%)", ylim=(0, 102), xlim=(-2, None))
        if model in guessing:
            axis.set_title(f"{model}\nCLEAN ACCURACY NEAR CHANCE", color=COLOURS[1])
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), title="first to go")
    for axis in axes[:, 0]:
        axis.set_ylabel("top-1 accuracy (%)")
    for axis in axes.flat[len(models) :]:
        axis.set_visible(False)
    return figure


def training_curves(losses: dict[str, list[pd.DataFrame]], descriptions: dict[str, str]) -> Figure:
    """Loss by epoch of each model that was trained here, one panel a model, one curve a seed.

    Parameters
    ----------
    losses : model -> epoch, loss of each seed
    descriptions : model -> what the loss is
    """
    columns = min(len(losses), 3 if len(losses) < 7 else 4)
    rows = -(-len(losses) // columns)
    size = (min(PAGE, 2.6 * columns), (2.3 if columns < 4 else 1.8) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis, (model, seeds) in zip(axes.flat, losses.items(), strict=False):
        for loss in seeds:
            axis.plot(loss["epoch"], loss["loss"], color="0.25", linewidth=1, marker="." if len(loss) < 30 else None)
        ends = sorted(loss["loss"].iloc[-1] for loss in seeds)
        words = f"ends at {ends[0]:.3f}" if len(ends) == 1 else f"end at {ends[0]:.3f} to {ends[-1]:.3f}"
        axis.set_title(f"{model}\n{words}", fontsize=7)
        axis.set(xlabel="epoch", ylabel=descriptions[model])
        axis.set_ylim(0, None)
        axis.locator_params(axis="x", integer=True, min_n_ticks=1, nbins=5)
    for axis in axes.flat[len(losses) :]:
        axis.set_visible(False)
    return figure


def reconstruction(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, names: Sequence[str], title: str
) -> Figure:
    """What a masked autoencoder sees, what it makes of it, and what was there: one column an image.

    Parameters
    ----------
    original, masked, rebuilt : (n, height, width, 3) in [0, 1]; hidden patches are NaN in `masked`
    names : (n,) titles of the columns
    title : whose reconstruction it is
    """
    rows = {"input": np.where(np.isnan(masked), 0.5, masked), "reconstruction": rebuilt, "original": original}
    figure, axes = plt.subplots(3, len(names), figsize=(PAGE, PAGE * 3 / len(names) + 0.5), squeeze=False)
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


def head_maps(maps: pd.DataFrame, titles: dict[str, str], count: str) -> Figure:
    """Figures 6 and 7: a heat map of layers x heads for each level, all on one colour scale.

    Parameters
    ----------
    maps : level, layer, head, features
    titles : level -> how its panel is named, in the order of the panels
    count : what the colours count
    """
    columns = min(5 if len(titles) % 5 == 0 else 4, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(PAGE, (PAGE - 1) / columns * rows + 0.4), sharex=True, sharey=True, squeeze=False
    )
    top = maps["features"].max()
    for axis, (level, title) in zip(axes.flat, titles.items(), strict=False):
        panel = maps[maps["level"] == level].pivot(index="layer", columns="head", values="features")
        layers, heads = panel.shape
        image = axis.imshow(
            panel,
            cmap="cividis",
            vmin=0,
            vmax=max(top, 1e-9),
            origin="lower",
            extent=(0.5, heads + 0.5, 0.5, layers + 0.5),
        )
        axis.set(title=title, xticks=ends_of(heads), yticks=ends_of(layers), aspect="auto")
        axis.grid(False)
    for axis in axes.flat[len(titles) :]:
        axis.set_visible(False)
    figure.supxlabel("head", fontsize=STYLE["font.size"])
    figure.supylabel("layer", fontsize=STYLE["font.size"])
    figure.colorbar(image, ax=axes, label=count if rows > 1 else fill(count, 22), shrink=0.8, aspect=30)
    return figure


def ends_of(number: int) -> list[int]:
    """Ticks at 1, the middle and the end."""
    return sorted({1, (number + 1) // 2, number})


def figure_8(drops: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """Figure 8: common features lost by level, a row a model, a panel a perturbation, beside those of shuffled classes.

    Parameters
    ----------
    drops : model, perturbation, level, clean, drop, drop_low, drop_high, and the same with shuffled_ before; the two
        start from different numbers, so the share that is lost stands in the legend
    titles : perturbation -> what its levels are
    """
    models = drops["model"].unique()
    size = (PAGE, 2.9 * len(models))
    figure, axes = plt.subplots(len(models), len(titles), figsize=size, sharey="row", squeeze=False)
    for row, model in zip(axes, models, strict=True):
        own = drops[drops["model"] == model]
        for axis, (perturbation, title) in zip(row, titles.items(), strict=True):
            _lost_features(axis, own[own["perturbation"] == perturbation])
            axis.set(title=f"{model}, {perturbation}", xlabel=title)
        row[0].set_ylabel("mean drop (features a head)")
        row[0].set_ylim(0, 1.05 * own[["clean", "shuffled_clean", "drop_high"]].max(axis=None))
    return figure


def _lost_features(axis: plt.Axes, part: pd.DataFrame) -> None:
    """One panel of Figure 8: the drop of each level, of classes and of shuffled labels."""
    places = np.arange(len(part))
    series = {"": "classes", "shuffled_": "shuffled labels"}
    for (prefix, name), colour, marker in zip(series.items(), COLOURS, MARKERS, strict=False):
        drop = part[f"{prefix}drop"]
        errors = [drop - part[f"{prefix}drop_low"], part[f"{prefix}drop_high"] - drop]
        clean, last = part[f"{prefix}clean"].iloc[0], part["level"].iloc[-1]
        label = f"{name}: {clean:.2f} on clean images, {100 * drop.iloc[-1] / clean:.0f} % lost at {last}"
        line = "-" if not prefix else (0, (4, 2))
        style = {"color": colour, "marker": marker, "linestyle": line, "capsize": 2, "elinewidth": 0.9}
        axis.axhline(clean, color=colour, linestyle=(0, (1, 2)), linewidth=1.2)
        axis.errorbar(places, drop, None if prefix else errors, label=label, **style)
    axis.plot([], [], color="0.35", linestyle=(0, (1, 2)), linewidth=1.2, label="all of them lost (same colours)")
    axis.set_xticks(places, part["level"])
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), title="common features of")
