"""Random numbers that depend on what they are for, never on when or where they are drawn."""

import hashlib

import numpy as np


def number(seed: int, *names: str | int) -> int:
    """A seed of its own for each seed and sequence of names (dataset, image, mask number, ...)."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:16], "little")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own, seeded by `number`."""
    return np.random.default_rng(number(seed, *names))
