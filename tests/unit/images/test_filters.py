"""What mixes pixels, against SciPy's functions of the same definition, and cases known on paper."""

import numpy as np
import pytest
from scipy import ndimage

from maescope.images import filters

RNG = np.random.default_rng(0)
PLANES = RNG.uniform(0, 255, (3, 17, 22))


@pytest.mark.parametrize(("mode", "called"), [("reflect", "mirror"), ("edge", "nearest"), ("symmetric", "reflect")])
@pytest.mark.parametrize("side", [1, 3, 9, 33])  # the last reaches farther than the planes
@pytest.mark.parametrize("planes", [PLANES, PLANES.astype(np.uint8)])
def test_filtered_is_a_correlation(mode, called, side, planes):
    kernel = RNG.random((side, side))
    kernel += kernel[::-1, ::-1]
    expected = [ndimage.correlate(plane.astype(float), kernel, mode=called) for plane in planes]
    np.testing.assert_allclose(filters.filtered(planes, kernel, mode), expected, rtol=1e-11, atol=1e-11)


def test_taps_lie_anywhere_and_may_coincide():
    down, right, weights = [0, -3, 20, 2, 2], [0, 5, -1, 30, 30], np.array([1, 10, 100, 0.5, 0.25])
    expected = np.zeros(PLANES.shape)
    for i, j, weight in zip(down, right, weights, strict=True):
        rows, columns = np.clip(np.arange(17) + i, 0, 16), np.clip(np.arange(22) + j, 0, 21)
        expected += weight * PLANES[:, rows][:, :, columns]
    np.testing.assert_allclose(filters.tapped(PLANES, np.array(down), np.array(right), weights), expected, rtol=1e-12)


def test_taps_are_added_in_parts_that_blas_gives_one_thread_and_each_is_whole(monkeypatch):
    planes, lengths, daxpy = RNG.uniform(0, 255, (1, 150, 171)), [], filters.blas.daxpy
    monkeypatch.setattr(filters.blas, "daxpy", lambda *args, n, **more: lengths.append(n) or daxpy(*args, n=n, **more))
    found = filters.tapped(planes, np.array([0, 3]), np.array([0, -2]), np.array([0.25, 0.5]))
    expected = (
        0.25 * planes + 0.5 * planes[:, np.clip(np.arange(150) + 3, 0, 149)][..., np.clip(np.arange(171) - 2, 0, 170)]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(lengths) > 2 and max(lengths) <= 10_000


@pytest.mark.parametrize("sigma", [0.05, 0.4, 0.7, 1.5, 4])
def test_gaussian_blur_is_scipys_cut_off_at_four_sigma(sigma):
    expected = ndimage.gaussian_filter(PLANES, (0, sigma, sigma), mode="nearest", truncate=4)
    np.testing.assert_allclose(filters.gaussian_blur(PLANES, sigma), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(17, 22), (32, 32), (120, 131)])
@pytest.mark.parametrize("factor", [1.0, 1.01, 1.25, 1.31, 3.0, 4.5])
def test_zoomed_is_scipys_zoom_of_the_middle(shape, factor):
    planes = RNG.uniform(0, 255, (2, *shape))
    kept = [int(np.ceil(side / factor)) for side in shape]
    top, left = ((side - part) // 2 for side, part in zip(shape, kept, strict=True))
    middle = planes[:, top : top + kept[0], left : left + kept[1]]
    larger = ndimage.zoom(middle, (1, factor, factor), order=1, mode="nearest")
    top, left = ((long - side) // 2 for long, side in zip(larger.shape[1:], shape, strict=True))
    expected = larger[:, top : top + shape[0], left : left + shape[1]]
    np.testing.assert_allclose(filters.zoomed(planes, (factor,)), expected, rtol=1e-12)


@pytest.mark.parametrize(("border_twice", "called"), [(True, "reflect"), (False, "mirror")])
def test_sampled_is_bilinear_and_mirrored_however_far_outside(border_twice, called):
    rows, columns = RNG.uniform(-60, 80, (2, 17, 22))
    rows[0, :4], columns[0, :4] = [0, 16, -0.5, 16.5], [0, 21, -0.5, 21.5]  # corners, and edges of pixels
    expected = [ndimage.map_coordinates(plane, [rows, columns], order=1, mode=called) for plane in PLANES]
    np.testing.assert_allclose(filters.sampled(PLANES, rows, columns, border_twice), expected, rtol=1e-10)


def test_zooms_by_several_factors_are_added():
    one, other = filters.zoomed(PLANES, (1.1,)), filters.zoomed(PLANES, (1.3,))
    np.testing.assert_allclose(filters.zoomed(PLANES, (1.1, 1.3)), one + other, rtol=1e-12)


def test_a_smeared_point_is_a_half_gaussian_to_its_left():
    planes = np.zeros((1, 3, 9))
    planes[0, 1, 6] = 255
    weights = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2))
    expected = np.zeros((3, 9))
    expected[1, 6:1:-1] = np.rint(255 * weights / weights.sum())
    np.testing.assert_array_equal(filters.smear(planes, 2, 1.5, angle=0)[0], expected)


def test_levels_are_cut_to_bytes_and_what_is_whole_stays_so():
    levels = np.array([-3, -1e-9, 0, 0.999, 1 - 1e-7, 254.5, 255, 300])
    assert filters.cut(levels).tolist() == [0, 0, 0, 0, 1, 254, 255, 255]
