"""Measures of many rows, as Parquet: written part by part, read by columns.

Columns are as narrow as what they hold, text is stored once for each group of rows, pages are compressed by zstd and
have checksums. What is read has 64-bit numbers, as if it came from CSV.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maescope.base.atomic import replacing
from maescope.base.errors import InputError, is_lacking

TYPES = (
    dict.fromkeys(("level", "label", "image", "among"), pa.string())
    | dict.fromkeys(("layer", "head", "common_clean", "common_perturbed"), pa.int16())
    | dict.fromkeys(("target", "prediction", "patches"), pa.int32())
    | dict.fromkeys(("cosine", "norm_clean", "norm_perturbed", "radius", "distance_px", "entropy", "nmi"), pa.float32())
    | dict.fromkeys(("shuffled_clean", "shuffled_perturbed", "uniform_px"), pa.float64())
    | {"correct": pa.int8()}
)
AGAIN = "delete it to have it made again"


@contextmanager
def writing(path: str, *columns: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that adds rows to a file, one group of rows a call; the file is whole or not there.

    Parameters
    ----------
    columns : of `TYPES`, in the order that the file has them
    """
    schema = pa.schema([(name, TYPES[name]) for name in columns])
    with (
        replacing(path) as temporary,
        open(temporary, "wb") as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield lambda rows: writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def read(path: str, columns: Sequence[str] | None = None, last: str | None = None) -> pd.DataFrame:
    """Rows of a file, in the order they were written.

    Parameters
    ----------
    columns : which of them, None for all
    last : a column of numbers: only rows where it is the highest of the file, as of the last layer

    Raises
    ------
    InputError
        naming a file that is cut, damaged or has other columns
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _require(path, file.schema_arrow, {*(columns or ()), *([last] if last else ())})
            asked = [*(columns or file.schema_arrow.names)]
            table = file.read([*dict.fromkeys(asked)]) if last is None else _of_last(file, asked, last)
    except (pa.ArrowException, OSError) as error:
        if is_lacking(error) or isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise InputError(f"{path}: cut or damaged ({_line(error)}); {AGAIN}") from error
    return table.cast(pa.schema([(field.name, _wide(field.type)) for field in table.schema])).to_pandas()


def _of_last(file: pq.ParquetFile, columns: list[str], last: str) -> pa.Table:
    """Rows of the highest value of a column, group by group."""
    place = file.schema_arrow.get_field_index(last)
    groups = [file.metadata.row_group(number).column(place) for number in range(file.metadata.num_row_groups)]
    highest = max((group.statistics.max for group in groups), default=0)
    rows = [
        pa.Table.from_batches([batch]).filter(pc.equal(batch[last], highest)).select(columns)
        for batch in file.iter_batches(columns=[*dict.fromkeys([*columns, last])])
    ]
    return pa.concat_tables(rows) if rows else file.read(columns)


def _require(path: str, schema: pa.Schema, columns: set[str]) -> None:
    """Refuse a file without some columns, or with others than are written."""
    missing = sorted(columns - set(schema.names))
    other = [field.name for field in schema if TYPES.get(field.name) != field.type]
    if missing or other:
        why = f"no column {', '.join(missing)}" if missing else f"{other[0]} is not as this version writes it"
        raise InputError(f"{path}: of another version or measure ({why}); {AGAIN}")


def _wide(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_floating(kind):
        return pa.float64()
    return pa.int64() if pa.types.is_integer(kind) else kind


def _line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
