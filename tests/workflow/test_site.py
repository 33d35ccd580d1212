"""The documentation as a site: no dead link, nothing from a network, every result told of, and a search that finds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from browser import CHROMIUM, Browser
from conftest import REPOSITORY

PARTS = ("docs", "config", "tools", "envs", "profiles", "workflow/schemas", "workflow/scripts/maescope/tokens")
ORPHAN = "orphan.md"
FILES = ("mkdocs.yml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
RESULT = re.compile(r"\b(?:figure|table)\(\s*\"(\w+)\"")


def build(folder: Path, site: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    built = build(REPOSITORY, folder)
    assert built.returncode == 0, built.stdout
    assert "WARNING" not in built.stdout
    return folder


def test_no_page_needs_a_network(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len([*(REPOSITORY / "docs").glob("*.md")]) + 4
    for page in pages:
        needed = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=\"?(https?:[^\s\">]+)", page.read_text()
        )
        assert needed == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", sheet.read_text()), sheet


def test_pages_and_files_that_pages_name_are_in_it(site):
    text = (site / "docs/notebook.ipynb.html").read_text()
    assert "MAE's pass under a mask" in text and "separation" in text
    assert "workflow/scripts/maescope/tokens/forward.py" in (site / "docs/library.html").read_text()
    for path in ("config/imagenet.yaml", "docs/figure_5.png", "workflow/scripts/maescope/tokens/forward.py"):
        assert (site / path).read_bytes() == (REPOSITORY / path).read_bytes()


def test_search_finds_from_a_disk(site, tmp_path):
    if CHROMIUM is None:
        pytest.skip("no chromium here (apt-get install chromium)")
    with Browser(site / "index.html", tmp_path) as browser:
        field = 'document.querySelector("input.md-search__input")'
        browser.wait(f"{field} && window.Worker.name !== 'Worker'")
        browser.click(field)
        browser._call("Input.insertText", text="rollout")
        browser._call("Input.dispatchKeyEvent", type="keyUp", key="t")
        browser.wait('document.querySelectorAll(".md-search-result__item").length > 2')
        assert "quantities.html" in browser.ask('document.querySelector(".md-search-result__list").innerHTML')
        assert browser.said == []


def test_what_leads_nowhere_stops_the_build_by_name(tmp_path):
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    for name in FILES:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / "docs" / ORPHAN).write_text(
        "# In no menu\n\n[a](gone.md) [b](trust.md#no-such-heading) [c](../config/gone.yaml)\n"
    )
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    for named in (f"docs/{ORPHAN}", "gone.md", "no-such-heading", "config/gone.yaml"):
        assert any(
            named in line for line in built.stdout.splitlines() if "WARNING" in line or line.startswith("  - ")
        ), named
    assert "Aborted with 4 warnings" in built.stdout


def test_every_figure_and_table_is_told_of_and_says_what_chance_looks_like():
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    results = {*RESULT.findall(rules), "overview"}
    assert len(results) > 35
    page = (REPOSITORY / "docs/figures.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == results
    for name, text in sections.items():
        told = ("**Shows**", "**Read**") if name == "overview" else ("**Shows**", "**Read**", "**Chance**")
        assert all(word in text for word in told), name


def test_the_readme_is_short_and_its_study_is_one():
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 110
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    assert [(kind, len(block.splitlines())) for kind, block in blocks] == [("sh", 5), ("yaml", 10)]
    study = yaml.safe_load(blocks[1][1])
    assert {study["study"]["pretrained"], study["study"]["supervised"], *study["study"]["finetuned"]} == study[
        "models"
    ].keys()
