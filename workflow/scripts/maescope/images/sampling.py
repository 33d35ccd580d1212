"""Which pictures of a dataset are used: found by a pattern, drawn by a seed, each one decoded once."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maescope.base import names, seeds
from maescope.base.errors import InputError
from maescope.images.patterns import Found, belonging, identity, plain
from maescope.images.reading import SUFFIXES, UNREAD, load, require_shape

log = logging.getLogger(__name__)


def sample(
    dataset: str,
    pattern: str,
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
) -> tuple[list[dict], list[dict]]:
    """Draw `count` images of each label at random, every one decoded once to know that it is whole.

    Parameters
    ----------
    classes : all that the dataset has, see `patterns.belonging`
    resize : shorter side in pixels that the pictures will be brought to, the largest there is; None if it is not known.
        It decides a warning alone
    listed : the file of the labels and the line of the first, None where the configuration has the labels themselves

    Returns
    -------
    chosen : dicts of label, image (its identity), path, width and height in pixels
    skipped : dicts of label, path, reason, for files that cannot be used

    Raises
    ------
    InputError
        listing the labels without a folder or with too few images, or naming the first broken file, or one that is
        found for two labels
    """
    found = belonging(dataset, pattern, labels, classes)
    _require_names(path for own in found.values() for path in own.pictures)
    _require_any(dataset, pattern, found, listed)
    _require_enough(dataset, pattern, found, count, allow_fewer)
    _tell_others(dataset, pattern, found)
    chosen, skipped = [], []
    for label, (paths, _) in found.items():
        order = seeds.generator(seed, dataset, label).permutation(len(paths))
        good, bad = _take(([paths[i] for i in order]), count, on_bad_image, threads)
        if len(good) < (count or 1):
            message = f"{dataset}: {label} has {len(good)} usable images of {count or len(paths)}"
            if not allow_fewer or not good:
                raise InputError(f"{message}; lower count or set allow_fewer: true")
            log.warning("%s", message)
        for path, (width, height) in sorted(good.items()):
            one = {"label": label, "image": identity(path, pattern), "path": path}
            chosen.append(one | {"width": width, "height": height})
        skipped += [{"label": label, "path": path, "reason": reason} for path, reason in bad.items()]
    _tell_enlarged(dataset, chosen, resize)
    return chosen, skipped


def _require_names(paths: Iterable[str]) -> None:
    """Names must be text of one line, as lists, tables and logs hold them."""
    for path in paths:
        if (unseen := names.unseen(path)) is not None:
            raise InputError(f"{path!a}: has the character {unseen!a}, which is not seen, in its name; rename it")


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
            "not pictures": [path for path in others if Path(path).suffix.lower() not in SUFFIXES],
            "pictures with another ending": [path for path in others if Path(path).suffix.lower() in SUFFIXES],
        }
        beside = "".join(f"; {kind}: {names.shown(', '.join(paths[:5]))}" for kind, paths in kinds.items() if paths)
        lines.append(f"  {label}: {len(pictures)} of {least} images in {where}{beside}")
    more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
    fewer = ", lower count, or set allow_fewer: true" if all(own.pictures for own in short.values()) else ""
    raise InputError(
        f"datasets.{dataset}: too few images for {len(short)} of {len(found)} labels; correct the pattern or the "
        f"labels{fewer}\n" + "\n".join(lines[:20]) + more
    )


def _tell_others(dataset: str, pattern: str, found: dict[str, Found]) -> None:
    """What lies beside the pictures and is passed over, loud where it may be meant: a pattern has no ending."""
    any_ending = not {Path(pattern).suffix.lower()} & SUFFIXES
    others = [path for own in found.values() for path in own.others]
    others = [path for path in others if any_ending or Path(path).suffix.lower() in SUFFIXES]
    if not others:
        return
    kinds = Counter("folder" if Path(path).is_dir() else Path(path).suffix.lower() or "no ending" for path in others)
    log.log(
        logging.CRITICAL if any_ending and kinds.keys() & (SUFFIXES | UNREAD | {"folder"}) else logging.WARNING,
        "datasets.%s: passed over: %s, the first is %s; a pattern with * takes pictures of every ending that is read, "
        "one with **/* those in folders as well",
        dataset,
        ", ".join(f"{number} of {names.shown(kind)}" for kind, number in kinds.most_common(5)),
        names.shown(others[0]),
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
    paths: Sequence[str], count: int | None, on_bad_image: str, threads: int
) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    """The first `count` paths that can be used, each with its size; and why those before them cannot."""
    good, bad = {}, {}
    wanted = len(paths) if count is None else count
    with ThreadPoolExecutor(threads) as pool:
        while len(good) < wanted and (tried := len(good) + len(bad)) < len(paths):
            tries = paths[tried : tried + wanted - len(good)]
            for path, (size, fault) in zip(tries, pool.map(_look_at, tries), strict=True):
                if fault is None:
                    good[path] = size
                elif on_bad_image == "error":
                    raise InputError(fault)
                else:
                    log.warning("skipped %s", fault)
                    bad[path] = fault
    return good, bad


def _look_at(path: str) -> tuple[tuple[int, int] | None, str | None]:
    """The size of a picture that can be used, or why it cannot."""
    try:
        size = load(path).size
        require_shape(path, size)
    except InputError as error:
        return None, str(error)
    return size, None
