"""Where a picture's bytes are: a file of its own, a stretch of a tar, or a row of a parquet file."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from maescope.base.errors import InputError
from maescope.images import parquet_files

DIGITS = 16  # of a digest in hexadecimal: it finds what has changed, and keeps out no one


@dataclass(frozen=True, slots=True)
class Address:
    """A picture whose bytes are not simply its file.

    Parameters
    ----------
    path : the file, or the shard that holds it
    name : what the picture is called
    start, length : its bytes in a tar
    row, column : its row, and the column of pictures, in a parquet file
    digest : the first DIGITS of the SHA-256 of those bytes when it was sampled
    exif : apply, where the picture is turned as its EXIF orientation says
    """

    path: str
    name: str
    start: int | None = None
    length: int | None = None
    row: int | None = None
    column: str | None = None
    digest: str | None = None
    exif: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.name}" if self.in_shard else self.path

    @property
    def in_shard(self) -> bool:
        return self.start is not None or self.row is not None

    def content(self) -> bytes:
        """The bytes of a picture in a shard.

        Raises
        ------
        InputError
            naming the shard, where it no longer has what was sampled
        FileNotFoundError
            where it is not there
        """
        if self.row is not None:
            content = parquet_files.cell(self.path, self.column, self.row)
        else:
            with open(self.path, "rb", buffering=0) as shard:
                content = os.pread(shard.fileno(), self.length, self.start)
        if self.digest is None and not content:
            raise InputError(f"{self}: has no bytes; embed the pictures in the shard, or set on_bad_image: skip")
        if self.digest is not None and digest(content or b"") != self.digest:
            raise InputError(
                f"{self}: is not what was sampled there, so the shard has changed since; put it back, or delete the "
                "list in results/images/ to have it drawn again"
            )
        return content

    def digested(self) -> "Address":
        """The same with the digest of what is there now."""
        return replace(self, digest=digest(self.content())) if self.in_shard else self

    def columns(self) -> dict:
        """What a list of samples says of it, beside name and path."""
        known = asdict(self)
        return {name: known[name] for name in COLUMNS if known[name] is not None}


Pictures = dict[str, dict[str, str | Address]]  # label -> name of the picture -> its file, or where it is
COLUMNS = ("start", "length", "row", "column", "digest", "exif")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def of(rows: pd.DataFrame) -> list[str | Address]:
    """The pictures of a sampled list, for `reading`: paths where each is a file as it is."""
    own = [name for name in COLUMNS if name in rows]
    if not own:
        return rows["path"].tolist()
    return [
        Address(**row) for row in rows[["path", "image", *own]].rename(columns={"image": "name"}).to_dict("records")
    ]


def files(pictures: Sequence[str | Address]) -> list[str]:
    """The files that some pictures lie in, each once."""
    return list(dict.fromkeys(getattr(picture, "path", picture) for picture in pictures))
