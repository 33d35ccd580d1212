"""Errors of reconstructions, split by spatial frequency: waves whose band is known, and a transform written out."""

import numpy as np
import pytest
import torch

from maescope import reconstructions

MEAN = (0.3, 0.4, 0.5)


def wave(cycles_down, cycles_across, side=16, amplitude=0.2):
    """(1, 3, side, side), a cosine of so many cycles a picture."""
    y, x = np.mgrid[:side, :side] / side
    one = amplitude * np.cos(2 * np.pi * (cycles_down * y + cycles_across * x))
    return torch.from_numpy(np.broadcast_to(one, (1, 3, side, side)).copy())


@pytest.mark.parametrize(
    ("down", "across", "low"),
    [(0, 0, True), (0, 2, True), (2, 0, True), (2, 1, False), (0, 3, False), (8, 8, False)],
)
def test_a_wave_lies_wholly_in_the_band_of_its_frequency(down, across, low):
    # 16 px: Nyquist is 8 cycles a picture, a quarter of it 2; in a diagonal the two add up, (2, 1) is 2.24
    picture = wave(down, across)
    found = reconstructions.band_powers(picture, 0.25)
    power = picture.square().mean().item()
    assert [value.item() for value in found] == pytest.approx([power, 0] if low else [0, power], abs=1e-12)


def test_bands_are_those_of_a_transform_written_out_and_add_up_to_the_mean_square():
    picture = np.random.default_rng(0).random((2, 3, 6, 8))
    low = np.zeros(2)
    y, x = np.arange(6)[:, None], np.arange(8)
    for image in range(2):
        for u in range(-3, 3):
            for v in range(-4, 4):
                if np.hypot(u / 6, v / 8) / 0.5 > 0.5:
                    continue
                turn = np.exp(-2j * np.pi * (u * y / 6 + v * x / 8))
                low[image] += (np.abs((picture[image] * turn).mean((1, 2))) ** 2).mean()
    found = reconstructions.band_powers(torch.from_numpy(picture), 0.5)
    np.testing.assert_allclose(found[0], low, rtol=1e-12)
    np.testing.assert_allclose(found[0] + found[1], np.square(picture).mean((1, 2, 3)), rtol=1e-12)


def pictures():
    """Two pictures, of which the upper half is hidden; the last entry is where."""
    original = np.random.default_rng(1).random((2, 16, 16, 3))
    hidden = np.zeros((2, 16, 16, 3), bool)
    hidden[:, :8] = True
    return original, np.where(hidden, np.nan, original), hidden


def test_painting_with_the_mean_colour_is_an_error_of_one_and_the_truth_of_none():
    original, masked, hidden = pictures()
    painted = reconstructions.errors(original, masked, np.where(hidden, MEAN, original), MEAN, 0.25)
    for band in ("low", "high"):
        np.testing.assert_allclose(painted[f"error_{band}"], painted[f"blank_{band}"], rtol=1e-12)
        assert (painted[f"blank_{band}"] > 0).all()
    perfect = reconstructions.errors(original, masked, original, MEAN, 0.25)
    assert (perfect["error_low"] == 0).all() and (perfect["error_high"] == 0).all()
    assert np.isinf(perfect["psnr_db"]).all() and perfect["ssim"] == pytest.approx(1)


def test_psnr_is_of_the_whole_picture_as_it_would_be_shown():
    original, masked, hidden = pictures()
    found = reconstructions.errors(original, masked, np.where(hidden, original + 0.1, original), MEAN, 0.25)
    error = np.square(np.clip(np.where(hidden, original + 0.1, original), 0, 1) - original).mean((1, 2, 3))
    np.testing.assert_allclose(found["psnr_db"], -10 * np.log10(error), rtol=1e-9)
    assert found["error_low"] + found["error_high"] == pytest.approx([0.005, 0.005])  # half the pixels, 0.1 squared
