"""The library without the workflow: its version, and the notebook of docs/, run as it stands."""

import ast
import json
import re
import tomllib

import nbformat
import pytest
import yaml
from conftest import REPOSITORY
from nbclient import NotebookClient

import maescope
from maescope.base import imports

HELD = """{
    "tokens": repr(tokens),
    "masked": [tuple(masked.patch.shape), tuple(masked.logits.shape)],
    "chance": [round(chance, 6) for chance in by_layer["chance"].tolist()],
    "knn": by_layer["knn_accuracy"].tolist(),
    "again": bool(np.array_equal(again, tokens.mean[3].numpy())),
    "distance": (float(distance.min()), float(distance.max())),
}"""
NOTEBOOK = json.loads((REPOSITORY / "docs/notebook.ipynb").read_text())


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


def test_the_notebook_runs_as_jupyter_runs_it_and_says_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "workflow/scripts"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(REPOSITORY / "docs/notebook.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(HELD))
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    said = ast.literal_eval(notebook.cells[-1].outputs[0]["data"]["text/plain"])
    assert said["tokens"].startswith("Tokens(cls=(4, 36, 48), mean=(4, 36, 48), head=(4, 36, 4, 12), logits=(36, 10)")
    assert said["masked"] == [(4, 36, 16, 48), (36, 10)]
    assert said["chance"] == [0.333333] * 4
    assert min(said["knn"]) > 0.5  # of digits even random weights keep something apart
    assert said["again"] is True
    assert 0 < said["distance"][0] < said["distance"][1] < 32 * 2**0.5
    drawn = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(drawn) == 1


def test_each_part_of_the_notebook_is_ten_lines_at_most():
    """But the imports."""
    cells = ["".join(cell["source"]).splitlines() for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 7 and max(map(len, cells[1:])) <= 11


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
