"""Patch tokens as colours: their first three principal components, shared by all images shown (Oquab et al. 2023)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from maescope.measures.embeddings import collapsed
from maescope.tokens.store import TokenFile

IMAGES = 2  # of each label shown
CLIPPED = 0.01  # share of the patches that is darker or brighter than colours tell, at either end


def components(tokens: np.ndarray) -> tuple[np.ndarray, float]:
    """First three principal components of tokens (n, N, D), and their share of the variance.

    Of each component the largest loading is positive, so that colours do not depend on the machine.

    Returns
    -------
    (n, N, 3) in float64, and the share, NaN where all tokens are the same
    """
    rows = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
    if collapsed(rows):
        return np.zeros((*tokens.shape[:2], 3)), np.nan
    centred = rows - rows.mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[:3]
    first = first * np.sign(np.take_along_axis(first, np.abs(first).argmax(axis=1, keepdims=True), axis=1))
    scores = np.zeros((len(rows), 3))
    scores[:, : len(first)] = centred @ first.T  # fewer than three of very few tokens
    return scores.reshape(*tokens.shape[:2], 3), float(np.square(lengths[:3]).sum() / np.square(lengths).sum())


def colours(scores: np.ndarray) -> np.ndarray:
    """Each component from 0 to 1, between its `CLIPPED` quantiles over all patches: (n, N, 3) -> (n, N, 3)."""
    low, high = np.quantile(scores, [CLIPPED, 1 - CLIPPED], axis=(0, 1))
    span = np.where(high > low, high - low, 1)
    return np.where(high > low, np.clip((scores - low) / span, 0, 1), 0.5)


def table(files: Mapping[str, TokenFile], level: str, layer: int, shape: tuple[int, int]) -> pd.DataFrame:
    """The first images of each label at one layer: label, image, patch_row, patch_column, red, green, blue, explained.

    Parameters
    ----------
    shape : rows and columns of the grid of patches
    """
    tokens = np.concatenate(
        [file.read(level, "patch", layer, min(IMAGES, len(file.images))) for file in files.values()]
    )
    scores, explained = components(tokens)
    images = [(label, image) for label, file in files.items() for image in file.images[:IMAGES]]
    names = [(*image, row, column) for image in images for row, column in np.ndindex(shape)]
    frame = pd.DataFrame(names, columns=["label", "image", "patch_row", "patch_column"])
    frame[["red", "green", "blue"]] = colours(scores).reshape(-1, 3)
    return frame.assign(layer=layer, explained=explained)
