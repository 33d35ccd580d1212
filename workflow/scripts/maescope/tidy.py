"""Tidy CSV files: one row an observation."""

from collections.abc import Sequence

import pandas as pd

from maescope.atomic import replacing

TEXT = ("level", "label", "image", "path", "model", "perturbation", "dataset", "label_a", "label_b")
TEXT += ("other_label", "other_image")  # never numbers, even where they look like some


def read(paths: Sequence[str], **columns: Sequence[str]) -> pd.DataFrame:
    """Read files one below the other, each with further columns of its own (`model=[...]`)."""
    frames = []
    for number, path in enumerate(paths):
        frame = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])
        frames.append(frame.assign(**{name: values[number] for name, values in columns.items()}))
    return pd.concat(frames, ignore_index=True)


def write(frame: pd.DataFrame, path: str) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_text(text: str, path: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
