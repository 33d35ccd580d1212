"""ViT-B/16 in the official MAE layout against a float64 loop written from the papers, on real pictures.

The loop knows only tensors by their official names: patches, attention head by head, layer by layer (Dosovitskiy et al.
2021), the masked encoder (He et al. 2022), rollout (Abnar and Zuidema 2020), distance by pairs of patches.
"""

import math

import numpy as np
import official
import pytest
import torch
from scipy.special import erf
from sklearn.datasets import load_sample_images

from maescope.images import perturbations
from maescope.models import architectures, checkpoints
from maescope.tokens.forward import forward

WIDTH, DEPTH, PATCH = official.SIZES["base"]
HEADS, GRID, CLASSES = 12, 14, 1000
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
LIMITS = {torch.float32: 1e-4, torch.float64: 1e-10}


def picture(number, top, left):
    """A 224 px piece of one of scikit-learn's two photographs, normalised: (3, 224, 224) float64."""
    piece = load_sample_images().images[number][top : top + 224, left : left + 224]
    return ((piece / 255 - MEAN) / STD).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def pictures():
    return np.stack([picture(0, 60, 200), picture(1, 100, 250)])


@pytest.fixture(scope="module")
def visible():
    return perturbations.visible_patches(
        ["china", "flower"], GRID * GRID, 0.75, seed=0, dataset="photographs", number=1
    )


def layer_norm(x, weights, name):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def pixel_distances():
    """(N, N) Euclidean distances of patches, in pixels."""
    places = [(row * PATCH, column * PATCH) for row in range(GRID) for column in range(GRID)]
    return np.array([[math.hypot(a - c, b - d) for c, d in places] for a, b in places])


def attend(x, weights, name):
    """Attention of each head (H, T, T) and heads side by side (T, H * d)."""
    query, key, value = np.split(linear(x, weights, f"{name}.qkv"), 3, axis=1)
    attention, joined = [], []
    for head in range(HEADS):
        part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        scores = query[:, part] @ key[:, part].T / math.sqrt(WIDTH // HEADS)
        odds = np.exp(scores - scores.max(1, keepdims=True))
        attention.append(odds / odds.sum(1, keepdims=True))
        joined.append(attention[-1] @ value[:, part])
    return np.stack(attention), np.concatenate(joined, axis=1)


def embedded(picture, weights, visible):
    """Tokens (T, D) with positions: all patches, or those that a mask leaves."""
    kernel = weights["patch_embed.proj.weight"].reshape(WIDTH, -1)
    tokens = []
    for row in range(GRID):
        for column in range(GRID):
            pixels = picture[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            tokens.append(kernel @ pixels.ravel() + weights["patch_embed.proj.bias"])
    tokens = np.stack(tokens) + weights["pos_embed"][0, 1:]
    cls = weights["cls_token"][0, 0] + weights["pos_embed"][0, 0]
    return np.concatenate([cls[None], tokens if visible is None else tokens[visible]])


def loop(picture, state, visible=None):
    """Everything that `forward` says of one picture, in float64."""
    weights = {name: value.double().numpy() for name, value in state.items()}
    x = embedded(picture, weights, visible)
    of_attention = ("attention_distance", "attention_entropy", "attention_key_entropy", "cls_attention")
    found = {name: [] for name in ("cls", "mean", "patch", "head", *of_attention)}
    rollout, pixels = np.eye(len(x)), pixel_distances()
    for layer in range(DEPTH):
        block = f"blocks.{layer}"
        attention, joined = attend(layer_norm(x, weights, f"{block}.norm1"), weights, f"{block}.attn")
        x = x + linear(joined, weights, f"{block}.attn.proj")
        inner = linear(layer_norm(x, weights, f"{block}.norm2"), weights, f"{block}.mlp.fc1")
        x = x + linear(0.5 * inner * (1 + erf(inner / math.sqrt(2))), weights, f"{block}.mlp.fc2")
        found["cls"].append(x[0])
        found["mean"].append(x[1:].mean(0))
        found["patch"].append(x[1:])
        found["head"].append(joined[1:].mean(0).reshape(HEADS, -1))
        if visible is None:
            rollout = (0.5 * attention.mean(0) + 0.5 * np.eye(len(x))) @ rollout
            among = attention[:, 1:, 1:] / attention[:, 1:, 1:].sum(-1, keepdims=True)
            found["attention_distance"].append((among * pixels).sum(-1).mean(-1))
            found["attention_entropy"].append(-(among * np.log(among)).sum(-1).mean(-1))
            keys = among.mean(1)  # (H, N), of all queries together
            found["attention_key_entropy"].append(-(keys * np.log(keys)).sum(-1))
            found["cls_attention"].append(attention[:, 0, 1:])
    found = {name: np.stack(values) for name, values in found.items() if values}
    if visible is None:
        found["rollout"] = rollout[1:, 1:].mean(0) if "fc_norm.weight" in weights else rollout[0, 1:]
    if "head.weight" in weights:
        found["logits"] = linear(layer_norm(x[1:].mean(0), weights, "fc_norm"), weights, "head")
    return found


def require_equal(tokens, expected, limit):
    """Each kind of token within `limit` of the loop, as a share of its largest value."""
    for name in expected[0]:
        wanted = np.stack([one[name] for one in expected], axis=0 if name in ("logits", "rollout") else 1)
        value = getattr(tokens, name)
        assert tuple(value.shape) == wanted.shape, name
        assert np.abs(value.double().numpy() - wanted).max() <= limit * np.abs(wanted).max(), name


def loaded(tensors, folder, **arguments):
    """The model that reads these tensors from an official file."""
    model = architectures.build("vit_base_patch16_224", {}, **arguments)
    checkpoints.load(model, str(official.save(tensors, folder / "mae.pth")))
    return model


def test_a_finetuned_model_on_a_whole_picture(pictures, tmp_path):
    tensors = official.state(official.shapes(WIDTH, DEPTH, PATCH, classes=CLASSES))
    expected = [loop(pictures[0], tensors)]
    spread = expected[0]["attention_distance"]
    assert spread.max() - spread.min() > 20  # pixels: these weights do not attend to everything alike
    model = loaded(tensors, tmp_path, num_classes=CLASSES, pooling="avg")
    for dtype, limit in LIMITS.items():
        tokens = forward(model.to(dtype), torch.from_numpy(pictures[:1]).to(dtype), patch=True, attention=True)
        require_equal(tokens, expected, limit)


def test_a_pretrained_model_on_masked_pictures(pictures, visible, tmp_path):
    tensors = official.state(official.shapes(WIDTH, DEPTH, PATCH, decoder=512))
    expected = [loop(picture, tensors, ids) for picture, ids in zip(pictures, visible, strict=True)]
    model = loaded(tensors, tmp_path)
    for dtype, limit in LIMITS.items():
        inputs = torch.from_numpy(pictures).to(dtype)
        tokens = forward(model.to(dtype), inputs, torch.from_numpy(visible), patch=True)
        require_equal(tokens, expected, limit)
        assert tokens.patch.shape == (DEPTH, 2, 49, WIDTH) and tokens.logits is None
