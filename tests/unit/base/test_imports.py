"""A file's imports are followed through the library."""

import re

from conftest import REPOSITORY

from maescope.base import imports

FILES = {
    "script": "from maescope import a, b\nfrom maescope.c import thing\nimport numpy\n",
    "a": "from maescope import c\n",
    "b": "def late():\n    from maescope import d\n",
    "c": "from maescope.a import circle\n",
    "d": "import json\n",
    "e": "from maescope import a\n",
}


def test_modules_are_found_through_modules_circles_and_late_imports(tmp_path):
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    library = {name: str(tmp_path / f"{name}.py") for name in "abcde"}
    found = imports.closure(str(tmp_path / "script.py"), library)
    assert sorted(found) == [library[name] for name in "abcd"]


def test_the_list_of_the_workflow_has_every_module_of_the_library():
    text = (REPOSITORY / "workflow/rules/common.smk").read_text()
    listed = set(" ".join(re.findall(r'^        "(.*)"$', text.partition(".split()")[0], re.MULTILINE)).split())
    assert listed == {path.stem for path in (REPOSITORY / "workflow/scripts/maescope").glob("*.py")}
