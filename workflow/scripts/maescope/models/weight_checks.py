"""Whether weights are those of a model: same names, same shapes, finite values, and what no shape tells."""

import difflib
import logging
import math
from pathlib import Path

import torch
from timm.layers import get_act_layer
from timm.models import Eva, VisionTransformer
from torch import Tensor

from maescope.base.errors import InputError
from maescope.models import layouts
from maescope.study import model_folders

log = logging.getLogger(__name__)

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SMALL = 384  # width of a ViT-S
POOL = "attn_pool.latent"  # what asks in a head that pools by attention


def require_names(path: str, expected: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Some names of the encoder must be in a file; where there is none, all are behind a prefix or of another kind."""
    encoder = [name for name in expected if not name.startswith("head.")]
    if state and not set(state) & set(encoder):
        found = ", ".join(map(repr, list(state)[:3]))[:200]
        known = ", ".join(naming.of for naming in layouts.NAMINGS)
        raise InputError(
            f"{path}: its names are {found} and so on, none the architecture's ({', '.join(encoder[:2])}, ...) and "
            f"none of a layout that is read ({known}); give weights of a vision transformer as its library wrote them"
        )


def require_fit(path: str, model: VisionTransformer, state: dict[str, Tensor]) -> None:
    """Same names, same shapes, finite values; the first that is not so is named."""
    expected = model.state_dict()
    if "head.weight" in expected and "head.weight" not in state:
        raise InputError(f"{path}: has no classification head (head.weight); give fine-tuned weights")
    if (POOL in state) != (POOL in expected):
        pools = "pools by attention; set pooling: map"
        raise InputError(
            f"{path}: its head {pools if POOL in state else 'does not pool by attention; set pooling: token or avg'}"
        )
    for name, value in expected.items():
        if name not in state:
            raise InputError(f"{path}: has no {name}{_instead(name, expected, state)}")
        if state[name].shape != value.shape:
            given, wanted = tuple(state[name].shape), tuple(value.shape)
            asks = f"num_classes: {wanted[0]} asks for" if name.startswith("head.") else "the architecture needs"
            raise InputError(f"{path}: {name} has shape {given}, {asks} {wanted}{_of_size(model, name, state)}")
        if state[name].dtype not in FLOATS or state[name].layout is not torch.strided or state[name].is_meta:
            kind = str(state[name].dtype if state[name].dtype not in FLOATS else state[name].layout)
            raise InputError(
                f"{path}: {name} is stored as {kind.removeprefix('torch.')}{' without values' * state[name].is_meta}, "
                "which says no weights by itself; save it as float32 (of a quantised model what it was made from)"
            )
        if not torch.isfinite(state[name]).all():
            raise InputError(f"{path}: {name} has values that are not finite; fetch or train it again")
    if left := sorted(set(state) - set(expected)):
        hint = "; set num_classes for a model with a head" if "head.weight" in left else ""
        if left[0].endswith("attn.q_bias"):
            hint = "; take the architecture with _qkvb behind its name"
        elif left[0].startswith("blocks."):
            hint = _of_depth(expected, state) or hint
        raise InputError(f"{path}: has {left[0]} and {len(left) - 1} more that the architecture does not{hint}")


def require_told(path: str, model: VisionTransformer, found: layouts.Found) -> None:
    """What no shape tells must be as the layout has it, or as config.json says beside weights of Hugging Face."""
    heads, eps, activation = found.heads, found.eps, None
    own, norm = model.blocks[0].attn.num_heads, model.blocks[0].norm1.eps
    if found.naming == layouts.HUGGING_FACE.of:
        told = Path(path).with_name("config.json")
        if not told.is_file():
            log.warning("%s: no config.json beside it, so heads and the epsilon of norms are not checked", path)
            return
        heads, eps, activation = model_folders.told_beside(told)
    elif "norm_pre.weight" in found.state and not isinstance(model, Eva):  # the Perception Encoder has it as well
        log.warning(
            "%s: is of CLIP, and no name or shape tells its activation; the model has %s. Weights of OpenAI, and of "
            "OpenCLIP's models called quickgelu (DFN, MetaCLIP), need QuickGELU: architecture vit_*_clip_quickgelu_* "
            "or arguments.act_layer: quick_gelu; others need GELU",
            *(path, type(model.blocks[0].mlp.act).__name__),
        )
    elif heads is None and _fixed_small(found.state):
        log.warning(
            "%s: its positions are fixed ones and its width is %d, as of MoCo v3's ViT-S, which has 12 attention heads "
            "where others have 6; no shape tells, the model has %d, and arguments.num_heads sets another number",
            *(path, model.embed_dim, own),
        )
    if heads not in (None, own):
        remedy = f"set arguments.num_heads: {heads}"
        raise InputError(f"{path}: is of {heads} attention heads, the model has {own}; {remedy}")
    if eps not in (None, norm):
        remedy = f"set arguments.norm_eps: {model_folders.in_yaml(eps)}"
        raise InputError(f"{path}: its layer norms have an epsilon of {eps:g}, the model's {norm:g}; {remedy}")
    if activation is not None:
        wanted, points = model_folders.activation(told, activation), torch.linspace(-3, 3, 13)
        if not torch.allclose(model.blocks[0].mlp.act(points), get_act_layer(wanted)()(points), atol=1e-6):
            remedy = f"set arguments.act_layer: {wanted}"
            raise InputError(f"{path}: its activation is {activation}, not the model's; {remedy}")


def _fixed_small(state: dict[str, Tensor]) -> bool:
    """Whether positions are sines and cosines, by that of CLS, which is nothing then; of the width of a ViT-S."""
    positions = state.get("pos_embed", torch.ones(1, 1, 1))
    return positions.shape[-1] == SMALL and "cls_token" in state and not positions[:, 0].any()


def _instead(name: str, expected: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """What a file may have in the place of a name, and what to do."""
    if name.startswith("blocks.") and (depth := _of_depth(expected, state)):
        return depth
    classes = len(state["head.weight"]) if "head.weight" in state and "head.weight" not in expected else 0
    hint = f"; it has a head: set num_classes: {classes}, or it is" if classes else "; it is"
    if name.startswith(("norm.", "fc_norm.")):
        return f"{hint} of another architecture, or pooling should be another"
    near = difflib.get_close_matches(name, set(state) - set(expected), 1)
    if near:
        return f", but {near[0]}{hint} of another layout or architecture; rename it there, or give other weights"
    if name == "pos_embed" and any(own.endswith(".gamma_1") for own in state):
        return "; its positions are rotary, as of DINOv3: take an architecture vit_*_dinov3, or another of timm's Eva"
    if name == "pos_embed":
        return "; the positions of patches are not in it, and no other way to tell them is read; give the whole weights"
    return f"{hint} of another architecture"


def _of_depth(expected: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """Of weights with more layers or fewer how many, and what to set; nothing where there are as many, or gaps."""
    own, given = ({name.split(".")[1] for name in names if name.startswith("blocks.")} for names in (expected, state))
    if not given or given == own or given != set(map(str, range(len(given)))):
        return ""
    return f"; its depth is {len(given)}, the architecture's {len(own)}: set arguments.depth: {len(given)}"


def _of_size(model: VisionTransformer, name: str, state: dict[str, Tensor]) -> str:
    """Of positions of another grid the size of images that they are of, and of patches their side."""
    embedding, given, grid = model.patch_embed, state[name].shape, 0.0
    side = state["patch_embed.proj.weight"].shape[-1] if "patch_embed.proj.weight" in state else 0
    if side and side != embedding.patch_size[0]:
        return f": its patches are of {side} px; set arguments.patch_size: {side}"
    if name == "pos_embed" and len(given) == 3:
        grid = math.sqrt(max(0, given[1] - (model.pos_embed.shape[1] - embedding.num_patches)))
    elif name.endswith(".relative_position_bias_table"):  # (2 g - 1)^2 offsets, and three of CLS
        grid = (math.sqrt(max(0, given[0] - 3)) + 1) / 2
    if side and grid and grid == int(grid) and embedding.grid_size != (grid, grid):
        size = int(grid) * side
        alone = f"arguments.img_size: {size} and resample_positions: true"
        return f": its images are of {size} px; set arguments.img_size and preprocessing.crop: {size}, or {alone}"
    return ""
