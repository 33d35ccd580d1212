"""What the rules' text must keep by itself: the digest of the script that is run, and what captions ask for."""

import re
from pathlib import Path

import pytest
from conftest import REPOSITORY

from maescope.base import imports

TEXT = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")))
BLOCKS = dict(re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *(?:use )?rule |\Z)", TEXT, re.DOTALL | re.MULTILINE))
CAPTIONS = {
    path.stem: set(re.findall(r"snakemake\.params\.(\w+)", path.read_text()))
    for path in (REPOSITORY / "workflow/report").glob("*.rst")
}


def test_every_rule_with_a_script_has_the_digest_of_that_script():
    pairs = re.findall(r'code=code\("(.*?)"\)|script:\n +"\.\./scripts/(.*?)\.py"', TEXT)
    codes, scripts = ([pair[number] for pair in pairs if pair[number]] for number in (0, 1))
    scripts.remove("images/check_sample")  # whose code would make all tokens again, and decides no result
    assert codes == scripts and len(scripts) > 50
    assert all((REPOSITORY / f"workflow/scripts/{script}.py").is_file() for script in scripts)


@pytest.mark.parametrize("wing", ["figures", "tables", "claims"])
def test_no_script_of_figures_tables_and_claims_needs_torch(wing):
    scripts = {path.stem: path for path in (REPOSITORY / f"workflow/scripts/{wing}").glob("*.py")}
    needs = {}
    for name, path in scripts.items():
        behind = imports.closure(str(path), lambda file: str(REPOSITORY / "workflow/scripts" / file)).values()
        text = "\n".join(Path(file).read_text() for file in (path, *behind))
        needs[name] = set(re.findall(r"^ *(?:from|import) (torch|torchvision|timm)\b", text, re.MULTILINE))
    assert len(needs) > 1 and {name for name in needs if needs[name]} == ({"reconstruction"} & set(needs))


def test_every_script_is_run_by_a_rule():
    there = {path.relative_to(REPOSITORY / "workflow/scripts") for path in REPOSITORY.glob("workflow/scripts/*/*.py")}
    there = {str(path.with_suffix("")) for path in there if path.parts[0] != "maescope"}
    assert there == set(re.findall(r"\.\./scripts/(.*?)\.py", TEXT))


@pytest.mark.parametrize("caption", sorted(name for name, params in CAPTIONS.items() if params))
def test_what_a_caption_asks_of_its_rule_is_among_its_params(caption):
    params = re.search(r"\n +params:\n(.*)", BLOCKS[caption], re.DOTALL)[1]
    assert CAPTIONS[caption] <= set(re.findall(r"^ +(\w+)=", params, re.MULTILINE))


def test_a_figure_asks_something_in_its_caption():
    assert CAPTIONS["figure_4"] == {"centring"}  # else the test before looks at nothing


@pytest.mark.parametrize("handler", ["onstart", "onsuccess", "onerror"])
def test_a_handler_is_stated_once_as_snakemake_runs_the_last_one_alone(handler):
    files = [REPOSITORY / "Snakefile", *(REPOSITORY / "workflow/rules").glob("*.smk")]
    stated = [path.name for path in files for line in path.read_text().splitlines() if line.startswith(f"{handler}:")]
    assert stated == ["cluster.smk"]
