"""The fifteen ImageNet-C corruptions, generated: noise, blur, weather and digital, each at five severities.

Definitions and parameters are those of Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations, ICLR 2019, with the two tables of their code: ImageNet-C (224 px) and CIFAR-C (32 px).
Their file used OpenCV, scikit-image and ImageMagick; here NumPy, SciPy and PIL do the same arithmetic.

What follows the published code though one would not guess it from the names:

- images become 8-bit by truncation, not by rounding; the two motion blurs alone are rounded, as ImageMagick rounds
  (the PNG writer of some of its versions truncates: half a level less on average);
- glass blur copies a neighbour where its loop means to swap two pixels (see `_glass_blur`);
- motion blur is one-sided: a half Gaussian of 2 radius + 1 taps, on one side of the pixel;
- some ranges of zoom factors contain their end, because `numpy.arange` with a step of 0.01 overshoots.

What differs, always:

- all randomness comes from one seed per image, so that no result depends on the order of the calls;
- frost overlays photographs that are not ours to ship: give your own, or a synthetic texture is drawn;
- the files of ImageNet-C went through JPEG (quality 85) once more when they were written; nothing of the kind here;
- float64 throughout, bilinear weights that are not rounded to 1/32 px, and a truncation that forgives 1e-6 of a level;
- sizes other than 224 and 32, square or not: constants in pixels stay as published, zooms crop each axis by itself.
"""

import difflib
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import fft, ndimage, sparse

from maescope.base.corruption_names import CORRUPTIONS, SEVERITIES

_SMALL_UP_TO = 64  # pixels of the shorter side: CIFAR-C's table up to here, ImageNet-C's above
_SMALLEST = 8  # pixels: the elastic transform needs a triangle of landmarks inside the image

# What the numbers mean is said by the function of the same name.
_LARGE = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    # 244 is the published figure (a slip for 224 that their files contain)
    "elastic_transform": (
        (244 * 2, 244 * 0.7, 244 * 0.1),
        (244 * 2, 244 * 0.08, 244 * 0.2),
        (244 * 0.05, 244 * 0.01, 244 * 0.02),
        (244 * 0.07, 244 * 0.01, 244 * 0.02),
        (244 * 0.12, 244 * 0.01, 244 * 0.02),
    ),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
}
_SMALL = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2, 5), (1, 0.3, 5), (0.9, 0.4, 5), (0.85, 0.4, 5), (0.75, 0.45, 5)),
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "elastic_transform": (
        (0, 0, 32 * 0.08),
        (32 * 0.05, 32 * 0.2, 32 * 0.07),
        (32 * 0.08, 32 * 0.06, 32 * 0.06),
        (32 * 0.1, 32 * 0.04, 32 * 0.05),
        (32 * 0.1, 32 * 0.03, 32 * 0.03),
    ),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
}


def corrupt(image, name, severity, seed, *, frost=None):
    """One image under one ImageNet-C corruption.

    Parameters
    ----------
    image : uint8 array (h, w, 3)
        RGB. The 32 px (CIFAR-C) parameters are used if min(h, w) <= 64, the 224 px (ImageNet-C) ones above.
    name : str
        One of `CORRUPTIONS`.
    severity : int
        1 (mild) to 5.
    seed : int or sequence of int
        Of `numpy.random.default_rng`; the only source of randomness. Give each (image, corruption, severity) its own.
    frost : sequence of uint8 arrays (h_i, w_i, 3), optional
        Photographs of frost, one of which is cropped at random. Without them the overlay is synthetic, drawn from the
        seed, and frost numbers are to be labelled so. Under the 32 px parameters every fifth pixel of a photograph is
        used (the published reduction to a fifth). Read by "frost" only.

    Returns
    -------
    uint8 array (h, w, 3)
        A new array; the same bytes for the same arguments, whatever was called before.

    Raises
    ------
    ValueError
        If the name or the severity is unknown, the image is not uint8 (h, w, 3) of at least 8 x 8 px, or a frost
        photograph is no uint8 (h_i, w_i, 3) array, or too small to crop the image's size from.

    References
    ----------
    Hendrycks and Dietterich, ICLR 2019, section 4.1, and the tables of their make_imagenet_c.py and make_cifar_c.py.
    """
    _check(image, name, severity)
    table = _SMALL if min(image.shape[:2]) <= _SMALL_UP_TO else _LARGE
    parameters = table[name][severity - 1]
    rng = np.random.default_rng(seed)
    if name == "frost":
        corrupted = _frost(image / 255, parameters, rng, frost)
    else:
        corrupted = _FUNCTIONS[name](image / 255, parameters, rng)
    return _to_uint8(corrupted)


def _check(image, name, severity):
    """Raise ValueError unless the arguments of `corrupt` make sense."""
    if name not in CORRUPTIONS:
        closest = difflib.get_close_matches(str(name), CORRUPTIONS, n=1, cutoff=0)[0]
        raise ValueError(f"unknown corruption {name!r}: the closest is {closest!r}, all are {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} of {name}: it is an integer from 1 to 5")
    _check_rgb(image, "image")
    if min(image.shape[:2]) < _SMALLEST:
        raise ValueError(f"image of shape {image.shape}: at least {_SMALLEST} x {_SMALLEST} px are needed")


def _check_rgb(array, what):
    """Raise ValueError unless `array` is a uint8 (h, w, 3) array."""
    dtype, shape = getattr(array, "dtype", type(array).__name__), getattr(array, "shape", ())
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"{what} is {dtype} of shape {shape}: give uint8 RGB of shape (h, w, 3)")


def _to_uint8(x):
    """Clip to [0, 1] and truncate to 8 bits, as published.

    A level that is whole on paper can miss it by rounding errors and would lose a whole level, differently from one
    machine to the next: hence the 1e-6.
    """
    return (np.clip(x, 0, 1) * 255 + 1e-6).astype(np.uint8)


# Every corruption below takes x, float (h, w, 3) in [0, 1], its published parameters and a generator, and returns float
# (h, w, 3), which `corrupt` clips to [0, 1].

# ---- Noise -----------------------------------------------------------------------------------------------------------


def _gaussian_noise(x, std, rng):
    return x + rng.normal(scale=std, size=x.shape)


def _shot_noise(x, photons, rng):
    """Poisson noise; `photons` is the mean count of a white pixel."""
    return rng.poisson(x * photons) / photons


def _impulse_noise(x, amount, rng):
    """Salt and pepper, half each, in `amount` of the values; the channels of a pixel are independent."""
    hit = rng.random(x.shape) <= amount
    salt = rng.random(x.shape) <= 0.5
    return np.where(hit, salt, x)


# ---- Blur ------------------------------------------------------------------------------------------------------------


def _defocus_blur(x, parameters, rng):
    """A disk of `radius` px, itself softened by a Gaussian of `alias_blur` px."""
    kernel = _disk(*parameters)
    reach = kernel.shape[0] // 2
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape[:2]]  # what wraps around is cut off
    spectrum = fft.rfft2(padded, shape, axes=(0, 1)) * fft.rfft2(kernel, shape)[..., None]
    return fft.irfft2(spectrum, shape, axes=(0, 1))[2 * reach :, 2 * reach :][: x.shape[0], : x.shape[1]]


@lru_cache
def _disk(radius, alias_blur):
    """Kernel (k, k). The Gaussian meets the border of the array by reflection, so its sum is up to 1.013."""
    extent, taps = (8, np.arange(-1, 2)) if radius <= 8 else (radius, np.arange(-2, 3))
    offset = np.arange(-extent, extent + 1)
    disk = (offset**2 + offset[:, None] ** 2 <= radius**2).astype(float)
    disk /= disk.sum()
    gauss = np.exp(-(taps**2) / (2 * alias_blur**2))
    for axis in (0, 1):
        disk = ndimage.correlate1d(disk, gauss / gauss.sum(), axis=axis, mode="mirror")
    return disk


def _glass_blur(x, parameters, rng):
    """Blur, move pixels by up to `delta` px for some `rounds`, blur again.

    The published loop goes through the inner pixels from the last to the first and swaps each with a random neighbour,
    in one assignment of two NumPy views. The first half of it overwrites what the second half reads, so the neighbour
    is copied and nothing is swapped. The files of ImageNet-C are made that way, and so are these.
    """
    sigma, delta, rounds = parameters
    h, w, _ = x.shape
    blurred = _to_uint8(ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="nearest"))
    pixels = blurred.reshape(h * w, 3)
    for _ in range(rounds):
        shift = rng.integers(-delta, delta, size=(h - 2 * delta, w - 2 * delta, 2))  # dx, dy
        pixels = pixels[_copied_from(h, w, delta, shift)]
    return ndimage.gaussian_filter(pixels.reshape(h, w, 3) / 255, (sigma, sigma, 0), mode="nearest")


def _copied_from(h, w, delta, shift):
    """Where each pixel's value comes from after one round of in-place copies: flat indices (h * w,).

    `p` copies from `q = p + shift`. If `q` lies later in the image, the loop has been there already and `q` holds a
    copy itself: the origin of `p` is then that of `q`. Doubling such links takes log2 of the longest chain.
    """
    index = np.arange(h * w)
    neighbour = index.copy()
    inner = index.reshape(h, w)[delta + 1 : h - delta + 1, delta + 1 : w - delta + 1]
    neighbour[inner] = inner + shift[..., 1] * w + shift[..., 0]
    last = np.where(neighbour > index, neighbour, index)
    while not np.array_equal(further := last[last], last):
        last = further
    return neighbour[last]


def _motion_blur(x, parameters, rng):
    """ImageMagick's motion blur at an angle uniform in +-45 degrees."""
    return _smear(x, *parameters, angle=rng.uniform(-45, 45))


def _smear(x, radius, sigma, angle):
    """Weighted mean of 2 radius + 1 pixels on a half line, (h, w, c), rounded to 8 bits.

    The definition of ImageMagick's MotionBlurImage: weight exp(-k^2 / (2 sigma^2)) for the pixel k steps along `angle`
    (degrees, clockwise from the right), offsets rounded half down, the border repeated.
    """
    h, w, _ = x.shape
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    down, right = (np.ceil(steps * f(np.deg2rad(angle)) - 0.5).astype(int) for f in (np.sin, np.cos))
    reach = 2 * radius
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    blurred = np.zeros_like(x)
    for weight, i, j in zip(weights / weights.sum(), reach + down, reach + right, strict=True):
        blurred += weight * padded[i : i + h, j : j + w]
    return np.rint(blurred * 255) / 255


def _zoom_blur(x, parameters, rng):
    """Mean of the image and of its centre, zoomed by each factor of arange(1, stop, step)."""
    h, w, _ = x.shape
    rows, _ = _zooms(h, *parameters)  # (Z h, h)
    _, columns = _zooms(w, *parameters)  # (w, Z w)
    zoomed = (rows @ x.reshape(h, w * 3)).reshape(-1, h, w, 3).transpose(0, 2, 1, 3)  # (Z, w, h, 3)
    total = (columns @ zoomed.reshape(-1, h * 3)).reshape(w, h, 3).transpose(1, 0, 2)
    return (x + total) / (len(zoomed) + 1)


@lru_cache
def _zooms(n, stop, step):
    """The `_zoom` of n pixels by each of Z factors: sparse matrices stacked (Z n, n) and side by side (n, Z n)."""
    zooms = [sparse.csr_array(_zoom(n, factor)) for factor in np.arange(1, stop, step)]
    return sparse.vstack(zooms, format="csr"), sparse.hstack(zooms, format="csr")


@lru_cache
def _zoom(n, factor):
    """Bilinear zoom of the middle of n pixels to n pixels: a matrix (n, n).

    Bilinear zoom is linear and separable, so an image is zoomed by one matrix per side, the zoom of an identity.
    Mode "nearest" changes nothing but a last coordinate that exceeds the image by a rounding error.
    """
    kept = int(np.ceil(n / factor))
    start = (n - kept) // 2
    zoomed = ndimage.zoom(np.eye(n)[start : start + kept], (factor, 1), order=1, mode="nearest")
    trim = (len(zoomed) - n) // 2
    return zoomed[trim : trim + n]


# ---- Weather ---------------------------------------------------------------------------------------------------------


def _snow(x, parameters, rng):
    """Whitened image plus smeared flakes, once as they are and once turned by 180 degrees.

    Parameters: mean and standard deviation of the flake field, its zoom, the threshold below which it is no flake,
    radius and sigma of the smear, weight of the image that is not whitened.
    """
    mean, std, zoom, threshold, radius, sigma, weight = parameters
    h, w, _ = x.shape
    flakes = _zoom(h, zoom) @ rng.normal(mean, std, (h, w)) @ _zoom(w, zoom).T
    flakes[flakes < threshold] = 0
    flakes = _smear(_to_uint8(flakes)[..., None] / 255, radius, sigma, angle=rng.uniform(-135, -45))  # (h, w, 1)
    grey = (x @ (0.299, 0.587, 0.114))[..., None]
    whitened = np.maximum(x, 1.5 * grey + 0.5)
    return weight * x + (1 - weight) * whitened + flakes + flakes[::-1, ::-1]


def _frost(x, parameters, rng, photographs):
    """`image_weight` of the image plus `frost_weight` of the overlay (they need not sum to 1)."""
    image_weight, frost_weight, stride = parameters
    h, w, _ = x.shape
    frost = _synthetic_frost(h, w, rng) if photographs is None else _frost_crop(photographs, stride, h, w, rng) / 255
    return image_weight * x + frost_weight * frost


def _frost_crop(photographs, stride, h, w, rng):
    """A random crop (h, w, 3), uint8, of a random photograph at 1 / `stride` of its size.

    At a fifth, the centre of an output pixel falls on the third of five pixels, so that OpenCV's bilinear resize,
    which the published code uses, picks that pixel.
    """
    if len(photographs) == 0:
        raise ValueError("frost is an empty sequence: give photographs, or None for a synthetic overlay")
    photograph = photographs[rng.integers(len(photographs))]
    _check_rgb(photograph, "a frost photograph")
    reduced = photograph[stride // 2 :: stride, stride // 2 :: stride]
    spare_h, spare_w = reduced.shape[0] - h, reduced.shape[1] - w
    if min(spare_h, spare_w) < 0:
        raise ValueError(
            f"a frost photograph of shape {photograph.shape} is too small for an image of {h} x {w} px: "
            f"it must have at least {h * stride} x {w * stride} px"
        )
    top, left = rng.integers(spare_h + 1), rng.integers(spare_w + 1)
    return reduced[top : top + h, left : left + w]


def _synthetic_frost(h, w, rng):
    """A stand-in for a photograph of frost, (h, w, 3) in [0, 1]: white veins on a pale blue haze.

    As bright as crops of the published photographs are on average, red 0.55, green 0.64, blue 0.69: PSNR is about the
    same under either (docs/corruptions.md).
    """
    haze = _plasma(h, w, 2, rng)
    veins = (1 - abs(2 * _plasma(h, w, 1.6, rng) - 1)) ** 4
    return np.clip((0.3 * haze + 0.45 * veins)[..., None] + (0.25, 0.33, 0.38), 0, 1)


def _fog(x, parameters, rng):
    """Plasma of height `amount` on top, then scaled back to the image's own maximum."""
    amount, decay = parameters
    brightest = x.max()
    foggy = x + amount * _plasma(*x.shape[:2], decay, rng)[..., None]
    return foggy * brightest / (brightest + amount)


def _plasma(h, w, decay, rng):
    """Fractal height map (h, w) by diamond-square, on a torus whose side is a power of two, scaled to [0, 1] there.

    `decay` divides the amplitude at each halving of the step: the larger, the smoother.
    """
    side = 1 << (max(h, w) - 1).bit_length()
    height = np.zeros((side, side))
    step, wobble = side, 100.0
    while step > 1:
        half = step // 2
        corners = height[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        centres = _perturbed(pairs + np.roll(pairs, -1, axis=1), wobble, rng)
        above_below = centres + np.roll(centres, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        left_right = centres + np.roll(centres, 1, axis=1) + pairs
        height[half::step, half::step] = centres
        height[::step, half::step] = _perturbed(above_below, wobble, rng)
        height[half::step, ::step] = _perturbed(left_right, wobble, rng)
        step, wobble = half, wobble / decay
    height -= height.min()
    return (height / height.max())[:h, :w]


def _perturbed(sums, wobble, rng):
    """Means of four, plus noise. The noise grows with the square of `wobble`: so it is published."""
    return sums / 4 + wobble * rng.uniform(-wobble, wobble, sums.shape)


def _brightness(x, amount, rng):
    """HSV with `amount` added to V. At fixed hue and saturation R, G and B are proportional to V, so they scale."""
    value = x.max(axis=2, keepdims=True)
    raised = np.minimum(value + amount, 1)
    return np.where(value > 0, x * raised / np.where(value > 0, value, 1), raised)  # black has no hue: it turns grey


# ---- Digital ---------------------------------------------------------------------------------------------------------


def _contrast(x, factor, rng):
    """Distance to the mean of the channel, times `factor`."""
    mean = x.mean(axis=(0, 1), keepdims=True)
    return (x - mean) * factor + mean


def _elastic_transform(x, parameters, rng):
    """A random affine map, then a smooth random displacement: `amplitude`, `sigma` and `jitter`, all in pixels."""
    amplitude, sigma, jitter = parameters
    h, w, _ = x.shape
    x = _random_affine(x, jitter, rng)
    right, down = (
        amplitude * _smoothing(h, sigma) @ rng.uniform(-1, 1, (h, w)) @ _smoothing(w, sigma).T for _ in range(2)
    )
    rows, columns = np.indices((h, w))
    return _sample(x, rows + down, columns + right, mode="reflect")


def _random_affine(x, jitter, rng):
    """The affine map that moves three landmarks by up to `jitter` px per axis, (h, w, 3)."""
    h, w, _ = x.shape
    third = min(h, w) // 3
    landmarks = np.array([w // 2, h // 2]) + third * np.array([[1, 1], [1, -1], [-1, -1]])  # (3, 2), x before y
    moved = landmarks + rng.uniform(-jitter, jitter, landmarks.shape)
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), landmarks)  # (3, 2): [x, y, 1] of the result to source
    rows, columns = np.indices((h, w))
    source_x, source_y = (back[0, i] * columns + back[1, i] * rows + back[2, i] for i in (0, 1))
    return _sample(x, source_y, source_x, mode="mirror")


def _sample(x, rows, columns, mode):
    """Bilinear values (h, w, 3) of an image at fractional coordinates (h, w)."""
    channels = [ndimage.map_coordinates(x[..., c], [rows, columns], order=1, mode=mode) for c in range(3)]
    return np.stack(channels, axis=2)


@lru_cache
def _smoothing(n, sigma):
    """Gaussian smoothing of n values with reflected borders, as a matrix (n, n).

    One published sigma is 171 px on 224 px, a thousand taps: folded into a matrix once, it costs no more than others.
    """
    return ndimage.gaussian_filter(np.eye(n), (sigma, 0), mode="reflect", truncate=3)


def _pixelate(x, scale, rng):
    """Box resize to `scale` of the size and back."""
    h, w, _ = x.shape
    small = Image.fromarray(_to_uint8(x)).resize((int(w * scale), int(h * scale)), Image.Resampling.BOX)
    return np.asarray(small.resize((w, h), Image.Resampling.BOX)) / 255


def _jpeg_compression(x, quality, rng):
    file = BytesIO()
    Image.fromarray(_to_uint8(x)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)) / 255


_FUNCTIONS = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}
