"""What is done to training images, each at random by a generator of its own: crops, flips, RandAugment, affine maps.

MAE pretrains with RandomResizedCrop (bicubic) and flips alone, and fine-tunes with RandAugment and random erasing as
timm has them. Transforms of whole pictures run where pictures are decoded, affine maps on batches.
"""

import random
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from timm.data import auto_augment, create_transform
from torch import Tensor
from torch.nn import functional as F
from torchvision import transforms

from maescope.base import grid
from maescope.images.reading import Preprocessing

NUMBERS = 4  # that an affine map is drawn from


class WholePictures:
    """`crop` or `randaugment`: a random part of a picture, resized to the crop, flipped, and with the latter more.

    Parameters
    ----------
    augmentation : an entry of the configuration, completed
    """

    def __init__(self, augmentation: dict, preprocessing: Preprocessing):
        size = grid.sides(preprocessing.crop)
        if augmentation["kind"] == "crop":
            kind = transforms.InterpolationMode[preprocessing.interpolation.upper()]
            self.transform = transforms.Compose(
                [
                    transforms.RandomResizedCrop(size, tuple(augmentation["area"]), interpolation=kind),
                    transforms.RandomHorizontalFlip(augmentation["flip"]),
                    transforms.PILToTensor(),
                ]
            )
        else:
            self.transform = create_transform(
                (3, *size),
                is_training=True,
                scale=tuple(augmentation["area"]),
                hflip=augmentation["flip"],
                color_jitter=None,
                auto_augment=augmentation["policy"],
                interpolation=preprocessing.interpolation,
                mean=preprocessing.mean,
                std=preprocessing.std,
                re_prob=augmentation["erasing"],
                re_mode="pixel",
            )
            for operation in (own for part in self.transform.transforms for own in getattr(part, "ops", ())):
                if operation.aug_fn is auto_augment.posterize:
                    operation.aug_fn = posterize

    def __call__(self, picture: Image.Image, seed: int) -> np.ndarray:
        """(3, height, width): uint8 of `crop`, float32 and normalised of `randaugment`."""
        seed_all(seed)
        return self.transform(picture).numpy()


def posterize(picture: Image.Image, bits: int, **others: object) -> Image.Image:
    """Of each colour the first so many bits: of none a black picture, as RandAugment's largest magnitude draws it.

    timm asks Pillow for it, which once made it so and as of 13.0 refuses 0 bits: one image in a thousand of the paper's
    recipe would end its training.
    """
    return auto_augment.posterize(picture, bits) if bits else Image.new(picture.mode, picture.size)


def seed_all(seed: int) -> None:
    """Seed all that timm's and torchvision's transforms draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def affine(images: Tensor, numbers: Tensor, augmentation: dict) -> Tensor:
    """Rotate, scale and shift each image, bilinear, borders repeated.

    Parameters
    ----------
    images : (B, 3, height, width)
    numbers : (B, 4), uniform in [0, 1)
    augmentation : `degrees` +-, `scale` from and to, `shift` +- as a fraction of the side
    """
    angle = _between(numbers[:, 0], -augmentation["degrees"], augmentation["degrees"]).deg2rad()
    zoom = 1 / _between(numbers[:, 1], *augmentation["scale"])
    shift = _between(numbers[:, 2:], -2 * augmentation["shift"], 2 * augmentation["shift"])  # (B, 2), the side is 2
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (B, 2, 2)
    grid = F.affine_grid(torch.cat([rotation, shift[..., None]], 2), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _between(numbers: Tensor, low: float, high: float) -> Tensor:
    return low + numbers * (high - low)


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(B, 3, height, width) as models take it, of uint8; float32 is so already."""
    if pixels.dtype != torch.uint8:
        return pixels
    mean, std = (torch.tensor(values, device=pixels.device).reshape(1, 3, 1, 1) for values in (mean, std))
    return (pixels.float() / 255 - mean) / std
