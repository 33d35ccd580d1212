"""Tidy files: one row per observation; CSV, or Parquet where there are many rows (`table_files`)."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from maescope.base.atomic import replacing
from maescope.base.errors import InputError

TEXT = ("level", "label", "image", "path", "model", "perturbation", "dataset", "label_a", "label_b")
TEXT += ("other_label", "other_image", "called", "digest", "column")  # never numbers, even where they look like some
OF_A_STUDY = r"(?:^|/)results/(?:[^/]+/(?:conventions/[^/]+/)?)?"  # or of all studies
NAMES = r"(?P<model>[^/]+)/(?P<dataset>[^/]+)/(?P<perturbation>[^/]+)"
PLACES = [  # of files that are read side by side, and what their paths tell
    re.compile(OF_A_STUDY + r"measures/(?P<measure>cka)/" + NAMES + r"/(?P<other>[^/]+)\.csv$"),
    re.compile(OF_A_STUDY + r"measures/(?P<measure>[^/]+)/" + NAMES + r"\.(?:csv|parquet)$"),
    re.compile(r"(?:^|/)results/models/(?P<model>[^/]+)\.loss\.csv$"),
    re.compile(r"(?:^|/)results/[^/]+/conventions/(?P<convention>[^/]+)/claims\.csv$"),
]


def read(
    paths: Sequence[str], *told: str, columns: Sequence[str] | None = None, last: str | None = None
) -> pd.DataFrame:
    """Read files one below the other, each with further columns that its path tells (`model`, `perturbation`, ...).

    Parameters
    ----------
    columns, last : of Parquet files, what `table_files.read` reads of them
    """
    frames = []
    for path in paths:
        frame = _rows(path, columns, last) if str(path).endswith(".parquet") else _csv(path)
        frames.append(frame.assign(**{name: told_by(path, name) for name in told}))
    return pd.concat(frames, ignore_index=True)


def _csv(path: str) -> pd.DataFrame:
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])


def _rows(path: str, columns: Sequence[str] | None, last: str | None) -> pd.DataFrame:
    from maescope.base import table_files  # pyarrow is imported where there are such files

    place = _place(path)
    return table_files.read(path, columns, last, place and place.groupdict().get("measure"))


def told_by(path: str, column: str) -> str:
    """What a file is of, by its path: the model, dataset or perturbation of a measure, the model of a loss, ...

    Raises
    ------
    InputError
        where the path does not say
    """
    found = _place(path)
    if found is None or found.groupdict().get(column) is None:
        raise InputError(f"{path}: the path does not tell the {column}; results keep the paths of the workflow's rules")
    return found[column]


def _place(path: str) -> re.Match | None:
    return next((match for place in PLACES if (match := place.search(Path(path).as_posix()))), None)


def write(frame: pd.DataFrame, path: str) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_parts(frames: Iterable[pd.DataFrame], path: str) -> None:
    """Write frames of the same columns one below the other as they come, whole or not at all; none is kept.

    Raises
    ------
    ValueError
        where there is no frame: a file without columns could not be read
    """
    columns = None
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for frame in frames:
            frame.to_csv(file, index=False, header=columns is None, columns=columns)
            columns = frame.columns
        if columns is None:
            raise ValueError(f"{path}: there is nothing to write")


def write_text(text: str, path: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
