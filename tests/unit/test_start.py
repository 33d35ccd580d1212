"""What a job imports before it begins: nothing heavy that it has no use for (docs/scale.md)."""

import ast
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
