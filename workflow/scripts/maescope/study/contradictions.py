"""What the schema cannot see: names that lead nowhere, sizes that do not fit together."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from maescope.base import grid
from maescope.base.grid import visible
from maescope.base.names import nearest
from maescope.study import arguments, conventions, layer_checks, recipes, replicates, sizes, sweep_checks
from maescope.study.weight_files import HUB, RANDOM, TRAINED, folder_problem, is_trained

SMALLEST_SIGMA = 1e-30  # pixels; much less is 0 in single precision, and 0 / 0 no number


def problems(config: dict) -> Iterator[str]:
    """What the schema cannot see: names that lead nowhere, sizes that do not fit together."""
    study, models = config["study"], config["models"]
    datasets, perturbations = config["datasets"], config["perturbations"]
    yield from _missing("study.finetuned", study["finetuned"], models, "models")
    yield from _missing("study.pretrained", filter(None, [study["pretrained"]]), models, "models")
    yield from _missing("study.dataset", [study["dataset"]], datasets, "datasets")
    yield from _missing("study.blur", filter(None, [study["blur"]]), perturbations, "perturbations")
    yield from _missing("study.occlusion", study["occlusion"], perturbations, "perturbations")
    yield from _missing("study.corruptions", study["corruptions"], perturbations, "perturbations")
    yield from _missing("study.corrupted", study["corrupted"], models, "models")
    yield from _missing("study.controlled", study["controlled"], study["finetuned"], "study.finetuned")
    yield from _missing("study.heads", [study["heads"]], models, "models")
    yield from _missing("study.compared", study["compared"], models, "models")
    yield from _shift_contradictions(study, datasets)
    kinds = {"blur": [study["blur"]], "occlusion": study["occlusion"], "corruptions": study["corruptions"]}
    for key, own in kinds.items():
        for name in own:
            if name in perturbations and perturbations[name]["kind"] != key.removesuffix("s"):
                yield f"study.{key}: {name} is of kind {perturbations[name]['kind']}"
    for name in study["occlusion"][:1]:
        if (order := perturbations.get(name, {}).get("order", "most")) != "most":
            yield f"study.occlusion: {name} comes first and must have order: most, not {order}"
    for name in study["occlusion"]:
        if 0 not in perturbations.get(name, {}).get("levels", [0]):
            yield f"perturbations.{name}.levels: lack 0, where the curves of Figure 5 begin; add it"
    if study["paper"] is not None and not Path(study["paper"]).is_dir():
        yield f"study.paper: there is no folder {study['paper']}; the published tables are in config/paper"
    if "by_convention" in datasets:
        yield "datasets.by_convention: is what a rule of the conventions is called; choose another name"
    for name in {"mean", "mCE"} & set(perturbations):
        yield f"perturbations.{name}: is the name of a row of Table II; choose another"
    if perturbations["clean"]["kind"] != "clean":
        yield "perturbations.clean: kind must be clean"
    for name, dataset in datasets.items():
        yield from _dataset_contradictions(name, dataset)
    measured = {(name, study["dataset"]): "heads" for name in [study["heads"]]}
    measured |= {(name, dataset): "corrupted" for name in study["corrupted"] for dataset in _corrupted_datasets(study)}
    measured |= {(name, study["dataset"]): "finetuned" for name in study["finetuned"]}
    for (name, dataset), key in sorted(measured.items()):
        if name in models and dataset in datasets:
            yield from _head_contradictions(name, models[name], dataset, datasets[dataset], f"study.{key}")
    k = config["analysis"]["features"]["k"] or 0
    for name in dict.fromkeys([*study["finetuned"], study["heads"]]):
        width = sizes.head_width_of(models[name]) if name in models else None
        if width and k > width:
            yield f"analysis.features.k: the top {k} dimensions, but a head of {name} has {width}"
    for name, model in models.items():
        yield from _model_contradictions(name, model, config)
    for name, perturbation in perturbations.items():
        yield from _perturbation_contradictions(name, perturbation, models)
        yield from _pieces(name, perturbation, study, models)
    yield from _dropped_from_beits(config)
    yield from _ranked_by_cls(config)
    yield from _missing("study.supervised", filter(None, [study["supervised"]]), models, "models")
    yield from _missing("study.scenes", filter(None, [study["scenes"]]), datasets, "datasets")
    yield from _reference(config)
    yield from layer_checks.problems(config)
    yield from sweep_checks.problems(config)
    yield from conventions.problems(config)


def _missing(key: str, names, known: dict, where: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            several = replicates.of_seeds(name, known) if where == "models" else ""
            yield f"{key}: {name!r} is not among {where}{several or nearest(name, known)}"


def _reference(config: dict) -> Iterator[str]:
    """Images that vote must be others than the study's, and of its labels."""
    study, datasets = config["study"], config["datasets"]
    name, own = study["reference"], study["dataset"]
    yield from _missing("study.reference", filter(None, [name]), datasets, "datasets")
    if name == own:
        yield f"study.reference: {name} is study.dataset, whose images would vote for themselves; name another dataset"
    elif name in datasets and own in datasets:
        others = [label for label in datasets[own]["labels"] or [] if label not in (datasets[name]["labels"] or [])]
        if others:
            yield f"study.reference: {', '.join(others[:5])} of datasets.{own} not among the labels of datasets.{name}"
        images = len(datasets[own]["labels"] or []) * (datasets[name]["count"] or 0)
        if 0 < images < (k := config["analysis"]["neighbours"]):
            yield f"analysis.neighbours: {k}, but {images} images of study.reference vote; raise datasets.{name}.count"


def _dataset_contradictions(name: str, dataset: dict) -> Iterator[str]:
    key = f"datasets.{name}"
    if not dataset["labels"]:
        yield f"{key}: give labels (the folders to use) or classes (the outputs of the head)"
    elif dataset["classes"]:
        unknown = [label for label in dataset["labels"] if label not in dataset["classes"]]
        if unknown:
            yield f"{key}.labels: {', '.join(unknown[:5])} not among the {len(dataset['classes'])} classes"


def _corrupted_datasets(study: dict) -> list[str]:
    """The datasets on which the models of `study.corrupted` are measured."""
    return [study["dataset"], *(name for pair in study["shifts"].items() for name in pair)]


def _head_contradictions(name: str, model: dict, dataset_name: str, dataset: dict, key: str) -> Iterator[str]:
    """A model whose accuracy is measured must have a head that fits the dataset's classes."""
    if not model["num_classes"]:
        yield f"models.{name}: {key} needs a head, so num_classes and fine-tuned weights"
    elif not dataset["classes"]:
        yield f"datasets.{dataset_name}.classes: needed to measure the accuracy of {name}"
    elif len(dataset["classes"]) != model["num_classes"]:
        classes = len(dataset["classes"])
        yield f"models.{name}.num_classes: {model['num_classes']}, but datasets.{dataset_name} has {classes} classes"


def _model_contradictions(name: str, model: dict, config: dict) -> Iterator[str]:
    key, training, weights = f"models.{name}", model["training"], model["weights"]
    yield from arguments.problems(name, model)
    size, crop = sizes.patch_size_of(model), model["preprocessing"]["crop"]
    words, shortest = grid.in_words(crop), min(grid.sides(crop))
    if size and any(side % size for side in grid.sides(crop)):
        yield f"{key}: patches of {size} px do not divide the crop of {words} px; change one of them"
    if (resize := model["preprocessing"]["resize"]) < shortest:
        yield f"{key}.preprocessing.resize: {resize} is smaller than the crop of {words}; raise it"
    asked = [name for name in model["patch_tokens"] if name != "mask"]  # the default, of a study without masks as well
    yield from _missing(f"{key}.patch_tokens", asked, config["perturbations"], "perturbations")
    if weights.startswith(RANDOM) and model["sha256"]:
        yield f"{key}.sha256: of weights drawn at random there is no file to check; leave it out"
    if "weights_key" in model and (training or weights.startswith((HUB, RANDOM))):
        yield f"{key}.weights_key: chooses among the weights of a file, but {weights} are one alone; leave it out"
    if training is None:
        yield from _weights_problems(key, weights)
        return
    if weights != f"{TRAINED}{name}.safetensors":
        yield f"{key}.weights: a model that is trained here has weights: {TRAINED}{name}.safetensors; leave them out"
    yield from _missing(f"{key}.training.dataset", [training["dataset"]], config["datasets"], "datasets")
    yield from recipes.problems(name, model, config["datasets"])
    patches, ratio = sizes.patches_of(model), training["mask_ratio"]
    if training["recipe"] == "pretrain" and patches and not visible(patches, ratio):
        yield f"{key}.training.mask_ratio: a ratio of {ratio} leaves none of the {patches} patches visible"
    initial = training["initial"]
    begun = training["recipe"] in recipes.BEGUN
    if begun and initial not in config["models"]:
        yield f"{key}.training.initial: {initial!r} is not among models{nearest(initial, config['models'])}"
    elif begun and config["models"][initial]["weights"].startswith((HUB, RANDOM)):
        yield f"{key}.training.initial: {initial} has no file of weights to begin with; give it a .safetensors or .pth"
    elif begun and name in _begun_from(name, config["models"]):
        yield f"{key}.training.initial: {name} would begin with its own weights; name a model that does not come of it"
    elif begun:
        yield from sizes.twin_problems(f"{key}.training.initial", name, initial, config["models"])
    if (training["recipe"] == "pretrain") != (model["num_classes"] == 0):
        yield f"{key}.num_classes: {model['num_classes']} does not go with recipe {training['recipe']}"


def _begun_from(name: str, models: dict) -> list[str]:
    """The models whose weights lead to a model's own, one from the other, until one comes again or has no such."""
    found: list[str] = []
    while (name := (models[name]["training"] or {}).get("initial")) in models and name not in found:
        found.append(name)
    return found


def _weights_problems(key: str, weights: str) -> Iterator[str]:
    """Where weights cannot be; whether a file is there is asked by `weights_file`, so that it can be downloaded."""
    if is_trained(weights):
        yield f"{key}.training: needed, because weights under {TRAINED} are made by the workflow"
    elif weights.startswith(RANDOM) and not re.fullmatch("[0-9]{1,9}", weights.removeprefix(RANDOM)):
        yield f"{key}.weights: {weights!r} has no seed; write {RANDOM}0 or another number of up to nine digits"
    elif re.match("[a-z0-9]+://", weights):
        yield f"{key}.weights: {weights} is an address; name the file it is to be, and url: {weights} beside it"
    elif place := arguments.PLACE.match(weights):
        yield f"{key}.weights: {weights} is no file; of models of timm write {HUB}{weights.removeprefix(place[0])}"
    elif not weights.startswith((HUB, RANDOM)) and Path(weights).is_dir():
        yield f"{key}.weights: {weights} {folder_problem(weights)}"


def _shift_contradictions(study: dict, datasets: dict) -> Iterator[str]:
    """Clean accuracy is of the same classes, so both datasets must have the same labels and outputs."""
    for shifted, clean in study["shifts"].items():
        yield from _missing("study.shifts", [shifted], datasets, "datasets")
        yield from _missing(f"study.shifts.{shifted}", [clean], datasets, "datasets")
        if {shifted, clean} <= set(datasets):
            one, other = datasets[shifted], datasets[clean]
            if set(one["labels"] or ()) != set(other["labels"] or ()) or one["classes"] != other["classes"]:
                yield f"study.shifts.{shifted}: {clean} must have the same labels and classes"


def corruption_problems(perturbations: dict, fifteen: list[str]) -> Iterator[str]:
    """Names must be those of the fifteen; whether a tree is there is asked by `corruptions_there`, where it is read."""
    for name, entry in perturbations.items():
        if entry["kind"] != "corruption":
            continue
        if entry["name"] not in fifteen:
            near = nearest(entry["name"], fifteen)
            yield f"perturbations.{name}.name: {entry['name']!r} is none of the fifteen corruptions{near}"
        if entry["frost"] and not Path(entry["frost"]).is_dir():
            yield f"perturbations.{name}.frost: there is no folder {entry['frost']}"


def _occluded(config: dict) -> list[tuple[str, str, str]]:
    """Where a model meets an occlusion: the key, the occlusion, the model."""
    study = config["study"]
    met = [("study.occlusion", name, model) for name in study["occlusion"] for model in study["finetuned"]]
    for convention, entry in config["conventions"].items():  # of the first model, see conventions.smk
        met += [
            (f"conventions.{convention}.occlusion", entry.get("occlusion"), model) for model in study["finetuned"][:1]
        ]
    return met


def _ranked_by_cls(config: dict) -> Iterator[str]:
    """Patches cannot be ranked by how much they feed CLS where there is none."""
    for key, name, model in _occluded(config):
        ranked = config["perturbations"].get(name, {}).get("rollout") == "cls"
        if ranked and model in config["models"] and not sizes.has_cls(config["models"][model]):
            yield f"{key}: {name} ranks patches by what feeds CLS (rollout: cls), but {model} has none; leave it out"


def _dropped_from_beits(config: dict) -> Iterator[str]:
    """A BEiT needs all patches, and may not meet an occlusion that takes some away."""
    for key, name, model in _occluded(config):
        dropped = config["perturbations"].get(name, {}).get("fill") == "drop"
        if dropped and model in config["models"] and sizes.needs_all_patches(config["models"][model]):
            yield f"{key}: {name} takes patches away (fill: drop), but {model} is a BEiT, which needs all; fill them"


def _pieces(name: str, perturbation: dict, study: dict, models: dict) -> Iterator[str]:
    """Pieces that are shuffled must divide the crop of the models that are measured so."""
    grids = perturbation["levels"] if perturbation["kind"] == "shuffle" else []
    crops = {model: models[model]["preprocessing"]["crop"] for model in study["finetuned"] if model in models}
    for model, crop in crops.items():
        common = math.gcd(*grid.sides(crop))
        if unfit := [pieces for pieces in grids if common % pieces]:
            fitting = ", ".join(str(pieces) for pieces in range(2, common // 2 + 1) if common % pieces == 0)
            yield (
                f"perturbations.{name}.levels: {unfit[0]} pieces do not divide the {grid.in_words(crop)} px crop of "
                f"{model}; take of {fitting or 'no number, there is none'}"
            )


def _perturbation_contradictions(name: str, perturbation: dict, models: dict) -> Iterator[str]:
    """A blur kernel must fit into the reflected border of every model's crop; dropped patches must leave one."""
    if perturbation["kind"] == "occlusion" and perturbation["fill"] == "drop":
        for model, entry in models.items():
            patches = sizes.patches_of(entry)
            most = max(perturbation["levels"])
            if patches and round(most * patches / 100) >= patches:
                yield f"perturbations.{name}.levels: {most} % leaves none of the {patches} patches of {model} to keep"
    for level, filter in perturbation.get("levels", {}).items() if perturbation["kind"] == "blur" else ():
        if filter["sigma"] < SMALLEST_SIGMA:
            yield f"perturbations.{name}.levels.{level}.sigma: {filter['sigma']:g} would be rounded to 0; take 0.01"
        for model, entry in models.items():
            crop = entry["preprocessing"]["crop"]
            if filter["kernel"] // 2 >= min(grid.sides(crop)):
                yield (
                    f"perturbations.{name}.levels.{level}.kernel: {filter['kernel']} does not fit the "
                    f"{grid.in_words(crop)} px crop of {model}"
                )
