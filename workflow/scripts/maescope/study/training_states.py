"""Where the states of trainings lie that have not ended, and what is said of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

STATES = Path("results/models/.state")


def remarks(makes: Callable[[str], bool]) -> Iterator[str]:
    """A line per training whose state is kept: where, how large, whom it is for.

    Parameters
    ----------
    makes : whether the configuration has a rule that makes a path
    """
    for place in sorted(path for path in STATES.glob("*") if path.is_dir()):
        size = sum(path.stat().st_size for path in place.iterdir() if path.is_file())
        weights = STATES.parent / f"{place.name}.safetensors"
        if weights.is_file():  # Snakemake removes them before a training
            whose = "its training has ended; if nothing runs, rm -r it"
        elif makes(str(weights)):
            whose = "the training has not ended; its next attempt goes on from there"
        else:
            whose = "nothing trains it with this configuration; if no other study does, and nothing runs, rm -r it"
        yield f"state: {place}: {size / 1e9:.3f} GB: {whose}"
