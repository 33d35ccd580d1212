"""Filters, zooms and warps of an image's colours in float64.

The colours lie one after the other, as planes (3, h, w). Levels are 0 to 255.
"""

from functools import lru_cache

import numpy as np
import torch
from scipy import fft, ndimage, sparse
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
    spectrum, (top, left) = fft.rfft2(kernel[::-1, ::-1], shape), np.add(before, after)
    inside = np.s_[top : top + planes.shape[1], left : left + planes.shape[2]]
    sums = np.empty(planes.shape)
    for plane, its_sums in zip(padded, sums, strict=True):  # one by one they stay in the processor's cache
        its_sums[:] = fft.irfft2(fft.rfft2(plane.astype(float), shape) * spectrum, shape)[inside]
    return sums


def gaussian_blur(planes, sigma):
    """A Gaussian of `sigma` px, cut off at four of them, the border repeated: (3, h, w)."""
    return ndimage.gaussian_filter(planes, (0, sigma, sigma), output=float, mode="nearest")


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


def zoomed(planes, factors):
    """Sum of the bilinear zooms of the middle of planes (c, h, w) to their size, by each factor: (c, h, w)."""
    h, w = planes.shape[1:]
    (rows, _), (_, columns) = _zooms(h, factors), _zooms(w, factors)
    sums = np.empty(planes.shape)
    for plane, its_sums in zip(planes, sums, strict=True):  # one by one they stay in the processor's cache
        tall = (rows @ plane).reshape(-1, h, w).transpose(0, 2, 1)  # (Z, w, h)
        its_sums[:] = (columns @ tall.reshape(-1, h)).T
    return sums


@lru_cache
def _zooms(n, factors):
    """The `_zoom` of n pixels by each of Z factors: sparse matrices stacked (Z n, n) and side by side (n, Z n)."""
    zooms = [sparse.csr_array(_zoom(n, factor)) for factor in factors]
    return sparse.vstack(zooms, format="csr"), sparse.hstack(zooms, format="csr")


def _zoom(n, factor):
    """Bilinear zoom of the middle of n pixels to n pixels: a matrix (n, n).

    Bilinear zoom is linear and separable, so an image is zoomed by one matrix per side, the zoom of an identity.
    Mode "nearest" changes nothing but a last coordinate that exceeds the image by a rounding error.
    """
    kept = int(np.ceil(n / factor))
    start = (n - kept) // 2
    zoomed = ndimage.zoom(np.eye(n)[start : start + kept], (factor, 1), order=1, mode="nearest")
    trim = (len(zoomed) - n) // 2
    return zoomed[trim : trim + n]


def sampled(planes, rows, columns, border_twice):
    """Bilinear values of planes (c, h, w) at fractional coordinates (h, w): (c, h, w).

    The planes go on mirrored, about their outermost pixels or, `border_twice`, about the edges of these.
    """
    h, w = planes.shape[1:]
    # PyTorch counts from -1 to 1, between the edges of the outermost pixels or between their middles
    edges = [(2 * columns + 1) / w - 1, (2 * rows + 1) / h - 1]
    middles = [2 * columns / (w - 1) - 1, 2 * rows / (h - 1) - 1]
    grid = torch.from_numpy(np.stack(edges if border_twice else middles, axis=2))[None]
    images = torch.from_numpy(planes)[None]
    return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=not border_twice)[0].numpy()
