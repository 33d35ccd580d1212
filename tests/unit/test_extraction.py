"""A GPU whose memory is not enough: the batch halves and goes on. There is none here: the model itself says so."""

import logging

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from maescope import extraction, images, perturb
from maescope.errors import InputError

PREPROCESSING = images.Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NAMES = [f"cat/{number}.png" for number in range(7)]


def tiny():
    torch.manual_seed(0)
    size = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return VisionTransformer(**size, num_classes=5, global_pool="avg").eval()


def arrays(most, perturbation, **wanted):
    """What is stored of seven images where a pass of more than `most` does not fit, and the sizes of all passes."""
    model, passes = tiny(), []

    def fits(module, inputs):
        passes.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.patch_embed.register_forward_pre_hook(fits)
    extractor = extraction.Extractor(model, perturbation, PREPROCESSING, **wanted)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8)
    scores = np.random.default_rng(1).random((7, 4), dtype=np.float32)
    return dict(extractor.arrays(pixels, NAMES, scores, "float32", ["cat"] * 7)), passes


@pytest.mark.parametrize(
    ("perturbation", "wanted"),
    [
        (perturb.Clean(), {"attention": True}),
        (perturb.Mask(0.5, 2, 0, "pets"), {"patch": True}),
        (perturb.Occlusion((0, 50), "most", "mean", 0, "pets"), {}),
    ],
)
def test_half_the_images_at_a_time_give_the_same_tokens(perturbation, wanted, caplog):
    whole, _ = arrays(7, perturbation, **wanted)
    with caplog.at_level(logging.WARNING):
        halved, passes = arrays(2, perturbation, **wanted)
    assert passes[:6] == [7, 3, 1, 1, 1, 1] and 7 not in passes[1:]  # never tried again at a size that failed
    assert "not enough for 7 images at a time, going on with 3; lower batch_size" in caplog.text
    assert list(halved) == list(whole) == list(perturbation.levels)
    for level, expected in whole.items():
        assert set(halved[level]) == set(expected)
        for name, value in expected.items():
            assert halved[level][name].shape == value.shape, name
            assert np.abs(halved[level][name].astype(float) - value).max() <= 1e-5, name


def test_a_gpu_too_small_for_one_image_is_an_error_with_a_remedy():
    with pytest.raises(InputError, match=r"not enough for one image; .* precision: bfloat16 or device: cpu"):
        arrays(0, perturb.Clean())


def test_a_value_that_is_not_finite_names_its_image_and_layer():
    model = tiny()
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, float("nan"))
    extractor = extraction.Extractor(model, perturb.Clean(), PREPROCESSING)
    pixels = np.zeros((7, 3, 8, 8), np.uint8)
    with pytest.raises(InputError, match=r"cat/0\.png: \w+ of level clean is not finite at layer 2"):
        dict(extractor.arrays(pixels, NAMES, None, "float32"))
