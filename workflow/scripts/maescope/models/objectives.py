"""What a training makes small: the error of masked pixels, or the cross-entropy of labels; which weights decay.

Losses are float32 whatever the forward pass computes in.
"""

import numpy as np
import torch
from timm.data import Mixup
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn import functional as F

from maescope.base.grid import visible_count
from maescope.models import linear_probe
from maescope.models.mae import MaskedAutoencoder


class Pretraining(nn.Module):
    """The mean squared error of hidden patches (He et al., section 3).

    Parameters
    ----------
    model : the masked autoencoder that is trained
    ratio : of patches that are hidden
    normalised : whether the pixels of a patch are normalised first, see `mae.moments`
    half : whether the forward pass is in bfloat16
    """

    mix = None

    def __init__(self, model: MaskedAutoencoder, ratio: float, normalised: bool = False, half: bool = False):
        super().__init__()
        self.model, self.normalised, self.half = model, normalised, half
        patches = model.encoder.patch_embed.num_patches
        self.hidden = patches, visible_count(patches, ratio)

    def forward(self, images: Tensor, targets: Tensor, visible: Tensor) -> Tensor:
        """The loss of a batch; targets are not looked at."""
        with autocast(images, self.half):
            predicted = self.model(images, visible)
        return self.model.error(_single(predicted), images, visible, self.normalised)

    def mixed(self, images: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Nothing is mixed."""
        return images, targets

    def groups(self, weight_decay: float) -> list[dict]:
        """Weights with decay and without: not biases and norms, of one dimension; but CLS and the mask token."""
        own = [p for p in self.model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in own if p.ndim > 1], "weight_decay": weight_decay, "lr_scale": 1.0},
            {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0, "lr_scale": 1.0},
        ]

    @torch.inference_mode()
    def judged(self, images: Tensor, targets: Tensor, visible: Tensor) -> dict[str, Tensor]:
        """What the validation has of a batch, summed over its images."""
        return {"validation_loss": self(images, targets, visible).double() * len(images)}


class Classification(nn.Module):
    """Cross-entropy of labels, smoothed, and mixed by mixup or CutMix.

    Parameters
    ----------
    recipe : a `training` entry, completed: smoothing, mixup, cutmix, layer_decay
    tuned : whether it began with weights, and layers below learn more slowly
    """

    hidden = None  # all patches are seen

    def __init__(self, model: nn.Module, recipe: dict, tuned: bool):
        super().__init__()
        self.model, self.half = model, recipe["precision"] == "bfloat16"
        self.smoothing, self.layer_decay = recipe["smoothing"], recipe["layer_decay"] if tuned else 1.0
        self.mix = None
        if recipe["mixup"] or recipe["cutmix"]:
            alphas = recipe["mixup"], recipe["cutmix"]
            self.mix = Mixup(*alphas, label_smoothing=self.smoothing, num_classes=model.num_classes)

    def forward(self, images: Tensor, targets: Tensor, visible: Tensor) -> Tensor:
        """The loss of a batch: of integers, which are smoothed here, or of the shares of classes that mixing gave."""
        with autocast(images, self.half):
            logits = self.model(images)
        smoothing = 0.0 if targets.is_floating_point() else self.smoothing
        return F.cross_entropy(_single(logits), targets, label_smoothing=smoothing)

    def mixed(self, images: Tensor, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Images and shares of classes, each image mixed with the one as far from the other end; in place."""
        if self.mix is None:
            return images, targets
        np.random.seed(seed % 2**32)  # timm draws from it
        return self.mix(images, targets)

    def groups(self, weight_decay: float) -> list[dict]:
        """timm's groups by layer but for the final norm, which learns as fast as the head in the official code."""
        kept = self.model.no_weight_decay()
        groups = param_groups_layer_decay(self.model, weight_decay, kept, layer_decay=self.layer_decay)
        norm = [p for p in self.model.norm.parameters() if p.requires_grad]
        if not norm:
            return groups
        own = set(map(id, norm))
        groups = [group | {"params": [p for p in group["params"] if id(p) not in own]} for group in groups]
        return [*groups, {"params": norm, "weight_decay": 0.0, "lr_scale": 1.0}]

    @torch.inference_mode()
    def judged(self, images: Tensor, targets: Tensor, visible: Tensor) -> dict[str, Tensor]:
        """What the validation has of a batch, summed over its images; the loss is not smoothed."""
        with autocast(images, self.half):
            logits = self.model(images)
        logits = _single(logits)
        return {
            "validation_loss": F.cross_entropy(logits, targets, reduction="sum").double(),
            "validation_accuracy": (logits.argmax(1) == targets).sum().double(),
        }


class Probing(Classification):
    """Cross-entropy of a linear probe, whose encoder is frozen.

    Parameters
    ----------
    model : with a probe in the place of its head, see `linear_probe.attach`
    recipe : a `training` entry, completed
    """

    def __init__(self, model: nn.Module, recipe: dict):
        super().__init__(model, recipe, tuned=False)

    def groups(self, weight_decay: float) -> list[dict]:
        """Those of the probe alone."""
        return linear_probe.groups(self.model, weight_decay)


def optimizer(groups: list[dict], recipe: dict) -> torch.optim.Optimizer:
    """AdamW, or of probes LARS."""
    if recipe.get("optimizer") == "lars":
        return linear_probe.lars(groups, recipe["learning_rate"])
    return torch.optim.AdamW(groups, lr=recipe["learning_rate"], betas=tuple(recipe["betas"]), fused=True)


def autocast(images: Tensor, half: bool) -> torch.autocast:
    """bfloat16 where it is asked for."""
    return torch.autocast(images.device.type, torch.bfloat16, enabled=half)


def _single(x: Tensor) -> Tensor:
    """float32 of bfloat16."""
    return x.float() if x.dtype == torch.bfloat16 else x
