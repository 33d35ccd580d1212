"""Progress of long work: a bar on a terminal, one line every so often in the log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

T = TypeVar("T")
LOG_SECONDS = 10.0


def progress(items: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while showing how far they are."""
    total = len(items) if total is None else total
    terminal = sys.__stderr__
    hidden = terminal is None or not terminal.isatty()
    started = said = time.monotonic()
    for done, item in enumerate(tqdm(items, what, total, file=terminal, unit=unit, leave=False, disable=hidden), 1):
        yield item
        if (now := time.monotonic()) - said > LOG_SECONDS or done == total:
            log.info("%s: %d of %d %ss, %.1f s", what, done, total, unit, now - started)
            said = now
