"""Where the weights of a model are: made by the workflow, in a file, in the hub's cache, or drawn at random."""

from pathlib import Path

from maescope.base.errors import InputError

TRAINED = "results/models/"
HUB = "hub:"  # before the name of a pretrained model of timm
RANDOM = "random:"  # before a seed: an encoder that has learned nothing


def folder_problem(path: str) -> str:
    """What a folder is that was given for a file of weights, and what to do."""
    folder = Path(path)
    if (folder / ".metadata").is_file() and any(folder.glob("*.distcp")):
        merge = f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch {path} {path.rstrip('/')}.pth"
        return f"is a folder of parts (FSDP, DCP); merge them, `{merge}`, and give that file"
    if (folder / "zero_to_fp32.py").is_file():
        merge = f"python {folder / 'zero_to_fp32.py'} {path} {path.rstrip('/')}.pth"
        return f"is a folder of parts (DeepSpeed); merge them, `{merge}`, and give that file"
    if (folder / "config.json").is_file():
        return f"is a folder of Hugging Face; write model_dir: {path} instead of weights, or give the file in it"
    return "is a folder; give the .pth or .safetensors file in it"


def is_trained(weights: str) -> bool:
    """Whether the workflow makes these weights."""
    return weights.startswith(TRAINED)


def weights_file(name: str, weights: str) -> str | None:
    """The file that holds a model's weights, asked for where it is needed; None for the hub's cache or random ones.

    Raises
    ------
    InputError
        where the workflow does not make it and it is not there
    """
    if weights.startswith((HUB, RANDOM)):
        return None
    if not is_trained(weights) and not Path(weights).is_file():
        raise InputError(
            f"models.{name}.weights: there is no file {weights}; config/README.md says where checkpoints come from, "
            "and `snakemake download` fetches those with a url"
        )
    return weights
