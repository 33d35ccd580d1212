"""BEiT (Bao et al. 2022) with the plain names of a VisionTransformer, so that one forward pass serves both.

Its attention adds a learned bias for the relative position of every two patches, softmax(q k^T / sqrt(d) + bias), which
CAE (Chen et al. 2022) does without, and keeps the biases of queries and values apart from their weights. Parameters
keep timm's names: weights load as they are.
"""

import types

import torch
from timm.layers import resize_rel_pos_bias_table
from timm.models.beit import Attention, Beit, gen_relative_position_index
from torch import Tensor, nn
from torch.nn import functional as F

from maescope.base.errors import InputError


class RelativeAttention(nn.Module):
    """The attention of timm's BEiT, its parts where taps look for them: modules `qkv` and `proj`, `q_norm`, `bias`."""

    def __init__(self, attn: Attention):
        super().__init__()
        self.num_heads, self.qkv, self.proj, self.k_norm = attn.num_heads, attn.qkv, attn.proj, nn.Identity()
        self.attn_drop, self.proj_drop = attn.attn_drop, attn.proj_drop  # while it is trained
        self.q_bias, self.v_bias = attn.q_bias, attn.v_bias  # or None
        self.relative_position_bias_table = attn.relative_position_bias_table  # (relative positions, H) or None
        self.register_buffer("relative_position_index", attn.relative_position_index, persistent=False)  # (T, T)
        self.window_size = attn.window_size  # the grid, None without a bias

    def q_norm(self, query: Tensor) -> Tensor:
        """Queries (B, H, T, d) with their bias."""
        return self._with(self.q_bias, query)

    def biased(self, value: Tensor) -> Tensor:
        """Values (B, H, T, d) with their bias."""
        return self._with(self.v_bias, value)

    def _with(self, bias: Tensor | None, part: Tensor) -> Tensor:
        return part if bias is None else part + bias.unflatten(0, (self.num_heads, 1, -1))

    def bias(self) -> Tensor | None:
        """What is added to the logits of every query and key: (H, T, T); None where tokens alone have positions."""
        if self.relative_position_bias_table is None:
            return None
        bias = self.relative_position_bias_table[self.relative_position_index]  # (T, T, H)
        return bias.permute(2, 0, 1).contiguous()  # else a GPU's fused attention would refuse it

    def set_window_size(self, grid: tuple[int, int]) -> None:
        """Of another grid of patches: biases resampled as timm does, which calls this where an input size is set."""
        if self.relative_position_bias_table is None or tuple(grid) == tuple(self.window_size):
            return
        shape = ((2 * grid[0] - 1) * (2 * grid[1] - 1) + 3, self.num_heads)  # three offsets are those of CLS
        table = resize_rel_pos_bias_table(self.relative_position_bias_table.detach(), grid, shape, self.window_size)
        self.relative_position_bias_table = nn.Parameter(table)
        self.relative_position_index = gen_relative_position_index(grid).to(table.device)
        self.window_size = grid

    def forward(self, x: Tensor, shared_rel_pos_bias: None = None) -> Tensor:
        """(B, T, D) -> (B, T, D), T of the full image: the bias belongs to places in it."""
        bias = self.bias()
        if bias is not None and x.shape[1] != bias.shape[-1]:
            raise InputError("BEiT needs all patches: no perturbation of kind mask, and none with fill: drop")
        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, T, d)
        mask, dropped = None if bias is None else bias[None], self.attn_drop.p if self.training else 0.0
        joined = F.scaled_dot_product_attention(self.q_norm(query), key, self.biased(value), mask, dropped)
        return self.proj_drop(self.proj(joined.transpose(1, 2).flatten(2)))


def plain(model: Beit) -> Beit:
    """Give a BEiT the attention above and the names by which `forward` and `embed` call a VisionTransformer.

    Raises
    ------
    InputError
        where it is of another kind than timm's BEiT and BEiT v2, and CAE: biases shared by all layers, or no positions
    """
    biased = all(block.attn.relative_position_bias_table is not None for block in model.blocks)
    if model.rel_pos_bias is not None or not (biased or model.pos_embed is not None):
        raise InputError("only BEiT with a relative position bias in every layer, or with positions of tokens, is read")
    for block in model.blocks:
        block.attn = RelativeAttention(block.attn)
    model.norm_pre = nn.Identity()
    model._pos_embed = types.MethodType(_tokens, model)
    return model


def _tokens(model: Beit, patches: Tensor) -> Tensor:
    """CLS before the patch tokens, and positions where the model has them as well: (B, T, D)."""
    x = torch.cat([model.cls_token.expand(len(patches), -1, -1), patches], dim=1)
    return x if model.pos_embed is None else x + model.pos_embed
