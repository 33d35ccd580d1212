"""Embeddings after a model's final norm, from tokens that were stored before it."""

from dataclasses import dataclass

import numpy as np

from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.tokens.store import TokenFile


@dataclass
class Before:
    """Embeddings as they are stored."""

    def mean(self, tokens: TokenFile, level: str) -> np.ndarray:
        """Mean patch token of each image at each layer, (L, B, D)."""
        return tokens.read(level, "mean")


@dataclass
class After:
    """The LayerNorm behind a model's last block, applied to the mean patch tokens of all layers alike.

    It belongs to the last layer; of the others it shows what they would be to a head that read them.

    Parameters
    ----------
    weight, bias : (D,)
    eps : added to the variance
    sha256 : of the model's weights, which the tokens must be of
    """

    weight: np.ndarray
    bias: np.ndarray
    eps: float
    sha256: str

    def mean(self, tokens: TokenFile, level: str) -> np.ndarray:
        """Mean patch token of each image at each layer after the norm, (L, B, D)."""
        self.require_own(tokens)
        return self.applied(tokens.read(level, "mean"))

    def require_own(self, tokens: TokenFile) -> None:
        """Refuse tokens of other weights."""
        if tokens.attributes.get("weights_sha256") != self.sha256:
            raise InputError(f"{tokens.path}: was made with other weights than the model has; delete it")

    def applied(self, points: np.ndarray) -> np.ndarray:
        """Tokens (..., D) after the norm."""
        return layer_norm(points, self.weight, self.bias, self.eps)


def layer_norm(tokens: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    """(x - mean) / sqrt(variance + eps) * weight + bias along the last axis, in float64 (Ba et al. 2016)."""
    deviation = tokens - tokens.mean(-1, keepdims=True, dtype=np.float64)
    return deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + eps) * weight + bias


def of(model, sha256: str) -> After:
    """The final norm of a timm model: fc_norm where the head reads the mean of the patch tokens, else norm.

    Raises
    ------
    InputError
        where neither is a LayerNorm
    """
    from torch.nn import LayerNorm  # only the rule that reads weights has torch

    for norm in (model.fc_norm, model.norm):
        if isinstance(norm, LayerNorm):
            weight, bias = (value.detach().double().numpy() for value in (norm.weight, norm.bias))
            return After(weight, bias, norm.eps, sha256)
    raise InputError("norm: after needs a model whose final norm is a LayerNorm; leave the convention out")


def write(norm: After, path: str) -> None:
    """Keep a norm in a file."""
    with replacing(path) as temporary:
        np.savez(temporary, **vars(norm))


def read(path: str | None) -> Before | After:
    """The norm in a file, or none where there is no file."""
    if not path:
        return Before()
    with np.load(path) as found:
        return After(found["weight"], found["bias"], float(found["eps"]), str(found["sha256"]))
