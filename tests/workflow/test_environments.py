"""The environments for --sdm conda hold the pins of requirements.txt."""

import re
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from maescope.base import imports

PIN = re.compile(r"^([\w.-]+)==([\w.+]+)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)
CONDA_NAMES = {"matplotlib-base": "matplotlib"}


def locked() -> dict[str, str]:
    """Name to version in requirements.txt, as for Python 3.12."""
    pins = {}
    for name, version, marker in PIN.findall((REPOSITORY / "requirements.txt").read_text()):
        if "python_full_version < '3.12'" not in marker:
            pins[name] = version
    return pins


def pinned(environment: dict) -> dict[str, str]:
    """Name to version in an environment, those of its pip part included."""
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str) and "=" in entry]
    from_pip = [entry for part in environment["dependencies"] if isinstance(part, dict) for entry in part["pip"]]
    pairs = [re.split(r"\s*=+\s*", entry) for entry in [*plain, *from_pip]]
    return {CONDA_NAMES.get(name, name): version for name, version in pairs}


@pytest.mark.parametrize("name", ["cpu", "torch"])
def test_pins_are_those_of_the_lock_file(name):
    found = pinned(yaml.safe_load((REPOSITORY / f"envs/{name}.yaml").read_text()))
    assert found.pop("python") == "3.12"
    assert len(found) >= 9
    assert found == {package: locked()[package] for package in found}


def test_the_environments_hold_what_the_scripts_and_the_library_behind_them_import():
    found_in = re.compile(r"^(?: *)(?:from|import) (?!torch\.nn import LayerNorm)(\w+)", re.MULTILINE)  # see final_norm
    names = {"sklearn": "scikit-learn", "PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}
    scripts, packages = REPOSITORY / "workflow/scripts", {name: set() for name in ("cpu", "torch")}
    rules = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")))
    pairs = re.findall(r'envs/(\w+)\.yaml".*?scripts/(\w+/\w+\.py)"', rules, re.DOTALL)
    assert len(pairs) > 40
    for environment, script in pairs:
        behind = imports.closure(str(scripts / script), lambda file: str(scripts / file))
        for path in (scripts / script, *behind.values()):
            packages[environment] |= set(found_in.findall(Path(path).read_text()))
    for name, modules in packages.items():
        found = pinned(yaml.safe_load((REPOSITORY / f"envs/{name}.yaml").read_text()))
        wanted = {names.get(module, module) for module in modules} & set(locked())
        assert {"numpy", "pandas"} <= wanted <= set(found), (name, wanted - set(found))
