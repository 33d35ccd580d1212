"""A script's imports are followed through the library; its digest is of their contents and of nothing else."""

import ast

import pytest
from conftest import REPOSITORY

from maescope.base import imports

FILES = {
    "wing/script.py": "from maescope.a import one, two\nfrom maescope.b.three import thing\nimport numpy\n",
    "maescope/a/one.py": "from maescope.b import three\n",
    "maescope/a/two.py": "def late():\n    from maescope.b import four\n",
    "maescope/b/three.py": "from maescope.a.one import circle\n",
    "maescope/b/four.py": "import json\n",
    "maescope/b/five.py": "from maescope.a import one\n",
    "maescope/__init__.py": "",
    "maescope/a/__init__.py": "",
    "maescope/b/__init__.py": "",
}


@pytest.fixture
def library(tmp_path):
    """A small library in a folder, and how to find its files there."""

    def made(folder, **changed):
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(changed.get(name.rpartition("/")[2], text))
        return str(folder / "wing/script.py"), lambda name: str(folder / name)

    return lambda name, **changed: made(tmp_path / name, **changed)


def test_modules_are_found_through_modules_circles_and_late_imports_with_their_packages(library):
    found = imports.closure(*library("here"))
    assert sorted(found) == sorted(name for name in FILES if "five" not in name and "script" not in name)


def test_code_is_the_same_wherever_it_lies_and_another_where_a_module_behind_it_is_edited(library):
    here = imports.code(*library("here"))
    assert imports.code(*library("there/moved")) == here and len(here) == 16
    assert imports.code(*library("unused", **{"five.py": "edited = 1\n"})) == here
    assert imports.code(*library("late", **{"four.py": "edited = 1\n"})) != here
    assert imports.code(*library("own", **{"script.py": FILES["wing/script.py"] + "edited = 1\n"})) != here


@pytest.mark.parametrize(
    "form",
    ["import maescope.a.one", "import maescope", "from maescope import a", "from . import one", "from .one import x"],
)
def test_a_form_whose_code_would_be_in_no_digest_is_refused_by_file_and_line(library, form):
    with pytest.raises(ValueError, match=r"script\.py, line 2: write from maescope\.<wing> import <module>"):
        imports.code(*library("other_form", **{"script.py": f"import json\n{form}\n"}))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1; from maescope.a import two",
        "if True: from maescope.a import two",
        "import json, \\\n  maescope.a.two",
        "from maescope.a import one, \\\n   two",
        "from maescope.a import (\n    one,  # (the first)\n    two,\n)",
        "def late():\n    from maescope.b.three import (\n        thing,\n    )",
        '"""Prose\nfrom someone of maescope\n"""\nfrom maescope.a import two',
        "try: from .. import two\nexcept ImportError: pass",
        "from\\\n maescope.a import two",
        "from maescope.a import two  # (\nx = (1)",
    ],
)
def test_an_import_is_found_however_it_is_written(text):
    found = [(line, ast.dump(node)) for line, node in imports.statements(text)]
    assert found and found == _parsed(text)


def test_in_each_file_of_the_project_the_same_imports_are_found_as_by_parsing_all_of_it():
    files = list((REPOSITORY / "workflow/scripts").rglob("*.py"))
    for text in (file.read_text() for file in files):
        found = sorted((line, ast.dump(node)) for line, node in imports.statements(text))
        assert [node for node in found if "maescope" in node[1]] == [
            node for node in _parsed(text) if "maescope" in node[1]
        ]
    assert len(files) > 100


def _parsed(text):
    """Line and node of each import of a file, in the order of lines."""
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom))
    return sorted((node.lineno, ast.dump(node)) for node in nodes)


def test_every_module_of_the_library_lies_in_a_wing_and_every_script_in_the_folder_of_one():
    scripts = REPOSITORY / "workflow/scripts"
    wings = {path.parent.name for path in scripts.glob("maescope/*/__init__.py")}
    modules = [path.relative_to(scripts / "maescope").parts for path in scripts.glob("maescope/**/*.py")]
    assert modules and all(parts == ("__init__.py",) or (len(parts) == 2 and parts[0] in wings) for parts in modules)
    others = [path.relative_to(scripts).parts for path in scripts.glob("**/*.py")]
    others = [parts for parts in others if parts[0] != "maescope"]
    assert others and all(len(parts) == 2 and parts[0] in wings for parts in others)


def test_what_plans_watches_and_verifies_is_no_code_of_a_result():
    """An edit there would make everything again that has it in its digest, tokens first of all."""
    scripts = REPOSITORY / "workflow/scripts"
    own = [path for path in scripts.glob("*/*.py") if path.parent.name != "maescope"]
    behind = {name for path in own for name in imports.closure(str(path), lambda name: str(scripts / name))}
    apart = ["base/terminal", "base/version", "base/yaml_keys", "verify/records"]
    apart += [f"study/{name}" for name in ("cluster", "cluster_requests", "cluster_watch", "kept_labels", "lookups")]
    apart += [f"study/{name}" for name in ("convention_lookups", "settings", "settled_inputs", "target_lookups")]
    assert all((scripts / f"maescope/{name}.py").is_file() for name in apart)
    assert "maescope/tokens/store.py" in behind
    assert behind & {f"maescope/{name}.py" for name in apart} == set()
