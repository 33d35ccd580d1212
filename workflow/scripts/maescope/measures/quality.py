"""How far a perturbed image is from the clean one: PSNR and SSIM."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # Wang et al. 2004


def psnr_db(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, data range 1; infinite where nothing changed.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1]

    Returns
    -------
    (B,) float64
    """
    error = (clean.double() - perturbed.double()).square().mean((1, 2, 3))
    return -10 * torch.log10(error)


def ssim(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), mean over red, green and blue, data range 1.

    Gaussian window of 11 x 11 pixels with sigma 1.5, population covariance, mean over the positions where the whole
    window lies inside the image.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1], at least 11 pixels a side

    Returns
    -------
    (B,) float64
    """
    x, y = clean.double(), perturbed.double()
    mean_x, mean_y = _window(x), _window(y)
    variance_x = _window(x * x) - mean_x**2
    variance_y = _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = K1**2, K2**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean((1, 2, 3))


def _window(x: Tensor) -> Tensor:
    """Weighted mean in the Gaussian window around each inner pixel (B, 3, height - 10, width - 10)."""
    offsets = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).expand(3, 1, 1, WINDOW)
    return F.conv2d(F.conv2d(x, weights, groups=3), weights.transpose(2, 3), groups=3)
