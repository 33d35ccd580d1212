"""The fifteen ImageNet-C corruptions, generated: noise, blur, weather and digital, each at five severities.

Definitions and parameters are those of Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations, ICLR 2019, with the two tables of their code: ImageNet-C (224 px) and CIFAR-C (32 px).
Their file used OpenCV, scikit-image and ImageMagick; here NumPy, SciPy, PyTorch and PIL do the same arithmetic.

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
- float64, bilinear weights that are not rounded to 1/32 px, and a truncation that forgives 1e-6 of a level;
- sizes other than 224 and 32, square or not: constants in pixels stay as published, zooms crop each axis by itself.
"""

import difflib
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage, sparse

from maescope.base.corruption_names import CORRUPTIONS, SEVERITIES, WITHOUT_CHANCE
from maescope.images.corruption_tables import LARGE, SMALL
from maescope.images.filters import cut, filtered, gaussian_blur, picture_of, planes_of, sampled, smear, zoomed

_SMALL_UP_TO = 64  # pixels of the shorter side: CIFAR-C's table up to here, ImageNet-C's above
_SMALLEST = 8  # pixels: the elastic transform needs a triangle of landmarks inside the image


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
    parameters = (SMALL if min(image.shape[:2]) <= _SMALL_UP_TO else LARGE)[name][severity - 1]
    rng = None if name in WITHOUT_CHANCE else np.random.default_rng(seed)  # as costly as a small picture
    photographs = (frost,) if name == "frost" else ()
    return np.require(_FUNCTIONS[name](image, parameters, rng, *photographs), requirements=["C", "W"])


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


# Every corruption below takes an image, uint8 (h, w, 3), its published parameters and a generator or None, and returns
# uint8 (h, w, 3). What mixes pixels has the colours as planes (3, h, w), in float64, of levels 0 to 255.

# ---- Noise -----------------------------------------------------------------------------------------------------------


def _gaussian_noise(image, std, rng):
    levels = rng.standard_normal(image.shape)
    levels *= 255 * std
    levels += image
    return cut(levels)


def _shot_noise(image, photons, rng):
    """Poisson noise; `photons` is the mean count of a white pixel."""
    mean_of, level_of = _counts(photons)
    return level_of[np.minimum(rng.poisson(mean_of[image]), photons)]


@lru_cache
def _counts(photons):
    """The mean count of each level (256,), and the level that each count up to `photons` becomes (photons + 1,)."""
    return np.arange(256) / 255 * photons, cut(np.arange(photons + 1) / photons * 255)


def _impulse_noise(image, amount, rng):
    """Salt and pepper, half each, in `amount` of the values; the channels of a pixel are independent."""
    hit = rng.random(image.shape) <= amount
    salt = rng.random(image.shape) <= 0.5
    return np.where(hit, salt * np.uint8(255), image)


# ---- Blur ------------------------------------------------------------------------------------------------------------


def _defocus_blur(image, parameters, rng):
    """A disk of `radius` px, itself softened by a Gaussian of `alias_blur` px."""
    return picture_of(filtered(image.transpose(2, 0, 1), _disk(*parameters), "reflect"))


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


def _glass_blur(image, parameters, rng):
    """Blur, move pixels by up to `delta` px for some `rounds`, blur again.

    The published loop goes through the inner pixels from the last to the first and swaps each with a random neighbour,
    in one assignment of two NumPy views. The first half of it overwrites what the second half reads, so the neighbour
    is copied and nothing is swapped. The files of ImageNet-C are made that way, and so are these.
    """
    sigma, delta, rounds = parameters
    h, w, _ = image.shape
    blurred, origin = cut(gaussian_blur(planes_of(image), sigma)), np.arange(h * w)
    for _ in range(rounds):
        shift = rng.integers(-delta, delta, size=(h - 2 * delta, w - 2 * delta, 2))  # dx, dy
        origin = origin[_copied_from(h, w, delta, shift)]
    moved = blurred.reshape(3, h * w).take(origin, axis=1).reshape(3, h, w)
    return picture_of(gaussian_blur(moved, sigma))


def _copied_from(h, w, delta, shift):
    """Where each pixel's value comes from after one round of in-place copies: flat indices (h * w,).

    `p` copies from `q = p + shift`. If `q` lies later in the image, the loop has been there already and `q` holds a
    copy itself: the origin of `p` is then that of `q`. Doubling such links takes log2 of the longest chain.
    """
    index = np.arange(h * w)
    neighbour = index.copy()
    inner = neighbour.reshape(h, w)[delta + 1 : h - delta + 1, delta + 1 : w - delta + 1]
    inner += shift[..., 1] * w
    inner += shift[..., 0]
    last = np.maximum(neighbour, index)
    while not np.array_equal(further := last[last], last):
        last = further
    return neighbour[last]


def _motion_blur(image, parameters, rng):
    """ImageMagick's motion blur at an angle uniform in +-45 degrees."""
    return np.stack(smear(image.transpose(2, 0, 1), *parameters, angle=rng.uniform(-45, 45)), axis=2)


def _zoom_blur(image, parameters, rng):
    """Mean of the image and of its centre, zoomed by each factor of arange(1, stop, step)."""
    factors, planes = tuple(np.arange(1, *parameters)), planes_of(image)
    planes += zoomed(planes, factors)
    planes /= len(factors) + 1
    return picture_of(planes)


# ---- Weather ---------------------------------------------------------------------------------------------------------


def _snow(image, parameters, rng):
    """Whitened image plus smeared flakes, once as they are and once turned by 180 degrees.

    Parameters: mean and standard deviation of the flake field, its zoom, the threshold below which it is no flake,
    radius and sigma of the smear, weight of the image that is not whitened.
    """
    mean, std, zoom, threshold, radius, sigma, weight = parameters
    flakes = zoomed(rng.normal(mean, std, (1, *image.shape[:2])), (zoom,))
    flakes = cut(np.where(flakes < threshold, 0, flakes * 255))
    flakes = smear(flakes, radius, sigma, angle=rng.uniform(-135, -45))[0].astype(float)  # (h, w)
    planes = planes_of(image)
    whitened = np.maximum(planes, np.tensordot((1.5 * 0.299, 1.5 * 0.587, 1.5 * 0.114), planes, 1) + 127.5)
    whitened *= 1 - weight
    planes *= weight
    planes += whitened
    planes += flakes + flakes[::-1, ::-1]
    return picture_of(planes)


def _frost(image, parameters, rng, photographs):
    """`image_weight` of the image plus `frost_weight` of the overlay (they need not sum to 1)."""
    image_weight, frost_weight, stride = parameters
    h, w, _ = image.shape
    given = photographs is not None
    frost = planes_of(_frost_crop(photographs, stride, h, w, rng)) if given else _synthetic_frost(h, w, rng)
    frost *= frost_weight
    frost += image_weight * planes_of(image)
    return picture_of(frost)


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
    """A stand-in for a photograph of frost, levels (3, h, w): white veins on a pale blue haze.

    As bright as crops of the published photographs are on average, red 0.55, green 0.64, blue 0.69: PSNR is about the
    same under either (docs/corruptions.md).
    """
    haze = _plasma(h, w, 2, rng)
    veins = np.square(np.square(1 - abs(2 * _plasma(h, w, 1.6, rng) - 1)))
    pale = 255 * (0.3 * haze + 0.45 * veins)
    return np.minimum(pale + 255 * np.reshape((0.25, 0.33, 0.38), (3, 1, 1)), 255)


def _fog(image, parameters, rng):
    """Plasma of height `amount` on top, then scaled back to the image's own maximum."""
    amount, decay = parameters
    planes, brightest = planes_of(image), image.max() / 255
    planes += 255 * amount * _plasma(*image.shape[:2], decay, rng)
    planes *= brightest / (brightest + amount)
    return picture_of(planes)


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
        pairs = corners + _rolled(corners, -1, axis=0)
        centres = _perturbed(pairs + _rolled(pairs, -1, axis=1), wobble, rng)
        above_below = centres + _rolled(centres, 1, axis=0) + corners + _rolled(corners, -1, axis=1)
        left_right = centres + _rolled(centres, 1, axis=1) + pairs
        height[half::step, half::step] = centres
        height[::step, half::step] = _perturbed(above_below, wobble, rng)
        height[half::step, ::step] = _perturbed(left_right, wobble, rng)
        step, wobble = half, wobble / decay
    lowest, highest = height.min(), height.max()
    return (height[:h, :w] - lowest) / (highest - lowest)


def _rolled(x, by, axis):
    """What `numpy.roll` does, in a fifth of its time for the many small arrays here."""
    x = x.swapaxes(0, axis)
    return np.concatenate((x[-by:], x[:-by])).swapaxes(0, axis)


def _perturbed(sums, wobble, rng):
    """Means of four, plus noise. The noise grows with the square of `wobble`: so it is published."""
    return sums / 4 + wobble * rng.uniform(-wobble, wobble, sums.shape)


def _brightness(image, amount, rng):
    """HSV with `amount` added to V."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    largest = np.maximum(np.maximum(red, green), blue).astype(np.intp)
    return _raised(amount).ravel()[256 * largest[..., None] + image]


@lru_cache
def _raised(amount):
    """What a level becomes, by V and itself: uint8 (256, 256), of which those up to V are ever used.

    At fixed hue and saturation R, G and B are proportional to V, so they scale. Black has no hue: it turns grey.
    """
    value, x = np.arange(256)[:, None] / 255, np.arange(256) / 255
    raised = np.minimum(value + amount, 1)
    return cut(np.where(value > 0, x * raised / np.where(value > 0, value, 1), raised) * 255)


# ---- Digital ---------------------------------------------------------------------------------------------------------


def _contrast(image, factor, rng):
    """Distance to the mean of the channel, times `factor`."""
    planes = planes_of(image)
    means = planes.mean((1, 2), keepdims=True)
    planes -= means
    planes *= factor
    planes += means
    return picture_of(planes)


def _elastic_transform(image, parameters, rng):
    """A random affine map, then a smooth random displacement: `amplitude`, `sigma` and `jitter`, all in pixels."""
    amplitude, sigma, jitter = parameters
    h, w, _ = image.shape
    planes = sampled(planes_of(image), *_random_affine(h, w, jitter, rng), border_twice=False)
    right, down = (
        amplitude * _smoothing(h, sigma) @ rng.uniform(-1, 1, (h, w)) @ _smoothing(w, sigma).T for _ in range(2)
    )
    return picture_of(sampled(planes, down + np.arange(h)[:, None], right + np.arange(w), border_twice=True))


def _random_affine(h, w, jitter, rng):
    """The affine map that moves three landmarks by up to `jitter` px per axis: rows and columns to read (h, w) each."""
    third = min(h, w) // 3
    landmarks = np.array([w // 2, h // 2]) + third * np.array([[1, 1], [1, -1], [-1, -1]])  # (3, 2), x before y
    moved = landmarks + rng.uniform(-jitter, jitter, landmarks.shape)
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), landmarks)  # (3, 2): [x, y, 1] of the result to source
    columns, rows = (np.add.outer(np.arange(h) * back[1, i], np.arange(w) * back[0, i] + back[2, i]) for i in (0, 1))
    return rows, columns


@lru_cache
def _smoothing(n, sigma):
    """Gaussian smoothing of n values with reflected borders, as a matrix (n, n), sparse where most of it is 0.

    One published sigma is 171 px on 224 px, a thousand taps: folded into a matrix once, it costs no more than others.
    """
    matrix = ndimage.gaussian_filter(np.eye(n), (sigma, 0), mode="reflect", truncate=3)
    return sparse.csr_array(matrix) if 8 * np.count_nonzero(matrix) < matrix.size else matrix


def _pixelate(image, scale, rng):
    """Box resize to `scale` of the size and back."""
    h, w, _ = image.shape
    small = np.asarray(Image.fromarray(image).resize((int(w * scale), int(h * scale)), Image.Resampling.BOX))
    rows, columns = (((np.arange(n) + 0.5) * (m / n)).astype(int) for n, m in zip((h, w), small.shape, strict=False))
    return small.take(columns, axis=1).take(rows, axis=0)  # as BOX does it where nothing gets smaller


def _jpeg_compression(image, quality, rng):
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    h, w, _ = image.shape
    return np.asarray(Image.frombytes("RGB", (w, h), file.getbuffer(), "jpeg", "RGB", ""))


_FUNCTIONS = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}
