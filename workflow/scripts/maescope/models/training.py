"""Training of small models on images held in memory: MAE pretraining, fine-tuning, and from scratch.

The recipes follow He et al. (2022), simplified: AdamW, linear warm-up, cosine decay; betas (0.9, 0.95) for pretraining
and (0.9, 0.999) with labels; for fine-tuning layer-wise learning rate decay and label smoothing.
Every random draw comes from one generator, so a run is repeated exactly at the same number of threads.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from maescope.base.grid import visible_count
from maescope.base.progress import progress
from maescope.models.mae import MaskedAutoencoder


@dataclass
class Schedule:
    """How long and how fast. `warmup` is a fraction of all steps, `shift` of the image's side, `degrees` +-."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float
    degrees: float
    scale: tuple[float, float]
    shift: float

    @classmethod
    def of(cls, recipe: dict) -> "Schedule":
        """The schedule in a `training` entry of the configuration."""
        keys = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup")
        return cls(**{key: recipe[key] for key in keys}, **recipe["augmentation"])

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at `step` of `steps`: linear warm-up, then half a cosine down to zero."""
        warm = max(1, round(self.warmup * steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def random_visible(images: int, patches: int, ratio: float, generator: torch.Generator) -> Tensor:
    """Random masks for training: ids of the int(N (1 - ratio)) visible patches, ascending, (images, N_v)."""
    keep = visible_count(patches, ratio)
    return torch.rand(images, patches, generator=generator).argsort(1)[:, :keep].sort(1).values


def random_affine(images: Tensor, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """Rotate, scale and shift each image (B, 3, height, width) at random, bilinear, borders repeated."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(len(images)).uniform_(low, high, generator=generator)

    angle = uniform(-schedule.degrees, schedule.degrees).deg2rad()
    zoom = 1 / uniform(*schedule.scale)
    shift = torch.stack([uniform(-2 * schedule.shift, 2 * schedule.shift) for _ in range(2)], dim=1)  # (B, 2)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (B, 2, 2)
    grid = F.affine_grid(torch.cat([rotation, shift[..., None]], 2), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def pretrain(mae: MaskedAutoencoder, images: Tensor, ratio: float, schedule: Schedule, seed: int) -> list[dict]:
    """Train a masked autoencoder in place on normalised images (n, 3, height, width).

    Returns
    -------
    one dict an epoch: epoch, loss, learning_rate, flops (of forward passes so far)
    """
    generator = torch.Generator().manual_seed(seed)
    patches = mae.encoder.patch_embed.num_patches

    def loss_of(batch: Tensor) -> Tensor:
        augmented = random_affine(images[batch], schedule, generator)
        return mae.loss(augmented, random_visible(len(batch), patches, ratio, generator))

    parameters = [p for p in mae.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": schedule.weight_decay, "lr_scale": 1.0},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "lr_scale": 1.0},
    ]
    return _train(mae, groups, (0.9, 0.95), loss_of, len(images), schedule, generator)


def train_classifier(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    schedule: Schedule,
    seed: int,
    *,
    layer_decay: float = 1.0,
    smoothing: float = 0.0,
) -> list[dict]:
    """Train a classifier in place: fine-tuning with `layer_decay` < 1, from scratch with 1.

    Parameters
    ----------
    images : (n, 3, height, width), normalised
    targets : (n,) integers
    """
    generator = torch.Generator().manual_seed(seed)

    def loss_of(batch: Tensor) -> Tensor:
        logits = model(random_affine(images[batch], schedule, generator))
        return F.cross_entropy(logits, targets[batch], label_smoothing=smoothing)

    groups = param_groups_layer_decay(model, schedule.weight_decay, model.no_weight_decay(), layer_decay=layer_decay)
    return _train(model, groups, (0.9, 0.999), loss_of, len(images), schedule, generator)


def _train(
    model: nn.Module,
    groups: list[dict],
    betas: tuple[float, float],
    loss_of: Callable[[Tensor], Tensor],
    images: int,
    schedule: Schedule,
    generator: torch.Generator,
) -> list[dict]:
    """The loop itself: one row per epoch."""
    optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=betas, fused=True)
    steps = schedule.epochs * math.ceil(images / schedule.batch_size)
    step, history = 0, []
    flops = _flops_an_image(loss_of, min(images, schedule.batch_size))
    model.train()
    for epoch in progress(range(1, schedule.epochs + 1), "training", unit="epoch"):
        total = 0.0
        for batch in _batches(images, schedule.batch_size, generator):
            rate = schedule.rate(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["lr_scale"]
            loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            step += 1
        row = {"epoch": epoch, "loss": total / images, "learning_rate": rate, "flops": flops * images * epoch}
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(f"the loss is {row['loss']} after epoch {epoch}: lower training.learning_rate")
        history.append(row)
    model.eval()
    return history


def _batches(images: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of all images in random order, in batches."""
    return iter(torch.randperm(images, generator=generator).split(size))


def _flops_an_image(loss_of: Callable[[Tensor], Tensor], batch: int) -> float:
    """Floating-point operations of one image's forward pass, to compare what trainings cost."""
    with FlopCounterMode(display=False) as counter:  # without gradients it fails where a head pools by attention
        loss_of(torch.arange(batch))
    return counter.get_total_flops() / batch
