"""Random weights in the layout of the official MAE checkpoints: names and shapes as He et al. published them."""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

SIZES = {  # width, layers, patch size
    "base": (768, 12, 16),
    "large": (1024, 24, 16),
    "huge": (1280, 32, 14),
}


def shapes(width: int, depth: int, patch: int, image: int = 224, classes: int = 0, decoder: int = 0) -> dict:
    """Name -> shape of every tensor: an encoder, a classifier with `classes`, or an encoder with its decoder.

    Parameters
    ----------
    decoder : width of the decoder of 8 blocks, 0 for none
    """
    tokens = (image // patch) ** 2 + 1
    found = {"cls_token": (1, 1, width), "pos_embed": (1, tokens, width)}
    found |= _linear("patch_embed.proj", width, 3, patch, patch)
    for number in range(depth):
        found |= _block(f"blocks.{number}", width)
    if classes:
        return found | _norm("fc_norm", width) | _linear("head", classes, width)
    found |= _norm("norm", width)
    if decoder:
        found |= {"mask_token": (1, 1, decoder), "decoder_pos_embed": (1, tokens, decoder)}
        found |= _linear("decoder_embed", decoder, width) | _norm("decoder_norm", decoder)
        for number in range(8):
            found |= _block(f"decoder_blocks.{number}", decoder)
        found |= _linear("decoder_pred", 3 * patch * patch, decoder)
    return found


def state(wanted: dict, seed: int = 0) -> dict[str, Tensor]:
    """Random values that keep the scale of the tokens from layer to layer and attention far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in wanted.items():
        value = torch.randn(shape, generator=generator)
        if name.endswith(("pos_embed", "token")):
            found[name] = 0.5 * value
        elif len(shape) == 1:
            found[name] = 0.1 * value + float("norm" in name and name.endswith("weight"))
        else:
            found[name] = value * (2.0 if "qkv" in name else 0.5) / math.sqrt(math.prod(shape[1:]))
    return found


def save(tensors: dict[str, Tensor], path: Path, namespace: bool = True) -> Path:
    """A checkpoint as the official code writes it, its options pickled beside the weights."""
    extra = {"args": argparse.Namespace(model="mae_vit_base_patch16", blr=1.5e-4), "epoch": 0} if namespace else {}
    torch.save({"model": tensors, **extra}, path)
    return path


def _linear(name: str, outputs: int, *inputs: int) -> dict:
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _block(name: str, width: int) -> dict:
    return (
        _norm(f"{name}.norm1", width)
        | _linear(f"{name}.attn.qkv", 3 * width, width)
        | _linear(f"{name}.attn.proj", width, width)
        | _norm(f"{name}.norm2", width)
        | _linear(f"{name}.mlp.fc1", 4 * width, width)
        | _linear(f"{name}.mlp.fc2", width, 4 * width)
    )
