"""Filters, zooms and warps of an image's colours in float64.

The colours lie one after the other, as planes (3, h, w). Levels are 0 to 255.
"""

from functools import lru_cache

import numpy as np
import torch
from scipy import fft, ndimage, sparse
from scipy.linalg import blas
from torch.nn import functional as F

ONE_THREAD = 10_000  # numbers that OpenBLAS adds without others of its threads, for which it waits 100 times as long


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


def filtered(planes, kernel, mode):
    """Sums of planes (c, h, w) weighted by a symmetric kernel (k, k), k odd: (c, h, w).

    `mode` is what continues the planes beyond their border, as `numpy.pad` names it.
    """
    reach = len(kernel) // 2
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode=mode)
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape[1:]]  # what wraps around is cut off
    spectrum, sums = _spectrum(kernel.tobytes(), len(kernel), *shape), np.empty(planes.shape)
    rows, columns = (slice(2 * reach, 2 * reach + side) for side in planes.shape[1:])
    for few in _few(padded):
        waves = fft.rfft2(padded[few].astype(float), shape)
        waves *= spectrum
        waves = fft.ifft(waves, axis=1, norm="forward", overwrite_x=True)[:, rows]
        sums[few] = fft.irfft(waves, shape[1], norm="forward")[..., columns]
    return sums


def _few(planes):
    """Planes one by one where they are large, so that each stays in the processor's cache; small ones together."""
    return [slice(n, n + 1) for n in range(len(planes))] if planes[0].size > 2**14 else [slice(None)]


@lru_cache(8)
def _spectrum(kernel, side, *shape):
    """Of a kernel (side, side), float64, given as bytes, amid zeros; over the numbers that the way back adds."""
    return fft.rfft2(np.frombuffer(kernel).reshape(side, side), shape, norm="forward")


def gaussian_blur(planes, sigma):
    """A Gaussian of `sigma` px, cut off at four of them, the border repeated: (c, h, w)."""
    return ndimage.gaussian_filter(planes, (0, sigma, sigma), output=float, mode="nearest")


def smear(planes, radius, sigma, angle):
    """Weighted mean of 2 radius + 1 pixels on a half line, (c, h, w), rounded to 8 bits: uint8.

    The definition of ImageMagick's MotionBlurImage: weight exp(-k^2 / (2 sigma^2)) for the pixel k steps along `angle`
    (degrees, clockwise from the right), offsets rounded half down, the border repeated.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    down, right = (np.ceil(steps * f(np.deg2rad(angle)) - 0.5).astype(int) for f in (np.sin, np.cos))
    return np.rint(tapped(planes, down, right, weights / weights.sum())).astype(np.uint8)


def tapped(planes, down, right, weights):
    """Weighted sum of the pixels so many px down and right of each, the border repeated: (c, h, w).

    In memory a shift is one offset, also over the padding between two rows: a tap of a part is one call of BLAS.
    """
    h, w = planes.shape[1:]
    (top, left), (bottom, wide) = ([max(0, (sign * way).max()) for way in (down, right)] for sign in (-1, 1))
    padded = np.pad(planes, ((0, 0), (top, bottom), (left, wide)), mode="edge")
    offsets, sums = (down + top) * padded.shape[2] + right + left, np.empty(planes.shape)
    for few in _few(padded):
        pixels = padded[few].astype(float).ravel()
        total, reached = np.zeros(pixels.size), pixels.size - offsets.max()
        for start in range(0, reached, ONE_THREAD):
            n = min(ONE_THREAD, reached - start)
            for offset, weight in zip(offsets.tolist(), weights.tolist(), strict=True):
                blas.daxpy(pixels, total, n=n, a=weight, offx=offset + start, offy=start)
        sums[few] = total.reshape(padded[few].shape)[:, :h, :w]
    return sums


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

    The planes go on mirrored, about their outermost pixels or, `border_twice`, about the edges of these. PyTorch gives
    a picture one thread.
    """
    h, w = planes.shape[1:]
    # PyTorch counts from -1 to 1, between the edges of the outermost pixels or between their middles
    edges = [(2 * columns + 1) / w - 1, (2 * rows + 1) / h - 1]
    middles = [2 * columns / (w - 1) - 1, 2 * rows / (h - 1) - 1]
    grid = torch.from_numpy(np.stack(edges if border_twice else middles, axis=2))[None]
    images = torch.from_numpy(planes)[None]
    return F.grid_sample(images, grid, "bilinear", "reflection", align_corners=not border_twice)[0].numpy()
