"""Where a model runs, and whether the GPU there can do it."""

import logging
import platform
import re
from collections.abc import Sequence

import torch
from timm.models import VisionTransformer

from maescope.base.errors import InputError

log = logging.getLogger(__name__)

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


def kind(device: torch.device) -> str:
    """What tells devices apart whose results may differ in the last bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


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
