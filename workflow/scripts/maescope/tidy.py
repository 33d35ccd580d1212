"""Measures as files: tidy CSV, one row an observation."""

from collections.abc import Sequence

import pandas as pd

from maescope.atomic import replacing

TEXT = {"level": str, "label": str, "image": str, "model": str, "perturbation": str}


def read_measures(paths: Sequence[str], **columns: Sequence[str]) -> pd.DataFrame:
    """Read tidy CSV files one below the other, each with further columns of its own (`model=[...]`)."""
    frames = []
    for number, path in enumerate(paths):
        frame = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
        frames.append(frame.assign(**{name: values[number] for name, values in columns.items()}))
    return pd.concat(frames, ignore_index=True)


def write_measures(frame: pd.DataFrame, path: str) -> None:
    """Write a tidy CSV, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)
