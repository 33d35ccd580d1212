"""How many images a study needs of each label, held against what sampling found where only sampling tells."""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from maescope.base.errors import InputError
from maescope.study import layer_checks, sizes


def asked(measure: str, model: str, dataset: str, perturbation: str, config: dict) -> list[dict]:
    """What a measure asks of the images of a dataset.

    Returns
    -------
    demands, each with `words` that name its key, and the least number of images of `each` label or of all in `total`;
    only `labels` and only so many `images` of each count, where it says so
    """
    variants = config["study"]["mask_variants"]
    if measure == "mask_invariance" and variants and variants["dataset"] == dataset:
        return [{"words": "study.mask_variants.dataset: images are compared, 2 or more", "total": 2}]
    if config["study"]["dataset"] != dataset:
        return []
    if measure == "subspaces":
        return [*_of_ranks(model, perturbation, config)]
    return [*{"separation": _of_classes, "tsne": _of_maps}.get(measure, lambda config: [])(config)]


def _shown(config: dict) -> dict:
    """The images that t-SNE shows."""
    labels, images = layer_checks.shown(config)
    return {"labels": labels, "images": images}


def _of_classes(config: dict) -> Iterator[dict]:
    """What the separation of classes needs."""
    folds, neighbours = (config["analysis"][key] for key in ("folds", "neighbours"))
    yield {"words": f"analysis.folds: {folds} folds need as many images of each label", "each": folds}
    yield _shown(config) | {
        "words": f"analysis.neighbours: {neighbours} need {neighbours + 2} images or more that t-SNE shows",
        "total": neighbours + 2,
    }


def _of_maps(config: dict) -> Iterator[dict]:
    """What t-SNE needs."""
    perplexity = config["analysis"]["perplexity"]
    yield _shown(config) | {
        "words": f"analysis.perplexity: {perplexity:g} must be below the number of points that t-SNE shows",
        "total": math.floor(perplexity) + 1,
    }


def _of_ranks(model: str, perturbation: str, config: dict) -> Iterator[dict]:
    """The tokens of half a class must span the dimensions of its subspace; those of conventions are not in rule all."""
    k = config["analysis"]["subspace"]["k"]
    most = max(k) if isinstance(k, list) else k
    visible = sizes.visible_patches(model, perturbation, config)
    if isinstance(most, int) and visible:
        least = 2 * math.ceil(most / visible)
        words = (
            f"analysis.subspace.k: {most} dimensions, of {visible} patches of half the images, need {least} per label"
        )
        yield {"words": words, "each": least}


def counted(path: str) -> dict[str, int]:
    """How many images of each label a sampled list has.

    Raises
    ------
    InputError
        where it is no such list any more
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if "label" in (rows.fieldnames or ()):
                return dict(Counter(row["label"] for row in rows))
    except (ValueError, csv.Error):
        pass
    raise InputError(f"{path}: is damaged; delete it to have the images drawn again")


def require(counts: Mapping[str, int], demands: Sequence[dict], path: str) -> None:
    """There must be as many images as are asked for.

    Parameters
    ----------
    path : the sampled list, which the message names

    Raises
    ------
    InputError
        one line for each demand that is not met, with its key and both numbers
    """
    problems = [problem for demand in demands for problem in _unmet(counts, demand)]
    if problems:
        remedy = f"({path}; delete it once there are more); change the key, or add images"
        raise InputError("\n".join(f"{problem} {remedy}" for problem in problems))


def _unmet(counts: Mapping[str, int], demand: dict) -> Iterator[str]:
    own = {label: counts.get(label, 0) for label in demand.get("labels") or counts}
    own = {label: min(number, demand.get("images") or number) for label, number in own.items()}
    fewest, total = min(own, key=own.__getitem__), sum(own.values())
    if own[fewest] < demand.get("each", 0):
        yield f"{demand['words']}, but {fewest} has {own[fewest]}"
    if total < demand.get("total", 0):
        yield f"{demand['words']}, but there are {total}"
