"""How far a perturbed image is from the clean one: PSNR and SSIM, as scikit-image has them."""

from collections.abc import Callable

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

GREY_LEVEL = 1 / 255
# Wang et al. 2004: a Gaussian window of 11 x 11 pixels (what scikit-image makes of this sigma), population covariance.
WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "K1": 0.01, "K2": 0.03}


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
    """`psnr_db` and `ssim` of each image, NaN where the clean one is `flat`: (B,) float64 each."""
    found = {"psnr_db": psnr_db(clean, perturbed), "ssim": ssim(clean, perturbed)}
    return {name: values.masked_fill(flat(clean), np.nan).numpy() for name, values in found.items()}


def psnr_db(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, data range 1; infinite where nothing changed.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1]

    Returns
    -------
    (B,) float64
    """
    with np.errstate(divide="ignore"):  # of images that have not changed
        return _of_each(peak_signal_noise_ratio, clean, perturbed)


def ssim(clean: Tensor, perturbed: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), mean over red, green and blue, data range 1.

    Gaussian window of 11 x 11 pixels with sigma 1.5, population covariance, mean over the positions where the whole
    window lies inside the image.

    Parameters
    ----------
    clean, perturbed : (B, 3, height, width) in [0, 1], at least 11 x 11 pixels

    Returns
    -------
    (B,) float64
    """
    return _of_each(structural_similarity, clean, perturbed, channel_axis=0, **WANG)


def _of_each(measure: Callable, clean: Tensor, perturbed: Tensor, **settings) -> Tensor:
    """A measure of scikit-image for each pair of images, in double precision: (B,) float64."""
    pairs = zip(clean, perturbed, strict=True)
    found = [measure(a.double().numpy(), b.double().numpy(), data_range=1, **settings) for a, b in pairs]
    return torch.tensor(found, dtype=torch.float64)
