"""Files that are either whole or not there."""

import errno
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from maescope.base.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}
DAY = 24 * 3600
LONGEST = 128  # bytes of a name that a temporary has as it is: with host and process it may have 255
listeners: list[Callable[[Path], None]] = []  # told of every file that has taken its place


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, flushed to disk, when the block ends well.

    The name keeps its ending, which some writers go by, and is short enough for any file system. What a killed job left
    behind is removed first.

    Raises
    ------
    InputError
        where the disk is full
    """
    path = Path(path)
    temporary = path.with_name(f".tmp.{platform.node()}.{os.getpid()}.{_bounded(path)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:
        if _is_full(error):
            raise InputError(f"{path}: cannot be written, the disk is full; free some space and run again") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
    for listener in listeners:
        listener(path)


def _bounded(path: Path) -> str:
    """The name of a file or, of a long one, a digest of it with its ending."""
    if len(os.fsencode(path.name)) <= LONGEST:
        return path.name
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32] + path.suffix


def _remove_stale(path: Path) -> None:
    """Remove temporaries of `path` whose process is gone: a job that outlived its Snakemake may still be writing."""
    for temporary in path.parent.glob(f".tmp.*.{escape(_bounded(path))}"):
        owner = temporary.name.removeprefix(".tmp.").removesuffix(f".{_bounded(path)}")
        host, _, process = owner.rpartition(".")
        if process.isdigit() and not _may_be_written(temporary, host, int(process)):
            temporary.unlink(missing_ok=True)


def _may_be_written(temporary: Path, host: str, process: int) -> bool:
    """Whether its process may still write: one of this machine that runs, of another one that wrote within a day."""
    try:
        if host != platform.node():
            return time.time() - temporary.stat().st_mtime < DAY
        os.kill(process, 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:  # it runs, and is somebody else's
        return True
    return True


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk is the reason: safetensors says so in words only, PDFs stumble over what comes of it."""
    if error is None:
        return False
    if getattr(error, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(error):
        return True
    return _is_full(error.__cause__ or error.__context__)
