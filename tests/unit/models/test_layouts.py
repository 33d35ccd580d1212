"""Names as people's files have them become timm's; what cannot be told apart is refused with what to do.

The names are written out from the sources of each project; test_libraries.py has weights of the libraries themselves.
"""

import argparse
import collections
import importlib
import json
import logging
import pathlib
import shutil
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_checkpoints import Payload, probe, refused, same, tiny
from timm.models.vision_transformer import VisionTransformer

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints, layouts, unpickling
from maescope.tokens import model_checks

WIDTH, DEPTH = 16, 2  # of `tiny`


def loaded(content, path, key=None, **changes):
    """A tiny model with the weights of a file that holds this."""
    torch.save(content, path)
    model = tiny(**changes)
    checkpoints.load(model, str(path), key=key)
    return model


def named(state, names):
    """Tensors under other names: pairs of timm's and another, with {} where the number of a block stands."""
    pairs = [(old.format(i), new.format(i)) for old, new in names for i in range(DEPTH if "{}" in old else 1)]
    assert {old for old, _ in pairs} == set(state)
    return {new: state[old] for old, new in pairs}


def both(old, new):
    return [(f"{old}.{kind}", f"{new}.{kind}") for kind in ("weight", "bias")]


# ---- The table, row by row


@pytest.mark.parametrize("before", ["_orig_mod.", "module._orig_mod.", "module.module.", "_fsdp_wrapped_module."])
def test_what_torch_puts_before_names_is_taken_away(before, tmp_path):
    state = tiny(seed=1, num_classes=5).state_dict()
    content = {before + name: value for name, value in state.items()}
    model = loaded({"state_dict": content}, tmp_path / "w.pth", num_classes=5)
    assert same(model, state) and model.layout == "timm"


def test_blocks_that_were_compiled_or_checkpointed_one_by_one_load(tmp_path):
    state = tiny(seed=1).state_dict()
    content = {name.replace("blocks.0.", "blocks.0._orig_mod."): value for name, value in state.items()}
    content = {name.replace(".mlp.", "._checkpoint_wrapped_module.mlp."): value for name, value in content.items()}
    assert same(loaded(content, tmp_path / "w.pth"), state)


@pytest.mark.parametrize("before", ["model.", "net.", "backbone.", "encoder.", "backbone.vit.", "encoder.vit."])
def test_a_prefix_before_all_names_is_taken_away_and_told(before, tmp_path, caplog):
    state = tiny(seed=1).state_dict()
    content = {before + name: value for name, value in state.items()} | {"criterion.weight": torch.ones(3)}
    with caplog.at_level(logging.INFO):
        model = loaded({"state_dict": content, "pytorch-lightning_version": "2.6"}, tmp_path / "last.ckpt")
    assert same(model, state)
    assert model.layout == f"timm behind {before}"
    assert f"last.ckpt: names of the layout timm behind {before}, which become timm's" in caplog.text
    assert "last.ckpt: left aside, no part of the encoder or its head: criterion.* (1)" in caplog.text


@pytest.mark.parametrize(
    ("before", "head"), [("backbone.", "head"), ("model.backbone.", "model.classifier"), ("net.", "fc")]
)
def test_a_head_beside_a_wrapped_backbone_is_the_models(before, head, tmp_path, caplog):
    state = tiny(seed=1, num_classes=5).state_dict()
    content = {before + name: value for name, value in state.items() if not name.startswith("head.")}
    content |= {f"{head}.{kind}": state[f"head.{kind}"] for kind in ("weight", "bias")}
    assert same(loaded(content, tmp_path / "w.pth", num_classes=5), state)
    with caplog.at_level(logging.WARNING):
        model = loaded(content, tmp_path / "w.pth")
    assert same(model, {name: value for name, value in state.items() if not name.startswith("head.")})
    assert "its head is left aside; to use it set num_classes: 5" in caplog.text


def test_of_two_heads_beside_a_backbone_none_is_chosen(tmp_path):
    state = {f"backbone.{name}": value for name, value in tiny(seed=1).state_dict().items()}
    for head in ("head", "fc"):
        state |= {f"{head}.weight": torch.zeros(5, 16), f"{head}.bias": torch.zeros(5)}
    torch.save(state, tmp_path / "w.pth")
    refused(tiny(num_classes=5), tmp_path / "w.pth", "has no classification head")


HUGGING_FACE = [
    ("cls_token", "vit.embeddings.cls_token"),
    ("pos_embed", "vit.embeddings.position_embeddings"),
    *both("patch_embed.proj", "vit.embeddings.patch_embeddings.projection"),
    *both("blocks.{}.norm1", "vit.encoder.layer.{}.layernorm_before"),
    *both("blocks.{}.attn.proj", "vit.encoder.layer.{}.attention.output.dense"),
    *both("blocks.{}.norm2", "vit.encoder.layer.{}.layernorm_after"),
    *both("blocks.{}.mlp.fc1", "vit.encoder.layer.{}.intermediate.dense"),
    *both("blocks.{}.mlp.fc2", "vit.encoder.layer.{}.output.dense"),
    *both("norm", "vit.layernorm"),
    *both("head", "classifier"),
]


def hugging_face(state):
    """Three tensors for each of queries, keys and values."""
    parts = {name: value for name, value in state.items() if ".qkv." not in name}
    content = named(parts, HUGGING_FACE)
    for i in range(DEPTH):
        for kind in ("weight", "bias"):
            values = state[f"blocks.{i}.attn.qkv.{kind}"].split(WIDTH)
            for part, value in zip(("query", "key", "value"), values, strict=True):
                content[f"vit.encoder.layer.{i}.attention.attention.{part}.{kind}"] = value.clone()
    return content | {"vit.pooler.dense.weight": torch.ones(16, 16), "decoder.mask_token": torch.ones(1, 1, 8)}


def test_hugging_face(tmp_path, caplog):
    state = tiny(seed=1, num_classes=5).state_dict()
    save_file(hugging_face(state), tmp_path / "model.safetensors")
    model = tiny(num_classes=5)
    with caplog.at_level(logging.INFO):
        checkpoints.load(model, str(tmp_path / "model.safetensors"))
    assert same(model, state) and model.layout == "Hugging Face behind vit."
    assert "pooler.* (1), decoder.* (1)" in caplog.text
    assert "no config.json beside it, so heads and the epsilon of norms are not checked" in caplog.text


def test_a_part_of_the_queries_is_no_attention(tmp_path):
    content = hugging_face(tiny(num_classes=5).state_dict())
    del content["vit.encoder.layer.1.attention.attention.key.weight"]
    torch.save(content, tmp_path / "w.pth")
    refused(
        tiny(num_classes=5),
        tmp_path / "w.pth",
        r"has no blocks\.1\.attn\.qkv\.weight, but blocks\.1\.attn\.(query|value)",
    )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"num_attention_heads": 4}, "is of 4 attention heads, the model has 2; set arguments.num_heads: 4"),
        ({"layer_norm_eps": 1e-12}, "epsilon of 1e-12, the model's 1e-06; set arguments.norm_eps: 1.0e-12"),
        (
            {"hidden_act": "quick_gelu"},
            "its activation is quick_gelu, not the model's; set arguments.act_layer: quick_gelu",
        ),
        ({"hidden_act": "maxout"}, "hidden_act is 'maxout', known are gelu"),
        ([], "has no keys and values"),
    ],
)
def test_what_no_shape_tells_is_held_against_the_config_beside(told, said, tmp_path):
    save_file(hugging_face(tiny(num_classes=5).state_dict()), tmp_path / "model.safetensors")
    model = tiny(num_classes=5)
    right = {"num_attention_heads": 2, "layer_norm_eps": 1e-6, "hidden_act": "gelu"}
    (tmp_path / "config.json").write_text(json.dumps(right))
    checkpoints.load(model, str(tmp_path / "model.safetensors"))
    (tmp_path / "config.json").write_text(json.dumps(right | told if told else told))
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        checkpoints.load(model, str(tmp_path / "model.safetensors"))
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        checkpoints.load_encoder(model, str(tmp_path / "model.safetensors"))


MMPRETRAIN = [
    ("cls_token", "backbone.cls_token"),
    ("pos_embed", "backbone.pos_embed"),
    *both("patch_embed.proj", "backbone.patch_embed.projection"),
    *both("blocks.{}.norm1", "backbone.layers.{}.ln1"),
    *both("blocks.{}.attn.qkv", "backbone.layers.{}.attn.qkv"),
    *both("blocks.{}.attn.proj", "backbone.layers.{}.attn.proj"),
    *both("blocks.{}.norm2", "backbone.layers.{}.ln2"),
    *both("blocks.{}.mlp.fc1", "backbone.layers.{}.ffn.layers.0.0"),
    *both("blocks.{}.mlp.fc2", "backbone.layers.{}.ffn.layers.1"),
]


@pytest.mark.parametrize(
    ("pooling", "norm"), [("token", [*both("norm", "backbone.ln1")]), ("avg", [*both("fc_norm", "backbone.ln2")])]
)
@pytest.mark.parametrize("head", ["head.fc", "head.layers.head"])
def test_mmpretrain(head, pooling, norm, tmp_path):
    changes = {"num_classes": 5, "global_pool": pooling}
    state = tiny(seed=1, **changes).state_dict()
    content = named(state, [*MMPRETRAIN, *norm, *both("head", head)])
    content |= {"neck.decoder_pos_embed": torch.ones(1, 5, 8), "data_preprocessor.mean": torch.ones(3, 1, 1)}
    meta = {"seed": 0, "dataset_meta": {"classes": ("cat", "dog")}}
    model = loaded({"state_dict": content, "meta": meta, "message_hub": {}}, tmp_path / "mm.pth", **changes)
    assert same(model, state) and model.layout == "MMPretrain behind backbone."


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("module", ["", "module."])
def test_the_batch_norm_of_mmpretrains_linear_probe_is_folded_into_its_head(affine, module, tmp_path, caplog):
    """ClsBatchNormNeck, then VisionTransformerClsHead: no affine and an epsilon of 1e-6, as MAE has it."""
    own = tiny(seed=1)
    norm, linear = head = probe(affine)
    content = named(own.state_dict(), [*MMPRETRAIN, *both("norm", "backbone.ln1")])
    content |= {f"neck.bn.{name}": value for name, value in norm.state_dict().items()}
    content |= {f"head.layers.head.{name}": value for name, value in linear.state_dict().items()}
    content = {module + name: value for name, value in content.items()}
    model = loaded({"state_dict": content}, tmp_path / "mm.pth", num_classes=5)
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        expected = head.double()(own(images).double())
        assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()
    encoder = loaded({"state_dict": content}, tmp_path / "mm.pth")
    assert same(encoder, own.state_dict())
    assert "mm.pth: its head, a linear probe, is left aside; to use it set num_classes: 5" in caplog.text


def of_mmpretrain(head):
    """Weights with a head beside the backbone, as MMPretrain or as Lightning has them."""
    state = tiny(seed=1, num_classes=5).state_dict()
    if head.startswith("head."):
        return named(state, [*MMPRETRAIN, *both("norm", "backbone.ln1"), *both("head", head)])
    own = {f"backbone.{name}": value for name, value in state.items() if not name.startswith("head.")}
    return own | {f"{head}.{kind}": state[f"head.{kind}"] for kind in ("weight", "bias")}


@pytest.mark.parametrize(
    ("head", "between"),
    [
        ("head.layers.head", ["head.layers.pre_logits.bias", "head.layers.pre_logits.weight"]),
        ("head.layers.head", ["neck.bn.running_mean", "neck.fc.weight"]),
        ("head.fc", ["head.hidden.weight"]),
        ("head.fc", ["neck.gap.p"]),
        ("fc", ["bn.bias", "bn.running_mean", "bn.weight"]),
        ("classifier", ["BatchNorm.weight"]),
        ("head", ["head_norm.weight"]),
        ("fc", ["neck.0.weight"]),
    ],
)
def test_what_lies_between_encoder_and_head_is_refused_where_a_head_is_wanted(head, between, tmp_path):
    content = of_mmpretrain(head) | {name: torch.ones(16) for name in between}
    torch.save({"state_dict": content}, tmp_path / "w.pth")
    said = rf"w\.pth: {between[0]} lies between its encoder and its head, .*; set num_classes: 0"
    refused(tiny(num_classes=5), tmp_path / "w.pth", said)
    encoder = tiny()
    checkpoints.load(encoder, str(tmp_path / "w.pth"))
    own = {name: value for name, value in tiny(seed=1, num_classes=5).state_dict().items() if "head." not in name}
    assert same(encoder, own)
    checkpoints.load_encoder(tiny(num_classes=5), str(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    "name", ["criterion.norm.weight", "neck.decoder_norm.weight", "normalize.mean", "head_2.weight"]
)
def test_what_lies_elsewhere_does_not_stop_a_head(name, tmp_path):
    content = of_mmpretrain("fc") | {name: torch.ones(16)}
    assert same(
        loaded({"state_dict": content}, tmp_path / "w.pth", num_classes=5), tiny(seed=1, num_classes=5).state_dict()
    )


TORCHVISION = [
    ("cls_token", "class_token"),
    ("pos_embed", "encoder.pos_embedding"),
    *both("patch_embed.proj", "conv_proj"),
    *both("blocks.{}.norm1", "encoder.layers.encoder_layer_{}.ln_1"),
    *[
        (f"blocks.{{}}.attn.qkv.{kind}", f"encoder.layers.encoder_layer_{{}}.self_attention.in_proj_{kind}")
        for kind in ("weight", "bias")
    ],
    *both("blocks.{}.attn.proj", "encoder.layers.encoder_layer_{}.self_attention.out_proj"),
    *both("blocks.{}.norm2", "encoder.layers.encoder_layer_{}.ln_2"),
    *both("norm", "encoder.ln"),
    *both("head", "heads.head"),
]


@pytest.mark.parametrize(("first", "second"), [("0", "3"), ("linear_1", "linear_2")])
def test_torchvision_of_any_age(first, second, tmp_path):
    layer = "encoder.layers.encoder_layer_{}.mlp."
    names = [*TORCHVISION, *both("blocks.{}.mlp.fc1", layer + first), *both("blocks.{}.mlp.fc2", layer + second)]
    state = tiny(seed=1, num_classes=5).state_dict()
    model = loaded(named(state, names), tmp_path / "vit_b_16.pth", num_classes=5)
    assert same(model, state) and model.layout == "torchvision"


OPEN_CLIP = [
    *both("norm_pre", "visual.ln_pre"),
    *both("blocks.{}.norm1", "visual.transformer.resblocks.{}.ln_1"),
    *[
        (f"blocks.{{}}.attn.qkv.{kind}", f"visual.transformer.resblocks.{{}}.attn.in_proj_{kind}")
        for kind in ("weight", "bias")
    ],
    *both("blocks.{}.attn.proj", "visual.transformer.resblocks.{}.attn.out_proj"),
    *both("blocks.{}.norm2", "visual.transformer.resblocks.{}.ln_2"),
    *both("blocks.{}.mlp.fc1", "visual.transformer.resblocks.{}.mlp.c_fc"),
    *both("blocks.{}.mlp.fc2", "visual.transformer.resblocks.{}.mlp.c_proj"),
    *both("norm", "visual.ln_post"),
    ("patch_embed.proj.weight", "visual.conv1.weight"),
]
CLIP = {"architecture": "vit_base_patch16_clip_224"}
SMALL = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}


def of_clip():
    """A CLIP tower with its text, and what timm has of it."""
    torch.manual_seed(1)
    state = {
        name: torch.randn_like(value)
        for name, value in architectures.build(arguments=SMALL, num_classes=5, **CLIP).state_dict().items()
    }
    state["head.bias"] = torch.zeros(5)
    moved = ("cls_token", "pos_embed", "head.weight", "head.bias")
    content = named({name: value for name, value in state.items() if name not in moved}, OPEN_CLIP)
    content |= {
        "visual.class_embedding": state["cls_token"][0, 0],
        "visual.positional_embedding": state["pos_embed"][0],
    }
    content |= {"visual.proj": state["head.weight"].T.contiguous()}
    text = {"transformer.resblocks.0.ln_1.weight": torch.ones(8), "positional_embedding": torch.ones(7, 8)}
    return state, content | text | {"logit_scale": torch.ones(()), "text_projection": torch.ones(8, 5)}


def test_open_clip_and_its_projection_as_a_head(tmp_path):
    state, content = of_clip()
    torch.save({"state_dict": content}, tmp_path / "clip.pth")
    model = architectures.build(arguments=SMALL, num_classes=5, **CLIP)
    checkpoints.load(model, str(tmp_path / "clip.pth"))
    assert same(model, state) and model.layout == "OpenCLIP behind visual."
    plain = architectures.build("vit_base_patch16_224", SMALL | {"pre_norm": True}, 5)
    refused(plain, tmp_path / "clip.pth", "epsilon of 1e-05, the model's 1e-06; set arguments.norm_eps: 1.0e-05")
    again = architectures.build("vit_base_patch16_224", SMALL | {"pre_norm": True, "norm_eps": 1e-5}, 5)
    checkpoints.load(again, str(tmp_path / "clip.pth"))
    assert same(again, state)


def test_clip_says_always_which_activation_the_model_has(tmp_path, caplog):
    """Weights of OpenAI fit an architecture with GELU by every name, shape and epsilon; every token is another."""
    _, content = of_clip()
    torch.save({"state_dict": content}, tmp_path / "clip.pth")
    for architecture, act in (
        ("vit_base_patch16_clip_224", "GELU"),
        ("vit_base_patch16_clip_quickgelu_224", "QuickGELU"),
    ):
        caplog.clear()
        model = architectures.build(architecture, SMALL, 5)
        checkpoints.load(model, str(tmp_path / "clip.pth"))
        said = (
            f"clip.pth: is of CLIP, and no name or shape tells its activation; the model has {act}. Weights of OpenAI"
        )
        assert said in caplog.text and "vit_*_clip_quickgelu_*" in caplog.text
        shapes = model_checks.describe(model)
        assert (shapes["activation"], shapes["norm_eps"], shapes["heads"]) == (act, 1e-5, 2)
    caplog.clear()
    own = architectures.build(arguments=SMALL, num_classes=5, **CLIP)
    torch.save(own.state_dict(), tmp_path / "of_timm.pth")
    checkpoints.load(own, str(tmp_path / "of_timm.pth"))
    assert "of_timm.pth: is of CLIP" in caplog.text


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("projection", [False, True])
def test_the_timm_tower_of_open_clip(projection, bias, tmp_path):
    state = tiny(seed=1, num_classes=5 if projection else 0).state_dict()
    content = {f"visual.trunk.{name}": value for name, value in state.items() if not name.startswith("head.")}
    content |= {"text.transformer.resblocks.0.ln_1.weight": torch.ones(8)}
    if projection:
        state["head.bias"] = torch.arange(5.0) if bias else torch.zeros(5)
        content["visual.head.proj.weight"] = state["head.weight"]
        content |= {"visual.head.proj.bias": state["head.bias"]} if bias else {}
    model = loaded({"state_dict": content}, tmp_path / "w.pth", num_classes=5 if projection else 0)
    assert same(model, state) and model.layout == "a timm tower of OpenCLIP"


def test_a_pooling_between_a_timm_tower_and_its_projection_is_refused(tmp_path):
    state = {f"visual.trunk.{name}": value for name, value in tiny(seed=1).state_dict().items()}
    state |= {"visual.head.proj.weight": torch.ones(5, 16), "visual.head.pool.kv.weight": torch.ones(32, 16)}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    refused(tiny(num_classes=5), tmp_path / "w.pth", r"visual\.head\.pool\.kv\.weight lies between its encoder")
    assert same(loaded({"state_dict": state}, tmp_path / "w.pth"), tiny(seed=1).state_dict())


@pytest.mark.parametrize(("key", "seed"), [(None, 2), ("teacher", 2), ("student", 1)])
def test_dino_has_a_teacher_and_a_student(key, seed, tmp_path, caplog):
    student = {f"module.backbone.{name}": value for name, value in tiny(seed=1).state_dict().items()}
    teacher = {f"backbone.{name}": value for name, value in tiny(seed=2).state_dict().items()}
    student |= {"module.head.mlp.0.weight": torch.ones(4, 16), "module.backbone.masked_embed": torch.ones(1, 16)}
    teacher |= {"head.mlp.0.weight": torch.ones(4, 16), "head.last_layer.weight_v": torch.ones(4, 4)}
    content = {"student": student, "teacher": teacher, "epoch": 100, "args": argparse.Namespace(arch="vit_small")}
    with caplog.at_level(logging.WARNING):
        model = loaded(content, tmp_path / "dino.pth", key)
    assert same(model, tiny(seed=seed).state_dict()) and model.layout == "timm behind backbone."
    warned = "dino.pth: has teacher, which is read, and student: to use that, set weights_key: student"
    assert (warned in caplog.text) == (key is None)


def test_chunks_of_dinov2_count_on(tmp_path):
    state = tiny(seed=1, depth=4, init_values=0.1).state_dict()
    chunk = {0: 0, 1: 0, 2: 1, 3: 1}
    content = {"backbone.mask_token": torch.ones(1, 16), "dino_head.mlp.0.weight": torch.ones(4, 16)}
    for name, value in state.items():
        first, _, rest = name.partition(".")
        number = int(rest.partition(".")[0]) if first == "blocks" else None
        content["backbone." + (name if number is None else f"blocks.{chunk[number]}.{rest}")] = value
    assert "backbone.blocks.1.3.attn.qkv.weight" in content
    assert same(loaded({"teacher": content}, tmp_path / "v2.pth", depth=4, init_values=0.1), state)


def test_the_gated_mlp_of_dinov2(tmp_path):
    arguments = SMALL | {"mlp_ratio": 3.0}
    torch.manual_seed(1)
    state = architectures.build("vit_giant_patch14_dinov2", arguments).state_dict()
    content = {name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): value for name, value in state.items()}
    torch.save(content, tmp_path / "giant.pth")
    model = architectures.build("vit_giant_patch14_dinov2", arguments)
    checkpoints.load(model, str(tmp_path / "giant.pth"))
    assert same(model, state)


def test_moco_v3_is_its_base_encoder_and_has_twelve_heads_of_32(tmp_path):
    own = {"embed_dim": 384, "num_heads": 12, "depth": 1}
    state = tiny(seed=1, **own).state_dict()
    content = {f"module.base_encoder.{name}": value for name, value in state.items()}
    content |= {f"module.momentum_encoder.{name}": value + 1 for name, value in state.items()}
    for encoder in ("base_encoder", "momentum_encoder"):
        content |= {
            f"module.{encoder}.head.0.weight": torch.ones(4, 384),
            f"module.{encoder}.head.1.running_mean": torch.ones(4),
        }
    content["module.predictor.0.weight"] = torch.ones(4, 4)
    model = loaded({"state_dict": content, "arch": "vit_small"}, tmp_path / "moco.pth.tar", **own)
    assert same(model, state) and model.layout == "MoCo v3"
    six = tiny(**(own | {"num_heads": 6}))
    refused(six, tmp_path / "moco.pth.tar", r"is of 12 attention heads, the model has 6; set arguments\.num_heads: 12")
    other = tiny(**own)
    checkpoints.load(other, str(tmp_path / "moco.pth.tar"), key="momentum_encoder")
    assert same(other, {name: value + 1 for name, value in state.items()})


@pytest.mark.parametrize(("width", "fixed"), [(384, True), (384, False), (16, True)])
def test_a_small_vit_of_fixed_positions_may_be_moco_v3s_and_of_twelve_heads(width, fixed, tmp_path, caplog):
    """The lincls files of MoCo v3 have timm's names; its positions are sines and cosines, and those of CLS zeros."""
    own = {"embed_dim": width, "num_heads": 4, "depth": 1}
    state = tiny(seed=1, **own).state_dict()
    state["pos_embed"] = torch.randn_like(state["pos_embed"])
    if fixed:
        state["pos_embed"][:, 0] = 0
    model = loaded(
        {"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "w.pth", **own
    )
    assert same(model, state)
    warned = (
        "MoCo v3's ViT-S, which has 12 attention heads where others have 6; no shape tells, the model has 4"
        in caplog.text
    )
    assert warned == (fixed and width == 384)


BEIT = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}


@pytest.mark.parametrize("before", ["", "encoder."])
def test_biases_that_beits_blocks_share_are_given_to_each(before, tmp_path):
    """Of BEiT before fine-tuning and, behind `encoder.`, of SimMIM, whose options are a mapping of their own class."""
    torch.manual_seed(1)
    model = architectures.build("beit_base_patch16_224", BEIT)
    state = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    shared = "relative_position_bias_table"
    state["blocks.1.attn." + shared] = state["blocks.0.attn." + shared]
    content = {name: value for name, value in state.items() if not name.endswith(shared)}
    content |= {f"rel_pos_bias.{shared}": state["blocks.0.attn." + shared], "mask_token": torch.ones(1, 1, 16)}
    content["rel_pos_bias.relative_position_index"] = torch.zeros(5, 5, dtype=torch.long)
    content |= {"lm_head.weight": torch.ones(9, 16), "lm_head.bias": torch.ones(9)} if not before else {}
    content = {before + name: value for name, value in content.items()}
    content |= {"decoder.0.weight": torch.ones(3, 16, 1, 1)} if before else {}
    torch.save({"model": content}, tmp_path / "beit.pth")
    checkpoints.load(model, str(tmp_path / "beit.pth"))
    assert same(model, state)
    assert model.layout == "BEiT before fine-tuning" + (f" behind {before}" if before else "")


def test_pixio_has_one_cls_and_seven_registers(tmp_path):
    state = tiny(seed=1, reg_tokens=7).state_dict()
    others = {name: value for name, value in state.items() if name not in ("cls_token", "reg_token")}
    cls = torch.cat([state["cls_token"], state["reg_token"]], 1)
    content = others | {"cls_token": cls, "decoder_pos_embed": torch.ones(1, 12, 8), "mask_token": torch.ones(1, 1, 8)}
    assert cls.shape == (1, 8, 16)
    model = loaded({"model": content}, tmp_path / "pixio.pth", reg_tokens=7)
    assert same(model, state) and model.layout == "Pixio"


def test_ijepa_is_its_target_encoder(tmp_path, caplog):
    def without_cls():
        torch.manual_seed(0)
        own = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0}
        return VisionTransformer(**own, class_token=False, global_pool="avg", fc_norm=False).eval()

    state = {name: torch.randn_like(value) for name, value in without_cls().state_dict().items()}
    encoder, target = ({f"module.{name}": value + add for name, value in state.items()} for add in (0, 1))
    torch.save({"encoder": encoder, "target_encoder": target, "predictor": {}, "opt": {}}, tmp_path / "ijepa.pth.tar")
    for key, add in ((None, 1), ("encoder", 0), ("target_encoder", 1)):
        model = without_cls()
        checkpoints.load(model, str(tmp_path / "ijepa.pth.tar"), key=key)
        assert same(model, {name: value + add for name, value in state.items()})
    assert "has target_encoder, which is read, and encoder: to use that, set weights_key: encoder" in caplog.text


def test_a_probe_of_a_wrapped_encoder_is_folded(tmp_path):
    state = tiny(seed=1).state_dict() | {f"head.{name}": value for name, value in probe(False).state_dict().items()}
    plain = loaded(state, tmp_path / "w.pth", num_classes=5)
    wrapped = loaded({f"model.{name}": value for name, value in state.items()}, tmp_path / "w.pth", num_classes=5)
    assert same(wrapped, plain.state_dict())


# ---- Which weights of a file


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "teacher", "models.b", "teacher_backbone"])
def test_weights_are_chosen_by_their_key(key, tmp_path):
    one, other = (tiny(seed=seed).state_dict() for seed in (1, 2))
    first, _, rest = key.partition(".")
    content = {"model": one, first: {rest: other} if rest else other, "epoch": 3}
    if key == "teacher_backbone":  # no key, but what is before the names
        names = {
            f"{part}_backbone.{name}": value
            for part, own in (("student", one), ("teacher", other))
            for name, value in own.items()
        }
        content = {"state_dict": names}
    assert same(loaded(content, tmp_path / "w.pth", key), other)


@pytest.mark.parametrize("content", [{"state_dict": {"a": torch.ones(1)}, "epoch": 3}, {"a.b": torch.ones(1)}])
def test_a_key_that_is_not_there_is_said_with_those_that_are(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(
        InputError, match=rf"w\.pth: weights_key: ema is neither in it .*; it has '{next(iter(content))}'"
    ):
        checkpoints.load(tiny(), str(tmp_path / "w.pth"), key="ema")


def test_weights_under_keys_that_say_nothing_are_named(tmp_path):
    state = tiny().state_dict()
    torch.save({"generator": state, "critic": state, "epoch": 3}, tmp_path / "w.pth")
    refused(
        tiny(),
        tmp_path / "w.pth",
        "holds weights under generator and critic; choose with weights_key: generator or critic",
    )


def test_a_classifier_starts_from_the_weights_that_are_chosen(tmp_path):
    torch.save(
        {"state_dict": tiny(seed=1).state_dict(), "state_dict_ema": tiny(seed=2).state_dict()}, tmp_path / "w.pth"
    )
    model = tiny(num_classes=5, global_pool="avg")
    checkpoints.load_encoder(model, str(tmp_path / "w.pth"), key="state_dict_ema")
    assert same(
        model,
        {name: value for name, value in tiny(seed=2).state_dict().items() if "norm." not in name or "blocks" in name},
    )


# ---- What cannot be told


def test_two_models_in_one_file_are_refused_with_their_prefixes(tmp_path):
    state = tiny().state_dict()
    names = {f"{part}.{name}": value for part in ("online", "target") for name, value in state.items()}
    torch.save(names, tmp_path / "w.pth")
    refused(
        tiny(),
        tmp_path / "w.pth",
        r"has two models, online\.patch_embed\S+ \(timm\) and target\.\S+ \(timm\); .* weights_key: online or target",
    )
    mixed = {f"a.{name}": value for name, value in state.items()} | hugging_face(tiny(num_classes=5).state_dict())
    torch.save(mixed, tmp_path / "w.pth")
    refused(
        tiny(),
        tmp_path / "w.pth",
        r"two models, a\.patch_embed\S+ \(timm\) and vit\.emb\S+ \(Hugging Face\); .*: a or vit$",
    )


def test_of_two_models_the_one_without_a_prefix_is_to_be_saved_alone(tmp_path):
    state = tiny(seed=1).state_dict()
    torch.save(state | {f"ema.{name}": value + 1 for name, value in state.items()}, tmp_path / "w.pth")
    said = r"two models, patch_\S+ \(timm\) and ema\.patch_\S+ \(timm\); choose one with weights_key: ema, or save "
    refused(tiny(), tmp_path / "w.pth", said + "what has no such prefix alone, and give that$")
    model = tiny()
    checkpoints.load(model, str(tmp_path / "w.pth"), key="ema")
    assert same(model, {name: value + 1 for name, value in state.items()})


@pytest.mark.parametrize("which", ["blocks.1.", "patch_embed."])
def test_a_file_that_was_renamed_in_part_is_refused_with_names_of_both_kinds(which, tmp_path):
    state = tiny(num_classes=5).state_dict()
    content = hugging_face(state)
    old = {"blocks.1.": "vit.encoder.layer.1.", "patch_embed.": "vit.embeddings.patch_embeddings."}[which]
    content = {name: value for name, value in content.items() if not name.startswith(old)}
    content |= {f"vit.{name}": value for name, value in state.items() if name.startswith(which)}
    content = {name.removeprefix("vit."): value for name, value in content.items()}
    torch.save(content, tmp_path / "w.pth")
    refused(
        tiny(num_classes=5), tmp_path / "w.pth", r"as timm and \S+ as Hugging Face name them, so it was renamed in part"
    )


def test_one_tensor_under_two_names_is_refused(tmp_path):
    state = tiny().state_dict()
    torch.save(state | {f"_orig_mod.{name}": value for name, value in state.items()}, tmp_path / "w.pth")
    refused(tiny(), tmp_path / "w.pth", r"has cls_token and _orig_mod\.cls_token, which are the same part")


def test_a_part_under_the_names_of_two_versions_of_a_library_is_refused(tmp_path):
    content = hugging_face(tiny(num_classes=5).state_dict())
    twice = {
        name.replace("encoder.layer.", "layers."): value for name, value in content.items() if "norm_before" in name
    }
    torch.save(content | twice, tmp_path / "w.pth")
    match = r"has encoder\.layer\.0\.layernorm_before\.\w+ and layers\.0\.\S+, which are the same part, so two models"
    refused(tiny(num_classes=5), tmp_path / "w.pth", match)


def test_a_whole_beside_its_parts_is_refused(tmp_path):
    state = tiny(num_classes=5).state_dict()
    name = "attn.qkv.weight"
    content = hugging_face(state) | {f"vit.encoder.layer.0.{name}": state[f"blocks.0.{name}"]}
    torch.save(content, tmp_path / "w.pth")
    refused(tiny(num_classes=5), tmp_path / "w.pth", r"has blocks\.0\.attn\.qkv\.weight and what it is made of as well")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("patch_embed.proj.0.weight", "convolutions before the patches"),
        ("dist_token", "a distilled DeiT"),
        ("deit.embeddings.distillation_token", "a distilled DeiT"),
        ("blocks.0.attn.wq.weight", "Sapiens 2"),
        ("preprocessor.patchifier.proj.weight", "AIMv2"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(name, said, tmp_path):
    torch.save({"model": tiny().state_dict() | {name: torch.ones(1)}}, tmp_path / "w.pth")
    refused(tiny(), tmp_path / "w.pth", rf"{name} is of .*{said}")


def test_names_of_no_layout_are_refused_with_the_layouts_that_are_read(tmp_path):
    torch.save({"layer1.0.conv1.weight": torch.ones(3, 3)}, tmp_path / "resnet.pth")
    refused(
        tiny(),
        tmp_path / "resnet.pth",
        r"none of a layout that is read \(timm, Hugging Face, MMPretrain, OpenCLIP, torch",
    )


def test_an_optimiser_is_no_model(tmp_path):
    optimizer = torch.optim.AdamW(tiny().parameters())
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.bin")
    refused(tiny(), tmp_path / "optimizer.bin", "holds the state of an optimiser; give the file of the model beside it")


def test_a_folder_of_parts_names_the_command_that_merges_it(tmp_path):
    import torch.distributed.checkpoint as dcp

    state = tiny(seed=1).state_dict()
    dcp.save({"model": state}, checkpoint_id=tmp_path / "step_3", no_dist=True)
    with pytest.raises(InputError, match=r"step_3: is a folder of parts \(FSDP, DCP\); merge them, `python") as caught:
        checkpoints.read_weights(str(tmp_path / "step_3"))
    python, module, name, what, folder, file = str(caught.value).split("`")[1].split()
    assert (python, module, what) == ("python", "-m", "dcp_to_torch")
    importlib.import_module(name).dcp_to_torch_save(folder, file)  # what that command calls
    model = tiny()
    checkpoints.load(model, file)
    assert same(model, state)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("zero_to_fp32.py", r"folder of parts \(DeepSpeed\); merge them, `python \S+/zero_to_fp32\.py"),
        ("config.json", "folder of Hugging Face; write model_dir: .*/w instead of weights"),
        ("w.pth", r"is a folder; give the \.pth or \.safetensors file in it"),
    ],
)
def test_other_folders_say_what_to_give(file, said, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / file).touch()
    with pytest.raises(InputError, match=said):
        checkpoints.read_weights(str(tmp_path / "w"))


def test_torchscript_holds_code_and_says_how_to_leave_it(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "clip.pt"))
    refused(
        tiny(), tmp_path / "clip.pt", r"\(\d+ bytes\): TorchScript, which holds code; save the state dict of torch\.jit"
    )


# ---- Objects beside the weights


def of_module(monkeypatch, name, *classes):
    """A module of a library that is not installed here, with classes as it has them."""
    for number in range(name.count(".") + 1):
        part = ".".join(name.split(".")[: number + 1])
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    for own in classes:
        own.__module__, own.__qualname__ = name, own.__name__
        setattr(sys.modules[name], own.__name__, own)


def options(monkeypatch):
    """Options as trainings keep them: mappings, objects with a state, lists of their own classes."""

    class CfgNode(dict):
        pass

    class AttributeDict(dict):
        pass

    class DictConfig:
        pass

    class HistoryBuffer:
        pass

    of_module(monkeypatch, "yacs.config", CfgNode)
    of_module(monkeypatch, "lightning.fabric.utilities.data", AttributeDict)
    of_module(monkeypatch, "omegaconf.dictconfig", DictConfig)
    of_module(monkeypatch, "mmengine.logging.history_buffer", HistoryBuffer)
    node, history, config = CfgNode(A=1, B=CfgNode(C="x")), HistoryBuffer(), DictConfig()
    node.frozen = True
    history._log_history, config._content = np.arange(3.0), {"any": 3, "type": int}
    return {
        "config": node,
        "hyper_parameters": AttributeDict(lr=0.1, out=pathlib.PosixPath("/out")),
        "message_hub": {"log_scalars": collections.OrderedDict(loss=history)},
        "hydra": config,
        "recent": collections.deque([1, 2], maxlen=5),
        "counts": collections.defaultdict(list, a=[1]),
    }


@pytest.mark.parametrize("zipped", [True, False])  # torch before 1.6 wrote plain pickles
def test_options_of_usual_libraries_do_not_stop_loading(zipped, tmp_path, monkeypatch):
    state = tiny(seed=1).state_dict()
    beside = options(monkeypatch)
    torch.save({**beside, "state_dict": state}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    for name in (
        "yacs.config",
        "omegaconf.dictconfig",
        "mmengine.logging.history_buffer",
        "lightning.fabric.utilities.data",
    ):
        monkeypatch.delitem(sys.modules, name)
    model = tiny()
    checkpoints.load(model, str(tmp_path / "w.pth"))
    assert same(model, state)
    found = unpickling.load(str(tmp_path / "w.pth"))
    assert {type(found[name]) for name in beside} <= {unpickling.Aside, dict, collections.OrderedDict, list}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_payload_in_options_of_a_usual_library_is_refused_and_not_executed(zipped, tmp_path, monkeypatch):
    beside = options(monkeypatch)
    beside["config"]["evil"] = Payload(tmp_path / "owned")
    content = {**beside, "state_dict": tiny().state_dict()}
    torch.save(content, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    refused(tiny(), tmp_path / "evil.pth", r"refused, it would execute \S*mkdir")
    assert not (tmp_path / "owned").exists()


class Unlink:
    """A payload of a function that torch itself does not block by its module."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return shutil.rmtree, (str(self.path),)


@pytest.mark.parametrize("keep", [0.01, 0.05, 0.5, 0.98])
def test_an_older_file_with_options_that_was_cut_off_is_refused(keep, tmp_path, monkeypatch):
    content = {**options(monkeypatch), "state_dict": tiny().state_dict()}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: int(keep * len(whole))])
    refused(tiny(), tmp_path / "w.pth", r"w\.pth \(\d+ bytes\): ")


def test_a_function_is_no_option_and_is_refused_by_its_name(tmp_path):
    (tmp_path / "folder").mkdir()
    torch.save({"state_dict": tiny().state_dict(), "args": Unlink(tmp_path / "folder")}, tmp_path / "evil.pth")
    refused(tiny(), tmp_path / "evil.pth", r"refused, it would execute shutil\.\S*rmtree")
    assert (tmp_path / "folder").exists()


def test_the_table_names_each_layout_once():
    assert len({row.name for row in layouts.TABLE}) == len(layouts.TABLE)
    assert {row.naming.of for row in layouts.TABLE} == {naming.of for naming in layouts.NAMINGS}
