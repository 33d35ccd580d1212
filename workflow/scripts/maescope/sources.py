"""Which modules of the library a file imports, so that its rule runs again when one of them is edited."""

import ast
from functools import cache
from pathlib import Path


@cache
def imported(path: str) -> tuple[str, ...]:
    """Names of the maescope modules that a Python file imports; each file is parsed once."""
    names = []
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "maescope":
            names += [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
    return tuple(names)


def closure(path: str, library: dict[str, str]) -> list[str]:
    """Paths of the library modules that a file imports, and those that they import, in the order of finding.

    Parameters
    ----------
    library : name -> path of every module
    """
    found: dict[str, str] = {}
    todo = [path]
    while todo:
        new = [name for name in imported(todo.pop()) if name not in found]
        found |= {name: library[name] for name in new}
        todo += [library[name] for name in new]
    return list(found.values())
