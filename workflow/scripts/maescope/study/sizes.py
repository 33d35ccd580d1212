"""How large a model is, as far as its arguments or its name tell before it is built."""

import re
from collections.abc import Iterator

from maescope.base.grid import in_words as pixels
from maescope.base.grid import sides, visible

WIDTHS = {"tiny": 192, "small": 384, "base": 768, "large": 1024, "huge": 1280}  # of timm's vit_<size>_patch...
DEPTHS = {"tiny": 12, "small": 12, "base": 12, "large": 24, "huge": 32}
HEADS = {"tiny": 3, "small": 6, "base": 12, "large": 16, "huge": 16}
REGISTERS = {
    "dinov3": 4,
    "lingbot": 4,
    "sapiens2": 8,
    "radio_v3": 7,
    "radio_v4": 9,
}  # part of a name of timm -> how many
OTHERWISE = re.compile("_plus_|^vit_base_patch16_gap_|_[0-9]+x[0-9]_")  # of other sizes than their names tell
WITHOUT_CLS = re.compile("_siglip_|_gap_|_rpn_|_map_[0-9]|^aimv2_|^vit_pe_(core|lang|spatial)_gigantic_")
EVERY_ANGLE = 200  # labels up to which a measure has all angles between each two
EVA = re.compile("eva02_|eva_giant_|vit_pe_|vit_.*(_rope_|_dinov3|_lingbot|_sapiens2)")


def patch_size_of(model: dict) -> int | None:
    """Side of a model's patches in pixels, None where neither its arguments nor its name tell."""
    return model["arguments"].get("patch_size") or int(_in_name(model, r"patch([0-9]+)") or 0) or None


def patches_of(model: dict) -> int | None:
    """Patch tokens of a model's full image, None where neither its arguments nor its name tell."""
    size, (height, width) = patch_size_of(model), sides(model["preprocessing"]["crop"])
    return (height // size) * (width // size) if size else None


def width_of(model: dict) -> int | None:
    """D, None where neither a model's arguments nor its name tell."""
    return model["arguments"].get("embed_dim") or WIDTHS.get(_size_in_name(model))


def heads_of(model: dict) -> int | None:
    """Attention heads of a layer, None where neither a model's arguments nor its name tell."""
    return model["arguments"].get("num_heads") or HEADS.get(_size_in_name(model))


def head_width_of(model: dict) -> int | None:
    """d, None where neither a model's arguments nor its name tell."""
    width, heads = width_of(model), heads_of(model)
    return width // heads if width and heads else None


def registers_of(model: dict) -> int:
    """Register tokens beside the patches, as far as a model's arguments or its name tell."""
    named = {family: count for family, count in REGISTERS.items() if family in model["architecture"]}
    known = int(_in_name(model, r"_reg([0-9]+)_") or next(iter(named.values()), 0))
    arguments = model["arguments"]
    return arguments.get("reg_tokens", arguments.get("num_reg_tokens", known))


def has_cls(model: dict) -> bool:
    """Whether it has a CLS token, as far as its arguments or its name tell."""
    return model["arguments"].get("class_token", WITHOUT_CLS.search(model["architecture"]) is None)


def prefix_of(model: dict) -> str:
    """What tokens a model has beside those of patches, in words."""
    registers = registers_of(model)
    tokens = ["CLS"] if has_cls(model) else []
    tokens += [f"{registers} register{'s' if registers > 1 else ''}"] if registers else []
    return " and ".join(tokens) or "none"


def is_eva(model: dict) -> bool:
    """Whether it is of timm's class Eva, by its name."""
    return EVA.match(model["architecture"]) is not None


def needs_all_patches(model: dict) -> bool:
    """Whether it cannot see masked images: a BEiT adds to attention what belongs to places."""
    biased = model["arguments"].get("use_rel_pos_bias", True)
    return biased and re.match("beit(v2)?_", model["architecture"]) is not None


def sizes_of(model: dict) -> dict[str, int | None]:
    """What makes a model large or small, as far as its arguments or its name tell."""
    depth = model["arguments"].get("depth") or DEPTHS.get(_size_in_name(model))
    return {
        "patch_size": patch_size_of(model),
        "embed_dim": width_of(model),
        "depth": depth,
        "head_width": head_width_of(model),
    }


def training_flops_of(model: dict) -> float:
    """Floating-point operations of an image in a step of its training, forward and backward; a ViT-B's if unknown.

    Two for each weight of a matrix and token, and twice as many again backward; attention's own products are added.
    """
    training, patches = model["training"], patches_of(model) or 196
    width, depth = width_of(model) or 768, sizes_of(model)["depth"] or 12
    recipe = training["recipe"]
    seen = (visible(patches, training["mask_ratio"]) if recipe == "pretrain" else patches) + 1
    total = _forward(seen, width, depth) * (1 if recipe == "probe" else 3)
    if recipe == "pretrain":
        decoder = training["decoder"]
        total += 3 * _forward(patches + 1, decoder["width"], decoder["depth"])
    return total


def _forward(tokens: int, width: int, depth: int) -> float:
    """Operations of blocks with four times as wide a hidden layer."""
    return depth * (24 * tokens * width**2 + 4 * tokens**2 * width)


def activations_of(model: dict) -> float:
    """Numbers that an image leaves in the layers for the backward pass, about; a ViT-B's if unknown."""
    training, patches = model["training"], patches_of(model) or 196
    width, depth = width_of(model) or 768, sizes_of(model)["depth"] or 12
    if training["recipe"] == "probe":
        return 20 * patches * width
    seen = visible(patches, training["mask_ratio"]) if training["recipe"] == "pretrain" else patches
    decoder = training["decoder"] if training["recipe"] == "pretrain" else {"width": 0, "depth": 0}
    return 20 * (seen * width * depth + patches * decoder["width"] * decoder["depth"])


def angles_of(model: dict, labels: int, k: int | float | list[int], every: bool = True) -> int:
    """Principal angles of each two of so many labels, in all layers, that `analysis.subspace.k` asks for.

    A share of the energy, which is no number before it is measured, counts as 50.

    Parameters
    ----------
    every : all of them, else the smallest of each two
    """
    dimensions = sum(k) if isinstance(k, list) else 50 if isinstance(k, float) else k
    if not every:
        dimensions = len(k) if isinstance(k, list) else 1
    return labels * (labels - 1) // 2 * (sizes_of(model)["depth"] or 24) * dimensions


def differences(one: dict, other: dict) -> list[str]:
    """Sizes in which two models certainly differ: those that are known of both."""
    others = sizes_of(other)
    return [key for key, size in sizes_of(one).items() if size and others[key] and size != others[key]]


def in_words(name: str, models: dict) -> str:
    """A model and, in parentheses, how it is built."""
    model = models[name]
    given = [f"{key} {value}" for key, value in model["arguments"].items()]
    built = ", ".join([model["architecture"], *given, f"crop {pixels(model['preprocessing']['crop'])} px"])
    return f"{name} ({built})"


def twin_problems(key: str, name: str, other: str, models: dict) -> Iterator[str]:
    """A model that is not built as another, heads apart."""
    if differences(models[name], models[other]):
        yield f"{key}: {in_words(name, models)} is not built as {in_words(other, models)}"


def _size_in_name(model: dict) -> str | None:
    return None if OTHERWISE.search(model["architecture"]) else _in_name(model, r"^vit_([a-z]+)_patch")


def _in_name(model: dict, pattern: str) -> str | None:
    found = re.search(pattern, model["architecture"])
    return found[1] if found else None


def visible_patches(model: str, mask: str, config: dict) -> int | None:
    """Patch tokens that a model sees under a mask, or on clean images."""
    entry, patches = config["perturbations"].get(mask, {}), patches_of(config["models"][model])
    if entry.get("kind") == "clean":
        return patches
    return visible(patches, entry["ratio"]) if patches and "ratio" in entry else None
