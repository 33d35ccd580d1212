"""The square grid of patches."""

import math

import numpy as np


def side(patches: int) -> int:
    """Patches along one side of a square grid of N.

    Raises
    ------
    ValueError
        where N is no square number
    """
    root = math.isqrt(patches)
    if root * root != patches:
        raise ValueError(f"{patches} patches make no square grid")
    return root


def uniform_distance(patches: int, size: int) -> float:
    """Mean attention distance if every patch attended to all patches alike, itself included.

    Parameters
    ----------
    patches : N, a square number
    size : side of the model's input in pixels

    Returns
    -------
    pixels; 116.4922 for 14 x 14 patches of 224 px
    """
    along = side(patches)
    centres = np.stack(np.indices((along, along)), axis=-1).reshape(-1, 2) * size / along  # (N, 2)
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
