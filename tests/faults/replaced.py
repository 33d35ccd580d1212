"""A reader of a token file that others replace all the while: what it saw is whole, or was refused by name.

`python replaced.py FILE STOP` reads until STOP is there, and prints how often it read something and how often it was
refused. It says when it has begun.
"""

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
    assert len(values(path)) == 1
    print("began", flush=True)
    read = refused = 0
    while not stop.exists():
        try:
            assert len(values(path)) == 1  # each version holds one number throughout
            read += 1
        except InputError as error:
            assert str(error) == f"{path}: was replaced while it was being read; run this job again"
            refused += 1
    print(read, refused)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
