"""Which pictures of a dataset are used: found by a pattern, drawn by a seed, each one decoded once."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import PIL

from maescope.base import names, seeds
from maescope.base.errors import InputError
from maescope.images.addresses import Address, Pictures
from maescope.images.patterns import Found, belonging, identity, plain
from maescope.images.reading import SUFFIXES, UNREAD, load, require_shape

log = logging.getLogger(__name__)


def sample(
    dataset: str,
    place: str,
    labels: Sequence[str],
    count: int | None,
    seed: int,
    *,
    classes: Sequence[str] = (),
    resize: int | None = None,
    allow_fewer: bool = False,
    on_bad_image: str = "error",
    threads: int = 1,
    listed: str | None = None,
    exif: str | None = None,
    told: Pictures | None = None,
) -> tuple[list[dict], list[dict]]:
    """Draw `count` images of each label at random, every one decoded once to know that it is whole.

    Which are drawn follows from their names and the seed, wherever they lie.

    Parameters
    ----------
    place : a pattern; or the list or shards of `told`
    classes : all that the dataset has, see `patterns.belonging`
    resize : shorter side in pixels that the pictures will be brought to, the largest there is; None if it is not known.
        It decides a warning alone
    listed : the file of the labels and the line of the first, None where the configuration has the labels themselves
    exif : apply, where pictures are turned as their EXIF orientation says
    told : of a dataset that is no folders all of its pictures, as `sources.find` has them

    Returns
    -------
    chosen : dicts of label, image (its identity), path, width and height in pixels, and what else `addresses` has
    skipped : dicts of label, path, reason, for files that cannot be used

    Raises
    ------
    InputError
        listing the labels without a folder or with too few images, or naming the first broken file, or one that is
        found for two labels
    """
    named_by = None if told is None else f"datasets.{dataset}: {place}"
    if told is None:
        told = _of_pattern(dataset, place, labels, count, classes, allow_fewer, listed)
    else:
        _require_names(name for own in told.values() for name in own)
        _require_enough(dataset, place, {label: Found([*own], []) for label, own in told.items()}, count, allow_fewer)
    chosen, skipped = [], []
    for label, own in told.items():
        pictures = [_named(name, picture, exif) for name, picture in own.items()]
        order = seeds.generator(seed, dataset, label).permutation(len(pictures))
        good, bad = _take([pictures[i] for i in order], count, on_bad_image, threads, named_by)
        if len(good) < (count or 1):
            message = f"{dataset}: {label} has {len(good)} usable images of {count or len(pictures)}"
            if not allow_fewer or not good:
                raise InputError(f"{message}; lower count or set allow_fewer: true")
            log.warning("%s", message)
        for picture, (width, height) in sorted(good.items(), key=lambda one: one[0].name):
            one = {"label": label, "image": picture.name, "path": picture.path, "width": width, "height": height}
            chosen.append(one | picture.columns())
        skipped += [{"label": label, "path": str(picture), "reason": reason} for picture, reason in bad.items()]
    _tell_enlarged(dataset, chosen, resize)
    return chosen, skipped


def _of_pattern(
    dataset: str,
    pattern: str,
    labels: Sequence[str],
    count: int | None,
    classes: Sequence[str],
    allow_fewer: bool,
    listed: str | None,
) -> Pictures:
    """All pictures that a pattern finds for each label."""
    found = belonging(dataset, pattern, labels, classes)
    _require_names(path for own in found.values() for path in own.pictures)
    _require_any(dataset, pattern, found, listed)
    _require_enough(dataset, pattern, found, count, allow_fewer)
    _tell_others(dataset, pattern, found)
    return {label: {identity(path, pattern): path for path in own.pictures} for label, own in found.items()}


def _require_names(paths: Iterable[str]) -> None:
    """Names must be text of one line, as lists, tables and logs hold them."""
    for path in paths:
        if (unseen := names.unseen(path)) is not None:
            raise InputError(f"{path!a}: has the character {unseen!a}, which is not seen, in its name; rename it")


def _named(name: str, picture: str | Address, exif: str | None) -> Address:
    """Where a picture is, with what it is called."""
    if isinstance(picture, Address):
        return replace(picture, name=name, exif=exif)
    return Address(picture, name, exif=exif)


def _require_any(dataset: str, pattern: str, found: dict[str, Found], listed: str | None) -> None:
    """Of the labels of a list at least one must be there; else it is the list that is not as it should be."""
    if listed and not any(own.pictures or own.others for own in found.values()):
        where = plain(pattern).replace("{label}", next(iter(found)))
        raise InputError(
            f"datasets.{dataset}.classes: {listed}: there is no {where}, nor one for any other line; "
            "give one label per line, called as the folders are, or correct the pattern"
        )


def _require_enough(dataset: str, pattern: str, found: dict, count: int | None, allow_fewer: bool) -> None:
    """All labels that lack images, in one message."""
    least = 1 if count is None or allow_fewer else count
    short = {label: own for label, own in found.items() if len(own.pictures) < least}
    if not short:
        return
    lines = []
    for label, (pictures, others) in short.items():
        where = plain(pattern).replace("{label}", label)
        kinds = {
            "not pictures": [path for path in others if Path(path).suffix.lower() not in SUFFIXES | UNREAD],
            f"pictures that Pillow {PIL.__version__} cannot open": [
                path for path in others if Path(path).suffix.lower() in UNREAD
            ],
            "pictures with another ending": [path for path in others if Path(path).suffix.lower() in SUFFIXES],
        }
        beside = "".join(f"; {kind}: {names.shown(', '.join(paths[:5]))}" for kind, paths in kinds.items() if paths)
        lines.append(f"  {label}: {len(pictures)} of {least} images in {where}{beside}")
    more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
    fewer = ", lower count, or set allow_fewer: true" if all(own.pictures for own in short.values()) else ""
    raise InputError(
        f"datasets.{dataset}: too few images for {len(short)} of {len(found)} labels; correct the "
        f"{'pattern' if '{label}' in pattern else 'path'} or the labels{fewer}\n" + "\n".join(lines[:20]) + more
    )


def _tell_others(dataset: str, pattern: str, found: dict[str, Found]) -> None:
    """What lies beside the pictures and is passed over, loud where it may be meant: a pattern has no ending."""
    any_ending = not {Path(pattern).suffix.lower()} & SUFFIXES
    others = [path for own in found.values() for path in own.others]
    others = [path for path in others if any_ending or Path(path).suffix.lower() in SUFFIXES]
    if not others:
        return
    kinds = Counter("folder" if Path(path).is_dir() else Path(path).suffix.lower() or "no ending" for path in others)
    unread = sorted(kinds.keys() & UNREAD)
    log.log(
        logging.CRITICAL if any_ending and kinds.keys() & (SUFFIXES | UNREAD | {"folder"}) else logging.WARNING,
        "datasets.%s: passed over: %s, the first is %s; a pattern with * takes pictures of every ending that is read, "
        "one with **/* those in folders as well%s",
        dataset,
        ", ".join(f"{number} of {names.shown(kind)}" for kind, number in kinds.most_common(5)),
        names.shown(others[0]),
        f"; Pillow {PIL.__version__} cannot open {', '.join(unread)}: convert them" if unread else "",
    )


def _tell_enlarged(dataset: str, chosen: list[dict], resize: int | None) -> None:
    """Pictures of which more than half of each side will be made up."""
    short = [min(row["width"], row["height"]) for row in chosen]
    small = [side for side in short if resize and 2 * side < resize]
    if small:
        log.warning(
            "datasets.%s: %d of %d pictures are enlarged more than twofold, the smallest from %d to %d px; what they "
            "lack in detail is interpolated",
            dataset,
            len(small),
            len(chosen),
            min(small),
            resize,
        )


def _take(
    pictures: Sequence[Address], count: int | None, on_bad_image: str, threads: int, named_by: str | None
) -> tuple[dict[Address, tuple[int, int]], dict[Address, str]]:
    """The first `count` pictures that can be used, each with its size; and why those before them cannot."""
    good, bad = {}, {}
    wanted = len(pictures) if count is None else count
    with ThreadPoolExecutor(threads) as pool:
        while len(good) < wanted and (tried := len(good) + len(bad)) < len(pictures):
            tries = pictures[tried : tried + wanted - len(good)]
            if tries[0].in_shard:  # rows of one row group one after another
                tries = sorted(tries, key=lambda picture: (picture.path, picture.start or picture.row or 0))
            for picture, size, fault in pool.map(partial(_look_at, named_by=named_by), tries):
                if fault is None:
                    good[picture] = size
                elif on_bad_image == "error":
                    raise InputError(fault)
                else:
                    log.warning("skipped %s", fault)
                    bad[picture] = fault
    return good, bad


def _look_at(picture: Address, named_by: str | None) -> tuple[Address, tuple[int, int] | None, str | None]:
    """A picture as it is now and its size, or why it cannot be used."""
    if named_by and not os.path.lexists(picture.path):
        fault = f"{named_by} names {picture.path}, which is not there; correct that, or set on_bad_image: skip"
        return picture, None, fault
    try:
        size = load(picture).size
        require_shape(picture, size)
        return picture.digested(), size, None
    except InputError as error:
        return picture, None, str(error)
