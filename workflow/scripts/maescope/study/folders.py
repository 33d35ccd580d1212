"""Folders by name: `{name}` in any path of a configuration stands for an entry of its `folders`."""

import re
from collections.abc import Iterator

from maescope.base import names
from maescope.base.errors import InputError

NAME = re.compile(r"\{(?!label\})([^{}]*)\}")  # {label} stands for the class name, in patterns


def resolve(config: dict) -> dict:
    """The configuration with all named folders filled in.

    Raises
    ------
    InputError
        naming the keys whose folder has no entry
    """
    folders = config.get("folders", {})
    unknown = [
        names.shown(f"  {key}: {{{name}}} is not among folders (known: {', '.join(folders) or 'none'})")
        for key, text in _texts(config)
        for name in NAME.findall(text)
        if name not in folders
    ]
    if unknown:
        raise InputError("the configuration is not usable:\n" + "\n".join(unknown))
    return _filled(config, folders)


def _texts(value, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a configuration with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, (dict, list)):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(inner, f"{key}.{part}" if key else str(part))


def _filled(value, folders: dict[str, str]):
    if isinstance(value, str):
        return NAME.sub(lambda match: folders[match[1]].rstrip("/") or "/", value)
    if isinstance(value, dict):
        return {key: _filled(inner, folders) for key, inner in value.items()}
    return [_filled(inner, folders) for inner in value] if isinstance(value, list) else value
