"""Which modules of the library a script imports, and a digest of their code: its rule runs again if one is edited.

The library is `maescope/<wing>/<module>.py`, so that in `from maescope.<wing> import ...` modules are named, and in
`from maescope.<wing>.<module> import ...` what is in one.
"""

import ast
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path


def come_first(folder: str) -> None:
    """In the processes of jobs, import the library from a folder and not one installed in their environment."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


@cache
def imported(path: str) -> tuple[str, ...]:
    """The library's files that a Python file imports, as `maescope/<wing>/<module>.py`, packages included.

    Raises
    ------
    ValueError
        where it imports the library in another form, whose code would be in no digest
    """
    files = {"maescope/__init__.py": None}
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            words = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            words = [[*(node.module or "").split("."), alias.name] for alias in node.names]
        else:
            continue
        own = [name for name in words if name[0] == "maescope"]
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        if relative or (own and (isinstance(node, ast.Import) or len(own[0]) not in (3, 4))):
            raise ValueError(f"{path}, line {node.lineno}: write from maescope.<wing> import <module>")
        for _, wing, module, *_ in own:
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
    return short(digests(script, find))


def short(modules: dict[str, str]) -> str:
    """One digest of several, 16 hexadecimal digits of it."""
    return hashlib.sha256(repr(modules).encode()).hexdigest()[:16]


@cache
def digest(path: str) -> str:
    """SHA-256 of a file of code."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
