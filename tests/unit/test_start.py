"""What a job imports before it begins: nothing heavy that it has no use for (docs/scale.md)."""

import ast
import importlib.util
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import REPOSITORY

from maescope.base import imports

SCRIPTS = REPOSITORY / "workflow/scripts"
OF_TORCH = {"torch", "torchvision", "timm", "safetensors"}
WITH_TORCH = {"figures/reconstruction", "measures/knn", "measures/quality", "measures/reconstruction_error"}
WITH_TORCH |= {"page/thumbnails"}
ALL = sorted(f"{path.parent.name}/{path.stem}" for path in SCRIPTS.glob("*/*.py") if path.parent.name != "maescope")


def at_the_top(path: str | Path) -> set[str]:
    """Packages that a file imports when it is imported, not those of its functions."""
    todo, found = list(ast.parse(Path(path).read_text()).body), set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef | ast.ClassDef):
            todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


@pytest.mark.parametrize("script", ALL)
def test_only_jobs_that_pass_images_through_a_model_or_blur_them_import_torch(script):
    path = str(SCRIPTS / f"{script}.py")
    files = [path, *imports.closure(path, lambda name: str(SCRIPTS / name)).values()]
    needs = script.startswith(("models/", "tokens/")) or script in WITH_TORCH
    assert any(at_the_top(file) & OF_TORCH for file in files) == needs


def test_modules_taken_of_a_package_are_there_once_that_alone_is_imported():
    """As in a job, which starts with nothing imported; where tests fork jobs of a process that has imported much, what
    another package brought along would hide that `import pyarrow` is not enough for `pyarrow.parquet`."""
    taken = defaultdict(set)
    for path in SCRIPTS.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        for alias in (alias for node in nodes if isinstance(node, ast.Import) for alias in node.names):
            own = (node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
            names = {node.attr for node in own if node.value.id == (alias.asname or alias.name)}
            if "." not in alias.name and alias.name not in OF_TORCH:  # which imports all of its own
                taken[alias.name] |= {name for name in names if is_module(f"{alias.name}.{name}")}
    assert taken["numpy"] >= {"linalg", "random"}
    for package, names in taken.items():
        program = f"import {package} as package; [getattr(package, name) for name in {sorted(names)}]"
        assert not names or subprocess.run([sys.executable, "-c", program]).returncode == 0


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of what is no package
        return False
    except ValueError:  # of one that has replaced itself
        return True
