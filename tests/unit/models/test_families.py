"""Families of vision transformers beside the plain one: tiny, random weights, each against timm's own pass in float64.

The library's blocks tell what they put out, its attention what it attends to (unfused, as it is given to `attn_drop`);
what we reduce is written out from these. Rotary positions are written out as well, from their definitions.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
import trainings
from safetensors.torch import save_file
from timm.layers import RmsNorm, resample_abs_pos_embed
from timm.models import Beit, Eva

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints
from maescope.tokens.forward import forward
from maescope.tokens.gradients import relevance

GRID, PATCH, WIDTH, HEADS, DEPTH, CLASSES = (3, 5), 4, 32, 2, 3, 5
PATCHES = GRID[0] * GRID[1]
TINY = {"img_size": (GRID[0] * PATCH, GRID[1] * PATCH), "patch_size": PATCH, "embed_dim": WIDTH}
TINY |= {"depth": DEPTH, "num_heads": HEADS}
SHARED = {"num_kv_heads": (1, 1, 2)}  # Sapiens 2: all heads share keys and values but in some layers
FAMILIES = {  # architecture, pooling, further arguments, whether there is CLS, registers
    "SigLIP": ("vit_base_patch16_siglip_224", "map", {}, False, 0),
    "SigLIP, gap": ("vit_base_patch16_siglip_gap_224", "avg", {}, False, 0),
    "I-JEPA": ("vit_huge_patch14_gap_224", "avg", {}, False, 0),
    "reg4, gap": ("vit_base_patch16_reg4_gap_256", "avg", {}, False, 4),
    "reg4, map": ("vit_so150m_patch16_reg4_map_256", "map", {"mlp_ratio": 2}, False, 4),
    "DINOv2 with registers": ("vit_small_patch14_reg4_dinov2", "token", {}, True, 4),
    "Pixio": ("vit_base_patch16_224", "avg", {"reg_tokens": 7}, True, 7),
    "BEiT": ("beit_base_patch16_224", "avg", {}, True, 0),
    "CAE": ("beit_base_patch16_224", "avg", {"use_rel_pos_bias": False, "use_abs_pos_emb": True}, True, 0),
    "BEiT, no biases": ("beit_base_patch16_224", "avg", {"qkv_bias": False}, True, 0),
    "EVA": ("eva_giant_patch14_224", "avg", {"mlp_ratio": 2}, True, 0),
    "EVA-02": ("eva02_tiny_patch14_224", "avg", {}, True, 0),
    "EVA-02, apart": ("eva02_base_patch14_448", "avg", {}, True, 0),
    "EVA-02 CLIP": ("eva02_base_patch16_clip_224", "token", {}, True, 0),
    "EVA-02 CLIP, norms behind": ("eva02_enormous_patch14_clip_224", "token", {"mlp_ratio": 2}, True, 0),
    "DINOv3": ("vit_small_patch16_dinov3", "token", {}, True, 4),
    "DINOv3, avg": ("vit_small_plus_patch16_dinov3_qkvb", "avg", {}, True, 4),
    "Perception Encoder": ("vit_pe_core_base_patch16_224", "map", {"attn_pool_num_heads": 4}, True, 0),
    "Perception Encoder without CLS": ("vit_pe_spatial_gigantic_patch14_448", "avg", {}, False, 0),
    "rotary, mixed": ("vit_small_patch16_rope_mixed_ape_224", "token", {}, True, 0),
    "rotary, gap": ("vit_medium_patch16_rope_reg1_gap_256", "avg", {}, False, 1),
    "Sapiens 2": ("vit_base_patch16_sapiens2", "token", SHARED, True, 8),
}
ROTARY = [name for name in FAMILIES if name.startswith(("EVA-02", "DINOv3", "rotary", "Perc", "Sapiens"))]
ROTARY.remove("EVA-02 CLIP, norms behind")  # has none


def randomised(model):
    """Weights far from their initial values, so that attention is not uniform and no bias is zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name == "rope.freqs":
                continue
            drawn = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                strong = any(part in name for part in ("qkv", "q_proj", "k_proj"))
                drawn *= (2 if strong else 1) / math.sqrt(math.prod(value.shape[1:]))
                drawn *= 3 if "token" in name or "pos_embed" in name else 1
            else:
                drawn = 0.2 * drawn + ("norm" in name and "weight" in name) + ("gamma" in name)
            value.copy_(2 * drawn if "relative_position_bias_table" in name else drawn)
    return model.eval()


def of_library(name):
    """The model as timm has it, and ours with the same weights."""
    architecture, pooling, further, *_ = FAMILIES[name]
    arguments = TINY | further
    own = randomised(timm.create_model(architecture, num_classes=CLASSES, global_pool=pooling, **arguments))
    model = architectures.build(architecture, arguments, CLASSES, pooling)
    model.load_state_dict(own.state_dict())
    return own, model


def pictures(count=2):
    return torch.randn(count, 3, *TINY["img_size"], generator=torch.Generator().manual_seed(1))


def watched(model, images):
    """timm's own pass: blocks (L, B, T, D), A V (L, B, T, H d), attention (L, B, H, T, T), logits, pooling (B, T)."""
    blocks, joined, maps, pooled, handles = [], [], [], [], []
    for block in model.blocks:
        block.attn.fused_attn = False
        handles.append(block.register_forward_hook(lambda _, __, output: blocks.append(output)))
        handles.append(block.attn.attn_drop.register_forward_hook(lambda _, __, output: maps.append(output)))
        behind = getattr(block.attn, "norm", block.attn.proj)
        handles.append(behind.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0])))
    pool = getattr(model, "attn_pool", None)
    if pool is not None:
        handles.append(pool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0])))
    with torch.inference_mode():
        logits = model(images)
        read = None if pool is None else by_pool(pool, pooled[0])
    for handle in handles:
        handle.remove()
    return (*(torch.stack(own).numpy() for own in (blocks, joined, maps)), logits.numpy(), read)


def by_pool(pool, tokens):
    """Attention of a pooling head, (B, T): what timm's fused attention makes of values that each mark one token."""
    query = pool.q(pool.latent.expand(len(tokens), -1, -1)).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
    key = pool.kv(tokens).unflatten(-1, (2, pool.num_heads, -1))[:, :, 0].transpose(1, 2)  # (B, H, T, d)
    marks = torch.eye(tokens.shape[1], dtype=tokens.dtype).expand(*key.shape[:2], -1, -1)
    return torch.nn.functional.scaled_dot_product_attention(query, key, marks).mean((1, 2)).numpy()


def expected(own, images, pooling, cls, registers):
    """All tokens, from what timm's own pass puts out, in plain sums."""
    blocks, joined, maps, logits, read = watched(own, images)
    first = cls + registers
    out = {"mean": blocks[:, :, first:].mean(2), "patch": blocks[:, :, first:], "logits": logits}
    out["head"] = joined[:, :, first:].mean(2).reshape(*joined.shape[:2], HEADS, -1)
    among = maps[..., first:, first:] / maps[..., first:, first:].sum(-1, keepdims=True)
    places = [(row * PATCH, column * PATCH) for row in range(GRID[0]) for column in range(GRID[1])]
    pixels = np.array([[math.hypot(a - c, b - d) for c, d in places] for a, b in places])
    out["attention_distance"] = (among * pixels).sum(-1).mean(-1)
    out["attention_entropy"] = -(among * np.log(among)).sum(-1).mean(-1)
    keys = among.mean(-2)
    out["attention_key_entropy"] = -(keys * np.log(keys)).sum(-1)
    rollout = np.eye(maps.shape[-1])
    for layer in maps:
        rollout = (0.5 * layer.mean(1) + 0.5 * np.eye(maps.shape[-1])) @ rollout
    rows = {"avg": rollout[:, first:].mean(1), "token": rollout[:, 0]}
    if read is not None:  # of all tokens, or of the last ones that the pool is given
        rows["map"] = np.einsum("bt,btn->bn", read, rollout[:, rollout.shape[1] - read.shape[1] :])
    out["rollout"] = rows[pooling][:, first:]
    if cls:
        out |= {"cls": blocks[:, :, 0], "cls_attention": maps[..., 0, first:], "rollout_cls": rollout[:, 0, first:]}
    return out


def largest(tokens, wanted):
    """Largest difference of each kind of token, by the largest value of that kind."""
    found = {name: value for name, value in vars(tokens).items() if value is not None}
    assert found.keys() == wanted.keys()
    return {
        name: np.abs(found[name].double().numpy() - wanted[name]).max() / np.abs(wanted[name]).max() for name in found
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_attention_and_logits_are_those_of_timms_own_pass(name, record_property):
    own, model = of_library(name)
    _, pooling, _, cls, registers = FAMILIES[name]
    tokens = forward(model, pictures(), patch=True, attention=True)
    found = largest(tokens, expected(own.double(), pictures().double(), pooling, cls, registers))
    record_property("largest", float(max(found.values())))
    assert max(found.values()) <= 1e-5, found
    assert (tokens.cls is None) == (not cls) and model.num_prefix_tokens == cls + registers
    with torch.inference_mode():
        assert (model(pictures()) - tokens.logits).abs().max() <= 1e-5 if type(model) is not Beit else True


@pytest.mark.parametrize("name", FAMILIES)
def test_relevance_weights_attention_by_timms_own_gradients(name):
    """Image by image and head by head, attention unfused and in float64, the rollout from the last layer back."""
    own, model = of_library(name)
    _, pooling, _, cls, registers = FAMILIES[name]
    own, first, rows = own.double(), cls + registers, []
    *_, read = watched(own, pictures().double())
    for number, image in enumerate(pictures().double()):
        maps = []
        taps = [
            block.attn.attn_drop.register_forward_hook(lambda *call, maps=maps: maps.append(call[2]))
            for block in own.blocks
        ]
        logits = own(image[None])
        for attention in maps:
            attention.retain_grad()
        logits.max().backward()
        for tap in taps:
            tap.remove()
        row = np.zeros((1, maps[0].shape[-1]))
        if pooling == "map":
            row[0, row.shape[1] - read.shape[1] :] = read[number]
        elif pooling == "token":
            row[0, 0] = 1
        else:
            row[0, first:] = 1 / PATCHES
        for attention in maps[::-1]:
            heads = (attention.detach() * attention.grad)[0].numpy()  # (H, T, T)
            row = row + row @ (sum(np.where(head > 0, head, 0) for head in heads) / len(heads))
        rows.append(row[0, first:])
    wanted = np.array(rows)
    # DINOv3 keeps its angles in single precision whatever the model is brought to
    assert np.abs(relevance(model.double(), pictures().double()).numpy() - wanted).max() <= 1e-6 * wanted.max()
    assert (wanted.std(1) > 1e-3 * wanted.mean(1)).all()  # it ranks at all


def visible_patches(images):
    generator = np.random.default_rng(8)
    return torch.from_numpy(np.sort([generator.permutation(PATCHES)[:6] for _ in range(images)], axis=1))


@pytest.mark.parametrize("name", ROTARY)
def test_of_a_masked_image_each_patch_keeps_the_angles_of_its_place(name):
    """Image by image through timm's own blocks, each given the rows of timm's own angles that its patches have."""
    own, model = of_library(name)
    _, _, _, cls, registers = FAMILIES[name]
    first, images, visible = cls + registers, pictures(3), visible_patches(3)
    own = own.double()
    wanted = {key: [] for key in ("patch", "mean", "logits")}
    with torch.inference_mode():
        for image, ids in zip(images.double(), visible, strict=True):
            x, rope = own._pos_embed(own.patch_embed(image[None]))
            x = own.norm_pre(torch.cat([x[:, :first], x[:, first:][:, ids]], 1))
            layers = []
            for layer, block in enumerate(own.blocks):
                x = block(x, rope=(rope[layer] if own.rope_mixed else rope)[..., ids, :])
                layers.append(x[0, first:].numpy())
            wanted["patch"].append(np.stack(layers))
            wanted["mean"].append(np.stack(layers).mean(1))
            wanted["logits"].append(own.forward_head(own.norm(x))[0].numpy())
    tokens = forward(model, images, visible, patch=True)
    for key, values in wanted.items():
        values = np.stack(values, axis=0 if key == "logits" else 1)
        assert np.abs(getattr(tokens, key).numpy() - values).max() <= 1e-5 * np.abs(values).max(), key


def turned(x, angles, halves):
    """Pairs of coordinates of (N, d), neighbours or one of each half, turned by angles (N, d / 2)."""
    out, d = np.empty_like(x), x.shape[1]
    for pair in range(d // 2):
        a, b = (pair, pair + d // 2) if halves else (2 * pair, 2 * pair + 1)
        cos, sin = np.cos(angles[:, pair]), np.sin(angles[:, pair])
        out[:, a], out[:, b] = x[:, a] * cos - x[:, b] * sin, x[:, b] * cos + x[:, a] * sin
    return out


def angles_of_eva02(places, d):
    """Sun et al. 2023 (EVA-02): rows, then columns, scaled to the 16 x 16 grid of pretraining, base 10,000."""
    bands = [10000 ** (-4 * k / d) for k in range(d // 4)]
    return np.array([[r * 16 / GRID[0] * b for b in bands] + [c * 16 / GRID[1] * b for b in bands] for r, c in places])


def angles_of_dinov3(places, d):
    """Simeoni et al. 2025 (DINOv3): middles of patches in [-1, 1] along each side, times 2 pi, by periods up to 100."""
    periods = [100 ** (4 * k / d) for k in range(d // 4)]
    scaled = [(2 * (r + 0.5) / GRID[0] - 1, 2 * (c + 0.5) / GRID[1] - 1) for r, c in places]
    return np.array([[2 * math.pi * x / p for x in place for p in periods] for place in scaled])


@pytest.mark.parametrize(
    ("name", "angles", "halves"), [("EVA-02", angles_of_eva02, False), ("DINOv3", angles_of_dinov3, True)]
)
@pytest.mark.parametrize("masked", [False, True])
def test_rotary_attention_is_that_of_its_definition(name, angles, halves, masked):
    """Heads of the first layer, from what enters its attention: a plain loop over heads, in float64."""
    _, model = of_library(name)
    first, d, images = model.num_prefix_tokens, WIDTH // HEADS, pictures()
    visible = visible_patches(2) if masked else None
    seen = []
    handle = model.blocks[0].norm1.register_forward_hook(lambda _, __, output: seen.append(output.double().numpy()))
    tokens = forward(model, images, visible)
    handle.remove()
    w = {key: value.double().numpy() for key, value in model.blocks[0].attn.state_dict().items()}
    for image, x in enumerate(seen[0]):
        ids = range(PATCHES) if visible is None else visible[image].tolist()
        turns = angles([divmod(i, GRID[1]) for i in ids], d)
        qkv = x @ w["qkv.weight"].T
        if "q_bias" in w:
            qkv += np.concatenate([w["q_bias"], 0 * w["q_bias"], w["v_bias"]])
        for head in range(HEADS):
            q, k, v = (qkv[:, part * WIDTH + head * d : part * WIDTH + (head + 1) * d] for part in range(3))
            q, k = (np.concatenate([part[:first], turned(part[first:], turns, halves)]) for part in (q, k))
            a = np.exp(q @ k.T / math.sqrt(d))
            wanted = ((a / a.sum(1, keepdims=True)) @ v)[first:].mean(0)
            assert np.abs(tokens.head[0, image, head].numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["EVA-02", "rotary, mixed"])  # those of DINOv3 timm keeps so itself
def test_angles_stay_in_single_precision_in_a_model_of_bfloat16(name):
    _, model = of_library(name)
    exact = model.rope.get_embed(shape=GRID)
    model.bfloat16()
    assert model.rope.get_embed(shape=GRID).equal(exact) and model.blocks[0].attn.proj.weight.dtype is torch.bfloat16
    rough = forward(model, pictures().bfloat16(), attention=True)
    assert torch.isfinite(rough.mean).all() and rough.rollout.dtype is torch.float32


@pytest.mark.parametrize("name", ["SigLIP", "EVA-02", "DINOv3", "Pixio", "CAE"])
def test_heads_without_prefix_tokens_are_those_of_patches_alone(name):
    own, model = of_library(name)
    _, _, _, cls, registers = FAMILIES[name]
    first, images = cls + registers, pictures().double()
    maps = watched(own.double(), images)[2][..., first:, first:]
    values = []
    attn = model.double().blocks[0].attn
    source = attn.turned if type(model) is Eva else attn.qkv
    handle = source.register_forward_hook(lambda _, __, output: values.append(output))
    tokens = forward(model, images, heads_without_cls=True)
    handle.remove()
    if type(model) is Eva:
        value = values[0][2].numpy()
    else:
        value = values[0].unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)[2].numpy()
        value = value + (attn.v_bias.detach().numpy().reshape(HEADS, 1, -1) if name == "CAE" else 0)
    wanted = (maps[0] / maps[0].sum(-1, keepdims=True) @ value[:, :, first:]).mean(2)
    assert np.abs(tokens.head[0].numpy() - wanted).max() <= 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_random_weights_are_those_of_their_seed(name):
    architecture, pooling, further, *_ = FAMILIES[name]
    models = []
    for seed in (7, 7, 8):
        model = architectures.build(architecture, TINY | further, CLASSES, pooling)
        models.append((checkpoints.load(model, f"random:{seed}"), model.state_dict()))
    (one, state), (again, other), (different, _) = models
    assert one == again != different and all(value.equal(other[key]) for key, value in state.items())


def test_a_pooling_head_that_was_left_out_is_asked_for(tmp_path):
    own, _ = of_library("SigLIP")
    save_file(own.state_dict(), tmp_path / "siglip.safetensors")
    for architecture in ("vit_base_patch16_siglip_gap_224", "vit_base_patch16_siglip_224"):
        model = architectures.build(architecture, TINY, CLASSES, "avg")
        with pytest.raises(InputError, match=r"siglip\.safetensors: its head pools by attention; set pooling: map$"):
            checkpoints.load(model, str(tmp_path / "siglip.safetensors"))
    model = architectures.build("vit_base_patch16_siglip_224", TINY, CLASSES, "map")
    checkpoints.load(model, str(tmp_path / "siglip.safetensors"))
    with torch.inference_mode():
        assert (forward(model, pictures()).logits - own(pictures())).abs().max() <= 1e-5
    save_file(of_library("SigLIP, gap")[0].state_dict(), tmp_path / "gap.safetensors")
    with pytest.raises(InputError, match=r"gap\.safetensors: its head does not pool by attention; set"):
        checkpoints.load(model, str(tmp_path / "gap.safetensors"))


@pytest.mark.parametrize("name", ["BEiT", "CAE", "EVA-02", "rotary, mixed", "Sapiens 2"])
def test_while_it_is_trained_a_model_drops_what_timms_does(name):
    architecture, pooling, further, *_ = FAMILIES[name]
    arguments = TINY | further | {"attn_drop_rate": 0.3, "proj_drop_rate": 0.2}
    own = randomised(timm.create_model(architecture, num_classes=CLASSES, global_pool=pooling, **arguments))
    model = architectures.build(architecture, arguments, CLASSES, pooling)
    model.load_state_dict(own.state_dict())
    answers = []
    for one in (own.train(), model.train()):
        torch.manual_seed(5)
        answers.append(one(pictures()))
    assert (answers[0] - answers[1]).abs().max() <= 1e-5 * answers[0].abs().max()


@pytest.mark.parametrize("name", ["SigLIP", "reg4, map", "BEiT", "EVA-02", "DINOv3", "Perception Encoder"])
def test_what_is_trained_with_labels_loads_and_answers_as_it_did(name, tmp_path):
    architecture, pooling, further, *_ = FAMILIES[name]
    arguments = TINY | further | {"img_size": 12}
    model = architectures.build(architecture, arguments, CLASSES, pooling)
    recipe = trainings.recipe(epochs=2, batch_size=5, learning_rate=1e-3, layer_decay=0.75, smoothing=0.1)
    pixels, _ = trainings.problem(CLASSES * 2, 12)
    images = torch.randn(CLASSES * 2, 3, 12, 12, generator=torch.Generator().manual_seed(2))
    before = model.blocks[0].attn.proj.weight.clone()
    objective = trainings.classification(recipe | {"augmentation": trainings.AFFINE}, tuned=True, model=model)
    trainings.train(
        objective, recipe, (pixels, np.arange(10) % CLASSES), preprocessing=replace(trainings.GREY, crop=12)
    )
    assert not model.blocks[0].attn.proj.weight.equal(before)
    checkpoints.save(model.state_dict(), str(tmp_path / "w.safetensors"), {})
    again = architectures.build(architecture, arguments, CLASSES, pooling)
    checkpoints.load(again, str(tmp_path / "w.safetensors"))
    assert forward(again, images).logits.equal(forward(model, images).logits)


def test_the_epsilon_of_norms_of_root_mean_squares_is_as_stated():
    model = architectures.build("vit_base_patch16_sapiens2", TINY | SHARED | {"norm_eps": 1e-3})
    norms = [module for module in model.modules() if isinstance(module, RmsNorm)]
    assert len(norms) > 2 * DEPTH and {norm.eps for norm in norms} == {1e-3}


@pytest.mark.parametrize("name", ["SigLIP", "DINOv2 with registers", "Pixio", "BEiT", "CAE", "EVA-02", "rotary, mixed"])
def test_positions_are_resampled_to_the_crop_where_it_is_asked_for(name):
    own, model = of_library(name)
    positions = None if model.pos_embed is None else model.pos_embed.detach().clone()
    with pytest.raises(InputError, match=r"crop is 24 px, but the model's input is 12 x 20 px; .* resample_positions"):
        architectures.require_input(model, 24)
    architectures.require_input(model, [24, 16], resample=True)
    images = torch.randn(2, 3, 24, 16, generator=torch.Generator().manual_seed(1))
    own.set_input_size((24, 16))
    tokens = forward(model, images, attention=True)
    with torch.inference_mode():
        wanted = own(images)
    assert (tokens.logits - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert tokens.rollout.shape == (2, 24)
    if positions is not None:
        prefix = 0 if getattr(model, "no_embed_class", False) else model.num_prefix_tokens
        expected = resample_abs_pos_embed(positions, (6, 4), GRID, num_prefix_tokens=prefix)
        assert model.pos_embed.equal(expected)
    with pytest.raises(InputError, match="crop is 24 x 26 px, no multiple of the model's patches of 4 px"):
        architectures.require_input(model, [24, 26], resample=True)
