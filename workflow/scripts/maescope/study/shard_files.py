"""Which files a dataset in shards has: one, all of a folder, or those that a glob matches."""

import re
from glob import glob
from os.path import basename, isdir, lexists
from pathlib import Path

from maescope.base import names
from maescope.base.errors import InputError

NUMBERED = re.compile(r"[-_.]?\d+([-_.]of[-_.]\d+)?$")  # train-00003-of-00010, val-000012


def shard_files(key: str, place: str, ending: str) -> list[str]:
    """The files, sorted.

    Parameters
    ----------
    key : of the configuration, for messages
    place : a file, a folder, or a glob
    ending : of the files that are taken from a folder, `.gz` and the like behind it as well

    Raises
    ------
    InputError
        naming the key, where there are none, or those of a folder are of several splits
    """
    places = [place] if lexists(place) else sorted(glob(place, recursive=True))
    found = []
    for one in places:
        own = sorted(map(str, Path(one).iterdir())) if isdir(one) else [one]
        taken = [path for path in own if not isdir(one) or ending in Path(path).suffixes[-2:]]
        splits = sorted({NUMBERED.sub("", basename(path).partition(ending)[0]) for path in taken})
        if isdir(one) and len(splits) > 1:
            raise InputError(
                f"{key}: {one} has files of several names ({names.shown(', '.join(splits[:4]))}), as splits have; "
                f"write which, as {Path(one, splits[0])}-*{ending}"
            )
        found += taken
    if not found:
        raise InputError(f"{key}: there is no {place}, or no {ending} in it; correct the path, a folder or a glob")
    return list(dict.fromkeys(found))
