"""How a script begins: its words go into its log, an error that can be mended as one line; its files are recorded."""

import logging
import sys
import traceback
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


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        print(f"error: {error}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)
