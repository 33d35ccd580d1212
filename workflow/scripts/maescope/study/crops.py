"""Crops too small for what a job is to do with them, asked for while planning and only where a target needs it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from maescope.base import grid
from maescope.base.errors import InputError

SSIM = 11  # side of SSIM's window in pixels
CORRUPTED = 8  # side in pixels that the generated corruptions need
REDUCED_BY = 5  # frost photographs of small crops


def is_small(crop: int | Sequence[int]) -> bool:
    """Whether corruptions are generated with the parameters of CIFAR-C, from frost photographs that are reduced."""
    return min(grid.sides(crop)) <= 64


def require_ssim(model: str, crop: int | Sequence[int]) -> None:
    """SSIM needs room for its window.

    Raises
    ------
    InputError
        naming both sizes
    """
    if min(grid.sides(crop)) < SSIM:
        raise InputError(
            f"models.{model}.preprocessing.crop: {grid.in_words(crop)} px, but SSIM (Table I; reconstruction "
            f"errors, of the sweep) has a window of {SSIM} x {SSIM} px; raise it, or ask for other targets"
        )


def require_corrupted(name: str, perturbation: dict, model: str, crop: int | Sequence[int]) -> None:
    """A generated corruption needs a crop of some size, and frost photographs no smaller than it.

    Raises
    ------
    InputError
        naming both sizes, and the photograph
    """
    if perturbation["kind"] != "corruption" or perturbation["folder"]:
        return
    height, width = grid.sides(crop)
    if min(height, width) < CORRUPTED:
        raise InputError(
            f"models.{model}.preprocessing.crop: {grid.in_words(crop)} px, but {name} is generated from {CORRUPTED} "
            "px or more; raise it, or set study.corruptions: []"
        )
    if perturbation["frost"]:
        step = REDUCED_BY if is_small(crop) else 1
        needed = [step * (side - 1) + step // 2 + 1 for side in (width, height)]  # every fifth pixel from the third on
        for path, size in _sizes(perturbation["frost"]).items():
            if size[0] < needed[0] or size[1] < needed[1]:
                raise InputError(
                    f"perturbations.{name}.frost: {path} has {size[0]} x {size[1]} px, but {needed[0]} x {needed[1]} "
                    f"px are needed for the crop of {grid.in_words(crop)} px of {model}; take it out of the folder"
                )


@cache
def _sizes(folder: str) -> dict[str, tuple[int, int]]:
    """Width and height of the photographs in a folder; what cannot be opened is left to the job that reads it."""
    from PIL import Image  # here, because no other plan waits for it

    found = {}
    for path in sorted(path for path in Path(folder).iterdir() if path.is_file()):
        try:
            with Image.open(path) as picture:
                found[str(path)] = picture.size
        except (OSError, ValueError, SyntaxError):
            continue
    return found
