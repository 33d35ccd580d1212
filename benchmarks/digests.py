"""What the digests of token files cost: written and read with them, against the same files without."""

import argparse
import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
from row import Row, alternate, ratio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.tokens import store

IMAGES, LAYERS, PATCHES, WIDTH = 16, 12, 196, 768  # a batch of ViT-B/16 with its patch tokens: 116 MB


def written_and_read(options: argparse.Namespace) -> list[Row]:
    """Two rows, of one file at a time, in a warm cache."""
    generator = np.random.default_rng(0)
    arrays = {"patch": generator.standard_normal((LAYERS, IMAGES, PATCHES, WIDTH), dtype=np.float32)}
    arrays |= {name: arrays["patch"][:, :, 0] for name in ("cls", "mean")}
    names = [str(number) for number in range(IMAGES)]

    def write(path: Path) -> None:
        with store.writing(str(path), names, [0] * IMAGES, ["clean"], {"config_hash": ""}) as writer:
            writer.write("clean", 0, arrays)

    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder, f"{number}.h5") for number in count())
        plain = mock.patch.object(store, "_digests", lambda *_: np.zeros(1, np.uint32))
        writing = alternate(lambda: plain(write)(next(paths)), lambda: write(next(paths)), options.rounds)
        path = next(paths)
        write(path)
        older = Path(shutil.copy(path, Path(folder, "older.h5")))
        with h5py.File(older, "r+") as file:
            for array in file["levels/clean"].values():
                del array.attrs["digests"]
        reading = alternate(lambda: store.read_all(str(older)), lambda: store.read_all(str(path)), options.rounds)
    size = sum(array.nbytes for array in arrays.values())
    return [_row("written", 0.85, size, writing), _row("read", 0.7, size, reading)]


def _row(what: str, target: float, size: int, times: list[tuple[float, float]]) -> Row:
    plain, ours = (size / min(column) / 1e9 for column in zip(*times, strict=True))
    remark = f"{ours:.2g} GB/s, without {plain:.2g}; the fastest of each"
    return Row(
        f"token files with digests, {what}, against the same without", target=target, remark=remark, **ratio(times)
    )
