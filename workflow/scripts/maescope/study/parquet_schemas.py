"""What parquet files say of themselves: where they are, their columns, the names of their labels.

pyarrow is imported where a file is opened: who has no such dataset does not wait for it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from maescope.base.errors import InputError, is_lacking
from maescope.study.shard_files import shard_files

IMAGE, LABEL = "image", "label"  # the columns that Hugging Face's image datasets have


@contextmanager
def whole(path: str) -> Iterator[None]:
    """Faults of a file are told by its name; a lack of memory or of open files is none, and passed on."""
    try:
        import pyarrow.parquet
    except ImportError:  # the library alone, installed for a notebook
        raise InputError(f"{path}: reading parquet needs the package pyarrow: pip install pyarrow") from None
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError) or is_lacking(error):
            raise
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: is no parquet file, or is broken off ({said}); fetch it again") from error


def opened(path: str):
    """A file as pyarrow has it, its rows unread."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)


def classes(dataset: str, entry: dict) -> list[str] | None:
    """The names of the labels in the order of their numbers, as the first file of a dataset has them."""
    path = shard_files(f"datasets.{dataset}.parquet", entry["parquet"], ".parquet")[0]
    with whole(path):
        schema = opened(path).schema_arrow
    return names(schema, entry.get("columns", {}).get("label", LABEL))


def names(schema, label: str) -> list[str] | None:
    """The names of a column of numbers, as Hugging Face writes them into the schema; None where there are none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = features[label]["names"]
    except (KeyError, TypeError, ValueError):  # without names, or written by something else
        return None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else None


def require_pictures(key: str, path: str, schema, image: str) -> None:
    """A column of pictures is {bytes, path}.

    Raises
    ------
    InputError
        naming the file and the columns that it has
    """
    from pyarrow import types

    column = schema.field(image).type if image in schema.names else None
    fields = {field.name: field.type for field in column} if column and types.is_struct(column) else {}
    of_bytes = "bytes" in fields and (types.is_binary(fields["bytes"]) or types.is_large_binary(fields["bytes"]))
    if not of_bytes or "path" not in fields:
        has = ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:8])
        raise InputError(
            f"{key}: {path}: has no column {image} of {{bytes, path}}, as Hugging Face's have; its columns: "
            f"{has or 'none'}; name that of the pictures as columns.image, or unpack the pictures and give a pattern"
        )
