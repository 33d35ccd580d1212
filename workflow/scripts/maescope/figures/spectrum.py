"""Spatial frequencies of patch tokens by layer, models side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maescope.figures.axes import along_depth, below, models, name_depth, panel_grid, reference
from maescope.figures.style import CHANCE, PAGE


def figure_spectrum(spectra: pd.DataFrame) -> Figure:
    """Fourier amplitude of patch tokens by frequency, one panel per model, one curve per layer; the highest by layer.

    Parameters
    ----------
    spectra : model, layer, frequency, log_amplitude, noise
    """
    models = list(spectra.groupby("model", sort=False))
    rows = -(-(len(models) + 1) // 4)
    figure = plt.figure(figsize=(PAGE, 2.3 * rows + 0.4))
    axes = panel_grid(figure, len(models) + 1, 4)
    panels, last = axes[: len(models)], axes[len(models)]
    for axis, (model, part) in zip(panels, models, strict=True):
        axis.sharey(panels[0])
        _amplitudes(axis, part)
        axis.set_title(model)
    _highest(last, spectra)
    for axis in (*panels[::4], last):  # the last one's scale is its own
        axis.set_ylabel("log amplitude above\nthat of frequency 0 (nats)")
    below(figure, last)
    return figure


def _amplitudes(axis: Axes, part: pd.DataFrame) -> None:
    """One model's amplitude by frequency: a curve per layer, dark to light, three of them named."""
    layers = list(part.groupby("layer"))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(layers)))
    for (layer, curve), colour in zip(layers, shades, strict=True):
        named = layer in (1, len(layers) // 2, len(layers))
        axis.plot(curve["frequency"], curve["log_amplitude"], color=colour, label=f"layer {layer}" * named)
    axis.plot(layers[0][1]["frequency"], layers[0][1]["noise"], **CHANCE)
    axis.set_xlabel("frequency (π per patch)")
    axis.legend(loc="lower left", fontsize=6, handlelength=1, labelspacing=0.2, borderpad=0)


def _highest(axis: Axes, spectra: pd.DataFrame) -> None:
    """Amplitude at each model's highest frequency by layer: one curve per model."""
    of_model = spectra.groupby("model")["frequency"]  # an odd grid has no frequency of 1
    highest, label = along_depth(spectra[spectra["frequency"] == of_model.transform("max")])
    for model, curve, style in models(highest):
        axis.plot(curve["x"], curve["log_amplitude"], label=model, **style)
    for noise in highest["noise"].unique():
        reference(axis, noise, "white noise")
    axis.set_title("at the highest frequency")
    name_depth(axis, highest, label)
