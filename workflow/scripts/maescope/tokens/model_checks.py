"""What a model is and whether it computes anything sensible, found out before any long job."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from timm.models import VisionTransformer

from maescope.base import doubts
from maescope.base.errors import InputError
from maescope.images import addresses, reading
from maescope.tokens.forward import forward


def describe(model: VisionTransformer) -> dict:
    """Shapes of a model: input, patches, layers, heads, widths, outputs of the head; and what no shape tells."""
    block, (height, width) = model.blocks[0], model.patch_embed.img_size
    return {
        "input_px": height if height == width else [height, width],
        "patch_px": model.patch_embed.patch_size[0],
        "patches": model.patch_embed.num_patches,
        "cls_token": model.cls_token is not None,
        "registers": model.num_prefix_tokens - (model.cls_token is not None),
        "layers": len(model.blocks),
        "heads": block.attn.num_heads,
        "width": model.embed_dim,
        "head_width": model.embed_dim // block.attn.num_heads,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "outputs": model.num_classes,
        "pooling": model.global_pool,
        "norm_eps": block.norm1.eps,
        "activation": type(block.mlp.act).__name__,
    }


def fingerprint(model: VisionTransformer, weights: str, seed: int) -> dict:
    """What a model answers to fixed noise: logits, or without a head CLS of the last layer (without CLS the mean).

    The hash is that of the float32 values, the same on the same machine with the same number of threads; the mean and
    the standard deviation can be held against those of another machine.

    Raises
    ------
    InputError
        naming the weights and the first layer, or the head, that answers with values that are not finite
    """
    noise = np.random.default_rng(seed).standard_normal((2, 3, *model.patch_embed.img_size), dtype=np.float32)
    tokens = forward(model, torch.from_numpy(noise))
    pooled = {name: value for name, value in vars(tokens).items() if name in ("cls", "mean") and value is not None}
    for layer, values in enumerate(zip(*pooled.values(), strict=True), 1):
        if not all(value.isfinite().all() for value in values):
            raise InputError(f"{weights}: noise makes layer {layer} not finite; fetch or train the weights again")
    of, last = next(iter(pooled.items()))
    answer = (last[-1] if tokens.logits is None else tokens.logits).numpy()
    if not np.isfinite(answer).all():
        raise InputError(f"{weights}: noise makes the logits not finite; fetch or train the weights again")
    return {
        "of": of if tokens.logits is None else "logits",
        "sha256": hashlib.sha256(np.ascontiguousarray(answer).tobytes()).hexdigest(),
        "mean": float(answer.mean()),
        "std": float(answer.std()),
    }


def few(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most `count` images of a sampled list, spread evenly over it and so over the labels."""
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]


def clean_accuracy(
    model: VisionTransformer, rows: pd.DataFrame, preprocessing: reading.Preprocessing, classes: Sequence[str]
) -> dict:
    """How many of a few labelled images a model gets right; a loud warning where there is a doubt."""
    pixels = torch.from_numpy(reading.normalised(addresses.of(rows), preprocessing))
    answers = pd.DataFrame({"target": rows["target"].to_numpy(), "prediction": forward(model, pixels).logits.argmax(1)})
    answers["correct"] = (answers["prediction"] == answers["target"]).astype(int)
    doubts.warn(answers.assign(level="clean"), classes, len(classes))
    return {"images": len(answers), "correct": int(answers["correct"].sum())}
