"""Progress of long work: a bar on a terminal, one line every so often in the log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

T = TypeVar("T")
LOG_SECONDS = 10.0
PERCENT_SECONDS = 2.0  # where a hundredth or more has been done since


@contextmanager
def counting(what: str, unit: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far work is.

    Yields
    ------
    a function to be called with how many more units are done, as soon as they are
    """
    terminal = sys.__stderr__
    hidden = terminal is None or not terminal.isatty()
    started = said = time.monotonic()
    done = told = 0
    with tqdm(None, what, total, file=terminal, unit=unit, leave=False, disable=hidden) as bar:

        def count(more: int) -> None:
            nonlocal done, told, said
            done += more
            bar.update(more)
            pause = PERCENT_SECONDS if 100 * (done - told) >= total else LOG_SECONDS
            if (now := time.monotonic()) - said > pause or done == total:
                log.info("%s: %d of %d %ss, %.1f s", what, done, total, unit, now - started)
                told, said = done, now

        yield count


def progress(items: Iterable[T], what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while showing how far they are."""
    with counting(what, unit, len(items) if total is None else total) as count:
        for item in items:
            yield item
            count(1)
