"""What is done to the images before the model sees them, all levels of it.

A kind of perturbation is a class with `levels` and `apply`; `KINDS` maps the names that the configuration uses. To add
one: a class here, an entry in `KINDS`, and its keys in workflow/schemas/config.schema.yaml.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maescope.base import seeds
from maescope.base.corruption_names import SEVERITIES
from maescope.base.errors import InputError
from maescope.base.grid import in_words, visible_count
from maescope.images import reading
from maescope.images.late_compiler import late_compiler

with late_compiler():
    from torchvision.transforms.v2.functional import gaussian_blur


@dataclass
class Batch:
    """Images as a perturbation sees them."""

    pixels: Tensor  # (B, 3, height, width) in [0, 1]
    images: Sequence[str]  # (B,) identities
    scores: Tensor | None = None  # (B, N) of the clean image, where a perturbation ranks patches by `scores`


@dataclass
class Condition:
    """Images at one level, ready to be normalised."""

    pixels: Tensor  # (B, 3, height, width) in [0, 1]
    visible: Tensor | None = None  # (B, N_v) patch ids that the encoder sees, None for all
    stored: dict[str, Tensor] = field(default_factory=dict)  # to be kept with the tokens, image first


@dataclass
class Geometry:
    """What perturbations need to know of the model's input."""

    grid: tuple[int, int]  # rows and columns of patches
    mean: Sequence[float]  # of red, green and blue, what normalisation turns into zero

    @property
    def patches(self) -> int:
        return self.grid[0] * self.grid[1]


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device; a GPU that still has a pass is not waited for."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass
class Clean:
    """The images as they are."""

    levels: tuple[str, ...] = ("clean",)
    scores = None

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        return Condition(batch.pixels)


@dataclass
class Mask:
    """MAE's random mask: the encoder sees int(N (1 - ratio)) patches; the levels are numbers of masks."""

    ratio: float
    masks: int
    seed: int
    dataset: str
    scores = None

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(1, self.masks + 1))

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        ids = visible_patches(batch.images, geometry.patches, self.ratio, self.seed, self.dataset, int(level))
        visible = on_device(torch.from_numpy(ids), batch.pixels.device)
        return Condition(batch.pixels, visible, {"visible": visible})


@dataclass
class Blur:
    """Gaussian blur with a truncated kernel and reflected borders (Table I)."""

    filters: dict[str, tuple[int, float]]  # level -> kernel and sigma in pixels
    scores = None

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(self.filters)

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        kernel, sigma = self.filters[level]
        return Condition(gaussian_blur(batch.pixels, [kernel, kernel], [sigma, sigma]))


@dataclass
class Occlusion:
    """Patches removed in the order of the clean image's attention rollout (Fig. 5); the levels are percentages."""

    percentages: tuple[int, ...]
    order: str  # most, least (attended first), random, centre or edge (which is first)
    fill: str  # mean, black, shuffled or drop
    seed: int
    dataset: str
    rollout: str = "head"  # of what the head reads, of cls, or weighted by the gradient of the prediction

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(str(percent) for percent in self.percentages)

    @property
    def scores(self) -> str | None:
        """What ranks the patches: an array of the clean token files, or `gradient`, which takes a pass of its own."""
        if self.order not in ("most", "least"):
            return None
        return {"head": "rollout", "cls": "rollout_cls", "gradient": "gradient"}[self.rollout]

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        order = self._order(batch, geometry)
        gone = round(int(level) * geometry.patches / 100)
        masked = order.argsort(1) < gone  # (B, N)
        if self.fill == "drop":
            if gone == geometry.patches:
                raise ValueError(f"occlusion of {level} % leaves none of {geometry.patches} patches; drop fewer tokens")
            visible = order[:, gone:].sort(1).values  # (B, N_v), ascending
            return Condition(batch.pixels, visible, {"masked": masked})
        return Condition(self.painted(level, batch, masked, geometry), None, {"masked": masked})

    def painted(self, level: str, batch: Batch, masked: Tensor, geometry: Geometry) -> Tensor:
        """Pixels with what stands in the place of masked patches (B, N), tokens not being dropped."""
        if self.fill == "shuffled":
            return self._shuffled(level, batch, masked, geometry)
        return fill_patches(batch.pixels, masked, geometry, self.fill)

    def _shuffled(self, level: str, batch: Batch, masked: Tensor, geometry: Geometry) -> Tensor:
        """Masked patches exchanged among themselves in a random order, so that all pixels stay."""
        hidden, sources = masked.cpu().numpy(), np.tile(np.arange(geometry.patches), (len(batch.images), 1))
        for row, gone, image in zip(sources, hidden, batch.images, strict=True):
            row[gone] = seeds.generator(self.seed, self.dataset, image, "shuffled", level).permutation(row[gone])
        rows, columns = geometry.grid
        pieces = _pieces(batch.pixels, rows, columns)
        taken = on_device(torch.from_numpy(sources), pieces.device)[:, :, None, None, None]
        return _joined(torch.take_along_dim(pieces, taken, dim=1), rows, columns)

    def _order(self, batch: Batch, geometry: Geometry) -> Tensor:
        """Ids of the patches in the order of their removal (B, N); ties by patch index."""
        patches = geometry.patches
        if self.order in ("centre", "edge"):
            far = torch.from_numpy(from_centre(*geometry.grid)).to(batch.pixels.device).expand(len(batch.images), -1)
            return far.argsort(dim=1, descending=self.order == "edge", stable=True)
        if self.order == "random":
            scores = np.stack(
                [seeds.generator(self.seed, self.dataset, image, "occlusion").random(patches) for image in batch.images]
            )
            return on_device(torch.from_numpy(scores).argsort(1), batch.pixels.device)
        return batch.scores.argsort(dim=1, descending=self.order == "most", stable=True)


@dataclass
class Shuffle:
    """The crop cut into g x g pieces, which are put together in a random order (Naseer et al. 2021); levels are g."""

    grids: tuple[int, ...]
    seed: int
    dataset: str
    scores = None

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(map(str, self.grids))

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        grid, (height, width) = int(level), batch.pixels.shape[2:]
        if height % grid or width % grid:
            raise InputError(
                f"{grid} x {grid} pieces do not divide a crop of {in_words((height, width))} px; "
                "change levels of the shuffle"
            )
        draws = [seeds.generator(self.seed, self.dataset, image, "shuffle", level) for image in batch.images]
        orders = on_device(
            torch.from_numpy(np.stack([draw.permutation(grid**2) for draw in draws])), batch.pixels.device
        )
        shuffled = torch.take_along_dim(_pieces(batch.pixels, grid, grid), orders[:, :, None, None, None], dim=1)
        return Condition(_joined(shuffled, grid, grid))


@dataclass
class Corruption:
    """One of the fifteen corruptions of ImageNet-C, generated from the crop; the levels are severities (Table II).

    Each image, corruption and severity has a seed of its own, so nothing depends on order, batch size or threads.
    """

    name: str
    seed: int
    dataset: str
    frost: Sequence[np.ndarray] | None = None  # photographs (h, w, 3) uint8, None for a synthetic overlay
    levels: tuple[str, ...] = tuple(map(str, SEVERITIES))
    scores = None

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        from maescope.images import corruptions  # scipy is behind it

        levels = (batch.pixels * 255).round().to(torch.uint8)
        crops = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (B, h, w, 3)

        def one(crop: np.ndarray, image: str) -> np.ndarray:
            seed = seeds.number(self.seed, self.dataset, image, self.name, level)
            return corruptions.corrupt(crop, self.name, int(level), seed, frost=self.frost)

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            corrupted = np.stack(list(pool.map(one, crops, batch.images)))
        pixels = on_device(torch.from_numpy(corrupted), batch.pixels.device).permute(0, 3, 1, 2)
        return Condition(pixels.contiguous().float().div_(255))


@dataclass
class CorruptionFiles:
    """A corruption as ImageNet-C has it: <folder>/<severity>/<label>/<file>, paired with the clean images by file name.

    Where clean images lie in folders below that of their label, so may the files.

    The files are crops already: the centre is cut out, nothing is resized. They are read in the place of the clean
    images, so that `apply` finds them in its batch.
    """

    folder: str
    levels: tuple[str, ...]  # the severities that are there
    scores = None

    def path(self, level: str, label: str, image: str) -> Path:
        """The file of a clean image: in the same folders below that of its label, or in fewer of them."""
        folder, ends = Path(self.folder, level, label), _ends(label, image)
        return next((folder / end for end in ends[:-1] if (folder / end).is_file()), folder / ends[-1])

    def apply(self, level: str, batch: Batch, geometry: Geometry) -> Condition:
        return Condition(batch.pixels)

    def require(self, labels: Sequence[str], names: Sequence[str]) -> None:
        """Every clean image must have its corrupted self, at every severity.

        Raises
        ------
        InputError
            naming the class folders or the image that are missing, or a file that two clean images could be paired with
        """
        for level in self.levels:
            folder, wanted = Path(self.folder, level), list(dict.fromkeys(labels))
            absent = [label for label in wanted if not (folder / label).is_dir()]
            if absent:
                raise InputError(
                    f"{folder}: no folder for {len(absent)} of {len(wanted)} classes ({', '.join(absent[:5])}, ...); "
                    "corrupted images must be of the classes of the dataset"
                )
            paths = [str(self.path(level, label, image)) for label, image in zip(labels, names, strict=True)]
            missing = [path for path in paths if not Path(path).is_file()]
            if missing:
                raise InputError(
                    f"{missing[0]}: there is no such file, though the clean image is there ({len(missing)} missing at "
                    f"severity {level}); complete the copy, or remove {folder} to leave the severity out"
                )
            self._require_one_each(paths, labels, names)

    def _require_one_each(self, paths: Sequence[str], labels: Sequence[str], names: Sequence[str]) -> None:
        """No file may be that of two clean images, or lie where it could as well be that of another."""
        ends = [_ends(label, image) for label, image in zip(labels, names, strict=True)]
        taken, called = Counter(paths), Counter((label, own[-1]) for label, own in zip(labels, ends, strict=True))
        for path, label, own in zip(paths, labels, ends, strict=True):
            elsewhere = not path.endswith(f"/{label}/{own[0]}")  # in fewer folders than the clean image
            if taken[path] > 1 or (elsewhere and called[label, own[-1]] > 1):
                raise InputError(
                    f"{path}: several clean images of {label} have this name; put corrupted images in folders as the "
                    "clean ones are, or give each a name of its own"
                )


def _ends(label: str, image: str) -> list[str]:
    """Where a corrupted image may lie below the folder of its label: in the folders of the clean one, or in fewer."""
    parts = image.split("/")
    below = parts[parts.index(label) + 1 :] if label in parts[:-1] else parts[-1:]
    return ["/".join(below[number:]) for number in range(len(below))]


def _pieces(pixels: Tensor, rows: int, columns: int) -> Tensor:
    """Pictures (B, 3, height, width) cut along a grid: (B, rows columns, 3, h, w), row by row."""
    cut = pixels.unflatten(3, (columns, -1)).unflatten(2, (rows, -1))  # (B, 3, rows, h, columns, w)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def _joined(pieces: Tensor, rows: int, columns: int) -> Tensor:
    """The opposite of `_pieces`."""
    return pieces.unflatten(1, (rows, columns)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def from_centre(rows: int, columns: int) -> np.ndarray:
    """Euclidean distance of the middle of each patch from that of the grid, in patches: (rows columns,)."""
    down, across = np.indices((rows, columns)) - np.array([rows - 1, columns - 1])[:, None, None] / 2
    return np.hypot(down, across).ravel()


def fill_patches(pixels: Tensor, masked: Tensor, geometry: Geometry, fill: str) -> Tensor:
    """Paint masked patches with the mean colour or black.

    Parameters
    ----------
    pixels : (B, 3, height, width) in [0, 1]
    masked : (B, N) bool
    """
    height, width = pixels.shape[2:]
    rows, columns = geometry.grid
    area = masked.reshape(-1, 1, rows, columns)
    area = area.repeat_interleave(height // rows, 2).repeat_interleave(width // columns, 3)  # (B, 1, height, width)
    colour = geometry.mean if fill == "mean" else (0.0, 0.0, 0.0)
    painted = on_device(torch.tensor(colour, dtype=pixels.dtype).reshape(1, 3, 1, 1), pixels.device)
    return torch.where(area, painted, pixels)


def visible_patches(
    images: Sequence[str], patches: int, ratio: float, seed: int, dataset: str, number: int
) -> np.ndarray:
    """Seeded random masks, each depending on nothing but dataset, image and mask number.

    Returns
    -------
    (B, N_v) int64, the int(N (1 - ratio)) visible patch ids, ascending

    Raises
    ------
    ValueError
        where no patch would stay visible
    """
    keep = visible_count(patches, ratio)
    orders = [seeds.generator(seed, dataset, image, number).permutation(patches)[:keep] for image in images]
    return np.sort(np.stack(orders), axis=1)


def _clean(entry: dict, seed: int, dataset: str) -> Clean:
    return Clean()


def _mask(entry: dict, seed: int, dataset: str) -> Mask:
    own = entry.get("seed")  # for another draw than the study's
    return Mask(entry["ratio"], entry["masks"], seed if own is None else own, dataset)


def _blur(entry: dict, seed: int, dataset: str) -> Blur:
    return Blur({level: (f["kernel"], f["sigma"]) for level, f in entry["levels"].items()})


def _occlusion(entry: dict, seed: int, dataset: str) -> Occlusion:
    rollout = entry.get("rollout", "head")
    return Occlusion(tuple(entry["levels"]), entry["order"], entry["fill"], seed, dataset, rollout)


def _shuffle(entry: dict, seed: int, dataset: str) -> Shuffle:
    return Shuffle(tuple(entry["levels"]), seed, dataset)


def _corruption(entry: dict, seed: int, dataset: str) -> Corruption | CorruptionFiles:
    if entry["folder"]:
        return CorruptionFiles(entry["folder"], tuple(entry["levels"]))
    return Corruption(entry["name"], seed, dataset, reading.pictures(entry["frost"]) if entry["frost"] else None)


KINDS: dict[str, Callable] = {
    "clean": _clean,
    "mask": _mask,
    "blur": _blur,
    "occlusion": _occlusion,
    "shuffle": _shuffle,
    "corruption": _corruption,
}


def build(
    entry: dict, seed: int, dataset: str
) -> Clean | Mask | Blur | Occlusion | Shuffle | Corruption | CorruptionFiles:
    """The perturbation that an entry of the configuration names."""
    return KINDS[entry["kind"]](entry, seed, dataset)
