"""Where an extraction keeps the labels that it has finished until all are: in a folder that no rule declares.

Snakemake removes the outputs of a job that was killed, and of a group of jobs all of them where one was.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

RESULTS = Path("results")
KEPT = RESULTS / "kept"
# Set where a job that has ended well may yet have its outputs removed, with its group.
ON_CLUSTER = "MAESCOPE_ON_CLUSTER"


def folder_of(tokens: str | os.PathLike) -> Path:
    """The folder beside results/, for a folder of token files in it."""
    return KEPT / Path(tokens).relative_to(RESULTS)


def forget_ended() -> None:
    """Remove what is kept of extractions that have ended well: the list of what they wrote is there."""
    for place, folders, _ in os.walk(KEPT):
        if _list_of(place).is_file():
            shutil.rmtree(place, ignore_errors=True)
            folders.clear()
    for place, *_ in os.walk(KEPT, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(place)


def remarks(makes: Callable[[str], bool]) -> Iterator[str]:
    """A line per extraction of which labels are kept: where, how many, what removing them frees, whom they are for.

    Parameters
    ----------
    makes : whether the configuration has a rule that makes a path
    """
    for place in sorted({path.parents[1] for path in KEPT.rglob("*.h5")}):
        files = {}
        for path in place.rglob("*.h5"):
            with suppress(FileNotFoundError):  # a job that runs hands it over
                files[path.name] = path.stat()
        labels = sum(not name.startswith(".tmp.") for name in files)
        freed = sum(file.st_size for file in files.values() if file.st_nlink == 1)  # others are in their places too
        if _list_of(place).is_file():
            whose = "the extraction has ended; the end of the next run removes them"
        elif makes(str(_list_of(place))):
            whose = "the extraction has not ended; its next attempt takes them over"
        else:
            whose = "nothing makes them with this configuration; if no other study does, and nothing runs, rm -r it"
        yield f"kept: {place}: {labels} label{'s' * (labels != 1)}, {freed / 1e9:.3f} GB: {whose}"


def _list_of(kept: str | os.PathLike) -> Path:
    """What an extraction writes last, for the folder of what is kept of it."""
    tokens = RESULTS / Path(kept).relative_to(KEPT)
    return tokens.with_name(f"{tokens.name}.csv")
