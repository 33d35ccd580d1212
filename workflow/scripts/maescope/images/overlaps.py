"""Pictures that two samples share, whatever they are called."""

import hashlib
import os
from collections import defaultdict

import pandas as pd

from maescope.base.errors import InputError
from maescope.images import addresses
from maescope.images.addresses import Address

START = 4096  # bytes of a file that are read where another has as many in all


def shared(one: pd.DataFrame, other: pd.DataFrame) -> list[tuple[str, str]]:
    """Names of the pictures of two sampled lists whose bytes are equal, as (label/image of one, of the other).

    Files are read as far as it takes: their size, the start of those of one size, all of what starts alike.
    """
    lists = [list(zip(_names(rows), addresses.of(rows), strict=True)) for rows in (one, other)]
    for told in (_length, _start, _all):
        by = [defaultdict(list), defaultdict(list)]
        for own, pictures in zip(by, lists, strict=True):
            for name, picture in pictures:
                own[told(picture)].append((name, picture))
        lists = [[pair for key, pairs in own.items() if key in by[0] and key in by[1] for pair in pairs] for own in by]
    return [(a, b) for key, pairs in by[0].items() for a, _ in pairs for b, _ in by[1].get(key, [])]


def require_none(reference: str, theirs: pd.DataFrame, judged: pd.DataFrame, path: str) -> None:
    """Refuse a reference that shares pictures with the study's dataset, whose sampled list is at `path`.

    Raises
    ------
    InputError
        with how many there are, and the first
    """
    found = shared(theirs, judged)
    if found:
        raise InputError(
            f"study.reference: {reference} shares images with {path} ({len(found)}, the first is {found[0][0]}, there "
            f"{found[0][1]}): they would vote for themselves; name another dataset, or take them out of one"
        )


def _names(rows: pd.DataFrame) -> list[str]:
    return rows["image"].tolist()


def _length(picture: str | Address) -> int:
    if isinstance(picture, Address) and picture.in_shard:
        return picture.length if picture.length is not None else len(picture.content())
    return os.stat(getattr(picture, "path", picture)).st_size


def _start(picture: str | Address) -> str:
    return hashlib.sha256(_bytes(picture, START)).hexdigest()


def _all(picture: str | Address) -> str:
    return hashlib.sha256(_bytes(picture)).hexdigest()


def _bytes(picture: str | Address, most: int = -1) -> bytes:
    if isinstance(picture, Address) and picture.in_shard:
        content = picture.content()
        return content if most < 0 else content[:most]
    with open(getattr(picture, "path", picture), "rb") as file:
        return file.read(most)
