"""What a configuration leaves to be filled in: corruptions and their severities, preprocessing, what a study shows."""

from collections.abc import Callable
from pathlib import Path

from maescope.base.errors import InputError
from maescope.study.weight_files import HUB


def corruptions_there(names: list[str], perturbations: dict) -> list[str]:
    """Those of some corruptions of which any severity can be measured, asked for where they are needed.

    Raises
    ------
    InputError
        naming a tree that has none of them; it may lack some
    """
    trees = {}
    for name in names:
        trees.setdefault(perturbations[name].get("tree"), []).append(name)
    for tree, own in trees.items():
        if tree and not any(perturbations[name]["levels"] for name in own):
            example = f"{tree}/[group/]{perturbations[own[0]]['name']}/1"
            raise InputError(
                f"perturbations: folder: {tree} has none of the corruptions asked for; looked for {example} and so on"
            )
    return [name for name in names if perturbations[name].get("levels")]


def preprocessing_of_timm(name: str, model: dict, recorded: Callable[[str], dict]) -> dict:
    """The preprocessing that timm records for a pretrained model, its tag in the hub's name or the architecture's."""
    hub = model["weights"].startswith(HUB)
    identifier = model["weights"].removeprefix(HUB) if hub else model["architecture"]
    try:
        return recorded(identifier)
    except InputError as error:
        raise InputError(f"models.{name}.preprocessing: {error}") from None


def corruptions(perturbations: dict, fifteen: list[str]) -> dict:
    """Perturbations with `name: all` made into fifteen, and the severities that each has."""
    entries = {}
    for name, entry in perturbations.items():
        if entry["kind"] != "corruption":
            entries[name] = entry
        elif entry["name"] == "all":
            own = {corruption: entry | {"name": corruption} for corruption in fifteen}
            entries |= {corruption: one for corruption, one in own.items() if corruption not in perturbations}
        else:
            entries[name] = entry | {"name": entry["name"] or name}
    for entry in entries.values():
        if entry["kind"] == "corruption":
            entry["frost"] = entry["frost"] if entry["name"] == "frost" and not entry["folder"] else None
            entry["tree"] = entry["folder"]
            entry["folder"], entry["levels"] = _severities(entry["folder"], entry["name"])
    return entries


def _severities(tree: str | None, corruption: str) -> tuple[str | None, list[str]]:
    """The folder of a corruption in a tree with or without group folders, and its severities; all where generated.

    Raises
    ------
    InputError
        naming two such folders, of which either may be meant
    """
    severities = ["1", "2", "3", "4", "5"]
    if tree is None:
        return None, severities
    folders = [Path(tree, corruption), *sorted(Path(tree).glob(f"*/{corruption}"))]
    found = {path: [level for level in severities if (path / level).is_dir()] for path in folders}
    filled = [path for path, levels in found.items() if levels] or folders[:1]
    if len(filled) > 1:
        raise InputError(
            f"perturbations: folder: {tree} has {corruption} twice, in {filled[0]} and {filled[1]}; name the folder "
            "that one of them lies in"
        )
    return str(filled[0]), found[filled[0]]


def complete_study(study: dict, perturbations: dict) -> None:
    """What a study shows where it does not say."""
    corruptions, blurs, occlusions = (_of_kind(kind, perturbations) for kind in ("corruption", "blur", "occlusion"))
    study["corruptions"] = corruptions if study["corruptions"] is None else study["corruptions"]
    study.setdefault("blur", next(iter(blurs), None))
    study.setdefault("occlusion", occlusions[:1])
    study["corrupted"] = study["corrupted"] or study["finetuned"]
    study["controlled"] = study["finetuned"] if study["controlled"] is None else study["controlled"]
    study["heads"] = study["heads"] or study["finetuned"][0]
    if study["compared"] is None:
        named = [study["pretrained"], study["supervised"], *study["finetuned"]]
        study["compared"] = list(dict.fromkeys(filter(None, named))) if study["pretrained"] else []


def _of_kind(kind: str, perturbations: dict) -> list[str]:
    """The perturbations of a kind, the one that is called as it is before the others."""
    own = [name for name, entry in perturbations.items() if entry["kind"] == kind]
    return sorted(own, key=lambda name: name != kind)
