"""PSNR and SSIM against their formulas, and cases known on paper."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch

from maescope.measures import quality


@pytest.fixture(params=[0.005, 0.05, 0.5])
def pair(request):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(3, 3, 7, 9, generator=generator)
    clean = torch.nn.functional.interpolate(clean, (31, 40), mode="bilinear")
    return clean, (clean + request.param * torch.randn(clean.shape, generator=generator)).clamp(0, 1)


def plain_psnr_db(x, y):
    return 10 * math.log10(x.size / math.fsum((x - y).ravel() ** 2))


def plain_ssim(x, y):
    """Window by window (Wang et al. 2004, equations 13 to 16)."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    colours, height, width = x.shape
    found = []
    for colour, top, left in itertools.product(range(colours), range(height - 10), range(width - 10)):
        a, b = (image[colour, top : top + 11, left : left + 11] for image in (x, y))
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        found.append(luminance * (2 * covariance + 0.03**2) / (variance_a + variance_b + 0.03**2))
    return np.mean(found)


@pytest.mark.parametrize(("measure", "plain"), [(quality.psnr_db, plain_psnr_db), (quality.ssim, plain_ssim)])
def test_psnr_and_ssim_equal_their_formulas(pair, measure, plain):
    expected = [plain(*(image.double().numpy() for image in images)) for images in zip(*pair, strict=True)]
    assert max(expected) - min(expected) > 1e-4
    np.testing.assert_allclose(measure(*pair).numpy(), expected, rtol=1e-12, atol=0)


def test_an_offset_of_a_tenth_is_20_db():
    clean = torch.full((1, 3, 12, 12), 0.4)
    assert quality.psnr_db(clean, clean + 0.1).item() == pytest.approx(20, abs=1e-5)


def test_psnr_of_unchanged_images_is_infinite_without_a_warning_and_ssim_one():
    clean = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings(action="error"):
        assert quality.psnr_db(clean, clean).tolist() == [math.inf, math.inf]
    assert quality.ssim(clean, clean).tolist() == pytest.approx([1, 1], abs=1e-12)


def test_ssim_of_constant_images_is_the_luminance_term():
    dark, light = torch.full((1, 3, 11, 11), 0.25), torch.full((1, 3, 11, 11), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert quality.ssim(dark, light).item() == pytest.approx(expected, abs=1e-12)
