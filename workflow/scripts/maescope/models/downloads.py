"""Weights from where they are published. No other module touches a network, and only when asked to."""

import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints


def fetch_all(wanted: dict[str, dict]) -> None:
    """Get the weights of several models: what fails does not keep the others waiting.

    Parameters
    ----------
    wanted : model -> its `weights`, `url`, `sha256` and, where it has one, `weights_key`

    Raises
    ------
    InputError
        at the end, with all that failed
    """
    failed = []
    for name, model in wanted.items():
        try:
            print(f"{name}: {fetch(name, **model)}", flush=True)
        except InputError as error:
            failed.append(str(error))
    if failed:
        raise InputError("\n".join(failed))


def fetch(name: str, weights: str, url: str | None, sha256: str | None, weights_key: str | None = None) -> str:
    """Get one model's weights, if they are not there, and check that they are a checkpoint.

    Returns
    -------
    what was done, in words

    Raises
    ------
    InputError
        naming the model, the file and where it was sought
    """
    if weights.startswith(checkpoints.RANDOM):
        return f"{weights} is drawn where it is needed"
    if weights.startswith(checkpoints.HUB):
        return f"in the Hugging Face cache, {_from_hub(name, weights.removeprefix(checkpoints.HUB))}"
    if Path(weights).is_file():
        return f"{weights} is there already"
    if url is None:
        return f"{weights} is not there, and models.{name}.url does not say where it is published"
    with replacing(weights) as temporary:
        _copy(name, url, temporary)
        digest = checkpoints.file_sha256(str(temporary))
        if sha256 not in (None, digest):
            raise InputError(f"models.{name}: {url} has the SHA-256 {digest}, but the configuration says {sha256}")
        try:
            checkpoints.read(str(temporary), weights_key)
        except InputError as error:
            raise InputError(f"models.{name}: {url} is no checkpoint: {error}") from error
    return f"{weights} fetched from {url}, SHA-256 {digest}"


def _copy(name: str, url: str, path: Path) -> None:
    """A file from the network, whole or an error."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "maescope"}), timeout=60) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            expected = answer.headers.get("Content-Length")
    except (OSError, HTTPException) as error:  # no network, no such page, cut off
        raise InputError(f"models.{name}: {url} cannot be fetched ({error})") from error
    if expected is not None and path.stat().st_size != int(expected):
        raise InputError(f"models.{name}: {url} broke off after {path.stat().st_size} of {expected} bytes; try again")


def _from_hub(name: str, identifier: str) -> str:
    """A pretrained model of timm into the local Hugging Face cache."""
    from huggingface_hub import hf_hub_download

    repository = architectures.hub_repository(identifier)
    try:
        return hf_hub_download(repository, "model.safetensors")
    except (OSError, ValueError) as error:  # no network, no such repository
        raise InputError(f"models.{name}: {repository} cannot be fetched ({error})") from error
