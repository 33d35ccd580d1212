"""Which files a dataset in shards has: one, all of a folder, or those that a glob matches."""

import os
import re
from glob import glob
from os.path import basename, exists, isdir, lexists
from pathlib import Path

from maescope.base import names
from maescope.base.errors import InputError

NUMBERED = re.compile(r"[-_.]?\d+([-_.]of[-_.]\d+(-[0-9a-f]{16})?)?$")  # val-000012, train-00003-of-00010-a09b...


def shard_files(key: str, place: str, ending: str) -> list[str]:
    """The files, sorted.

    Parameters
    ----------
    key : of the configuration, for messages
    place : a file, a folder, or a glob
    ending : of the files that are taken from a folder, `.gz` and the like behind it as well; hidden ones are not

    Raises
    ------
    InputError
        naming the key, where there are none, one is a link to nothing, or those of a folder are of several splits
    """
    places = [place] if lexists(place) else sorted(glob(place, recursive=True))
    found = []
    for one in places:
        taken = [one]
        if isdir(one):
            seen = [path for path in sorted(Path(one).iterdir()) if not path.name.startswith(".")]
            taken = [str(path) for path in seen if ending in path.suffixes[-2:]]
        splits = sorted({NUMBERED.sub("", basename(path).partition(ending)[0]) for path in taken})
        if isdir(one) and len(splits) > 1:
            raise InputError(
                f"{key}: {one} has files of several names ({names.shown(', '.join(splits[:4]))}), as splits have; "
                f"write which, as {Path(one, splits[-1])}-*{ending}"
            )
        found += taken
    if not found:
        raise InputError(f"{key}: there is no {place}, or no {ending} in it; correct the path, a folder or a glob")
    if gone := next((path for path in found if not exists(path)), None):
        raise InputError(f"{key}: {gone} links to {os.readlink(gone)}, which is not there; mend or remove it")
    return list(dict.fromkeys(found))
