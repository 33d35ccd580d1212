"""From a file or a place in a shard to pixels: decoded, resized, cropped. The only module that opens pictures."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from maescope.base import grid
from maescope.base.errors import InputError, is_lacking
from maescope.images.addresses import Address

# All that Pillow opens by itself, and what it does not but people have.
JPEG = {".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}  # JPEG 2000 as well
SUFFIXES = JPEG | {".png", ".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".icb", ".vda", ".vst", ".psd", ".qoi", ".ico", ".icns"}
SUFFIXES |= {".blp", ".cur", ".dcx", ".dds", ".fit", ".fits", ".flc", ".fli", ".ftc", ".ftu", ".gbr", ".iim", ".im"}
SUFFIXES |= {".msp", ".pcd", ".pcx", ".pxr", ".ras", ".bw", ".rgb", ".rgba", ".sgi", ".xbm", ".xpm"}
UNREAD = {".heic", ".heif", ".hif", ".jxl", ".svg", ".exr", ".hdr", ".eps", ".npy"}  # pictures that Pillow cannot open
UNREAD |= {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srw", ".raf", ".orf", ".rw2", ".pef"}  # of cameras, raw
HEIC = {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}  # brands behind `ftyp`
MAX_PIXELS = 100_000_000  # 300 MB decoded; the largest ImageNet picture has 29 megapixels
MAX_RATIO = 1000  # of its sides; of a longer picture the middle shows nothing
DEEP = re.compile(";16[BLN]")  # raw modes of 16-bit colour, which PIL would cut to 8 bits in silence


@dataclass(frozen=True)
class Preprocessing:
    """From a file to the model's input."""

    resize: int  # what the crop's shorter side is scaled to, in pixels
    crop: int | Sequence[int]  # of the centre, in pixels: its side, or height and width
    interpolation: str  # bicubic, bilinear, lanczos or nearest, as PIL does them
    mean: tuple[float, float, float]  # of red, green and blue in [0, 1]
    std: tuple[float, float, float]
    squash: bool = False  # resize to the shape of the crop, whatever the picture's


def load(picture: str | Address, remedy: str = "replace it, or set on_bad_image: skip") -> Image.Image:
    """Decode a whole picture as 8-bit RGB (greyscale, palette, CMYK, RGBA converted).

    EXIF rotation is applied where its address says so. `remedy` is what can be done about one that cannot be decoded.

    Raises
    ------
    InputError
        naming the file: truncated, not a picture, 16-bit, or larger than MAX_PIXELS
    RuntimeError
        naming it where this machine lacks memory or open files, which is no fault of the picture
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # never grey rows, whatever another library has set
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # a profile or a text of 2 MB is no fault: 64 MB
    path, told = getattr(picture, "path", picture), isinstance(picture, Address)
    if not os.path.isfile(path) and os.path.exists(path):
        raise InputError(f"{path}: is no file; remove it, or set on_bad_image: skip")  # a pipe would never end
    if (ending := os.path.splitext(picture.name if told else path)[1].lower()) in UNREAD:
        raise InputError(f"{picture}: {_cannot_open(ending)}")
    try:
        source = BytesIO(picture.content()) if told and picture.in_shard else path
        with Image.open(source) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise InputError(f"{picture}: {width} x {height} pixels, more than {MAX_PIXELS}; scale it down")
            if opened.mode[0] in "IF" or any(DEEP.search(str(tile.args)) for tile in opened.tile):
                raise InputError(f"{picture}: mode {opened.mode} has more than 8 bits per channel; convert it to 8")
            if told and picture.exif:
                ImageOps.exif_transpose(opened, in_place=True)
            return opened.convert("RGB")
    except FileNotFoundError:
        if Path(path).is_symlink():
            raise InputError(f"{path}: links to {os.readlink(path)}, which is not there; mend or remove it") from None
        raise InputError(f"{path}: no such file; results/images/ lists it, so it has gone since") from None
    except InputError:
        raise
    except Exception as error:  # decoders of broken files raise whatever their code runs into
        if is_lacking(error):
            said = f"{picture}: not read for lack of memory or of open files ({str(error) or type(error).__name__})"
            raise RuntimeError(f"{said}; give the job more memory (mem_mb) or fewer threads") from error
        if isinstance(error, UnidentifiedImageError) and _is_heic(source):
            raise InputError(f"{picture}: is HEIC, whatever its name says: {_cannot_open('.heic')}") from error
        raise InputError(f"{picture}: cannot be decoded ({str(error) or type(error).__name__}); {remedy}") from error


def _cannot_open(ending: str) -> str:
    return f"Pillow {PIL.__version__} cannot open {ending}; convert it to PNG or JPEG, or set on_bad_image: skip"


def _is_heic(source: str | BytesIO) -> bool:
    """Whether it begins as what telephones save, also as .jpg."""
    with open(source, "rb") if isinstance(source, str) else source as file:
        file.seek(0)
        begins = file.read(12)
    return begins[4:8] == b"ftyp" and begins[8:] in HEIC


def read(picture: str | Address, preprocessing: Preprocessing) -> np.ndarray:
    """A picture as a model takes it: (3, height, width) uint8; errors name the file."""
    loaded = load(picture)
    try:
        return crop(loaded, preprocessing)
    except InputError as error:
        raise InputError(f"{picture}: {error}") from None


def require_shape(path: str | Address, size: tuple[int, int]) -> None:
    """A strip is no picture: resized to any model's input it would be a few of its pixels, or fill the memory.

    Raises
    ------
    InputError
        naming the file and its sides
    """
    width, height = size
    if max(size) > MAX_RATIO * min(size):
        raise InputError(
            f"{path}: {width} x {height} px, one side more than {MAX_RATIO} times the other; cut it, or set "
            "on_bad_image: skip"
        )


def crop(picture: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """Resize a picture with PIL, then cut out the centre, as torchvision's Resize and CenterCrop do.

    It is resized until it just covers the crop, this scaled to a shorter side of `resize`: of a square crop, its
    shorter side is `resize` then. With `squash` it is resized to that very shape, as Hugging Face's ViT does.

    Of a picture that would have more than MAX_PIXELS only the centre is resized.

    Returns
    -------
    (3, height, width) uint8
    """
    height, width = size = grid.sides(preprocessing.crop)
    kind = Image.Resampling[preprocessing.interpolation.upper()]
    box = [preprocessing.resize * side // min(size) for side in (width, height)]
    tight = min((0, 1), key=lambda axis: picture.size[axis] / box[axis])
    if preprocessing.squash:
        picture = picture.resize(box, kind)
    elif picture.size[tight] != box[tight]:
        target = tuple(int(box[tight] * side / picture.size[tight]) for side in picture.size)
        if target[0] * target[1] > MAX_PIXELS:
            place = [round((side - cut) / 2) for side, cut in zip(target, (width, height), strict=True)]
            edges = zip((*place, place[0] + width, place[1] + height), picture.size * 2, target * 2, strict=True)
            picture = picture.resize((width, height), kind, [edge * side / new for edge, side, new in edges])
        else:
            picture = picture.resize(target, kind)
    return _centre(picture, size)


def _centre(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """The middle of a picture: (3, *size) uint8."""
    width, height = picture.size
    if height < size[0] or width < size[1]:
        raise InputError(
            f"a picture of {width} x {height} px is smaller than the crop of {grid.in_words(size)}; raise resize"
        )
    left, top = round((width - size[1]) / 2), round((height - size[0]) / 2)
    return np.asarray(picture.crop((left, top, left + size[1], top + size[0]))).transpose(2, 0, 1)


def batches(
    pictures: Sequence[str | Address], size: int, preprocessing: Preprocessing, workers: int = 2
) -> Iterator[np.ndarray]:
    """Decoded and cropped pictures in their order, the next batch being read while one is used.

    Yields
    ------
    (B, 3, height, width) uint8, B = `size` but for the last
    """

    groups = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    return read_ahead(groups, lambda picture: read(picture, preprocessing), workers)


def read_ahead(
    groups: Iterable[Sequence[str | Address]], read: Callable[[str | Address], np.ndarray], workers: int = 2
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
            now, coming = coming, [pool.submit(read, picture) for picture in group]
            if now:
                yield np.stack([future.result() for future in now])
        if coming:
            yield np.stack([future.result() for future in coming])


def centre(path: str, crop: int | Sequence[int]) -> np.ndarray:
    """The middle of a picture, nothing resized: (3, height, width) uint8.

    Raises
    ------
    InputError
        naming the picture that is smaller, or that cannot be decoded
    """
    picture = load(path, remedy="replace it")  # sampling looks at clean images alone, and cannot skip it
    size = grid.sides(crop)
    if picture.height < size[0] or picture.width < size[1]:
        raise InputError(
            f"{path}: {picture.width} x {picture.height} px, smaller than the model's {grid.in_words(crop)} px; leave "
            "`folder` out of the corruptions (they are then generated), or the model out of study.corrupted"
        )
    return _centre(picture, size)


def pictures(folder: str) -> list[np.ndarray]:
    """All pictures in a folder, sorted by name: (h, w, 3) uint8 each."""
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder}: has no pictures")
    return [np.asarray(load(str(path), remedy="replace it")) for path in paths]


def normalised(pictures: Sequence[str | Address], preprocessing: Preprocessing) -> np.ndarray:
    """All pictures in memory as the model takes them: (n, 3, height, width) float32."""
    pixels = np.concatenate(list(batches(pictures, 256, preprocessing))).astype(np.float32) / 255
    mean, std = (np.float32(value).reshape(3, 1, 1) for value in (preprocessing.mean, preprocessing.std))
    return (pixels - mean) / std
