"""Relevance by gradient: cases whose answer is known on paper. Whole models: tests/unit/models/test_families.py."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from maescope.base.errors import InputError
from maescope.tokens import gradients

SIZE = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "num_heads": 1, "depth": 1}


def test_attention_is_weighted_by_its_gradient_and_what_speaks_against_the_class_is_cut_off():
    """Two tokens that all attend to by half: dy/dA = dy/dO V^T = (1, -2)^T (1, 3), of which the first row is positive.

    A second head that nothing hangs on halves the mean.
    """
    zeros = torch.zeros(1, 2, 2, 1)
    gradient, value = zeros.clone(), torch.ones(1, 2, 2, 1)
    gradient[0, 0, :, 0], value[0, 0, :, 0] = torch.tensor([1.0, -2]), torch.tensor([1.0, 3])
    found = gradients._weighted(gradient, zeros, zeros, value, None)
    assert found.tolist() == [[[0.25, 0.75], [0, 0]]]
    bias = torch.log(torch.tensor([[1.0, 3], [1, 1]])).expand(2, 2, 2)  # a quarter and three quarters
    assert torch.allclose(gradients._weighted(gradient, zeros, zeros, value, bias)[0, 0], torch.tensor([0.125, 1.125]))


def test_a_model_that_reads_one_patch_alone_finds_it():
    """Values are what tokens are, attention is uniform, and the head counts what only one patch has."""
    torch.manual_seed(0)
    model = VisionTransformer(**SIZE, num_classes=2, global_pool="token", mlp_ratio=1).eval()
    block, width = model.blocks[0], SIZE["embed_dim"]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in (block.norm1, model.norm):
            norm.weight.fill_(1)
        block.attn.qkv.weight[2 * width :] = torch.eye(width)  # queries and keys stay zero
        block.attn.proj.weight.copy_(torch.eye(width))
        model.pos_embed[0, 3, 1] = 1.0  # token 3 is patch 2, and the only one that is not zero
        model.head.weight[1, 1] = 1.0
    scores = gradients.relevance(model, torch.zeros(2, 3, 8, 8))
    assert (scores[:, 2] > 0).all() and (scores[:, [0, 1, 3]] == 0).all()


def test_a_model_without_a_head_predicts_nothing():
    with pytest.raises(InputError, match="needs a model with a head"):
        gradients.relevance(VisionTransformer(**SIZE, num_classes=0), torch.zeros(1, 3, 8, 8))


def test_neither_the_model_nor_the_images_are_changed():
    torch.manual_seed(0)
    model, images = VisionTransformer(**SIZE, num_classes=3), torch.rand(9, 3, 8, 8)
    before = images.clone()
    scores = gradients.relevance(model.eval(), images)  # more images than attention is there of at a time
    assert torch.equal(images, before) and not images.requires_grad and not scores.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    alone = torch.cat([gradients.relevance(model, image[None]) for image in images])
    assert torch.allclose(scores, alone, rtol=1e-4)
