"""The few tensors that lie in files in another shape than timm gives them, and how each is brought to it.

Each move takes the weights of one encoder, most of them under timm's names already, and returns them with one part
moved.
"""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from maescope.base.errors import InputError

State = dict[str, Tensor]
EVA = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^(storage|register)_tokens$", "reg_token"),
        (r"\.ls([12])\.gamma$", r".gamma_\1"),
        (r"\.attn\.query\.bias$", ".attn.q_bias"),
        (r"\.attn\.value\.bias$", ".attn.v_bias"),
        (r"\.attn\.inner_attn_ln\.", ".attn.norm."),
        (r"\.mlp\.ffn_ln\.", ".mlp.norm."),
        (r"\.mlp\.w1\.", ".mlp.fc1_g."),
        (r"\.mlp\.w2\.", ".mlp.fc1_x."),
        (r"^attn_pool\.attn\.out_proj\.", "attn_pool.proj."),
        (r"^attn_pool\.layernorm\.", "attn_pool.norm."),
        (r"^attn_pool\.probe$", "attn_pool.latent"),
        (r"^attn_pool\.mlp\.c_fc\.", "attn_pool.mlp.fc1."),
        (r"^attn_pool\.mlp\.c_proj\.", "attn_pool.mlp.fc2."),
    )
]


def _with(state: State, made: State) -> State:
    """A state dict with what was made of its parts, none of which may be there already."""
    if twice := made.keys() & state.keys():
        raise InputError(f"has {min(twice)} and what it is made of as well; give the file as its library wrote it")
    return state | made


def _joined(state: State, parts: Iterable[str], whole: str) -> State:
    """Tensors of some names, one below the other, as the one that has them all: queries, keys and values."""
    first, *others = parts
    for name in [name for name in state if f".{first}." in name]:
        own = [name.replace(f".{first}.", f".{part}.") for part in (first, *others)]
        if all(part in state for part in own):
            joined = torch.cat([state.pop(part) for part in own])
            state = _with(state, {name.replace(f".{first}.", f".{whole}."): joined})
    return state


def queries_keys_values(state: State) -> State:
    """Three linear layers (D, D) as the one (3 D, D), and the two of a gated MLP as their one."""
    state = _joined(state, ("attn.query", "attn.key", "attn.value"), "attn.qkv")
    return _joined(state, ("mlp.gate_proj", "mlp.up_proj"), "mlp.fc1")


def registers(state: State) -> State:
    """DINOv2 with registers as timm has it: positions are those of the patches, that of CLS is part of `cls_token`."""
    if not state.keys() >= {"register_tokens", "cls_token", "pos_embed"}:
        return state
    position, patches = state["pos_embed"].tensor_split([1], dim=1)
    tokens = {"reg_token": state.pop("register_tokens")}
    return _with(state, tokens) | {"cls_token": state["cls_token"] + position, "pos_embed": patches}


def one_cls(state: State) -> State:
    """Several CLS tokens (1, n, D) as one and n - 1 registers, which have positions like it."""
    if not several_cls(state):
        return state
    cls, others = state["cls_token"].tensor_split([1], dim=1)
    return _with(state, {"reg_token": others}) | {"cls_token": cls}


def eva(state: State) -> State:
    """Names of DINOv3, EVA-02 and the Perception Encoder as timm's Eva has them; biases of queries and values apart."""
    apart = any(name.endswith(".attn.q_proj.weight") for name in state)
    own: State = {}
    for name, value in state.items():
        for pattern, replacement in EVA:
            name = pattern.sub(replacement, name)
        if apart:
            name = re.sub(r"\.attn\.([qv])_bias$", r".attn.\1_proj.bias", name)
        own = _with(own, {name: value})
    return own


def of_eva_02(state: State) -> bool:
    """Whether names are those of EVA-02's own code, by any part that others do not have."""
    return any(
        re.search(r"(^|\.)rope\.freqs_cos$|\.mlp\.(w1|ffn_ln)\.|\.attn\.inner_attn_ln\.", name) for name in state
    )


def without_key_bias(state: State) -> State:
    """The bias of queries, keys and values (3 D) as those of queries and of values: DINOv3 masks that of keys."""
    for name in [name for name in state if name.endswith(".attn.qkv.bias")]:
        query, _, value = state.pop(name).chunk(3)
        block = name.removesuffix("qkv.bias")
        state = _with(state, {f"{block}q_bias": query, f"{block}v_bias": value})
    return state


def pooling(state: State) -> State:
    """The projection of a head that pools by attention (3 D, D) as that of its query and that of keys and values."""
    for kind in ("weight", "bias"):
        if (joined := state.pop(f"attn_pool.attn.in_proj_{kind}", None)) is not None:
            query, others = joined.tensor_split([len(joined) // 3])
            state = _with(state, {f"attn_pool.q.{kind}": query, f"attn_pool.kv.{kind}": others})
    return state


def dinov3_of_hugging_face(state: State) -> State:
    """Names of Hugging Face's DINOv3, by their ends, as its DINOv2 has the same parts; no registers are none."""
    gated = any(".mlp.gate_proj." in name for name in state)
    pairs = [(r"(embeddings\.patch_embeddings\.)(?=weight$|bias$)", r"\1projection.")]
    pairs += [(r"\.mlp\.gate_proj\.", ".mlp.w1."), (r"\.mlp\.up_proj\.", ".mlp.w2." if gated else ".mlp.weights_in.")]
    if not any("model.embeddings." in name for name in state):
        pairs += [(r"(^|\.)model\.layer\.", r"\1layer.")]  # while it is used; transformers saves it without
    for pattern, replacement in pairs:
        state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    return {name: value for name, value in state.items() if value.numel()}


def several_cls(state: State) -> bool:
    """Whether CLS has tokens (1, n, D) with n > 1."""
    return "cls_token" in state and state["cls_token"].ndim == 3 and state["cls_token"].shape[1] > 1


def own_biases(state: State) -> State:
    """The relative position biases that all blocks share, given to each."""
    shared = state.pop("rel_pos_bias.relative_position_bias_table")
    blocks = {match[0] for name in state if (match := re.match(r"blocks\.\d+\.", name))}
    return _with(state, {f"{block}attn.relative_position_bias_table": shared.clone() for block in sorted(blocks)})


def projection(state: State) -> State:
    """CLIP: CLS (D) as (1, 1, D), positions (T, D) as (1, T, D), the projection (D, C) as a head without a bias."""
    state = {name: _shaped(name, value) for name, value in state.items()}
    if "proj" in state:
        state = _with(state, {"head.weight": state.pop("proj").T.contiguous()})
    if "head.weight" in state and "head.bias" not in state:
        state["head.bias"] = state["head.weight"].new_zeros(len(state["head.weight"]))
    return state


def _shaped(name: str, value: Tensor) -> Tensor:
    if name == "cls_token" and value.ndim == 1:
        return value[None, None]
    return value[None] if name == "pos_embed" and value.ndim == 2 else value
