"""Checks a configuration against its schema and against itself, before anything runs.

Every problem is named by its key; a mistyped key comes with the nearest right one.
"""

import datetime
import json
import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from maescope.base import names
from maescope.base.errors import InputError
from maescope.study import (
    class_names,
    contradictions,
    conventions,
    folders,
    image_sources,
    model_folders,
    parquet_schemas,
    recipes,
    replicates,
    sweep_checks,
)
from maescope.study.class_lists import in_list, read_classes, read_labels, unsafe
from maescope.study.completion import complete_study, corruptions, preprocessing_of_timm
from maescope.study.schema import Validator, describe
from maescope.study.weight_files import TRAINED


def check(
    config: dict,
    schema: dict,
    recorded: Callable[[str], dict] | None = None,
    written: Mapping[str, str] = MappingProxyType({}),
) -> dict:
    """The configuration with all defaults filled in.

    Parameters
    ----------
    recorded : what timm records of a pretrained model, for `preprocessing: timm`; given, because torch is behind it
    written : as `yaml_keys.written` has it, to say what stands in the file

    Raises
    ------
    InputError
        naming each wrong key by its path
    """
    problems = list(_unfit(config))
    if not problems:
        stated = json.loads(json.dumps(config))
        config = json.loads(json.dumps(config))
        problems = [describe(error, written) for error in Validator(schema).iter_errors(config)]
    if not problems:
        config = folders.resolve(config)
        for name, model in config["models"].items():
            if "model_dir" in model:
                config["models"][name] = model_folders.complete(name, model, stated["models"][name])
        labels = Validator(schema["$defs"]["labels"])
        config["lists"] = {
            name: dataset["classes"]
            for name, dataset in config["datasets"].items()
            if isinstance(dataset["classes"], str) and dataset["classes"] != "imagenet-1k"
        }
        problems += [problem for item in config["datasets"].items() for problem in image_sources.problems(*item)]
    if not problems:
        config["names"] = {}  # apart from the datasets, whose entries decide about tokens
        for name, dataset in config["datasets"].items():
            dataset["classes"] = read_classes(name, dataset["classes"], dataset.get("pattern"))
            by_file = dataset["classes"] is dataset["labels"] is None and "parquet" in dataset
            if by_file:
                dataset["classes"] = parquet_schemas.classes(name, dataset)
            given = [key for key in ("classes", "labels") if dataset[key] is not None]
            dataset["labels"] = read_labels(dataset["labels"], dataset["classes"])
            listed = config["lists"].get(name)
            for error in labels.iter_errors(dataset["classes"]) if dataset["classes"] is not None else ():
                problem = describe(error, {})
                if listed and isinstance(error.instance, str):
                    problem = f"{error.instance!r} cannot name a folder; give one label per line"
                problem += ", but its parquet files name it so; give classes" if by_file else ""
                problems.append(f"datasets.{name}.classes{in_list(listed, error.instance)}: {problem}")
            every = [*(dataset["labels"] or ()), *(dataset["classes"] or ())]
            config["names"][name] = class_names.read(name, dataset.pop("names"), dict.fromkeys(every))
            for key in given:
                for label in dict.fromkeys(dataset[key]):
                    if why := unsafe(label):
                        place = in_list(listed, label) if key == "classes" else ""
                        problems.append(f"datasets.{name}.{key}{place}: {why}")
        problems += replicates.problems(config["models"], config["seed"])
        problems += recipes.stated_problems(stated["models"])
        lacking = [name for name, model in config["models"].items() if not (model["weights"] or model["training"])]
        problems += [f"models.{name}.weights: needed, for {name} has no training here" for name in lacking]
    if not problems:
        config["models"], stands_for = replicates.expand(config["models"], config["seed"])
        for entry in config["study"]["sweep"]:
            sweep_checks.complete(entry, stands_for)
        for name, model in config["models"].items():
            if model["training"]:
                model["weights"] = model["weights"] or f"{TRAINED}{name}.safetensors"
            if model["preprocessing"] == "timm":
                model["preprocessing"] = preprocessing_of_timm(name, model, recorded)
            if model["training"]:
                recipes.complete(model)
        known = schema["$defs"]["corruption"]["properties"]["name"]["enum"]
        fifteen = [name for name in known if name not in (None, "all")]
        config["perturbations"] = corruptions(config["perturbations"], fifteen)
        complete_study(config["study"], config["perturbations"])
        config["conventions"] = conventions.complete(config["conventions"])
        problems = [
            *contradictions.problems(config),
            *contradictions.corruption_problems(config["perturbations"], fifteen),
        ]
        problems = list(dict.fromkeys(replicates.as_written(problem, stands_for) for problem in problems))
    if problems:
        lines = (f"  {names.shown(problem)}" for problem in problems)
        raise InputError("the configuration is not usable:\n" + "\n".join(lines))
    return config


def _unfit(value, key: str = "", above: tuple = ()) -> Iterator[str]:
    """Values that no setting has, which YAML or Python know and JSON does not."""
    if isinstance(value, dict | list | tuple):
        if any(value is one for one in above):
            yield f"{key}: holds itself; write it out, without & and *"
            return
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unfit(inner, f"{key}.{part}" if key else str(part), (*above, value))
            if isinstance(value, dict) and (kind := _kind(part)):
                yield f'{key}: the name {part} is {kind}; quote it: "{part}"'
    elif kind := _kind(value):
        yield f'{key}: {value} is {kind}; quote it: "{value}"'
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{key}: {value} is no number to compute with; write a finite one"


def _kind(value) -> str | None:
    """What a value is that is neither text nor a number, true, false or nothing."""
    if isinstance(value, datetime.date | datetime.time):  # a datetime is a date as well
        return "a date or a time"
    return None if value is None or isinstance(value, str | int | float) else f"a {type(value).__name__}"
