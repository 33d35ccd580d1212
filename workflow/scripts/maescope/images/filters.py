"""Filters, zooms and warps of an image's colours, exact to float64, in the time that PyTorch and MKL take.

The colours lie one after the other, as planes (3, h, w). Levels are 0 to 255.
"""

from math import ceil

import numpy as np
import torch
from scipy import fft
from torch import Tensor
from torch.nn import functional as F


def planes_of(image):
    """The colours of an image one after the other: levels, float64 (3, h, w)."""
    return np.array(image.transpose(2, 0, 1), float, order="C")


def picture_of(planes):
    """Levels of planes (3, h, w), which are overwritten, as an image: uint8 (h, w, 3)."""
    return np.stack(cut(planes), axis=2)


def cut(levels):
    """Clip to 0 and 255 and truncate to 8 bits, as published; `levels` are overwritten.

    A level that is whole on paper can miss it by rounding errors and would lose a whole level, differently from one
    machine to the next: hence the 1e-6.
    """
    levels += 1e-6
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def filtered(planes, kernel, before, after, mode):
    """Sums of planes (c, h, w) weighted by a kernel, over pixels up to `before` and `after` the middle one: (c, h, w).

    Parameters
    ----------
    kernel : (before[0] + after[0] + 1, before[1] + after[1] + 1)
    before, after : how far the kernel reaches up and left, down and right
    mode : what continues the planes beyond their border, as `numpy.pad` names it
    """
    padded = np.pad(planes, ((0, 0), *zip(before, after, strict=True)), mode=mode)
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape[1:]]  # what wraps around is cut off
    turned = torch.from_numpy(kernel[::-1, ::-1].copy())
    spectrum = torch.fft.rfft2(torch.from_numpy(padded).double(), shape).mul_(torch.fft.rfft2(turned, shape))
    top, left = np.add(before, after)
    return torch.fft.irfft2(spectrum, shape).numpy()[:, top:, left:][:, : planes.shape[1], : planes.shape[2]]


def gaussian_blur(planes, sigma):
    """A Gaussian of `sigma` px, cut off at four of them, the border repeated: (3, h, w)."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    return filtered(planes, np.outer(weights, weights), (reach, reach), (reach, reach), "edge")


def smear(planes, radius, sigma, angle):
    """Weighted mean of 2 radius + 1 pixels on a half line, (c, h, w), rounded to 8 bits: uint8.

    The definition of ImageMagick's MotionBlurImage: weight exp(-k^2 / (2 sigma^2)) for the pixel k steps along `angle`
    (degrees, clockwise from the right), offsets rounded half down, the border repeated.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    offsets = [np.ceil(steps * f(np.deg2rad(angle)) - 0.5).astype(int) for f in (np.sin, np.cos)]
    before, after = ([max(0, (sign * offset).max()) for offset in offsets] for sign in (-1, 1))
    kernel = np.zeros(np.add(before, after) + 1)
    down, right = (offset + start for offset, start in zip(offsets, before, strict=True))
    np.add.at(kernel, (down, right), weights / weights.sum())
    return np.rint(filtered(planes, kernel, before, after, "edge")).astype(np.uint8)


def zoomed(planes: Tensor, factor: float) -> Tensor:
    """Bilinear zoom of the middle of planes (c, h, w) to their size: (c, h, w)."""
    sides = planes.shape[1:]
    kept = [ceil(side / factor) for side in sides]
    top, left = ((side - part) // 2 for side, part in zip(sides, kept, strict=True))
    middle = planes[None, :, top : top + kept[0], left : left + kept[1]]
    larger = [round(part * factor) for part in kept]
    zoomed = F.interpolate(middle, larger, mode="bilinear", align_corners=True)[0]
    top, left = ((long - side) // 2 for long, side in zip(larger, sides, strict=True))
    return zoomed[:, top : top + sides[0], left : left + sides[1]]


def sampled(planes: Tensor, rows, columns, border_twice):
    """Bilinear values of planes (c, h, w) at fractional coordinates (h, w): (c, h, w).

    The planes go on mirrored, about their outermost pixels or, `border_twice`, about the edges of these.
    """
    h, w = planes.shape[1:]
    # torch has coordinates from -1 to 1, between the edges of the outermost pixels or between their middles
    middles = [(2 * columns + 1) / w - 1, (2 * rows + 1) / h - 1]
    outermost = [2 * columns / (w - 1) - 1, 2 * rows / (h - 1) - 1]
    grid = torch.from_numpy(np.stack(middles if border_twice else outermost, axis=2))
    return F.grid_sample(planes[None], grid[None], "bilinear", "reflection", align_corners=not border_twice)[0]
