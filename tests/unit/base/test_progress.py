"""Progress in a log: a line now and then, and one at the end."""

import io
import logging
import sys
import time

import pytest

from maescope.base import progress


@pytest.fixture
def lines(caplog, monkeypatch):
    """Log lines of one run over items that take three seconds each, by a clock of ours."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def run(items, **arguments):
        got = []
        with caplog.at_level(logging.INFO, logger=progress.log.name):
            for item in progress.progress(items, "digits clean", "image", **arguments):
                got.append(item)
                now[0] += 3
        return got, [record.getMessage() for record in caplog.records]

    return run


def test_there_is_a_line_every_so_often_and_at_the_end(lines):
    got, said = lines(range(10))
    assert got == list(range(10))
    assert said == [
        "digits clean: 4 of 10 images, 12.0 s",
        "digits clean: 8 of 10 images, 24.0 s",
        "digits clean: 10 of 10 images, 30.0 s",
    ]


def test_items_without_a_length_need_a_total(lines):
    got, said = lines(iter("ab"), total=2)
    assert got == ["a", "b"]
    assert said == ["digits clean: 2 of 2 images, 6.0 s"]


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
