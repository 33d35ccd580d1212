"""ImageNet in the forms that people have it, made into a folder of pictures for each synset.

A flat folder with the devkit's or Kaggle's labels becomes links; a tar or parquet files, as on the Hugging Face hub,
become files. Names are those of ImageNet, so that they pair with ImageNet-C.
"""

import csv
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from scipy.io import loadmat

from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.images.reading import SUFFIXES
from maescope.study import parquet_schemas
from maescope.study.class_lists import synsets

SYNSET = re.compile(r"_(n\d{8})$")  # behind the name of an image, as the hub's archives have it
ARCHIVE = re.compile(r"val.*(\.parquet|\.tar|\.tgz|\.tar\.\w+)$")  # of the validation split, in a folder of all
VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")  # the name of an image of the validation split, without ending
VALIDATION_IMAGES = 50_000
Image = tuple[str, Path | bytes, str | None]  # name, its file or content, its synset where the source tells it


def to_folders(source: str, target: str, labels: str | None = None) -> Counter:
    """Make `target`/<synset>/<name> of all images in `source`, links to files or files.

    Parameters
    ----------
    source : a flat folder of images, a .parquet, a .tar (also compressed), or a folder of those, of which the ones
        of the validation split are read
    labels : Kaggle's LOC_val_solution.csv or the unpacked devkit, where the source does not tell the synsets

    Returns
    -------
    number of images of each synset

    Raises
    ------
    InputError
        naming the source or the first image that cannot be sorted
    """
    known, told, done = set(synsets("imagenet")), read_labels(labels) if labels else {}, Counter()
    for name, content, synset in _images(Path(source)):
        if not VALIDATION.fullmatch(Path(name).stem):
            raise InputError(f"{source}: {name} is no image of the validation split (ILSVRC2012_val_ and eight digits)")
        synset = synset or told.get(Path(name).stem)
        if synset is None:
            hint = "--labels has none for it" if labels else "give --labels, or the archive whole, with its labels"
            raise InputError(f"{source}: nothing tells the synset of {name}; {hint}")
        if synset not in known:
            raise InputError(f"{source}: {name} is of no synset of ImageNet-1K ({synset}); give the right --labels")
        _put(content, Path(target, synset, name))
        done[synset] += 1
    if not done:
        raise InputError(f"{source}: has no images, and no parquet file or tar of the validation split with any")
    return done


def _put(content: Path | bytes, path: Path) -> None:
    """Make `path` a file, or a link to one. Only a link is ever replaced: a file may be the only copy there is."""
    original = content if isinstance(content, bytes) else content.resolve()  # before anything is touched
    if isinstance(original, Path) and not original.is_file():
        raise InputError(f"{content}: is a link to nothing")
    if path.exists() and not path.is_symlink():
        if path.read_bytes() != (original if isinstance(original, bytes) else original.read_bytes()):
            raise InputError(f"{path}: is there already with other content; move it away, or give an empty target")
        return
    with replacing(path) as temporary:
        if isinstance(original, bytes):
            temporary.write_bytes(original)
        else:
            temporary.symlink_to(original)


def read_labels(path: str) -> dict[str, str]:
    """Synset of each validation image, by its name without ending.

    Raises
    ------
    InputError
        naming the file that is missing or has something else in it
    """
    if Path(path).suffix == ".csv":
        return _of_kaggle(Path(path))
    found = sorted(Path(path).rglob("meta.mat")) if Path(path).is_dir() else []
    if not found:
        raise InputError(f"{path}: neither Kaggle's .csv nor the unpacked devkit (a folder with data/meta.mat in it)")
    return _of_devkit(found[0])


def _of_kaggle(path: Path) -> dict[str, str]:
    """ImageId and PredictionString, which begins with the synset."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; Kaggle's labels are LOC_val_solution.csv")
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        if not {"ImageId", "PredictionString"} <= set(rows.fieldnames or ()):
            raise InputError(f"{path}: has no columns ImageId and PredictionString, as Kaggle's LOC_val_solution.csv")
        return {row["ImageId"]: (row["PredictionString"] or "").partition(" ")[0] for row in rows}


def _of_devkit(path: Path) -> dict[str, str]:
    """Ids follow the order of the devkit, which is not that of the sorted synsets: its own table translates."""
    entries = loadmat(path, squeeze_me=True)["synsets"]
    synset_of = {str(entry["ILSVRC2012_ID"]): str(entry["WNID"]) for entry in entries}
    truth = path.with_name("ILSVRC2012_validation_ground_truth.txt")
    if not truth.is_file():
        raise InputError(f"{truth}: there is no such file; unpack ILSVRC2012_devkit_t12.tar.gz whole")
    ids = truth.read_text().split()
    if len(ids) != VALIDATION_IMAGES or not set(ids) <= set(synset_of):
        unknown = len(set(ids) - set(synset_of))
        raise InputError(
            f"{truth}: has {len(ids)} ids, {unknown} of them unknown, and not the {VALIDATION_IMAGES} of ImageNet-1K"
        )
    return {f"ILSVRC2012_val_{number:08d}": synset_of[one] for number, one in enumerate(ids, 1)}


def _images(source: Path) -> Iterator[Image]:
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder")
    if source.is_dir():
        files = [path for path in sorted(source.iterdir()) if not path.is_dir()]
        yield from ((path.name, path, None) for path in files if path.suffix.lower() in SUFFIXES)
        # The hub has all splits in one folder, and -1 for the labels of the test split.
        archives = [path for path in files if ARCHIVE.search(path.name)]
    else:
        archives = [source]
    for path in archives:
        yield from of_rows(str(path), _parquet_rows(path)) if path.suffix == ".parquet" else _of_tar(path)


def _named(path: str) -> tuple[str, str | None]:
    """ILSVRC2012_val_00000001_n01751748.jpg -> its name in ImageNet and -C, and the synset that it tells."""
    stem = Path(path).stem
    told = SYNSET.search(stem)
    return (stem[: told.start()] if told else stem) + ".JPEG", told and told[1]


def of_rows(source: str, rows: Iterable[dict]) -> Iterator[Image]:
    """Images of rows as the hub has them: `image` (`bytes` and `path`) and `label` (number of the sorted synset).

    Raises
    ------
    InputError
        naming the source and the first row without a name, or whose label is no synset or not that of its name
    """
    for number, row in enumerate(rows):
        if not row["image"]["path"]:
            raise InputError(f"{source}: row {number} has no name, without which it cannot be paired with ImageNet-C")
        name, told = _named(row["image"]["path"])
        synset = _numbered(f"{source}: {name}", row["label"])
        if told not in (None, synset):
            raise InputError(f"{source}: {name} is labelled {synset}, but its name says {told}")
        yield name, row["image"]["bytes"], synset


def _numbered(image: str, label: int | str | bytes) -> str:
    """The synset of a number among the sorted ones."""
    known = synsets("imagenet")
    try:
        number = int(label)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < len(known):
        raise InputError(f"{image} has the label {label!r}, which is none of 0 to {len(known) - 1}")
    return known[number]


def _parquet_rows(path: Path) -> Iterator[dict]:
    with parquet_schemas.whole(str(path)):
        for batch in parquet_schemas.opened(str(path)).iter_batches(batch_size=64, columns=["image", "label"]):
            yield from batch.to_pylist()


def _of_tar(path: Path) -> Iterator[Image]:
    """Members that are images; their synset is in their name, or in a member <name>.cls beside them (webdataset)."""
    waiting, labels = {}, {}  # of the image before, whichever of the two comes first
    try:
        with tarfile.open(path, "r|*") as archive:  # a stream: members come in order and are read once
            for member in archive:
                stem, suffix = Path(member.name).stem, Path(member.name).suffix.lower()
                if not member.isfile() or suffix not in {*SUFFIXES, ".cls"}:
                    continue
                content = archive.extractfile(member).read()
                if suffix == ".cls":
                    if stem in waiting:
                        name, image = waiting.pop(stem)
                        yield name, image, _numbered(f"{path}: {name}", content)
                    else:
                        labels = {stem: content}
                    continue
                yield from ((name, image, None) for name, image in waiting.values())
                waiting.clear()
                name, synset = _named(member.name)
                if synset is None and stem in labels:
                    synset = _numbered(f"{path}: {name}", labels[stem])
                if synset:
                    yield name, content, synset
                else:
                    waiting[stem] = name, content
    except tarfile.TarError as error:
        raise InputError(f"{path}: is no tar, or is broken off ({error}); fetch it again") from error
    yield from ((name, image, None) for name, image in waiting.values())
