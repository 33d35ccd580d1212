"""Pictures in the parquet files of Hugging Face, read in place, row group by row group."""

import logging
import os
import re
import unicodedata
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from threading import Lock

from maescope.base.errors import InputError
from maescope.base.names import forms
from maescope.study import parquet_schemas

log = logging.getLogger(__name__)

MOST = 2**26  # bytes of row groups that are kept, however many pictures there are


class Opened:
    """A parquet file, and its row groups that were read last.

    Parameters
    ----------
    path : of the file
    time : when it was written, in ns
    """

    def __init__(self, path: str, time: int = 0):
        self.path, self.time, self.lock = path, time, Lock()
        with parquet_schemas.whole(path):
            self.file = parquet_schemas.opened(path)
        groups = range(self.file.metadata.num_row_groups)
        self.ends = list(accumulate(self.file.metadata.row_group(group).num_rows for group in groups))

    def cell(self, column: str, row: int, kept: "Kept") -> bytes | None:
        """The bytes of one picture; None where there is no such row."""
        group = bisect_right(self.ends, row)
        if group == len(self.ends):
            return None
        with self.lock:  # threads that ask for the same row group read it once
            pictures = kept.get(self, group, column)
        return pictures[row - (self.ends[group - 1] if group else 0)]["bytes"].as_py()

    def pictures(self, group: int, column: str):
        """The column of pictures of a row group, as Arrow has it."""
        with parquet_schemas.whole(self.path):
            return self.file.read_row_group(group, columns=[f"{column}.bytes"]).column(0)

    def values(self, columns: list[str]) -> Iterator[dict]:
        """Row by row what some small columns say."""
        with parquet_schemas.whole(self.path):
            for batch in self.file.iter_batches(4096, columns=columns):
                yield from batch.to_pylist()


class Kept:
    """Row groups of all files, those read last, together of a bounded size.

    Parameters
    ----------
    most : bytes; the last one is kept whatever it has
    """

    def __init__(self, most: int):
        self.most, self.groups, self.lock = most, OrderedDict(), Lock()

    def get(self, opened: Opened, group: int, column: str):
        key = opened.path, opened.time, group, column  # also after the file was closed and opened again
        with self.lock:
            if key in self.groups:
                self.groups.move_to_end(key)
                return self.groups[key]
        pictures = opened.pictures(group, column)
        with self.lock:
            self.groups[key] = pictures
            while len(self.groups) > 1 and sum(own.nbytes for own in self.groups.values()) > self.most:
                self.groups.popitem(last=False)
        return pictures


@lru_cache(16)
def _opened(path: str, time: int) -> Opened:
    """A file as it is at a time."""
    return Opened(path, time)


_kept = Kept(MOST)


def cell(path: str, column: str, row: int) -> bytes | None:
    """The bytes of the picture in a row; None where there is no such row, or no picture in it.

    Raises
    ------
    InputError
        naming a file that is no parquet, or is broken off
    FileNotFoundError
        where it is not there
    """
    return _opened(path, os.stat(path).st_mtime_ns).cell(column, row, _kept)


def rows(
    key: str, path: str, image: str, label: str, classes: Sequence[str] | None
) -> Iterator[tuple[int, str | None, int | str | None]]:
    """Number, name (None where it has none) and label of each row of a file; labels by name where the file has names.

    Parameters
    ----------
    key : of the configuration, for messages
    image, label : columns; where there is none of labels, all are None
    classes : of the configuration, which may stand in the place of the names

    Raises
    ------
    InputError
        naming the file, and what is not as Hugging Face has it
    """
    opened = Opened(path)
    schema = opened.file.schema_arrow
    parquet_schemas.require_pictures(key, path, schema, image)
    known, labelled = parquet_schemas.names(schema, label), label in schema.names
    if known and classes and _in_other_words(known, classes):
        _tell_other_words(key, known[0], classes[0])
        known = classes
    for number, row in enumerate(opened.values([f"{image}.path", *([label] if labelled else [])])):
        own, said = row.get(image) or {}, row.get(label)
        if said is not None and (isinstance(said, bool) or not isinstance(said, int | str)):
            raise InputError(
                f"{key}: {path}: {label} of row {number} is {said!r}, neither a number nor a name; give another column "
                "as columns.label"
            )
        if known and isinstance(said, int):
            if not 0 <= said < len(known):
                raise InputError(
                    f"{key}: {path}: row {number} has the label {said}, but {label} has the names of 0 to "
                    f"{len(known) - 1}; take the files of a split that has labels"
                )
            said = known[said]
            if classes and said.isdecimal() and said not in classes:  # else it would be taken for a number
                raise InputError(f"{key}: {path}: row {number}: the label {said!r} is not among the classes; add it")
        yield number, os.path.basename(own.get("path") or "") or None, said


def _in_other_words(known: Sequence[str], classes: Sequence[str]) -> bool:
    """Whether names are all others than those of the classes, as many, and none of them but for its spelling elsewhere.

    Then the same number is the same class: cat and Katze. Cat and Dog are not dog and cat.
    """
    if len(known) != len(classes) or {form for name in known for form in forms(name)} & {*classes}:
        return False
    places = {_plain(name): number for number, name in enumerate(classes)}
    return all(places.get(_plain(name), number) == number for number, name in enumerate(known))


def _plain(name: str) -> str:
    """A name without case, accents, and what stands between its words."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFD", name).casefold()) or name


@cache  # once for all files of a dataset
def _tell_other_words(key: str, name: str, label: str) -> None:
    log.critical("%s: %s is taken for %s, and so on: the same number has another name", key, name, label)
