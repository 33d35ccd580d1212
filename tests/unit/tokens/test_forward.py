"""One forward pass against the same pass written out in plain loops, in float64."""

import copy
import math

import numpy as np
import pytest
import timm
import torch
from scipy.special import erf
from timm.models.vision_transformer import VisionTransformer
from torch.multiprocessing.reductions import StorageWeakRef

from maescope.base.errors import InputError
from maescope.models import architectures, beit, rotary
from maescope.tokens.forward import forward

GRID, PATCH, WIDTH, HEADS, DEPTH = (5, 7), 3, 24, 3, 3
PATCHES = GRID[0] * GRID[1]
IMAGE_FIRST = ("logits", "rollout", "rollout_cls")
VARIANTS = {
    "mean pooling": {"global_pool": "avg", "num_classes": 5},
    "CLS pooling": {"global_pool": "token", "num_classes": 5},
    "no head": {"global_pool": "token", "num_classes": 0},
    "registers and normalised queries": {"global_pool": "avg", "num_classes": 5, "reg_tokens": 2, "qk_norm": True},
}


def build(**arguments):
    size = (GRID[0] * PATCH, GRID[1] * PATCH)
    torch.manual_seed(0)
    shape = {"img_size": size, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS}
    model = VisionTransformer(**shape, **arguments).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():  # timm's own weights make attention all but uniform
            if value.ndim > 1:
                value.normal_(std=(1.5 if "qkv" in name else 0.5) / math.sqrt(value[0].numel()))
            else:
                value.normal_(mean=float("norm" in name and "weight" in name), std=0.1)
    return model


@pytest.fixture
def model():
    return build(**VARIANTS["mean pooling"])


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(4, 3, GRID[0] * PATCH, GRID[1] * PATCH, generator=generator, dtype=torch.float64)


@pytest.fixture
def visible():
    generator = np.random.default_rng(8)
    return torch.from_numpy(np.sort([generator.permutation(PATCHES)[:11] for _ in range(4)], axis=1))


def layer_norm(x, weight, bias):
    variance = ((x - x.mean(-1, keepdims=True)) ** 2).mean(-1, keepdims=True)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(variance + 1e-6) * weight + bias


def reference(model, picture, visible, heads_without_cls=False, distance_with_cls=False):
    """All tokens of one picture, in float64 numpy, from the weights alone: one loop for layers, heads, queries."""
    w = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    tokens = [  # convolution with stride = patch is a product with each patch
        np.tensordot(
            w["patch_embed.proj.weight"], picture[:, r * PATCH : (r + 1) * PATCH, c * PATCH : (c + 1) * PATCH], 3
        )
        + w["patch_embed.proj.bias"]
        for r in range(GRID[0])
        for c in range(GRID[1])
    ]
    prefix = [w["cls_token"][0, 0], *w.get("reg_token", np.zeros((1, 0, WIDTH)))[0]]
    x = np.stack([*prefix, *tokens]) + w["pos_embed"][0]
    first = len(prefix)
    if visible is not None:
        x = np.stack([*x[:first], *(x[first + i] for i in visible)])
    count, d = len(x), WIDTH // HEADS
    reduced = ("attention_distance", "attention_entropy", "attention_key_entropy", "cls_attention")
    out = {name: [] for name in ("cls", "mean", "head", "patch", *reduced)}
    rollout = np.eye(count)
    for layer in range(DEPTH):
        b = {name.removeprefix(f"blocks.{layer}."): value for name, value in w.items()}
        y = layer_norm(x, b["norm1.weight"], b["norm1.bias"])
        qkv = y @ b["attn.qkv.weight"].T + b["attn.qkv.bias"]
        joined, mixed, shown = np.zeros((count, WIDTH)), np.zeros((count, count)), np.zeros((count, WIDTH))
        distance, entropy, key_entropy = np.zeros((3, HEADS))
        cls = np.zeros((HEADS, count - first))
        for h in range(HEADS):
            q, k, v = (qkv[:, part * WIDTH + h * d : part * WIDTH + (h + 1) * d] for part in range(3))
            if "attn.q_norm.weight" in b:
                q = layer_norm(q, b["attn.q_norm.weight"], b["attn.q_norm.bias"])
                k = layer_norm(k, b["attn.k_norm.weight"], b["attn.k_norm.bias"])
            a = np.exp(q @ k.T / math.sqrt(d))
            a /= a.sum(1, keepdims=True)
            joined[:, h * d : (h + 1) * d] = shown[:, h * d : (h + 1) * d] = a @ v
            if heads_without_cls:
                for i in range(count):
                    weights = a[i, first:] / sum(a[i, first:])
                    shown[i, h * d : (h + 1) * d] = sum(weights[j] * v[first + j] for j in range(count - first))
            mixed += a / HEADS
            cls[h] = a[0, first:]
            joint = a[first:, first:] / a[first:, first:].sum(1, keepdims=True) / (count - first)  # query, key
            keys = joint.sum(0)
            key_entropy[h] = -(keys * np.log(keys)).sum()
            for i in range(first, count):
                p = a[i, first:] / a[i, first:].sum()
                entropy[h] -= sum(p * np.log(p)) / (count - first)
                for j in range(count - first):
                    rows, columns = (i - first) // GRID[1] - j // GRID[1], (i - first) % GRID[1] - j % GRID[1]
                    share = a[i, first + j] if distance_with_cls else p[j]
                    distance[h] += share * PATCH * math.hypot(rows, columns) / (count - first)
        rollout = (0.5 * mixed + 0.5 * np.eye(count)) @ rollout
        x = x + joined @ b["attn.proj.weight"].T + b["attn.proj.bias"]
        y = layer_norm(x, b["norm2.weight"], b["norm2.bias"]) @ b["mlp.fc1.weight"].T + b["mlp.fc1.bias"]
        x = x + (0.5 * y * (1 + erf(y / math.sqrt(2)))) @ b["mlp.fc2.weight"].T + b["mlp.fc2.bias"]
        tokens = x[0], x[first:].mean(0), shown[first:].mean(0).reshape(HEADS, d), x[first:]
        for name, value in zip(out, (*tokens, distance, entropy, key_entropy, cls), strict=True):
            out[name].append(value)
    pooled = model.global_pool == "avg"
    out = {name: np.stack(value) for name, value in out.items()}
    out["rollout"] = rollout[first:, first:].mean(0) if pooled else rollout[0, first:]
    out["rollout_cls"] = rollout[0, first:]
    if model.num_classes:
        if pooled:
            y = layer_norm(x[first:].mean(0), w["fc_norm.weight"], w["fc_norm.bias"])
        else:
            y = layer_norm(x, w["norm.weight"], w["norm.bias"])[0]
        out["logits"] = w["head.weight"] @ y + w["head.bias"]
    return out


def differences(tokens, expected, names):
    """Largest absolute difference of each token kind from the plain loops."""
    found = {}
    for name in names:
        value = getattr(tokens, name)
        stacked = np.stack([e[name] for e in expected], axis=0 if name in IMAGE_FIRST else 1)
        assert tuple(value.shape) == stacked.shape, name
        found[name] = np.abs(value.double().numpy() - stacked).max()
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_all_tokens_of_a_clean_pass_equal_plain_loops(variant, dtype, limit, pictures):
    model = build(**VARIANTS[variant])
    tokens = forward(model.to(dtype), pictures.to(dtype), patch=True, attention=True)
    expected = [reference(model, picture, None) for picture in pictures.to(dtype).double().numpy()]
    found = differences(tokens, expected, expected[0])
    assert max(found.values()) <= limit, found
    assert (tokens.logits is None) == (model.num_classes == 0)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_all_tokens_of_a_masked_pass_equal_plain_loops(variant, dtype, limit, pictures, visible):
    model = build(**VARIANTS[variant])
    tokens = forward(model.to(dtype), pictures.to(dtype), visible, patch=True)
    inputs = zip(pictures.to(dtype).double().numpy(), visible.numpy(), strict=True)
    expected = [reference(model, picture, ids) for picture, ids in inputs]
    names = {"cls", "mean", "head", "patch", *(["logits"] if model.num_classes else [])}
    found = differences(tokens, expected, names)
    assert max(found.values()) <= limit, found
    assert tokens.rollout is tokens.rollout_cls is tokens.attention_distance is tokens.attention_entropy is None
    assert tokens.attention_key_entropy is tokens.cls_attention is None
    assert forward(model, pictures.to(dtype), attention=True).cls_attention is None


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("option", ["heads_without_cls", "distance_with_cls"])
def test_a_convention_changes_its_own_tokens_as_plain_loops_do_and_no_others(option, variant, pictures):
    model, own = build(**VARIANTS[variant]).double(), {"h": "head", "d": "attention_distance"}[option[0]]
    usual = vars(forward(model, pictures, patch=True, attention=True))
    tokens = forward(model, pictures, patch=True, attention=True, **{option: True})
    expected = [reference(model, picture, None, **{option: True}) for picture in pictures.numpy()]
    found = differences(tokens, expected, expected[0])
    assert max(found.values()) <= 1e-12, found
    changed = [name for name, value in usual.items() if value is not None and not value.equal(vars(tokens)[name])]
    assert changed == [own]


def test_heads_without_cls_of_a_masked_pass_equal_plain_loops(model, pictures, visible):
    tokens = forward(model.double(), pictures, visible, heads_without_cls=True)
    inputs = zip(pictures.numpy(), visible.numpy(), strict=True)
    expected = [reference(model, picture, ids, heads_without_cls=True) for picture, ids in inputs]
    assert differences(tokens, expected, ["head"])["head"] <= 1e-12


def test_logits_are_those_of_the_bare_model(model, pictures):
    with torch.inference_mode():
        bare = model(pictures.float())
    assert torch.equal(forward(model, pictures.float()).logits, bare)


def test_attention_stays_fused_even_where_it_is_measured(model, pictures, monkeypatch):
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention

    def counted(*args, **kwargs):
        calls.append(args[0].shape)
        return fused(*args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    forward(model, pictures.float(), attention=True)
    assert calls == [(4, HEADS, PATCHES + 1, WIDTH // HEADS)] * DEPTH


def test_fused_and_unfused_attention_give_the_same_tokens(model, pictures):
    eager = copy.deepcopy(model)
    for block in eager.blocks:
        assert block.attn.fused_attn
        block.attn.fused_attn = False
    fused, unfused = (vars(forward(m, pictures.float(), patch=True, attention=True)) for m in (model, eager))
    for name, value in fused.items():
        assert (value - unfused[name]).abs().max() <= 1e-5, name


def test_tokens_do_not_depend_on_batch_size_or_order(model, pictures):
    together = vars(forward(model, pictures.float(), patch=True, attention=True))
    order = [2, 0, 3, 1]
    shuffled = vars(forward(model, pictures[order].float(), patch=True, attention=True))
    alone = [vars(forward(model, picture[None].float(), patch=True, attention=True)) for picture in pictures]
    for name, value in together.items():
        axis = 0 if name in IMAGE_FIRST else 1
        assert (value.index_select(axis, torch.tensor(order)) - shuffled[name]).abs().max() <= 1e-5, name
        assert (value - torch.cat([a[name] for a in alone], axis)).abs().max() <= 1e-5, name


def test_attention_does_not_depend_on_how_many_images_are_reduced_at_a_time(model, pictures, monkeypatch):
    whole = forward(model, pictures.float(), patch=True, attention=True)
    one_image = HEADS * (PATCHES + 1) ** 2 * 4
    for images in (1, 3):
        monkeypatch.setitem(forward.__globals__["ATTENTION_BYTES"], "cpu", images * one_image)
        parts = forward(model, pictures.float(), patch=True, attention=True)
        for name in ("attention_distance", "attention_entropy", "attention_key_entropy", "cls_attention", "rollout"):
            assert (getattr(whole, name) - getattr(parts, name)).abs().max() <= 1e-5, name


def test_masked_tokens_follow_the_order_of_the_visible_ids(model, pictures, visible):
    forwards = forward(model, pictures.float(), visible, patch=True).patch
    backwards = forward(model, pictures.float(), visible.flip(1), patch=True).patch
    assert (forwards - backwards.flip(2)).abs().max() <= 1e-5


SHAPE = {"img_size": 16, "patch_size": 4, "embed_dim": WIDTH, "depth": 1, "num_heads": HEADS}
OTHERS = {  # architecture, arguments and what of the fault the workflow names
    "another class": ("vit_relpos_base_patch16_224", SHAPE, "VisionTransformerRelPos"),
    "overlapping patches": ("vit_tiny_r_s16_p8_224", {"depth": 1}, "HybridEmbed, which mixes"),
    "parallel blocks": ("vit_small_patch16_18x2_224", SHAPE, "other than plain attention blocks"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_model_that_the_workflow_refuses_is_refused_in_the_same_words(what):
    architecture, arguments, fault = OTHERS[what]
    with pytest.raises(InputError) as by_workflow:
        architectures.build(architecture, arguments, pooling="avg")
    other = timm.create_model(architecture, num_classes=0, **arguments).eval()
    with pytest.raises(InputError) as alone:
        forward(other, torch.zeros(1, 3, 16, 16))
    said = str(alone.value)
    assert said.startswith("the model ") and fault in said
    assert str(by_workflow.value) == said.replace("the model", f"architecture {architecture}", 1)


@pytest.mark.parametrize(
    ("architecture", "what", "plain"),
    [("beit_base_patch16_224", "a BEiT", beit.plain), ("eva02_tiny_patch14_224", "an Eva", rotary.plain)],
)
def test_a_beit_or_eva_as_timm_has_it_is_named_with_what_makes_it_plain(architecture, what, plain):
    arguments = SHAPE | {"num_heads": 2}
    raw = timm.create_model(architecture, num_classes=0, **arguments).eval()
    with pytest.raises(
        InputError, match=rf"the model is {what} as timm has it: maescope\.models\.architectures\.build"
    ):
        forward(raw, torch.zeros(1, 3, 16, 16))
    assert forward(plain(raw), torch.zeros(1, 3, 16, 16)).cls.shape == (1, 1, WIDTH)


@pytest.mark.parametrize("shape", [(1, 3, 15, 20), (3, 15, 21), (1, 1, 15, 21), (1, 3, 21, 15)])
def test_images_of_another_size_or_form_are_refused_with_both(model, shape):
    with pytest.raises(InputError, match=r"images are of shape \(.*\), but the model's input is \(B, 3, 15, 21\)"):
        forward(model, torch.zeros(shape))


def test_a_model_of_dynamic_img_size_says_how_it_is_set_to_crops_of_another_size():
    arguments = {"img_size": 32, "patch_size": 8, "depth": 1, "embed_dim": 24, "num_heads": 2, "num_classes": 0}
    images = torch.zeros(1, 3, 16, 16)
    dynamic = VisionTransformer(dynamic_img_size=True, **arguments).eval()
    remedy = r"input is \(B, 3, 32, 32\); architectures\.require_input\(model, 16\) sets it$"
    with pytest.raises(InputError, match=remedy):
        forward(dynamic, images)
    architectures.require_input(dynamic, 16)
    assert forward(dynamic, images).cls.shape == (1, 1, 24)
    with pytest.raises(InputError, match=r"input is \(B, 3, 32, 32\)$"):
        forward(VisionTransformer(**arguments).eval(), images)


def test_a_model_without_an_input_size_is_refused():
    arguments = {"depth": 1, "embed_dim": 24, "num_heads": 2, "pos_embed": "none", "no_embed_class": True}
    model = VisionTransformer(img_size=None, **arguments).eval()
    with pytest.raises(InputError, match=r"the model has no input size, .*; build it with img_size"):
        forward(model, torch.zeros(1, 3, 16, 16))


def test_tokens_show_their_shapes_and_no_numbers(model, pictures):
    model.num_classes = 0
    assert repr(forward(model, pictures.float())) == "Tokens(cls=(3, 4, 24), mean=(3, 4, 24), head=(3, 4, 3, 8))"


def peaked(share=200.0):
    """A model whose queries and keys are so large that attention of most rows is one token alone, often CLS."""
    model = build(**VARIANTS["mean pooling"])
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight[: 2 * WIDTH] *= share**0.5
            block.attn.qkv.bias[: 2 * WIDTH] *= share**0.5
    return model


def test_attention_that_leaves_patches_nothing_is_that_of_patches_alone(pictures):
    """Held against softmax over the patches' own logits, in float64: what underflows in float32 is there."""
    model = peaked()
    tokens = forward(model, pictures.float(), attention=True)
    mass, expected = [], []
    exact = copy.deepcopy(model).double()
    for block in exact.blocks:
        block.attn.qkv.register_forward_hook(lambda _, __, qkv: expected.append(alone(qkv, mass)))
    with torch.inference_mode():
        exact(pictures.float().double())
    assert (torch.cat(mass) < 1e-45).any()  # 0 in float32
    for layer, (distance, entropy) in enumerate(expected):
        found = tokens.attention_distance[layer].double(), tokens.attention_entropy[layer].double()
        assert all(torch.isfinite(value).all() for value in found)
        if layer == 0:  # later layers multiply the rounding of float32 by the weights
            assert (found[0] - distance).abs().max() < 1e-2 * PATCH and (found[1] - entropy).abs().max() < 1e-2
    assert all(torch.isfinite(value).all() for value in vars(tokens).values() if value is not None)


def alone(qkv, mass):
    """Distance and entropy (B, H) of softmax over patches, written out; the mass on patches goes to `mass`."""
    query, key, _ = qkv.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
    logits = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
    mass.append(logits.softmax(-1)[..., 1:, 1:].sum(-1).flatten())
    shares = logits[..., 1:, 1:].softmax(-1)
    places = torch.cartesian_prod(torch.arange(GRID[0]), torch.arange(GRID[1])).double() * PATCH
    distance = (shares * torch.cdist(places, places)).sum(-1).mean(-1)
    return distance, torch.special.entr(shares).sum(-1).mean(-1)


def test_attention_under_a_mask_is_refused(model, pictures, visible):
    with pytest.raises(ValueError, match="visible must be None"):
        forward(model, pictures.float(), visible, attention=True)


class OtherAttention(torch.nn.Module):
    """Looks like timm's attention but passes by the modules that are tapped."""

    def __init__(self, attn, skipped):
        super().__init__()
        self.num_heads, self.qkv, self.proj = attn.num_heads, attn.qkv, attn.proj
        self.q_norm, self.k_norm = attn.q_norm, attn.k_norm
        self.skipped = skipped

    def forward(self, x, attn_mask=None, is_causal=False):
        if self.skipped == "proj":
            return torch.nn.functional.linear(self.qkv(x)[..., :WIDTH], self.proj.weight)
        return self.proj(torch.nn.functional.linear(x, self.qkv.weight)[..., :WIDTH])


@pytest.mark.parametrize(("skipped", "what"), [("proj", "head outputs"), ("qkv", "attention")])
def test_an_attention_module_that_escapes_the_taps_is_an_error(model, pictures, skipped, what, monkeypatch):
    model.blocks[1].attn = OtherAttention(model.blocks[1].attn, skipped)
    with pytest.raises(
        InputError, match="the model has other than plain attention blocks; maescope reads timm's plain"
    ):
        forward(model, pictures.float(), attention=True)
    monkeypatch.setitem(forward.__globals__, "require_plain", lambda model: None)  # what if one passed for plain?
    with pytest.raises(RuntimeError, match=f"2 of 3 layers yielded {what}"):
        forward(model, pictures.float(), attention=True)


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_is_left_behind(model, pictures, fails):
    if fails:
        with pytest.raises(RuntimeError):
            forward(model, pictures.double(), attention=True)
    else:
        forward(model, pictures.float(), attention=True)
    for name, module in model.named_modules():
        assert not module._forward_hooks and not module._forward_pre_hooks, name


def test_bfloat16_runs_and_stays_near_float32(model, pictures):
    exact = vars(forward(model, pictures.float(), patch=True, attention=True))
    rough = vars(forward(copy.deepcopy(model).bfloat16(), pictures.bfloat16(), patch=True, attention=True))
    for name, value in exact.items():
        assert torch.isfinite(rough[name]).all(), name
        assert (rough[name].float() - value).abs().max() <= 0.1 * value.abs().max(), name
    assert rough["mean"].dtype == rough["head"].dtype == rough["attention_distance"].dtype == torch.float32


@pytest.mark.parametrize("patch", [False, True])
def test_no_layers_output_is_held_on_to(model, pictures, patch):
    outputs, alive = [], []

    def watch(block, inputs, output):
        outputs.append(StorageWeakRef(output.untyped_storage()))
        alive.append(sum(not output.expired() for output in outputs))

    for block in model.blocks:
        block.register_forward_hook(watch)
    forward(model.double(), pictures, patch=patch)
    assert alive == [1, 2, 2]  # a block's own and its input; never all that came before
