"""Errors of reconstructions, split by spatial frequency: waves whose band is known, and sums written out."""

import numpy as np
import pytest
import torch

from maescope.measures import reconstruction_error

MEAN = (0.3, 0.4, 0.5)


def wave(cycles_down, cycles_across, side=16, amplitude=0.2):
    """(1, 3, side, side), a cosine of so many cycles a picture."""
    y, x = np.mgrid[:side, :side] / side
    one = amplitude * np.cos(2 * np.pi * (cycles_down * y + cycles_across * x))
    return torch.from_numpy(np.broadcast_to(one, (1, 3, side, side)).copy())


ALL = torch.ones(1, 3, 32, 32, dtype=torch.bool)


@pytest.mark.parametrize(("cycles", "share"), [(2, 2 ** (-1 / 4)), (4, 0.5), (8, 1 / 16)])
def test_a_wave_at_the_cut_passes_by_half_and_slower_ones_more(cycles, share):
    # 32 px: Nyquist is 16 cycles a picture, a quarter of it 4; a Gaussian's logarithm goes with the frequency's square
    low = reconstruction_error.low_pass(wave(0, cycles, 32), ALL, 0.25)[..., 12:20, 8:24]
    np.testing.assert_allclose(low, share * wave(0, cycles, 32)[..., 12:20, 8:24], atol=2e-3 * 0.2)


def hidden_patches(side=32, patch=4):
    """Every other patch of a checkerboard."""
    cells = np.indices((side // patch, side // patch)).sum(0) % 2
    return torch.from_numpy(np.kron(cells, np.ones((patch, patch))) > 0).expand(1, 3, side, side)


def test_the_edges_of_patches_are_in_no_band():
    # what is constant where it is hidden has no detail, however small the patches
    for patch in (2, 4, 8):
        low, high = reconstruction_error.band_powers(torch.full((1, 3, 32, 32), 0.3), hidden_patches(patch=patch), 0.25)
        assert low.item() == pytest.approx(0.09) and high.item() == pytest.approx(0, abs=1e-12)
    low, high = reconstruction_error.band_powers(wave(8, 8, 32), hidden_patches(), 0.125)
    assert high > 20 * low


def test_a_low_pass_is_a_weighted_mean_of_hidden_pixels_written_out():
    rng = np.random.default_rng(0)
    picture, hidden = rng.random((1, 3, 6, 7)), rng.random((1, 1, 6, 7)).repeat(3, 1) < 0.6
    found = reconstruction_error.low_pass(torch.from_numpy(picture), torch.from_numpy(hidden), 0.5)
    sigma = np.sqrt(np.log(2) / 2) / (np.pi * 0.25)
    for y, x in np.argwhere(hidden[0, 0]):
        v, u = np.nonzero(hidden[0, 0])
        weights = np.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * sigma**2))
        weights[(abs(v - y) > np.ceil(4 * sigma)) | (abs(u - x) > np.ceil(4 * sigma))] = 0
        np.testing.assert_allclose(found[0, :, y, x], picture[0][:, v, u] @ weights / weights.sum(), rtol=1e-12)
    assert (found[~torch.from_numpy(hidden)] == 0).all()


def pictures():
    """Two pictures, of which the upper half is hidden; the last entry is where."""
    original = np.random.default_rng(1).random((2, 16, 16, 3))
    hidden = np.zeros((2, 16, 16, 3), bool)
    hidden[:, :8] = True
    return original, np.where(hidden, np.nan, original), hidden


def test_painting_with_the_mean_colour_is_an_error_of_one_and_the_truth_of_none():
    original, masked, hidden = pictures()
    painted = reconstruction_error.errors(original, masked, np.where(hidden, MEAN, original), MEAN, 0.25)
    for band in ("low", "high"):
        np.testing.assert_allclose(painted[f"error_{band}"], painted[f"blank_{band}"], rtol=1e-12)
        assert (painted[f"blank_{band}"] > 0).all()
    perfect = reconstruction_error.errors(original, masked, original, MEAN, 0.25)
    assert (perfect["error_low"] == 0).all() and (perfect["error_high"] == 0).all()
    assert np.isinf(perfect["psnr_db"]).all() and perfect["ssim"] == pytest.approx(1)


def test_psnr_is_of_the_whole_picture_as_it_would_be_shown():
    original, masked, hidden = pictures()
    found = reconstruction_error.errors(original, masked, np.where(hidden, original + 0.1, original), MEAN, 0.25)
    error = np.square(np.clip(np.where(hidden, original + 0.1, original), 0, 1) - original).mean((1, 2, 3))
    np.testing.assert_allclose(found["psnr_db"], -10 * np.log10(error), rtol=1e-9)
    assert found["error_low"] == pytest.approx([0.01, 0.01])  # of hidden pixels, 0.1 squared
    assert found["error_high"] == pytest.approx([0, 0], abs=1e-12)


def test_a_flat_picture_has_errors_and_neither_psnr_nor_ssim():
    original, _, hidden = pictures()
    original[1] = 0  # black, and rebuilt darker than black, which is shown as black
    found = reconstruction_error.errors(original, np.where(hidden, np.nan, original), original - 0.1, MEAN, 0.25)
    assert np.isfinite(found["psnr_db"]).tolist() == np.isfinite(found["ssim"]).tolist() == [True, False]
    assert np.isnan(found["psnr_db"][1]) and found["error_low"] == pytest.approx([0.01, 0.01])
