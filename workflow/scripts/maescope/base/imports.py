"""Which modules of the library a script imports, and a digest of their code: its rule runs again if one is edited.

The library is `maescope/<wing>/<module>.py`, so that in `from maescope.<wing> import ...` modules are named, and in
`from maescope.<wing>.<module> import ...` what is in one.
"""

import ast
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path


def come_first(folder: str) -> None:
    """In the processes of jobs, import the library from a folder and not one installed in their environment."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


AN_IMPORT = re.compile(r"^[ \t]*((?:from|import)\b[^\n(]*(?:\([^)]*\))?)", re.MULTILINE)  # as one writes it
OF_THE_LIBRARY = re.compile(r"\bmaescope\b|^from\s*\.|\\$")  # or perhaps: it goes on in the next line
HIDDEN = re.compile(r"\bimport\b.*\bmaescope\b|\bmaescope\b.*\bimport\b|\bfrom\s*\.[.\w]*\s+import\b")


def statements(text: str) -> Iterator[tuple[int, ast.AST]]:
    """Line and node of each import of a file, or of those only that may import the library.

    Lines are parsed that look like an import, and the whole file only where one is hidden in another line or cannot be
    parsed alone: to parse all files took a tenth of each start of Snakemake.
    """
    found = [(text.count("\n", 0, line.start(1)), line[1]) for line in AN_IMPORT.finditer(text)]
    trees = None
    if not HIDDEN.search(AN_IMPORT.sub("", text)):
        with suppress(SyntaxError):
            trees = [(before, ast.parse(words)) for before, words in found if OF_THE_LIBRARY.search(words)]
    for before, tree in [(0, ast.parse(text))] if trees is None else trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield before + node.lineno, node


@cache
def imported(path: str) -> tuple[str, ...]:
    """The library's files that a Python file imports, as `maescope/<wing>/<module>.py`, packages included.

    Raises
    ------
    ValueError
        where it imports the library in another form, whose code would be in no digest
    """
    files = {"maescope/__init__.py": None}
    for line, node in statements(Path(path).read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            words = [alias.name.split(".") for alias in node.names]
        else:
            words = [[*(node.module or "").split("."), alias.name] for alias in node.names]
        own = [name for name in words if name[0] == "maescope"]
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        if relative or (own and (isinstance(node, ast.Import) or len(own[0]) not in (3, 4))):
            raise ValueError(f"{path}, line {line}: write from maescope.<wing> import <module>")
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
