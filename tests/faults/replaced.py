"""Readers of a token file that others replace all the while: what they saw is whole, or was refused by name.

`python replaced.py FILE STOP READERS` reads in so many processes until STOP is there, and each prints how often it read
something and how often it was refused. They say when they have begun.
"""

import multiprocessing
import sys
from pathlib import Path

import numpy as np

from maescope.base.errors import InputError
from maescope.tokens import store


def values(path):
    """All values of a file, read array by array, which opens it as often."""
    tokens = store.token_files(["0"], Path(path).parent, "abc")["0"]
    arrays = [tokens.read(level, name) for level in tokens.levels for name in ("mean", "head")]
    return {tokens.targets[0], *(float(value) for array in arrays for value in np.unique(array))}


def main(path, stop):
    _tell("began")  # before anything that may fail, as all of them are waited for
    read = refused = 0
    while not stop.exists():
        try:
            assert len(values(path)) == 1  # each version holds one number throughout
            read += 1
        except InputError as error:
            assert str(error) == f"{path}: was replaced while it was being read; run this job again"
            refused += 1
    _tell(f"{read} {refused}")


def _tell(words):
    """In one piece, as others write to the same pipe."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = {"target": main, "args": (sys.argv[1], Path(sys.argv[2]))}
    readers = [multiprocessing.get_context("fork").Process(**given) for _ in range(int(sys.argv[3]))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    sys.exit(any(reader.exitcode for reader in readers))
