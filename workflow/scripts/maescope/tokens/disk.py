"""The disk below token files: whether it can hold them, what it could not write, how late others may see a file."""

import io
import os
import shutil
from pathlib import Path

from maescope.base.errors import InputError

LATENCY_WAIT = "MAESCOPE_LATENCY_WAIT"  # of the environment: how many seconds a file of another node may be seen late


class Disk(io.FileIO):
    """A file that keeps what went wrong in writing for `check` to raise: HDF5 crashes where a write fails."""

    error: OSError | None = None

    def write(self, data) -> int:
        rest = memoryview(data).cast("B")
        try:
            while self.error is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return memoryview(data).nbytes

    def check(self) -> None:
        """Raise the first OSError of any write, if there was one."""
        if self.error is not None:
            raise self.error


def require_space(folder: str | os.PathLike, expected_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold, with a fifth to spare."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, int(expected_bytes * 1.2)
    if free < needed:
        raise InputError(
            f"{folder}: {free / 1e9:.3f} GB free, but the tokens need {needed / 1e9:.3f} GB; free some space, "
            "store fewer patch_tokens, or set tokens_dtype: float16"
        )
