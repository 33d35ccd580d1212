"""PSNR and SSIM against their formulas, and cases known on paper."""

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from maescope.images import perturbations, reading
from maescope.measures import quality
from maescope.tables import table_1


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


@pytest.mark.parametrize(
    ("measure", "plain", "off"), [(quality.psnr_db, plain_psnr_db, 1e-10), (quality.ssim, plain_ssim, 2e-7)]
)
def test_psnr_and_ssim_equal_their_formulas(pair, measure, plain, off):
    expected = [plain(*(image.double().numpy() for image in images)) for images in zip(*pair, strict=True)]
    assert max(expected) - min(expected) > 1e-4
    np.testing.assert_allclose(measure(*pair).numpy(), expected, rtol=0, atol=off)


def hard_pairs():
    """Pairs on which a variance is a small difference of large numbers, or a side is as small as the window."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(2, 3, 27, 50, generator=generator)
    halves = torch.zeros(2, 3, 27, 50)
    halves[..., 25:] = 1
    yield halves, (halves + 0.03 * noise).clamp(0, 1)
    bright = 0.97 + 0.001 * noise
    yield bright, bright.mean((2, 3), keepdim=True).expand_as(bright)
    yield halves, 0.97 * halves + 0.01
    yield 0.97 + 0.004 * noise[..., :11, :11], 0.97 + 0.004 * noise[..., :11, 11:22]  # one window: errors are no mean
    yield noise[..., :11, :11].abs().clamp(0, 1), noise[..., :11, 11:22].abs().clamp(0, 1)
    yield noise.abs().clamp(0, 1), 1 - noise.abs().clamp(0, 1)
    small = noise[..., :11, :22] * 0.02  # far apart: the difference is large and hardly varies
    yield (0.25 + small[..., :11]).clamp(0, 1), (0.75 + small[..., 11:]).clamp(0, 1)
    yield (0.5 + small[..., :11]).clamp(0, 1), (1 + small[..., 11:]).clamp(0, 1)


def test_ssim_is_that_of_scikit_image_also_where_digits_cancel():
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    for clean, other in hard_pairs():
        pairs = zip(clean.double().numpy(), other.double().numpy(), strict=True)
        expected = [structural_similarity(*pair, channel_axis=0, **settings) for pair in pairs]
        np.testing.assert_allclose(quality.ssim(clean, other), expected, rtol=0, atol=2e-6)


def test_it_does_not_matter_how_many_pictures_are_compared_at_once(monkeypatch):
    generator = torch.Generator().manual_seed(3)
    clean, other = torch.rand(2, 5, 3, 12, 13, generator=generator)
    clean[3] = 0.5
    whole = quality.compare(clean, other)
    for at_once in (1, 2 * 12 * 13):
        monkeypatch.setattr(quality, "AT_ONCE", at_once)
        parts = quality.compare(clean, other)
        assert np.isnan(parts["ssim"]).tolist() == [False, False, False, True, False]
        for name, values in whole.items():
            np.testing.assert_array_equal(parts[name], values)


def test_the_number_of_threads_changes_no_digit(monkeypatch):
    generator, threads = torch.Generator().manual_seed(2), torch.get_num_threads()
    clean, other = torch.rand(2, 8, 3, 120, 120, generator=generator)
    monkeypatch.setattr(quality, "AT_ONCE", 1)
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(np.stack(list(quality.compare(clean, other).values())))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*found)


def test_pictures_of_other_shapes_are_not_repeated():
    for shape in ((1, 3, 12, 12), (2, 1, 12, 12), (2, 3, 1, 12), (3, 3, 12, 12)):
        with pytest.raises(ValueError, match=r"\(2, 3, 12, 12\) and .* must be alike"):
            quality.compare(torch.rand(2, 3, 12, 12), torch.rand(shape))


def test_batches_are_measured_in_the_order_of_the_images(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (66, 12, 12, 3), dtype=np.uint8)  # more than a batch
    names = [f"cat/{number}.png" for number in range(66)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    rows = pd.DataFrame({"label": "cat", "image": names, "path": [str(tmp_path / f"{n}.png") for n in range(66)]})
    blur = perturbations.Blur({"I": (3, 0.6), "II": (5, 1.0)})
    frames = list(quality.by_batch(rows, reading.Preprocessing(12, 12, "bilinear", (), ()), blur, workers=1))
    assert [frame["level"].unique().tolist() for frame in frames] == [["I"], ["II"]] * 2
    assert pd.concat(frames[::2])["image"].tolist() == names
    last = pictures[65].transpose(2, 0, 1) / 255
    expected = plain_psnr_db(last, plain_blur(last, 5, 1.0))
    assert frames[3]["psnr_db"].iloc[-1] == pytest.approx(expected, abs=1e-4)


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
    assert quality.ssim(dark, light).item() == pytest.approx(expected, abs=1e-7)


# ---- Flat pictures (case 1): what is known is worked out here in plain numpy, in float64 -----------------------------


def plain_blur(image, size, sigma):
    """(3, height, width) by a truncated Gaussian, borders reflected without repeating the edge, pixel by pixel."""
    offsets = np.arange(size) - size // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    padded = np.pad(image, ((0, 0), (size // 2,) * 2, (size // 2,) * 2), mode="reflect")
    _, height, width = image.shape
    windows = ((y, x, weights[y] * weights[x]) for y in range(size) for x in range(size))
    return sum(w * padded[:, y : y + height, x : x + width] for y, x, w in windows)


def blurred_pets(*flats):
    """Seven pictures of noise, 16 px, and some of one grey; their measure `quality`, as its script makes it."""
    noise = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16))
    pictures = np.concatenate([noise, *(np.full((1, 3, 16, 16), grey) for grey in flats)]) / 255
    clean, frames = torch.from_numpy(pictures).float(), []
    for level, (kernel, sigma) in LEVELS.items():
        perturbed = (
            perturbations.Blur({level: (kernel, sigma)}).apply(level, perturbations.Batch(clean, []), None).pixels
        )
        images = [f"cat/{number}.png" for number in range(len(clean))]
        frame = pd.DataFrame({"image": images, **quality.compare(clean, perturbed)})
        frames.append(frame.assign(level=level, label="cat"))
    return noise / 255, pd.concat(frames)


LEVELS = {"I": (3, 0.6), "II": (5, 1.0), "III": (7, 2.0)}


def blur_table(measure):
    filters = {level: {"kernel": kernel, "sigma": sigma} for level, (kernel, sigma) in LEVELS.items()}
    answers = [{"level": level, "label": "cat", "correct": 1} for level in ("clean", *LEVELS)]
    accuracy = pd.DataFrame([row | {"image": f"cat/{n}.png", "model": "vit"} for row in answers for n in range(2)])
    intervals = {"resamples": 50, "confidence": 0.95, "seed": 0}
    return table_1.table(accuracy, measure, filters, ["vit"], intervals, None).set_index("level").loc[list(LEVELS)]


@pytest.mark.parametrize("flats", [(0,), (255,), (128,), (0, 255, 128, 40), ()])
def test_flat_pictures_are_in_no_mean_of_table_1_and_counted(flats):
    noise, measure = blurred_pets(*flats)
    table = blur_table(measure)
    for level, (kernel, sigma) in LEVELS.items():
        pairs = [(picture, plain_blur(picture, kernel, sigma)) for picture in noise]
        psnr, ssim = ([plain(*pair) for pair in pairs] for plain in (plain_psnr_db, plain_ssim))
        assert table.loc[level, "psnr_db"] == pytest.approx(np.mean(psnr), abs=1e-4)
        assert table.loc[level, "ssim"] == pytest.approx(np.mean(ssim), abs=1e-6)
    assert table["order_by_psnr"].tolist() == [1, 2, 3]
    assert table["images_changed"].tolist() == [7] * 3
    notes = table_1.notes(measure)[len(table_1.NOTES) :]
    said = (
        f"{len(flats)} of {7 + len(flats)} images are flat (no colour has a standard deviation of one of 255 grey "
        "levels; the first is "
    )
    assert len(notes) == bool(flats) and all(note.startswith(said) for note in notes)


def test_a_picture_is_flat_where_no_colour_varies_by_a_grey_level():
    pictures = torch.full((4, 3, 8, 8), 0.5)
    pictures[1, 2, :4] += 2.2 / 255  # a standard deviation of 1.1 levels, of blue alone
    pictures[2, 2, :4] += 1.8 / 255  # of 0.9 levels
    pictures[3, 0] = 0.9  # red, but all of it
    assert quality.flat(pictures).tolist() == [True, False, True, True]


def test_nothing_but_flat_pictures_is_a_dash_and_no_traceback():
    _, measure = blurred_pets(0, 255)
    table = blur_table(measure[measure["image"].isin(["cat/7.png", "cat/8.png"])])
    assert table[["psnr_db", "ssim", "order_by_psnr"]].isna().to_numpy().all()
    assert table["images_changed"].tolist() == [0, 0, 0]


def test_what_a_level_does_not_change_is_counted_by_level_and_infinite_where_that_is_all():
    _, measure = blurred_pets()
    measure.loc[measure["level"] == "I", "psnr_db"] = np.inf
    measure.loc[(measure["level"] == "II") & (measure["image"] < "cat/2"), "psnr_db"] = np.inf
    table, others = blur_table(measure), measure[(measure["level"] == "II") & (measure["image"] >= "cat/2")]
    assert table.loc["I", "psnr_db"] == np.inf
    assert table.loc["II", "psnr_db"] == pytest.approx(others["psnr_db"].mean())
    assert table["order_by_psnr"].tolist() == [1, 2, 3]
    assert table["images_changed"].tolist() == [0, 5, 7]
    assert table_1.printed(table.reset_index())["PSNR (dB)"][0] == "∞"
    assert "whose PSNR is infinite: I 7, II 2." in table_1.notes(measure)[-1]
