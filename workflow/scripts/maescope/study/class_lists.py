"""Lists of classes: a dataset's labels, the order of a head's outputs, and the synsets of ImageNet, -R and -A."""

import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from maescope.base import names
from maescope.base.errors import InputError

LONGEST = 200  # bytes; a file system takes 255, and temporary files have a longer name


def known_list(labels: list[str]) -> str | None:
    """imagenet-1k, imagenet-r or imagenet-a, where the labels are all of its classes."""
    lists = {"imagenet-1k": "imagenet", "imagenet-r": "imagenet_r", "imagenet-a": "imagenet_a"}
    if len(labels) < 200:  # shorter than any of them: timm, which has the lists, need not be there
        return None
    return next((name for name, file in lists.items() if sorted(labels) == sorted(synsets(file))), None)


def read_classes(name: str, classes: list[str] | str | None) -> list[str] | None:
    """The labels in the order of the head's outputs, read from where the configuration says."""
    if classes == "imagenet-1k":
        return synsets("imagenet")
    if isinstance(classes, str):
        if not Path(classes).is_file():
            raise InputError(f"datasets.{name}.classes: there is no file {classes}; give a list, a file or imagenet-1k")
        try:
            return [line.strip() for line in Path(classes).read_text(encoding="utf-8").split("\n") if line.strip()]
        except UnicodeDecodeError:
            raise InputError(f"datasets.{name}.classes: {classes} is no text in UTF-8; give one label a line") from None
    return classes


def unsafe(labels: Iterable[str]) -> Iterator[str]:
    """Labels that cannot be shown as they are, or be part of a file's name."""
    for label in dict.fromkeys(labels):
        if (unseen := names.unseen(label)) is not None:
            yield f"{label!a} has the character {unseen!a}, which is not seen; rename the folder"
        elif re.search(r"<\w+>", label):
            yield f"{label!r} has a word in < and >, which stands for something else in Snakemake; rename the folder"
        elif len(label.encode()) > LONGEST:
            yield f"{label[:30]!r}... has {len(label.encode())} bytes, a folder's name at most {LONGEST}; rename it"


def read_labels(labels: list[str] | str | None) -> list[str] | None:
    """The labels that are used, of ImageNet-R and -A from timm's lists and never from the folders found."""
    return synsets(labels.replace("-", "_")) if isinstance(labels, str) else labels


def synsets(name: str) -> list[str]:
    """One of timm's lists of synsets, read without importing timm, and torch with it."""
    package = Path(importlib.util.find_spec("timm").origin).parent
    return (package / "data" / "_info" / f"{name}_synsets.txt").read_text().split()
