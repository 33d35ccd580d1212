"""PSNR and SSIM against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from maescope.measures import quality


@pytest.fixture(params=[0.005, 0.05, 0.5])
def pair(request):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(3, 3, 7, 9, generator=generator)
    clean = torch.nn.functional.interpolate(clean, (31, 40), mode="bilinear")
    return clean, (clean + request.param * torch.randn(clean.shape, generator=generator)).clamp(0, 1)


def test_psnr_equals_scikit_image(pair):
    expected = [
        peak_signal_noise_ratio(a.double().numpy(), b.double().numpy(), data_range=1)
        for a, b in zip(*pair, strict=True)
    ]
    np.testing.assert_allclose(quality.psnr_db(*pair).numpy(), expected, atol=1e-6)


def test_ssim_equals_scikit_image(pair):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        structural_similarity(a.double().numpy(), b.double().numpy(), channel_axis=0, **settings)
        for a, b in zip(*pair, strict=True)
    ]
    assert max(expected) - min(expected) > 1e-4
    np.testing.assert_allclose(quality.ssim(*pair).numpy(), expected, atol=1e-6)


def test_an_offset_of_a_tenth_is_20_db():
    clean = torch.full((1, 3, 12, 12), 0.4)
    assert quality.psnr_db(clean, clean + 0.1).item() == pytest.approx(20, abs=1e-5)


def test_psnr_of_unchanged_images_is_infinite_and_ssim_one():
    clean = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    assert quality.psnr_db(clean, clean).tolist() == [math.inf, math.inf]
    assert quality.ssim(clean, clean).tolist() == pytest.approx([1, 1], abs=1e-12)


def test_ssim_of_constant_images_is_the_luminance_term():
    dark, light = torch.full((1, 3, 11, 11), 0.25), torch.full((1, 3, 11, 11), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert quality.ssim(dark, light).item() == pytest.approx(expected, abs=1e-9)
