"""Spatial frequencies of patch tokens: whether a layer keeps or smooths detail (Park and Kim 2022)."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from maescope.base import grid

EPSILON = 1e-6  # of Park and Kim, so that an amplitude of 0 has a logarithm


def frequencies(side: int) -> np.ndarray:
    """The diagonal frequencies of a grid of patches, in units of pi per patch: 0 to 1.

    Parameters
    ----------
    side : patches along it; of a grid that is no square the largest number that divides rows and columns
    """
    return 2 * np.arange(side // 2 + 1) / side


def noise(side: int) -> np.ndarray:
    """What white noise has at each of `frequencies`: log(2) / 2 nats where |F| has two parts, as at frequency 0 not.

    The amplitude is the length of a Gaussian vector of one part (real, at 0 and, of even sides, at pi) or of two of
    half the variance: E log is 0.635 or 0.289 nats below the logarithm of the standard deviation.
    """
    return np.where(np.isin(frequencies(side), (0, 1)), 0, np.log(2) / 2)


def relative_log_amplitude(tokens: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Fourier amplitude over the grid of patches along its diagonal, as a logarithm, above that of frequency 0.

    Mean over channels of log |F|, as Park and Kim have it (their Figure 2a); frequency (f, f) in rows and columns,
    which a grid has at multiples of 2 / side only.

    Parameters
    ----------
    tokens : (B, N, D), all N patches of a grid, row by row
    shape : rows and columns of the grid; `side` is their greatest common divisor

    Returns
    -------
    (B, side // 2 + 1) in nats, 0 at frequency 0; frequencies as in `frequencies`
    """
    rows, columns = shape
    side = math.gcd(rows, columns)
    pictures = tokens.reshape(len(tokens), rows, columns, -1)  # (B, rows, columns, D)
    steps = np.arange(side // 2 + 1)
    diagonal = np.fft.fft2(pictures, axes=(1, 2))[:, steps * (rows // side), steps * (columns // side)]
    amplitude = np.abs(diagonal)  # (B, frequencies, D)
    logarithm = np.log(amplitude + EPSILON).mean(axis=-1)
    return logarithm - logarithm[:, :1]


def table(blocks: Iterable[np.ndarray], crop: int | Sequence[int]) -> pd.DataFrame:
    """Mean over images by frequency: frequency, log_amplitude, noise, images.

    Parameters
    ----------
    blocks : tokens (B, N, D) of some images at a time
    crop : the model's input in pixels
    """
    parts = []
    for block in blocks:
        shape = grid.shape(block.shape[1], crop)
        parts.append(relative_log_amplitude(block, shape))
    found, side = np.concatenate(parts), math.gcd(*shape)  # (n, frequencies)
    columns = {"frequency": frequencies(side), "log_amplitude": found.mean(axis=0), "noise": noise(side)}
    return pd.DataFrame(columns | {"images": len(found)})


def over_labels(measured: pd.DataFrame) -> pd.DataFrame:
    """Mean over labels, each counting the same: model, layer, frequency, log_amplitude, noise."""
    by = ["model", "layer", "frequency"]
    return measured.groupby(by, sort=False)[["log_amplitude", "noise"]].mean().reset_index()
