"""One forward pass and everything it yields: `forward(model, images, visible) -> Tokens`.

Attention stays fused: the concatenated heads are the input of `attn.proj`, and where attention itself is asked for,
it is recomputed from the queries and keys that pass by, and reduced before the next layer.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from timm.models import VisionTransformer
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from maescope.base.errors import InputError
from maescope.models.architectures import require_plain
from maescope.models.beit import RelativeAttention
from maescope.models.rotary import RotaryAttention, begin
from maescope.tokens import attention_statistics

# Memory for attention and its logarithm: on a CPU what fits a core's second-level cache, on a GPU launches must be few.
ATTENTION_BYTES = {"cpu": 5 << 18, "cuda": 2 << 30}


@dataclass(repr=False)
class Tokens:
    """What one pass says about B images. Raw block outputs, before any final norm; layer first."""

    cls: Tensor | None  # (L, B, D), None where the model has no CLS token
    mean: Tensor  # (L, B, D), mean over the visible patch tokens, CLS and registers excluded
    head: Tensor  # (L, B, H, d), mean over the patch rows of A V
    logits: Tensor | None  # (B, C), None where the model has no head
    patch: Tensor | None = None  # (L, B, N_v, D), on request
    attention_distance: Tensor | None = None  # (L, B, H) in pixels, on request
    attention_entropy: Tensor | None = None  # (L, B, H) in nats, on request
    attention_key_entropy: Tensor | None = None  # (L, B, H) in nats, on request
    cls_attention: Tensor | None = None  # (L, B, H, N), of CLS to each patch, on both requests, where there is CLS
    rollout: Tensor | None = None  # (B, N), how much each patch feeds what the head reads, on request
    rollout_cls: Tensor | None = None  # (B, N), how much it feeds CLS, on request, where there is CLS

    def __repr__(self) -> str:
        """Shapes of what there is: of numbers there are too many."""
        there = {name: tuple(tensor.shape) for name, tensor in vars(self).items() if tensor is not None}
        return f"Tokens({', '.join(f'{name}={shape}' for name, shape in there.items())})"


def forward(
    model: VisionTransformer,
    images: Tensor,
    visible: Tensor | None = None,
    *,
    patch: bool = False,
    attention: bool = False,
    heads_without_cls: bool = False,
    distance_with_cls: bool = False,
) -> Tokens:
    """Run the encoder once and keep what docs/quantities.md names, means in at least float32.

    Parameters
    ----------
    images : (B, 3, height, width), normalised, in the model's precision and on its device
    visible : (B, N_v) integer patch ids that the encoder sees (MAE's masked pass), None for all
    patch : keep every patch token as well
    attention : what attention says as well; needs all patches visible. The maps of CLS, which are as large as a few
        patch tokens, only with `patch`
    heads_without_cls : head outputs as if patches alone were keys; the pass itself, and so all else, keeps CLS
    distance_with_cls : see `attention.summary`

    Raises
    ------
    InputError
        where tokens of the model would not be what their names say, or images are not of its input size
    ValueError
        where attention is asked for under a mask
    RuntimeError
        where a layer yielded no head outputs or no attention: never a silently empty result
    """
    require_plain(model)
    _require_size(model, images)
    if attention and visible is not None:
        raise ValueError("attention distance and rollout are defined on all patches: visible must be None")
    prefix, with_cls = model.num_prefix_tokens, model.cls_token is not None
    cls, mean, patches = [], [], None
    head_taps = _patch_head_taps if heads_without_cls else _head_taps
    attention_taps = _attention_taps(model, attention, distance_with_cls)
    with torch.inference_mode(), head_taps(model) as heads, attention_taps as reduced:
        x, turns = begin(model, images, visible)
        if patch:
            patches = x.new_empty((len(model.blocks), len(x), x.shape[1] - prefix, x.shape[2]))
        for layer, (block, turn) in enumerate(zip(model.blocks, turns, strict=True)):
            x = block(x, **turn)
            if with_cls:
                cls.append(x[:, 0].clone())  # a view would hold on to all of x
            mean.append(_mean(x[:, prefix:]))
            if patch:
                patches[layer] = x[:, prefix:]
        by_shares = attention and model.global_pool == "map"
        if model.num_classes or by_shares:
            x = model.norm(x)
        logits = model.forward_head(x) if model.num_classes else None
        read = read_by_head(model, x) if by_shares else None
    _expect(len(model.blocks), heads, "head outputs")
    if attention:
        _expect(len(model.blocks), reduced.distance, "attention")
        rollout = torch.cat(reduced.rollout)  # (B, T, T)
    return Tokens(
        cls=torch.stack(cls) if with_cls else None,
        mean=torch.stack(mean),
        head=torch.stack(heads),
        logits=logits,
        patch=patches,
        attention_distance=torch.stack(reduced.distance) if attention else None,
        attention_entropy=torch.stack(reduced.entropy) if attention else None,
        attention_key_entropy=torch.stack(reduced.key_entropy) if attention else None,
        cls_attention=torch.stack(reduced.cls) if attention and patch and with_cls else None,
        rollout=attention_statistics.patch_scores(rollout, model.global_pool, prefix, read) if attention else None,
        rollout_cls=attention_statistics.patch_scores(rollout, "token", prefix) if attention and with_cls else None,
    )


def _require_size(model: VisionTransformer, images: Tensor) -> None:
    if model.patch_embed.img_size is None:
        raise InputError("the model has no input size, which its grid of patches is of; build it with img_size")
    wanted = (model.patch_embed.proj.in_channels, *model.patch_embed.img_size)
    if images.ndim != 4 or tuple(images.shape[1:]) != wanted:
        shape = ", ".join(map(str, wanted))
        said = f"images are of shape {tuple(images.shape)}, but the model's input is (B, {shape})"
        if images.ndim == 4 and getattr(model, "dynamic_img_size", False):
            size = images.shape[3] if images.shape[2] == images.shape[3] else tuple(images.shape[2:])
            said += f"; architectures.require_input(model, {size}) sets it"
        raise InputError(said)


def read_by_head(model: VisionTransformer, tokens: Tensor) -> Tensor:
    """How much a head that pools by attention takes of each token (B, T), of none before those that it is given."""
    aside = 0 if getattr(model, "pool_include_prefix", True) else model.num_prefix_tokens  # an Eva's is given all
    return pad(attention_statistics.pooled_shares(model.attn_pool, tokens[:, aside:]), (aside, 0))


def _mean(tokens: Tensor) -> Tensor:
    """Mean over tokens (B, n, D) -> (B, D), summed in at least float32."""
    return tokens.mean(1, dtype=torch.promote_types(tokens.dtype, torch.float32))


def _expect(layers: int, collected: list, what: str) -> None:
    if len(collected) != layers:
        raise RuntimeError(f"{len(collected)} of {layers} layers yielded {what}: their attention is not supported")


@contextmanager
def _head_taps(model: VisionTransformer) -> Iterator[list[Tensor]]:
    """Collect the mean over patch rows of each layer's concatenated heads, the input of `attn.proj`.

    Where heads are normalised or gated before that, it is what they were before.
    """
    heads: list[Tensor] = []
    prefix = model.num_prefix_tokens

    def tap_of(attn: torch.nn.Module):
        def tap(module: torch.nn.Module, inputs: tuple[Tensor]) -> None:
            rows = _mean(inputs[0][:, prefix:])  # (B, H * d)
            heads.append(rows.unflatten(-1, (attn.num_heads, -1)))  # (B, H, d)

        return tap

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(joined_heads(block.attn).register_forward_pre_hook(tap_of(block.attn)).remove)
        yield heads


@contextmanager
def _patch_head_taps(model: VisionTransformer) -> Iterator[list[Tensor]]:
    """Collect what `_head_taps` would if patches alone were keys, from each layer's queries, keys and values."""
    heads: list[Tensor] = []
    prefix = model.num_prefix_tokens

    def tap_of(attn: torch.nn.Module):
        def tap(module: torch.nn.Module, inputs: tuple[Tensor], qkv: Tensor | tuple[Tensor]) -> None:
            *tokens, bias = parts(attn, qkv)
            patches = [part[:, :, prefix:] for part in tokens]  # (B, H, N, d) each
            bias = None if bias is None else bias[:, prefix:, prefix:].to(patches[0].dtype)
            rows = scaled_dot_product_attention(*patches, attn_mask=bias)  # (B, H, N, d)
            heads.append(_mean(rows.transpose(1, 2)))  # (B, H, d)

        return tap

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(source(block.attn).register_forward_hook(tap_of(block.attn)).remove)
        yield heads


def joined_heads(attn: torch.nn.Module) -> torch.nn.Module:
    """The module of a layer that is given the concatenated heads A V (B, T, H * d)."""
    return attn.norm if isinstance(attn, RotaryAttention) else attn.proj


def source(attn: torch.nn.Module) -> torch.nn.Module:
    """The module of a layer whose output `parts` takes."""
    return attn.turned if isinstance(attn, RotaryAttention) else attn.qkv


def parts(attn: torch.nn.Module, qkv: Tensor | tuple[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Queries, keys and values (B, H, T, d) of a layer, and what it adds to the logits of attention (H, T, T)."""
    if isinstance(attn, RotaryAttention):
        return *qkv, None
    query, key, value = qkv.unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, T, d) each
    bias = None
    if isinstance(attn, RelativeAttention):
        bias, value = attn.bias(), attn.biased(value)
    return attn.q_norm(query), attn.k_norm(key), value, bias


class _Reduced:
    """Attention of all layers, already reduced."""

    def __init__(self, distances: Tensor, with_cls: bool):
        self.distances = distances  # (N, N)
        self.with_cls = with_cls  # in the distance
        self.distance: list[Tensor] = []  # L x (B, H)
        self.entropy: list[Tensor] = []  # L x (B, H)
        self.key_entropy: list[Tensor] = []  # L x (B, H)
        self.cls: list[Tensor] = []  # L x (B, H, N)
        self.rollout: list[Tensor] = []  # chunks of images, each (b, T, T), of the last layer seen
        self.space: Tensor | None = None  # (2, b, h, T, T), used again by every layer

    def add(self, query: Tensor, key: Tensor, bias: Tensor | None, prefix: int) -> None:
        """Take in one layer's queries and keys (B, H, T, d), a few images or a few heads of one at a time.

        `bias` (H, T, T) is added to the logits of attention.
        """
        if self.space is None:
            self.space = self._space_for(query)
        images = self.space.shape[1]
        before = self.rollout or [None] * -(-len(query) // images)
        parts = [
            self._reduce(q, k, bias, r, prefix)
            for q, k, r in zip(query.split(images), key.split(images), before, strict=True)
        ]
        *reduced, self.rollout = (list(part) for part in zip(*parts, strict=True))
        for layers, part in zip((self.distance, self.entropy, self.key_entropy, self.cls), reduced, strict=True):
            layers.append(torch.cat(part))

    def _space_for(self, query: Tensor) -> Tensor:
        heads, tokens = query.shape[1:3]
        device, threads = query.device, torch.get_num_threads() if query.device.type == "cpu" else 1
        maps = max(1, ATTENTION_BYTES[device.type] * threads // (2 * tokens * tokens * self.distances.element_size()))
        shape = (2, max(1, min(len(query), maps // heads)), min(heads, maps), tokens, tokens)
        return torch.empty(shape, dtype=self.distances.dtype, device=device)

    def _reduce(
        self, query: Tensor, key: Tensor, bias: Tensor | None, rollout: Tensor | None, prefix: int
    ) -> tuple[Tensor, ...]:
        """Distance, both entropies (b, H), CLS (b, H, N) and rollout (b, T, T) of a few images."""
        found, total = [], 0.0
        heads = self.space.shape[2]
        biases = [None] * -(-query.shape[1] // heads) if bias is None else bias.split(heads)
        for q, k, b in zip(query.split(heads, 1), key.split(heads, 1), biases, strict=True):
            attention, logarithm = attention_statistics.probabilities(q, k, self.space, b)
            total = total + attention.sum(1)  # (b, T, T)
            cls = attention[..., 0, prefix:].clone()  # a view would hold on to the workspace, which is used again
            summary = attention_statistics.summary(attention, logarithm, self.distances, prefix, with_cls=self.with_cls)
            found.append((*summary, cls))
        mean = total / query.shape[1]
        return *(torch.cat(part, 1) for part in zip(*found, strict=True)), attention_statistics.rollout_step(
            mean, rollout
        )


@contextmanager
def _attention_taps(model: VisionTransformer, wanted: bool, with_cls: bool) -> Iterator[_Reduced | None]:
    """Reduce each layer's attention from its queries and keys."""
    if not wanted:
        yield None
        return
    embedding = model.patch_embed
    parameter = next(model.parameters())
    dtype = torch.promote_types(parameter.dtype, torch.float32)
    distances = attention_statistics.patch_distances(embedding.grid_size, embedding.patch_size).to(
        parameter.device, dtype
    )
    reduced = _Reduced(distances, with_cls)

    def tap_of(attn: torch.nn.Module):
        def tap(module: torch.nn.Module, inputs: tuple[Tensor], qkv: Tensor | tuple[Tensor]) -> None:
            query, key, _, bias = parts(attn, qkv)
            reduced.add(query, key, bias, model.num_prefix_tokens)

        return tap

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(source(block.attn).register_forward_hook(tap_of(block.attn)).remove)
        yield reduced
