"""How far a perturbed image is from the clean one: PSNR and SSIM, as scikit-image has them."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from maescope.images import addresses, reading
from maescope.images.perturbations import Batch

GREY_LEVEL = 1 / 255
WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2  # Wang et al. 2004, of images in [0, 1]
BLOCK = 16  # neighbouring means that one product of matrices makes
AT_ONCE = 2**18  # pixels of each colour in whose measures no array has more than 25 MB


def flat(pictures: Tensor) -> Tensor:
    """Which pictures show nothing: no colour has a standard deviation of a grey level over the picture.

    A blur has nothing to change there, so PSNR says nothing of the blur: it is infinite, or 140 dB by rounding.

    Parameters
    ----------
    pictures : (B, 3, height, width) in [0, 1]

    Returns
    -------
    (B,) bool
    """
    return (pictures.double().std((2, 3), correction=0) < GREY_LEVEL).all(1)


def compare(clean: Tensor, perturbed: Tensor) -> dict[str, np.ndarray]:
    """`psnr_db` and `ssim` of each image, NaN where the clean one is `flat`: (B,) float64 each.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1]
    """
    found = torch.empty(2, len(clean), dtype=torch.float64)
    few = max(1, AT_ONCE // clean[0, 0].numel())
    for at in range(0, len(clean), few):
        one, other = (images[at : at + few].double() for images in (clean, perturbed))
        values = torch.stack([psnr_db(one, other), ssim(one, other)])
        found[:, at : at + few] = values.masked_fill(flat(one), torch.nan)
    return dict(zip(("psnr_db", "ssim"), found.numpy(), strict=True))


def by_batch(
    rows: pd.DataFrame, preprocessing: reading.Preprocessing, perturbation: object, workers: int
) -> Iterator[pd.DataFrame]:
    """The measures of images under each level of a perturbation that needs nothing but pixels, batch after batch.

    A caller that keeps no frame keeps memory flat: what is small and lives on amidst the arrays of a batch splits the
    memory that they leave behind, and the next batch needs new.

    Parameters
    ----------
    rows : label and image, with their paths
    workers : threads that read the next batch meanwhile

    Yields
    ------
    level, label, image, psnr_db, ssim: a row per level and image
    """
    start = 0
    for pixels in reading.batches(addresses.of(rows), 64, preprocessing, workers):
        part = rows.iloc[start : (start := start + len(pixels))]
        batch = Batch(torch.from_numpy(pixels).float() / 255, part["image"].tolist())
        for level in perturbation.levels:
            perturbed = perturbation.apply(level, batch, geometry=None).pixels
            frame = part[["label", "image"]].assign(level=level, **compare(batch.pixels, perturbed))
            yield frame[["level", "label", "image", "psnr_db", "ssim"]]


def psnr_db(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, data range 1; infinite where nothing changed.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1]

    Returns
    -------
    (B,) float64
    """
    return -10 * (clean.double() - perturbed.double()).square().mean((1, 2, 3)).log10()


def ssim(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), mean over red, green and blue, data range 1.

    Gaussian window of 11 x 11 pixels with sigma 1.5, population covariance, mean over the positions where the whole
    window lies inside the image: scikit-image's with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.

    With s and d, the sum and the difference of two images, x^2 + y^2 is half of s^2 + d^2 and 2 x y half of s^2 - d^2,
    and so are their variances and covariance: four means over the window do where x, y, x^2, y^2 and x y take five.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1], at least 11 x 11 pixels

    Returns
    -------
    (B,) float64
    """
    x, y = clean.double(), perturbed.double()
    s, d = x + y, x - y
    mean_s, mean_d, variance_s, variance_d = _window_means(torch.stack([s, d, s * s, d * d]))
    mean_s, mean_d = mean_s.square_(), mean_d.square_()
    variance_s -= mean_s
    variance_d -= mean_d
    luminance = (mean_s - mean_d + 2 * C1) / (mean_s + mean_d + 2 * C1)
    structure = (variance_s - variance_d + 2 * C2) / (variance_s + variance_d + 2 * C2)
    return (luminance * structure).mean((1, 2, 3))


def _window_means(x: Tensor) -> Tensor:
    """Means weighted by the Gaussian window, wherever all of it lies inside of (..., h, w): (..., h - 10, w - 10).

    Along a line, BLOCK neighbouring means are one row of BLOCK + 10 values times one matrix. In float64 a product of
    matrices is several times as fast as PyTorch's convolution.
    """
    weights = _block_weights()
    for _ in range(2):
        means = x.shape[-1] - WINDOW + 1
        rows = F.pad(x, (0, -means % BLOCK)).unfold(-1, BLOCK + WINDOW - 1, BLOCK)  # (..., lines, blocks, BLOCK + 10)
        x = (rows @ weights).flatten(-2)[..., :means].transpose(-1, -2)  # along the other side, next
    return x


@lru_cache
def _block_weights() -> Tensor:
    """The window's weights for BLOCK neighbouring means: (BLOCK + 10, BLOCK)."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window /= window.sum()
    weights = torch.zeros(BLOCK + WINDOW - 1, BLOCK, dtype=torch.float64)
    for mean in range(BLOCK):
        weights[mean : mean + WINDOW, mean] = window
    return weights
