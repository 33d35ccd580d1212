"""Other models by configuration alone, random weights, small images: each against timm's own forward pass.

BEiT's attention has a bias of its own; it is held against a plain loop over heads, queries and keys.
"""

import math

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from maescope.base.errors import InputError
from maescope.images import reading
from maescope.models import architectures, checkpoints
from maescope.tokens.forward import forward

SMALL = {"img_size": 64, "depth": 2}
ARCHITECTURES = {  # architecture: pooling, heads, width
    "vit_base_patch16_224": ("token", 12, 768),
    "vit_base_patch16_224.augreg_in1k": ("token", 12, 768),
    "vit_base_patch16_224.dino": ("token", 12, 768),
    "deit_base_patch16_224.fb_in1k": ("token", 12, 768),
    "deit_small_patch16_224.fb_in1k": ("token", 6, 384),
    "vit_small_patch16_224.augreg_in1k": ("token", 6, 384),
    "vit_large_patch16_224.augreg_in21k_ft_in1k": ("token", 16, 1024),
    "vit_large_patch16_224.mae": ("token", 16, 1024),
    "vit_huge_patch14_224.mae": ("token", 16, 1280),
    "beit_base_patch16_224.in22k_ft_in22k_in1k": ("avg", 12, 768),
    "beitv2_base_patch16_224.in1k_ft_in1k": ("avg", 12, 768),
}


def randomised(model):
    """Weights far from their initial values, so that attention is not uniform and no bias is zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * (0.5 if value.ndim < 2 else 1))
            if value.ndim > 1:
                value.div_(math.sqrt(math.prod(value.shape[1:])) / (2 if "qkv" in name else 1))
            if "relative_position_bias_table" in name:
                value.copy_(2 * torch.randn(value.shape, generator=generator))
    return model.eval()


def pictures(size, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, size, size, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_weights_load_and_logits_are_those_of_timm(name, tmp_path):
    pooling, heads, width = ARCHITECTURES[name]
    arguments = SMALL | ({"img_size": 56} if "patch14" in name else {})
    own = randomised(timm.create_model(name, num_classes=11, global_pool=pooling, **arguments))
    save_file(own.state_dict(), tmp_path / "weights.safetensors")
    model = architectures.build(name, arguments, num_classes=11, pooling=pooling)
    checkpoints.load(model, str(tmp_path / "weights.safetensors"))
    inputs = pictures(arguments["img_size"])
    tokens = forward(model, inputs, patch=True, attention=True)
    with torch.inference_mode():
        assert (tokens.logits - own(inputs)).abs().max() <= 1e-5
        assert (
            tokens.patch[-1] - own.forward_intermediates(inputs, norm=False, output_fmt="NLC")[1][-1]
        ).abs().max() <= 1e-5
    assert tokens.head.shape == (2, 2, heads, width // heads)
    assert tokens.rollout.shape == (2, 16) and torch.isfinite(tokens.rollout).all()
    assert (tokens.rollout.sum(1) <= 1 + 1e-6).all()


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if "." in name])
def test_recorded_preprocessing_is_timms_own_transform(name):
    found = reading.Preprocessing(**architectures.recorded_preprocessing(name))
    transform = create_transform(**resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()))
    resize, crop, *_, normalise = transform.transforms
    assert (found.resize, found.crop) == (resize.size, crop.size[0])
    assert found.interpolation == str(resize.interpolation.value)
    assert np.allclose(found.mean, normalise.mean) and np.allclose(found.std, normalise.std)


@pytest.mark.parametrize("name", ["vit_base_patch16_clip_384.laion2b_ft_in1k", "vit_base_patch16_sapiens2.fb"])
def test_pictures_that_timm_squashes_are_squashed(name, tmp_path):
    """The latter to 1024 x 768."""
    transform = create_transform(**resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()))
    pixels = np.random.default_rng(0).integers(0, 256, (300, 500, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = reading.Preprocessing(**architectures.recorded_preprocessing(name))
    assert found.squash
    expected = transform(Image.fromarray(pixels))[None].numpy()
    assert np.abs(reading.normalised([str(tmp_path / "a.png")], found) - expected).max() < 1e-5


def test_preprocessing_that_timm_does_not_record_is_refused():
    with pytest.raises(InputError, match="state resize, crop, mean and std"):
        architectures.recorded_preprocessing("vit_nonsense.x")


# --- BEiT -----------------------------------------------------------------------------------------------------------

GRID, HEADS, WIDTH = 4, 12, 768


def relative_position(i, j):
    """Row of the bias table for query i and key j: by offset of rows and columns; three rows more for CLS."""
    offsets = (2 * GRID - 1) ** 2
    if i == 0 or j == 0:
        return offsets + (2 if i == j == 0 else 0 if i == 0 else 1)
    rows, columns = (i - 1) // GRID - (j - 1) // GRID, (i - 1) % GRID - (j - 1) % GRID
    return (rows + GRID - 1) * (2 * GRID - 1) + columns + GRID - 1


def first_attention(state, normalised):
    """Attention of the first layer (H, T, T) and its heads (T, H * d), written out."""
    block = {name.removeprefix("blocks.0.attn."): value.numpy() for name, value in state.items()}
    query, key, value = np.split(normalised @ block["qkv.weight"].T, 3, axis=1)
    query, value = query + block["q_bias"], value + block["v_bias"]
    count, d = len(normalised), WIDTH // HEADS
    attention, joined = np.zeros((HEADS, count, count)), np.zeros((count, WIDTH))
    for head in range(HEADS):
        part = slice(head * d, (head + 1) * d)
        for i in range(count):
            for j in range(count):
                bias = block["relative_position_bias_table"][relative_position(i, j), head]
                attention[head, i, j] = math.exp(query[i, part] @ key[j, part] / math.sqrt(d) + bias)
            attention[head, i] /= attention[head, i].sum()
        joined[:, part] = attention[head] @ value[:, part]
    return attention, joined


@pytest.fixture(scope="module")
def beit():
    model = architectures.build("beit_base_patch16_224", SMALL, num_classes=11, pooling="avg")
    return randomised(model).double()


def test_the_attention_of_beit_has_the_bias_of_relative_positions(beit):
    seen = {}
    handle = beit.blocks[0].norm1.register_forward_hook(lambda module, inputs, output: seen.update(x=output))
    tokens = forward(beit, pictures(64, torch.float64), attention=True)
    handle.remove()
    places = [(row * 16, column * 16) for row in range(GRID) for column in range(GRID)]
    pixels = np.array([[math.hypot(a - c, b - d) for c, d in places] for a, b in places])
    for image in range(2):
        attention, joined = first_attention(beit.state_dict(), seen["x"][image].numpy())
        among = attention[:, 1:, 1:] / attention[:, 1:, 1:].sum(-1, keepdims=True)
        distance, entropy = (among * pixels).sum(-1).mean(-1), -(among * np.log(among)).sum(-1).mean(-1)
        assert np.abs(tokens.head[0, image].numpy().ravel() - joined[1:].mean(0)).max() <= 1e-10
        assert np.abs(tokens.attention_distance[0, image].numpy() - distance).max() <= 1e-10
        assert np.abs(tokens.attention_entropy[0, image].numpy() - entropy).max() <= 1e-10


def test_heads_of_beit_without_cls_have_the_biases_of_patches_and_of_values(beit):
    seen = {}
    handle = beit.blocks[0].norm1.register_forward_hook(lambda module, inputs, output: seen.update(x=output))
    tokens = forward(beit, pictures(64, torch.float64), heads_without_cls=True)
    handle.remove()
    block = {name.removeprefix("blocks.0.attn."): value.numpy() for name, value in beit.state_dict().items()}
    for image in range(2):
        x = seen["x"][image].numpy()
        attention, _ = first_attention(beit.state_dict(), x)
        among = attention[:, 1:, 1:] / attention[:, 1:, 1:].sum(-1, keepdims=True)
        values = np.split(x[1:] @ block["qkv.weight"].T, 3, axis=1)[2] + block["v_bias"]
        for head, own in enumerate(np.split(values, HEADS, axis=1)):
            assert np.abs(tokens.head[0, image, head].numpy() - (among[head] @ own).mean(0)).max() <= 1e-10


def test_the_rollout_of_beit_follows_its_attention(beit):
    one = architectures.build("beit_base_patch16_224", SMALL | {"depth": 1}, num_classes=11, pooling="avg")
    randomised(one).double()
    seen = {}
    one.blocks[0].norm1.register_forward_hook(lambda module, inputs, output: seen.update(x=output))
    tokens = forward(one, pictures(64, torch.float64), attention=True)
    for image in range(2):
        attention, _ = first_attention(one.state_dict(), seen["x"][image].numpy())
        rows = 0.5 * attention.mean(0) + 0.5 * np.eye(GRID * GRID + 1)
        assert np.abs(tokens.rollout[image].numpy() - rows[1:, 1:].mean(0)).max() <= 1e-10


def test_the_bias_of_beit_lies_as_fused_attention_on_a_gpu_wants_it(beit):
    assert beit.blocks[0].attn.bias().stride(-1) == 1


def test_beit_needs_all_patches(beit):
    with pytest.raises(InputError, match="no perturbation of kind mask, and none with fill: drop"):
        forward(beit, pictures(64, torch.float64), torch.tensor([[0, 3], [1, 2]]))


def test_a_beit_whose_checkpoint_carries_its_index_of_positions_loads(beit, tmp_path):
    state = {name: value.float().contiguous() for name, value in beit.state_dict().items()}
    index = {f"blocks.{layer}.attn.relative_position_index": torch.arange(4) for layer in range(2)}
    save_file(state | index, tmp_path / "beit.safetensors")
    fresh = architectures.build("beit_base_patch16_224", SMALL, num_classes=11, pooling="avg")
    checkpoints.load(fresh, str(tmp_path / "beit.safetensors"))
    assert all(torch.equal(fresh.state_dict()[name], value) for name, value in state.items())
    trained = architectures.build("beit_base_patch16_224", SMALL, num_classes=7, pooling="avg")
    checkpoints.load_encoder(trained, str(tmp_path / "beit.safetensors"))
    assert torch.equal(trained.blocks[1].attn.v_bias, state["blocks.1.attn.v_bias"])
    save_file(state | {"blocks.0.attn.index": torch.arange(4)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"has blocks\.0\.attn\.index and 0 more that the architecture does not"):
        checkpoints.load(fresh, str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("change", [{"use_shared_rel_pos_bias": True}, {"use_rel_pos_bias": False}])
def test_another_kind_of_beit_is_refused(change):
    with pytest.raises(InputError, match="relative position bias in every layer"):
        architectures.build("beit_base_patch16_224", SMALL | change, num_classes=11, pooling="avg")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"act_layer": "guelu"}, "timm knows no 'guelu'"),
        ({"norm_layer": "bach_norm"}, "timm knows no 'bachnorm'"),
        ({"mlp_layer": "Mlp"}, "'str' object is not callable"),
    ],
)
def test_layers_of_no_name_are_refused_in_one_line(arguments, said):
    with pytest.raises(InputError) as caught:
        architectures.build("vit_tiny_patch16_224", {"img_size": 16, "patch_size": 4, "depth": 1} | arguments)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("architecture vit_tiny_patch16_224, img_size 16")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"img_size": [16]}, "tuple index out of range"), ({"weight_init": "none"}, "timm takes no such arguments")],
)
def test_arguments_that_timm_stumbles_over_are_refused_with_words(arguments, said):
    with pytest.raises(InputError, match=rf"architecture vit_tiny_patch16_224, \w+ .*: {said} \("):
        architectures.build("vit_tiny_patch16_224", arguments)


def test_the_epsilon_of_all_layer_norms_is_as_stated():
    for architecture in ("vit_base_patch16_224", "beit_base_patch16_224"):
        model = architectures.build(architecture, SMALL | {"norm_eps": 1e-3}, 7, "avg")
        norms = [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
        assert len(norms) == 5 and {norm.eps for norm in norms} == {1e-3}
        plain = architectures.build(architecture, SMALL, 7, "avg")
        assert {module.eps for module in plain.modules() if isinstance(module, torch.nn.LayerNorm)} == {1e-6}
