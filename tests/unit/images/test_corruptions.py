"""Each corruption against its definition, written a second time and slowly.

The references are in `rederived`, with parameters of their own, and draw their randomness from the same seed in the
same order, so that results can be compared pixel by pixel: equality says more than any distance to the clean image,
which `test_corruption_psnr` compares. The 32 px table is tested on a square image, the 224 px table on one that is not
(66 x 80 px suffices).
"""

import re
import warnings
from math import comb, erf, exp, lgamma, log, sqrt

import numpy as np
import pytest
from PIL import Image
from skimage import filters
from sklearn.datasets import load_digits

import rederived
from maescope.base.corruption_names import CORRUPTIONS, GROUPS
from maescope.images.corruptions import SEVERITIES, corrupt
from rederived import RANDOM, levels, psnr

SMALL, LARGE = (32, 32), (66, 80)
DIGITS = load_digits().images


def picture(shape, first=0):
    """A coloured picture (h, w, 3): three handwritten digits, one a channel, on slopes that fill the range."""
    h, w = shape
    channels = [np.asarray(Image.fromarray(d.astype(np.float32)).resize((w, h))) for d in DIGITS[first : first + 3]]
    slope = np.add.outer(np.linspace(0, 70, h), np.linspace(5, 50, w))
    return np.clip(np.stack(channels, axis=2) * 9 + slope[..., None], 0, 255).astype(np.uint8)


def grey_picture(shape):
    return np.repeat(picture(shape)[..., :1], 3, axis=2)


def both_tables(name):
    """Parametrise a test by (shape, severity, parameters): five of each table."""
    tables = zip((SMALL, LARGE), rederived.PUBLISHED[name], strict=True)
    cases = [(shape, s, p) for shape, table in tables for s, p in enumerate(table, start=1)]
    return pytest.mark.parametrize(
        ("shape", "severity", "p"), cases, ids=[f"{shape[0]}px-{s}" for shape, s, _ in cases]
    )


def check_equal(name, image, severity, seed, p):
    """Ours and the re-derivation, from equal seeds, do not differ in any pixel."""
    expected = rederived.FUNCTIONS[name](image, p, np.random.default_rng(seed))
    np.testing.assert_array_equal(corrupt(image, name, severity, seed), expected)


# ---- The function itself ---------------------------------------------------------------------------------------------


def test_the_fifteen_names_in_the_order_of_the_paper():
    assert list(GROUPS) == ["noise", "blur", "weather", "digital"]
    assert [len(names) for names in GROUPS.values()] == [3, 4, 4, 4]
    assert len(set(CORRUPTIONS)) == 15
    assert CORRUPTIONS[::14] == ("gaussian_noise", "jpeg_compression")


@pytest.mark.parametrize("shape", [(32, 32), (224, 224), (45, 70), (80, 230), (8, 9)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_gives_a_changed_uint8_image_of_the_same_size(name, shape):
    image = picture(shape)
    before = image.copy()
    for severity in (2, 5):
        out = corrupt(image, name, severity, seed=3)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        assert not np.array_equal(out, image)
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in (*GROUPS["noise"], "frost")])
def test_grey_stays_grey_except_under_noise_and_frost(name):
    for shape in (SMALL, LARGE):
        out = corrupt(grey_picture(shape), name, 4, seed=5)
        assert np.ptp(out.astype(int), axis=2).max() == 0


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_black_and_white_images_make_no_warnings(name, value):
    with warnings.catch_warnings(action="error"), np.errstate(all="raise", under="ignore"):
        out = corrupt(np.full((*SMALL, 3), value, np.uint8), name, 5, seed=0)
    if name in ("glass_blur", "motion_blur", "zoom_blur", "elastic_transform", "contrast", "pixelate"):
        assert np.all(out == value)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_nothing_depends_on_how_an_image_lies_in_memory(name):
    image = picture((40, 51))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    planes.flags.writeable = False
    with warnings.catch_warnings(action="error"):
        out = corrupt(planes, name, 3, seed=4)
    np.testing.assert_array_equal(out, corrupt(image, name, 3, seed=4))
    assert out.flags.c_contiguous and out.flags.writeable


@pytest.mark.parametrize("shape", [(8, 9), (31, 33), (65, 97), (224, 101)])
def test_pixelate_is_two_resizes_of_pillow(shape):
    """The second makes nothing smaller, so that each pixel is one of the small picture's; odd sides have ties."""
    for table in rederived.PUBLISHED["pixelate"][min(shape) > 64 :][:1]:
        for severity, scale in enumerate(table, start=1):
            small = Image.fromarray(picture(shape)).resize([int(n * scale) for n in shape[::-1]], Image.Resampling.BOX)
            expected = np.asarray(small.resize(shape[::-1], Image.Resampling.BOX))
            np.testing.assert_array_equal(corrupt(picture(shape), "pixelate", severity, 0), expected)


def test_results_do_not_depend_on_the_order_of_calls():
    images = {shape: picture(shape) for shape in (SMALL, LARGE)}
    conditions = [(shape, name, s) for shape in images for name in CORRUPTIONS for s in SEVERITIES]

    def results(order):
        return {k: corrupt(images[k[0]], k[1], k[2], seed=(CORRUPTIONS.index(k[1]), k[2])).tobytes() for k in order}

    np.random.seed(1)
    forward = results(conditions)
    np.random.seed(2)
    assert results(conditions[::-1]) == forward


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_matters_where_there_is_randomness_and_only_there(name):
    image = picture(SMALL)
    same = np.array_equal(corrupt(image, name, 3, seed=1), corrupt(image, name, 3, seed=2))
    assert same == (name not in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_no_generator_is_made_where_nothing_is_random(name, monkeypatch):
    made, image = [], picture(SMALL)
    monkeypatch.setattr(np.random, "default_rng", lambda seed, make=np.random.default_rng: made.append(0) or make(seed))
    corrupt(image, name, 3, seed=1)
    assert len(made) == (name in RANDOM)


def test_the_small_table_holds_up_to_64_px_of_the_shorter_side():
    for shape, factor in (((64, 99), 0.15), ((99, 64), 0.15), ((65, 99), 0.05), ((99, 65), 0.05)):
        image = picture(shape)
        spread = np.ptp(corrupt(image, "contrast", 5, seed=0).astype(float), axis=(0, 1))
        assert np.all(abs(spread - factor * np.ptp(image, axis=(0, 1))) <= 1)


def test_errors_name_what_is_wrong():
    image = picture(SMALL)
    with pytest.raises(ValueError, match=re.escape("'fogg': the closest is 'fog'")):
        corrupt(image, "fogg", 1, 0)
    for severity in (0, 6):
        with pytest.raises(ValueError, match=f"severity {severity} of fog"):
            corrupt(image, "fog", severity, 0)
    for wrong in (image / 255, image[..., 0], image[..., :2], image.tolist(), image.astype(np.int64)):
        with pytest.raises(ValueError, match="give uint8 RGB"):
            corrupt(wrong, "fog", 1, 0)
    with pytest.raises(ValueError, match="at least 8 x 8"):
        corrupt(image[:7], "fog", 1, 0)


MONOTONE = {  # no others: their parameters trade one thing for another, e.g. a weaker image for a stronger overlay
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "zoom_blur"),
    *("fog", "brightness", "contrast", "jpeg_compression"),
}


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("name", sorted(MONOTONE))
def test_mean_psnr_falls_with_severity(name, shape):
    images = [picture(shape, first) for first in range(12)]
    means = [np.mean([psnr(corrupt(x, name, s, seed=i), x) for i, x in enumerate(images)]) for s in SEVERITIES]
    assert np.all(np.diff(means) < 0)


# ---- Noise: moments of a constant image, from the exact distribution over the 256 levels ----------------------------


def check_moments(out, probability):
    """Mean and variance of the pixels within 4.5 standard errors of those of a distribution over levels (256,)."""
    k = np.arange(256)
    mean = np.sum(probability * k)
    variance = np.sum(probability * (k - mean) ** 2)
    fourth = np.sum(probability * (k - mean) ** 4)
    assert np.sum(probability) == pytest.approx(1)
    assert abs(out.mean() - mean) < 4.5 * sqrt(variance / out.size)
    assert abs(out.var() - variance) < 4.5 * sqrt((fourth - variance**2) / out.size)


def check_independent(out):
    """Neither neighbours nor channels correlate."""
    x = out.astype(float) - out.mean()
    for a, b in ((x[:-1], x[1:]), (x[:, :-1], x[:, 1:]), (x[..., 0], x[..., 1]), (x[..., 1], x[..., 2])):
        assert abs(np.mean(a * b) / x.var()) < 4.5 / sqrt(a.size)


def constant(shape, value):
    return np.full(((64, 400, 3) if shape == SMALL else (120, 200, 3)), value, np.uint8)


@both_tables("gaussian_noise")
def test_gaussian_noise_has_the_moments_of_a_clipped_and_truncated_normal(shape, severity, p):
    out = corrupt(constant(shape, 180), "gaussian_noise", severity, seed=severity)
    cdf = np.array([0.5 * (1 + erf((k - 180) / 255 / p / sqrt(2))) for k in range(1, 256)])
    check_moments(out, np.diff(np.concatenate([[0], cdf, [1]])))
    check_independent(out)


@both_tables("shot_noise")
def test_shot_noise_has_the_moments_of_scaled_poisson_counts(shape, severity, p):
    out = corrupt(constant(shape, 102), "shot_noise", severity, seed=severity)
    rate = 102 / 255 * p
    probability = np.zeros(256)
    for n in range(2000):
        probability[int(levels(n / p))] += exp(n * log(rate) - rate - lgamma(n + 1))
    check_moments(out, probability)
    check_independent(out)


@both_tables("impulse_noise")
def test_impulse_noise_replaces_the_share_of_values_half_by_salt_half_by_pepper(shape, severity, p):
    out = corrupt(constant(shape, 77), "impulse_noise", severity, seed=severity)
    probability = np.zeros(256)
    probability[[0, 77, 255]] = p / 2, 1 - p, p / 2
    check_moments(out, probability)
    for value in (0, 77, 255):
        share = probability[value]
        assert abs(np.mean(out == value) - share) < 4.5 * sqrt(share * (1 - share) / out.size)
    hits, n = np.sum(out != 77, axis=2), out[..., 0].size  # channels of a pixel: binomial
    for k in range(4):
        share = comb(3, k) * p**k * (1 - p) ** (3 - k)
        assert abs(np.sum(hits == k) - share * n) < 5 * sqrt(share * n) + 1


# ---- Blur ------------------------------------------------------------------------------------------------------------


@both_tables("defocus_blur")
def test_defocus_blur_is_the_softened_disk_tap_by_tap(shape, severity, p):
    check_equal("defocus_blur", picture(shape), severity, 0, p)


@both_tables("glass_blur")
def test_glass_blur_is_the_published_double_loop(shape, severity, p):
    sigma, delta, rounds = p
    (h, w), rng = shape, np.random.default_rng(severity)
    x = levels(filters.gaussian(picture(shape) / 255, sigma=sigma, channel_axis=2))
    for _ in range(rounds):
        moves = rng.integers(-delta, delta, size=(h - 2 * delta, w - 2 * delta, 2))
        for i in range(h - delta, delta, -1):
            for j in range(w - delta, delta, -1):
                dx, dy = moves[i - delta - 1, j - delta - 1]
                x[i, j], x[i + dy, j + dx] = x[i + dy, j + dx], x[i, j]  # views: a copy, see the module
    expected = levels(filters.gaussian(x / 255, sigma=sigma, channel_axis=2))
    np.testing.assert_array_equal(corrupt(picture(shape), "glass_blur", severity, severity), expected)
    check_equal("glass_blur", picture(shape), severity, severity, p)


@both_tables("motion_blur")
def test_motion_blur_is_a_half_gaussian_along_the_angle(shape, severity, p):
    for seed in range(4):
        check_equal("motion_blur", picture(shape), severity, seed, p)


def test_motion_blur_spreads_a_point_to_its_left_only():
    image = np.zeros((33, 33, 3), np.uint8)
    image[16, 16] = 255
    rows, columns = np.nonzero(corrupt(image, "motion_blur", 5, seed=8)[..., 0])
    assert columns.max() == 16
    assert columns.min() < 12
    assert np.all(abs(rows - 16) <= 16 - columns)  # within 45 degrees


@both_tables("zoom_blur")
def test_zoom_blur_is_the_mean_over_the_published_number_of_factors(shape, severity, p):
    check_equal("zoom_blur", picture(shape), severity, 0, p)


# ---- Weather ---------------------------------------------------------------------------------------------------------


@both_tables("snow")
def test_snow_is_a_whitened_image_plus_flakes_and_turned_flakes(shape, severity, p):
    check_equal("snow", picture(shape), severity, severity, p)


@both_tables("frost")
def test_frost_mixes_a_crop_of_one_of_the_photographs(shape, severity, p):
    image_weight, frost_weight = p
    h, w = shape
    stride = 5 if shape == SMALL else 1
    noise = np.random.default_rng(0).integers(0, 256, (2, (h + 2) * stride, (w + 1) * stride, 3), dtype=np.uint8)
    crops = [
        photograph[stride // 2 :: stride, stride // 2 :: stride][i : i + h, j : j + w]
        for photograph in noise
        for i in range(3)
        for j in range(2)
    ]
    possible = [levels((image_weight * picture(shape) + frost_weight * crop) / 255) for crop in crops]
    seen = set()
    for seed in range(60):
        out = corrupt(picture(shape), "frost", severity, seed, frost=noise)
        matches = [k for k, expected in enumerate(possible) if np.array_equal(out, expected)]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) >= 10  # of 12: each photograph and position gets its turn


@both_tables("frost")
def test_synthetic_frost_is_mixed_with_the_same_weights(shape, severity, p):
    image_weight, frost_weight = p
    overlay = corrupt(np.zeros((*shape, 3), np.uint8), "frost", severity, seed=6) / 255  # frost_weight * frost
    assert overlay.max() <= frost_weight
    assert 0.2 < overlay.mean() / frost_weight < 0.8
    assert overlay.std() / frost_weight > 0.1
    out = corrupt(picture(shape), "frost", severity, seed=6)
    expected = np.clip(image_weight * picture(shape) / 255 + overlay, 0, 1) * 255
    assert np.abs(out - expected).max() <= 1  # both were truncated
    check_equal("frost", picture(shape), severity, 6, p)


def test_frost_photographs_that_cannot_be_used_are_refused():
    image = picture(SMALL)
    with pytest.raises(ValueError, match="empty"):
        corrupt(image, "frost", 1, 0, frost=[])
    with pytest.raises(ValueError, match=r"too small .* at least 160 x 160 px"):
        corrupt(image, "frost", 1, 0, frost=[np.zeros((200, 150, 3), np.uint8)])
    with pytest.raises(ValueError, match="a frost photograph is float64"):
        corrupt(image, "frost", 1, 0, frost=[np.zeros((200, 200, 3))])


@both_tables("fog")
def test_fog_adds_plasma_and_scales_back(shape, severity, p):
    check_equal("fog", picture(shape), severity, severity, p)


@both_tables("brightness")
def test_brightness_adds_to_the_value_of_hsv(shape, severity, p):
    image = picture(shape)
    image[:3, :3] = 0  # black, which has neither hue nor saturation
    image[5, 5] = 255, 0, 0
    check_equal("brightness", image, severity, 0, p)


# ---- Digital ---------------------------------------------------------------------------------------------------------


@both_tables("contrast")
def test_contrast_shrinks_each_channel_to_its_own_mean(shape, severity, p):
    check_equal("contrast", picture(shape), severity, 0, p)


@both_tables("elastic_transform")
def test_elastic_transform_is_an_affine_map_then_a_smooth_displacement(shape, severity, p):
    check_equal("elastic_transform", picture(shape), severity, severity, p)


@both_tables("pixelate")
def test_pixelate_is_a_box_resize_there_and_back(shape, severity, p):
    check_equal("pixelate", picture(shape), severity, 0, p)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(("shape", "table"), [((64, 160), 0), ((80, 160), 1)])
def test_jpeg_compression_quantises_the_cosine_transform(shape, table, severity):
    """Libjpeg's integer arithmetic is within a level of the real one where there is no chroma to convert."""
    quality = rederived.PUBLISHED["jpeg_compression"][table][severity - 1]
    for image, near in ((grey_picture(shape), 1), (picture(shape), 3)):
        off = np.abs(corrupt(image, "jpeg_compression", severity, 0) - rederived.jpeg_compression(image, quality, None))
        assert np.mean(off <= near) > 0.95  # not all: a coefficient near a rounding tie moves a whole block
