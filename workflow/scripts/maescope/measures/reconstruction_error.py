"""What a masked autoencoder makes up, against what was there: PSNR, SSIM, and the error at low and high frequencies."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from maescope.measures import quality


def low_pass(pictures: Tensor, hidden: Tensor, cut: float) -> Tensor:
    """What varies slowly in the hidden part of pictures: a Gaussian mean over its pixels alone, 0 elsewhere.

    Dividing by the weight of what is hidden keeps the edges of patches out of it (normalised convolution, Knutsson and
    Westin 1993): what is constant stays so, whatever the mask.

    Parameters
    ----------
    pictures : (B, 3, height, width)
    hidden : of the same shape, True where a pixel counts
    cut : where the Gaussian lets half of a wave pass, as a share of the Nyquist frequency (half a cycle per pixel)
    """
    sigma = math.sqrt(math.log(2) / 2) / (math.pi * cut / 2)  # in pixels
    reach = math.ceil(4 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2)).expand(3, 1, 1, -1)

    def smooth(x: Tensor) -> Tensor:
        x = F.conv2d(x.double(), weights, groups=3, padding=(0, reach))
        return F.conv2d(x, weights.transpose(2, 3), groups=3, padding=(reach, 0))

    weight = smooth(hidden)
    return torch.where(hidden, smooth(pictures * hidden) / torch.where(hidden, weight, 1), 0)


def band_powers(pictures: Tensor, hidden: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """Mean square, over hidden pixels, of what varies slowly in them and of the rest: (B,) float64 each.

    Parameters
    ----------
    pictures, hidden, cut : see `low_pass`; something is hidden in every picture
    """
    low = low_pass(pictures, hidden, cut)
    high = (pictures - low) * hidden
    number = hidden.sum((1, 2, 3))
    return low.square().sum((1, 2, 3)) / number, high.square().sum((1, 2, 3)) / number


def errors(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, mean: Sequence[float], cut: float
) -> dict[str, np.ndarray]:
    """How far reconstructions are from the pictures: (B,) each.

    `error_low` and `error_high` are mean squares of what is wrong, `blank_low` and `blank_high` those of painting the
    hidden patches with the mean colour: over these, 1 is nothing learned and 0 is all right. PSNR and SSIM are of the
    whole picture, visible patches as they were, and NaN where it is flat (see `quality.flat`).

    Parameters
    ----------
    original, masked, rebuilt : (B, height, width, 3), as of `mae.reconstruct`; hidden patches are NaN in `masked`
    mean : of red, green and blue, the colour that a model knows without looking
    cut : see `low_pass`
    """
    pictures, made, seen = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (original, rebuilt, masked))
    hidden, colour = seen.isnan(), torch.tensor(mean, dtype=torch.float64).reshape(1, 3, 1, 1)
    shown = made.clamp(0, 1)
    found = {}
    found["error_low"], found["error_high"] = band_powers(made - pictures, hidden, cut)
    found["blank_low"], found["blank_high"] = band_powers(pictures - colour, hidden, cut)
    return quality.compare(pictures, shown) | {name: values.numpy() for name, values in found.items()}
