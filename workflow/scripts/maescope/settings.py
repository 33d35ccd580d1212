"""Checks a configuration against its schema and against itself, before anything runs.

Every problem is named by its key; a mistyped key comes with the nearest right one.
"""

import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jsonschema import Draft202012Validator, ValidationError, validators

from maescope import conventions, folders, layersettings, names, replicates, sweepsettings
from maescope.errors import InputError
from maescope.names import nearest

TRAINED = "results/models/"
HUB = "hub:"
RANDOM = "random:"
LONGEST = 200  # bytes; a file system takes 255, and temporary files have a longer name


def check(config: dict, schema: dict) -> dict:
    """The configuration with all defaults filled in.

    Raises
    ------
    InputError
        naming each wrong key by its path
    """
    config = json.loads(json.dumps(config))
    problems = [_describe(error) for error in _Validator(schema).iter_errors(config)]
    if not problems:
        config = folders.resolve(config)
        labels = _Validator(schema["$defs"]["labels"])
        for name, dataset in config["datasets"].items():
            dataset["classes"] = _classes(name, dataset["classes"])
            dataset["labels"] = _labels(dataset["labels"]) or dataset["classes"]
            for error in labels.iter_errors(dataset["classes"]) if dataset["classes"] is not None else ():
                problems.append(f"datasets.{name}.classes: {_describe(error)}")
            for key in ("labels", "classes"):
                problems += [f"datasets.{name}.{key}: {problem}" for problem in _unsafe(dataset[key] or ())]
        problems += replicates.problems(config["models"], config["seed"])
        lacking = [name for name, model in config["models"].items() if not (model["weights"] or model["training"])]
        problems += [f"models.{name}.weights: needed, for {name} has no training here" for name in lacking]
    if not problems:
        config["models"], stands_for = replicates.expand(config["models"], config["seed"])
        for entry in config["study"]["sweep"]:
            sweepsettings.complete(entry, stands_for)
        for name, model in config["models"].items():
            if model["training"]:
                model["weights"] = model["weights"] or f"{TRAINED}{name}.safetensors"
            if model["preprocessing"] == "timm":
                model["preprocessing"] = _of_timm(name, model)
        known = schema["$defs"]["corruption"]["properties"]["name"]["enum"]
        fifteen = [name for name in known if name not in (None, "all")]
        config["perturbations"] = _corruptions(config["perturbations"], fifteen)
        _complete_study(config["study"], config["perturbations"])
        config["conventions"] = conventions.complete(config["conventions"])
        problems = [*_contradictions(config), *_corruption_contradictions(config["perturbations"], fifteen)]
        problems = list(dict.fromkeys(replicates.as_written(problem, stands_for) for problem in problems))
    if problems:
        lines = (f"  {names.shown(problem)}" for problem in problems)
        raise InputError("the configuration is not usable:\n" + "\n".join(lines))
    return config


def is_trained(weights: str) -> bool:
    """Whether the workflow makes these weights."""
    return weights.startswith(TRAINED)


def weights_file(name: str, weights: str) -> str | None:
    """The file that holds a model's weights, asked for where it is needed; None for the hub's cache or random ones.

    Raises
    ------
    InputError
        where the workflow does not make it and it is not there
    """
    if weights.startswith((HUB, RANDOM)):
        return None
    if not is_trained(weights) and not Path(weights).is_file():
        raise InputError(
            f"models.{name}.weights: there is no file {weights}; config/README.md says where checkpoints come from, "
            "and `snakemake download` fetches those with a url"
        )
    return weights


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


def known_list(labels: list[str]) -> str | None:
    """imagenet-1k, imagenet-r or imagenet-a, where the labels are all of its classes."""
    lists = {"imagenet-1k": "imagenet", "imagenet-r": "imagenet_r", "imagenet-a": "imagenet_a"}
    if len(labels) < 200:  # shorter than any of them: timm, which has the lists, need not be there
        return None
    return next((name for name, file in lists.items() if sorted(labels) == sorted(synsets(file))), None)


def _with_defaults(validator, properties, instance, schema):
    """The `properties` keyword, which first fills in the defaults."""
    if isinstance(instance, dict):
        for key, subschema in properties.items():
            if isinstance(subschema, dict) and "default" in subschema:
                default = json.loads(json.dumps(subschema["default"]))
                if isinstance(default, dict | list) and instance.get(key) is None:  # a key with nothing below it
                    instance[key] = default
                instance.setdefault(key, default)
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _is_integer(checker, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # the standard takes 50.0 for an integer


_Validator = validators.extend(
    Draft202012Validator,
    {"properties": _with_defaults},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def _went_far(error: ValidationError) -> tuple:
    """Larger for the alternative that was more likely meant; least for null."""
    return error.validator_value != "null", len(error.absolute_path), error.validator not in ("type", "const")


def _describe(error: ValidationError) -> str:
    """One line: the path of the key, what is wrong, what would be right."""
    while error.context:  # of alternatives, the one that came furthest
        error = max(error.context, key=_went_far)
    where = ".".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(set(error.instance) - set(known))
        return "; ".join(f"{where}: unknown key {key!r}{nearest(key, known)}" for key in unknown)
    if error.validator == "not" and "enum" in error.validator_value:
        return f"{where}: results/{error.instance}/ is of all studies; choose another name"
    if error.validator == "not" and "multipleOf" in error.validator_value:
        return f"{where}: {error.instance} is even; a kernel needs an odd size"
    if error.validator == "pattern" and error.validator_value == "\\{label\\}":
        return f"{where}: {error.instance!r} has no {{label}} where the class name stands"
    if error.validator == "pattern" and where.startswith("folders."):
        return f"{where}: {error.instance!r} stands on another folder; write the whole path"
    if error.validator == "uniqueItems":
        twice = sorted({str(item) for item in error.instance if error.instance.count(item) > 1})
        return f"{where}: {', '.join(twice)} named twice"
    return f"{where}: {error.message}"


def _classes(name: str, classes: list[str] | str | None) -> list[str] | None:
    """The labels in the order of the head's outputs, read from where the configuration says."""
    if classes == "imagenet-1k":
        return synsets("imagenet")
    if isinstance(classes, str):
        if not Path(classes).is_file():
            raise InputError(f"datasets.{name}.classes: there is no file {classes}; give a list, a file or imagenet-1k")
        try:
            return [line.strip() for line in Path(classes).read_text(encoding="utf-8").split("\n") if line.strip()]
        except UnicodeDecodeError:
            raise InputError(f"datasets.{name}.classes: {classes} is no text in UTF-8; give one label a line") from None
    return classes


def _unsafe(labels: Iterable[str]) -> Iterator[str]:
    """Labels that cannot be shown as they are, or be part of a file's name."""
    for label in dict.fromkeys(labels):
        if (unseen := names.unseen(label)) is not None:
            yield f"{label!a} has the character {unseen!a}, which is not seen; rename the folder"
        elif re.search(r"<\w+>", label):
            yield f"{label!r} has a word in < and >, which stands for something else in Snakemake; rename the folder"
        elif len(label.encode()) > LONGEST:
            yield f"{label[:30]!r}... has {len(label.encode())} bytes, a folder's name at most {LONGEST}; rename it"


def _labels(labels: list[str] | str | None) -> list[str] | None:
    """The labels that are used, of ImageNet-R and -A from timm's lists and never from the folders found."""
    return synsets(labels.replace("-", "_")) if isinstance(labels, str) else labels


def _of_timm(name: str, model: dict) -> dict:
    """The preprocessing that timm records for a pretrained model, its tag in the hub's name or the architecture's."""
    from maescope.models import recorded_preprocessing  # torch is behind it: only studies that ask for it wait

    hub = model["weights"].startswith(HUB)
    identifier = model["weights"].removeprefix(HUB) if hub else model["architecture"]
    try:
        return recorded_preprocessing(identifier)
    except InputError as error:
        raise InputError(f"models.{name}.preprocessing: {error}") from None


def synsets(name: str) -> list[str]:
    """One of timm's lists of synsets, read without importing timm, and torch with it."""
    package = Path(importlib.util.find_spec("timm").origin).parent
    return (package / "data" / "_info" / f"{name}_synsets.txt").read_text().split()


def _corruptions(perturbations: dict, fifteen: list[str]) -> dict:
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
    """The folder of a corruption in a tree with or without group folders, and its severities; all where generated."""
    severities = ["1", "2", "3", "4", "5"]
    if tree is None:
        return None, severities
    found = sorted(path for path in (Path(tree, corruption), *Path(tree).glob(f"*/{corruption}")) if path.is_dir())
    folder = found[0] if found else Path(tree, corruption)
    return str(folder), [severity for severity in severities if (folder / severity).is_dir()]


def _complete_study(study: dict, perturbations: dict) -> None:
    """What a study shows where it does not say."""
    corruptions = [name for name, entry in perturbations.items() if entry["kind"] == "corruption"]
    study["corruptions"] = corruptions if study["corruptions"] is None else study["corruptions"]
    study["corrupted"] = study["corrupted"] or study["finetuned"]
    study["controlled"] = study["finetuned"] if study["controlled"] is None else study["controlled"]
    study["heads"] = study["heads"] or study["finetuned"][0]
    if study["compared"] is None:
        named = [study["pretrained"], study["supervised"], *study["finetuned"]]
        study["compared"] = list(dict.fromkeys(filter(None, named))) if study["pretrained"] else []


def _contradictions(config: dict) -> Iterator[str]:
    """What the schema cannot see: names that lead nowhere, sizes that do not fit together."""
    study, models = config["study"], config["models"]
    datasets, perturbations = config["datasets"], config["perturbations"]
    yield from _missing("study.finetuned", study["finetuned"], models, "models")
    yield from _missing("study.pretrained", filter(None, [study["pretrained"]]), models, "models")
    yield from _missing("study.dataset", [study["dataset"]], datasets, "datasets")
    yield from _missing("study.blur", [study["blur"]], perturbations, "perturbations")
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
    first = perturbations.get(study["occlusion"][0], {})
    if first.get("order", "most") != "most":
        yield f"study.occlusion: {study['occlusion'][0]} comes first and must have order: most, not {first['order']}"
    for name in study["occlusion"]:
        if 0 not in perturbations.get(name, {}).get("levels", [0]):
            yield f"perturbations.{name}.levels: lack 0, where the curves of Figure 5 begin; add it"
    if study["paper"] is not None and not Path(study["paper"]).is_dir():
        yield f"study.paper: there is no folder {study['paper']}; the published tables are in config/paper"
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
    for name, model in models.items():
        yield from _model_contradictions(name, model, config)
    for name, perturbation in perturbations.items():
        yield from _perturbation_contradictions(name, perturbation, models)
    yield from _dropped_from_beits(config)
    yield from _missing("study.supervised", filter(None, [study["supervised"]]), models, "models")
    yield from _missing("study.scenes", filter(None, [study["scenes"]]), datasets, "datasets")
    yield from layersettings.problems(config)
    yield from sweepsettings.problems(config)
    yield from conventions.problems(config)


def _missing(key: str, names, known: dict, where: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            several = replicates.of_seeds(name, known) if where == "models" else ""
            yield f"{key}: {name!r} is not among {where}{several or nearest(name, known)}"


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
    size, crop = layersettings.patch_size_of(model), model["preprocessing"]["crop"]
    if size and crop % size:
        yield f"{key}: patches of {size} px do not divide the crop of {crop} px; change one of them"
    if (resize := model["preprocessing"]["resize"]) < crop:
        yield f"{key}.preprocessing.resize: {resize} is smaller than the crop of {crop}; raise it"
    asked = [name for name in model["patch_tokens"] if name != "mask"]  # the default, of a study without masks as well
    yield from _missing(f"{key}.patch_tokens", asked, config["perturbations"], "perturbations")
    if weights.startswith(RANDOM) and model["sha256"]:
        yield f"{key}.sha256: of weights drawn at random there is no file to check; leave it out"
    if training is None:
        yield from _weights_problems(key, weights)
        return
    if weights != f"{TRAINED}{name}.safetensors":
        yield f"{key}.weights: a model that is trained here has weights: {TRAINED}{name}.safetensors; leave them out"
    yield from _missing(f"{key}.training.dataset", [training["dataset"]], config["datasets"], "datasets")
    patches, ratio = layersettings.patches_of(model), training["mask_ratio"]
    if training["recipe"] == "pretrain" and patches and not int(patches * (1 - ratio) + 1e-9):
        yield f"{key}.training.mask_ratio: a ratio of {ratio} leaves none of the {patches} patches visible"
    initial = training["initial"]
    if training["recipe"] == "finetune" and initial not in config["models"]:
        yield f"{key}.training.initial: {initial!r} is not among models{nearest(initial, config['models'])}"
    elif training["recipe"] == "finetune" and config["models"][initial]["weights"].startswith((HUB, RANDOM)):
        yield f"{key}.training.initial: {initial} has no file of weights to begin with; give it a .safetensors or .pth"
    elif training["recipe"] == "finetune":
        yield from layersettings.twin_problems(f"{key}.training.initial", name, initial, config["models"])
    if training["recipe"] != "finetune" and initial is not None:
        yield f"{key}.training.initial: only for recipe finetune, not {training['recipe']}"
    if (training["recipe"] == "pretrain") != (model["num_classes"] == 0):
        yield f"{key}.num_classes: {model['num_classes']} does not go with recipe {training['recipe']}"


def _weights_problems(key: str, weights: str) -> Iterator[str]:
    """Where weights cannot be; whether a file is there is asked by `weights_file`, so that it can be downloaded."""
    if is_trained(weights):
        yield f"{key}.training: needed, because weights under {TRAINED} are made by the workflow"
    elif weights.startswith(RANDOM) and not re.fullmatch("[0-9]{1,9}", weights.removeprefix(RANDOM)):
        yield f"{key}.weights: {weights!r} has no seed; write {RANDOM}0 or another number of up to nine digits"
    elif not weights.startswith((HUB, RANDOM)) and Path(weights).is_dir():
        yield f"{key}.weights: {weights} is a folder; give the .pth or .safetensors file in it"


def _shift_contradictions(study: dict, datasets: dict) -> Iterator[str]:
    """Clean accuracy is of the same classes, so both datasets must have the same labels and outputs."""
    for shifted, clean in study["shifts"].items():
        yield from _missing("study.shifts", [shifted], datasets, "datasets")
        yield from _missing(f"study.shifts.{shifted}", [clean], datasets, "datasets")
        if {shifted, clean} <= set(datasets):
            one, other = datasets[shifted], datasets[clean]
            if set(one["labels"] or ()) != set(other["labels"] or ()) or one["classes"] != other["classes"]:
                yield f"study.shifts.{shifted}: {clean} must have the same labels and classes"


def _corruption_contradictions(perturbations: dict, fifteen: list[str]) -> Iterator[str]:
    """Names must be those of the fifteen; whether a tree is there is asked by `corruptions_there`, where it is read."""
    for name, entry in perturbations.items():
        if entry["kind"] != "corruption":
            continue
        if entry["name"] not in fifteen:
            near = nearest(entry["name"], fifteen)
            yield f"perturbations.{name}.name: {entry['name']!r} is none of the fifteen corruptions{near}"
        if entry["frost"] and not Path(entry["frost"]).is_dir():
            yield f"perturbations.{name}.frost: there is no folder {entry['frost']}"


def _dropped_from_beits(config: dict) -> Iterator[str]:
    """A BEiT needs all patches, and may not meet an occlusion that takes some away."""
    study = config["study"]
    met = [("study.occlusion", name, model) for name in study["occlusion"] for model in study["finetuned"]]
    for convention, entry in config["conventions"].items():  # of the first model, see sensitivity.smk
        met += [
            (f"conventions.{convention}.occlusion", entry.get("occlusion"), model) for model in study["finetuned"][:1]
        ]
    for key, name, model in met:
        dropped = config["perturbations"].get(name, {}).get("fill") == "drop"
        if dropped and model in config["models"] and layersettings.needs_all_patches(config["models"][model]):
            yield f"{key}: {name} takes patches away (fill: drop), but {model} is a BEiT, which needs all; fill them"


def _perturbation_contradictions(name: str, perturbation: dict, models: dict) -> Iterator[str]:
    """A blur kernel must fit into the reflected border of every model's crop; dropped patches must leave one."""
    if perturbation["kind"] == "occlusion" and perturbation["fill"] == "drop":
        for model, entry in models.items():
            patches = layersettings.patches_of(entry)
            most = max(perturbation["levels"])
            if patches and round(most * patches / 100) >= patches:
                yield f"perturbations.{name}.levels: {most} % leaves none of the {patches} patches of {model} to keep"
    for level, filter in perturbation.get("levels", {}).items() if perturbation["kind"] == "blur" else ():
        for model, entry in models.items():
            if filter["kernel"] // 2 >= entry["preprocessing"]["crop"]:
                yield (
                    f"perturbations.{name}.levels.{level}.kernel: {filter['kernel']} does not fit the "
                    f"{entry['preprocessing']['crop']} px crop of {model}"
                )
