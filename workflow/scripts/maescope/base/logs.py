"""How a script begins: its words go into its log, an error that can be mended as one line; its files are recorded."""

import logging
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from maescope.base import provenance
from maescope.base.errors import InputError


def begin(job) -> None:
    """The first line of a script, whose `snakemake` object is `job`."""
    to_file(job.log[0])
    provenance.begin(job)


def to_file(path: str) -> None:
    """Send logging, warnings and standard error of this process to a log file; what is critical also where it began."""
    stream = open(path, "w", buffering=1)  # noqa: SIM115 - open as long as the process lives
    sys.stderr = stream
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # which tells of each font in each PDF
    loud = logging.StreamHandler(sys.__stderr__)
    loud.setLevel(logging.CRITICAL)
    loud.setFormatter(logging.Formatter(f"{path}: %(message)s"))
    logging.getLogger().addHandler(loud)
    sys.excepthook = _report


def last_words(paths: Iterable[str]) -> list[str]:
    """Why jobs failed, by their logs: a line for each that says why, or one for all where none does."""
    words = []
    for path in filter(Path.is_file, map(Path, paths)):
        lines = path.read_text(errors="replace").splitlines()
        begins = [number for number, line in enumerate(lines) if line.startswith(("error: ", "Traceback "))]
        if begins:
            said = lines[begins[-1] :] if lines[begins[-1]].startswith("error: ") else lines[-1:]
            words.append(f"{path}: " + "\n".join(said))
    return words or [f"{', '.join(paths) or 'a job'}: it does not say why; was it killed, or out of memory?"]


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        print(f"error: {error}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)
