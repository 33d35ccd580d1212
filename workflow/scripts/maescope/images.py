"""From files to pixels: find, sample, decode, crop. The only module that opens pictures."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from maescope import names, seeds
from maescope.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
MAX_PIXELS = 100_000_000  # 300 MB decoded; the largest ImageNet picture has 29 megapixels
DEEP = re.compile(";16[BLN]")  # raw modes of 16-bit colour, which PIL would cut to 8 bits in silence
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessing:
    """From a file to the model's input."""

    resize: int  # shorter side in pixels
    crop: int  # side of the centre crop in pixels
    interpolation: str  # bicubic, bilinear, lanczos or nearest, as PIL does them
    mean: tuple[float, float, float]  # of red, green and blue in [0, 1]
    std: tuple[float, float, float]


def load(path: str, remedy: str = "replace it, or set on_bad_image: skip") -> Image.Image:
    """Decode a whole picture as 8-bit RGB (greyscale, palette, CMYK, RGBA converted; EXIF rotation not applied).

    `remedy` is what can be done about one that cannot be decoded.

    Raises
    ------
    InputError
        naming the file: truncated, not a picture, 16-bit, or larger than MAX_PIXELS
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # never grey rows, whatever another library has set
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    if Path(path).exists() and not Path(path).is_file():
        raise InputError(f"{path}: is no file; remove it, or set on_bad_image: skip")  # a pipe would never end
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise InputError(f"{path}: {width} x {height} pixels, more than {MAX_PIXELS}; scale it down")
            if picture.mode[0] in "IF" or any(DEEP.search(str(tile.args)) for tile in picture.tile):
                raise InputError(f"{path}: mode {picture.mode} has more than 8 bits a channel; convert it to 8")
            return picture.convert("RGB")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; results/images/ lists it, so it has gone since") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be decoded ({error}); {remedy}") from error


def crop(picture: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """Resize the shorter side with PIL, then cut out the centre, as torchvision's Resize and CenterCrop do.

    Returns
    -------
    (3, crop, crop) uint8
    """
    resize, size = preprocessing.resize, preprocessing.crop
    width, height = picture.size
    short = min(width, height)
    if short != resize:
        target = (int(resize * width / short), int(resize * height / short))
        picture = picture.resize(target, Image.Resampling[preprocessing.interpolation.upper()])
    return _centre(picture, size)


def _centre(picture: Image.Image, size: int) -> np.ndarray:
    """The middle of a picture: (3, size, size) uint8."""
    width, height = picture.size
    if min(width, height) < size:
        raise InputError(f"a picture of {width} x {height} px is smaller than the crop of {size}; raise resize")
    left, top = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(picture.crop((left, top, left + size, top + size))).transpose(2, 0, 1)  # (3, size, size)


def batches(paths: Sequence[str], size: int, preprocessing: Preprocessing, workers: int = 2) -> Iterator[np.ndarray]:
    """Decoded and cropped pictures in the order of `paths`, the next batch being read while one is used.

    Yields
    ------
    (B, 3, crop, crop) uint8, B = `size` but for the last
    """

    groups = [paths[start : start + size] for start in range(0, len(paths), size)]
    return read_ahead(groups, lambda path: crop(load(path), preprocessing), workers)


def read_ahead(
    groups: Iterable[Sequence[str]], read: Callable[[str], np.ndarray], workers: int = 2
) -> Iterator[np.ndarray]:
    """Each group of pictures together, the next group being read while one is used.

    Parameters
    ----------
    read : one picture, (3, height, width) uint8

    Yields
    ------
    (B, 3, height, width) uint8 of each group
    """
    with ThreadPoolExecutor(workers) as pool:
        coming = None
        for group in groups:
            now, coming = coming, [pool.submit(read, path) for path in group]
            if now:
                yield np.stack([future.result() for future in now])
        if coming:
            yield np.stack([future.result() for future in coming])


def centre(path: str, size: int) -> np.ndarray:
    """The middle of a picture, nothing resized: (3, size, size) uint8.

    Raises
    ------
    InputError
        naming the picture that is smaller, or that cannot be decoded
    """
    picture = load(path, remedy="replace it")  # sampling looks at clean images alone, and cannot skip it
    if min(picture.size) < size:
        raise InputError(
            f"{path}: {picture.size[0]} x {picture.size[1]} px, smaller than the model's {size} px; leave `folder` out "
            "of the corruptions (they are then generated), or the model out of study.corrupted"
        )
    return _centre(picture, size)


def pictures(folder: str) -> list[np.ndarray]:
    """All pictures in a folder, sorted by name: (h, w, 3) uint8 each."""
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: has no pictures")
    return [np.asarray(load(str(path))) for path in paths]


def normalised(paths: Sequence[str], preprocessing: Preprocessing) -> np.ndarray:
    """All pictures in memory as the model takes them: (n, 3, crop, crop) float32."""
    pixels = np.concatenate(list(batches(paths, 256, preprocessing))).astype(np.float32) / 255
    mean, std = (np.float32(value).reshape(3, 1, 1) for value in (preprocessing.mean, preprocessing.std))
    return (pixels - mean) / std


def find(pattern: str, label: str) -> tuple[list[str], list[str]]:
    """Pictures and other files (junk) that a pattern matches for a label, both sorted."""
    found = sorted(glob(pattern.replace("{label}", escape(label))))
    pictures = [path for path in found if Path(path).suffix.lower() in SUFFIXES]
    return pictures, sorted(set(found) - set(pictures))


def identity(path: str, pattern: str) -> str:
    """The part of a path behind the fixed beginning of its pattern: names an image wherever the dataset lies."""
    fixed = re.split(r"[^/]*(?:\{label\}|[*?\[])", pattern, maxsplit=1)[0]
    return path.removeprefix(fixed)


def sample(
    dataset: str,
    pattern: str,
    labels: Sequence[str],
    count: int | None,
    seed: int,
    *,
    allow_fewer: bool = False,
    on_bad_image: str = "error",
    threads: int = 1,
) -> tuple[list[dict], list[dict]]:
    """Draw `count` images of each label at random, every one decoded once to know that it is whole.

    Returns
    -------
    chosen : dicts of label, image (its identity), path
    skipped : dicts of label, path, reason, for files that could not be decoded

    Raises
    ------
    InputError
        listing the labels without a folder or with too few images, or naming the first broken file
    """
    found = {label: find(pattern, label) for label in labels}
    _require_names(path for paths, _ in found.values() for path in paths)
    _require_enough(dataset, pattern, found, count, allow_fewer)
    chosen, skipped = [], []
    for label, (paths, _) in found.items():
        order = seeds.generator(seed, dataset, label).permutation(len(paths))
        good, bad = _take(([paths[i] for i in order]), count, on_bad_image, threads)
        if count is not None and len(good) < count:
            message = f"{dataset}: {label} has {len(good)} usable images of {count}"
            if not allow_fewer or not good:
                raise InputError(f"{message}; lower count or set allow_fewer: true")
            log.warning("%s", message)
        chosen += [{"label": label, "image": identity(path, pattern), "path": path} for path in sorted(good)]
        skipped += [{"label": label, "path": path, "reason": reason} for path, reason in bad]
    return chosen, skipped


def _require_names(paths: Iterable[str]) -> None:
    """Names must be text of one line, as lists, tables and logs hold them."""
    for path in paths:
        if (unseen := names.unseen(path)) is not None:
            raise InputError(f"{path!a}: has the character {unseen!a}, which is not seen, in its name; rename it")


def _require_enough(dataset: str, pattern: str, found: dict, count: int | None, allow_fewer: bool) -> None:
    """All labels that lack images, in one message."""
    least = 1 if count is None or allow_fewer else count
    short = {label: files for label, files in found.items() if len(files[0]) < least}
    if not short:
        return
    lines = []
    for label, (pictures, junk) in short.items():
        where = pattern.replace("{label}", label)
        others = f"; not pictures: {', '.join(junk[:5])}" if junk else ""
        lines.append(f"  {label}: {len(pictures)} of {least} images in {where}{others}")
    more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
    fewer = ", lower count, or set allow_fewer: true" if all(pictures for pictures, _ in short.values()) else ""
    raise InputError(
        f"datasets.{dataset}: too few images for {len(short)} of {len(found)} labels; correct the pattern or the "
        f"labels{fewer}\n" + "\n".join(lines[:20]) + more
    )


def _take(
    paths: Sequence[str], count: int | None, on_bad_image: str, threads: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """The first `count` paths that can be decoded, and those before them that cannot."""
    good: list[str] = []
    bad: list[tuple[str, str]] = []
    wanted = len(paths) if count is None else count
    with ThreadPoolExecutor(threads) as pool:
        while len(good) < wanted and (tried := len(good) + len(bad)) < len(paths):
            tries = paths[tried : tried + wanted - len(good)]
            for path, reason in zip(tries, pool.map(_fault, tries), strict=True):
                if reason is None:
                    good.append(path)
                elif on_bad_image == "error":
                    raise InputError(reason)
                else:
                    log.warning("skipped %s", reason)
                    bad.append((path, reason))
    return good, bad


def _fault(path: str) -> str | None:
    """Why a picture cannot be used, None if it can."""
    try:
        load(path)
    except InputError as error:
        return str(error)
    return None
