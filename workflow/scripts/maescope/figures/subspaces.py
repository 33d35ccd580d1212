"""Figure 4: angles between class subspaces by layer, and singular values."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from maescope.figures.axes import few, sparse
from maescope.figures.style import CHANCE, COLOURS, PAGE


def figure_4(first_angles: pd.DataFrame, singular_values: pd.DataFrame, seen: str) -> Figure:
    """Figure 4: the smallest angle of pairs of class subspaces by layer with its baselines, and singular values.

    Parameters
    ----------
    first_angles : layer, kind (between, within, random), angle_deg: theta_1 only
    singular_values : layer, label, index, relative
    seen : of which model, and what it sees
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
    left.set(title=seen, xlabel="layer", ylabel="smallest angle θ₁ (degrees, log scale)", yscale="log")
    left.set_xticks(few(first_angles["layer"]))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter(sparse)
    left.margins(y=0.1)
    left.set_ylim(top=min(left.get_ylim()[1], 95))  # no angle is above 90
    figure.legend(loc="outside upper left", ncols=3)
    _spectra(right, singular_values)
    return figure


def _spectra(axis: plt.Axes, singular_values: pd.DataFrame) -> None:
    """Mean over classes of the normalised singular values, one line per layer, dark to light with depth."""
    means = singular_values.groupby(["layer", "index"])["relative"].mean().unstack()
    shades = ListedColormap(plt.get_cmap("viridis")(np.linspace(0, 0.9, len(means))))
    for (_, values), colour in zip(means.iterrows(), shades.colors, strict=True):
        axis.plot(values.index, values, color=colour, linewidth=1)
    axis.set(title="mean over classes", xlabel="index", ylabel="singular value / Frobenius norm", yscale="log")
    axis.set_xticks(few(singular_values["index"]))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(sparse)
    scale = Normalize(means.index.min() - 0.5, means.index.max() + 0.5)
    bar = axis.figure.colorbar(ScalarMappable(scale, shades), ax=axis, label="layer")
    bar.set_ticks(few(singular_values["layer"]))
    bar.ax.grid(False)
