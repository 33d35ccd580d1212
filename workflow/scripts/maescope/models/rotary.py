"""timm's Eva (EVA-02, DINOv3, Perception Encoder) with the plain names of a VisionTransformer: one pass serves both.

Its attention may turn queries and keys of patch tokens by angles that belong to their places (rotary positions, Su et
al. 2021; CLS and registers are not turned), and has its projections joined or apart, with biases of their own.
Parameters keep timm's names: weights load as they are, and timm's own forward pass still runs.
"""

import types
from collections.abc import Callable

import torch
from timm.layers import AttentionRope, apply_rot_embed_cat
from timm.layers.pos_embed_sincos import init_random_2d_freqs
from timm.models import Eva
from timm.models.eva import EvaAttention
from torch import Tensor, nn
from torch.nn import functional as F

PARTS = ("qkv", "q_proj", "k_proj", "v_proj", "q_bias", "v_bias", "q_norm", "k_norm", "norm", "gate", "proj")
PARTS += ("attn_drop", "proj_drop")  # while it is trained


class RotaryAttention(nn.Module):
    """The attention of timm's Eva, its parts where taps look for them: `turned`, `norm` and `proj`."""

    def __init__(self, attn: EvaAttention | AttentionRope):
        super().__init__()
        for name in PARTS:
            setattr(self, name, getattr(attn, name, None))
        self.num_heads, self.num_prefix_tokens, self.rotate_half = (
            attn.num_heads,
            attn.num_prefix_tokens,
            attn.rotate_half,
        )
        self.groups = getattr(attn, "num_kv_groups", 1)  # of heads that share keys and values
        self.bias_apart = getattr(attn, "qkv_bias_separate", False)
        self.turned = nn.Identity()  # is given queries, keys and values (B, H, T, d) as attention takes them

    def _projected(self, x: Tensor) -> list[Tensor]:
        """Queries, keys and values (B, H or fewer, T, d)."""
        if self.qkv is None:
            parts = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        elif self.q_bias is None:
            parts = self.qkv(x).chunk(3, -1)
        else:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
            parts = (self.qkv(x) + bias if self.bias_apart else F.linear(x, self.qkv.weight, bias)).chunk(3, -1)
        width = parts[0].shape[-1] // self.num_heads
        return [part.unflatten(-1, (-1, width)).transpose(1, 2) for part in parts]

    def _turn(self, x: Tensor, rope: Tensor) -> Tensor:
        """Queries or keys (B, H, T, d), those of patches turned."""
        prefix, patches = x.tensor_split([self.num_prefix_tokens], dim=2)
        return torch.cat([prefix, apply_rot_embed_cat(patches, rope, half=self.rotate_half)], dim=2)

    def forward(self, x: Tensor, rope: Tensor | None = None, attn_mask: None = None, is_causal: bool = False) -> Tensor:
        """(B, T, D) -> (B, T, D); `rope` has sine and cosine of patch tokens, as `turns` has them."""
        query, key, value = self._projected(x)
        query, key = self.q_norm(query), self.k_norm(key)
        if rope is not None:
            query, key = self._turn(query, rope).type_as(value), self._turn(key, rope).type_as(value)
        if self.groups > 1:
            key, value = (part.repeat_interleave(self.groups, dim=1) for part in (key, value))
        query, key, value = self.turned((query, key, value))
        dropped = self.attn_drop.p if self.training else 0.0
        joined = F.scaled_dot_product_attention(query, key, value, dropout_p=dropped)
        joined = self.norm(joined.transpose(1, 2).flatten(2))
        return self.proj_drop(self.proj(joined if self.gate is None else joined * self.gate(x).sigmoid()))


def plain(model: Eva) -> Eva:
    """Give an Eva the attention above; its angles stay in single precision whatever the model is brought to."""
    for block in model.blocks:
        block.attn = RotaryAttention(block.attn)
    if model.rope is not None:
        model.rope._apply = types.MethodType(_moved, model.rope)
    return model


def draw_rest(model: Eva) -> None:
    """Draw anew what timm draws only where it builds a model: the pooling's query, and the mixed frequencies."""
    if model.attn_pool is not None:
        model.attn_pool.init_weights()
    if model.rope_mixed:
        rope = model.rope
        drawn = init_random_2d_freqs(rope.dim // rope.num_heads, rope.depth, rope.num_heads, rope.temperature)
        rope.freqs.data.copy_(drawn)


def _moved(rope: nn.Module, to: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """A module on the device that `to` brings tensors to, in the precision it has: bfloat16 would blur its places."""
    return type(rope)._apply(rope, lambda tensor: tensor.to(to(tensor).device), recurse)


def begin(model: nn.Module, images: Tensor, visible: Tensor | None = None) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """What enters the first block of a vision transformer: patch tokens with positions, behind the prefix tokens.

    Parameters
    ----------
    images : (B, 3, height, width), normalised
    visible : (B, N_v) integer patch ids, None for all

    Returns
    -------
    tokens : (B, T, D)
    turns : of each block what it takes beside them: `rope` where the model has rotary positions, (N, 2 d) of all
        patches, or (B, 1 or H, N_v, 2 d) of the visible ones, each turned by the angles of its own place
    """
    placed = model._pos_embed(model.patch_embed(images))
    x, rope = placed if isinstance(placed, tuple) else (placed, None)  # (B, prefix + N, D)
    if visible is not None:
        prefix, patches = x.tensor_split([model.num_prefix_tokens], dim=1)
        patches = patches.gather(1, visible[..., None].expand(-1, -1, x.shape[-1]))  # (B, N_v, D)
        x = torch.cat([prefix, patches], dim=1)
    x = model.norm_pre(x)
    if rope is None:
        return x, [{} for _ in model.blocks]
    layers = rope if model.rope_mixed else [rope] * len(model.blocks)  # (N, 2 d), or (H, N, 2 d) of a layer's own
    return x, [{"rope": own if visible is None else _of_visible(own, visible)} for own in layers]


def _of_visible(rope: Tensor, visible: Tensor) -> Tensor:
    """Sine and cosine (N, 2 d) or (H, N, 2 d) of the visible patches alone: (B, 1 or H, N_v, 2 d)."""
    own = rope if rope.ndim == 3 else rope[None]
    return own[:, visible].transpose(0, 1)
