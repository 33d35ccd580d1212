"""Each corruption against its definition, written a second time and slowly.

The references take the published parameters from here, not from the module, and draw their randomness from the same
seed in the same order, so that results can be compared pixel by pixel: equality says more than any distance to the
clean image. The 32 px table is tested on a square image, the 224 px table on one that is not (66 x 80 px suffices).
"""

import re
import warnings
from math import comb, erf, exp, lgamma, log, sqrt

import numpy as np
import pytest
from PIL import Image
from skimage import color, filters
from sklearn.datasets import load_digits

from maescope.corruptions import CORRUPTIONS, GROUPS, SEVERITIES, corrupt

SMALL, LARGE = (32, 32), (66, 80)
RANDOM = set(CORRUPTIONS) - {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
DIGITS = load_digits().images


def picture(shape, first=0):
    """A coloured picture (h, w, 3): three handwritten digits, one a channel, on slopes that fill the range."""
    h, w = shape
    channels = [np.asarray(Image.fromarray(d.astype(np.float32)).resize((w, h))) for d in DIGITS[first : first + 3]]
    slope = np.add.outer(np.linspace(0, 70, h), np.linspace(5, 50, w))
    return np.clip(np.stack(channels, axis=2) * 9 + slope[..., None], 0, 255).astype(np.uint8)


def grey_picture(shape):
    return np.repeat(picture(shape)[..., :1], 3, axis=2)


def levels(x):
    """Truncation to 8 bits; what is whole up to rounding errors counts as whole."""
    return np.floor(np.clip(x, 0, 1) * 255 + 1e-6)


def psnr(a, b):
    return -10 * np.log10(np.mean((a / 255 - b / 255) ** 2) + 1e-12)


def both_tables(small, large):
    """Parametrise a test by (shape, severity, parameters): five of each table."""
    cases = [(shape, s, p) for shape, table in ((SMALL, small), (LARGE, large)) for s, p in enumerate(table, start=1)]
    return pytest.mark.parametrize(
        ("shape", "severity", "p"), cases, ids=[f"{shape[0]}px-{s}" for shape, s, _ in cases]
    )


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


@both_tables((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
def test_gaussian_noise_has_the_moments_of_a_clipped_and_truncated_normal(shape, severity, p):
    out = corrupt(constant(shape, 180), "gaussian_noise", severity, seed=severity)
    cdf = np.array([0.5 * (1 + erf((k - 180) / 255 / p / sqrt(2))) for k in range(1, 256)])
    check_moments(out, np.diff(np.concatenate([[0], cdf, [1]])))
    check_independent(out)


@both_tables((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
def test_shot_noise_has_the_moments_of_scaled_poisson_counts(shape, severity, p):
    out = corrupt(constant(shape, 102), "shot_noise", severity, seed=severity)
    rate = 102 / 255 * p
    probability = np.zeros(256)
    for n in range(2000):
        probability[int(levels(n / p))] += exp(n * log(rate) - rate - lgamma(n + 1))
    check_moments(out, probability)
    check_independent(out)


@both_tables((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
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


def gather(x, down, right):
    """x at every position moved by whole pixels, the border repeated: for wholly plain filters."""
    rows, columns = np.indices(x.shape[:2])
    return x[np.clip(rows + down, 0, x.shape[0] - 1), np.clip(columns + right, 0, x.shape[1] - 1)]


@both_tables(
    ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
)
def test_defocus_blur_is_the_softened_disk_tap_by_tap(shape, severity, p):
    radius, alias = p
    reach, soft = (8, 1) if radius <= 8 else (radius, 2)
    side = range(-reach, reach + 1)
    disk = {(i, j): 1.0 for i in side for j in side if i * i + j * j <= radius**2}
    gauss = {t: exp(-(t**2) / (2 * alias**2)) for t in range(-soft, soft + 1)}

    def reflect(i):
        return i if abs(i) <= reach else (2 * reach - abs(i)) * (1 if i > 0 else -1)

    x = picture(shape) / 255
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    expected = np.zeros_like(x)
    for i in side:
        for j in side:
            near = ((g * f, reflect(i + a), reflect(j + b)) for a, g in gauss.items() for b, f in gauss.items())
            weight = sum(w * disk.get((u, v), 0) for w, u, v in near) / sum(gauss.values()) ** 2 / len(disk)
            top, left = reach + i, reach + j
            expected += weight * padded[top : top + x.shape[0], left : left + x.shape[1]]
    np.testing.assert_array_equal(corrupt(picture(shape), "defocus_blur", severity, 0), levels(expected))


@both_tables(
    ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
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


def smear(x, radius, sigma, angle):
    """ImageMagick's motion blur, tap by tap; levels in, levels out."""
    taps = [(exp(-(k**2) / (2 * sigma**2)), k) for k in range(2 * radius + 1)]
    sine, cosine = np.sin(np.pi * angle / 180), np.cos(np.pi * angle / 180)
    total = sum(w * gather(x, int(np.ceil(k * sine - 0.5)), int(np.ceil(k * cosine - 0.5))) for w, k in taps)
    return np.floor(total / sum(w for w, _ in taps) + 0.5)


@both_tables(((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)))
def test_motion_blur_is_a_half_gaussian_along_the_angle(shape, severity, p):
    image = picture(shape)
    for seed in range(4):
        angle = np.random.default_rng(seed).uniform(-45, 45)
        np.testing.assert_array_equal(corrupt(image, "motion_blur", severity, seed), smear(image, *p, angle))


def test_motion_blur_spreads_a_point_to_its_left_only():
    image = np.zeros((33, 33, 3), np.uint8)
    image[16, 16] = 255
    rows, columns = np.nonzero(corrupt(image, "motion_blur", 5, seed=8)[..., 0])
    assert columns.max() == 16
    assert columns.min() < 12
    assert np.all(abs(rows - 16) <= 16 - columns)  # within 45 degrees


def zoom(x, factor):
    """The middle of x (h, w, c), enlarged by linear interpolation along each axis between its outermost pixels."""
    for axis in (0, 1):
        n = x.shape[axis]
        kept = int(np.ceil(n / factor))
        start, size = (n - kept) // 2, int(np.round(kept * factor))
        where = start + np.arange(size) * (kept - 1) / (size - 1)
        where = where[(size - n) // 2 :][:n]
        x = np.apply_along_axis(lambda line: np.interp(where, np.arange(len(line)), line), axis, x)  # noqa: B023
    return x


@both_tables(
    ((1.06, 0.01, 7), (1.11, 0.01, 12), (1.16, 0.01, 16), (1.21, 0.01, 21), (1.26, 0.01, 26)),
    ((1.11, 0.01, 12), (1.16, 0.01, 16), (1.21, 0.02, 11), (1.26, 0.02, 13), (1.31, 0.03, 11)),
)
def test_zoom_blur_is_the_mean_over_the_published_number_of_factors(shape, severity, p):
    """The factors are those of numpy.arange to the last bit: 26 px by 1.25 is 32.5 px, which a bit less rounds down."""
    stop, step, count = p
    x = picture(shape) / 255
    expected = (x + sum(zoom(x, factor) for factor in np.arange(1, stop, step))) / (count + 1)
    np.testing.assert_array_equal(corrupt(picture(shape), "zoom_blur", severity, 0), levels(expected))


# ---- Weather ---------------------------------------------------------------------------------------------------------


@both_tables(
    (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
)
def test_snow_is_a_whitened_image_plus_flakes_and_turned_flakes(shape, severity, p):
    mean, std, factor, threshold, radius, sigma, weight = p
    x, rng = picture(shape) / 255, np.random.default_rng(severity)
    flakes = zoom(rng.normal(mean, std, shape)[..., None], factor)
    flakes = smear(levels(np.where(flakes < threshold, 0, flakes)), radius, sigma, rng.uniform(-135, -45)) / 255
    grey = 0.299 * x[..., :1] + 0.587 * x[..., 1:2] + 0.114 * x[..., 2:]
    expected = weight * x + (1 - weight) * np.maximum(x, 1.5 * grey + 0.5) + flakes + np.rot90(flakes, 2)
    np.testing.assert_array_equal(corrupt(picture(shape), "snow", severity, severity), levels(expected))


FROST = (
    ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
)


@both_tables(*FROST)
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


@both_tables(*FROST)
def test_synthetic_frost_is_mixed_with_the_same_weights(shape, severity, p):
    image_weight, frost_weight = p
    overlay = corrupt(np.zeros((*shape, 3), np.uint8), "frost", severity, seed=6) / 255  # frost_weight * frost
    assert overlay.max() <= frost_weight
    assert 0.2 < overlay.mean() / frost_weight < 0.8
    assert overlay.std() / frost_weight > 0.1
    out = corrupt(picture(shape), "frost", severity, seed=6)
    expected = np.clip(image_weight * picture(shape) / 255 + overlay, 0, 1) * 255
    assert np.abs(out - expected).max() <= 1  # both were truncated


def test_frost_photographs_that_cannot_be_used_are_refused():
    image = picture(SMALL)
    with pytest.raises(ValueError, match="empty"):
        corrupt(image, "frost", 1, 0, frost=[])
    with pytest.raises(ValueError, match=r"too small .* at least 160 x 160 px"):
        corrupt(image, "frost", 1, 0, frost=[np.zeros((200, 150, 3), np.uint8)])
    with pytest.raises(ValueError, match="a frost photograph is float64"):
        corrupt(image, "frost", 1, 0, frost=[np.zeros((200, 200, 3))])


def diamond_square(side, decay, rng):
    """One point at a time on a torus; the random numbers of a pass come as one array."""
    z = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half, cells = step // 2, range(side // step)
        for row, column in ((half, half), (0, half), (half, 0)):
            noise = rng.uniform(-wobble, wobble, (len(cells), len(cells)))
            diagonal = row == column
            around = ((-1, -1), (-1, 1), (1, -1), (1, 1)) if diagonal else ((-1, 0), (1, 0), (0, -1), (0, 1))
            for a in cells:
                for b in cells:
                    i, j = a * step + row, b * step + column
                    corners = [z[(i + half * u) % side, (j + half * v) % side] for u, v in around]
                    z[i, j] = sum(corners) / 4 + wobble * noise[a, b]
        step, wobble = half, wobble / decay
    return (z - z.min()) / (z.max() - z.min())


@both_tables(
    ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
)
def test_fog_adds_plasma_and_scales_back(shape, severity, p):
    amount, decay = p
    x = picture(shape) / 255
    side = 32 if shape == SMALL else 128  # 2^n >= max(h, w)
    plasma = diamond_square(side, decay, np.random.default_rng(severity))[: shape[0], : shape[1], None]
    expected = (x + amount * plasma) * x.max() / (x.max() + amount)
    np.testing.assert_array_equal(corrupt(picture(shape), "fog", severity, severity), levels(expected))


@both_tables((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))
def test_brightness_adds_to_the_value_of_hsv(shape, severity, p):
    image = picture(shape)
    image[:3, :3] = 0  # black, which has neither hue nor saturation
    image[5, 5] = 255, 0, 0
    hsv = color.rgb2hsv(image)
    hsv[..., 2] = np.clip(hsv[..., 2] + p, 0, 1)
    np.testing.assert_array_equal(corrupt(image, "brightness", severity, 0), levels(color.hsv2rgb(hsv)))


# ---- Digital ---------------------------------------------------------------------------------------------------------


@both_tables((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
def test_contrast_shrinks_each_channel_to_its_own_mean(shape, severity, p):
    image = picture(shape)
    expected = np.empty(image.shape)
    for c in range(3):
        mean = sum(int(v) for v in image[..., c].flat) / image[..., c].size
        for i, j in np.ndindex(*shape):
            expected[i, j, c] = levels((mean + p * (image[i, j, c] - mean)) / 255)
    np.testing.assert_array_equal(corrupt(image, "contrast", severity, 0), expected)


def bilinear(x, rows, columns, fold):
    """x (h, w, 3) between its pixels; `fold` brings an index outside the image back into it."""
    i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
    a, b = (rows - i)[..., None], (columns - j)[..., None]
    h, w, _ = x.shape

    def at(u, v):
        return x[fold(u, h), fold(v, w)]

    return (1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) + a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1))


def mirror(i, n):
    """... 2 1 | 0 1 2: the border pixel is not repeated."""
    i = abs(i) % (2 * n - 2)
    return np.minimum(i, 2 * n - 2 - i)


def reflect(i, n):
    """... 1 0 | 0 1 2: the border pixel is repeated."""
    i = i % (2 * n)
    return np.minimum(i, 2 * n - 1 - i)


@both_tables(
    ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
    ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)),
)
def test_elastic_transform_is_an_affine_map_then_a_smooth_displacement(shape, severity, p):
    amplitude, sigma, jitter = p
    (h, w), rng = shape, np.random.default_rng(severity)
    q = min(shape) // 3
    before = np.array([(w // 2 + q, h // 2 + q), (w // 2 + q, h // 2 - q), (w // 2 - q, h // 2 - q)])  # x, y
    after = before + rng.uniform(-jitter, jitter, (3, 2))
    edges = [np.stack([p[0] - p[2], p[1] - p[2]], axis=1) for p in (before, after)]
    linear = edges[1] @ np.linalg.inv(edges[0])  # forwards; the image is read backwards
    y, x = np.indices(shape)
    source = np.linalg.inv(linear) @ (np.stack([x.ravel(), y.ravel()]) - after[2][:, None]) + before[2][:, None]
    warped = bilinear(picture(shape) / 255, source[1].reshape(shape), source[0].reshape(shape), mirror)
    dx, dy = (
        amplitude * filters.gaussian(rng.uniform(-1, 1, shape), sigma, mode="reflect", truncate=3) for _ in range(2)
    )
    expected = levels(bilinear(warped, y + dy, x + dx, reflect))
    np.testing.assert_array_equal(corrupt(picture(shape), "elastic_transform", severity, severity), expected)


def box(x, size):
    """Resize the first axis of levels to `size`: mean of the pixels whose centres fall into each new pixel."""
    scale = len(x) / size
    lines = []
    for i in range(size):
        middle, reach = (i + 0.5) * scale, max(scale, 1) / 2
        inside = [k for k in range(len(x)) if -reach < k + 0.5 - middle <= reach]
        lines.append(np.floor(np.mean(x[inside], axis=0) + 0.5))
    return np.array(lines)


@both_tables((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
def test_pixelate_is_a_box_resize_there_and_back(shape, severity, p):
    x = picture(shape).astype(float)
    for h, w in ([int(n * p) for n in shape], shape):
        x = box(box(x.swapaxes(0, 1), w).swapaxes(0, 1), h)
    np.testing.assert_array_equal(corrupt(picture(shape), "pixelate", severity, 0), x)


LUMINANCE = """
16 11 10 16 24 40 51 61    12 12 14 19 26 58 60 55     14 13 16 24 40 57 69 56     14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
"""  # table K.1 of the JPEG standard


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(("shape", "qualities"), [((64, 160), (80, 65, 58, 50, 40)), ((72, 160), (25, 18, 15, 10, 7))])
def test_jpeg_compression_quantises_the_cosine_transform(shape, qualities, severity):
    """Of a grey image, whose chroma is nothing; libjpeg's integer transform is within a level of the real one."""
    quality = qualities[severity - 1]
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.clip((np.array(LUMINANCE.split(), int).reshape(8, 8) * scale + 50) // 100, 1, 255)
    k = np.arange(8)
    dct = np.sqrt(np.where(k == 0, 1, 2) / 8)[:, None] * np.cos(np.pi * np.outer(k, 2 * k + 1) / 16)
    image = grey_picture(shape)
    blocks = image[..., 0].reshape(shape[0] // 8, 8, shape[1] // 8, 8).swapaxes(1, 2) - 128.0
    coefficients = dct @ blocks @ dct.T / table
    coefficients = np.sign(coefficients) * np.floor(abs(coefficients) + 0.5) * table
    expected = np.clip(np.round(dct.T @ coefficients @ dct) + 128, 0, 255).swapaxes(1, 2).reshape(shape)
    off = np.abs(corrupt(image, "jpeg_compression", severity, 0) - expected[..., None])
    assert np.mean(off <= 1) > 0.95  # not all: a coefficient near a rounding tie moves a whole block
