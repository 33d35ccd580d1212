"""A command on a terminal of its own, and what a person sees there."""

import os
import pty
import select
import signal
import termios
import time
from pathlib import Path

import pyte


class Terminal:
    """A terminal on which a command runs, as wide and as high as it is told."""

    def __init__(self, command: list, folder: Path, columns: int = 100, rows: int = 40, **environment: str):
        self.screen = pyte.Screen(columns, rows)
        self.stream, self.said = pyte.ByteStream(self.screen), b""
        changes = {"TERM": "xterm", "NO_COLOR": "", **environment}
        known = {name: value for name, value in (os.environ | changes).items() if value}
        known.pop("COLUMNS", None)
        self.process, self.end = pty.fork()
        if not self.process:
            termios.tcsetwinsize(0, (rows, columns))
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what a script runs with &
            os.chdir(folder)
            os.execvpe(command[0], list(map(str, command)), known)
        self.modes = None

    def lines(self) -> list[str]:
        """What is on the screen, above the last empty lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip().splitlines()

    def press(self, key: str) -> None:
        os.write(self.end, key.encode())

    def until(self, words: str, seconds: float = 90) -> None:
        """Wait until these words are on the screen."""
        end = time.monotonic() + seconds
        while not any(words in line for line in self.lines()):
            assert time.monotonic() < end and self._read(1), "\n".join(["not to be seen: " + words, *self.lines()])

    def closed(self, seconds: float = 90) -> int:
        """Wait until the command has ended; its exit code."""
        end = time.monotonic() + seconds
        while self._read(1):
            assert time.monotonic() < end, "\n".join(["still there:", *self.lines()])
        os.close(self.end)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def _read(self, seconds: float) -> bool:
        """Show what comes within so many seconds; False once nothing can come any more."""
        if select.select([self.end], [], [], seconds)[0]:
            try:
                said = os.read(self.end, 65536)
            except OSError:  # all that had the terminal open have closed it
                return False
            self.stream.feed(said)
            self.said += said
            return bool(said)
        return True
