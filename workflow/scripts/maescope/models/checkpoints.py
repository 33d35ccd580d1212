"""Weights from a file, the local hub cache or a seed, checked before they are used. Nothing in a file is executed."""

import difflib
import hashlib
import logging
import math
import pickle
import re
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from timm.layers import get_act_layer
from timm.models import VisionTransformer
from torch import Tensor

from maescope.base import provenance
from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.models import layouts, unpickling
from maescope.models.architectures import hub_repository
from maescope.study import model_folders
from maescope.study.weight_files import HUB, RANDOM, folder_problem

log = logging.getLogger(__name__)


DECODER = ("decoder_", "mask_token", "masked_embed")  # of a masked autoencoder; a mask_token misleads timm's own filter
DERIVED = ".relative_position_index"  # of BEiT, made from its size alone; older checkpoints carry it
POINTER = b"version https://git-lfs"
DEEPEST = 9  # one may hold itself
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
UNDER = ("model", "state_dict", "model_state_dict", "module", "teacher", "target_encoder")  # one in the other too
PROBE = {"head.0.running_mean", "head.0.running_var", "head.1.weight", "head.1.bias"}
PROBE_EPSILON = 1e-6  # of the official MAE code, main_linprobe.py, and of MMPretrain's; no checkpoint says it
SMALL = 384  # width of a ViT-S
BESIDE = ("state_dict_ema", "model_ema", "student", "encoder")  # other weights that trainings keep beside those read


def load(model: VisionTransformer, weights: str, sha256: str = "any", key: str | None = None) -> str:
    """Load weights strictly; what is left aside is named, and where they come from is `model.layout` then.

    Parameters
    ----------
    weights : path of a .safetensors or .pth file in one of the layouts of `layouts`, hub:<timm id>, or random:<seed>
    sha256 : what the file's digest must be, or "any"
    key : of which weights in the file, see `read`

    Returns
    -------
    SHA-256 of the file, or of the random numbers

    Raises
    ------
    InputError
        naming the file and the first thing in it that does not fit
    """
    if weights.startswith(RANDOM):
        model.layout = "random"
        return _draw(model, int(weights.removeprefix(RANDOM)))
    path = _cached(weights.removeprefix(HUB)) if weights.startswith(HUB) else weights
    digest = file_sha256(path, sha256)
    found = read(path, key)
    if model.num_classes and found.between:
        remedy = "set num_classes: 0 for the encoder alone"
        raise InputError(f"{path}: {found.between} lies between its encoder and its head, which is not read; {remedy}")
    state = {name: value for name, value in found.state.items() if not name.startswith(DECODER)}
    state = {name: value for name, value in state.items() if not name.endswith(DERIVED)}
    if state.keys() >= PROBE:
        state = _probe_folded(path, state, model.num_classes)
    elif found.renamed and "head.weight" in state and not model.num_classes:
        log.warning("%s: its head is left aside; to use it set num_classes: %d", path, len(state["head.weight"]))
        state = {name: value for name, value in state.items() if not name.startswith("head.")}
    _require_names(path, model.state_dict(), state)
    _require_fit(path, model, state)
    _require_told(path, model, found)
    model.load_state_dict(state)
    model.layout = found.layout
    return digest


def _draw(model: VisionTransformer, seed: int) -> str:
    """Draw all weights anew as torch and timm do, from a seed, and return their digest."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        model.init_weights()
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def load_encoder(model: VisionTransformer, weights: str, sha256: str = "any", key: str | None = None) -> None:
    """Start a classifier from a pretrained encoder: all of its blocks and embeddings, the head and its norm anew.

    Parameters
    ----------
    weights : path of a file
    sha256 : what the file's digest must be, or "any"
    key : of which weights in the file, see `read`
    """
    file_sha256(weights, sha256)
    own = ("norm.", "fc_norm.", "head.")  # the final norm moves behind the pooling
    found = read(weights, key)
    state = {name: value for name, value in found.state.items() if not name.startswith((*DECODER, *own))}
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith(own)}
    _require_names(weights, model.state_dict(), state)
    _require_fit(weights, model, state | fresh)
    _require_told(weights, model, found)
    model.load_state_dict(state | fresh)


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint file under timm's names, see `read`."""
    return read(path).state


def read(path: str, key: str | None = None) -> layouts.Found:
    """What a checkpoint file holds, under timm's names. Nothing in it is executed, see `unpickling`.

    The state dict may lie under any of UNDER, one in the other too. Other weights beside it are not read, and a warning
    says so.

    Parameters
    ----------
    key : where the weights lie that are meant (`state_dict_ema`), or what is before their names (`teacher.backbone`)

    Raises
    ------
    InputError
        where the file is missing, empty, truncated, no checkpoint, or holds something else
    """
    content = _content(path)
    state = _state_dict(path, content) if key is None else _keyed(path, content, key)
    if not state:
        raise InputError(f"{path}: {_lacking(content, key)}")
    found = layouts.found(path, state)
    if found.renamed:
        log.info("%s: names of the layout %s, which become timm's", path, found.layout)
    if found.aside:
        log.info("%s: left aside, no part of the encoder or its head: %s", path, found.aside)
    return found


def _content(path: str) -> object:
    """All that a file holds, tensors and what stands for the rest."""
    if Path(path).is_dir():
        raise InputError(f"{path}: {folder_problem(path)}")
    size = Path(path).stat().st_size if Path(path).is_file() else -1
    if size <= 0:
        raise InputError(f"{path}: {'empty' if size == 0 else 'no such'} file; give the path of a checkpoint")
    with open(path, "rb") as file:
        first = file.read(len(POINTER))
    if first == POINTER:
        raise InputError(f"{path} ({size} bytes): no whole checkpoint but Git LFS's pointer to it; `git lfs pull`")
    if path.endswith(".safetensors") and first[:2] == b"PK":
        raise InputError(f"{path} ({size} bytes): is a .pth by what is in it; rename it so")
    try:
        if path.endswith(".safetensors") or first[8:9] == b"{":  # named as it is, or as people save it
            return load_file(path)
        return unpickling.load(path)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} ({size} bytes): {_unpicklable(str(error))}") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError, struct.error) as error:
        if "torchscript" in str(error).lower():
            remedy = "save the state dict of torch.jit.load(...) alone"
            raise InputError(f"{path} ({size} bytes): TorchScript, which holds code; {remedy}") from error
        raise InputError(f"{path} ({size} bytes): no whole checkpoint ({_line(error)}); fetch it again") from error


def _is_state(content: object) -> bool:
    """Whether something is names and tensors."""
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def _state_dict(path: str, content: object, deep: int = 0) -> dict[str, Tensor] | None:
    """The names and tensors of a checkpoint, which lie in it, or under one of UNDER, and so on."""
    if _is_state(content):
        return content
    if not isinstance(content, dict) or deep > DEEPEST:
        return None
    for key in UNDER:
        if (found := _state_dict(path, content.get(key), deep + 1)) is not None:
            for other in (other for other in BESIDE if _is_state(content.get(other))):
                said = "%s: has %s, which is read, and %s: to use that, set weights_key: %s"
                log.warning(said, path, key, other, other)
            return found
    return None


def _keyed(path: str, content: object, key: str, deep: int = 0) -> dict[str, Tensor] | None:
    """The names and tensors that lie under a key, or whose names begin with it; in what lies under UNDER as well."""
    if not isinstance(content, dict) or deep > DEEPEST:
        return None
    if _is_state(content):
        own = layouts.unwrapped(path, content)
        return {name: value for name, value in own.items() if name.startswith(f"{key}.")}
    if isinstance(content.get(key), dict):
        return _state_dict(path, content[key])
    first, _, rest = key.partition(".")
    if rest and isinstance(content.get(first), dict):
        return _keyed(path, content[first], rest, deep + 1)
    return next(filter(None, (_keyed(path, content.get(under), key, deep + 1) for under in UNDER)), None)


def _lacking(content: object, key: str | None) -> str:
    """Why there are no weights in a file, and what to do."""
    if not isinstance(content, dict) or not content:
        return "holds no state dict (names to tensors, or that under model or state_dict)"
    there = [name for name, value in content.items() if isinstance(name, str) and _is_state(value)]
    if key is not None:
        return f"weights_key: {key} is neither in it nor before its names; it has {_listed(content)}"
    if content.keys() >= {"state", "param_groups"}:
        return "holds the state of an optimiser; give the file of the model beside it"
    if there:
        return f"holds weights under {' and '.join(there)}; choose with weights_key: {' or '.join(there)}"
    keys = f", but {_listed(content)}"
    others = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if 0 < len(others) < len(content) and not any(isinstance(content[name], dict) for name in others):
        keys = f": {others[0]!r} among its tensors is none; save the tensors alone"
    return f"holds no state dict (names to tensors, or that under model or state_dict){keys}"


def _listed(content: dict) -> str:
    return ", ".join(map(repr, list(content)[:5]))[:200]


def _probe_folded(path: str, state: dict[str, Tensor], num_classes: int) -> dict[str, Tensor]:
    """A linear probe, batch norm and linear layer, as the one linear layer that it is in evaluation.

    Without a head the model is the encoder that was probed, and the probe is left aside.
    """
    rest = {name: value for name, value in state.items() if not name.startswith("head.")}
    if not num_classes:
        classes = len(state["head.1.weight"])
        log.warning("%s: its head, a linear probe, is left aside; to use it set num_classes: %d", path, classes)
        return rest
    log.info("%s: batch norm and linear layer of a linear probe, folded into one", path)
    norm = {name.removeprefix("head.0."): value.double() for name, value in state.items() if name.startswith("head.0.")}
    weight, bias = state["head.1.weight"].double(), state["head.1.bias"].double()
    scale = norm.get("weight", 1) / (norm["running_var"] + PROBE_EPSILON).sqrt()  # (D,)
    folded = {"weight": weight * scale, "bias": bias + weight @ (norm.get("bias", 0) - norm["running_mean"] * scale)}
    return rest | {f"head.{name}": value.to(state["head.1.weight"].dtype) for name, value in folded.items()}


def save(state: dict[str, Tensor], path: str, metadata: dict[str, str]) -> None:
    """Write a safetensors file that is either whole or not there."""
    with replacing(path) as temporary:
        # not by its save_file, which leaves a temporary of its own behind where it is killed
        temporary.write_bytes(serialized({key: value.contiguous() for key, value in state.items()}, metadata))


def file_sha256(path: str, wanted: str = "any") -> str:
    """SHA-256 of a file, in hexadecimal, which must be the one that is wanted."""
    if Path(path).is_dir():
        raise InputError(f"{path}: {folder_problem(path)}")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a checkpoint")
    digest = provenance.digest(path)
    if wanted not in ("any", digest):
        raise InputError(f"{path}: its SHA-256 is {digest}, but the configuration says {wanted}; fetch it again")
    return digest


def _cached(identifier: str) -> str:
    """The file of a timm model in the local Hugging Face cache; nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache

    repository = hub_repository(identifier)
    path = try_to_load_from_cache(repository, "model.safetensors")
    if not isinstance(path, str):
        raise InputError(
            f"weights hub:{identifier}: not in the local Hugging Face cache; fetch it once where there is a network: "
            f"snakemake download, or hf download {repository} model.safetensors"
        )
    return path


def _unpicklable(reason: str) -> str:
    """What a refused pickle means for whoever gave it; torch's own words advise to load it all the same."""
    if found := re.search(r"GLOBAL (\S+)", reason):
        return f"refused, it would execute {found[1]}; save the state dict alone, best as .safetensors"
    return "no whole checkpoint (no pickle of tensors); fetch it again"


def _line(error: Exception | str) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _require_names(path: str, expected: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Some names of the encoder must be in a file; where there is none, all are behind a prefix or of another kind."""
    encoder = [name for name in expected if not name.startswith("head.")]
    if state and not set(state) & set(encoder):
        found = ", ".join(map(repr, list(state)[:3]))[:200]
        known = ", ".join(naming.of for naming in layouts.NAMINGS)
        raise InputError(
            f"{path}: its names are {found} and so on, none the architecture's ({', '.join(encoder[:2])}, ...) and "
            f"none of a layout that is read ({known}); give weights of a vision transformer as its library wrote them"
        )


def _require_fit(path: str, model: VisionTransformer, state: dict[str, Tensor]) -> None:
    """Same names, same shapes, finite values; the first that is not so is named."""
    expected = model.state_dict()
    if "head.weight" in expected and "head.weight" not in state:
        raise InputError(f"{path}: has no classification head (head.weight); give fine-tuned weights")
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
        raise InputError(f"{path}: has {left[0]} and {len(left) - 1} more that the architecture does not{hint}")


def _require_told(path: str, model: VisionTransformer, found: layouts.Found) -> None:
    """What no shape tells must be as the layout has it, or as config.json says beside weights of Hugging Face."""
    heads, eps, activation = found.heads, found.eps, None
    own, norm = model.blocks[0].attn.num_heads, model.blocks[0].norm1.eps
    if found.naming == layouts.HUGGING_FACE.of:
        told = Path(path).with_name("config.json")
        if not told.is_file():
            log.warning("%s: no config.json beside it, so heads and the epsilon of norms are not checked", path)
            return
        heads, eps, activation = model_folders.told_beside(told)
    elif "norm_pre.weight" in found.state:
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
    classes = len(state["head.weight"]) if "head.weight" in state and "head.weight" not in expected else 0
    hint = f"; it has a head: set num_classes: {classes}, or it is" if classes else "; it is"
    if name.startswith(("norm.", "fc_norm.")):
        return f"{hint} of another architecture, or pooling should be the other"
    near = difflib.get_close_matches(name, set(state) - set(expected), 1)
    if near:
        return f", but {near[0]}{hint} of another layout or architecture; rename it there, or give other weights"
    if name == "pos_embed":
        return "; the positions of patches are not in it, and no other way to tell them is read; give the whole weights"
    return f"{hint} of another architecture"


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
        return f": its images are of {size} px; set arguments.img_size and preprocessing.crop: {size}"
    return ""
