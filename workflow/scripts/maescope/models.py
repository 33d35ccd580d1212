"""Vision transformers from timm with weights from a file or the local hub cache, checked before they are used."""

import argparse
import difflib
import hashlib
import logging
import math
import pickle
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from timm.layers import Attention, PatchEmbed
from timm.models import Beit, PretrainedCfg, VisionTransformer
from torch import Tensor, nn

from maescope import beit, provenance
from maescope.atomic import replacing
from maescope.errors import InputError

HUB = "hub:"  # before the name of a pretrained model of timm
RANDOM = "random:"  # before a seed: an encoder that has learned nothing
DISTRIBUTED = "module."  # before all names, as torch.nn.parallel.DistributedDataParallel has them
DECODER = ("decoder_", "mask_token")  # of a masked autoencoder; a top-level mask_token would mislead timm's own filter
DERIVED = ".relative_position_index"  # of BEiT, made from its size alone; older checkpoints carry it
AVERAGES = ("state_dict_ema", "model_ema")  # of weights, which timm's trainings keep beside them
MORE_MEMORY = (  # of a GPU
    "free it, or set precision: bfloat16 or device: cpu; where other jobs share the GPU, --resources gpu=1 gives it to "
    "one at a time"
)
NO_MEMORY = (
    "CUDA error: out of memory",
    *(f"{library}_STATUS_{word}" for library in ("CUBLAS", "CUDNN") for word in ("ALLOC_FAILED", "NOT_INITIALIZED")),
    "unable to find an engine to execute this computation",  # cuDNN, where its workspace is not to be had
)
ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")  # in torch.cuda.get_arch_list()
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
log = logging.getLogger(__name__)


def build(architecture: str, arguments: dict, num_classes: int = 0, pooling: str = "token") -> VisionTransformer:
    """A timm VisionTransformer, or a BEiT with its names, in evaluation mode, weights not yet loaded.

    Parameters
    ----------
    pooling : "avg" pools the patch tokens and applies fc_norm, as MAE's fine-tuned models; "token" reads CLS

    Raises
    ------
    InputError
        where timm does not know the architecture or its arguments, or it is no VisionTransformer
    """
    try:
        model = timm.create_model(architecture, num_classes=num_classes, global_pool=pooling, **arguments)
    except (RuntimeError, TypeError, AssertionError, ValueError) as error:
        known = timm.list_models() + timm.list_pretrained()
        hint = "change `arguments` or take a ViT" if architecture in known else f"timm has {_near(architecture, known)}"
        raise InputError(f"architecture {architecture} with {arguments}: {error} ({hint})") from error
    if type(model) is Beit:
        return beit.plain(model).eval()
    if fault := _unsupported(model):
        raise InputError(
            f"architecture {architecture} {fault}; maescope reads timm's plain VisionTransformers and BEiT"
        )
    return model.eval()


def _unsupported(model: nn.Module) -> str | None:
    """Why tokens of a model would not be what their names say, None if they are."""
    if type(model) is not VisionTransformer:
        return f"is a {type(model).__name__}"
    if type(model.patch_embed) is not PatchEmbed:
        return f"makes its patches by a {type(model.patch_embed).__name__}, which mixes pixels between them"
    if model.cls_token is None:
        return "has no CLS token"
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
    if config.crop_mode != "center":
        raise InputError(
            f"{identifier} is evaluated with crop mode {config.crop_mode}; state resize, crop, mean and std"
        )
    side = config.input_size[-1]
    return {
        "resize": math.floor(side / config.crop_pct),
        "crop": side,
        "interpolation": config.interpolation,
        "mean": list(config.mean),
        "std": list(config.std),
    }


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


def require_input(model: VisionTransformer, crop: int) -> None:
    """Crops must be of the model's input size.

    Raises
    ------
    InputError
        naming both sizes
    """
    height, width = model.patch_embed.img_size
    if (crop, crop) != (height, width):
        raise InputError(f"preprocessing.crop is {crop} px, but the model's input is {height} x {width} px")


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


def device_of(wanted: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for here.

    Raises
    ------
    InputError
        where cuda is asked for and there is none, or torch has no binaries for the GPU
    """
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        _require_binaries()
        return torch.device("cuda")
    version = torch.version.cuda
    built = f"built for CUDA {version}, for which the driver may be too old" if version else "built without CUDA"
    if wanted == "cuda":
        raise InputError(
            "device: cuda, but torch sees no GPU; run where there is one, or set device: auto or cpu "
            f"(this torch is {built})"
        )
    log.warning("device: auto, and torch sees no GPU: running on the CPU (this torch is %s)", built)
    return torch.device("cpu")


def _require_binaries() -> None:
    """Torch must be built for the GPU; else its first kernel fails without a word of why."""
    built = torch.cuda.get_arch_list()
    if not torch.version.cuda or not built:  # ROCm names its GPUs otherwise
        return
    capability = torch.cuda.get_device_capability()
    if not runs_on(capability, built):
        raise InputError(
            f"GPU {torch.cuda.get_device_name()} has compute capability {capability[0]}.{capability[1]}, but this "
            f"torch is built for {', '.join(built)}; install another build of torch, or set device: cpu"
        )


def runs_on(capability: tuple[int, int], built: Sequence[str]) -> bool:
    """Whether a GPU runs any of what torch is built for.

    A binary runs on GPUs of the same major and no lower minor capability, PTX on all that are not older. Behind a
    number, `a` means this capability alone and `f` its family, of the same major and no lower minor.

    Parameters
    ----------
    capability : major and minor, as `torch.cuda.get_device_capability` has them
    built : as `torch.cuda.get_arch_list` has them: sm_XY for binaries, compute_XY for PTX
    """
    for found in filter(None, map(ARCHITECTURE.fullmatch, built)):
        kind, suffix, given = found[1], found[4], (int(found[2]), int(found[3]))
        if suffix == "a":
            runs = capability == given
        elif kind == "compute" and not suffix:
            runs = capability >= given
        else:
            runs = capability[0] == given[0] and capability >= given
        if runs:
            return True
    return False


def to_device(model: VisionTransformer, wanted: str, precision: str) -> VisionTransformer:
    """A model on the device of `device_of`, in its precision; for float32 torch's TF32 of convolutions is switched off.

    Raises
    ------
    InputError
        where it does not fit the GPU
    """
    if precision == "float32":
        torch.backends.cudnn.allow_tf32 = False  # it would round the patch embedding to 10 bits
    try:
        return model.to(device_of(wanted), PRECISIONS[precision])
    except RuntimeError as error:
        if not is_memory(error):
            raise
        raise InputError(f"the model does not fit the GPU's memory; {MORE_MEMORY}") from error


def is_memory(error: RuntimeError) -> bool:
    """Whether a GPU's memory was not enough: for what CUDA, cuBLAS and cuDNN want for themselves, only words say so."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in NO_MEMORY)


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
