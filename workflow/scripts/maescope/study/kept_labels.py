"""What killed extractions have left: token files in a folder whose list, which is written last, is not there yet."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

RESULTS = Path("results")


def list_of(folder: str | os.PathLike) -> Path:
    """What an extraction writes last, for the folder of its token files."""
    return Path(f"{os.fspath(folder)}.csv")


def unended() -> dict[Path, list[Path]]:
    """Folders of token files whose list is not there, sorted, and their files."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(RESULTS.rglob("[!.]*.h5")):
        if not list_of(path.parent).is_file():
            found.setdefault(path.parent, []).append(path)
    return found


def remarks(left: dict[Path, list[Path]], makes: Callable[[str], bool]) -> Iterator[str]:
    """A line for each of these folders: how many labels, their size, whom they are for.

    Parameters
    ----------
    makes : whether the configuration has a rule that makes a path
    """
    for folder, files in left.items():
        size = sum(path.stat().st_size for path in files if path.is_file())
        if makes(str(list_of(folder))):
            whose = "the extraction has not ended; its next attempt takes over what fits"
        else:
            whose = "nothing makes them with this configuration; if no other study does, and nothing runs, rm -r it"
        yield f"kept: {folder}: {len(files)} label{'s' * (len(files) != 1)}, {size / 1e9:.3f} GB: {whose}"
