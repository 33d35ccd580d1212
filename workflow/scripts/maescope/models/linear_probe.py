"""A linear probe: batch norm without weights of its own and a linear layer, on what a frozen encoder's head reads.

As in He et al. (2022), appendix A.1, and the official code (main_linprobe.py). In evaluation both are one linear layer,
so that what comes out is a classifier like any other.
"""

from collections.abc import Mapping

import torch
from timm.models import VisionTransformer
from torch import Tensor, distributed, nn
from torch.nn import functional as F

EPSILON = 1e-6  # of the official MAE code, main_linprobe.py, and of MMPretrain's; no checkpoint says it
MOMENTUM, TRUST = 0.9, 0.001  # of LARS
SPREAD = 0.01  # standard deviation of the first weights


class BatchNorm(nn.BatchNorm1d):
    """Batch norm without weights of its own, over the batches of all processes together.

    No gradient flows to what it is given: nothing below it learns. So mean and variance are all that processes need to
    tell each other, and a batch is normalised alike on one GPU and on several.
    """

    def __init__(self, width: int):
        super().__init__(width, eps=EPSILON, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, D), in the type of the running statistics at least.

        Raises
        ------
        ValueError
            in training, of a single image in all
        """
        features = features.to(torch.promote_types(features.dtype, self.running_mean.dtype))
        if not (self.training and distributed.is_initialized()):
            return super().forward(features)
        own = features.double()
        sums = torch.cat([own.sum(0), own.square().sum(0), own.new_tensor([len(own)])])  # (2 D + 1)
        distributed.all_reduce(sums)
        count, (mean, squares) = sums[-1], sums[:-1].view(2, -1) / sums[-1]
        if count < 2:
            raise ValueError("batch norm of a single image; raise training.batch_size")
        variance = (squares - mean.square()).clamp(min=0)
        for running, now in ((self.running_mean, mean), (self.running_var, variance * count / (count - 1))):
            running.lerp_(now.to(running.dtype), self.momentum)
        self.num_batches_tracked += 1
        return F.batch_norm(features, mean.to(features.dtype), variance.to(features.dtype), eps=self.eps)


def attach(model: VisionTransformer) -> None:
    """Put a probe in the place of a classifier's head, and freeze all else; torch's own generator draws its weights."""
    model.requires_grad_(False)
    head = nn.Linear(model.head.in_features, model.head.out_features)
    nn.init.trunc_normal_(head.weight, std=SPREAD)
    nn.init.zeros_(head.bias)
    model.head = nn.Sequential(BatchNorm(head.in_features), head)


def groups(model: VisionTransformer, weight_decay: float) -> list[dict]:
    """Parameters of a probe: LARS adapts the rate of the weights, and of biases neither rate nor decay."""
    head = model.head[1]
    return [
        {"params": [head.weight], "weight_decay": weight_decay, "lr_scale": 1.0, "always_adapt": True},
        {"params": [head.bias], "weight_decay": 0.0, "lr_scale": 1.0, "always_adapt": False},
    ]


def lars(parameters: list[dict], learning_rate: float) -> torch.optim.Optimizer:
    """The optimiser of the official probe (You et al. 2017)."""
    from timm.optim import Lars  # all optimisers of timm are behind it, and what only reads weights needs none

    return Lars(parameters, lr=learning_rate, momentum=MOMENTUM, trust_coeff=TRUST, eps=0)


def folded(head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight and bias of the one linear layer that a probe is in evaluation, computed in float64.

    W ((x - mean) s g + b) + c = (W s g) x + c + W (b - mean s g), with s = 1 / sqrt(variance + EPSILON)

    Parameters
    ----------
    head : `0.running_mean` and `0.running_var` (D,), perhaps `0.weight` (g) and `0.bias` (b), `1.weight` (classes, D)
        and `1.bias` (classes,)
    """
    dtype = head["1.weight"].dtype
    head = {name: value.double() for name, value in head.items()}
    scale = head.get("0.weight", 1) / (head["0.running_var"] + EPSILON).sqrt()  # (D,)
    bias = head["1.bias"] + head["1.weight"] @ (head.get("0.bias", 0) - head["0.running_mean"] * scale)
    return {"weight": (head["1.weight"] * scale).to(dtype), "bias": bias.to(dtype)}


def classifier(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a probed model as those of a classifier with a linear head."""
    own = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    rest = {name: value for name, value in state.items() if not name.startswith("head.")}
    return rest | {f"head.{name}": value for name, value in folded(own).items()}
