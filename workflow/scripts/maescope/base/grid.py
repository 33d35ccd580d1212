"""Sizes of a model's input, and the grid of its patches."""

import math
from collections.abc import Sequence

import numpy as np


def sides(crop: int | Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels of crops: squares where one number tells both."""
    return (crop, crop) if isinstance(crop, int) else (crop[0], crop[1])


def in_words(crop: int | Sequence[int]) -> str:
    """A crop's size as messages and tables have it: 224 or 128 x 1024."""
    height, width = sides(crop)
    return str(height) if height == width else f"{height} x {width}"


def shape(patches: int, crop: int | Sequence[int]) -> tuple[int, int]:
    """Rows and columns of N square patches that cover a crop.

    Raises
    ------
    ValueError
        where N such patches do not
    """
    height, width = sides(crop)
    rows = round(math.sqrt(patches * height / width))
    if not rows or patches % rows or height * (patches // rows) != width * rows:
        raise ValueError(f"{patches} square patches do not cover {in_words(crop)} px")
    return rows, patches // rows


def uniform_distance(patches: int, crop: int | Sequence[int]) -> float:
    """Mean attention distance if every patch attended to all patches alike, itself included.

    Parameters
    ----------
    patches : N
    crop : the model's input in pixels

    Returns
    -------
    pixels; 116.4922 for 14 x 14 patches of 224 px
    """
    grid = shape(patches, crop)
    centres = np.stack(np.indices(grid), axis=-1).reshape(-1, 2) * sides(crop)[0] / grid[0]  # (N, 2)
    return float(np.linalg.norm(centres[:, None] - centres, axis=-1).mean())


def visible(patches: int, ratio: float) -> int:
    """How many of N patches a mask leaves: int(N (1 - ratio)) in floating point, as the official code; it may be none.

    So a ratio of 0.9 leaves 9 of 100 patches, as 100 x (1 - 0.9) is 9.999999999999998.
    """
    return int(patches * (1 - ratio))


def visible_count(patches: int, ratio: float) -> int:
    """The same, where the encoder must see at least one.

    Raises
    ------
    ValueError
        where none would be left
    """
    keep = visible(patches, ratio)
    if keep < 1:
        raise ValueError(f"mask ratio {ratio} leaves none of {patches} patches visible")
    return keep
