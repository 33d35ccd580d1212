"""What the paper leaves open: conventions of a configuration, each of which changes one thing against its study.

One that is what the study does already is no mistake, though it changes nothing: whoever tries another setting of the
study need not touch its conventions.
"""

from collections.abc import Iterator

from maescope.base.names import nearest
from maescope.study import layer_checks, sizes

MADE_ANEW = {  # what a convention changes -> the measure that is then made another time, from whichever tokens it takes
    "subspace": "angles",
    "features": "features",
    "norm": "alignment",
    "heads": "features",
    "distance": "attention",
}
OPTIONS = {"heads": {"heads_without_cls": True}, "distance": {"distance_with_cls": True}}  # of `forward`


def complete(conventions: dict) -> dict:
    """The entries without the keys that they do not give."""
    return {name: _given(entry) for name, entry in conventions.items()}


def _given(entry: dict) -> dict:
    given = {key: value for key, value in entry.items() if value is not None}
    return {key: _given(value) if isinstance(value, dict) else value for key, value in given.items()}


def problems(config: dict) -> Iterator[str]:
    """Conventions that name nothing to change, more than one thing, or what cannot be changed so."""
    for name, entry in config["conventions"].items():
        if len(entry) == 1:
            ((what, value),) = entry.items()
            yield from _CHECKS[what](f"conventions.{name}.{what}", value, config)
        else:
            changed = " and ".join(entry) or "nothing"
            yield f"conventions.{name}: changes {changed}, but must change one of {', '.join(_CHECKS)}"


def _occlusion(key: str, name: str, config: dict) -> Iterator[str]:
    entry = config["perturbations"].get(name)
    if not config["study"]["occlusion"]:
        yield f"{key}: needs study.occlusion, in whose place it is taken"
    if entry is None:
        yield f"{key}: {name!r} is not among perturbations{nearest(name, config['perturbations'])}"
    elif entry["kind"] != "occlusion":
        yield f"{key}: {name} is of kind {entry['kind']}, but must be of kind occlusion"
    elif entry["order"] != "most":
        yield f"{key}: {name} must have order: most, as study.occlusion has, not {entry['order']}"


def _mask(key: str, name: str, config: dict) -> Iterator[str]:
    study, kind = config["study"], config["perturbations"].get(name, {}).get("kind")
    if study["pretrained"] not in config["models"]:
        yield f"{key}: needs study.pretrained, which is then looked at so"
        return
    if kind != "clean":
        yield from layer_checks.mask_problems(key, name, config)
    if kind not in ("clean", "mask"):
        return
    if name not in config["models"][study["pretrained"]]["patch_tokens"]:
        yield f"models.{study['pretrained']}.patch_tokens: {key} needs those of {name}"
    if study["dataset"] in config["datasets"]:
        yield from layer_checks.rank_problems(
            key, config["analysis"]["subspace"]["k"], study["pretrained"], name, config
        )


def _subspace(key: str, value: dict, config: dict) -> Iterator[str]:
    study = config["study"]
    if study["pretrained"] not in config["models"]:
        yield f"{key}: needs study.pretrained, whose subspaces they are"
        return
    if not value:
        yield f"{key}: says nothing; give k or centring"
    if "k" in value and study["dataset"] in config["datasets"]:
        yield from layer_checks.rank_problems(f"{key}.k", value["k"], study["pretrained"], study["mask"], config)


def _features(key: str, value: dict, config: dict) -> Iterator[str]:
    name = config["study"]["heads"]
    yield from _of_blur(key, config)
    if not value:
        yield f"{key}: says nothing; give k or threshold"
    if name in config["models"]:
        width = sizes.head_width_of(config["models"][name])
        if width and value.get("k", 0) > width:
            yield f"{key}.k: the top {value['k']} dimensions, but a head of {name} has {width}"


def _distance(key: str, value: str, config: dict) -> Iterator[str]:
    name = config["study"]["pretrained"]
    if name not in config["models"]:
        yield f"{key}: needs study.pretrained, whose attention it is"
    else:
        yield from _prefix(key, name, config)


def _heads(key: str, value: str, config: dict) -> Iterator[str]:
    name = config["study"]["finetuned"][0]
    yield from _of_blur(key, config)
    if name in config["models"]:
        yield from _prefix(key, name, config)


def _prefix(key: str, name: str, config: dict) -> Iterator[str]:
    if sizes.prefix_of(config["models"][name]) == "none":
        yield f"{key}: {name} has neither CLS nor registers, so this changes nothing; leave it out"


def _norm(key: str, value: str, config: dict) -> Iterator[str]:
    if not (config["study"]["blur"] or config["study"]["occlusion"]):
        yield f"{key}: needs study.blur or study.occlusion, whose cosines and norms it changes"


def _of_blur(key: str, config: dict) -> Iterator[str]:
    if not config["study"]["blur"]:
        yield f"{key}: needs study.blur, under which features of heads are counted"


_CHECKS = {
    "occlusion": _occlusion,
    "mask": _mask,
    "subspace": _subspace,
    "features": _features,
    "norm": _norm,
    "heads": _heads,
    "distance": _distance,
}
