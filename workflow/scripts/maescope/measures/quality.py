"""How far a perturbed image is from the clean one: PSNR and SSIM, as scikit-image has them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from maescope.images import addresses, reading
from maescope.images.perturbations import Batch

GREY_LEVEL = 1 / 255
WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2  # Wang et al. 2004, of images in [0, 1]
AT_ONCE = 2**16  # pixels of each colour that are compared together: what is made meanwhile fills 20 MB


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
        one, other = (images[at : at + few] for images in (clean, perturbed))
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

    With s and d, the sum and the difference of two images x and y, 2 x^2 + 2 y^2 is s^2 + d^2 and 4 x y is s^2 - d^2,
    and alike their variances and covariance: four means over the window do where x, y, x^2, y^2 and x y take five.
    In float32, each colour of s about its mean: within 2e-6 of float64 on pictures made to be hard, 1e-7 on others.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1], at least 11 x 11 pixels

    Returns
    -------
    (B,) float64
    """
    s, d = clean.float() + perturbed.float(), clean.float() - perturbed.float()
    middle = s.mean((2, 3), keepdim=True)
    s -= middle
    mean_s, mean_d, square_s, square_d = _window_means(torch.cat([s, d, s * s, d * d], 1)).split(3, 1)
    variance_s, variance_d = square_s - mean_s.square(), square_d - mean_d.square()
    mean_s, mean_d = (mean_s + middle).square(), mean_d.square()
    luminance = (mean_s - mean_d + 2 * C1) / (mean_s + mean_d + 2 * C1)
    structure = (variance_s - variance_d + 2 * C2) / (variance_s + variance_d + 2 * C2)
    return (luminance * structure).mean((1, 2, 3), dtype=torch.float64)


def _window_means(x: Tensor) -> Tensor:
    """Means weighted by the Gaussian window, wherever it lies inside: (B, C, h, w) to (B, C, h - 10, w - 10)."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(x.dtype).expand(x.shape[1], 1, 1, WINDOW)
    return F.conv2d(F.conv2d(x, weights, groups=x.shape[1]), weights.transpose(2, 3), groups=x.shape[1])
