"""What a configuration may and may not ask of conventions: every refusal names its key and what to do."""

from pathlib import Path

import pytest
import yaml
from conftest import SCHEMA

from maescope.base.errors import InputError
from maescope.study import conventions, settings

ROOT = Path(__file__).parents[3]


def checked(entry, **changes):
    """The embedded configuration with one convention, and values at dotted paths changed."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["conventions"] = {"other": entry}
    for path, value in changes.items():
        *parents, key = path.split(".")
        inner = config
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[key] = value
    return settings.check(config, SCHEMA)


def refused(entry, **changes):
    with pytest.raises(InputError) as caught:
        checked(entry, **changes)
    return str(caught.value)


BLACK = {"perturbations.black": {"kind": "occlusion", "fill": "black"}}


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        ({"occlusion": "black"}, BLACK),
        ({"mask": "clean"}, {}),
        ({"subspace": {"k": 20}}, {}),
        ({"subspace": {"k": 0.9}}, {}),
        ({"subspace": {"centring": "class"}}, {}),
        ({"subspace": {"centring": "none"}}, {}),  # which the study does already
        ({"mask": "mask"}, {}),
        ({"features": {"threshold": 0.5}}, {}),
        ({"norm": "after"}, {}),
        ({"heads": "without_cls"}, {}),
        ({"distance": "with_cls"}, {}),
    ],
)
def test_one_change_is_kept_as_it_was_given(entry, changes):
    assert checked(entry, **changes)["conventions"] == {"other": entry}


def test_there_are_none_unless_given():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config.pop("conventions", None)
    assert settings.check(config, SCHEMA)["conventions"] == {}


@pytest.mark.parametrize(
    ("entry", "changes", "said"),
    [
        ({}, {}, "conventions.other: changes nothing, but must change one of occlusion, mask, subspace"),
        ({"norm": "after", "heads": "without_cls"}, {}, "conventions.other: changes norm and heads, but must"),
        ({"norms": "after"}, {}, "conventions.other: unknown key 'norms' (did you mean 'norm'?)"),
        ({"norm": "before"}, {}, "conventions.other.norm: 'before' is not one of ['after', None]"),
        ({"occlusion": "gone"}, {}, "conventions.other.occlusion: 'gone' is not among perturbations"),
        ({"occlusion": "blur"}, {}, "occlusion: blur is of kind blur, but must be of kind occlusion"),
        ({"occlusion": "occlusion_least"}, {}, "occlusion_least must have order: most, as study.occlusion"),
        ({"mask": "gone"}, {}, "conventions.other.mask: 'gone' is not among perturbations"),
        ({"mask": "blur"}, {}, "conventions.other.mask: blur is of kind blur, but mae_pretrained is to see masked"),
        ({"mask": "mask_variants"}, {}, "mae_pretrained.patch_tokens: conventions.other.mask needs those of"),
        ({"mask": "clean"}, {"study.pretrained": None}, "conventions.other.mask: needs study.pretrained"),
        (
            {"mask": "few"},
            {"perturbations.few": {"kind": "mask", "ratio": 0.96}, "datasets.digits.count": 10,
             "study.tsne": {"images": 10}, "analysis.perplexity": 5, "analysis.subspace": {"k": 6},
             "models.mae_pretrained.patch_tokens": ["mask", "clean", "few"]},
            "conventions.other.mask: 6 dimensions are above the rank of half a class, at most 5 (5 images of 1 visible",
        ),
        ({"subspace": {}}, {}, "conventions.other.subspace: says nothing; give k or centring"),
        ({"subspace": {"k": 97}}, {}, "conventions.other.subspace.k: 97 dimensions, but mae_pretrained is 96 wide"),
        ({"subspace": {"k": 5}}, {"study.pretrained": None}, "conventions.other.subspace: needs study.pretrained"),
        ({"features": {}}, {}, "conventions.other.features: says nothing; give k or threshold"),
        ({"features": {"k": 17}}, {}, "features.k: the top 17 dimensions, but a head of mae_finetuned has 16"),
        ({"features": {"threshold": 1.5}}, {}, "conventions.other.features.threshold: 1.5 is greater than"),
        ({"distance": "with_cls"}, {"study.pretrained": None}, "conventions.other.distance: needs study.pretrained"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_key(entry, changes, said):
    assert said in refused(entry, **changes)


def test_each_kind_has_a_check_and_each_measure_made_anew_a_kind():
    kinds = set(SCHEMA["$defs"]["convention"]["properties"])
    assert set(conventions._CHECKS) == kinds
    assert set(conventions.OPTIONS) <= set(conventions.MADE_ANEW) == kinds - {"occlusion", "mask"}
