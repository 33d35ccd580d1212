"""A `training` entry completed: as He et al. (2022) train for crops of 96 px or more, as suits tiny pictures below.

Sources: tables 8, 9 and 11 of the paper; the pages on pretraining and fine-tuning of facebookresearch/mae.
"""

import re
from collections.abc import Iterator

from maescope.base import grid
from maescope.study import sizes

LARGE = 96  # px of the crop's shorter side
LABELLED = ("finetune", "scratch", "probe")
BEGUN = ("finetune", "probe")  # with the weights of another model
LEARNING = ("finetune", "scratch")  # all layers, with labels
OF = {  # keys that not every recipe has a use for: those that do
    "initial": BEGUN,
    "mask_ratio": ("pretrain",),
    "norm_pix_loss": ("pretrain",),
    "decoder": ("pretrain",),
    "layer_decay": ("finetune",),
    "smoothing": LEARNING,
    "mixup": LABELLED,
    "cutmix": LABELLED,
    "drop_path": LEARNING,
}
TOGETHER = 64  # images that pass through a model at a time, where nothing else is asked for
NORMALISED = 512  # of a probe, whose batch norm is over them: those of a GPU in the official code
SECTIONS = {"m": r"\d+", "n": r"\d+", "p": r"0(\.\d+)?|1(\.0+)?", "mstd": r"\d+(\.\d+)?", "mmax": r"\d+", "inc": "[01]"}
SETS = ("weights", "3a", "3aw")  # of transforms, by timm's names
MAGNITUDE = 10  # of RandAugment, the largest where no mmax is written
RUN = ("device", "gpus", "accumulation", "state_minutes")  # how a training runs: they decide nothing of what it learns
AUGMENTATIONS = {  # kind: its keys and their defaults
    "affine": {"degrees": 10, "scale": [0.85, 1.1], "shift": 0.1},
    "crop": {"area": [0.2, 1.0], "flip": 0.5},
    "randaugment": {"area": [0.08, 1.0], "flip": 0.5, "policy": "rand-m9-mstd0.5-inc1", "erasing": 0.25},
    "none": {},
}
INSTEAD = {"base_learning_rate": "learning_rate", "warmup_epochs": "warmup"}  # keys of which one is stated
PLAIN = {"smallest_learning_rate": 0.0, "clip": None, "average": None, "norm_pix_loss": False}
PLAIN |= {"mixup": 0.0, "cutmix": 0.0, "drop_path": 0.0, "weight_decay": 0.05, "betas": [0.9, 0.999]}
PLAIN |= {"optimizer": "adamw"}
TINY = PLAIN | {"batch_size": 32, "learning_rate": 0.001, "warmup": 0.1, "layer_decay": 0.75}
OF_LABELS = {"smallest_learning_rate": 1e-6, "mixup": 0.8, "cutmix": 1.0}


def complete(model: dict) -> None:
    """Fill in the entry of a model that is trained here; how it runs becomes `training_run` beside `training`.

    `learning_rate` is the peak then, whatever the batch, and `warmup_epochs` tells the warm-up.
    """
    training, large = model["training"], is_large(model)
    defaults = _paper(training["recipe"], model, training["epochs"]) if large else _tiny(training["recipe"])
    for key, other in INSTEAD.items():
        if key in training or other in training:
            defaults.pop(key, None)
            defaults.pop(other, None)
    own = defaults | training
    base, fraction = own.pop("base_learning_rate", None), own.pop("warmup", None)
    own["learning_rate"] = own["learning_rate"] if base is None else base * own["batch_size"] / 256
    own["warmup_epochs"] = own["warmup_epochs"] if fraction is None else fraction * own["epochs"]
    own["augmentation"] = _augmentation(own["augmentation"], own["recipe"], large)
    decoder = {"width": 512, "depth": 8, "heads": 16} if large else {"width": 64, "depth": 2, "heads": 4}
    own["decoder"] = decoder | own["decoder"]
    if own["recipe"] == "probe":
        own["smoothing"] = 0.0
    if own["optimizer"] == "lars" and "betas" not in training:
        own.pop("betas")
    run = {"device": "auto" if large else "cpu"} | {key: own.pop(key) for key in RUN if key in own}
    model["training"], model["training_run"] = own, run


def is_large(model: dict) -> bool:
    """Whether it is trained as the paper trains, unless its entry says otherwise."""
    return min(grid.sides(model["preprocessing"]["crop"])) >= LARGE


def _tiny(recipe: str) -> dict:
    return TINY | {"pretrain": {"betas": [0.9, 0.95]}, "probe": {"weight_decay": 0.0}}.get(recipe, {})


def _paper(recipe: str, model: dict, epochs: int) -> dict:
    """What the paper and its code train with, by recipe and by the width of the model."""
    size = sum((sizes.width_of(model) or 768) > width for width in (768, 1024))  # 0 up to ViT-B, 1 ViT-L, 2 ViT-H
    if recipe == "pretrain":
        own = {"base_learning_rate": 1.5e-4, "batch_size": 4096, "betas": [0.9, 0.95], "norm_pix_loss": True}
        warm = 40
    elif recipe == "finetune":
        own = OF_LABELS | {"base_learning_rate": (5e-4, 1e-3, 1e-3)[size], "batch_size": 1024}
        own |= {"layer_decay": (0.65, 0.75, 0.75)[size], "drop_path": (0.1, 0.2, 0.3)[size]}
        warm = 5
    elif recipe == "probe":  # appendix A.1 and main_linprobe.py: 10 of 90 epochs
        own = {"base_learning_rate": 0.1, "batch_size": 16384, "weight_decay": 0.0, "optimizer": "lars"}
        return PLAIN | {"layer_decay": 0.75, "warmup_epochs": min(10, epochs / 9)} | own
    else:
        own = OF_LABELS | {"base_learning_rate": 1e-4, "batch_size": 4096, "betas": [0.9, 0.95], "weight_decay": 0.3}
        own |= {"drop_path": (0.0, 0.2, 0.2)[size], "average": 0.9999}
        warm = 20
    return PLAIN | {"layer_decay": 0.75, "warmup_epochs": min(warm, epochs / 10)} | own


def _augmentation(given: dict, recipe: str, large: bool) -> dict:
    """An entry with its kind and all keys of that."""
    kind = given.get("kind")
    if kind is None:
        of_the_paper = "crop" if recipe in ("pretrain", "probe") else "randaugment"
        kind = of_the_paper if large and not AUGMENTATIONS["affine"].keys() & given.keys() else "affine"
    area = {"area": [0.08, 1.0]} if kind == "crop" and recipe != "pretrain" else {}
    return {"kind": kind, **AUGMENTATIONS[kind], **area, **given}


def stated_problems(models: dict) -> Iterator[str]:
    """Keys that do not go together, or that their recipe has no use for, in entries as they are written."""
    for name, model in models.items():
        key, training = f"models.{name}.training", model.get("training") or {}
        for part, own in OF.items():
            if training.get(part) and training["recipe"] not in own:
                yield f"{key}.{part}: only for recipe {' and '.join(own)}, not {training['recipe']}; leave it out"
        for one, other in INSTEAD.items():
            if one in training and other in training:
                yield f"{key}: has both {other} and {one}; leave one of them out"


def problems(name: str, model: dict, datasets: dict) -> Iterator[str]:
    """What cannot be trained, of a completed entry."""
    key, training, run = f"models.{name}.training", model["training"], model["training_run"]
    kind = training["augmentation"]["kind"]
    foreign = training["augmentation"].keys() - AUGMENTATIONS[kind].keys() - {"kind"}
    for part in sorted(foreign):
        kinds = " or ".join(one for one, keys in AUGMENTATIONS.items() if part in keys)
        yield f"{key}.augmentation.{part}: is of kind {kinds}, not {kind}; leave it out, or set kind"
    if training["smallest_learning_rate"] > training["learning_rate"]:
        yield (
            f"{key}.smallest_learning_rate: {training['smallest_learning_rate']:g} is above the peak of "
            f"{training['learning_rate']:g}; lower it"
        )
    if (warm := training["warmup_epochs"]) > training["epochs"]:
        yield f"{key}.warmup_epochs: {warm:g} are more than its {training['epochs']} epochs; lower it"
    area = training["augmentation"].get("area", [0, 0])
    if area[0] > area[1]:
        yield f"{key}.augmentation.area: {area[0]:g} is more than {area[1]:g}; write the smaller one first"
    if kind == "randaugment":
        yield from _policy_problems(f"{key}.augmentation.policy", training["augmentation"]["policy"])
    yield from _probe_problems(key, model)
    yield from _split_problems(key, training, run)
    yield from _validation_problems(key, training, datasets)


def _policy_problems(key: str, policy: str) -> Iterator[str]:
    """What timm would stumble over while the images are read, or pass over in silence."""
    sections = {}
    for section in policy.split("-")[1:]:
        name, value = ("t", section[1:]) if section[0] == "t" else re.fullmatch("([a-z]*)(.*)", section).groups()
        if name == "t" and value not in SETS:
            yield f"{key}: {section} names no set of transforms; write t{', t'.join(SETS)}, or leave it out"
        elif name != "t" and not re.fullmatch(SECTIONS.get(name, "(?!)"), value):
            known = "m9, n2, p0.5, mstd0.5, mmax10, inc1, tweights"
            yield f"{key}: {section} is no part of RandAugment as timm writes it; its parts are such as {known}"
        elif name in sections:
            yield f"{key}: has {name} twice; leave one of them out"
        sections[name] = value
    most = int(sections["mmax"]) if sections.get("mmax", "").isdecimal() else MAGNITUDE
    if sections.get("m", "").isdecimal() and int(sections["m"]) > most:
        yield f"{key}: m{sections['m']} would be cut to {most}; lower it, or raise mmax"


def _probe_problems(key: str, model: dict) -> Iterator[str]:
    """A probe has a batch norm, and learns nothing but its head."""
    training = model["training"]
    if training["recipe"] != "probe":
        if training["optimizer"] == "lars":
            yield f"{key}.optimizer: lars is of recipe probe, not {training['recipe']}; leave it out"
        return
    if together(training, model["training_run"]) < 2:
        yield f"{key}.batch_size: a probe's batch norm needs 2 images or more at a time; raise it"
    if training["optimizer"] == "lars" and "betas" in training:
        yield f"{key}.betas: of adamw, but the optimizer is lars; leave them out, or set optimizer: adamw"
    if model["pooling"] == "map":
        yield f"{key}.recipe: a probe reads CLS or the mean of the patch tokens; set pooling: token or avg, not map"


def at_most(training: dict) -> int:
    """Images that pass through a model at a time, where nothing else is asked for."""
    return NORMALISED if training["recipe"] == "probe" else TOGETHER


def parts(share: int, mixed: bool, most: int = TOGETHER) -> int:
    """In how many parts a GPU's share of a step passes: the fewest equal ones of `most` images or less."""
    fitting = [size for size in range(most // 4, most + 1) if share % size == 0 and not (mixed and size % 2)]
    return share // max(fitting) if share > most and fitting else 1


def together(training: dict, run: dict) -> int:
    """Images that pass through the model of a completed entry at a time, on each GPU."""
    share = training["batch_size"] // run["gpus"]
    return share // (run["accumulation"] or parts(share, mixes(training), at_most(training)))


def mixes(training: dict) -> bool:
    """Whether images of a step are mixed by twos."""
    return training["recipe"] in LABELLED and bool(training["mixup"] or training["cutmix"])


def _split_problems(key: str, training: dict, run: dict) -> Iterator[str]:
    """The images of a step are shared equally by GPUs and parts, and mixed by twos."""
    batch, parts = training["batch_size"], run["gpus"] * (run["accumulation"] or 1)
    if batch % parts:
        words = f"{run['gpus']} gpus x accumulation {run['accumulation']}" if parts > run["gpus"] else f"{parts} gpus"
        yield f"{key}.batch_size: {batch} images cannot be shared equally by {words}; take a multiple of {parts}"
    elif mixes(training) and batch % (2 * parts):
        yield f"{key}.batch_size: mixup and cutmix take images by twos; take a multiple of {2 * parts}, not {batch}"


def _validation_problems(key: str, training: dict, datasets: dict) -> Iterator[str]:
    """Images to validate on must be of the same classes, where there are labels."""
    name, own = training["validation"], training["dataset"]
    if name is None or own not in datasets:
        return
    if name not in datasets:
        yield f"{key}.validation: {name!r} is not among datasets"
    elif training["recipe"] in LABELLED and datasets[name]["classes"] != datasets[own]["classes"]:
        yield f"{key}.validation: {name} has other classes than {own}; give both the same classes"
