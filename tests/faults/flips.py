"""Damage to one token file, many times over, in a process that may crash or hang: what the reader makes of each.

`python flips.py FILE` flips bits of it, each alone; `python flips.py --cut FILE` cuts it to lengths. Standard input has
the numbers of the bits, or the lengths; standard output a line for each: its number, and what became of it.
"""

import os
import sys
from pathlib import Path

import h5py
import numpy as np

from maescope.base.errors import InputError
from maescope.tokens import store


def contents(path, arrays=None):
    """Everything that a token file says: `arrays` of it, or all that it has, read in full."""
    if arrays is None:
        with h5py.File(path) as file:
            arrays = [(level, name) for level, group in file["levels"].items() for name in group]
    tokens = store.token_files(["0"], path.parent, "abc")["0"]
    said = {"blocks": np.concatenate(list(tokens.blocks("clean", "head", 1)))}
    with store.open_tokens(str(path), "abc") as tokens:
        said |= {pair: tokens.read(*pair) for pair in arrays}
        return said, arrays, tokens.attributes, tokens.images, tokens.targets


def same(one, other):
    """Whether two files say the same, attributes included."""
    arrays, others = one[0], other[0]
    return (
        one[1:4] == other[1:4]
        and (one[4] == other[4]).all()
        and all(np.array_equal(arrays[key], others[key]) for key in arrays)
    )


def verdict(path, reference):
    """`refused` by name, `same`, or what else happened."""
    try:
        return "same" if same(contents(path, reference[1]), reference) else "WRONG"
    except InputError as error:
        return "refused" if str(path) in str(error) and "delete" in str(error) else f"UNNAMED {error}"
    except Exception as error:
        return f"{type(error).__name__} {error}".replace("\n", " ")


def main(path, numbers, cut):
    pristine, reference = path.read_bytes(), contents(path)
    for number in numbers:
        print(number, end=" ", flush=True)  # before it is tried: the last one of a process that hangs
        if cut:
            os.truncate(path, number)
        else:
            with open(path, "r+b") as file:
                file.seek(number // 8)
                file.write(bytes([pristine[number // 8] ^ 1 << number % 8]))
        print(verdict(path, reference), flush=True)
        with open(path, "r+b") as file:  # in place: emptied first, it would be flushed to disk each time
            file.write(pristine)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    cut = arguments[0] == "--cut"
    main(Path(arguments[cut]), map(int, sys.stdin.read().split()), cut)
