"""Progress in a log: a line now and then, and one at the end."""

import io
import logging
import sys
import time

import pytest

from maescope.base import progress


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until it is told to go on."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(clock, caplog):
    """Log lines of one run over items that take so many seconds each."""

    def run(items, seconds=3.0, **arguments):
        got = []
        with caplog.at_level(logging.INFO, logger=progress.log.name):
            for item in progress.progress(items, "digits clean", "image", **arguments):
                got.append(item)
                clock[0] += seconds
        return got, [record.getMessage() for record in caplog.records]

    return run


def test_there_is_a_line_for_a_hundredth_every_so_often_and_at_the_end(lines):
    """Where less is done, every ten seconds."""
    got, said = lines(range(5), seconds=1.5)
    assert got == list(range(5))
    assert said == [f"digits clean: {done} of 5 images, {1.5 * done:.1f} s" for done in (2, 4, 5)]
    _, said = lines(range(500))
    assert said[3:6] == [f"digits clean: {done} of 500 images, {3 * done:.1f} s" for done in (4, 8, 12)]


def test_items_without_a_length_need_a_total(lines):
    got, said = lines(iter("ab"), seconds=1.0, total=2)
    assert got == ["a", "b"]
    assert said == ["digits clean: 2 of 2 images, 2.0 s"]


def test_a_batch_is_counted_when_it_is_done_and_whole(clock, caplog, monkeypatch):
    """Not its first image when it is done, and the others with the next batch."""
    monkeypatch.setattr(sys, "__stderr__", Terminal())
    caplog.set_level(logging.INFO, logger=progress.log.name)
    with progress.counting("digits clean", "image", 100) as count:
        for done in (50, 100):
            clock[0] += 20
            time.sleep(0.15)  # longer than tqdm waits, by a clock of its own
            count(50)
            assert caplog.records[-1].getMessage().startswith(f"digits clean: {done} of 100 images")
            assert f"| {done}/100 [" in sys.__stderr__.getvalue().split("\r")[-1]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_a_bar_is_drawn_on_a_terminal_only(stream, shown, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", stream())
    assert list(progress.progress(range(3), "digits clean", "image")) == [0, 1, 2]
    assert ("digits clean" in sys.__stderr__.getvalue()) == shown


def test_work_without_a_standard_error_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", None)
    assert list(progress.progress(range(3), "x", "image")) == [0, 1, 2]
