"""Embeddings after the final norm: LayerNorm written out, and by timm's own models."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from maescope.base.errors import InputError
from maescope.measures import alignment
from maescope.models import architectures, checkpoints
from maescope.tokens import final_norm

TINY = {"img_size": 16, "patch_size": 4, "embed_dim": 12, "depth": 2, "num_heads": 3}


def stored(mean, sha256="s"):
    """A token file that holds these mean tokens."""
    return SimpleNamespace(path="p.h5", attributes={"weights_sha256": sha256}, read=lambda level, name: mean)


def test_a_vector_of_two_becomes_one_and_minus_one_whatever_it_was():
    found = final_norm.layer_norm(np.array([[5.0, 3.0], [-100.0, 7.0]]), np.ones(2), np.zeros(2), 0)
    assert found.tolist() == [[1, -1], [-1, 1]]


def test_the_cosine_after_the_norm_is_that_of_the_normed_vectors_written_out():
    weight, bias = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -1.0])
    norm = final_norm.After(weight, bias, 0.25, "s")
    clean, blurred = [1.0, 2.0, 6.0], [2.0, -1.0, 2.0]
    normed = []
    for x in (clean, blurred):
        mean = sum(x) / 3
        deviation = math.sqrt(sum((value - mean) ** 2 for value in x) / 3 + 0.25)
        normed.append([w * (value - mean) / deviation + b for value, w, b in zip(x, weight, bias, strict=True)])
    expected = sum(a * b for a, b in zip(*normed, strict=True)) / math.prod(math.hypot(*x) for x in normed)
    a, b = (norm.mean(stored(np.array([[x]], np.float32)), "clean") for x in (clean, blurred))
    found = alignment.table(a, b, ["i"], np.array([True]))
    assert found.loc[0, "cosine"] == pytest.approx(expected, abs=1e-12)
    assert found.loc[0, "norm_clean"] == pytest.approx(math.hypot(*normed[0]))
    before = final_norm.read(None)
    usual = [before.mean(stored(np.array([[x]], np.float32)), "clean") for x in (clean, blurred)]
    assert alignment.cosine(*usual)[0, 0] == pytest.approx(12 / math.sqrt(41 * 9))


@pytest.mark.parametrize(("pooling", "name"), [("avg", "fc_norm"), ("token", "norm")])
def test_it_is_the_norm_that_the_model_itself_applies(pooling, name, tmp_path):
    model = architectures.build("vit_tiny_patch16_224", TINY, 3, pooling)
    checkpoints.load(model, "random:4")
    layer = getattr(model, name)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    path = str(tmp_path / "norm.npz")
    final_norm.write(final_norm.of(model, "s"), path)
    mean = np.random.default_rng(0).normal(size=(2, 5, 12)).astype(np.float32)
    found = final_norm.read(path).mean(stored(mean), "clean")
    with torch.inference_mode():
        assert np.abs(found - layer(torch.from_numpy(mean)).numpy()).max() <= 1e-5
    if pooling == "avg":  # the head of such a model reads exactly this
        with torch.inference_mode():
            pooled = model.forward_head(torch.from_numpy(mean[0])[:, None].expand(-1, 17, -1), pre_logits=True)
        assert np.abs(found[0] - pooled.numpy()).max() <= 1e-5


def test_tokens_of_other_weights_are_refused():
    norm = final_norm.After(np.ones(2), np.zeros(2), 0, "s")
    with pytest.raises(InputError, match=r"p\.h5: was made with other weights"):
        norm.mean(stored(np.ones((1, 1, 2)), "t"), "clean")


def test_a_model_without_a_layer_norm_at_its_end_is_refused():
    model = SimpleNamespace(fc_norm=torch.nn.Identity(), norm=torch.nn.Identity())
    with pytest.raises(InputError, match="needs a model whose final norm is a LayerNorm"):
        final_norm.of(model, "s")
