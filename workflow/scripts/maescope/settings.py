"""Checks a configuration against its schema and against itself, before anything runs.

Every problem is named by its key; a mistyped key comes with the nearest right one.
"""

import difflib
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator, ValidationError, validators

from maescope.errors import InputError

TRAINED = "results/models/"
HUB = "hub:"


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
        for dataset in config["datasets"].values():
            dataset["classes"] = _classes(dataset["classes"])
            dataset["labels"] = dataset["labels"] or dataset["classes"]
        problems = list(_contradictions(config))
    if problems:
        raise InputError("the configuration is not usable:\n" + "\n".join(f"  {problem}" for problem in problems))
    return config


def fingerprint(*settings) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def is_trained(weights: str) -> bool:
    """Whether the workflow makes these weights."""
    return weights.startswith(TRAINED)


def _with_defaults(validator, properties, instance, schema):
    """The `properties` keyword, which first fills in the defaults."""
    if isinstance(instance, dict):
        for key, subschema in properties.items():
            if isinstance(subschema, dict) and "default" in subschema:
                instance.setdefault(key, json.loads(json.dumps(subschema["default"])))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _is_integer(checker, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # the standard takes 50.0 for an integer


_Validator = validators.extend(
    Draft202012Validator,
    {"properties": _with_defaults},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def _describe(error: ValidationError) -> str:
    """One line: the path of the key, what is wrong, what would be right."""
    while error.context:  # of alternatives, the one that came furthest
        error = max(error.context, key=lambda e: (len(e.absolute_path), e.validator not in ("type", "const")))
    where = ".".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(set(error.instance) - set(known))
        return "; ".join(f"{where}: unknown key {key!r}{_nearest(key, known)}" for key in unknown)
    if error.validator == "not":
        return f"{where}: {error.instance} is even; a kernel needs an odd size"
    if error.validator == "pattern" and error.validator_value == "\\{label\\}":
        return f"{where}: {error.instance!r} has no {{label}} where the class name stands"
    if error.validator == "uniqueItems":
        twice = sorted({str(item) for item in error.instance if error.instance.count(item) > 1})
        return f"{where}: {', '.join(twice)} named twice"
    return f"{where}: {error.message}"


def _nearest(key: str, known) -> str:
    """' (did you mean ...?)', or what there is."""
    close = difflib.get_close_matches(str(key), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(map(str, known)) or 'none'})"


def _classes(classes: list[str] | str | None) -> list[str] | None:
    """The labels in the order of the head's outputs, read from where the configuration says."""
    if classes == "imagenet-1k":
        package = Path(importlib.util.find_spec("timm").origin).parent  # without importing it, and torch with it
        return (package / "data" / "_info" / "imagenet_synsets.txt").read_text().split()
    if isinstance(classes, str):
        if not Path(classes).is_file():
            raise InputError(f"datasets: classes: there is no file {classes}; give a list, a file or imagenet-1k")
        return [line for line in Path(classes).read_text().splitlines() if line.strip()]
    return classes


def _contradictions(config: dict) -> Iterator[str]:
    """What the schema cannot see: names that lead nowhere, sizes that do not fit together."""
    study, models = config["study"], config["models"]
    datasets, perturbations = config["datasets"], config["perturbations"]
    yield from _missing("study.finetuned", study["finetuned"], models, "models")
    yield from _missing("study.pretrained", filter(None, [study["pretrained"]]), models, "models")
    yield from _missing("study.dataset", [study["dataset"]], datasets, "datasets")
    yield from _missing("study.blur", [study["blur"]], perturbations, "perturbations")
    yield from _missing("study.occlusion", study["occlusion"], perturbations, "perturbations")
    for kind, names in (("blur", [study["blur"]]), ("occlusion", study["occlusion"])):
        for name in names:
            if name in perturbations and perturbations[name]["kind"] != kind:
                yield f"study.{kind}: {name} is of kind {perturbations[name]['kind']}"
    if perturbations["clean"]["kind"] != "clean":
        yield "perturbations.clean: kind must be clean"
    for name, dataset in datasets.items():
        yield from _dataset_contradictions(name, dataset)
    for name in dict.fromkeys(study["finetuned"]):
        if name in models and study["dataset"] in datasets:
            yield from _head_contradictions(name, models[name], study["dataset"], datasets[study["dataset"]])
    for name, model in models.items():
        yield from _model_contradictions(name, model, config)
    for name, perturbation in perturbations.items():
        yield from _perturbation_contradictions(name, perturbation, models)


def _missing(key: str, names, known: dict, where: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{key}: {name!r} is not among {where}{_nearest(name, known)}"


def _dataset_contradictions(name: str, dataset: dict) -> Iterator[str]:
    key = f"datasets.{name}"
    if not dataset["labels"]:
        yield f"{key}: give labels (the folders to use) or classes (the outputs of the head)"
    elif dataset["classes"]:
        unknown = [label for label in dataset["labels"] if label not in dataset["classes"]]
        if unknown:
            yield f"{key}.labels: {', '.join(unknown[:5])} not among the {len(dataset['classes'])} classes"


def _head_contradictions(name: str, model: dict, dataset_name: str, dataset: dict) -> Iterator[str]:
    """A model whose accuracy is measured must have a head that fits the dataset's classes."""
    if not model["num_classes"]:
        yield f"models.{name}: study.finetuned needs a head, so num_classes and fine-tuned weights"
    elif not dataset["classes"]:
        yield f"datasets.{dataset_name}.classes: needed to measure the accuracy of {name}"
    elif len(dataset["classes"]) != model["num_classes"]:
        classes = len(dataset["classes"])
        yield f"models.{name}.num_classes: {model['num_classes']}, but datasets.{dataset_name} has {classes} classes"


def _model_contradictions(name: str, model: dict, config: dict) -> Iterator[str]:
    key, training, weights = f"models.{name}", model["training"], model["weights"]
    asked = [name for name in model["patch_tokens"] if name != "mask"]  # the default, of a study without masks as well
    yield from _missing(f"{key}.patch_tokens", asked, config["perturbations"], "perturbations")
    if training is None:
        yield from _weights_problems(key, weights)
        return
    if weights != f"{TRAINED}{name}.safetensors":
        yield f"{key}.weights: a model that is trained here has weights: {TRAINED}{name}.safetensors"
    yield from _missing(f"{key}.training.dataset", [training["dataset"]], config["datasets"], "datasets")
    initial = training["initial"]
    if training["recipe"] == "finetune" and initial not in config["models"]:
        yield f"{key}.training.initial: {initial!r} is not among models{_nearest(initial, config['models'])}"
    if training["recipe"] != "finetune" and initial is not None:
        yield f"{key}.training.initial: only for recipe finetune, not {training['recipe']}"
    if (training["recipe"] == "pretrain") != (model["num_classes"] == 0):
        yield f"{key}.num_classes: {model['num_classes']} does not go with recipe {training['recipe']}"


def _weights_problems(key: str, weights: str) -> Iterator[str]:
    """Weights that are read must be there."""
    if is_trained(weights):
        yield f"{key}.training: needed, because weights under {TRAINED} are made by the workflow"
    elif not weights.startswith(HUB) and Path(weights).is_dir():
        yield f"{key}.weights: {weights} is a folder; give the .pth or .safetensors file in it"
    elif not weights.startswith(HUB) and not Path(weights).is_file():
        yield f"{key}.weights: there is no file {weights}; config/README.md says where checkpoints come from"


def _perturbation_contradictions(name: str, perturbation: dict, models: dict) -> Iterator[str]:
    """A blur kernel must fit into the reflected border of every model's crop."""
    for level, filter in perturbation.get("levels", {}).items() if perturbation["kind"] == "blur" else ():
        for model, entry in models.items():
            if filter["kernel"] // 2 >= entry["preprocessing"]["crop"]:
                yield (
                    f"perturbations.{name}.levels.{level}.kernel: {filter['kernel']} does not fit the "
                    f"{entry['preprocessing']['crop']} px crop of {model}"
                )
