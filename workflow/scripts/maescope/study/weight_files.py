"""Where the weights of a model are: made by the workflow, in a file, in the hub's cache, or drawn at random."""

from pathlib import Path

from maescope.base.errors import InputError

TRAINED = "results/models/"
HUB = "hub:"  # before the name of a pretrained model of timm
RANDOM = "random:"  # before a seed: an encoder that has learned nothing


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
