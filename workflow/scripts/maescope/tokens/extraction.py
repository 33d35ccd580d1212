"""The only stage with a GPU: images through a perturbation and a model into token files."""

import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from timm.models import VisionTransformer
from torch import Tensor

from maescope.base.errors import InputError
from maescope.base.grid import visible_count
from maescope.images import addresses, reading
from maescope.images.perturbations import Batch, CorruptionFiles, Geometry, Mask, on_device
from maescope.models import architectures, devices
from maescope.tokens import disk, store
from maescope.tokens.forward import forward
from maescope.tokens.gradients import relevance

log = logging.getLogger(__name__)


CPU_IS_FREE = {"cuda"}  # devices beside whose pass a batch can be written; on a CPU that gains nothing


@dataclass
class Extractor:
    """A model with its preprocessing and a perturbation, applied to one batch after another.

    Parameters
    ----------
    model : on its device, in its precision
    perturbation : one of `maescope.perturb`
    patch, attention : whether patch tokens, and what attention says, are kept as well
    options : further options of `forward`, where a convention other than the study's is asked for
    """

    model: VisionTransformer
    perturbation: object
    preprocessing: reading.Preprocessing
    patch: bool = False
    attention: bool = False
    options: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self):
        self.most = sys.maxsize  # images in one pass, until a GPU's memory is not enough
        parameter = next(self.model.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.mean, self.std = (
            torch.tensor(values, device=self.device).reshape(1, 3, 1, 1)
            for values in (self.preprocessing.mean, self.preprocessing.std)
        )
        architectures.require_input(self.model, self.preprocessing.crop)
        self.geometry = Geometry(self.model.patch_embed.grid_size, self.preprocessing.mean)

    def passes(
        self,
        pixels: np.ndarray,
        names: Sequence[str],
        scores: np.ndarray | None,
        tokens_dtype: str,
        levels: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, Callable[[], dict[str, np.ndarray]]]]:
        """The passes of one batch, level by level: each level's name, and what waits for the pass and gives its arrays.

        A GPU is still busy with a pass when the next is asked for; another thread may wait.

        Parameters
        ----------
        pixels : (B, 3, height, width) uint8
        names : (B,) identities
        scores : (B, N) rollout of the clean images, where the perturbation needs them
        tokens_dtype : type of the layer-first tokens
        levels : those that these pixels are for, where each level has its own on disk (default: all)

        Raises
        ------
        InputError
            by the arrays, naming the layer and image of a value that is not finite
        """

        @lru_cache(1)  # once for all levels, where the memory takes all images
        def on_the_device(start: int, stop: int) -> Batch:
            part = slice(start, stop)
            crops, ranks = (
                None if array is None else on_device(torch.from_numpy(array[part]), self.device)
                for array in (pixels, scores)
            )
            clean = crops.float().div_(255)
            if self.perturbation.scores == "gradient":
                ranks = relevance(self.model, self._normalised(clean))
            return Batch(clean, names[part], ranks)

        for level in levels or self.perturbation.levels:
            yield level, partial(_arrived, self._level(level, on_the_device, len(names), tokens_dtype), names, level)

    def _level(self, level: str, on_the_device: Callable, count: int, tokens_dtype: str) -> list["OnTheWay"]:
        """One level of a batch; where a GPU's memory is not enough, half as many images at a time from then on."""
        parts, done = [], 0
        while done < count:
            size = min(self.most, count - done)
            try:
                parts.append(self._pass(level, on_the_device(done, done + size), tokens_dtype))
                done += size
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not devices.is_memory(error):
                    raise
                self.most = _half(size)
            if size > self.most:  # behind the exception, which holds on to the memory
                on_the_device.cache_clear()
                torch.cuda.empty_cache()
        return parts

    def _pass(self, level: str, batch: Batch, tokens_dtype: str) -> "OnTheWay":
        """One forward pass of a batch at one level."""
        condition = self.perturbation.apply(level, batch, self.geometry)
        inputs = self._normalised(condition.pixels)
        wanted = {"patch": self.patch, "attention": self.attention}
        tokens = forward(self.model, inputs, condition.visible, **wanted, **self.options)
        tensors = {name: value for name, value in vars(tokens).items() if value is not None} | condition.stored
        return OnTheWay({name: _as_stored(value, name, tokens_dtype) for name, value in tensors.items()})

    def _normalised(self, pixels: Tensor) -> Tensor:
        """(B, 3, height, width) in [0, 1] as the model takes them."""
        return ((pixels - self.mean) / self.std).to(self.dtype)


class OnTheWay:
    """Tensors of a pass on their way to the host: a GPU computes and copies them while the host goes on."""

    def __init__(self, tensors: dict[str, Tensor]):
        self.tensors = {name: _to_host(tensor) for name, tensor in tensors.items()}
        self.event = None
        if any(tensor.is_cuda for tensor in tensors.values()):
            self.event = torch.cuda.Event(blocking=True)  # who waits leaves its core to the threads that decode
            self.event.record()  # behind the copies, in the stream of the pass

    def arrays(self) -> dict[str, np.ndarray]:
        """All of them, once they are there."""
        if self.event is not None:
            self.event.synchronize()
        return {name: tensor.numpy() for name, tensor in self.tensors.items()}


def extract(
    extractor: Extractor,
    rows: pd.DataFrame,
    outputs: dict[str, str],
    scores: dict[str, str] | None,
    attributes: dict,
    batch_size: int,
    tokens_dtype: str = "float32",
    clean_hash: str = "",
    workers: int = 2,
) -> Iterator[int]:
    """Write one token file per label, all levels of it, reading each image once and the next ones ahead of their use.

    Parameters
    ----------
    rows : label, image, path, target of every image
    outputs : label -> path of its token file, of the labels that are wanted
    scores : label -> path of the clean token file whose rollout ranks the patches, or None
    attributes : root attributes of every file
    clean_hash : settings that the clean token files must have been made with
    workers : threads that decode

    Yields
    ------
    how many images are done, batch by batch
    """
    levels, total = extractor.perturbation.levels, int(rows["label"].isin(outputs).sum())
    reads = {label: list(_reads(extractor.perturbation, rows[rows["label"] == label], batch_size)) for label in outputs}
    groups = (read.pictures for own in reads.values() for read in own)
    pixels = reading.read_ahead(groups, _reader(extractor), workers)
    with writing_behind(extractor.device) as write:
        for number, (label, path) in enumerate(outputs.items()):
            part = rows[rows["label"] == label]
            names, targets = part["image"].tolist(), part["target"].tolist()
            ranking = None
            if scores:
                wanted = extractor.perturbation.scores
                ranking = _rollout(scores[label], clean_hash, names, attributes["weights_sha256"], wanted)
            file = store.writing(path, names, targets, levels, attributes | {"label": label}, tokens_dtype)
            for read in reads[label]:
                batch = slice(read.start, read.start + len(read.pictures))
                ranks = None if ranking is None else ranking[batch]
                for level, arrays in extractor.passes(next(pixels), names[batch], ranks, tokens_dtype, read.levels):
                    if number == 0 and read.start == 0 and level == levels[0]:
                        _require_space(Path(path).parent, arrays(), len(read.pictures), total * len(levels))
                    write(file, level, read.start, arrays)
                if read.levels[-1] == levels[-1]:
                    yield len(read.pictures)


@contextmanager
def writing_behind(device: torch.device) -> Iterator[Callable[..., None]]:
    """Write token files one after another, where a GPU computes while it has the next pass.

    Yields
    ------
    a function of a file (of `store.writing`; the one before ends where another begins), level, first image, and what
    `Extractor.passes` gives for arrays; an error of one call is raised by the next, or at the end
    """
    file = writer = None
    with ExitStack() as opened:

        def write(own: AbstractContextManager, level: str, start: int, arrays: Callable) -> None:
            nonlocal file, writer
            if own is not file:
                opened.close()
                file, writer = own, opened.enter_context(own)
            writer.write(level, start, arrays())

        if device.type not in CPU_IS_FREE:
            yield write
            return
        with ThreadPoolExecutor(1) as pool:
            last = [pool.submit(bool)]

            def write_beside(*arguments) -> None:
                last.pop().result()
                last.append(pool.submit(write, *arguments))

            yield write_beside
            last.pop().result()


@dataclass
class Read:
    """Pictures that are read together: of a batch of one label, for some levels of it."""

    start: int  # of the batch, among the images of the label
    levels: Sequence[str]
    pictures: Sequence[str | addresses.Address]


def _reads(perturbation: object, part: pd.DataFrame, batch_size: int) -> Iterator[Read]:
    """All that is read of a label: each clean image once, or each corrupted one in its place.

    Batches are about as large as each other: all take the room of the first in the file.
    """
    size = math.ceil(len(part) / math.ceil(len(part) / batch_size))
    for start in range(0, len(part), size):
        batch = part.iloc[start : start + size]
        if not isinstance(perturbation, CorruptionFiles):
            yield Read(start, perturbation.levels, addresses.of(batch))
            continue
        for level in perturbation.levels:
            pairs = zip(batch["label"], batch["image"], strict=True)
            yield Read(start, [level], [str(perturbation.path(level, *pair)) for pair in pairs])


def pictures(perturbation: object, rows: pd.DataFrame) -> list[str]:
    """The files that are read of some rows: label, image, path."""
    return [path for read in _reads(perturbation, rows, len(rows)) for path in addresses.files(read.pictures)]


def _reader(extractor: Extractor) -> Callable[[str | addresses.Address], np.ndarray]:
    """How one picture is read: corrupted ones on disk are crops already."""
    if isinstance(extractor.perturbation, CorruptionFiles):
        return lambda path: reading.centre(path, extractor.preprocessing.crop)
    return lambda picture: reading.read(picture, extractor.preprocessing)


def _require_space(folder: Path, arrays: dict[str, np.ndarray], images: int, passes: int) -> None:
    """The first batch tells how much room the whole job needs, of so many images and levels."""
    disk.require_space(folder, sum(array.nbytes for array in arrays.values()) * passes // images)


def _half(images: int) -> int:
    """How many images to go on with where the memory is not enough for so many."""
    if images == 1:
        raise InputError(f"the GPU's memory is not enough for one image; {devices.MORE_MEMORY}")
    log.warning(
        "GPU memory is not enough for %d images at a time, going on with %d; lower batch_size", images, images // 2
    )
    return images // 2


def _as_stored(tensor: Tensor, name: str, tokens_dtype: str) -> Tensor:
    """In the type that is stored: layer-first tokens in theirs, other floats in float32, as numpy has no bfloat16."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(getattr(torch, tokens_dtype) if name in store.ROUNDED else torch.float32)


def _to_host(tensor: Tensor) -> Tensor:
    """On the host; from a GPU only after what its stream has before it, into memory that it can copy to by itself."""
    if not tensor.is_cuda:
        return tensor.cpu()
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


def _arrived(parts: Sequence[OnTheWay], names: Sequence[str], level: str) -> dict[str, np.ndarray]:
    """What is stored of one batch at one level."""
    arrays, *more = (part.arrays() for part in parts)
    if more:
        axes = {name: int(name in store.LAYER_FIRST) for name in arrays}
        arrays = {name: np.concatenate([part[name] for part in (arrays, *more)], axis) for name, axis in axes.items()}
    _require_finite(arrays, names, level)
    return arrays


def beside_patches(model: VisionTransformer) -> dict[str, int]:
    """What a token file says of the tokens beside those of patches: how many, and if so, that CLS is none of them."""
    return {"prefix_tokens": model.num_prefix_tokens} | ({} if model.cls_token is not None else {"cls_token": 0})


def require_targets(rows: pd.DataFrame, classes: Sequence[str] | None, num_classes: int, dataset: str) -> None:
    """Labels must fit the head of a model that has one."""
    if num_classes and classes and len(classes) != num_classes:
        raise InputError(f"datasets.{dataset} has {len(classes)} classes, but the model's head has {num_classes}")
    if num_classes and (rows["target"] >= num_classes).any():
        raise InputError(f"results/images/{dataset}.csv has targets beyond {num_classes - 1}; delete it")


def require_pieces(extractor: Extractor, model: str, tokens_dtype: str) -> None:
    """The largest array, patch tokens of one layer, must fit a token file image by image; `model` is its name."""
    if extractor.patch:
        count, of = extractor.geometry.patches, extractor.perturbation
        visible = visible_count(count, of.ratio) if isinstance(of, Mask) else count
        shape = (1, visible, extractor.model.embed_dim)
        store.images_per_chunk(shape, np.dtype(tokens_dtype).itemsize, f"models.{model}: patch tokens")


def require_corrupted(perturbation: object, rows: pd.DataFrame) -> None:
    """Corrupted images that lie on disk must be there, one for each clean image."""
    if isinstance(perturbation, CorruptionFiles):
        perturbation.require(rows["label"].tolist(), rows["image"].tolist())


def _rollout(path: str, clean_hash: str, names: list[str], weights: str, wanted: str) -> np.ndarray:
    """Rollout scores (B, N) of one label's clean images, in the order of `names`."""
    with store.open_tokens(path, clean_hash) as clean:
        if clean.images != names:
            raise InputError(f"{path}: holds other images than results/images lists; delete it to have it made again")
        if clean.attributes["weights_sha256"] != weights:
            raise InputError(f"{path}: was made with other weights than the model has; delete it to have it made again")
        return clean.read("clean", wanted)


def _require_finite(arrays: dict[str, np.ndarray], names: Sequence[str], level: str) -> None:
    """Name the layer and image of the first value that is not finite."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))[0]
            layer_first = name in store.LAYER_FIRST
            layer = f" at layer {where[0] + 1}" if layer_first else ""
            too_large = array.dtype == np.float16 and np.isinf(array[tuple(where)])  # for float16, which makes no NaN
            remedy = "set tokens_dtype: float32" if too_large else "check the weights, or set precision: float32"
            image = names[where[int(layer_first)]]
            raise InputError(f"{image}: {name} of level {level} is not finite{layer}; {remedy}")
