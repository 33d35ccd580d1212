"""What is done to pictures on the CPU: their quality against scikit-image's, the fifteen corruptions, and memory.

`python benchmarks/pictures.py FOLDER IMAGES` prints the peak memory of a process that measures the quality of so many
images of 32 px.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import photographs
import torch
from PIL import Image
from row import Row, alternate, in_a_process, ratio, resident
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.base import tidy
from maescope.base.corruption_names import CORRUPTIONS, SEVERITIES
from maescope.images import corruptions, perturbations, reading
from maescope.measures import quality

SIDE, PICTURES = 224, 8
BLUR = {"I": (3, 0.6), "VI": (9, 2.0)}
WANG = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}


def measures(options: argparse.Namespace) -> Row:
    """PSNR and SSIM of blurred pictures, CPU time of one thread, against scikit-image's in float64, one by one."""
    pixels = torch.from_numpy(_pictures().transpose(0, 3, 1, 2)).float() / 255
    blur, found = perturbations.Blur(BLUR), {}
    blurred = blur.apply("VI", perturbations.Batch(pixels, []), None).pixels

    def plain() -> None:
        pairs = [
            [image.permute(1, 2, 0).double().numpy() for image in pair] for pair in zip(pixels, blurred, strict=True)
        ]
        found["psnr_db"] = [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
        found["ssim"] = [structural_similarity(*pair, **WANG) for pair in pairs]

    times = _with_one_thread(
        lambda: alternate(plain, lambda: quality.compare(pixels, blurred), options.rounds, time.process_time)
    )
    ours = quality.compare(pixels, blurred)
    off = max(np.abs(ours[name] - values).max() for name, values in found.items())
    each, own = (1000 * statistics.median(column) / PICTURES for column in zip(*times, strict=True))
    remark = f"{own:.1f} ms, scikit-image {each:.1f} ms; they differ by {off:.1e} at most"
    what = f"PSNR and SSIM of a picture of {SIDE} px, CPU time of one thread, against scikit-image in float64"
    return Row(what, target=2, unit=" x", remark=remark, **ratio(times))


def memory(options: argparse.Namespace) -> Row:
    """Peak of a process that measures 20,000 images of 32 px under two levels of blur, over that of one for 2,000."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = (in_a_process(__file__, folder, images)["peak"] for images in (2_000, 20_000))
    remark = f"{few / 1e6:.0f} and {many / 1e6:.0f} MB in all"
    return Row("peak memory of quality at 32 px, 20,000 over 2,000 images", many / few, 1.02, limit=True, remark=remark)


def corrupted(options: argparse.Namespace) -> list[Row]:
    """Milliseconds of CPU of all fifteen corruptions, and three of them against the calls of the published code.

    The others have no such calls without ImageMagick, or are several times as fast as theirs (docs/scale.md).
    """
    pictures = _pictures()
    times = {name: _with_one_thread(lambda name=name: _milliseconds(pictures, name)) for name in CORRUPTIONS}
    each = ", ".join(f"{name} {milliseconds:.2g}" for name, milliseconds in times.items())
    what = f"all fifteen corruptions of a picture of {SIDE} px, mean over severities, CPU time of one thread"
    rows = [Row(what, sum(times.values()), None, unit=" ms", remark=each)]
    for name, (calls, plain) in PUBLISHED.items():
        rows.append(_against_published(pictures, name, calls, plain, options.rounds))
    return rows


def _against_published(pictures: np.ndarray, name: str, calls: str, plain: Callable, rounds: int) -> Row:
    what = f"{name} at {SIDE} px, severities 1 to 5, CPU time of one thread, against {calls}"
    if name == "defocus_blur" and importlib.util.find_spec("cv2") is None:
        return Row(what, None, 1, unit=" x", remark="OpenCV is not installed")

    def ours() -> None:
        for severity in SEVERITIES:
            for picture in pictures:
                corruptions.corrupt(picture, name, severity, 0)

    def published() -> None:
        for parameters in corruptions.LARGE[name]:
            for picture in pictures:
                plain(picture, parameters)

    times = _with_one_thread(lambda: alternate(published, ours, rounds, time.process_time))
    return Row(what, target=1, unit=" x", **ratio(times))


def _filter2d(picture: np.ndarray, parameters: tuple) -> np.ndarray:
    import cv2

    cv2.setNumThreads(1)
    x, kernel = picture / 255, corruptions._disk(*parameters)
    blurred = np.stack([cv2.filter2D(x[..., colour], -1, kernel) for colour in range(3)], axis=2)
    return (np.clip(blurred, 0, 1) * 255).astype(np.uint8)


def _resized_twice(picture: np.ndarray, scale: float) -> np.ndarray:
    image, box = Image.fromarray(picture), Image.Resampling.BOX
    return np.uint8(image.resize((int(SIDE * scale),) * 2, box).resize((SIDE, SIDE), box))


def _saved_as_jpeg(picture: np.ndarray, level: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=level)
    return np.uint8(Image.open(file))


PUBLISHED = {  # what make_imagenet_c.py does in these, from an array of bytes to one
    "defocus_blur": ("filter2D of OpenCV", _filter2d),
    "pixelate": ("two resizes of Pillow", _resized_twice),
    "jpeg_compression": ("Pillow's JPEG", _saved_as_jpeg),
}


def _pictures() -> np.ndarray:
    """Middles of photographs, (PICTURES, SIDE, SIDE, 3) uint8."""
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs.write(Path(folder), PICTURES)
        crop = reading.Preprocessing(256, SIDE, "bicubic", (0, 0, 0), (1, 1, 1))
        return np.stack([reading.read(path, crop) for path in paths]).transpose(0, 2, 3, 1).copy()


def _milliseconds(pictures: np.ndarray, name: str) -> float:
    """CPU time per picture, mean over severities, of the fastest of three rounds each."""
    fastest = []
    for severity in SEVERITIES:
        rounds = []
        for _ in range(4):  # the first fills caches
            start = time.process_time()
            for number, picture in enumerate(pictures):
                corruptions.corrupt(picture, name, severity, (0, number))
            rounds.append((time.process_time() - start) / len(pictures))
        fastest.append(min(rounds[1:]))
    return 1000 * statistics.mean(fastest)


def _with_one_thread(action: Callable) -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return action()
    finally:
        torch.set_num_threads(threads)


def main(folder: str, images: int) -> None:
    """Peak memory of this process after the quality of so many images, a hundred files again and again."""
    rng, paths = np.random.default_rng(0), [f"{folder}/{number}.png" for number in range(100)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    names = [f"label/{number}.png" for number in range(images)]
    rows = pd.DataFrame({"label": "label", "image": names, "path": [paths[n % 100] for n in range(images)]})
    torch.set_num_threads(1)
    as_it_is = reading.Preprocessing(32, 32, "bilinear", (0, 0, 0), (1, 1, 1))
    frames = quality.by_batch(rows, as_it_is, perturbations.Blur(BLUR), workers=1)
    tidy.write_parts(frames, f"{folder}/quality.csv")
    print(json.dumps({"peak": resident("VmHWM")}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
