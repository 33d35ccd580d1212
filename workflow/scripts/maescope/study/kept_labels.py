"""Where an extraction keeps the labels that it has finished until all are: in a folder that no rule declares.

Snakemake removes the outputs of a job that was killed, and of a group of jobs all of them where one was.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

RESULTS = Path("results")
KEPT = RESULTS / "kept"
ON_CLUSTER = (
    "MAESCOPE_ON_CLUSTER"  # set where a job that has ended well may yet have its outputs removed, with its group
)


def folder_of(tokens: str | os.PathLike) -> Path:
    """The folder beside results/, for a folder of token files in it."""
    return KEPT / Path(tokens).relative_to(RESULTS)


def forget_ended() -> None:
    """Remove what is kept of extractions that have ended well: the list of what they wrote is there."""
    for place, folders, _ in os.walk(KEPT):
        tokens = RESULTS / Path(place).relative_to(KEPT)
        if tokens.with_name(f"{tokens.name}.csv").is_file():
            shutil.rmtree(place, ignore_errors=True)
            folders.clear()
    for place, *_ in os.walk(KEPT, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(place)
