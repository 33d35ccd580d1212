"""Where a script's words go: everything into its log, an error that can be mended as one line."""

import logging
import sys
import traceback
from types import TracebackType

from maescope.errors import InputError


def to_file(path: str) -> None:
    """Send logging, warnings and standard error of this process to a log file."""
    stream = open(path, "w", buffering=1)  # noqa: SIM115 - open as long as the process lives
    sys.stderr = stream
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    sys.excepthook = _report


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, InputError):
        print(f"error: {error}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)
