"""Weights from a file, the local hub cache or a seed, checked before they are used. Nothing in a file is executed."""

import argparse
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
from timm.models import VisionTransformer
from torch import Tensor

from maescope.base import provenance
from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.models.architectures import hub_repository
from maescope.study.weight_files import HUB, RANDOM

log = logging.getLogger(__name__)


DISTRIBUTED = "module."  # before all names, as torch.nn.parallel.DistributedDataParallel has them
DECODER = ("decoder_", "mask_token")  # of a masked autoencoder; a top-level mask_token would mislead timm's own filter
DERIVED = ".relative_position_index"  # of BEiT, made from its size alone; older checkpoints carry it
AVERAGES = ("state_dict_ema", "model_ema")  # of weights, which timm's trainings keep beside them


def load(model: VisionTransformer, weights: str, sha256: str = "any") -> str:
    """Load weights strictly; only the decoder of a masked autoencoder and what BEiT derives are left aside.

    Parameters
    ----------
    weights : path of a .safetensors or .pth file (plain, or {"model": ...}), hub:<timm id>, or random:<seed>
    sha256 : what the file's digest must be, or "any"

    Returns
    -------
    SHA-256 of the file, or of the random numbers

    Raises
    ------
    InputError
        naming the file and the first thing in it that does not fit
    """
    if weights.startswith(RANDOM):
        return _draw(model, int(weights.removeprefix(RANDOM)))
    path = _cached(weights.removeprefix(HUB)) if weights.startswith(HUB) else weights
    digest = file_sha256(path)
    if sha256 not in ("any", digest):
        raise InputError(f"{path}: its SHA-256 is {digest}, but the configuration says {sha256}; fetch it again")
    state = {key: value for key, value in read_weights(path).items() if not key.startswith(DECODER)}
    state = {key: value for key, value in state.items() if not key.endswith(DERIVED)}
    _require_names(path, model.state_dict(), state)
    _require_fit(path, model.state_dict(), state)
    model.load_state_dict(state)
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


def load_encoder(model: VisionTransformer, weights: str) -> None:
    """Start a classifier from a pretrained encoder: all of its blocks and embeddings, the head and its norm anew."""
    own = ("norm.", "fc_norm.", "head.")  # the final norm moves behind the pooling
    state = {key: value for key, value in read_weights(weights).items() if not key.startswith((*DECODER, *own))}
    fresh = {key: value for key, value in model.state_dict().items() if key.startswith(own)}
    _require_names(weights, model.state_dict(), state)
    _require_fit(weights, model.state_dict(), state | fresh)
    model.load_state_dict(state | fresh)


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint file. Nothing in it is executed: pickles may hold tensors and plain options only.

    The state dict may lie under `model` or `state_dict`, and its names behind the `module.` of a distributed training.
    An average of weights beside it is not read, and a warning says so.

    Raises
    ------
    InputError
        where the file is missing, empty, truncated, no checkpoint, or holds something else
    """
    size = Path(path).stat().st_size if Path(path).is_file() else -1
    if size <= 0:
        raise InputError(f"{path}: {'empty' if size == 0 else 'no such'} file; give the path of a checkpoint")
    try:
        if path.endswith(".safetensors"):
            state = load_file(path)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} ({size} bytes): {_unpicklable(str(error))}") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError, struct.error) as error:
        raise InputError(f"{path} ({size} bytes): no whole checkpoint ({_line(error)}); fetch it again") from error
    if isinstance(state, dict) and (under := next((key for key in ("model", "state_dict") if key in state), None)):
        for other in (key for key in AVERAGES if state.get(key) is not None):
            log.warning("%s: has %s, which is read, and %s: to use that, save it alone", path, under, other)
        state = state[under]
    entries = state.items() if isinstance(state, dict) else ()
    if not entries or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in entries):
        found = f", but {', '.join(map(repr, list(state)[:5]))[:200]}" if entries else ""
        raise InputError(f"{path}: holds no state dict (names to tensors, or that under model or state_dict){found}")
    distributed = all(name.startswith(DISTRIBUTED) for name in state)
    return {name.removeprefix(DISTRIBUTED): value for name, value in state.items()} if distributed else state


def save(state: dict[str, Tensor], path: str, metadata: dict[str, str]) -> None:
    """Write a safetensors file that is either whole or not there."""
    with replacing(path) as temporary:
        # not by its save_file, which leaves a temporary of its own behind where it is killed
        temporary.write_bytes(serialized({key: value.contiguous() for key, value in state.items()}, metadata))


def file_sha256(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a checkpoint")
    return provenance.digest(path)


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
        raise InputError(
            f"{path}: its names are {found} and so on, none the architecture's ({', '.join(encoder[:2])}, ...); "
            "strip the prefix before them, or give weights of this architecture"
        )


def _require_fit(path: str, expected: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Same names, same shapes, finite values; the first that is not so is named."""
    if "head.weight" in expected and "head.weight" not in state:
        raise InputError(f"{path}: has no classification head (head.weight); give fine-tuned weights")
    for name, value in expected.items():
        if name not in state:
            classes = len(state["head.weight"]) if "head.weight" in state and "head.weight" not in expected else 0
            hint = f"it has a head: set num_classes: {classes}, or " if classes else ""
            other = "it is of another architecture, or pooling should be the other"
            raise InputError(f"{path}: has no {name}; {hint}{other}")
        if state[name].shape != value.shape:
            given, wanted = tuple(state[name].shape), tuple(value.shape)
            asks = f"num_classes: {wanted[0]} asks for" if name.startswith("head.") else "the architecture needs"
            raise InputError(f"{path}: {name} has shape {given}, {asks} {wanted}")
        if not torch.isfinite(state[name]).all():
            raise InputError(f"{path}: {name} has values that are not finite; fetch or train it again")
    if left := sorted(set(state) - set(expected)):
        hint = "; set num_classes for a model with a head" if "head.weight" in left else ""
        raise InputError(f"{path}: has {left[0]} and {len(left) - 1} more that the architecture does not{hint}")
