"""Fourier amplitudes of patch tokens: waves whose frequency is known, and sums written out."""

import numpy as np
import pytest

from maescope.measures import spectrum

SIDE = 6


def test_frequencies_go_from_0_to_pi_a_patch():
    assert spectrum.frequencies(8).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert spectrum.frequencies(7).tolist() == pytest.approx([0, 2 / 7, 4 / 7, 6 / 7])


@pytest.mark.parametrize("frequency", [1, 2, 3])
def test_a_wave_stands_out_at_its_own_frequency_by_its_own_amplitude(frequency):
    """1 + a cos(f (row + column)): |F| is N at 0 and a N / 2 at (f, f), a N at the highest, which is its own mirror."""
    row, column = np.indices((SIDE, SIDE))
    wave = 1 + 0.3 * np.cos(2 * np.pi * frequency * (row + column) / SIDE)
    found = spectrum.relative_log_amplitude(np.repeat(wave.reshape(1, -1, 1), 4, axis=-1), (SIDE, SIDE))
    assert found.shape == (1, SIDE // 2 + 1)
    expected = np.log(0.3 if frequency == SIDE / 2 else 0.15)
    assert found[0, frequency] == pytest.approx(expected, abs=1e-6)
    others = np.delete(found[0], [0, frequency])
    assert (others < -15).all()  # nothing but epsilon


@pytest.mark.parametrize(("rows", "columns", "side"), [(4, 4, 4), (5, 5, 5), (4, 6, 2), (8, 4, 4), (3, 5, 1)])
def test_amplitudes_are_the_fourier_sums_written_out(rows, columns, side):
    """Also of a grid that is no square, which has frequencies of both axes at each 2 pi / side only."""
    tokens = np.random.default_rng(0).normal(size=(2, rows * columns, 3))
    found = spectrum.relative_log_amplitude(tokens, (rows, columns))
    assert found.shape == (2, side // 2 + 1)
    for image in range(2):
        logs = []
        for f in range(side // 2 + 1):
            total = np.zeros(3, complex)
            for patch in range(rows * columns):
                row, column = divmod(patch, columns)
                total += tokens[image, patch] * np.exp(-2j * np.pi * f * (row + column) / side)
            logs.append(np.log(np.abs(total) + 1e-6).mean())
        assert found[image] == pytest.approx(np.array(logs) - logs[0], abs=1e-10)


@pytest.mark.parametrize(("side", "crop"), [(6, 24), (7, 28), (3, [12, 24]), (4, [32, 16])])
def test_white_noise_has_what_is_said_of_it(side, crop):
    patches = (side * side) if isinstance(crop, int) else 2 * side * side
    tokens = np.random.default_rng(0).normal(size=(300, patches, 40))
    table = spectrum.table(iter([tokens[:100], tokens[100:]]), crop)
    assert table["frequency"].tolist() == spectrum.frequencies(side).tolist()
    assert table["log_amplitude"].tolist() == pytest.approx(table["noise"].tolist(), abs=0.03)
    assert set(table["images"]) == {300}
