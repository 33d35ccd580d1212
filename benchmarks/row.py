"""A row of the table that bench.py prints, and how its time and memory are taken."""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HEADER = "| what | target | measured | range | verdict | remarks |\n|---|---|---|---|---|---|"


@dataclass
class Row:
    """What was measured, and what it should be: at least `target`, or at most where `limit` is set."""

    what: str
    measured: float | None  # None where it cannot be measured here
    target: float | None  # None where a number is only reported
    limit: bool = False
    unit: str = ""
    span: tuple[float, float] | None = None  # lowest and highest of the rounds
    remark: str = ""
    details: dict = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Met or missed, where both can be said."""
        if self.measured is None or self.target is None:
            return "-"
        met = self.measured <= self.target if self.limit else self.measured >= self.target
        return "met" if met else "missed"

    def markdown(self) -> str:
        """The row as a line of Markdown."""
        target = "-" if self.target is None else f"{'<=' if self.limit else '>='} {self.target:g}{self.unit}"
        measured = "-" if self.measured is None else f"{self.measured:.3g}{self.unit}"
        span = "" if self.span is None else f"{self.span[0]:.3g} to {self.span[1]:.3g}"
        return f"| {self.what} | {target} | {measured} | {span} | {self.verdict} | {self.remark} |"


def seconds(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Wall time of an action, or what another clock says."""
    start = clock()
    action()
    return clock() - start


def alternate(
    plain: Callable, ours: Callable, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[tuple[float, float]]:
    """Seconds of both, round by round after one unmeasured, each first in turn: a drift of speed falls on both."""
    plain(), ours()
    times = []
    for number in range(rounds):
        if number % 2:
            own, other = seconds(ours, clock), seconds(plain, clock)
        else:
            other, own = seconds(plain, clock), seconds(ours, clock)
        times.append((other, own))
    return times


def ratio(times: list[tuple[float, float]]) -> dict:
    """Median and range of plain / ours over the rounds, as a Row takes them."""
    ratios = [plain / ours for plain, ours in times]
    return {"measured": statistics.median(ratios), "span": (min(ratios), max(ratios))}


def in_a_process(script: str, *arguments: object) -> dict:
    """What a benchmark prints as JSON when it is run by itself, with memory of its own."""
    command = [sys.executable, script, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def resident(which: str) -> int:
    """Memory of this process in bytes: VmRSS now, VmHWM at its highest."""
    return int(re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def forget_peak() -> int:
    """Let VmHWM begin again from what is resident now, and say how much that is, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")
