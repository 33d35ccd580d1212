"""The tables of config/README.md: what the schema says, all of it, and nothing else."""

import copy
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SCHEMA

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "config/README.md").read_text()
KINDS = SCHEMA["$defs"]["perturbation"]["properties"]["kind"]["enum"]


def loaded(path):
    """A tool as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


config_docs = loaded(ROOT / "tools/config_docs.py")


def described(part):
    """Name and schema of every key, wherever it stands; not those of conditions, which tell nothing of their own."""
    if isinstance(part, list):
        for one in part:
            yield from described(one)
    elif isinstance(part, dict):
        yield from ((name, key) for name, key in part.get("properties", {}).items() if isinstance(key, dict))
        for word, one in part.items():
            if word != "if":
                yield from described(one)


def holders(key, schema):
    """What may have the description of a key: itself, and what it refers to."""
    return [key, *([schema["$defs"][key["$ref"].rpartition("/")[2]]] if "$ref" in key else [])]


def test_the_page_is_what_the_schema_says():
    assert config_docs.render(PAGE, SCHEMA) == PAGE, "config/README.md is stale: run make docs"


def test_every_key_has_a_description():
    lacking = [name for name, key in described(SCHEMA) if not any("description" in one for one in holders(key, SCHEMA))]
    assert lacking == []


def test_every_key_stands_in_one_table():
    rows = re.findall(r"^\| `([^`]+)` \| .* \|$", "".join(found[2] for found in config_docs.TABLE.findall(PAGE)), re.M)
    kinds = [f"kind: {kind}" for kind in KINDS]
    assert [row for row in rows if row in kinds] == kinds
    assert sorted(row.rpartition(".")[2] for row in rows if row not in kinds) == sorted(
        name for name, _ in described(SCHEMA)
    )


def test_a_key_without_a_description_is_refused():
    keys = list(described(SCHEMA))
    assert len(keys) > 100
    for place in range(len(keys)):
        schema = copy.deepcopy(SCHEMA)
        name, key = list(described(schema))[place]
        for one in holders(key, schema):
            one.pop("description", None)
        with pytest.raises(ValueError, match=rf"\.{name}: has no description"):
            config_docs.render(PAGE, schema)


@pytest.mark.parametrize(
    "part, words",
    [
        ({"type": "integer", "minimum": 1}, "integer ≥ 1"),
        ({"type": ["integer", "null"], "minimum": 4, "multipleOf": 4}, "integer ≥ 4, multiple of 4"),
        ({"type": "integer", "minimum": 1, "not": {"multipleOf": 2}}, "integer ≥ 1, odd"),
        ({"type": "number", "exclusiveMinimum": 0}, "number > 0"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number in (0, 1]"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "number in [0, 1)"),
        ({"enum": ["after", None]}, "`after`"),
        ({"enum": list("abcdefg")}, "name"),
        ({"type": "boolean"}, "`false`, `true`"),
        ({"type": "array", "items": {"type": "string"}}, "list of strings"),
        ({"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number", "minimum": 0}}, "2 numbers ≥ 0"),
        ({"type": "array", "items": {"properties": {}}}, "list of entries"),
        ({"type": "object", "properties": {}}, "keys below"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "strings by name"),
        ({"type": "object", "additionalProperties": {"type": "object", "properties": {}}}, "entries by name"),
        ({"oneOf": [{"type": "null"}, {"const": "timm"}, {"$ref": "#/$defs/own"}]}, "`timm` or integer"),
        ({"type": "string"}, "string"),
    ],
)
def test_values_in_a_few_words(part, words):
    assert config_docs.values(part, {"own": {"type": "integer"}}) == words


@pytest.mark.parametrize(
    "part, required, words",
    [
        ({"default": 0.001}, False, "`0.001`"),
        ({"default": ["mask", 3]}, False, "`[mask, 3]`"),
        ({"default": False}, False, "`false`"),
        ({"default": None}, False, ""),
        ({"default": {}}, False, ""),
        ({}, False, ""),
        ({}, True, "*required*"),
    ],
)
def test_a_default_is_written_as_in_a_configuration(part, required, words):
    assert config_docs.default(config_docs.Key("own", part, required)) == words


@pytest.mark.parametrize(
    "page, problem",
    [
        ("<!-- schema: top -->\n", "needs an `<!-- end -->`"),
        ("<!-- schema: study -->\n<!-- end -->\n", "seed: is in no table"),
        (
            "<!-- schema: top -->\n<!-- end -->\n<!-- schema: studdy -->\n<!-- end -->\n",
            "studdy -->: the schema has no",
        ),
    ],
)
def test_a_page_that_lacks_a_mark_or_has_a_wrong_one_is_refused(page, problem):
    with pytest.raises(ValueError, match=problem):
        config_docs.render(page, SCHEMA)


def test_one_mark_alone_gets_every_key():
    page = config_docs.render("before\n<!-- schema: top -->\n<!-- end -->\nbehind\n", SCHEMA)
    assert page.startswith("before\n<!-- schema: top -->\n| key | meaning | value | default |\n")
    assert page.endswith("|\n<!-- end -->\nbehind\n")
    for key in ("study.sweep.mask", "models.<name>.training.augmentation.scale", "analysis.subspace.k"):
        assert f"\n| `{key}` | " in page


@pytest.fixture
def clone(tmp_path):
    """The tool, the schema and the page in a folder of their own."""
    for name in ("tools/config_docs.py", "workflow/schemas/config.schema.yaml", "config/README.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(folder, *options):
    command = [sys.executable, folder / "tools/config_docs.py", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_a_stale_page_is_named_with_what_to_do_and_made_anew(clone):
    assert run(clone, "--check").returncode == 0
    page = clone / "config/README.md"
    stale = page.read_text().replace("The labelled clean images.", "Images.")
    page.write_text(stale)
    checked = run(clone, "--check")
    assert checked.returncode == 1
    assert checked.stderr.startswith("error: config/README.md is not what workflow/schemas/config.schema.yaml says")
    assert checked.stderr.endswith("run make docs\n")
    assert page.read_text() == stale
    assert run(clone).returncode == 0
    assert page.read_text() == PAGE
