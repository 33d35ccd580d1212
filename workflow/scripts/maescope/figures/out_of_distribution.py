"""How well strange images are told from clean ones, a map per model: conditions in rows, layers and logits across."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from maescope.figures.style import PAGE

LOGITS = {"softmax": "softmax", "energy": "energy"}
CONTROL = "other clean images"


def figure_out_of_distribution(measured: pd.DataFrame) -> Figure:
    """AUROC of each condition at its last level, one map per model; grey-white is chance.

    Parameters
    ----------
    measured : model, shifted, level, score, layer, auroc; levels in their order
    """
    models = list(measured.groupby("model", sort=False))
    rows = [part["shifted"].nunique() for _, part in models]
    size = (PAGE, 0.9 + sum(0.45 + 0.17 * count for count in rows))
    figure, axes = plt.subplots(len(models), 1, figsize=size, squeeze=False, height_ratios=rows)
    for axis, (model, part) in zip(axes[:, 0], models, strict=True):
        image = _map(axis, part)
        axis.set_title(model)
    axes[-1, 0].set_xlabel("layer: distance to the nearest clean images; right: by logits")
    figure.colorbar(image, ax=axes[:, 0], shrink=min(1, 2 / size[1]), aspect=25, label="AUROC (0.5 is chance)")
    return figure


def _map(axis: Axes, part: pd.DataFrame) -> AxesImage:
    """One model: rows of conditions, the control first."""
    last = part.groupby("shifted", sort=False)["level"].transform("last") == part["level"]
    part = part[last]
    part = part.assign(column=part["score"].where(part["layer"].isna(), part["layer"].astype("Int64").astype(str)))
    layers = [str(layer) for layer in sorted(part["layer"].dropna().astype(int).unique())]
    names = {name: f"{name}, {level}" for name, level in part[["shifted", "level"]].drop_duplicates().to_numpy()}
    names = {name: CONTROL if name == "clean" else words.removesuffix(", clean") for name, words in names.items()}
    values = part.pivot(index="shifted", columns="column", values="auroc").reindex(
        list(names), columns=[*layers, *LOGITS]
    )
    image = axis.imshow(values, vmin=0, vmax=1, cmap="PuOr", aspect="auto")
    axis.set_xticks(range(values.shape[1]), [*layers, *LOGITS.values()], fontsize=6)
    axis.set_yticks(range(len(values)), names.values(), fontsize=6)
    axis.axvline(len(layers) - 0.5, color="black", linewidth=0.8)
    axis.grid(False)
    if values[list(LOGITS)].isna().all(axis=None):
        middle = len(layers) + (len(LOGITS) - 1) / 2, (len(values) - 1) / 2
        axis.text(*middle, "no head", ha="center", va="center", fontsize=6)
    for (row, column), value in pd.DataFrame(values.to_numpy()).stack().dropna().items():
        shade = "white" if abs(value - 0.5) > 0.3 else "black"
        axis.text(column, row, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=5, color=shade)
    return image
