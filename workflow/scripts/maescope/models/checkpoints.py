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
POINTER = b"version https://git-lfs"
DEEPEST = 9  # one may hold itself
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
UNDER = ("model", "state_dict")  # where trainings put a state dict, one in the other too
BESIDE = ("argparse.Namespace", "types.SimpleNamespace", "numpy.dtype", "numpy.ndarray", "datetime.datetime")
BESIDE += tuple(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("scalar", "_reconstruct"))
BESIDE += tuple(
    f"{module}.{pure}{system}Path"
    for module in ("pathlib", "pathlib._local")
    for pure in ("", "Pure")
    for system in ("Posix", "Windows")
)
REGISTERS = {"register_tokens", "cls_token", "pos_embed"}
PROBE = {"head.0.running_mean", "head.0.running_var", "head.1.weight", "head.1.bias"}
PROBE_EPSILON = 1e-6  # of the official MAE code, main_linprobe.py; no checkpoint says it
AVERAGES = ("state_dict_ema", "model_ema")  # of weights, which timm's trainings keep beside them


class Aside:
    """What stands for an object beside the tensors of a pickle: it takes what that is given, and does nothing."""

    def __new__(cls, *_, **__) -> "Aside":
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _) -> None:
        pass


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
    digest = file_sha256(path, sha256)
    state = {key: value for key, value in read_weights(path).items() if not key.startswith(DECODER)}
    state = {key: value for key, value in state.items() if not key.endswith(DERIVED)}
    if state.keys() >= PROBE:
        state = _probe_folded(path, state, model.num_classes)
    _require_names(path, model.state_dict(), state)
    _require_fit(path, model, state)
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


def load_encoder(model: VisionTransformer, weights: str, sha256: str = "any") -> None:
    """Start a classifier from a pretrained encoder: all of its blocks and embeddings, the head and its norm anew.

    Parameters
    ----------
    weights : path of a file
    sha256 : what the file's digest must be, or "any"
    """
    file_sha256(weights, sha256)
    own = ("norm.", "fc_norm.", "head.")  # the final norm moves behind the pooling
    state = {key: value for key, value in read_weights(weights).items() if not key.startswith((*DECODER, *own))}
    fresh = {key: value for key, value in model.state_dict().items() if key.startswith(own)}
    _require_names(weights, model.state_dict(), state)
    _require_fit(weights, model, state | fresh)
    model.load_state_dict(state | fresh)


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint file. Nothing in it is executed: pickles may hold tensors and plain options only.

    The state dict may lie under `model` or `state_dict`, and its names behind the `module.` of a distributed training.
    An average of weights beside it is not read, and a warning says so. Of usual objects beside it (options, paths,
    numbers of numpy) nothing is made either. DINOv2's registers come with timm's name and positions.

    Raises
    ------
    InputError
        where the file is missing, empty, truncated, no checkpoint, or holds something else
    """
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
            state = load_file(path)
        else:
            with torch.serialization.safe_globals([(Aside, name) for name in BESIDE]):
                state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} ({size} bytes): {_unpicklable(str(error))}") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, LookupError, OSError, struct.error) as error:
        raise InputError(f"{path} ({size} bytes): no whole checkpoint ({_line(error)}); fetch it again") from error
    found = _state_dict(path, state)
    if found is None:
        keys = f", but {', '.join(map(repr, list(state)[:5]))[:200]}" if isinstance(state, dict) and state else ""
        others = [name for name, value in state.items() if not isinstance(value, Tensor)] if keys else []
        if 0 < len(others) < len(state) and not any(isinstance(state[name], dict) for name in others):
            keys = f": {others[0]!r} among its tensors is none; save the tensors alone"
        raise InputError(f"{path}: holds no state dict (names to tensors, or that under model or state_dict){keys}")
    if all(name.startswith(DISTRIBUTED) for name in found):
        found = {name.removeprefix(DISTRIBUTED): value for name, value in found.items()}
    return _registers_renamed(path, found) if found.keys() >= REGISTERS else found


def _state_dict(path: str, content: object, deep: int = 0) -> dict[str, Tensor] | None:
    """The names and tensors of a checkpoint, which lie in it, or under one of UNDER, and so on."""
    if not isinstance(content, dict) or not content or deep > DEEPEST:
        return None
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()):
        return content
    for key in UNDER:
        if (found := _state_dict(path, content.get(key), deep + 1)) is not None:
            for other in (average for average in AVERAGES if content.get(average) is not None):
                log.warning("%s: has %s, which is read, and %s: to use that, save it alone", path, key, other)
            return found
    return None


def _registers_renamed(path: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2 with registers as timm has it: positions are those of the patches, that of CLS is part of `cls_token`."""
    log.info("%s: register_tokens of DINOv2, renamed reg_token; the position of CLS is added to cls_token", path)
    others = {name: value for name, value in state.items() if name not in REGISTERS}
    position, patches = state["pos_embed"].tensor_split([1], dim=1)
    return others | {
        "cls_token": state["cls_token"] + position,
        "reg_token": state["register_tokens"],
        "pos_embed": patches,
    }


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
        raise InputError(
            f"{path}: its names are {found} and so on, none the architecture's ({', '.join(encoder[:2])}, ...); "
            "strip the prefix before them, or give weights of this architecture"
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
