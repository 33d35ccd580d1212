"""Someone who opens a report in a browser, clicks, and reads what is on screen."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

SHOWN = "document.querySelector('#app div.overflow-auto:not(nav)')"  # to the right of the menu
ADDRESS = f"({SHOWN}.querySelector('img, iframe') || {{}}).src"
ROWS = "[...document.querySelectorAll('#app nav tbody tr')]"


def named(words: str) -> str:
    """The link of the menu, or of the way back above it, with these words."""
    return f"[...document.querySelectorAll('#app nav a')].find((a) => a.innerText.trim() === {words!r})"


def cells(page: str) -> list[list[str]]:
    """The cells of a page's tables, row by row, as text."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    within = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[plain(html.unescape(re.sub(r"</?span[^>]*>", "", cell))) for cell in row] for row in within]


def plain(words: str) -> str:
    return " ".join(words.split())


class Reader:
    """Someone who opens the report and clicks."""

    def __init__(self, browser: Browser):
        self.browser = browser

    def home(self) -> None:
        self.browser.click("document.querySelector('#app nav nav a')", then=named("Statistics"))

    def categories(self) -> list[str]:
        self.home()
        items = self.browser.ask("[...document.querySelectorAll('#app nav ul li a')].map((a) => a.innerText.trim())")
        return items[items.index("About") + 1 :]

    def results(self, *way: str) -> list[str]:
        """The results behind the links of the menu, each by its words."""
        self.home()
        for words, after in zip(way, (*map(named, way[1:]), f"{ROWS}.length"), strict=True):
            self.browser.click(named(words), then=after)
        return self.browser.ask(f"{ROWS}.map((row) => row.children[0].innerText.trim())")

    def button(self, result: str, number: int) -> str:
        """The eye (0) or the i (1) of a result in the list that is open."""
        return f"{ROWS}.find((row) => row.children[0].innerText.trim() === {result!r}).querySelectorAll('a')[{number}]"

    def look(self, result: str) -> dict:
        """What the eye shows: an image, or a page within the page."""
        self.browser.ask(f"void (window.before = {ADDRESS})")  # megabytes, which stay there
        self.browser.click(self.button(result, 0), then=f"{ADDRESS} && {ADDRESS} !== window.before")
        if self.browser.ask(f"Boolean({SHOWN}.querySelector('img'))"):
            self.browser.wait(f"{SHOWN}.querySelector('img').complete")
            size = f"(({{naturalWidth, width}}) => [naturalWidth, width])({SHOWN}.querySelector('img'))"
            return {"widths": self.browser.ask(size)}
        self.browser.frame_loads()
        if self.browser.frame_type() == "application/pdf":
            return {"type": "application/pdf"}
        read = "[...document.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.innerText))"
        size = "(({width, height}) => [width, height])(document.querySelector('td').getBoundingClientRect())"
        return {
            "type": self.browser.frame_type(),
            "text": self.browser.frame("document.body.innerText"),
            "cells": [[plain(cell) for cell in row] for row in self.browser.frame(read)],
            "cell": self.browser.frame(size),
        }

    def caption(self, result: str, category: str) -> str:
        """What the i says; then the rule behind it, and back to the list."""
        said = "document.querySelector('#app nav').innerText"
        self.browser.click(self.button(result, 1), then=f"/SNAKEMAKE RULE/i.test({said})")
        caption = self.browser.ask(said)
        rule = "[...document.querySelectorAll('#app nav ul li span a')].at(-1)"
        self.browser.click(rule, then=f"/OUTPUT[^]*CODE/i.test({said})")
        self.browser.click(named(category), then=f"{ROWS}.length")
        return re.search(r"DESCRIPTION(.*?)SIZE\n", caption, re.DOTALL | re.IGNORECASE)[1]


@contextmanager
def opened(report: Path, folder: Path) -> Iterator[Reader]:
    """A reader of a report; at the end, nothing of all that was clicked on may have had an error."""
    if CHROMIUM is None:
        pytest.skip("no chromium here (apt-get install chromium)")
    with Browser(report, folder) as browser:
        yield Reader(browser)
        assert browser.said == []
