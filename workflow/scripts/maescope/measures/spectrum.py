"""Spatial frequencies of patch tokens: whether a layer keeps or smooths detail (Park and Kim 2022)."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from maescope.base import grid

EPSILON = 1e-6  # of Park and Kim, so that an amplitude of 0 has a logarithm


def frequencies(side: int) -> np.ndarray:
    """The diagonal frequencies of a grid of side x side patches, in units of pi a patch: 0 to 1."""
    return 2 * np.arange(side // 2 + 1) / side


def noise(side: int) -> np.ndarray:
    """What white noise has at each of `frequencies`: log(2) / 2 nats where |F| has two parts, as at frequency 0 not.

    The amplitude is the length of a Gaussian vector of one part (real, at 0 and, of even sides, at pi) or of two of
    half the variance: E log is 0.635 or 0.289 nats below the logarithm of the standard deviation.
    """
    return np.where(np.isin(frequencies(side), (0, 1)), 0, np.log(2) / 2)


def relative_log_amplitude(tokens: np.ndarray) -> np.ndarray:
    """Fourier amplitude over the grid of patches along its diagonal, as a logarithm, above that of frequency 0.

    Mean over channels of log |F|, as Park and Kim have it (their Figure 2a); frequency (f, f) in rows and columns.

    Parameters
    ----------
    tokens : (B, N, D), all N patches of a square grid, row by row

    Returns
    -------
    (B, side // 2 + 1) in nats, 0 at frequency 0; frequencies as in `frequencies`

    Raises
    ------
    ValueError
        where N is no square number
    """
    side = grid.side(tokens.shape[1])
    pictures = tokens.reshape(len(tokens), side, side, -1)  # (B, rows, columns, D)
    diagonal = np.arange(side // 2 + 1)
    amplitude = np.abs(np.fft.fft2(pictures, axes=(1, 2))[:, diagonal, diagonal])  # (B, frequencies, D)
    logarithm = np.log(amplitude + EPSILON).mean(axis=-1)
    return logarithm - logarithm[:, :1]


def table(blocks: Iterable[np.ndarray]) -> pd.DataFrame:
    """Mean over images by frequency: frequency, log_amplitude, noise, images.

    Parameters
    ----------
    blocks : tokens (B, N, D) of some images at a time
    """
    parts = [(grid.side(block.shape[1]), relative_log_amplitude(block)) for block in blocks]
    found = np.concatenate([part for _, part in parts])  # (n, frequencies)
    side = parts[0][0]
    columns = {"frequency": frequencies(side), "log_amplitude": found.mean(axis=0), "noise": noise(side)}
    return pd.DataFrame(columns | {"images": len(found)})


def over_labels(measured: pd.DataFrame) -> pd.DataFrame:
    """Mean over labels, each counting the same: model, layer, frequency, log_amplitude, noise."""
    by = ["model", "layer", "frequency"]
    return measured.groupby(by, sort=False)[["log_amplitude", "noise"]].mean().reset_index()
