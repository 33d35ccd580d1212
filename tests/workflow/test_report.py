"""The report as a co-author sees it: in a browser without network, everything clicked on, and read off the screen."""

import json
import re
import shutil

import pytest
from conftest import REPOSITORY, Workflow
from reader import ROWS, SHOWN, cells, named, opened

MENU = [
    "1. Overview",
    "2. Claims",
    "3. Layer by layer",
    "4. Robustness",
    "5. Heads",
    "6. Beyond the paper",
    "7. Models",
]


@pytest.fixture(scope="module")
def reader(report, tmp_path_factory):
    with opened(report, tmp_path_factory.mktemp("browser")) as reader:
        yield reader


def test_nothing_comes_from_elsewhere(report):
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:[^>]*>", report.read_text())


def test_embedded_files_have_addresses_of_the_plain_form(report):
    """Type and character set, as RFC 2397 has it: of other parameters browsers make different things."""
    forms = set(re.findall(r"data:[\w.+-]+/[\w.+-]+[^,\"]{0,80}base64,", report.read_text()))
    kinds = {"text/html", "text/csv", "text/markdown", "image/png", "image/svg+xml", "application/pdf"}
    assert {form[5:].split(";")[0] for form in forms} >= kinds
    assert {form for form in forms if not re.fullmatch(r"data:[\w.+/-]+(;charset=utf-8)?;base64,", form)} == set()


def test_the_first_page_says_what_there_is_and_leads_there(reader):
    browser = reader.browser
    assert browser.ask("document.querySelector('#app nav h1 img').naturalWidth") > 10  # the logo
    browser.wait("document.querySelectorAll('#app canvas, #app #rulegraph svg').length > 0")
    said = browser.ask(f"{SHOWN}.innerText")
    assert "Study smoke" in said and "Begin with the first two" in said and "system-message" not in said.lower()
    links = browser.ask(f"[...{SHOWN}.querySelectorAll('li a')].map((a) => a.innerText)")
    assert links == [*MENU, "Files"]
    for link in links:
        node = f"[...{SHOWN}.querySelectorAll('li a')].find((a) => a.innerText === {link!r})"
        browser.click(node, then=f"{named(link)} && !{named('Statistics')}")
        reader.home()


def test_the_menu_is_in_order_and_every_page_of_it_opens(reader):
    browser = reader.browser
    assert reader.categories() == [*MENU, "Files"]
    for words, seen in (("Workflow", "#rulegraph"), ("Statistics", "#runtimes")):
        browser.click(named(words), then=f"document.querySelectorAll('{seen} canvas, {seen} svg').length")
    browser.click(named("About"), then=f"!{named('Statistics')}")
    browser.click("document.querySelector('#app nav ul li a')", then=f"{SHOWN}.innerText.length > 500")  # a licence


def made(finished: Workflow, *suffixes: str) -> set[str]:
    """What the study has of figures, tables and pages."""
    folder = finished / "results/smoke"
    return {str(path.relative_to(folder)) for suffix in suffixes for path in folder.rglob(f"*.{suffix}")}


def test_every_result_is_on_screen_with_its_caption(reader, finished):
    figures, pages = [], []
    for category in MENU:
        for result in reader.results(category):
            assert re.fullmatch(r"[A-Z][\w ,:-]{7,45}", result), result  # as wide as leaves room for what is shown
            seen, caption = reader.look(result), reader.caption(result, category)
            assert len(caption) > 60, (result, caption)
            if "widths" in seen:
                assert min(seen["widths"]) > 400, (result, seen)
                figures.append(result)
            else:
                assert seen["type"] == "text/html" and min(seen["cell"]) > 0, (result, seen["type"])
                pages.append(seen["cells"])
    drawn = made(finished, "png")
    written = {name for name in made(finished, "html") if name == "overview.html" or name.startswith("tables/")}
    assert len(figures) == len(set(figures)) == len(drawn)
    assert sorted(pages) == sorted(cells((finished / "results/smoke" / name).read_text()) for name in written)


def test_every_file_can_be_downloaded_as_it_is(reader, finished):
    offered = []
    for kind in ("Figures (PDF)", "Numbers (CSV)", "Tables (LaTeX, Markdown)"):
        for result in reader.results("Files", kind):
            offered.append(result)
            if result.endswith(".pdf"):
                assert reader.look(result) == {"type": "application/pdf"}, result
            else:
                file = finished / "results/smoke" / result
                assert reader.browser.download(reader.button(result, 0)) == (file.name, file.read_bytes()), result
    own = {name for name in made(finished, "pdf", "csv", "tex", "md") if name.startswith(("figures/", "tables/"))}
    assert set(offered) == own and len(offered) == len(own)


def test_a_search_finds_what_it_names(reader):
    for words, number in (("table_1", 4), ("figure_5.", 3), ("claims", 4), ("nothing of this name", 0)):
        reader.home()
        reader.browser.type("document.querySelector('#app nav input')", words)
        reader.browser.wait(f"!{named('Statistics')} && {ROWS}.length === {number}")


def test_the_overview_names_settings_models_versions_and_run_times(reader, finished):
    (result,) = reader.results("1. Overview")
    text = reader.look(result)["text"]
    for words in ("Study smoke", "study.finetuned", "perturbations.blur.levels.I.kernel", "analysis.subspace.k"):
        assert words in text, words
    for words in ("trained here: finetune, 1 epochs", "vit_tiny_patch16_224", "all of them", "matplotlib"):
        assert words in text, words
    timed = [path for path in (finished / "results/benchmarks").rglob("*.tsv")]
    assert f"{len(timed)} jobs" in text
    assert len(set(re.findall("[0-9a-f]{64}", text))) == 4  # of all settings and of three weights


LIST = """
import json
from snakemake.io import get_flag_value, is_flagged

paths = [path for rule in workflow.rules for path in rule.output if is_flagged(path, "report")]
flags = [get_flag_value(path, "report") for path in paths]
with open("flags.json", "w") as file:
    json.dump([[str(path), flag.category, flag.labels] for path, flag in zip(paths, flags)], file)
"""
STUDIES = ["config/config.yaml", "config/sweep.yaml", "tests/workflow/config.yaml", "tests/workflow/sweep.yaml"]


@pytest.mark.parametrize("study", STUDIES)
def test_no_results_of_any_study_can_be_taken_for_a_switch(workflow, study):
    """Of labels but the first the viewer makes switches, in a category as in what a search finds: so there is one."""
    shutil.copy(REPOSITORY / study, workflow / "config/config.yaml")
    with open(workflow / "Snakefile", "a") as file:
        file.write(LIST)
    workflow.must_run("--list")
    flags = json.loads((workflow / "flags.json").read_text())
    assert len(flags) > 60
    assert {tuple(labels) for _, _, labels in flags} == {("result",)}
    assert len({labels["result"] for _, _, labels in flags}) == len(flags)  # of two alike the list shows one
    assert {category for _, category, _ in flags} <= {*MENU, "8. Sweep", "9. Sensitivity", "Files"}
