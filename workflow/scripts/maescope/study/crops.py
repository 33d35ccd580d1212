"""Crops too small for what a job is to do with them, asked for while planning and only where a target needs it."""

from functools import cache
from pathlib import Path

from maescope.base.errors import InputError

SSIM = 11  # side of SSIM's window in pixels
CORRUPTED = 8  # side in pixels that the generated corruptions need
REDUCED_UP_TO, REDUCED_BY = 64, 5  # side in pixels of crops for which frost photographs are reduced, and how much


def require_ssim(model: str, crop: int) -> None:
    """SSIM needs room for its window.

    Raises
    ------
    InputError
        naming both sizes
    """
    if crop < SSIM:
        raise InputError(
            f"models.{model}.preprocessing.crop: {crop} px, but SSIM (Table I; reconstruction errors, of the "
            f"sweep) has a window of {SSIM} x {SSIM} px; raise it, or ask for other targets"
        )


def require_corrupted(name: str, perturbation: dict, model: str, crop: int) -> None:
    """A generated corruption needs a crop of some size, and frost photographs no smaller than it.

    Raises
    ------
    InputError
        naming both sizes, and the photograph
    """
    if perturbation["kind"] != "corruption" or perturbation["folder"]:
        return
    if crop < CORRUPTED:
        raise InputError(
            f"models.{model}.preprocessing.crop: {crop} px, but {name} is generated from {CORRUPTED} px or more; raise "
            "it, or set study.corruptions: []"
        )
    if perturbation["frost"]:
        step = REDUCED_BY if crop <= REDUCED_UP_TO else 1
        needed = step * (crop - 1) + step // 2 + 1  # every fifth pixel from the third on
        for path, (width, height) in _sizes(perturbation["frost"]).items():
            if min(width, height) < needed:
                raise InputError(
                    f"perturbations.{name}.frost: {path} has {width} x {height} px, but {needed} x {needed} px are "
                    f"needed for the crop of {crop} px of {model}; take it out of the folder"
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
