"""What a person sees of a run: a line for each job that has ended, a bar for those that run, and what is wrong.

It takes the place of Snakemake's handler for the terminal, and reads the records that logger plugins get as well.
Snakemake's own words, all of them, stay in its log below .snakemake/log.
"""

import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from maescope.base import logs
from maescope.base.pace import Pace, about, clock

USUAL = "DefaultStreamHandler"  # Snakemake's name of the handler whose place this takes
PROGRESS = re.compile(rb": (\d+) of (\d+) (\w+), [\d.]+ s$", re.MULTILINE)  # a line of `base.progress`
SAID = re.compile("Nothing to be done|Terminating processes|Will exit after")  # of Snakemake's plain remarks
UNSAID = re.compile(  # of what is wrong: that of a job is in its log
    r"Exiting because a job execution failed|WorkflowError:\s+At least one job did not complete"
    r"|RuleException:\s+CalledProcessError in file"
)
ELSEWHERE = re.compile(
    r"\s*(For further error details see|sbatch call:|Detailed failure reason unavailable).*", re.DOTALL
)
PLACE = re.compile(r'\s*File ".*", line \d+')  # of a traceback
TICK = 1.0  # seconds between two looks at what runs
PAUSE = 0.3  # seconds after which it is known whether a job fails because of Ctrl-C, which all of them get
SHOWN = 8  # jobs whose logs are looked at


@dataclass
class Job:
    """One that was begun."""

    rule: str
    words: str  # the rule and the values of its wildcards
    logs: list[str]
    begun: float

    def progress(self) -> tuple[int, int, bytes] | None:
        """How many of how many units are done, by the last lines of its log."""
        try:
            with open(self.logs[0], "rb") as log:
                if os.fstat(log.fileno()).st_mtime < self.begun - 1:
                    return None  # of another run
                log.seek(max(log.seek(0, os.SEEK_END) - 4096, 0))
                done, total, unit = PROGRESS.findall(log.read())[-1]
        except (OSError, IndexError):
            return None
        return int(done), int(total), unit


class Screen:
    """Lines, and on a terminal a last one that is drawn anew, the bar. What jobs write themselves goes above it."""

    def __init__(self, stream):
        self.stream, self.bar, self.kept, self.lock = stream, "", {}, threading.RLock()
        self.deaf = False  # to what jobs write
        self.live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def begin(self) -> None:
        """From now on a bar can be drawn: all that is written to the terminal comes through here."""
        if not self.live or self.kept:
            return
        self._flush()
        reader, writer = os.pipe()
        own = os.dup(self.stream.fileno())
        self.stream = open(own, "w", buffering=1, errors="replace")  # noqa: SIM115 - until the end
        for number in (1, 2):
            if os.isatty(number):
                self.kept[number] = os.dup(number)
                os.dup2(writer, number)
        os.close(writer)
        self.passing = threading.Thread(target=self._pass_on, args=(reader,), daemon=True)
        self.passing.start()

    def line(self, text: str) -> None:
        with self.lock, suppress(OSError):  # a terminal that was closed: the run goes on
            self.stream.write(f"{self._erased()}{text}\n{self.bar}")
            self.stream.flush()

    def draw(self, text: str) -> None:
        """The bar, as far as it fits; nothing without a terminal, or behind a shell's prompt."""
        if self.kept:
            with self.lock, suppress(OSError):
                if not text or os.tcgetpgrp(self.stream.fileno()) == os.getpgrp():
                    erased, self.bar = self._erased(), text[: self.columns() - 1]
                    self.stream.write(erased + self.bar)
                    self.stream.flush()

    def columns(self) -> int:
        with suppress(OSError):
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        return 80

    def end(self) -> None:
        """The terminal as it was."""
        if not self.kept:
            return
        self.draw("")
        self._flush()
        for number, own in self.kept.items():
            os.dup2(own, number)
            os.close(own)
        self.kept = {}
        self.passing.join(1)  # the last words of jobs; one that Snakemake left behind may hold on to its end

    def _erased(self) -> str:
        return "\r\x1b[K" if self.bar else ""

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()

    def _pass_on(self, reader: int) -> None:
        rest = b""
        while said := os.read(reader, 65536):
            time.sleep(PAUSE)
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                self._pass(line)
        if rest:
            self._pass(rest)
        os.close(reader)

    def _pass(self, line: bytes) -> None:
        if not self.deaf:
            self.line(line.decode(errors="replace"))


class Terminal(logging.Handler):
    """Records of a run as lines on the terminal; until jobs are to run, and of a dry run, Snakemake's own.

    Parameters
    ----------
    usual : Snakemake's handler
    settings : its `OutputSettings`
    file : where its log is, if it keeps one
    whole : whether all that Snakemake says is wanted, as of a workflow that uses this one as a module
    """

    def __init__(self, usual: logging.StreamHandler, settings, file: str | None, whole: bool):
        super().__init__()
        self.usual, self.file, self.screen = usual, file, Screen(usual.stream)
        self.dryrun, self.whole = settings.dryrun, whole or settings.verbose or settings.debug_dag
        self.quiet = {word.name for word in settings.quiet or ()}
        self.coloured = self.screen.live and not settings.nocolor and not os.environ.get("NO_COLOR")
        self.ours = self.stopped = False
        self.running: dict[int, Job] = {}
        self.failed: set[int] = set()
        self.ended = self.total = 0
        self.over = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._say(record)
        except Exception as error:  # it is another Snakemake, or a disk fails
            self._leave_it(error)
            self.usual.handle(record)

    def _say(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", None) or "")
        if event == "error":
            self._error(record)
        elif event == "workflow_started" and not (self.whole or self.dryrun):
            self.ours = True
        elif not self.ours:
            self.usual.handle(record)
        elif event in EVENTS:
            EVENTS[event](self, record)
        elif record.levelno >= logging.WARNING or event == "shellcmd" or SAID.match(str(record.msg)):
            self._remark(record)

    def _leave_it(self, error: Exception) -> None:
        """To Snakemake's handler, from now on."""
        self.ours, self.whole, self.total = False, True, 0
        self.over.set()
        self.screen.end()
        why = f"{type(error).__name__}: {error}"
        self._line(f"warning: from here on Snakemake says all itself, as these lines cannot go on ({why})", loud=True)

    def close(self) -> None:
        """The last of all: how far the run came, on a terminal that is as it was."""
        with self.lock:
            self.over.set()
            self.screen.end()
            if self.total and not self.quiet & {"PROGRESS", "ALL"}:
                self._line(self._summary())
            self.total = 0
        self._on_ctrl_c(self._stop, signal.default_int_handler)
        self.usual.close()
        super().close()

    def _begin(self, record: logging.LogRecord) -> None:
        counts = dict(record.stats)
        self.total, self.begun = counts.pop("total"), time.monotonic()
        self.pace = Pace(counts)
        self._on_ctrl_c(signal.default_int_handler, self._stop)
        if not self.quiet & {"PROGRESS", "ALL"}:
            self._line(f"{self.total} job{'s' * (self.total > 1)}")
            self.screen.begin()
        if self.screen.kept:
            threading.Thread(target=self._keep_drawing, daemon=True).start()

    def _on_ctrl_c(self, before: Callable, now: Callable) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == before:
            signal.signal(signal.SIGINT, now)

    def _stop(self, number: int, frame) -> None:
        self.stopped = self.screen.deaf = True  # jobs are stopped as well, and end in tracebacks
        signal.default_int_handler(number, frame)

    def _job(self, record: logging.LogRecord) -> None:
        values = [str(value) for value in record.wildcards.values()]
        again = ["again"] if record.jobid in self.failed else []
        self.failed.discard(record.jobid)
        words = " ".join([record.rule_name, *values, *again])
        self.running[record.jobid] = Job(record.rule_name, words, list(record.log), time.time())
        if "PROGRESS" in self.quiet and not self.quiet & {"RULES", "ALL"}:
            self._line(words)  # Snakemake does not say then when it ends

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.job_id, None)
        if job is None:
            return
        seconds = time.time() - job.begun
        self.pace.ended(job.rule, seconds)
        self.ended += 1
        if "ALL" in self.quiet:
            return
        many = f"{self.ended:{len(str(self.total))}} of {self.total}"
        what = "" if "RULES" in self.quiet else f"  {clock(seconds):>5}  {job.words}"
        left = self._left()
        fits = not self.screen.kept or len(many + what + left) + 3 <= self.screen.columns()
        self._line(f"{many}{what}{'  ' + left if left and fits else ''}")
        if self.screen.kept:
            self.screen.draw(self._bar())

    def _progress(self, record: logging.LogRecord) -> None:
        self.ended, self.total = record.done, record.total

    def _job_failed(self, record: logging.LogRecord) -> None:
        if not record.indent:  # those of groups have been told
            self._failed([record.jobid], record.log, getattr(record, "rule_msg", None))

    def _group_failed(self, record: logging.LogRecord) -> None:
        self._failed([job["jobid"] for job in record.job_error_info], record.aux_logs)

    def _failed(self, numbers: list[int], paths: list[str], reason: str | None = None) -> None:
        jobs = [self.running.pop(number) for number in numbers if number in self.running]
        if not self.failed:
            time.sleep(PAUSE)
        self.failed |= set(numbers)
        if not jobs or self.stopped or self.quiet & {"RULES", "ALL"}:
            return
        begun, own = min(job.begun for job in jobs), [path for job in jobs for path in job.logs]
        words = [f"failed after {clock(time.time() - begun)}: {', '.join(job.words for job in jobs)}"]
        if reason := " ".join(ELSEWHERE.sub("", reason or "").split()).rstrip("."):
            words += [reason, *(f"its log: {path}" for path in own)]
        words += [f"on the cluster: {path}" for path in paths if path not in own]
        self._line("; ".join(words), loud=True)
        if self.running:  # so that the end may be far away
            for words in logs.last_words(own, begun - 5):
                self._line(words, loud=True)

    def _error(self, record: logging.LogRecord) -> None:
        """What ends the run, in one line where it is about a setting or a file."""
        said = str(record.msg)
        reason = why(said)
        heard = self.whole and self.usual.handle(record)
        if not UNSAID.match(said) and (reason or not heard):
            self._line(f"error: {reason}" if reason else said, loud=True)

    def _remark(self, record: logging.LogRecord) -> None:
        if self.usual.filter(record) and not UNSAID.match(str(record.msg)):
            self._line(self.usual.format(record), loud=record.levelno >= logging.ERROR)

    def _line(self, text: str, loud: bool = False) -> None:
        self.screen.line(f"\x1b[31m{text}\x1b[0m" if loud and self.coloured else text)

    def _summary(self) -> str:
        done = f"{self.ended} of {self.total} jobs done in {clock(time.monotonic() - self.begun)}"
        if self.stopped:
            return f"stopped: {done}; the same command goes on from there"
        return f"{done}; the whole record: {self.file}" if self.failed and self.file else done

    def _left(self) -> str:
        running = []
        for job in list(self.running.values())[:SHOWN]:
            done, total, _ = job.progress() or (0, 1, b"")
            running.append((job.rule, time.time() - job.begun, done / total))
        seconds = self.pace.left(running, time.monotonic() - self.begun)
        return f"{about(seconds)} left" if seconds is not None and self.ended < self.total else ""

    def _bar(self) -> str:
        width = 10 if self.screen.columns() < 100 else 30
        filled = "#" * (width * self.ended // self.total)
        parts = [f"{self.ended} of {self.total} [{filled:-<{width}}] {self._left()}".rstrip()]
        for job in list(self.running.values())[:SHOWN]:
            far = job.progress()
            parts.append(f"{job.words} {far[0]} of {far[1]} {far[2].decode()}" if far else job.words)
        return " | ".join(parts)

    def _keep_drawing(self) -> None:
        while not self.over.wait(TICK):
            with self.lock:
                if self.over.is_set():
                    return
                try:
                    self.screen.draw(self._bar())
                except Exception as error:
                    self._leave_it(error)


EVENTS = {
    "run_info": Terminal._begin,
    "job_info": Terminal._job,
    "job_finished": Terminal._job_finished,
    "progress": Terminal._progress,
    "job_error": Terminal._job_failed,
    "group_error": Terminal._group_failed,
}


def take_over(logger: logging.Logger, settings, whole: bool = False) -> None:
    """Put `Terminal` in the place of Snakemake's handler for the terminal; a logger plugin that was asked for stays."""
    file = next((one.baseFilename for one in logger.handlers if isinstance(one, logging.FileHandler)), None)
    for handler in [one for one in logger.handlers if one.name == USUAL]:
        logger.removeHandler(handler)
        logger.addHandler(Terminal(handler, settings, file, whole))


def why(said: str) -> str | None:
    """What is wrong, of Snakemake's words for an exception; None where they are about more than a setting or a file."""
    head, *lines = said.splitlines() or [""]
    body = "\n".join(line for line in lines if not PLACE.match(line))
    if re.match(r"(WorkflowError|InputError)\b.*:$", head):
        reason = body
    elif found := re.match(r"Error:\n  InputError: (.*?)\nWildcards:", body, re.DOTALL):
        reason = found[1]
    else:
        return None
    one, *more = reason.rstrip().splitlines()
    return f"{one} {more[0].strip()}" if one.endswith(":") and len(more) == 1 else "\n".join([one, *more])
