"""Refusals as they were before the library got its wings (0.1): the same sentences, key by key.

refusals.json has a case a line: a configuration (`least`, or a file), what is changed in it (a path and its value, or a
path alone for what is left out), and the sentences. Who betters a sentence betters it there.
"""

import json

import pytest
import yaml
from conftest import REPOSITORY, SCHEMA

from maescope.base.errors import InputError
from maescope.models.architectures import recorded_preprocessing
from maescope.study import settings

CASES = json.loads((REPOSITORY / "tests/unit/study/refusals.json").read_text())
LEAST = {
    "study": {"name": "s", "finetuned": ["vit"], "dataset": "pets"},
    "datasets": {"pets": {"pattern": "/data/{label}/*.png", "classes": ["cat", "dog"]}},
    "models": {"vit": {"architecture": "vit_tiny", "weights": "/nowhere/w.safetensors", "num_classes": 2}},
    "perturbations": {
        "clean": {"kind": "clean"},
        "mask": {"kind": "mask"},
        "blur": {"kind": "blur", "levels": {"I": {"kernel": 5, "sigma": 1.0}}},
        "occlusion": {"kind": "occlusion"},
    },
}


def changed(name, changes):
    """A configuration with values set at dotted paths, or deleted."""
    config = json.loads(json.dumps(LEAST if name == "least" else yaml.safe_load((REPOSITORY / name).read_text())))
    for path, *value in changes:
        *parents, key = path.split(".")
        place = config
        for parent in parents:
            place = place[parent]
        if value:
            place[key] = value[0]
        else:
            del place[key]
    return config


@pytest.mark.parametrize(("name", "changes", "said"), CASES, ids=range(len(CASES)))
def test_a_configuration_is_refused_in_the_words_of_before(name, changes, said, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(InputError) as caught:
        settings.check(changed(name, changes), SCHEMA, recorded_preprocessing)
    lines = str(caught.value).removeprefix("the configuration is not usable:\n").split("\n")
    assert sorted(lines) == sorted(said)
