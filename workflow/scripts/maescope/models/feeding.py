"""Images for training: in an order and with draws that are functions of the seed, read while a step is computed.

The order of an epoch follows from (seed, epoch); crop, flip, RandAugment, affine map and mask of an image from (seed,
epoch, image). So any number of worker processes, of GPUs and of attempts sees the same images in the same steps.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maescope.base import grid, seeds
from maescope.base.errors import InputError
from maescope.images import addresses, reading
from maescope.models import augmentation
from maescope.study import recipes

log = logging.getLogger(__name__)

KEPT = 2**26  # bytes of pixels up to which a set is kept in memory


class Batch(NamedTuple):
    """Images of a step, or of a part of it."""

    pixels: Tensor  # (B, 3, height, width), uint8, or float32 where they are normalised already
    numbers: Tensor  # (B, 4) in [0, 1), which affine maps are drawn from
    targets: Tensor  # (B,) integers
    visible: Tensor  # (B, N_v) ids of visible patches, ascending; N_v is 0 where nothing is hidden
    step: int
    part: int  # of the step


class Listed:
    """A list of pictures in columns, which forked processes share, and which is small for a million of them."""

    def __init__(self, rows: pd.DataFrame):
        own = [name for name in addresses.COLUMNS if name in rows]
        self.columns = {name: _packed(rows[name]) for name in ("path", *(["image", *own] if own else []))}

    def __len__(self) -> int:
        return len(self.columns["path"])

    def __getitem__(self, number: int) -> str | addresses.Address:
        row = {name: _unpacked(column[number]) for name, column in self.columns.items()}
        return addresses.Address(name=row.pop("image"), **row) if "image" in row else row["path"]


def _packed(column: pd.Series) -> np.ndarray:
    return column.to_numpy() if column.dtype.kind in "iuf" else np.array([os.fsencode(value) for value in column])


def _unpacked(value: np.generic) -> str | int:
    return os.fsdecode(value.item()) if isinstance(value, bytes) else value.item()


class Images(Dataset):
    """The images of a training, or of its validation, augmented as the entry says.

    Parameters
    ----------
    pictures : Listed, or anything with length whose elements `read` takes
    targets : (n,) integers
    how : an `augmentation` entry, completed
    seed : of all draws
    hidden : patches and how many of them are visible; None where nothing is hidden
    read : picture -> its crop, (3, height, width) uint8, or for `crop` and `randaugment` all of it
    """

    def __init__(
        self,
        pictures: Sequence,
        targets: np.ndarray,
        preprocessing: reading.Preprocessing,
        how: dict,
        seed: int,
        hidden: tuple[int, int] | None = None,
        read: Callable | None = None,
    ):
        self.whole = how["kind"] in ("crop", "randaugment")
        self.pictures, self.targets, self.hidden = pictures, targets, hidden
        self.read = read or (reading.load if self.whole else lambda picture: reading.read(picture, preprocessing))
        self.transform = augmentation.WholePictures(how, preprocessing) if self.whole else None
        self.key, self.kept = seeds.number(seed, "training"), None

    def keep(self, sizes: Sequence[int] | None, workers: int) -> None:
        """Read all pictures now, where they are small enough.

        Parameters
        ----------
        sizes : bytes that each has decoded
        """
        if sizes is None or sum(sizes) > KEPT:
            return
        everything = range(len(self.pictures))
        with reading.ThreadPoolExecutor(max(1, workers)) as pool:
            self.kept = list(pool.map(lambda number: np.asarray(self.read(self.pictures[number])), everything))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, asked: tuple[int, int, int, np.ndarray]) -> Batch | InputError:
        """The images of (epoch, step, part, which); or what is wrong with one, as a worker's error has many lines."""
        epoch, step, part, which = asked
        try:
            pixels, numbers, visible = zip(*(self._of(epoch, number) for number in which.tolist()), strict=True)
        except InputError as error:
            return error
        arrays = np.stack(pixels), np.stack(numbers), self.targets[which], np.stack(visible)
        return Batch(*map(torch.from_numpy, arrays), step, part)

    def _of(self, epoch: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One image in an epoch: pixels, numbers of its affine map, visible patches."""
        draws = np.random.Generator(np.random.Philox(key=(self.key + (epoch << 64) + number) % 2**128))
        numbers = draws.random(augmentation.NUMBERS, dtype=np.float32)
        visible = np.empty(0, np.int64)
        if self.hidden:
            patches, shown = self.hidden
            visible = np.sort(draws.random(patches).argsort()[:shown])
        picture = self.read(self.pictures[number]) if self.kept is None else self.kept[number]
        if self.transform is None:
            return picture, numbers, visible
        picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
        return self.transform(picture, int(draws.integers(2**63))), numbers, visible


class Order:
    """Which images each step takes: (epoch, step, part, which) of one process, from a step on.

    Parameters
    ----------
    images, batch : how many there are, and of a step; what fills no step at the end of an epoch is left out
    epochs : epochs are counted from 1
    size : of the processes, which share each step
    accumulation : parts of a process's share; None for those of `recipes.parts`
    mixed : whether the images of a part are mixed by twos
    most : images of a part, where accumulation is None
    normed : whether the images of a part, of all processes together, are normalised by each other, as of a probe

    Raises
    ------
    InputError
        where there are fewer images than a step takes in the parts that are asked for
    """

    def __init__(
        self,
        images: int,
        batch: int,
        epochs: int,
        seed: int,
        size: int = 1,
        accumulation: int | None = None,
        mixed: bool = False,
        most: int = recipes.TOGETHER,
        normed: bool = False,
    ):
        least = size * (accumulation or 1) * (1 + mixed)
        if images < least or (normed and images < 2):
            needed = max(least, 1 + normed)
            why = [f"on {size} gpus"] * (size > 1) + [f"in {accumulation} parts"] * ((accumulation or 1) > 1)
            why += ["mixed by twos"] * mixed + ["with the batch norm of a probe"] * normed
            there, words = f"{images} image{'s' * (images != 1)}", f" ({', '.join(why)})" if why else ""
            raise InputError(f"training.dataset: {there}, but a step takes {needed} or more{words}; give more")
        if images < batch:
            said = f"training.batch_size: a step takes {batch} images, but there are {images}"
            if accumulation:
                parts = f"{size} x {accumulation}"
                raise InputError(f"{said}, which cannot go on in {parts} parts; lower it, or give more images")
            level = logging.CRITICAL if batch > recipes.TOGETHER else logging.WARNING
            log.log(level, "%s: each step takes all of them, at the rate of the larger one; lower it", said)
            batch = images - images % least
            while batch // size > most and recipes.parts(batch // size, mixed, most) == 1:
                batch -= least  # a prime number, say: all would pass at a time
        self.images, self.batch, self.epochs, self.seed = images, batch, epochs, seed
        self.parts, self.mixed = size * (accumulation or recipes.parts(batch // size, mixed, most)), mixed
        self.per_epoch = images // self.batch  # steps
        self.steps = self.per_epoch * epochs
        self.start, self.rank, self.size = 0, 0, size

    def of(self, rank: int, start: int) -> "Order":
        """The same as one process of several takes it, from a step on."""
        self.rank, self.start = rank, start
        return self

    def __iter__(self) -> Iterator[tuple[int, int, int, np.ndarray]]:
        drawn = None
        for step in range(self.start, self.steps):
            epoch, place = divmod(step, self.per_epoch)
            if drawn != epoch:
                drawn, order = epoch, seeds.generator(self.seed, "order", epoch + 1).permutation(self.images)
            shares = split(order[place * self.batch : (place + 1) * self.batch], self.parts, self.mixed)
            for part in range(self.rank, self.parts, self.size):
                yield epoch + 1, step, part, shares[part]


def split(which: np.ndarray, parts: int, mixed: bool) -> list[np.ndarray]:
    """The images of a step in equal parts; where they are mixed, first with last, both are in one part."""
    if not mixed:
        return np.split(which, parts)
    first, last = np.split(which[: len(which) // 2], parts), np.split(which[len(which) // 2 :], parts)
    return [np.concatenate(pair) for pair in zip(first, last[::-1], strict=True)]


def stream(images: Images, order, workers: int, pinned: bool = False) -> Iterator[Batch]:
    """The batches of an order, read by worker processes ahead of their use; without any, when they are asked for.

    To be closed: those processes hear no SIGTERM, by which Python would end them at its own end, and wait for.

    Raises
    ------
    InputError
        naming a picture that cannot be read
    """
    loader = DataLoader(
        images,
        batch_size=None,
        sampler=order,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pinned,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_begin_to_read,
        generator=torch.Generator(),  # of its own: the workers' seeds are drawn from it
    )
    batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, InputError):
                raise batch
            yield batch
    finally:
        if workers:
            batches._shutdown_workers()  # what an error's frames hold is not done away with in time


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _begin_to_read(worker: int) -> None:
    """With one thread, and to the last step: Slurm and Ctrl-C tell all processes of a job to end.

    A reader that ends before the training does so in the middle of a step, after which there is no state to save.
    """
    torch.set_num_threads(1)
    for word in (signal.SIGTERM, signal.SIGINT):
        signal.signal(word, signal.SIG_IGN)


def decoded_bytes(rows: pd.DataFrame, how: dict, preprocessing: reading.Preprocessing) -> np.ndarray:
    """Bytes that each picture of a list has in memory: (n,)."""
    if how["kind"] in ("crop", "randaugment"):
        return 3 * rows["width"].to_numpy(np.int64) * rows["height"].to_numpy(np.int64)
    return np.full(len(rows), 3 * np.prod(grid.sides(preprocessing.crop)))
