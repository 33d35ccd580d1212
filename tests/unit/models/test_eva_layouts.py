"""Files of DINOv3, EVA-02 and the Perception Encoder as their own code names them, held against timm's own filter.

The names are written out from timm's filter and the sources of each project; whole weights must be those of the model.
"""

import re

import pytest
import timm
import torch
from test_families import CLASSES, TINY, expected, largest, pictures, randomised
from timm.models.eva import checkpoint_filter_fn

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints
from maescope.tokens.forward import forward

DINOV3 = ((r"^reg_token$", "storage_tokens"), (r"\.gamma_([12])$", r".ls\1.gamma"))
GATED = ((r"\.mlp\.fc1_g\.", ".mlp.w1."), (r"\.mlp\.fc1_x\.", ".mlp.w2."), (r"\.mlp\.fc2\.", ".mlp.w3."))
EVA_02 = (*GATED, (r"\.mlp\.norm\.", ".mlp.ffn_ln."), (r"\.attn\.norm\.", ".attn.inner_attn_ln."))
EVA_02 += ((r"\.([qv])_proj\.bias$", r".\1_bias"),)
PACKED = ((r"\.mlp\.fc1\.", ".mlp.w12."), (r"\.mlp\.fc2\.", ".mlp.w3."))
PE = (
    (r"^patch_embed\.proj\.", "conv1."),
    (r"^pos_embed$", "positional_embedding"),
    (r"^cls_token$", "class_embedding"),
    (r"^norm_pre\.", "ln_pre."),
    (r"^norm\.", "ln_post."),
    (r"^blocks\.", "transformer.resblocks."),
    (r"(resblocks\.\d+)\.norm([12])\.", r"\1.ln_\2."),
    (r"(resblocks\.\d+)\.gamma_([12])$", r"\1.ls_\2.gamma"),
    (r"(resblocks\.\d+\.attn)\.qkv\.", r"\1.in_proj_"),
    (r"(resblocks\.\d+\.attn)\.proj\.", r"\1.out_proj."),
    (r"(resblocks\.\d+|attn_pool)\.mlp\.fc1\.", r"\1.mlp.c_fc."),
    (r"(resblocks\.\d+|attn_pool)\.mlp\.fc2\.", r"\1.mlp.c_proj."),
    (r"^attn_pool\.latent$", "attn_pool.probe"),
    (r"^attn_pool\.norm\.", "attn_pool.layernorm."),
    (r"^attn_pool\.proj\.", "attn_pool.attn.out_proj."),
)
HUGGING_FACE = (  # as transformers 5.24 writes it
    (r"^(cls_token)$", r"embeddings.\1"),
    (r"^reg_token$", "embeddings.register_tokens"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings."),
    (r"^blocks\.", "layer."),
    (r"\.gamma_([12])$", r".layer_scale\1.lambda1"),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.mlp\.fc1_g\.", ".mlp.gate_proj."),
    (r"\.mlp\.fc1(_x)?\.", ".mlp.up_proj."),
    (r"\.mlp\.fc2\.", ".mlp.down_proj."),
)
FILES = {  # architecture, pooling, classes, names, layout
    "DINOv3": ("vit_small_patch16_dinov3_qkvb", "token", 0, DINOV3, "DINOv3"),
    "DINOv3, gated": ("vit_small_plus_patch16_dinov3_qkvb", "token", 0, (*DINOV3, *GATED), "DINOv3"),
    "DINOv3, no biases": ("vit_small_patch16_dinov3", "token", 0, DINOV3, "DINOv3"),
    "EVA-02": ("eva02_base_patch14_448", "avg", CLASSES, EVA_02, "EVA-02"),
    "EVA-02 CLIP": ("eva02_base_patch16_clip_224", "token", CLASSES, EVA_02, "EVA-02"),
    "EVA-02, packed": ("eva02_tiny_patch14_224", "avg", CLASSES, PACKED, "EVA-02"),
    "Perception Encoder": ("vit_pe_core_base_patch16_224", "map", CLASSES, PE, "Perception Encoder"),
    "Perception Encoder, spatial": ("vit_pe_spatial_base_patch16_512", "avg", 0, PE, "Perception Encoder"),
}


def built(which):
    """What timm builds, with random weights, and its arguments."""
    architecture, pooling, classes, *_ = FILES[which]
    arguments = TINY | ({"attn_pool_num_heads": 4} if pooling == "map" else {})
    own = timm.create_model(architecture, num_classes=classes, global_pool=pooling, **arguments)
    return randomised(own), arguments


def original(which, own):
    """The weights as the project's own code saves them, with what it has beside."""
    *_, names, layout = FILES[which]
    state = dict(own.state_dict())
    if layout == "DINOv3":
        for block in range(len(own.blocks)):
            attn = f"blocks.{block}.attn."
            query, value = (state.pop(f"{attn}{part}_bias", torch.zeros(32)) for part in "qv")
            state[f"{attn}qkv.bias"] = torch.cat(
                [query, torch.full_like(query, torch.nan), value]
            )  # masked: never read
            state[f"{attn}qkv.bias_mask"] = torch.ones(96)
        state |= {"rope_embed.periods": torch.ones(4), "mask_token": torch.zeros(1, 32)}
        state |= {"local_cls_norm.weight": torch.ones(32), "local_cls_norm.bias": torch.ones(32)}
    if layout == "EVA-02":
        state |= {"rope.freqs_cos": torch.ones(15, 16), "blocks.0.attn.rope.freqs_sin": torch.ones(15, 16)}
    if layout == "Perception Encoder":
        if "head.weight" in state:
            state["proj"] = state.pop("head.weight").T.contiguous()
            own.head.bias.data.zero_()
            del state["head.bias"]
        for kind in ("weight", "bias") if "attn_pool.q.weight" in state else ():
            parts = [state.pop(f"attn_pool.{part}.{kind}") for part in ("q", "kv")]
            state[f"attn_pool.attn.in_proj_{kind}"] = torch.cat(parts)
        state["cls_token"], state["pos_embed"] = state["cls_token"][0, 0], state["pos_embed"][0]
    for pattern, replacement in names:
        state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    prefix = "visual." if layout == "Perception Encoder" else ""
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize("which", FILES)
def test_weights_load_as_timms_own_filter_has_them_and_tokens_are_timms(which, tmp_path, caplog):
    architecture, pooling, classes, _, layout = FILES[which]
    own, arguments = built(which)
    content = original(which, own)
    torch.save({"model": content}, tmp_path / "w.pth")
    model = architectures.build(architecture, arguments, classes, pooling)
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert model.layout.startswith(layout) and "is of CLIP" not in caplog.text
    filtered = checkpoint_filter_fn(dict(content), own)
    for name, value in model.state_dict().items():
        assert value.equal(filtered[name]) and value.equal(own.state_dict()[name]), name
    tokens = forward(model, pictures(), patch=True, attention=True)
    registers = model.num_prefix_tokens - 1
    wanted = expected(own.double(), pictures().double(), pooling, True, registers)
    wanted.pop("logits") if not classes else None
    assert max(largest(tokens, wanted).values()) <= 1e-5


@pytest.mark.parametrize("before", ["", "model."])
@pytest.mark.parametrize("which", ["DINOv3", "DINOv3, gated", "DINOv3, no biases"])
def test_dinov3_of_hugging_face_loads(which, before, tmp_path):
    own, arguments = built(which)
    state = {}
    for name, value in own.state_dict().items():
        block = name.rpartition(".attn.")[0].replace("blocks", "layer")
        if name.endswith("attn.qkv.weight"):
            state |= {f"{block}.attention.{p}_proj.weight": v for p, v in zip("qkv", value.chunk(3), strict=True)}
        elif name.endswith(("attn.q_bias", "attn.v_bias")):
            state[f"{block}.attention.{name[-6]}_proj.bias"] = value
        else:
            state[name] = value
    for pattern, replacement in HUGGING_FACE:
        state = {re.sub(pattern, replacement, name): value for name, value in state.items()}
    state = {before + name: value for name, value in state.items()} | {before + "embeddings.mask_token": torch.ones(1)}
    torch.save(state, tmp_path / "pytorch_model.bin")
    model = architectures.build(FILES[which][0], arguments)
    checkpoints.load(model, str(tmp_path / "pytorch_model.bin"))
    assert model.layout.startswith("Hugging Face, DINOv3")
    assert all(value.equal(own.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_classifier_begins_with_dinov3_whose_biases_are_zero(tmp_path):
    own, arguments = built("DINOv3, no biases")
    torch.save(original("DINOv3, no biases", own), tmp_path / "w.pth")
    model = architectures.build("vit_small_patch16_dinov3", arguments, CLASSES, "avg")
    checkpoints.load_encoder(model, str(tmp_path / "w.pth"))
    taken = {name: value for name, value in own.state_dict().items() if not name.startswith("norm.")}
    assert all(model.state_dict()[name].equal(value) for name, value in taken.items())


def test_biases_that_an_architecture_has_not_are_not_left_aside(tmp_path):
    own, arguments = built("DINOv3")
    torch.save(original("DINOv3", own), tmp_path / "w.pth")
    model = architectures.build("vit_small_patch16_dinov3", arguments)
    with pytest.raises(
        InputError, match=r"has blocks\.0\.attn\.q_bias and 5 more .*; take the architecture with _qkvb"
    ):
        checkpoints.load(model, str(tmp_path / "w.pth"))


def test_dinov3_is_not_loaded_into_a_plain_vision_transformer(tmp_path):
    own, arguments = built("DINOv3")
    torch.save(original("DINOv3", own), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"has no pos_embed; .* as of DINOv3: take an architecture vit_\*_dinov3"):
        checkpoints.load(architectures.build("vit_base_patch16_224", arguments), str(tmp_path / "w.pth"))


def test_the_target_encoder_of_i_jepa_loads(tmp_path):
    arguments = TINY
    own = randomised(timm.create_model("vit_huge_patch14_gap_224", num_classes=0, **arguments))
    other = {f"module.{name}": value + 1 for name, value in own.state_dict().items()}
    target = {f"module.{name}": value for name, value in own.state_dict().items()}
    torch.save(
        {"encoder": other, "predictor": {"module.x": torch.ones(1)}, "target_encoder": target}, tmp_path / "w.pth"
    )
    model = architectures.build("vit_huge_patch14_gap_224", arguments, pooling="avg")
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert all(value.equal(own.state_dict()[name]) for name, value in model.state_dict().items())
    assert forward(model, pictures()).cls is None


def test_cae_loads_as_a_beit_with_positions_of_tokens(tmp_path):
    changes = {"use_rel_pos_bias": False, "use_abs_pos_emb": True, "init_values": 0.1}
    own = randomised(
        timm.create_model("beit_base_patch16_224", num_classes=CLASSES, global_pool="avg", **TINY | changes)
    )
    torch.save({"model": own.state_dict()}, tmp_path / "w.pth")
    model = architectures.build("beit_base_patch16_224", TINY | changes, CLASSES, "avg")
    checkpoints.load(model, str(tmp_path / "w.pth"))
    visible = torch.tensor([[0, 3, 7], [14, 2, 1]])
    assert forward(model, pictures(), visible).mean.shape == (3, 2, 32)  # no bias of places, so masks are possible
    with torch.inference_mode():
        assert (forward(model, pictures()).logits - own(pictures())).abs().max() <= 1e-5
