"""docs/files.md as a specification: what it says of each file, and whether a file is so."""

import csv
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/files.md").read_text()
ROW = re.compile(r"^\| (`.*) \|$", re.MULTILINE)
OPTIONAL = {"separation": ["knn_reference", "probe_reference"], "angles": ["quantile"]}  # told beside their tables
OPTIONAL["models"] = ["validation_loss", "validation_accuracy"]


class Column(NamedTuple):
    """What the page says of one column."""

    name: str
    kind: str
    may_be_empty: bool
    range: str


@cache
def section(heading: str) -> str:
    """What stands below a heading of the page."""
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/files.md has no section {heading}"
    return found[1]


def columns(heading: str) -> list[Column]:
    """The table of a section."""
    found = []
    for row in ROW.findall(section(heading)):
        name, kind, values, _ = (cell.strip() for cell in row.split("|"))
        found.append(Column(name.strip("`"), kind.removesuffix(" or empty"), kind.endswith(" or empty"), values))
    return found


def rows(marker: str) -> list[list[str]]:
    """Cells of the table behind `<!-- marker -->`."""
    part = PAGE.split(f"<!-- {marker} -->")[1].split("<!-- end -->")[0]
    return [[cell.strip() for cell in row.split("|")] for row in ROW.findall(part)]


def measures() -> set[str]:
    """All measures that the page tells of."""
    part = PAGE.split("\n## Measures\n")[1].split("\n## Other files of numbers\n")[0]
    return set(re.findall(r"^### `(\w+)`$", part, re.MULTILINE))


def within(value: float, said: str) -> bool:
    """Whether a number is in the range that the page says; rounding of float32 is forgiven."""
    if found := re.match(r"\[(-?\d+), (\d+)\]", said):
        return float(found[1]) - 1e-6 <= value <= float(found[2]) + 1e-6
    if found := re.match(r"([≥>]) (-?\d+)", said):
        return value > float(found[2]) if found[1] == ">" else value >= float(found[2]) - 1e-6
    if said[:1].isdigit():
        return value in {float(one) for one in said.split(", ")}
    assert said == "", f"a range that this test does not read: {said}"
    return True


def faults(path: Path, heading: str, more: tuple[str, ...] = ()) -> list[str]:
    """What is not as the page says in a file of numbers; `more` columns may follow those of the table."""
    table = parquet(path) if path.suffix == ".parquet" else text(path)
    said = columns(heading)
    found = [name for name in table if name not in more]
    if found != [column.name for column in said]:
        return [f"columns {found}, but the page has {[column.name for column in said]}"]
    return [f"{column.name}: {fault}" for column in said for fault in of_column(column, *table[column.name])]


def of_column(column: Column, kind: str, values: list) -> list[str]:
    """What is not as the page says in one column; `kind` of Parquet, or "" where a file is text."""
    if kind and kind != column.kind:
        return [f"is {kind}, but the page says {column.kind}"]
    there = [value for value in values if value not in (None, "") and value == value]  # no gap, and no NaN
    if len(there) < len(values) and not column.may_be_empty:
        return ["has gaps, of which the page does not tell"]
    if column.kind in ("text", "string"):
        known = set(re.split(r", ", column.range)) if column.range else set(there)
        return [f"is {value}" for value in set(there) - known]
    if column.kind == "integer" and not all(re.fullmatch(r"-?\d+", value) for value in there):
        return ["has values that are no integers"]
    outside = [value for value in there if not within(float(value), column.range)]
    return [f"has {outside[0]}, but the page says {column.range}"] if outside else []


def parquet(path: Path) -> dict[str, tuple[str, list]]:
    """Column -> type and values."""
    table = pq.read_table(path)
    names = {"float": "float32", "double": "float64"}  # as numpy has them
    kinds = {field.name: names.get(str(field.type), str(field.type)) for field in table.schema}
    return {name: (kind, table[name].to_pylist()) for name, kind in kinds.items()}


def text(path: Path) -> dict[str, tuple[str, list]]:
    """Column -> no type, and values as they are written."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    return {name: ("", list(values)) for name, values in zip(header, zip(*lines, strict=True), strict=True)}
