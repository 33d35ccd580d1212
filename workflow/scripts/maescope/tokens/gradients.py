"""What a prediction hangs on: attention rolled out through the layers, weighted by the gradient of the predicted class.

Chefer, Gur and Wolf (ICCV 2021): of each layer A_bar = mean over heads of max(0, dy/dA * A), and R_l = R_(l-1) +
A_bar_l R_(l-1) from the identity. y is the logit of the class that the model predicts for the image.
"""

from contextlib import ExitStack

import torch
from timm.models import VisionTransformer
from torch import Tensor

from maescope.base.errors import InputError
from maescope.models.architectures import require_plain
from maescope.models.rotary import begin
from maescope.tokens import attention_statistics
from maescope.tokens.forward import joined_heads, parts, read_by_head, source

IMAGES = 8  # whose attention is there at a time


def relevance(model: VisionTransformer, images: Tensor) -> Tensor:
    """How much each patch speaks for the predicted class, through what the head reads: one pass there and back.

    Attention stays fused. The gradient of A is taken from that of the heads' output A V: dy/dA = dy/d(A V) V^T.

    Parameters
    ----------
    images : (B, 3, height, width), normalised, in the model's precision and on its device

    Returns
    -------
    (B, N), 0 or more, in at least float32; the scale is an image's own

    Raises
    ------
    InputError
        where the model has no head
    """
    require_plain(model)
    if not model.num_classes:
        raise InputError("the gradient of a prediction needs a model with a head; rank patches by `rollout: head`")
    heads, attended = [], []

    def attend(attn: torch.nn.Module):
        return lambda module, inputs, qkv: attended.append(parts(attn, qkv))

    with torch.enable_grad(), ExitStack() as stack:
        for block in model.blocks:
            tap = joined_heads(block.attn).register_forward_pre_hook(lambda module, inputs: heads.append(inputs[0]))
            stack.callback(tap.remove)
            stack.callback(source(block.attn).register_forward_hook(attend(block.attn)).remove)
        x, turns = begin(model, images.detach().requires_grad_(), None)
        for block, turn in zip(model.blocks, turns, strict=True):
            x = block(x, **turn)
        x = model.norm(x)
        predicted = model.forward_head(x).amax(1).sum()  # each image is its own affair
        gradients = torch.autograd.grad(predicted, heads)
    with torch.no_grad():
        rollout = None
        for gradient, (query, key, value, bias) in zip(gradients, attended, strict=True):
            gradient = gradient.unflatten(-1, (query.shape[1], -1)).transpose(1, 2)  # (B, H, T, d)
            split = (part.split(IMAGES) for part in (gradient, query, key, value))
            weighted = torch.cat([_weighted(*few, bias) for few in zip(*split, strict=True)])  # (B, T, T)
            if rollout is None:
                rollout = torch.eye(weighted.shape[-1], dtype=weighted.dtype, device=weighted.device) + weighted
            else:
                rollout = rollout + weighted @ rollout
        read = read_by_head(model, x) if model.global_pool == "map" else None
        return attention_statistics.patch_scores(rollout, model.global_pool, model.num_prefix_tokens, read)


def _weighted(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """A_bar (b, T, T) of a few images, from (b, H, T, d) each and `bias` (H, T, T)."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    gradient, query, key, value = (part.to(dtype) for part in (gradient, query, key, value))
    logits = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    attention = (logits if bias is None else logits + bias).softmax(-1)
    return (attention * (gradient @ value.transpose(-2, -1))).clamp_(min=0).mean(1)
