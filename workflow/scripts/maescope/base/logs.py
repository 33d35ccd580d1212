"""How a script begins: its words go into its log, an error that can be mended as one line; its files are recorded."""

import atexit
import gc
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from maescope.base import provenance
from maescope.base.errors import InputError

DONE = " INFO done"  # the end of the log of a job that went well
LIBRARY = "maescope."
SILENT = "it does not say why; was it killed, or out of memory?"


def begin(job, loud: int = logging.CRITICAL) -> None:
    """The first line of a script, whose `snakemake` object is `job`.

    Parameters
    ----------
    loud : level from which what the library says is on the terminal too
    """
    gc.freeze()  # else Python looks through all that was imported once more at its end: a second, of torch and timm
    atexit.register(_unfreeze)
    to_file(job.log[0], loud)
    provenance.begin(job)


def _unfreeze() -> None:
    """Triton, which torch imports to train, tells on the terminal of all that is left of it at the end."""
    if "triton._C.libtriton" in sys.modules:
        gc.unfreeze()


def to_file(path: str, level: int = logging.CRITICAL) -> None:
    """Send logging, warnings and standard error of this process to a log file; what is critical also where it began.

    Parameters
    ----------
    level : from which what the library says goes there as well
    """
    stream = open(path, "w", buffering=1)  # noqa: SIM115 - open as long as the process lives
    sys.stderr = stream
    _from_now_on(stream, logging.INFO)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # which tells of each font in each PDF
    loud = logging.StreamHandler(sys.__stderr__)
    loud.addFilter(lambda said: said.levelno >= (level if said.name.startswith(LIBRARY) else logging.CRITICAL))
    loud.setFormatter(logging.Formatter(f"{path}: %(message)s"))
    logging.getLogger().addHandler(loud)
    sys.excepthook = _report
    atexit.register(_done)


def to_stderr(level: int) -> None:
    """Send logging of a process that a job started to where that job's goes, which is its standard error."""
    _from_now_on(sys.stderr, level)


def _from_now_on(stream: TextIO, level: int) -> None:
    logging.basicConfig(stream=stream, level=level, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)


def last_words(paths: Sequence[str], since: float = 0.0) -> list[str]:
    """Why jobs failed, by their logs: a line for each that says why or was cut short, or one for all.

    Parameters
    ----------
    paths : logs of a job, or of the jobs of a group
    since : when the run began, in seconds; what was last written before is another run's
    """
    words, begun = [], []
    for path in map(Path, paths):
        try:
            if not path.is_file() or path.stat().st_mtime < since:
                continue
            begun.append(path)
            lines = path.read_text(errors="replace").splitlines()
        except OSError as error:  # as a network disk has them
            words.append(f"{path}: cannot be read ({error.strerror})")
            continue
        begins = [number for number, line in enumerate(lines) if line.startswith(("error: ", "Traceback "))]
        if begins:
            said = lines[begins[-1] :] if lines[begins[-1]].startswith("error: ") else lines[-1:]
            words.append(f"{path}: " + "\n".join(said))
        elif not (lines and lines[-1].endswith(DONE)):
            words.append(f"{path}: {SILENT}")
    return words or [f"{', '.join(map(str, begun or paths)) or 'a job'}: {SILENT}"]


@contextmanager
def whatever_disks_do() -> Iterator[None]:
    """Around what is done once a run has ended: a disk that fails then is a line, and no other end of the run."""
    try:
        yield
    except OSError as error:
        print(f"warning: after the end of the run: {error}", file=sys.stderr)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    atexit.unregister(_done)
    if issubclass(kind, InputError):
        print(f"error: {error}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)


def _done() -> None:
    logging.info(DONE.removeprefix(" INFO "))
