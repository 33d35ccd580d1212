"""Folders by name: `{name}` in any path of a configuration stands for an entry of its `folders`, `~/` for home."""

import re
from collections.abc import Iterator
from glob import escape
from os.path import expanduser

from maescope.base import names
from maescope.base.errors import InputError

NAME = re.compile(r"\{(?!label\})([^{}]*)\}")  # {label} stands for the class name, in patterns
RANGE = re.compile(r"\d+\.\.\d+")  # as WebDataset writes shards
GLOBS = {("pattern",), ("parquet",), ("tar",)}  # of a dataset
HOME = re.compile("^~[^/]*/")  # of oneself or, behind ~, of another


def resolve(config: dict) -> dict:
    """The configuration with all named folders filled in.

    Raises
    ------
    InputError
        naming the keys whose folder has no entry
    """
    folders = config.get("folders", {})
    known = f"(known: {', '.join(folders) or 'none'}); braces stand for nothing else"
    unknown = [
        names.shown(
            f"  {key}: {{{name}}} is not among folders {known}{'; for a range write *' * bool(RANGE.match(name))}"
        )
        for key, text in _texts(config)
        for name in NAME.findall(text)
        if name not in folders
    ]
    if unknown:
        raise InputError("the configuration is not usable:\n" + "\n".join(unknown))
    return _filled(config, folders, ())


def _texts(value, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, (dict, list)):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, f"{key}.{part}" if key else str(part))


def _filled(value, folders: dict[str, str], key: tuple[str, ...]):
    """A folder is taken as it is, also in a pattern, where *, ? and [ would stand for other characters."""
    if isinstance(value, str):
        as_it_is = escape if key[:1] == ("datasets",) and key[2:] in GLOBS else str
        text = NAME.sub(lambda match: as_it_is(folders[match[1]].rstrip("/")) or "/", value)
        return HOME.sub(lambda match: as_it_is(expanduser(match[0])), text)
    if isinstance(value, dict):
        return {name: _filled(inner, folders, (*key, name)) for name, inner in value.items()}
    return [_filled(inner, folders, key) for inner in value] if isinstance(value, list) else value
