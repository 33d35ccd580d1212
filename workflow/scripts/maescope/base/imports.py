"""Which modules of the library a script imports, and a digest of their code: its rule runs again if one is edited.

The library is `maescope/<wing>/<module>.py`, so that in `from maescope.<wing> import ...` modules are named, and in
`from maescope.<wing>.<module> import ...` what is in one.
"""

import ast
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def imported(path: str) -> tuple[str, ...]:
    """The library's files that a Python file imports, as `maescope/<wing>/<module>.py`, packages included."""
    files = {"maescope/__init__.py": None}
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != "maescope":
            continue
        _, *inside = node.module.split(".")
        modules = [inside] if len(inside) == 2 else [[*inside, alias.name] for alias in node.names if inside]
        for wing, module in modules:
            files |= {f"maescope/{wing}/__init__.py": None, f"maescope/{wing}/{module}.py": None}
    return tuple(files)


def closure(script: str, find: Callable[[str], str]) -> dict[str, str]:
    """Where the library's files are that a script imports, and those that they import, in the order of finding.

    Parameters
    ----------
    find : `maescope/<wing>/<module>.py` -> path
    """
    found: dict[str, str] = {}
    todo = [script]
    while todo:
        new = [name for name in imported(str(todo.pop())) if name not in found]
        found |= {name: find(name) for name in new}
        todo += [found[name] for name in new]
    return found


def digests(script: str, find: Callable[[str], str]) -> dict[str, str]:
    """SHA-256 of a script, as `<wing>/<name>.py`, and of each file of the library that it needs: wherever they lie."""
    own = "/".join(Path(script).parts[-2:])
    return {name: digest(path) for name, path in sorted({own: script, **closure(script, find)}.items())}


def code(script: str, find: Callable[[str], str]) -> str:
    """One short digest of all of `digests`."""
    return hashlib.sha256(repr(digests(script, find)).encode()).hexdigest()[:16]


@cache
def digest(path: str) -> str:
    """SHA-256 of a file of code."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
