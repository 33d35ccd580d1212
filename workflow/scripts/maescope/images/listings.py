"""Pictures as a list names them: a table with a header, or a text of lines with a path and perhaps a label."""

import csv
import os
from collections.abc import Iterator

from maescope.base.errors import InputError

TABLES = (".csv", ".tsv")  # have a header; other lists only where their columns are named
DELIMITERS = ("\t", ";", ",")
COLUMNS = {"path": "path", "label": "label", "split": "split"}


def rows(
    key: str, file: str, columns: dict, split: str | None, labelled: bool
) -> Iterator[tuple[int, str, str | None]]:
    """Line, path as written, and label of each picture of a split; no label where the list has none.

    Parameters
    ----------
    key : of the configuration, for messages
    columns : of the header: path, label, split, those that are not called so
    split : the one that is taken; None for all
    labelled : whether pictures must have labels

    Raises
    ------
    InputError
        naming the file and its line
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            if columns or file.lower().endswith(TABLES):
                yield from _of_table(key, file, lines, COLUMNS | columns, split, labelled)
            elif split:
                raise InputError(f"{key}: {file} has no columns, and no splits; give a .csv, or leave split out")
            else:
                yield from _of_lines(key, file, lines, labelled)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{key}: {file} is no text in UTF-8 of one picture per line ({error}); write it anew"
        ) from None


def _of_table(key: str, file: str, lines, columns: dict, split: str | None, labelled: bool) -> Iterator:
    header = lines.readline()
    lines.seek(0)
    between = max(DELIMITERS, key=header.count)
    table = csv.DictReader(lines, delimiter=between, skipinitialspace=True)
    has = [name.strip() for name in table.fieldnames or []]
    table.fieldnames = has
    wanted = ["path", *(["label"] if labelled else []), *(["split"] if split else [])]
    for column in [columns[name] for name in wanted]:
        if column not in has:
            raise InputError(
                f"{key}: {file} has no column {column!r}; its columns: {', '.join(map(repr, has)) or 'none'}; name it "
                "under columns, or call a list without a header .txt"
            )
    for row in table:
        where = f"{key}: {file}, line {table.line_num}"
        if any(row.get(None, ())):
            raise InputError(f"{where}: has more fields than the header; put what has {between!r} in it in quotes")
        if split and row[columns["split"]] not in (split, None):  # None where the line is shorter than the header
            continue
        if lacks := next((columns[name] for name in wanted if not row[columns[name]]), None):
            raise InputError(f"{where}: {lacks} is empty; fill it in or remove it")
        yield table.line_num, row[columns["path"]], row.get(columns["label"]) or None


def _of_lines(key: str, file: str, lines, labelled: bool) -> Iterator:
    """The label is behind a tab, else a comma, else a space."""
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line:
            continue
        between = next((one for one in ("\t", ",") if one in line), None)
        path, *label = line.rsplit(between, 1) if labelled else [line]
        label = [part.strip() for part in label if part.strip()]
        if labelled and not label:
            raise InputError(f"{key}: {file}, line {number}: {line!r} has no label behind the path; write `path label`")
        yield number, path.strip(), label[0] if label else None


def picture(file: str, root: str | None, path: str) -> tuple[str, str]:
    """Of a path as a list has it the name of the picture, and where it lies.

    The name is the path from the root, without `../` before it, so that it stays when all of it is moved; a path that
    is written in full, and leads elsewhere, is a name as it is.
    """
    folder = root or os.path.dirname(file)
    place = os.path.normpath(os.path.join(folder, path))
    inside = os.path.relpath(place, folder or ".")
    parts = inside.split("/")
    if parts[0] == ".." and os.path.isabs(path):
        return place, place
    return "/".join(part for part in parts if part != ".."), place
