"""The library without the workflow: its version, and the notebook of docs/, run as it stands."""

import json
import re
import tomllib

import matplotlib as mpl
import numpy as np
import pytest
import yaml
from conftest import REPOSITORY

import maescope
from maescope.base import imports

NOTEBOOK = json.loads((REPOSITORY / "docs/library.ipynb").read_text())


def test_the_version_is_that_of_the_package_and_the_citation():
    assert re.fullmatch(r"\d+\.\d+\.\d+", maescope.__version__)
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == maescope.__version__
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "maescope.base.version.__version__"}
    for package in (maescope, maescope.base):
        with pytest.raises(AttributeError, match="no attribute 'versions'"):
            _ = package.versions


def test_a_release_is_no_other_code_to_the_rules():
    for script in (REPOSITORY / "workflow/scripts").glob("*/*.py"):
        if script.parent.name != "maescope":
            find = lambda name: str(REPOSITORY / "workflow/scripts" / name)  # noqa: E731
            assert "maescope/base/version.py" not in imports.digests(str(script), find)


def test_the_notebook_runs_and_says_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    space: dict = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
    tokens = space["tokens"]
    assert repr(tokens).startswith("Tokens(cls=(4, 36, 48), mean=(4, 36, 48), head=(4, 36, 4, 12), logits=(36, 10)")
    assert space["masked"].patch.shape == (4, 36, 16, 48) and space["masked"].logits.shape == (36, 10)
    assert list(space["by_layer"]["chance"].round(6)) == [0.333333] * 4
    assert (space["by_layer"]["knn_accuracy"] > 0.5).all()  # of digits even random weights keep something apart
    assert np.array_equal(space["again"], tokens.mean[3].numpy())
    assert 0 < space["distance"].min() < space["distance"].max() < 32 * 2**0.5
    assert len(space["axis"].lines) == 4


def test_the_notebook_is_kept_without_results():
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert cells and not any(cell["outputs"] or cell["execution_count"] for cell in cells)


def test_what_the_page_shows_of_the_library_is_there():
    """Every name that the blocks of docs/library.md import."""
    page = (REPOSITORY / "docs/library.md").read_text()
    lines = [line for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    found = [line for line in lines if line.startswith("from maescope")]
    assert len(found) >= 5
    for line in found:
        exec(line, {})
