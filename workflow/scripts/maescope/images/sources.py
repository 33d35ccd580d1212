"""Pictures of datasets that are no folders: named by a list, in parquet files, or in tars."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from maescope.base import names
from maescope.base.errors import InputError
from maescope.images import listings, parquet_files, tar_shards
from maescope.images.addresses import Address, Pictures
from maescope.study import parquet_schemas
from maescope.study.shard_files import shard_files

log = logging.getLogger(__name__)

Told = Iterator[tuple[str, str, int | str | None, str | Address]]  # place for messages, name, label, where it is


def find(dataset: str, kind: str, entry: dict) -> Pictures:
    """All pictures of each label, sorted by name: as if each lay in a folder of its label, `label/name`.

    Parameters
    ----------
    kind : list, parquet or tar
    entry : of the configuration

    Raises
    ------
    InputError
        naming the key, the file and the line, row or member that is not as it should be
    """
    key, labels, classes = f"datasets.{dataset}.{kind}", entry["labels"], entry["classes"]
    named = "label" in entry.get("columns", {})
    alone = labels[0] if len(classes or labels) == 1 and not named else None  # where none has a label
    found, others, known = {label: {} for label in labels}, Counter(), _Labels(dataset, labels, classes)
    without, some = None, False  # the first picture without a label, and whether any has one
    for where, name, said, picture in READ[kind](key, entry, alone is None):
        if said is None and alone:
            label, without = alone, without or where
        else:
            label, some = known.label(where, said), True
        if without and some:
            raise InputError(f"{without}: has no label, but others have; give it one, or take it out")
        if label not in found:
            others[label] += 1
            continue
        image = name.lstrip("/") if label in name.split("/")[:-1] else f"{label}/{name.lstrip('/')}"
        if image in found[label]:
            raise InputError(f"{where}: {image} is there a second time; give each picture a name of its own")
        found[label][image] = picture
    if not others and not any(found.values()):
        raise InputError(f"{key}: {entry[kind]} has no pictures{_of_split(entry)}; correct the path, or fill it")
    if unused := {label: number for label, number in others.items() if label not in (classes or ())}:
        shown = names.shown(", ".join(f"{number} of {label}" for label, number in list(unused.items())[:5]))
        log.warning("%s: passed over, as they are of none of the labels: %s", key, shown)
    return {label: dict(sorted(own.items())) for label, own in found.items()}


def _of_split(entry: dict) -> str:
    return f" of split {entry['split']}" if "split" in entry else ""


class _Labels:
    """What a source says, as a label of the configuration: by its name, or by its number among the classes."""

    def __init__(self, dataset: str, labels: Sequence[str], classes: Sequence[str] | None):
        self.dataset, self.classes, self.all = dataset, classes, classes or labels
        self.known = {form: label for label in reversed(self.all) for form in names.forms(label)}
        self.known |= {label: label for label in self.all}
        self.counted = not any(label.isdecimal() for label in self.all)  # else numbers are names: 1 to 102, say

    def label(self, where: str, said: int | str | None) -> str:
        """A label; of a dataset without classes any name is one."""
        key = f"datasets.{self.dataset}.classes"
        if said is None:
            raise InputError(f"{where}: has no label; give it one, or take it out")
        said = str(said)
        if said in self.known:
            return self.known[said]
        if self.counted and re.fullmatch(r"-?[0-9]+", said):
            if not self.classes:
                raise InputError(
                    f"{where}: {said} is a number without a name; give {key}, in the order of these numbers"
                )
            if said.startswith("-") or len(said) > 9 or int(said) >= len(self.classes):
                raise InputError(
                    f"{where}: {said} is none of the numbers 0 to {len(self.classes) - 1} of {key}; correct one"
                )
            return self.classes[int(said)]
        if self.classes:
            raise InputError(
                f"{where}: the label {said!r} is not in {key}{names.nearest(said, self.classes)}; add or correct it"
            )
        return said


def _listed(key: str, entry: dict, labelled: bool) -> Told:
    file, first = entry["list"], {}
    if not os.path.isfile(file):
        raise InputError(f"{key}: there is no file {file}; correct the path")
    for line, path, label in listings.rows(key, file, entry.get("columns", {}), entry.get("split"), labelled):
        where = f"{key}: {file}, line {line}"
        name, place = listings.picture(file, entry.get("root"), path)
        if place in first:
            raise InputError(f"{where}: {path} is there already, in line {first[place]}; take one of them out")
        first[place] = line
        yield where, name, label, place


def _in_parquet(key: str, entry: dict, labelled: bool) -> Told:
    """Called as the rows say where all do and no two of a label are called the same, else by file and row."""
    columns = entry.get("columns", {})
    image, label = (columns.get(name, name) for name in (parquet_schemas.IMAGE, parquet_schemas.LABEL))
    paths = shard_files(key, entry["parquet"], ".parquet")
    found = [(path, *row) for path in paths for row in parquet_files.rows(key, path, image, label, entry["classes"])]
    if labelled and found and all(said is None for *_, said in found):
        raise InputError(
            f"{key}: {paths[0]}: has no column {label} that is filled; name that of labels as columns.label"
        )
    called = Counter((said, name) for _, _, name, said in found)
    named = None not in {name for _, name in called} and called.total() == len(called)
    below = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])
    for path, row, name, said in found:
        if not named:
            name = f"{os.path.relpath(os.path.splitext(path)[0], below)}/{row:06d}"
        yield f"{key}: {path}: row {row}", name, said, Address(path, name, row=row, column=image)


def _in_tars(key: str, entry: dict, labelled: bool) -> Told:
    for path in shard_files(key, entry["tar"], ".tar"):
        for member in tar_shards.members(key, path, entry.get("columns", {}).get("label")):
            where = f"{key}: {path}: {member.name}"
            yield where, member.name, member.label, Address(path, member.name, member.start, member.length)


READ = {"list": _listed, "parquet": _in_parquet, "tar": _in_tars}
