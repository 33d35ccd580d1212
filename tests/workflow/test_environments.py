"""The environments for --sdm conda hold the pins of requirements.txt."""

import re

import pytest
import yaml
from conftest import REPOSITORY

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


def test_the_environments_hold_what_the_scripts_import():
    """Of the scripts themselves; the library has more, and each of its modules is in one environment or both."""
    imports = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
    names = {"sklearn": "scikit-learn", "PIL": "pillow"}
    packages = {name: set() for name in ("cpu", "torch")}
    rules = "\n".join(path.read_text() for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk")))
    for environment, script in re.findall(r'envs/(\w+)\.yaml".*?scripts/(\w+/\w+)\.py"', rules, re.DOTALL):
        packages[environment] |= set(imports.findall((REPOSITORY / f"workflow/scripts/{script}.py").read_text()))
    assert {"pandas", "numpy"} <= packages["cpu"] and "torch" in packages["torch"]
    for name, modules in packages.items():
        found = pinned(yaml.safe_load((REPOSITORY / f"envs/{name}.yaml").read_text()))
        wanted = {names.get(module, module) for module in modules} & set(locked())
        assert wanted <= set(found), (name, wanted - set(found))
