"""Vision transformers as timm builds them, those refused whose tokens would not be what their names say."""

import difflib
import math
from collections.abc import Sequence

import timm
from timm.layers import Attention, PatchEmbed
from timm.models import Beit, Eva, PretrainedCfg, VisionTransformer
from torch import nn

from maescope.base import grid
from maescope.base.errors import InputError
from maescope.models import beit, rotary

OTHERS = {  # classes of timm: what one is, what gives it the names of a VisionTransformer, and its attention then
    Beit: ("a BEiT", beit.plain, beit.RelativeAttention),
    Eva: ("an Eva", rotary.plain, rotary.RotaryAttention),
}


def build(architecture: str, arguments: dict, num_classes: int = 0, pooling: str = "token") -> VisionTransformer:
    """A timm VisionTransformer, or a BEiT or Eva with its names, in evaluation mode, weights not yet loaded.

    Parameters
    ----------
    arguments : of timm, and `norm_eps`, the epsilon of all layer norms
    pooling : "avg" pools the patch tokens and applies fc_norm, as MAE's fine-tuned models; "token" reads CLS; "map"
        pools all tokens by attention of its own, as SigLIP

    Raises
    ------
    InputError
        where timm does not know the architecture or its arguments, or it is no VisionTransformer
    """
    own = {key: value for key, value in arguments.items() if key != "norm_eps"}
    try:
        model = timm.create_model(architecture, num_classes=num_classes, global_pool=pooling, **own)
    except (RuntimeError, TypeError, AssertionError, ValueError, LookupError, AttributeError) as error:
        said = str(error) or "timm takes no such arguments"  # some of its assertions say nothing
        said = f"timm knows no {error}" if isinstance(error, KeyError) else said  # of a layer by its name
        known = timm.list_models() + timm.list_pretrained()
        hint = "change `arguments` or take a ViT" if architecture in known else f"timm has {_near(architecture, known)}"
        given = "".join(f", {key} {value}" for key, value in arguments.items())
        raise InputError(f"architecture {architecture}{given}: {said} ({hint})") from error
    for module in model.modules():
        if hasattr(module, "eps"):  # a layer norm, also of root mean squares
            module.eps = arguments.get("norm_eps", module.eps)
    if type(model) in OTHERS:
        _, plain, _ = OTHERS[type(model)]
        model = plain(model)
    require_plain(model, f"architecture {architecture}")
    return model.eval()


def require_plain(model: nn.Module, called: str = "the model") -> None:
    """Refuse a model whose tokens would not be what their names say.

    Raises
    ------
    InputError
        beginning with what it is called
    """
    if fault := _unsupported(model):
        raise InputError(f"{called} {fault}; maescope reads timm's plain VisionTransformers, BEiT and Eva")


def _unsupported(model: nn.Module) -> str | None:
    """Why tokens of a model would not be what their names say, None if they are."""
    mixed = None
    if type(model.patch_embed) is not PatchEmbed:
        mixed = f"makes its patches by {type(model.patch_embed).__name__}, which mixes pixels between them"
    if type(model) in OTHERS:
        what, _, attention = OTHERS[type(model)]
        if not all(isinstance(block.attn, attention) for block in model.blocks):
            return f"is {what} as timm has it: maescope.models.architectures.build makes it a plain one"
        return mixed
    of_timm = type(model).__module__.startswith("timm.")  # whose own subclasses have further tokens, or others
    if not isinstance(model, VisionTransformer) or (of_timm and type(model) is not VisionTransformer):
        whose = "timm's" if of_timm else "the"
        return f"is of {whose} class {type(model).__name__}"
    if mixed is not None:
        return mixed
    if any(type(getattr(block, "attn", None)) is not Attention for block in model.blocks):
        return "has other than plain attention blocks"
    if any(block.attn.gate is not None or not isinstance(block.attn.norm, nn.Identity) for block in model.blocks):
        return "gates or normalises its heads, which then are not attention x values"
    return None


def recorded_preprocessing(identifier: str) -> dict:
    """How timm evaluates a pretrained model: keys and meaning of the configuration's `preprocessing`.

    Parameters
    ----------
    identifier : architecture, with the tag of its weights or without (then of timm's default weights)

    Raises
    ------
    InputError
        where timm records none, or another way of cutting than a centre crop
    """
    config = _recorded(identifier)
    if config is None:
        near = _near(identifier, timm.list_pretrained())
        raise InputError(
            f"timm knows no pretrained model {identifier} (it has {near}); state resize, crop, mean and std"
        )
    squash = config.crop_mode == "squash"
    if config.crop_mode != "center" and not squash:
        raise InputError(
            f"{identifier} is evaluated with crop mode {config.crop_mode}; state resize, crop, mean and std"
        )
    size = list(config.input_size[1:])
    return {
        "resize": math.floor(min(size) / config.crop_pct),
        "crop": size if len(set(size)) > 1 else size[0],
        "interpolation": config.interpolation,
        "mean": list(config.mean),
        "std": list(config.std),
    } | ({"squash": True} if squash else {})


def require_input(
    model: VisionTransformer, crop: int | Sequence[int], *, resample: bool = False, exact: bool = False
) -> None:
    """Crops must be of the model's input size, or it is set to theirs, once its weights are in.

    That is done to a model of `dynamic_img_size`, and to any where `resample` asks for it. Its positions are resampled
    as timm does, and its grid is that of the crops from then on. `exact` is of a model that is trained: its weights
    would be of another grid than those that its entry describes.

    Raises
    ------
    InputError
        naming both sizes
    """
    size, own, patch = grid.sides(crop), tuple(model.patch_embed.img_size), model.patch_embed.patch_size
    if size == own:
        return
    words = grid.in_words(crop)
    if exact or not (resample or getattr(model, "dynamic_img_size", False)):
        said = f"preprocessing.crop is {words} px, but the model's input is {own[0]} x {own[1]} px"
        remedy = "; take crops of that size" + (", or set resample_positions: true" if not exact else "")
        raise InputError(said + remedy)
    if size[0] % patch[0] or size[1] % patch[1]:
        raise InputError(f"preprocessing.crop is {words} px, no multiple of the model's patches of {patch[0]} px")
    model.set_input_size(size)


def hub_repository(identifier: str) -> str:
    """The repository of a pretrained model of timm on the Hugging Face hub."""
    config = _recorded(identifier)
    if config is None or not config.hf_hub_id:
        near = _near(identifier, timm.list_pretrained())
        raise InputError(f"weights hub:{identifier}: timm knows no such pretrained model (it has {near})")
    return config.hf_hub_id


def _near(name: str, known: list[str]) -> str:
    """The names most like one that is not known."""
    return ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.3)) or "others"


def _recorded(identifier: str) -> PretrainedCfg | None:
    """What timm records of a pretrained model, None where it knows none."""
    try:
        return timm.get_pretrained_cfg(identifier)
    except RuntimeError:  # the architecture is known, its tag is not
        return None
