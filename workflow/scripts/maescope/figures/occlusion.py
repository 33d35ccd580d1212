"""Figure 5: accuracy under occlusion."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from maescope.base.doubts import Doubt
from maescope.figures.style import CHANCE, COLOURS, COLUMN, MARKERS, PAGE


def figure_5(
    curves: pd.DataFrame, titles: dict[str, str], chance: float, doubted: Mapping[str, Sequence[Doubt]]
) -> Figure:
    """Figure 5: accuracy over occluded patches, one panel per model, one curve per order of removal.

    Parameters
    ----------
    curves : model, perturbation, percent, accuracy, accuracy_low, accuracy_high (percent), area (mean accuracy)
    titles : perturbation -> how its curve is named
    chance : accuracy of guessing, in percent
    doubted : models of whose clean accuracy the figure says that it is in doubt, and why
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
        if part["perturbation"].nunique() == 1 < len(titles):
            axis.plot([], [], " ", label="its controls were not measured")
        axis.set(title=model, xlabel="patches occluded (%)", ylim=(0, 102), xlim=(-2, None))
        if why := doubted.get(model):
            axis.set_title("\n".join([model, *(doubt.title for doubt in why)]), color=COLOURS[1])
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), title="first to go")
    for axis in axes[:, 0]:
        axis.set_ylabel("top-1 accuracy (%)")
    for axis in axes.flat[len(models) :]:
        axis.set_visible(False)
    return figure
