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

    Raises
    ------
    ValueError
        if their shapes differ: PyTorch would repeat the smaller
    """
    if clean.shape != perturbed.shape:
        raise ValueError(f"pictures of shape {tuple(clean.shape)} and {tuple(perturbed.shape)}: they must be alike")
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
    return -10 * _mean_of_each((clean.double() - perturbed.double()).square()).log10()


def ssim(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), mean over red, green and blue, data range 1.

    Gaussian window of 11 x 11 pixels with sigma 1.5, population covariance, mean over the positions where the whole
    window lies inside the image: scikit-image's with gaussian_weights=True, sigma=1.5, use_sample_covariance=False.

    With s and d, the sum and the difference of two images x and y, 2 x^2 + 2 y^2 is s^2 + d^2 and 4 x y is s^2 - d^2,
    and alike their variances and covariance: four means over the window do where x, y, x^2, y^2 and x y take five.
    In float32, each colour of both about its mean: within 5e-6 of float64 on pictures made to be hard, 1e-7 on others.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1], at least 11 x 11 pixels

    Returns
    -------
    (B,) float64
    """
    both = torch.cat([clean + perturbed, clean - perturbed], 1).float()  # s and d: (B, 6, height, width)
    middle = both.mean((2, 3), keepdim=True)
    both -= middle
    mean = _window_means(both)
    variance_s, variance_d = (_window_means(both.square()) - mean.square()).chunk(2, 1)
    mean_s, mean_d = (mean + middle).square().chunk(2, 1)
    luminance = (mean_s - mean_d + 2 * C1) / (mean_s + mean_d + 2 * C1)
    structure = (variance_s - variance_d + 2 * C2) / (variance_s + variance_d + 2 * C2)
    return _mean_of_each((luminance * structure).double())


def _mean_of_each(x: Tensor) -> Tensor:
    """Means of (B, 3, height, width): (B,). In one step that of a single picture would depend on the threads."""
    return x.mean((2, 3)).mean(1)


def _window_means(x: Tensor) -> Tensor:
    """Means weighted by the Gaussian window, wherever it lies inside: (B, C, h, w) to (B, C, h - 10, w - 10)."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(x.dtype).expand(x.shape[1], 1, 1, WINDOW)
    return F.conv2d(F.conv2d(x, weights, groups=x.shape[1]), weights.transpose(2, 3), groups=x.shape[1])
