"""What Figures 1-4 and mask invariance ask of a configuration, as far as it can be known before anything runs."""

from collections.abc import Iterator

from maescope.base.grid import visible
from maescope.base.names import nearest
from maescope.study.sizes import needs_all_patches, patches_of, visible_patches, width_of


def problems(config: dict) -> Iterator[str]:
    """Sizes that do not fit together, each with its numbers. Names that lead nowhere are left to `settings`."""
    study, datasets, perturbations = config["study"], config["datasets"], config["perturbations"]
    if study["dataset"] in datasets and (
        study["pretrained"] in config["models"] or study["compared"] or study["sweep"]
    ):
        yield from _class_problems(config)
        yield from _tsne_problems(config)
    if study["pretrained"] in config["models"]:
        yield from mask_problems("study.mask", study["mask"], config)
        if study["dataset"] in datasets:
            k = config["analysis"]["subspace"]["k"]
            yield from rank_problems("analysis.subspace.k", k, study["pretrained"], study["mask"], config)
        model = config["models"][study["pretrained"]]
        if study["mask"] in perturbations and study["mask"] not in model["patch_tokens"]:
            yield f"models.{study['pretrained']}.patch_tokens: Figures 2 and 4 need those of {study['mask']}"
    elif (study["mask_variants"] or study["scenes"] or study["supervised"]) and study["pretrained"] is None:
        yield "study.pretrained: needed by study.mask_variants, study.scenes and study.supervised"
    if study["mask_variants"] and study["pretrained"] in config["models"]:
        yield from _variant_problems(config)


def mask_problems(key: str, name: str, config: dict) -> Iterator[str]:
    """A perturbation that masks, and leaves the pretrained model something to see."""
    pretrained, perturbation = config["study"]["pretrained"], config["perturbations"].get(name)
    model = config["models"][pretrained]
    if perturbation is None:
        known = nearest(name, config["perturbations"])
        yield f"{key}: {name!r} is not among perturbations{known}; {pretrained} needs one of kind mask"
    elif perturbation["kind"] != "mask":
        yield f"{key}: {name} is of kind {perturbation['kind']}, but {pretrained} is to see masked images (kind mask)"
    elif needs_all_patches(model):
        yield f"study.pretrained: {pretrained} is a BEiT, which needs all patches and cannot see masked images"
    elif (patches := patches_of(model)) and not visible(patches, perturbation["ratio"]):
        yield (
            f"{key}: a ratio of {perturbation['ratio']} leaves none of the {patches} patches of {pretrained}; "
            f"lower perturbations.{name}.ratio"
        )


def _class_problems(config: dict) -> Iterator[str]:
    """Two classes or more, of enough images."""
    name, folds, k = config["study"]["dataset"], *(config["analysis"][key] for key in ("folds", "neighbours"))
    labels, count = config["datasets"][name]["labels"] or [], config["datasets"][name]["count"]
    if len(labels) == 1:
        yield f"datasets.{name}.labels: 1 label, but Figures 1-4 and study.compared compare 2 or more"
    if count == 1:
        yield f"datasets.{name}.count: 1 image per label, but Figures 1-4 and study.compared need 2 or more"
    elif count and count < folds:
        yield f"analysis.folds: {folds} folds need as many images of each label, but datasets.{name}.count is {count}"
    labels_shown, images = shown(config)
    if count and len(labels_shown) > 1 and k >= (points := len(labels_shown) * min(images, count) - 1):
        yield f"analysis.neighbours: {k}, but must be below the {points} other images that t-SNE shows"


def shown(config: dict) -> tuple[list[str], int]:
    """The labels that t-SNE shows, and how many images of each."""
    study = config["study"]
    labels = study["tsne"]["labels"] or (config["datasets"][study["dataset"]]["labels"] or [])[:3]
    return labels, study["tsne"]["images"]


def _tsne_problems(config: dict) -> Iterator[str]:
    """The images that t-SNE shows must be there, and more than the perplexity."""
    study, name = config["study"], config["study"]["dataset"]
    dataset, perplexity, folds = config["datasets"][name], config["analysis"]["perplexity"], config["analysis"]["folds"]
    labels, images = shown(config)
    unknown = [label for label in labels if label not in (dataset["labels"] or [])]
    if unknown:
        yield f"study.tsne.labels: {', '.join(unknown)} not among the labels of datasets.{name}"
    if len(labels) == 1:
        yield "study.tsne.labels: 1 label, but classes are compared: give 2 or more"
    if dataset["count"] and images > dataset["count"]:
        count = dataset["count"]
        yield f"study.tsne.images: {images} images of each label, but datasets.{name}.count is {count}; show {count}"
    elif images < folds:
        yield f"study.tsne.images: {images} images of each label are too few for analysis.folds, {folds}"
    # the study's own model alone has maps
    if study["pretrained"] and perplexity >= (points := len(labels) * images):
        yield (
            f"analysis.perplexity: {perplexity:g} must be below the number of points, {points} "
            f"({len(labels)} labels of {images} images, study.tsne); lower it"
        )


def rank_problems(key: str, k: int | float | list[int], model: str, mask: str, config: dict) -> Iterator[str]:
    """The tokens of half a class, as a model sees it under a mask, must span k dimensions."""
    if isinstance(k, float):
        return
    asked = max(k) if isinstance(k, list) else k
    width, visible = width_of(config["models"][model]), visible_patches(model, mask, config)
    count = config["datasets"][config["study"]["dataset"]]["count"]
    if width and asked > width:
        yield f"{key}: {asked} dimensions, but {model} is {width} wide"
    elif visible and count and count > 1 and asked > (rows := count // 2 * visible):
        yield (
            f"{key}: {asked} dimensions are above the rank of half a class, at most {rows} "
            f"({count // 2} images of {visible} visible patches of {model})"
        )


def _variant_problems(config: dict) -> Iterator[str]:
    variants, key = config["study"]["mask_variants"], "study.mask_variants"
    if variants["dataset"] not in config["datasets"]:
        yield f"{key}.dataset: {variants['dataset']!r} is not among datasets"
    else:
        dataset = config["datasets"][variants["dataset"]]
        if len(dataset["labels"] or []) == 1 and dataset["count"] == 1:
            yield f"{key}.dataset: {variants['dataset']} has 1 image, but images are compared: 2 or more"
    yield from mask_problems(f"{key}.perturbation", variants["perturbation"], config)
    masks = config["perturbations"].get(variants["perturbation"], {}).get("masks")
    if masks == 1:
        yield f"{key}.perturbation: {variants['perturbation']} has 1 mask per image, but masks are compared: 2 or more"
