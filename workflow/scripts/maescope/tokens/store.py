"""Token files: one HDF5 file per label, either whole or not there. The only module with h5py.

The layout is `levels/<level>/<dataset>` with layer-first arrays (L, B, ...) and image-first ones (B, ...), and root
attributes that say what made it; `complete` is written last. All text is of fixed length, read by h5py as bytes: text
of variable length is the one thing that HDF5 stores without a checksum; one damaged byte in it can make HDF5 hang.

Each array has a CRC-32 of every chunk as its attribute `digests`, which is compared whenever the chunk is read: a lost
block reads as zeros with a checksum of HDF5 that fits, and zeros alone are no damage (a head that is zero, attention of
each patch on itself). Older files have no digests; they are read, but zeros in them are taken for a lost block.
"""

import hashlib
import json
import logging
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from maescope.base import provenance
from maescope.base.atomic import replacing
from maescope.base.errors import InputError, StaleError
from maescope.tokens.disk import LATENCY_WAIT, Disk

log = logging.getLogger(__name__)

SCHEMA = 2
LAYER_FIRST = {"cls", "mean", "head", "patch", "attention_distance", "attention_entropy"}
LAYER_FIRST |= {"attention_key_entropy", "cls_attention"}
ROUNDED = LAYER_FIRST - {"cls_attention"}  # to `tokens_dtype`; of small shares float16 would leave nothing
CHUNK = 1 << 30  # bytes at most: HDF5 2.0 writes a chunk of 4 GiB damaged, its size modulo 2^32, and says nothing


class TokenWriter:
    """Fills the token file of one label, batch by batch, without holding more than one batch; see `writing`."""

    def __init__(self, file: h5py.File, disk: Disk, images: int, dtype: str):
        self.file, self.disk, self.images, self.dtype = file, disk, images, np.dtype(dtype)
        self.digests: dict[str, np.ndarray] = {}  # of each array, by its path

    def write(self, level: str, start: int, arrays: dict[str, np.ndarray]) -> None:
        """Store one batch of one level, images `start` and on; all batches but the last are as large as the first."""
        group = self.file.require_group(f"levels/{level}")
        for name, array in arrays.items():
            axis = int(name in LAYER_FIRST)
            dataset = group.get(name)
            if dataset is None:
                dataset = self._create(group, name, array, axis)
            array, step = array.astype(dataset.dtype, copy=False), dataset.chunks[axis]
            stop = start + array.shape[axis]
            if start % step or (stop % step and stop < self.images):
                raise ValueError(f"{dataset.name}: images {start} to {stop} are no whole batches of {step}")
            dataset[(slice(None),) * axis + (slice(start, stop),)] = array
            self.digests[dataset.name][..., start // step : -(-stop // step)] = _digests(array, axis, step)
        self.disk.check()

    def _create(self, group: h5py.Group, name: str, array: np.ndarray, axis: int) -> h5py.Dataset:
        """A dataset for all images, in chunks of one layer and one batch, or of a part of it where that is too much."""
        shape = (*array.shape[:axis], self.images, *array.shape[axis + 1 :])
        dtype = self.dtype if name in ROUNDED else array.dtype
        step = images_per_chunk(array.shape[axis:], dtype.itemsize, f"{group.name}/{name}")
        chunks = (1,) * axis + (step, *array.shape[axis + 1 :])
        dataset = group.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=True)
        self.digests[dataset.name] = np.zeros((*array.shape[:axis], -(-self.images // step)), np.uint32)
        return dataset

    def close(self) -> None:
        """Write the digests of all arrays."""
        for name, digests in self.digests.items():
            self.file[name].attrs["digests"] = digests


def images_per_chunk(shape: tuple[int, ...], itemsize: int, what: str) -> int:
    """How many images of a batch (B, ...) of one layer go into one chunk: the most that CHUNK takes and that divide it.

    Raises
    ------
    InputError
        where one image alone is too large, beginning with `what`
    """
    one = math.prod(shape[1:]) * itemsize
    if one > CHUNK:
        raise InputError(
            f"{what}: {one / 1e9:.1f} GB per image and layer, but {CHUNK / 1e9:.1f} GB is the most; lower img_size "
            "and crop, or keep no patch_tokens"
        )
    batch, most = shape[0], CHUNK // max(one, 1)
    return max(step for step in range(1, batch + 1) if batch % step == 0 and step <= most)


def _digests(array: np.ndarray, axis: int, step: int) -> np.ndarray:
    """CRC-32 of every chunk: of `step` images of each layer where images are behind it, (L, chunks), else (chunks,)."""
    if axis:
        return np.array([_digests(layer, 0, step) for layer in array], np.uint32)
    parts = (np.ascontiguousarray(array[start : start + step]) for start in range(0, len(array), step))
    return np.array([zlib.crc32(part.view(np.uint8)) for part in parts], np.uint32)


@contextmanager
def writing(
    path: str,
    images: Sequence[str],
    targets: Sequence[int],
    levels: Sequence[str],
    attributes: dict,
    dtype: str = "float32",
) -> Iterator[TokenWriter]:
    """Write a token file that appears when the block ends well, and not at all otherwise.

    Parameters
    ----------
    images, targets : identity and class index of all B images (-1 where there is none)
    levels : level names, in order
    attributes : further root attributes, `config_hash` among them
    dtype : float32 or float16, of the layer-first tokens
    """
    with replacing(path) as temporary, Disk(temporary, "w+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            listing = _digest(images, targets)
            described = {
                "schema": SCHEMA,
                "dtype": dtype,
                "versions": json.dumps(provenance.versions()),
                "listing": listing,
            }
            for name, value in (described | attributes).items():
                file.attrs[name] = _fixed([value])[0] if isinstance(value, str) else value
            file.attrs["levels"] = _fixed(levels)
            for name, data in (("image", _fixed(images)), ("target", np.asarray(targets, np.int64))):
                file.create_dataset(name, data=data, chunks=data.shape, fletcher32=True)
            writer = TokenWriter(file, disk, len(images), dtype)
            yield writer
            if missing := [level for level in levels if f"levels/{level}" not in file]:
                raise RuntimeError(f"{path}: nothing was written for level {missing[0]}")
            writer.close()
            file.attrs["complete"] = 1
        disk.check()


def _fixed(texts: Sequence[str]) -> np.ndarray:
    """Texts as an array of UTF-8 of fixed length."""
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, *map(len, encoded))))


def _digest(images: Sequence[str], targets: Sequence[int]) -> str:
    """Fingerprint of what a file is about: a block of zeros has the checksum of zeros, and would pass for class 0."""
    return hashlib.sha256(json.dumps([list(images), [int(target) for target in targets]]).encode()).hexdigest()


class TokenFile:
    """A complete token file; `open_tokens` holds it open, `token_files` does so only while something is read."""

    def __init__(self, path: str, file: h5py.File):
        self.path, self.file, self.identity = path, file, _identity(file)
        self.attributes = _attributes(file)
        self.levels = self.attributes["levels"]
        self.images = [str(image) for image in file["image"].asstr()[:]]
        self.targets = file["target"][:]

    @property
    def embeddings(self) -> tuple[str, ...]:
        """The kinds of token of which an image has one: a model without CLS has `mean` alone."""
        return ("cls", "mean") if self.attributes.get("cls_token", 1) else ("mean",)

    def read(self, level: str, name: str, layer: int | None = None, images: int | None = None) -> np.ndarray:
        """An array of one level, or its 1-based `layer` alone, of all or the first `images`; floats come as float32.

        Raises
        ------
        InputError
            where it is absent, damaged, of the wrong length or not finite
        """
        with self._dataset(level, name) as dataset:
            return self._values(dataset, layer, 0, len(self.images) if images is None else images)

    def blocks(self, level: str, name: str, layer: int) -> Iterator[np.ndarray]:
        """One 1-based layer of a layer-first array, as many images at a time as were written at a time."""
        with self._dataset(level, name) as dataset:
            for start in range(0, len(self.images), dataset.chunks[1]):
                yield self._values(dataset, layer, start, start + dataset.chunks[1])

    def shape(self, level: str, name: str) -> tuple[int, ...]:
        """Shape of an array, without reading it."""
        with self._dataset(level, name) as dataset:
            return dataset.shape

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        """The file, opened again where it is closed: the very one that was checked."""
        if self.file:
            yield self.file
            return
        with _open(self.path) as file:
            if _identity(file) != self.identity:
                raise InputError(f"{self.path}: was replaced while it was being read; run this job again")
            yield file

    @contextmanager
    def _dataset(self, level: str, name: str) -> Iterator[h5py.Dataset]:
        with self._opened() as file:
            dataset = file.get(f"levels/{level}/{name}")
            if dataset is None:
                raise InputError(f"{self.path}: has no {name} for level {level}; delete it to have it made again")
            axis = int(name in LAYER_FIRST)
            if dataset.shape[axis] != len(self.images):
                raise InputError(
                    f"{self.path}: {name} has {dataset.shape[axis]} of {len(self.images)} images; delete it"
                )
            yield dataset

    def _values(self, dataset: h5py.Dataset, layer: int | None, start: int, stop: int) -> np.ndarray:
        """Some images of one 1-based layer or of all, read in whole chunks, which are held against their digests."""
        level, name = dataset.name.split("/")[-2:]
        axis = int(name in LAYER_FIRST)
        step = dataset.chunks[axis] if dataset.chunks else len(self.images)
        chunks = -(-stop // step)
        layers = (slice(None) if layer is None else slice(layer - 1, layer),) * axis
        try:
            array = dataset[(*layers, slice(start, chunks * step))]
            written = dataset.attrs.get("digests")
        except OSError as error:
            raise InputError(f"{self.path}: {name} of level {level} is damaged ({error}); delete it") from error
        wanted = None if written is None else written[(*layers, slice(start // step, chunks))]
        if wanted is None or not np.array_equal(_digests(array, axis, step), wanted):
            lost = _lacks_an_image(array.reshape(*array.shape[: axis + 1], -1))  # all heads together: one may be pruned
            if lost or wanted is not None:
                told = "has rows of zeros, a part was lost" if lost else "is damaged (another digest)"
                raise InputError(f"{self.path}: {name} of level {level} {told}; delete it")
        array = array[(slice(None),) * axis + (slice(stop - start),)]
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(np.float32, copy=False)
            if not np.isfinite(array).all():
                raise InputError(f"{self.path}: {name} of level {level} has values that are not finite; delete it")
        return array if layer is None or not axis else array[0]


def _lacks_an_image(rows: np.ndarray) -> bool:
    """Whether a row is all zeros: what a lost block reads as. In a file without digests it is taken for one."""
    if rows.dtype == bool or rows.shape[-1] == 1:  # a mask of nothing, or the number 0
        return False
    suspects = rows[rows[..., 0] == 0]
    return not suspects.any(axis=-1).all()


def _attributes(file: h5py.File) -> dict:
    """Root attributes, their texts as str and `levels` as a list of them."""
    found = {name: value.decode() if isinstance(value, bytes) else value for name, value in file.attrs.items()}
    return found | {"levels": [level.decode() for level in found["levels"]]}


@contextmanager
def open_tokens(path: str, config_hash: str | None = None) -> Iterator[TokenFile]:
    """Open a token file that is whole and was made with the settings of `config_hash`, or with any.

    Raises
    ------
    InputError
        naming the file and what to do about it
    """
    with _open(path) as file:
        try:
            tokens = _checked(path, file, config_hash)
        except (OSError, LookupError, RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"{path}: is damaged ({error}); delete it to have it made again") from error
        yield tokens


def read_all(path: str, config_hash: str | None = None) -> TokenFile:
    """Open a token file as `open_tokens` does and read all of it, so that every checksum is compared."""
    with open_tokens(path, config_hash) as tokens:
        for level in tokens.levels:
            names = list(tokens.file.get(f"levels/{level}", ()))
            for name in names or ["mean"]:  # which is always there: its absence is told by `read`
                tokens.read(level, name)
    return tokens


def content(path: str) -> str:
    """SHA-256 of all that a token file says, its arrays by the digests that lie beside them: nothing else is read."""
    with _open(path) as file:
        arrays = [group[name] for group in file["levels"].values() for name in group]
        said = {array.name: np.asarray(array.attrs["digests"]).tolist() for array in arrays}
        return provenance.fingerprint(said, {name: str(value) for name, value in _attributes(file).items()})


def origin(path: str) -> str | None:
    """What a token file says that it was made with (`tokens.keeping`); None where it says nothing that can be read."""
    try:
        with h5py.File(path, "r") as file:
            said = file.attrs.get("origin")
            return said.decode() if isinstance(said, bytes) else None
    except (OSError, RuntimeError, ValueError):
        return None


def contents(files: Mapping[str, str]) -> pd.DataFrame:
    """`content` of token files by label: label, content. It is kept beside their folder, as its name and .csv."""
    return pd.DataFrame([{"label": label, "content": content(path)} for label, path in files.items()])


def still_says(path: str, said: str) -> bool:
    """Whether a token file is whole, read to its end, and has a `content`."""
    try:
        read_all(path)
        return content(path) == said
    except (InputError, LookupError):
        return False


def _open(path: str) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened as HDF5 ({error}); delete it to have it made again") from error


def _identity(file: h5py.File) -> tuple[int, int, int]:
    """What tells an open file from another one of the same name."""
    status = os.fstat(file.id.get_vfd_handle())
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _require_own(path: str, file: h5py.File) -> None:
    """All that a token file says must lie in it: no links, no external storage, nothing virtual."""
    groups: list[h5py.Group] = [file]
    for _ in range(3):  # levels, <level>, <array>: deeper is nothing that is read
        inside = [(group, name) for group in groups for name in group]
        groups = []
        for group, name in inside:
            item = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
            if item is None or (isinstance(item, h5py.Dataset) and (item.is_virtual or item.external)):
                raise InputError(f"{path}: {name} lies in another file or place, which no token file does; delete it")
            groups += [item] if isinstance(item, h5py.Group) else []


def _checked(path: str, file: h5py.File, config_hash: str | None) -> TokenFile:
    _require_own(path, file)
    if file.attrs.get("complete") != 1:
        raise InputError(f"{path}: was never completed; delete it to have it made again")
    of_others = config_hash is not None and file.attrs.get("config_hash") != config_hash.encode()
    if file.attrs.get("schema") != SCHEMA or of_others:
        raise StaleError(f"{path}: was made with other settings; delete it to have it made again")
    tokens = TokenFile(path, file)
    if tokens.attributes.get("label", Path(path).stem) != Path(path).stem:
        raise InputError(f"{path}: holds the tokens of {tokens.attributes['label']}; delete it to have it made again")
    if tokens.attributes["listing"] != _digest(tokens.images, tokens.targets):
        raise InputError(f"{path}: its images or targets are damaged; delete it to have it made again")
    return tokens


def places(labels: Iterable[str], where: str | os.PathLike) -> dict[str, str]:
    """Label -> path of its token file, there or not, in a folder, which the list beside it stands for as well."""
    folder = os.fspath(where).removesuffix(".csv")
    return {label: f"{folder}/{label}.h5" for label in labels}


def paths(labels: Sequence[str], where: str | os.PathLike) -> dict[str, str]:
    """`places`, once all are there: files of another node may be seen later than the list that was written after them.

    Raises
    ------
    InputError
        naming one that is not there after the seconds that Snakemake waits for files, its `--latency-wait`
    """
    found, seconds = places(labels, where), float(os.environ.get(LATENCY_WAIT, 0))
    end, said = time.monotonic() + seconds, False
    while absent := _absent(found):
        if time.monotonic() >= end:
            folder = os.fspath(where).removesuffix(".csv")
            raise InputError(f"{absent[0]}: is not there; delete {folder}.csv to have it made again")
        if not said:
            log.info("%s: not seen yet, nor %d others; waiting %g s at most", absent[0], len(absent) - 1, seconds)
            said = True
        time.sleep(min(0.5, seconds / 10))
    return found


def _absent(files: Mapping[str, str]) -> list[str]:
    """Those of some files that are not there, by what is in their folders: to ask for one may tell what was before."""
    inside: dict[str, set[str]] = {}
    for path in files.values():
        folder = os.path.dirname(path)
        if folder not in inside:
            inside[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    unseen = [path for path in files.values() if os.path.basename(path) not in inside[os.path.dirname(path)]]
    return [path for path in unseen if not os.path.exists(path)]  # of a file system with other forms of letters


def token_files(labels: Sequence[str], where: str | os.PathLike, config_hash: str) -> dict[str, TokenFile]:
    """The token files of several labels, by label, checked as by `open_tokens`.

    None stays open: a study may have more labels than a process may have files. All must be of the same weights.

    Parameters
    ----------
    labels : in the order of the result
    where : the folder of the files, or the list of it that is written once all of them are there
    """
    files = {}
    for label, path in paths(labels, where).items():
        with open_tokens(path, config_hash) as tokens:
            files[label] = tokens
    first = next(iter(files.values()))
    for tokens in files.values():
        require_same_weights(first, tokens)
    return files


def streamer(files: Mapping[str, TokenFile], level: str, name: str) -> Callable[[int, str], Iterator[np.ndarray]]:
    """`TokenFile.blocks` of one level and array as a function of layer and label."""
    return lambda layer, label: files[label].blocks(level, name, layer)


def require_pair(clean: TokenFile, perturbed: TokenFile) -> None:
    """Two files must tell of the same images through the same weights."""
    require_same_images(clean, perturbed)
    require_same_weights(clean, perturbed)


def require_same_images(first: TokenFile, second: TokenFile) -> None:
    """Files whose images are compared one by one must have the same, in the same order."""
    if first.images != second.images:
        raise InputError(f"{second.path}: holds other images than {first.path}; delete both")


def require_same_weights(first: TokenFile, second: TokenFile) -> None:
    """Files that are set side by side must be of one model, by the digest of its weights."""
    if first.attributes.get("weights_sha256") != second.attributes.get("weights_sha256"):
        raise InputError(f"{second.path}: was made with other weights than {first.path}; delete both")
