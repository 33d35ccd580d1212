"""The pages of the project: what they point to is there, and so is what the code points to."""

import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import REPOSITORY

LIBRARY = REPOSITORY / "workflow/scripts/maescope"
PAGES = sorted(path for folder in (".", "docs", "config") for path in (REPOSITORY / folder).glob("*.md"))
PARTS = ("workflow", "tests", "tools", "benchmarks", "config")
CODE = [path for part in PARTS for path in (REPOSITORY / part).rglob("*")]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
PAGE = re.compile(r"\b(?:docs/[\w-]+|config/README|[A-Z]{4,})\.md\b")


def anchors(path: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_within_the_project_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text()):
        path = (page.parent / target) if target else page
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(path), f"{page.name}: {target}#{anchor}"


def test_pages_that_the_code_names_are_there():
    code = [path for path in CODE if path.suffix in {".py", ".smk", ".yaml", ".sh"}]
    assert len(code) > 200
    named = {(page, path) for path in code for page in PAGE.findall(path.read_text())}
    assert {"docs/faults.md", "docs/quantities.md"} <= {page for page, _ in named}
    assert [(page, path.name) for page, path in named if not (REPOSITORY / page).exists()] == []


def test_the_modules_that_compute_each_quantity_are_there():
    page = (REPOSITORY / "docs/quantities.md").read_text()
    named = re.findall(r"`(\w+)\.(\w+)(?:\.(\w+))?`", page)
    found = [(wing, module, name) for wing, module, name in named if (LIBRARY / wing).is_dir()]
    assert len(found) > 20
    for wing, module, name in found:
        path = LIBRARY / wing / f"{module}.py"
        assert path.exists() and f"def {name}" in path.read_text() if name else path.exists(), (wing, module, name)
    measures = {path.stem for path in (LIBRARY / "measures").glob("*.py")} - {"__init__", "embeddings"}
    assert measures - {module for _, module, _ in found} <= {"reconstruction_error"}  # of sweeps: docs/sweep.md


def test_each_file_of_tests_has_a_name_of_its_own():
    """Pytest imports them by name: of two, the second is an error, and only where both are collected."""
    names = Counter(path.name for path in (REPOSITORY / "tests").rglob("*.py"))
    assert [name for name, times in names.items() if times > 1] == []
