"""The fifteen corruptions written a second time from the published definitions and parameters, plainly and slowly.

Nothing here comes from the module under test. Each function takes an image, uint8 (h, w, 3), the parameters of one
severity and a generator, and returns levels, float (h, w, 3). Those with random numbers draw them in the order that the
module does, so that results from equal seeds can be compared pixel by pixel.
"""

from functools import lru_cache
from math import exp

import numpy as np
from PIL import Image
from scipy import fft, ndimage
from skimage import color, filters, util
from sklearn.datasets import load_digits, load_sample_images

PUBLISHED = {  # of the five severities, at 32 px and at 224 px
    "gaussian_noise": ((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": ((500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": ((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus_blur": (
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "glass_blur": (
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    "motion_blur": (
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    ),
    "zoom_blur": (  # stop, step, and how many factors that is
        ((1.06, 0.01, 7), (1.11, 0.01, 12), (1.16, 0.01, 16), (1.21, 0.01, 21), (1.26, 0.01, 26)),
        ((1.11, 0.01, 12), (1.16, 0.01, 16), (1.21, 0.02, 11), (1.26, 0.02, 13), (1.31, 0.03, 11)),
    ),
    "snow": (
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
    ),
    "frost": (
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    "fog": (
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": ((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "elastic_transform": (
        ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)),
    ),
    "pixelate": ((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": ((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}


# ---- PSNR on real pictures -------------------------------------------------------------------------------------------

SIZES = (32, 224)
RANDOM = set(PUBLISHED) - {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
UNSTEADY = {"frost", "fog", "elastic_transform"}  # a few numbers of each draw decide the whole picture


@lru_cache
def pictures(size):
    """Ten digits, enlarged, at 32 px; six crops of the two photographs of scikit-learn at 224 px."""
    if size == 224:
        return [photo[101:325, left : left + 224] for photo in load_sample_images().images for left in (0, 208, 416)]
    digits = [Image.fromarray((digit / 16 * 255).astype(np.uint8)) for digit in load_digits().images[:10]]
    enlarged = [np.asarray(digit.resize((size, size), Image.Resampling.BICUBIC)) for digit in digits]
    return [np.repeat(digit[..., None], 3, axis=2) for digit in enlarged]


def draws(name, size):
    """How often each picture is corrupted; enough for the mean to stand still."""
    if name not in RANDOM:
        return 1
    return 16 if size == 32 else 6 if name in UNSTEADY else 1


def mean_psnr(corrupted, name, size, severity, first_seed):
    """Mean PSNR against clean of `corrupted(picture, seed)`, over pictures and draws."""
    return np.mean(
        [
            psnr(corrupted(picture, (first_seed, severity, i, draw)), picture)
            for i, picture in enumerate(pictures(size))
            for draw in range(draws(name, size))
        ]
    )


def rederived_psnr(name, size, severity):
    parameters = PUBLISHED[name][SIZES.index(size)][severity - 1]

    def corrupted(picture, seed):
        return FUNCTIONS[name](picture, parameters, np.random.default_rng(seed))

    return mean_psnr(corrupted, name, size, severity, first_seed=1)


def psnr(a, b):
    return -10 * np.log10(np.mean((a / 255 - b / 255) ** 2) + 1e-12)


def levels(x):
    """Truncation to 8 bits; what is whole up to rounding errors counts as whole."""
    return np.floor(np.clip(x, 0, 1) * 255 + 1e-6)


# ---- Noise -----------------------------------------------------------------------------------------------------------


def gaussian_noise(image, std, rng):
    return levels(image / 255 + std * rng.standard_normal(image.shape))


def shot_noise(image, photons, rng):
    return levels(rng.poisson(image / 255 * photons) / photons)


def impulse_noise(image, amount, rng):
    return levels(util.random_noise(image / 255, mode="s&p", amount=amount, rng=rng))


# ---- Blur ------------------------------------------------------------------------------------------------------------


def gather(x, down, right):
    """x at every position moved by whole pixels, the border repeated: for wholly plain filters."""
    h, w = x.shape[:2]
    return x[np.clip(np.arange(h) + down, 0, h - 1)][:, np.clip(np.arange(w) + right, 0, w - 1)]


@lru_cache
def softened_disk(radius, alias):
    """The weight of each offset (i, j), tap by tap."""
    reach, soft = (8, 1) if radius <= 8 else (radius, 2)
    side = range(-reach, reach + 1)
    disk = {(i, j): 1.0 for i in side for j in side if i * i + j * j <= radius**2}
    gauss = {t: exp(-(t**2) / (2 * alias**2)) for t in range(-soft, soft + 1)}

    def fold(i):
        return i if abs(i) <= reach else (2 * reach - abs(i)) * (1 if i > 0 else -1)

    weights = {}
    for i in side:
        for j in side:
            near = ((g * f, fold(i + a), fold(j + b)) for a, g in gauss.items() for b, f in gauss.items())
            weights[i, j] = sum(w * disk.get((u, v), 0) for w, u, v in near) / sum(gauss.values()) ** 2 / len(disk)
    return weights


def defocus_blur(image, p, rng):
    h, w, _ = image.shape
    weights = softened_disk(*p)
    reach = max(i for i, _ in weights)
    padded = np.pad(image / 255, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    return levels(sum(g * padded[reach + i :, reach + j :][:h, :w] for (i, j), g in weights.items() if g))


def glass_blur(image, p, rng):
    """The loop swaps two views of one array, which copies: see the test of the published double loop."""
    sigma, delta, rounds = p
    h, w, _ = image.shape
    origin = list(range(h * w))
    for _ in range(rounds):
        moves = rng.integers(-delta, delta, size=(h - 2 * delta, w - 2 * delta, 2)).tolist()
        for i in range(h - delta, delta, -1):
            row = moves[i - delta - 1]
            for j in range(w - delta, delta, -1):
                dx, dy = row[j - delta - 1]
                origin[i * w + j] = origin[(i + dy) * w + j + dx]
    blurred = levels(filters.gaussian(image / 255, sigma=sigma, channel_axis=2))
    shuffled = blurred.reshape(h * w, 3)[origin].reshape(h, w, 3)
    return levels(filters.gaussian(shuffled / 255, sigma=sigma, channel_axis=2))


def smear(x, radius, sigma, angle):
    """ImageMagick's motion blur, tap by tap; levels in, levels out."""
    taps = [(exp(-(k**2) / (2 * sigma**2)), k) for k in range(2 * radius + 1)]
    sine, cosine = np.sin(np.pi * angle / 180), np.cos(np.pi * angle / 180)
    total = sum(w * gather(x, int(np.ceil(k * sine - 0.5)), int(np.ceil(k * cosine - 0.5))) for w, k in taps)
    return np.floor(total / sum(w for w, _ in taps) + 0.5)


def motion_blur(image, p, rng):
    return smear(image, *p, rng.uniform(-45, 45))


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


def zoom_blur(image, p, rng):
    """The factors are those of numpy.arange to the last bit: 26 px by 1.25 is 32.5 px, which a bit less rounds down."""
    stop, step, count = p
    x = image / 255
    return levels((x + sum(zoom(x, factor) for factor in np.arange(1, stop, step))) / (count + 1))


# ---- Weather ---------------------------------------------------------------------------------------------------------


def snow(image, p, rng):
    mean, std, factor, threshold, radius, sigma, weight = p
    x = image / 255
    flakes = zoom(rng.normal(mean, std, x.shape[:2])[..., None], factor)
    flakes = smear(levels(np.where(flakes < threshold, 0, flakes)), radius, sigma, rng.uniform(-135, -45)) / 255
    grey = 0.299 * x[..., :1] + 0.587 * x[..., 1:2] + 0.114 * x[..., 2:]
    return levels(weight * x + (1 - weight) * np.maximum(x, 1.5 * grey + 0.5) + flakes + np.rot90(flakes, 2))


def diamond_square(h, w, decay, rng):
    """Each new point is the mean of four old ones around it on a torus, plus noise that shrinks with the square."""
    side = 2 ** int(np.ceil(np.log2(max(h, w))))
    z = np.zeros((side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half, cells = step // 2, np.arange(side // step)
        for row, column in ((half, half), (0, half), (half, 0)):
            noise = rng.uniform(-wobble, wobble, (len(cells), len(cells)))
            diagonal = row == column
            around = ((-1, -1), (-1, 1), (1, -1), (1, 1)) if diagonal else ((-1, 0), (1, 0), (0, -1), (0, 1))
            i, j = np.meshgrid(cells * step + row, cells * step + column, indexing="ij")
            corners = [z[(i + half * u) % side, (j + half * v) % side] for u, v in around]
            z[i, j] = sum(corners) / 4 + wobble * noise
        step, wobble = half, wobble / decay
    return ((z - z.min()) / (z.max() - z.min()))[:h, :w, None]


def frost(image, p, rng):
    """The published weights of image and overlay; the overlay is the synthetic one, which is not published."""
    image_weight, frost_weight = p
    haze, ridges = (diamond_square(*image.shape[:2], decay, rng) for decay in (2, 1.6))
    pale = 0.3 * haze + 0.45 * (1 - abs(2 * ridges - 1)) ** 4
    overlay = np.concatenate([pale + 0.25, pale + 0.33, pale + 0.38], axis=2)
    return levels(image_weight * image / 255 + frost_weight * np.minimum(overlay, 1))


def fog(image, p, rng):
    amount, decay = p
    x = image / 255
    return levels((x + amount * diamond_square(*x.shape[:2], decay, rng)) * x.max() / (x.max() + amount))


def brightness(image, amount, rng):
    hsv = color.rgb2hsv(image)
    hsv[..., 2] = np.clip(hsv[..., 2] + amount, 0, 1)
    return levels(color.hsv2rgb(hsv))


# ---- Digital ---------------------------------------------------------------------------------------------------------


def contrast(image, factor, rng):
    means = [sum(int(v) for v in image[..., c].flat) / image[..., c].size for c in range(3)]
    return levels(np.stack([(m + factor * (image[..., c] - m)) / 255 for c, m in enumerate(means)], axis=2))


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


def smooth(x, sigma):
    """Gaussian of 3 sigma with reflected borders. Cosines reflect alike: each is only scaled, however wide the kernel.

    The width in use differs from sigma by nothing that a float can tell, except at 0, where it must not divide.
    """
    taps = np.arange(-int(3 * sigma + 0.5), int(3 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (taps / max(sigma, 1e-9)) ** 2)
    for axis in (0, 1):
        n = x.shape[axis]
        scale = weights / weights.sum() @ np.cos(np.pi * np.outer(taps, np.arange(n)) / n)
        scale = scale[:, None] if axis == 0 else scale
        x = fft.idct(fft.dct(x, axis=axis) * scale, axis=axis)
    return x


def elastic_transform(image, p, rng):
    amplitude, sigma, jitter = p
    h, w = shape = image.shape[:2]
    q = min(shape) // 3
    before = np.array([(w // 2 + q, h // 2 + q), (w // 2 + q, h // 2 - q), (w // 2 - q, h // 2 - q)])  # x, y
    after = before + rng.uniform(-jitter, jitter, (3, 2))
    edges = [np.stack([p[0] - p[2], p[1] - p[2]], axis=1) for p in (before, after)]
    linear = edges[1] @ np.linalg.inv(edges[0])  # forwards; the image is read backwards
    y, x = np.indices(shape)
    source = np.linalg.inv(linear) @ (np.stack([x.ravel(), y.ravel()]) - after[2][:, None]) + before[2][:, None]
    warped = bilinear(image / 255, source[1].reshape(shape), source[0].reshape(shape), mirror)
    dx, dy = (amplitude * smooth(rng.uniform(-1, 1, shape), sigma) for _ in range(2))
    return levels(bilinear(warped, y + dy, x + dx, reflect))


def box(x, size):
    """Resize the first axis of levels to `size`: mean of the pixels whose centres fall into each new pixel."""
    scale = len(x) / size
    lines = []
    for i in range(size):
        middle, reach = (i + 0.5) * scale, max(scale, 1) / 2
        inside = [k for k in range(len(x)) if -reach < k + 0.5 - middle <= reach]
        lines.append(np.floor(np.mean(x[inside], axis=0) + 0.5))
    return np.array(lines)


def pixelate(image, scale, rng):
    x = image.astype(float)
    for h, w in ([int(n * scale) for n in image.shape[:2]], image.shape[:2]):
        x = box(box(x.swapaxes(0, 1), w).swapaxes(0, 1), h)
    return x


LUMINANCE, CHROMINANCE = (  # tables K.1 and K.2 of the JPEG standard
    np.array(table.split(), int).reshape(8, 8)
    for table in (
        """
        16 11 10 16 24 40 51 61    12 12 14 19 26 58 60 55     14 13 16 24 40 57 69 56     14 17 22 29 51 87 80 62
        18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
        """,
        """
        17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
        99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
        """,
    )
)


def quantised(channel, table, quality):
    """A channel (h, w), both divisible by 8, after its cosine transform was rounded to the steps of a quality."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    steps = np.clip((table * scale + 50) // 100, 1, 255)
    k = np.arange(8)
    dct = np.sqrt(np.where(k == 0, 1, 2) / 8)[:, None] * np.cos(np.pi * np.outer(k, 2 * k + 1) / 16)
    h, w = channel.shape
    coefficients = dct @ (channel.reshape(h // 8, 8, w // 8, 8).swapaxes(1, 2) - 128.0) @ dct.T / steps
    coefficients = np.sign(coefficients) * np.floor(abs(coefficients) + 0.5) * steps
    return np.clip(np.round(dct.T @ coefficients @ dct) + 128, 0, 255).swapaxes(1, 2).reshape(h, w)


def jpeg_compression(image, quality, rng):
    """Luminance in full, both chrominances at half the size and back by the triangle filter. Sides divide by 16."""
    h, w, _ = image.shape
    to_ycc = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    y, *chroma = np.moveaxis(np.round(image @ to_ycc.T + (0, 128, 128)), 2, 0)
    planes = [quantised(y, LUMINANCE, quality)]
    for plane in chroma:
        half = quantised(np.round(plane.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3))), CHROMINANCE, quality)
        where = np.indices((h, w)) / 2 - 0.25
        planes.append(np.round(ndimage.map_coordinates(half, where, order=1, mode="nearest")) - 128)
    return np.clip(np.round(np.stack(planes, axis=2) @ np.linalg.inv(to_ycc).T), 0, 255)


FUNCTIONS = {name: globals()[name] for name in PUBLISHED}
