"""What a sweep over mask ratios and patch sizes asks of a configuration."""

from collections.abc import Iterator

from maescope.base.grid import sides, visible
from maescope.base.names import nearest
from maescope.study import layer_checks
from maescope.study.sizes import differences, in_words, needs_all_patches, patch_size_of, patches_of, twin_problems


def complete(entry: dict, stands_for: dict[str, list[str]]) -> None:
    """Make lists of an entry's models, every seed of those that have several."""
    for key in ("pretrained", "finetuned"):
        given = [entry[key]] if isinstance(entry[key], str) else entry[key]
        entry[key] = [own for name in given for own in stands_for.get(name, [name])]


def problems(config: dict) -> Iterator[str]:
    """Models and masks that are not there or do not go together, each with its numbers."""
    models, perturbations = config["models"], config["perturbations"]
    settings, where = {}, {}
    for number, entry in enumerate(config["study"]["sweep"], 1):
        key = f"study.sweep, entry {number}"
        unknown = [name for name in [*entry["pretrained"], *entry["finetuned"]] if name not in models]
        if unknown:
            yield from (f"{key}: {name!r} is not among models{nearest(name, models)}" for name in unknown)
            continue
        if perturbations.get(entry["mask"], {}).get("kind") != "mask":
            masks = [name for name, one in perturbations.items() if one["kind"] == "mask"]
            yield f"{key}.mask: {entry['mask']!r} is not a perturbation of kind mask{nearest(entry['mask'], masks)}"
            continue
        if not entry["pretrained"]:
            yield f"{key}.pretrained: names no model"
        yield from _entry_problems(key, entry, config)
        for name in [*entry["pretrained"], *entry["finetuned"]]:
            if name in where:
                yield f"{key}: {name} is named in entry {where[name]} already; name a model once"
            where[name] = number
        setting = perturbations[entry["mask"]]["ratio"], *sorted(map(str, patch_sizes(entry, models)))
        if settings.setdefault(setting, number) != number:
            yield f"{key}: the same ratio and patch size as entry {settings[setting]}; list their models in one entry"
    if settings and not any(one != other and set(one) & set(other) for one in settings for other in settings):
        yield "study.sweep: no two entries differ in ratio or patch size alone; there is nothing to compare"
    yield from _size_problems([name for entry in config["study"]["sweep"] for name in entry["pretrained"]], models)
    for key in ("pretrained", "finetuned"):
        yield from _length_problems([name for entry in config["study"]["sweep"] for name in entry[key]], models)


def _size_problems(names: list[str], models: dict) -> Iterator[str]:
    """Pretrained models that differ in more than patch size, of which the first two are named."""
    names = [name for name in names if name in models]
    for name in names:
        crops = {sides(models[own]["preprocessing"]["crop"]) for own in (name, names[0])}
        if {*differences(models[name], models[names[0]])} - {"patch_size"} or len(crops) > 1:
            one, other = (in_words(own, models) for own in (name, names[0]))
            yield f"study.sweep: {one} and {other} differ in more than patch size; compare models that do not"
            return


def _length_problems(names: list[str], models: dict) -> Iterator[str]:
    """Models trained here for different numbers of gradient steps, of which the first two are named."""
    trained = {name: models[name]["training"] for name in names if models.get(name, {}).get("training")}
    lengths = {name: [how[key] for key in ("epochs", "dataset", "batch_size")] for name, how in trained.items()}
    for name, length in lengths.items():
        first = next(iter(lengths))
        if length != lengths[first]:
            said = ["{} epochs of {} by {} images per step".format(*one) for one in (length, lengths[first])]
            yield f"study.sweep: {name} is trained for {said[0]}, {first} for {said[1]}; make them equal"
            return


def patch_sizes(entry: dict, models: dict) -> set[int | None]:
    """Patch sizes in pixels of an entry's pretrained models: one, if the entry is right."""
    return {patch_size_of(models[name]) for name in entry["pretrained"]}


def _entry_problems(key: str, entry: dict, config: dict) -> Iterator[str]:
    models, study = config["models"], config["study"]
    ratio = config["perturbations"][entry["mask"]]["ratio"]
    sizes = patch_sizes(entry, models)
    if None in sizes:
        yield f"{key}: the patch size is neither in the arguments nor in the architecture's name; give patch_size"
        return
    if len(sizes) > 1:
        yield f"{key}: models of patches of {' and '.join(map(str, sorted(sizes)))} px; give each size an entry"
    built = {name: (models[name]["architecture"], models[name]["arguments"]) for name in entry["pretrained"]}
    different = [name for name in built if built[name] != built[entry["pretrained"][0]]]
    if different and len(sizes) == 1:
        one, other = (in_words(name, models) for name in (different[0], entry["pretrained"][0]))
        yield f"{key}: {one} is not built as {other}; the models of an entry differ in their seed alone"
    for name in entry["pretrained"]:
        model, training = models[name], models[name]["training"] or {}
        own = training.get("mask_ratio", ratio)
        if training and training["recipe"] != "pretrain":
            yield f"{key}.pretrained: {name} is trained with recipe {training['recipe']}, not pretrain"
        elif own != ratio:
            yield f"{key}.mask: {entry['mask']} hides {ratio:g}, but {name} is pretrained with {own:g}"
        if entry["mask"] not in model["patch_tokens"]:
            yield f"models.{name}.patch_tokens: study.sweep needs those of {entry['mask']}"
        patches = patches_of(model)
        if needs_all_patches(model):
            yield f"{key}.pretrained: {name} is a BEiT, which needs all patches; it cannot see masked images"
        elif patches and not visible(patches, ratio):
            yield f"{key}.mask: a ratio of {ratio:g} leaves none of the {patches} patches of {name}"
        if study["dataset"] in config["datasets"]:
            k = config["analysis"]["subspace"]["k"]
            yield from layer_checks.rank_problems("analysis.subspace.k", k, name, entry["mask"], config)
    for name in entry["finetuned"]:
        classes = config["datasets"].get(study["dataset"], {}).get("classes")
        if not classes or models[name]["num_classes"] != len(classes):
            outputs, others = models[name]["num_classes"], len(classes or [])
            yield f"{key}.finetuned: {name} has {outputs} outputs, datasets.{study['dataset']} {others} classes"
        training = models[name]["training"]
        if training and training["initial"] not in entry["pretrained"]:
            known = ", ".join(entry["pretrained"]) or "nothing"
            yield f"{key}.finetuned: {name} starts from {training['initial']}, but pretrained here are {known}"
        elif not training and entry["pretrained"]:
            yield from twin_problems(f"{key}.finetuned", name, entry["pretrained"][0], models)
