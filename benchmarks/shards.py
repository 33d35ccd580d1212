"""Pictures read in place from tars and parquet files, as extraction reads them, against the same JPEGs as files."""

import argparse
import statistics
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import photographs
import pyarrow as pa
import pyarrow.parquet as pq
from row import Row, alternate, ratio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from maescope.images import reading
from maescope.images.addresses import Address

PICTURES, GROUP = 80, 100  # of 500 x 375 px, read together; rows of a group, as Hugging Face writes them
HOW = reading.Preprocessing(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ROUNDS = 8  # for one of the others: a round is half a second


def against_files(options: argparse.Namespace) -> list[Row]:
    """Two rows: a thread that decodes, the digest of each picture compared, files of a warm cache."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs.write(Path(folder), PICTURES)
        kinds = {"a tar": _in_a_tar(Path(folder, "shard.tar"), paths)}
        kinds["a parquet file"] = _in_parquet(Path(folder, "shard.parquet"), paths)
        for what, pictures in kinds.items():
            times = alternate(lambda: _read(paths), lambda own=pictures: _read(own), ROUNDS * options.rounds)
            each, own = (1000 * statistics.median(column) / PICTURES for column in zip(*times, strict=True))
            remark = f"{own:.2f} ms a picture, files {each:.2f} ms"
            rows.append(Row(f"pictures in {what}, against files", target=0.95, remark=remark, **ratio(times)))
    return rows


def _read(pictures: Sequence[str | Address]) -> None:
    for _ in reading.batches(pictures, 16, HOW, 1):
        pass


def _in_a_tar(shard: Path, paths: list[str]) -> list[Address]:
    with tarfile.open(shard, "w") as tar:
        for path in paths:
            tar.add(path, Path(path).name)
    with tarfile.open(shard) as tar:
        found = [Address(str(shard), own.name, start=own.offset_data, length=own.size) for own in tar.getmembers()]
    return [address.digested() for address in found]


def _in_parquet(shard: Path, paths: list[str]) -> list[Address]:
    cells = [{"bytes": Path(path).read_bytes(), "path": Path(path).name} for path in paths]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(cells, kind)}), shard, row_group_size=GROUP)
    return [Address(str(shard), str(row), row=row, column="image").digested() for row in range(len(paths))]
