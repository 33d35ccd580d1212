"""Weights from a file, the local hub cache or a seed, checked before they are used. Nothing in a file is executed."""

import hashlib
import logging
import pickle
import re
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from timm.models import Eva, VisionTransformer
from torch import Tensor

from maescope.base import provenance
from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.models import layouts, linear_probe, rotary, unpickling, weight_checks
from maescope.models.architectures import hub_repository
from maescope.study.weight_files import HUB, RANDOM, folder_problem

log = logging.getLogger(__name__)


DECODER = ("decoder_", "mask_token", "masked_embed")  # of a masked autoencoder; a mask_token misleads timm's own filter
DERIVED = ".relative_position_index"  # of BEiT, made from its size alone; older checkpoints carry it
POINTER = b"version https://git-lfs"
DEEPEST = 9  # one may hold itself
UNDER = ("model", "state_dict", "model_state_dict", "module", "teacher", "target_encoder")  # one in the other too
PROBE = {"head.0.running_mean", "head.0.running_var", "head.1.weight", "head.1.bias"}
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
    state = _of_model(model, found)
    if state.keys() >= PROBE:
        state = _probe_folded(path, state, model.num_classes)
    elif found.renamed and "head.weight" in state and not model.num_classes:
        log.warning("%s: its head is left aside; to use it set num_classes: %d", path, len(state["head.weight"]))
        state = {name: value for name, value in state.items() if not name.startswith("head.")}
    weight_checks.require_names(path, model.state_dict(), state)
    weight_checks.require_fit(path, model, state)
    weight_checks.require_told(path, model, found)
    model.load_state_dict(state)
    model.layout = found.layout
    return digest


def _of_model(model: VisionTransformer, found: layouts.Found) -> dict[str, Tensor]:
    """Weights without a decoder, what is made from sizes alone, and what changes nothing.

    That are biases of queries and values that are all zero, where the model has none: the larger DINOv3.
    """
    own = model.state_dict()
    state = {
        name: value
        for name, value in found.state.items()
        if not name.startswith(DECODER) and not name.endswith(DERIVED)
    }
    biases = [name for name in state if name.endswith(("attn.q_bias", "attn.v_bias")) and name not in own]
    if any(state[name].any() for name in biases):
        return state
    return {name: value for name, value in state.items() if name not in biases}


def _draw(model: VisionTransformer, seed: int) -> str:
    """Draw all weights anew as torch and timm do, from a seed, and return their digest."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        model.init_weights()
        if isinstance(model, Eva):
            rotary.draw_rest(model)
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def load_encoder(model: VisionTransformer, weights: str, sha256: str = "any", key: str | None = None) -> None:
    """Start a classifier from a pretrained encoder: all of its blocks and embeddings; its head anew.

    So is the norm before the head, but with `pooling: token`, for which the official code loads it too.

    Parameters
    ----------
    weights : path of a file
    sha256 : what the file's digest must be, or "any"
    key : of which weights in the file, see `read`
    """
    file_sha256(weights, sha256)
    found = read(weights, key)
    state = _of_model(model, found)
    own = ("fc_norm.", "head.", "attn_pool.")
    if model.global_pool != "token" or "norm.weight" not in state:
        own += ("norm.",)  # the final norm moves behind the pooling
    state = {name: value for name, value in state.items() if not name.startswith(own)}
    fresh = {name: value for name, value in model.state_dict().items() if name.startswith(own)}
    weight_checks.require_names(weights, model.state_dict(), state)
    weight_checks.require_fit(weights, model, state | fresh)
    weight_checks.require_told(weights, model, found)
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
    if not num_classes:
        classes = len(state["head.1.weight"])
        log.warning("%s: its head, a linear probe, is left aside; to use it set num_classes: %d", path, classes)
        return {name: value for name, value in state.items() if not name.startswith("head.")}
    log.info("%s: batch norm and linear layer of a linear probe, folded into one", path)
    return linear_probe.classifier(state)


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
