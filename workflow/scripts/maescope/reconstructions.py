"""What a masked autoencoder makes up, against what was there: PSNR, SSIM, and the error at low and high frequencies."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maescope import quality


def band_powers(pictures: Tensor, cut: float) -> tuple[Tensor, Tensor]:
    """Mean square of pictures at low and at high spatial frequencies; together their mean square (Parseval).

    Parameters
    ----------
    pictures : (B, 3, height, width)
    cut : the largest low frequency, as a share of the Nyquist frequency, half a cycle a pixel; in any direction

    Returns
    -------
    low, high : (B,) float64
    """
    power = torch.fft.fft2(pictures.double(), norm="forward").abs().square().mean(1)  # (B, height, width)
    rows, columns = (torch.fft.fftfreq(size, dtype=torch.float64) for size in pictures.shape[2:])
    low = 2 * torch.hypot(rows[:, None], columns[None]) <= cut  # (height, width)
    return (power * low).sum((1, 2)), (power * ~low).sum((1, 2))


def errors(
    original: np.ndarray, masked: np.ndarray, rebuilt: np.ndarray, mean: Sequence[float], cut: float
) -> dict[str, np.ndarray]:
    """How far reconstructions are from the pictures: (B,) each.

    `error_low` and `error_high` are mean squares of what is wrong, `blank_low` and `blank_high` those of painting the
    hidden patches with the mean colour: over these, 1 is nothing learned and 0 is all right. PSNR and SSIM are of the
    whole picture, visible patches as they were.

    Parameters
    ----------
    original, masked, rebuilt : (B, height, width, 3), as of `mae.reconstruct`; hidden patches are NaN in `masked`
    mean : of red, green and blue, the colour that a model knows without looking
    cut : see `band_powers`
    """
    pictures, made, seen = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (original, rebuilt, masked))
    blank = (pictures - torch.tensor(mean, dtype=torch.float64).reshape(1, 3, 1, 1)) * seen.isnan()
    shown = made.clamp(0, 1)
    found = {"psnr_db": quality.psnr_db(pictures, shown), "ssim": quality.ssim(pictures, shown)}
    found["error_low"], found["error_high"] = band_powers(made - pictures, cut)
    found["blank_low"], found["blank_high"] = band_powers(blank, cut)
    return {name: values.numpy() for name, values in found.items()}
