"""Figures of a sweep: measures against mask ratio and patch size, and by layer. Colours and style: see `style`."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import along_depth, few
from maescope.figures.style import CHANCE, COLOURS, MARKERS, PAGE
from maescope.tables import sweep
from maescope.tables.sweep import OWN, SETTING, UNMASKED, Series, along, chosen

UNITS = {"ratio": ("mask ratio (%)", 100), "patch": ("patch size (px)", 1)}


class Panel(NamedTuple):
    """One row of the figure; `reference` is what nothing learned would give, `words` its name, both as shown.

    `unit` is what the values are multiplied with: 100 where shares are shown in percent.
    """

    label: str
    curves: list[Series]
    reference: float | None = None
    words: str = ""
    unit: float = 1


def panels(chance: float, top_1: float) -> list[Panel]:
    """What the figure shows, from above.

    Parameters
    ----------
    chance, top_1 : accuracy of guessing the label, and the best of all outputs of a head, in [0, 1]
    """

    def probes(seen: str) -> list[Series]:
        names = {"probe_accuracy": "linear probe", "knn_accuracy": "k-NN"}
        places = ("best layer", "last layer")
        return [Series(f"{name}, {at}", key, "mean", seen, at) for key, name in names.items() for at in places]

    angles = {"theta_1": "two classes", "theta_1_within": "halves of one class"}
    bands = {"error_low": "low frequencies", "error_high": "high frequencies"}
    families = ["clean", "blur", "occlusion", "corruption"]
    return [
        Panel("accuracy (%),\nall patches seen", probes(UNMASKED), 100 * chance, "guessing", 100),
        Panel("accuracy (%),\nseen at own ratio", probes(OWN), 100 * chance, "guessing", 100),
        Panel(
            "smallest angle (°),\nlast layer",
            [Series(words, key, "patch", OWN, "last layer") for key, words in angles.items()],
        ),
        Panel(
            "error of hidden\npatches (%)",
            [Series(words, key, seen=OWN) for key, words in bands.items()],
            100,
            "mean colour",
            100,
        ),
        Panel("accuracy when\nfine-tuned (%)", [Series(f, f"accuracy_{f}") for f in families], 100 * top_1, "guessing"),
    ]


def figure_sweep(points: pd.DataFrame, summary: pd.DataFrame, chance: float, top_1: float) -> Figure:
    """Every measure against mask ratio, left, and patch size, right: means, intervals and each model as a dot.

    Parameters
    ----------
    points, summary : see `sweep`
    chance, top_1 : see `panels`
    """
    shown = pd.concat(along(summary, name) for name in sweep.axes(summary))
    rows = [panel for panel in panels(chance, top_1) if any(len(chosen(shown, curve)) for curve in panel.curves)]
    size = (PAGE, 1.75 * len(rows) + 0.4)
    names = sweep.axes(summary)
    figure, axes = plt.subplots(len(rows), len(names), figsize=size, sharey="row", sharex="col", squeeze=False)
    for row, panel in zip(axes, rows, strict=True):
        for axis, name in zip(row, names, strict=True):
            _panel(axis, panel, along(points, name), along(summary, name), name)
        row[0].set_ylabel(panel.label)
        row[0].set_ylim(_limits(panel, summary))  # of both, which share it
        row[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=3)
    for axis, name in zip(axes[-1], names, strict=True):
        axis.set_xlabel(f"{UNITS[name][0]}, at {sweep.fixed(summary, name)}")
    return figure


def _panel(axis: Axes, panel: Panel, points: pd.DataFrame, summary: pd.DataFrame, name: str) -> None:
    """One measure against one of ratio and patch size; settings evenly apart, whatever their numbers."""
    settings = sorted(summary[name].unique())
    colours = dict(zip(dict.fromkeys(curve.measure for curve in panel.curves), COLOURS, strict=False))
    for number, curve in enumerate(panel.curves):
        mean, own = chosen(summary, curve), chosen(points, curve)
        style = {"color": colours[curve.measure], "marker": MARKERS[number], "label": curve.words}
        if curve.at == "best layer":  # often the last one, whose line would cover its own
            style |= {"linestyle": "none", "markerfacecolor": "white"}
        beside = 0.1 * (number - (len(panel.curves) - 1) / 2)
        places = mean[name].map(settings.index) + beside
        low, middle, high = (panel.unit * mean[column] for column in ("low", "mean", "high"))
        axis.errorbar(places, middle, [middle - low, high - middle], capsize=2, elinewidth=0.8, markersize=4, **style)
        values = panel.unit * own["value"]
        axis.scatter(own[name].map(settings.index) + beside, values, s=4, color="0.25", linewidths=0, zorder=3)
    if panel.reference is not None:
        axis.axhline(panel.reference, label=panel.words, **CHANCE)
    axis.set_xticks(range(len(settings)), [f"{UNITS[name][1] * setting:g}" for setting in settings])


def _limits(panel: Panel, summary: pd.DataFrame) -> tuple[float, float]:
    """Where an axis begins and ends, so that models, intervals and the reference are all seen."""
    shown = pd.concat([chosen(along(summary, name), curve) for name in sweep.axes(summary) for curve in panel.curves])
    ends = panel.unit * shown[["smallest", "largest", "low", "high"]].to_numpy().ravel()
    low, high = np.nanmin(ends), np.nanmax(ends)
    if panel.reference is not None:
        low, high = min(low, panel.reference), max(high, panel.reference)
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


def figure_sweep_layers(runs: pd.DataFrame, chance: float) -> Figure:
    """Linear probe of mean patches by layer: one curve per setting, its models' spread shaded, its best layer ringed.

    A row for what the encoder saw, with limits of its own; a setting looks the same in both columns.

    Parameters
    ----------
    runs : see `sweep`
    chance : accuracy of guessing, in [0, 1]
    """
    part = runs[(runs["measure"] == "probe_accuracy") & (runs["token"] == "mean")]
    part = part.assign(value=100 * part["value"])
    part, label = along_depth(part)
    names = sweep.axes(part)
    settings = sorted({(row.ratio, row.patch) for row in part.itertuples()})
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(settings)))
    looks = {
        setting: {"color": c, "marker": m} for setting, c, m in zip(settings, shades, cycle(MARKERS), strict=False)
    }
    figure, axes = plt.subplots(2, len(names), figsize=(PAGE, 4.6), sharex=True, sharey="row", squeeze=False)
    for row, seen in zip(axes, (UNMASKED, OWN), strict=True):
        for axis, name in zip(row, names, strict=True):
            _layers(axis, along(part[part["seen"] == seen], name), name, looks)
        _guessing(row, 100 * chance)
        row[0].set_ylabel("linear probe accuracy (%),\n" + ("all patches seen" if seen == UNMASKED else "at own ratio"))
    for axis, name in zip(axes[-1], names, strict=True):
        title = f"{UNITS[name][0]}, at {sweep.fixed(part, name)}"
        axis.set_xlabel(label)
        if label == "layer":
            axis.set_xticks(few(part["layer"]))
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4, title=title)
    return figure


def _layers(axis: Axes, part: pd.DataFrame, name: str, looks: dict[tuple[float, int], dict]) -> None:
    """One panel: a curve per setting.

    Parameters
    ----------
    looks : (ratio, patch) -> its colour and marker
    """
    for setting, own in part.groupby(SETTING):
        look, by_layer = looks[setting], own.groupby("x")["value"].agg(["mean", "min", "max"])
        colour, words = look["color"], f"{UNITS[name][1] * own[name].iloc[0]:g}"
        axis.plot(by_layer.index, by_layer["mean"], markersize=3, label=words, **look)
        axis.fill_between(by_layer.index, by_layer["min"], by_layer["max"], color=colour, alpha=0.18, linewidth=0)
        best = by_layer["mean"].idxmax()
        axis.scatter(best, by_layer["mean"][best], s=70, facecolors="none", edgecolors=colour, linewidths=1.3, zorder=4)


def _guessing(row: Sequence[Axes], chance: float) -> None:
    """What guessing gives: a line where it lies between the limits of the data, else words, so that these stay."""
    low, high = row[0].get_ylim()
    for axis in row:
        if low <= chance <= high:
            axis.axhline(chance, **CHANCE)
    words = (
        "dotted: guessing"
        if low <= chance <= high
        else f"guessing: {chance:.3g} %, {'below' if chance < low else 'above'}"
    )
    row[-1].set_title(words, loc="right", fontsize=6, color="0.35", pad=2)
