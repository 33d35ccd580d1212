"""A script's imports are followed through the library; its digest is of their contents and of nothing else."""

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


def test_every_module_of_the_library_lies_in_a_wing_and_every_script_in_the_folder_of_one():
    scripts = REPOSITORY / "workflow/scripts"
    wings = {path.parent.name for path in scripts.glob("maescope/*/__init__.py")}
    modules = [path.relative_to(scripts / "maescope").parts for path in scripts.glob("maescope/**/*.py")]
    assert modules and all(parts == ("__init__.py",) or (len(parts) == 2 and parts[0] in wings) for parts in modules)
    others = [path.relative_to(scripts).parts for path in scripts.glob("**/*.py") if "maescope" not in path.parts]
    assert others and all(len(parts) == 2 and parts[0] in wings for parts in others)
