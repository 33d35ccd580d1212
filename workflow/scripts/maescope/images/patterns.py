"""Which files are a label's: a glob with `{label}` in it, and what must not be left to it."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from glob import escape, glob
from pathlib import Path
from typing import NamedTuple

from maescope.base import names
from maescope.base.errors import InputError
from maescope.images.reading import SUFFIXES

log = logging.getLogger(__name__)

ESCAPED = re.compile(r"\[([*?[])\]")  # one of these characters as it is, as `glob.escape` writes it
APART = "write a pattern that tells them apart, best with a folder of its own for each label"
ANY_FOLDERS = re.compile(r"(?:^|(?<=/))\*\*/")


class Found(NamedTuple):
    """What a pattern finds for a label, sorted.

    pictures : paths of those that it takes; the case of their ending does not count
    others : what lies beside them: no pictures, or with another ending than the pattern's
    """

    pictures: list[str]
    others: list[str]


def find(pattern: str, label: str) -> Found:
    """All that a pattern matches for a label, however its accents are written; `**` is any folders one in another."""
    found = [_find(pattern.replace("{label}", escape(form))) for form in names.forms(label)]
    return next((own for own in found if own.pictures or own.others), found[0])


def _find(own: str) -> Found:
    """All that the pattern of one label matches."""
    own += "/*" if Path(own).name == "**" else ""
    stem, ending = os.path.splitext(own)
    endings = {ending.lower()} & SUFFIXES  # *.jpg takes cat.JPG as well
    found = sorted(set(_matches(f"{stem}.*" if endings else own)))
    pictures = [path for path in found if os.path.splitext(path)[1].lower() in (endings or SUFFIXES)]
    others = sorted(set(found) - set(pictures))
    looked_into = "**" in own.split("/")
    return Found(pictures, [path for path in others if not (looked_into and Path(path).is_dir())])


def _matches(pattern: str) -> Iterator[str]:
    """Paths that match a pattern."""
    head, *rest = ANY_FOLDERS.split(pattern, maxsplit=1)
    if not rest:
        yield from glob(pattern)
        return
    for root in glob(head) if head else [""]:
        for folder in _folders(root):
            yield from _matches(escape(folder) + rest[0])


@cache
def _folders(root: str) -> list[str]:
    """A folder and all in it, `/` behind each; links are followed, but no folder is looked into twice."""
    found, seen = [], set()
    for folder, inner, _ in os.walk(root or ".", followlinks=True):
        real = os.path.realpath(folder)
        inner[:] = [] if real in seen else sorted(name for name in inner if not name.startswith("."))
        if real not in seen:
            found.append(os.path.join(folder, "").removeprefix("" if root else "./"))
        seen.add(real)
    return found


def identity(path: str, pattern: str) -> str:
    """The part of a path behind the fixed beginning of its pattern: names an image wherever the dataset lies."""
    return path.removeprefix(_fixed(pattern))


@cache
def _fixed(pattern: str) -> str:
    """The folders that all paths of a pattern begin with."""
    folders = pattern.split("/")
    varies = next(number for number, part in enumerate(folders) if "{label}" in part or _has_magic(part))
    return plain("".join(f"{folder}/" for folder in folders[:varies]))


def plain(pattern: str) -> str:
    """A pattern as a path is written, without what escapes its characters."""
    return ESCAPED.sub(r"\1", pattern)


def _has_magic(part: str) -> bool:
    return re.search(r"[*?[]", ESCAPED.sub("", part)) is not None


def belonging(dataset: str, pattern: str, labels: Sequence[str], classes: Sequence[str] = ()) -> dict[str, Found]:
    """What a pattern finds for each label, each picture once, also where a link leads to its folder.

    Parameters
    ----------
    classes : all that the dataset has, the labels among them: what is of another class is of no label

    Raises
    ------
    InputError
        naming a picture that is found for two of them, or a folder that the pattern may have meant
    """
    _folders.cache_clear()
    _require_no_literal_folder(dataset, pattern, labels)
    found = _each_once(dataset, pattern, {label: find(pattern, label) for label in labels})
    _require_no_other_class(dataset, pattern, found, classes)
    _tell_longer(dataset, pattern, found)
    _tell_stars(dataset, pattern)
    return found


def _require_no_literal_folder(dataset: str, pattern: str, labels: Sequence[str]) -> None:
    """[ab] stands for a or b: where there is a folder of that very name, it may have been meant."""
    if "[" not in ESCAPED.sub("", pattern):
        return
    for label in labels:
        folders = pattern.replace("{label}", escape(label)).split("/")[:-1]
        for number, folder in enumerate(folders):
            if re.search(r"[*?]", ESCAPED.sub("", folder)):
                break
            literal = plain("/".join(folders[: number + 1]))
            if _has_magic(folder) and Path(literal).is_dir():
                raise InputError(
                    f"datasets.{dataset}.pattern: {folder} stands for one of the characters in the brackets, but there "
                    f"is a folder {literal}; write {escape(plain(folder))} for it, or name it among folders"
                )


def _each_once(dataset: str, pattern: str, found: dict[str, Found]) -> dict[str, Found]:
    """Each picture once; of two labels it cannot be."""

    @cache
    def real(folder: str) -> str:
        return os.path.realpath(folder)

    owners, left = {}, {}
    for label, own in found.items():
        kept = []
        for path in own.pictures:
            folder, name = os.path.split(path)
            owner, first = owners.setdefault((real(folder), name), (label, path))
            if owner != label:
                same = "" if path == first else f", the same as {first},"
                raise InputError(
                    f"datasets.{dataset}.pattern: {path}{same} is found for {owner} and for {label}; {APART}"
                )
            if path == first:
                kept.append(path)
        left[label] = own._replace(pictures=kept)
    return left


def _require_no_other_class(dataset: str, pattern: str, found: dict[str, Found], classes: Sequence[str]) -> None:
    """No picture of a label is found for a class that is not used; one in a folder of just its name cannot be."""
    parts = pattern.split("/")
    if [part for part in parts if "{label}" in part] == ["{label}"] and "**" not in parts:
        return
    owner = {path: label for label, own in found.items() for path in own.pictures}
    varying = "\n".join(identity(path, pattern) for path in owner)
    for other in [name for name in classes if name not in found]:
        taken = sorted(owner.keys() & find(pattern, other).pictures) if other in varying else []
        if taken:
            raise InputError(
                f"datasets.{dataset}.pattern: {taken[0]} is found for {owner[taken[0]]} and for {other}, one of the "
                f"classes; {APART}"
            )


def _tell_longer(dataset: str, pattern: str, found: dict[str, Found]) -> None:
    """Tell of a label whose `*` takes a name that goes on, or begins before it, as a word or number does.

    As cats or bobcat for cat, 10 or 21 for 1.
    """
    parts = pattern.split("/")
    place = next((number for number, part in enumerate(parts) if "{label}*" in part or "*{label}" in part), None)
    if place is None or "**" in parts[:place]:
        return
    for label, own in found.items():
        behind = rf"{re.escape(label)}{_more_of(label[-1])}" if "{label}*" in parts[place] else "(?!)"
        before = rf"{_more_of(label[0])}{re.escape(label)}" if "*{label}" in parts[place] else "(?!)"
        longer = [path for path in own.pictures if re.search(f"{behind}|{before}", path.split("/")[place])]
        if longer:
            goes_on = re.search(behind, longer[0].split("/")[place])
            log.critical(
                "datasets.%s: %s is taken for %s, though the name %s; if that is another class, write what %s the "
                "label in its names, as %s",
                dataset,
                longer[0],
                label,
                *(("goes on", "follows", "{label}_*") if goes_on else ("begins before it", "precedes", "*_{label}")),
            )


def _more_of(char: str) -> str:
    """A regular expression of a letter beside a letter, and of a digit beside a digit."""
    return r"[^\W\d_]" if char.isalpha() else r"\d" if char.isdigit() else "(?!)"


def _tell_stars(dataset: str, pattern: str) -> None:
    """Two stars within a name are one: no folders are looked into."""
    if mixed := next((part for part in pattern.split("/") if "**" in part and part != "**"), None):
        log.critical(
            "datasets.%s.pattern: ** in %s looks into no folders; for those at any depth write **/%s",
            dataset,
            mixed,
            mixed.replace("**", "*"),
        )
