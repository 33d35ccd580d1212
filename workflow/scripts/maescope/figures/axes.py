"""What figures share: ticks, depth of models that differ in layers, lines of reference, panels side by side."""

from collections.abc import Iterator, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from maescope.figures.style import CHANCE, COLOURS, MARKERS


def few(layers: pd.Series, most: int = 12) -> list[int]:
    """Layers to be named on an axis."""
    values = sorted(layers.unique())
    return values[:: -(-len(values) // most)]


def sparse(value: float, position: int | None = None) -> str:
    """On a logarithmic axis 2 and 5 are named between the powers of ten."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def ends_of(number: int) -> list[int]:
    """Ticks at 1, the middle and the end."""
    return sorted({1, (number + 1) // 2, number})


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


def name_depth(axis: Axes, frame: pd.DataFrame, label: str) -> None:
    """Name the axis of depth, and of layers some."""
    axis.set_xlabel(label)
    if label == "layer":
        axis.set_xticks(few(frame["x"], 8))


def models(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict]]:
    """Each model's rows and how its curve looks, in the order in which models come."""
    for (model, part), colour, marker in zip(
        frame.groupby("model", sort=False), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        yield model, part, {"color": colour, "marker": marker}


def reference(axis: Axes, value: float, words: str) -> None:
    """A dotted line of what would be measured without any structure, named in the legend."""
    axis.axhline(value, label=words, **CHANCE)


def below(figure: Figure, *axes: Axes) -> None:
    """One legend for all panels, below them: what these show, each name once."""
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=min(4, len(named)))


def named(frame: pd.DataFrame, names: Mapping[str, str], *columns: str) -> pd.DataFrame:
    """The frame with names of classes in the place of their labels, where there are any."""
    return frame.assign(**{column: frame[column].map(lambda label: names.get(label, label)) for column in columns})


def band(axis: Axes, curve: pd.DataFrame, along: str, column: str, colour: str) -> None:
    """The interval of a curve, `<column>_low` to `<column>_high`, shaded."""
    low, high = (curve[f"{column}_{end}"] for end in ("low", "high"))
    axis.fill_between(curve[along], low, high, color=colour, alpha=0.15, linewidth=0)


def panel_grid(figure: FigureBase, count: int, across: int, **options) -> np.ndarray:
    """So many panels in rows of `across`; what is left of the last row is there and hidden."""
    across = min(across, count)
    axes = figure.subplots(-(-count // across), across, squeeze=False, **options).ravel()
    for axis in axes[count:]:
        axis.set_visible(False)
    return axes
