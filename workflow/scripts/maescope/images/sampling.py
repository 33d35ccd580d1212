"""Which pictures of a dataset are used: found by a pattern, drawn by a seed, each one decoded once."""

import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from glob import escape, glob
from pathlib import Path

from maescope.base import names, seeds
from maescope.base.errors import InputError
from maescope.images.reading import SUFFIXES, load

log = logging.getLogger(__name__)


def find(pattern: str, label: str) -> tuple[list[str], list[str]]:
    """Pictures and other files (junk) that a pattern matches for a label, both sorted."""
    written = (sorted(glob(pattern.replace("{label}", escape(form)))) for form in names.forms(label))
    found = next(filter(None, written), [])
    pictures = [path for path in found if Path(path).suffix.lower() in SUFFIXES]
    return pictures, sorted(set(found) - set(pictures))


def identity(path: str, pattern: str) -> str:
    """The part of a path behind the fixed beginning of its pattern: names an image wherever the dataset lies."""
    fixed = re.split(r"[^/]*(?:\{label\}|[*?\[])", pattern, maxsplit=1)[0]
    return path.removeprefix(fixed)


def sample(
    dataset: str,
    pattern: str,
    labels: Sequence[str],
    count: int | None,
    seed: int,
    *,
    allow_fewer: bool = False,
    on_bad_image: str = "error",
    threads: int = 1,
) -> tuple[list[dict], list[dict]]:
    """Draw `count` images of each label at random, every one decoded once to know that it is whole.

    Returns
    -------
    chosen : dicts of label, image (its identity), path
    skipped : dicts of label, path, reason, for files that could not be decoded

    Raises
    ------
    InputError
        listing the labels without a folder or with too few images, or naming the first broken file
    """
    found = {label: find(pattern, label) for label in labels}
    _require_names(path for paths, _ in found.values() for path in paths)
    _require_enough(dataset, pattern, found, count, allow_fewer)
    chosen, skipped = [], []
    for label, (paths, _) in found.items():
        order = seeds.generator(seed, dataset, label).permutation(len(paths))
        good, bad = _take(([paths[i] for i in order]), count, on_bad_image, threads)
        if count is not None and len(good) < count:
            message = f"{dataset}: {label} has {len(good)} usable images of {count}"
            if not allow_fewer or not good:
                raise InputError(f"{message}; lower count or set allow_fewer: true")
            log.warning("%s", message)
        chosen += [{"label": label, "image": identity(path, pattern), "path": path} for path in sorted(good)]
        skipped += [{"label": label, "path": path, "reason": reason} for path, reason in bad]
    return chosen, skipped


def _require_names(paths: Iterable[str]) -> None:
    """Names must be text of one line, as lists, tables and logs hold them."""
    for path in paths:
        if (unseen := names.unseen(path)) is not None:
            raise InputError(f"{path!a}: has the character {unseen!a}, which is not seen, in its name; rename it")


def _require_enough(dataset: str, pattern: str, found: dict, count: int | None, allow_fewer: bool) -> None:
    """All labels that lack images, in one message."""
    least = 1 if count is None or allow_fewer else count
    short = {label: files for label, files in found.items() if len(files[0]) < least}
    if not short:
        return
    lines = []
    for label, (pictures, junk) in short.items():
        where = pattern.replace("{label}", label)
        others = f"; not pictures: {', '.join(junk[:5])}" if junk else ""
        lines.append(f"  {label}: {len(pictures)} of {least} images in {where}{others}")
    more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
    fewer = ", lower count, or set allow_fewer: true" if all(pictures for pictures, _ in short.values()) else ""
    raise InputError(
        f"datasets.{dataset}: too few images for {len(short)} of {len(found)} labels; correct the pattern or the "
        f"labels{fewer}\n" + "\n".join(lines[:20]) + more
    )


def _take(
    paths: Sequence[str], count: int | None, on_bad_image: str, threads: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """The first `count` paths that can be decoded, and those before them that cannot."""
    good: list[str] = []
    bad: list[tuple[str, str]] = []
    wanted = len(paths) if count is None else count
    with ThreadPoolExecutor(threads) as pool:
        while len(good) < wanted and (tried := len(good) + len(bad)) < len(paths):
            tries = paths[tried : tried + wanted - len(good)]
            for path, reason in zip(tries, pool.map(_fault, tries), strict=True):
                if reason is None:
                    good.append(path)
                elif on_bad_image == "error":
                    raise InputError(reason)
                else:
                    log.warning("skipped %s", reason)
                    bad.append((path, reason))
    return good, bad


def _fault(path: str) -> str | None:
    """Why a picture cannot be used, None if it can."""
    try:
        load(path)
    except InputError as error:
        return str(error)
    return None
