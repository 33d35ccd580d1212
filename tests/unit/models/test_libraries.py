"""Weights drawn by the library that has a layout, and saved by it, make the same tokens and logits here.

Each is held against the library's own forward pass, to 1e-5 of the largest value in float32. transformers and open_clip
are no part of the environment: `make layouts-test` installs them beside it and runs this. Elsewhere their tests are
skipped, and test_layouts.py has the names written out.
"""

import argparse
import importlib
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from timm.utils import CheckpointSaver, ModelEmaV3

from maescope.images import reading
from maescope.models import architectures, checkpoints
from maescope.study import model_folders
from maescope.tokens.forward import forward

SIZE, PATCH, WIDTH, DEPTH, HEADS, CLASSES = 16, 4, 32, 3, 4, 5
ARGUMENTS = {"img_size": SIZE, "patch_size": PATCH, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS}
ARGUMENTS |= {"mlp_ratio": 2.0}
SIZES = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS}
SIZES |= {"image_size": SIZE, "patch_size": PATCH, "layer_norm_eps": 1e-3}  # an epsilon that shows


def library(name):
    if "MAESCOPE_LIBRARIES" in os.environ:  # where they must be there
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is no part of the environment")


def images(side=SIZE, count=3):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(4))


def moved(model):
    """A model of a library in evaluation mode, every parameter far from its beginning: no scale is 1, no bias 0."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.2 * torch.randn(value.shape, generator=generator))
    return model.eval()


def said(model, blocks, *inputs, **options):
    """Outputs of each block (L, B, T, D) in the library's own pass, and what the whole says."""
    outputs, taps = [], []
    for block in blocks:
        taps.append(block.register_forward_hook(lambda module, given, out: outputs.append(out)))
    with torch.inference_mode():
        answer = model(*inputs, **options)
    for tap in taps:
        tap.remove()
    return torch.stack([out[0] if isinstance(out, tuple) else out for out in outputs]), answer


def require_equal(model, tokens, logits=None, side=SIZE):
    """CLS and patch tokens of every layer, and logits, as the library has them."""
    own, prefix = forward(model, images(side), patch=True), model.num_prefix_tokens
    pairs = [(own.cls, tokens[:, :, 0]), (own.patch, tokens[:, :, prefix:])]
    pairs += [(own.logits, logits)] if logits is not None else []
    for one, other in pairs:
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


def built(classes=0, pooling="token", architecture="vit_base_patch16_224", **arguments):
    return architectures.build(architecture, ARGUMENTS | arguments, classes, pooling)


def loaded(path, *given, **arguments):
    model = built(*given, **arguments)
    checkpoints.load(model, str(path))
    return model


# ---- Hugging Face: the folder alone says what the model is

PROCESSOR = {"image_processor_type": "ViTImageProcessor", "size": {"height": SIZE, "width": SIZE}, "resample": 2}
PROCESSOR |= {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
PROCESSOR |= {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}


def of_folder(folder):
    """A model as its folder alone has it."""
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    defaults = {"arguments": {}, "num_classes": 0, "pooling": "token", "preprocessing": {}, "model_dir": str(folder)}
    entry = model_folders.complete("vit", defaults, {"model_dir": str(folder)})
    model = architectures.build(entry["architecture"], entry["arguments"], entry["num_classes"], entry["pooling"])
    checkpoints.load(model, entry["weights"])
    return model


def vit(transformers):
    config = transformers.ViTConfig(**SIZES, intermediate_size=64, num_labels=CLASSES)
    model = moved(transformers.ViTForImageClassification(config))
    return model, model.vit.layers, {}


def vit_encoder(transformers):
    config = transformers.ViTConfig(**SIZES, intermediate_size=90, qkv_bias=False, hidden_act="gelu_new")
    model = moved(transformers.ViTModel(config))
    return model, model.layers, {}


def masked_autoencoder(transformers):
    decoder = {"decoder_num_attention_heads": 2, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1}
    config = transformers.ViTMAEConfig(
        **SIZES, intermediate_size=64, mask_ratio=0.0, decoder_intermediate_size=32, **decoder
    )
    model = moved(transformers.ViTMAEForPreTraining(config))
    patches = (SIZE // PATCH) ** 2
    return model, model.vit.layers, {"noise": torch.arange(patches).expand(3, -1).float()}  # no shuffling


def dinov2(transformers):
    model = moved(transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, mlp_ratio=2)))
    return model, model.encoder.layer, {}


def dinov2_gated(transformers):
    model = moved(transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, use_swiglu_ffn=True)))
    return model, model.encoder.layer, {}


def dinov2_registers(transformers):
    config = transformers.Dinov2WithRegistersConfig(**SIZES, num_register_tokens=3)
    model = moved(transformers.Dinov2WithRegistersModel(config))
    return model, model.encoder.layer, {}


def dinov2_head(transformers):
    model = moved(transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**SIZES)))
    return model, model.dinov2.encoder.layer, {}


def pixio(transformers):
    model = moved(transformers.PixioModel(transformers.PixioConfig(**SIZES)))
    return model, model.layers, {}


def dinov3(transformers):
    config = transformers.DINOv3ViTConfig(**SIZES, intermediate_size=64, num_register_tokens=4)
    model = moved(transformers.DINOv3ViTModel(config))
    return model, model.get_submodule("model.layer" if hasattr(model, "model") else "layer"), {}


def dinov3_gated(transformers):
    config = transformers.DINOv3ViTConfig(**SIZES, intermediate_size=64, use_gated_mlp=True, hidden_act="silu")
    model = moved(transformers.DINOv3ViTModel(config))
    return model, model.get_submodule("model.layer" if hasattr(model, "model") else "layer"), {}


def dinov3_no_biases(transformers):
    config = {"use_gated_mlp": True, "hidden_act": "silu", "query_bias": False, "value_bias": False}  # as ViT-7B
    model = moved(transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SIZES, intermediate_size=64, **config)))
    return model, model.get_submodule("model.layer" if hasattr(model, "model") else "layer"), {}


HUGGING_FACE = [vit, vit_encoder, masked_autoencoder, dinov2, dinov2_gated, dinov2_registers, dinov2_head, pixio]
HUGGING_FACE += [dinov3, dinov3_gated, dinov3_no_biases]


@pytest.mark.parametrize("kind", ["safetensors", "in memory"])
@pytest.mark.parametrize("make", HUGGING_FACE)
def test_a_folder_of_hugging_face_is_enough(make, kind, tmp_path):
    theirs, blocks, options = make(library("transformers"))
    theirs.save_pretrained(tmp_path)
    if kind == "in memory":  # the names that a model has while it is used are others than those on disk
        (tmp_path / "model.safetensors").unlink()
        torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    tokens, answer = said(theirs, blocks, images(), **options)
    model = of_folder(tmp_path)
    assert model.layout.startswith("Hugging Face")
    require_equal(model, tokens, answer.logits if model.num_classes else None)
    assert model.num_classes == (CLASSES if make is vit else 0)


@pytest.mark.parametrize("size", [(40, 30), (24, 24), (13, 50)])
@pytest.mark.parametrize("squash", [False, True])
def test_pictures_come_to_the_model_as_the_processor_has_them(squash, size, tmp_path):
    transformers = library("transformers")
    Image.effect_noise(size, 90).convert("RGB").save(tmp_path / "a.png")
    if squash:
        theirs = transformers.ViTImageProcessorPil(size={"height": 20, "width": 20}, image_mean=[0.5, 0.4, 0.3])
    else:
        theirs = transformers.BitImageProcessorPil(size={"shortest_edge": 20}, crop_size={"height": 16, "width": 16})
    theirs.save_pretrained(tmp_path)
    found = reading.Preprocessing(**model_folders.preprocessing(tmp_path / "preprocessor_config.json"))
    assert found.squash == squash
    expected = theirs(Image.open(tmp_path / "a.png"), return_tensors="np")["pixel_values"]
    own = reading.normalised([str(tmp_path / "a.png")], found)
    assert own.shape == np.asarray(expected).shape
    assert np.abs(own - expected).max() < 1e-5


# ---- torchvision, OpenCLIP, timm


def test_torchvision(tmp_path):
    models = library("torchvision.models.vision_transformer")
    theirs = models.VisionTransformer(SIZE, PATCH, DEPTH, HEADS, WIDTH, 64, num_classes=CLASSES)
    moved(theirs)
    torch.save(theirs.state_dict(), tmp_path / "vit_b_16.pth")
    tokens, logits = said(theirs, theirs.encoder.layers, images())
    model = loaded(tmp_path / "vit_b_16.pth", CLASSES)
    assert model.layout == "torchvision"
    require_equal(model, tokens, logits)
    require_equal(loaded(tmp_path / "vit_b_16.pth"), tokens)  # its head left aside


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("before", ["", "module."])
def test_the_visual_tower_of_open_clip(quick, before, tmp_path):
    open_clip = library("open_clip")
    vision = {"image_size": SIZE, "patch_size": PATCH, "width": WIDTH, "layers": DEPTH, "head_width": WIDTH // HEADS}
    text = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    theirs = moved(open_clip.CLIP(CLASSES, vision | {"mlp_ratio": 2.0}, text, quick_gelu=quick))
    state = {before + name: value for name, value in theirs.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "open_clip.pth")
    tokens, logits = said(theirs.visual, theirs.visual.transformer.resblocks, images())
    if not theirs.visual.transformer.batch_first:
        tokens = tokens.transpose(1, 2)
    architecture = f"vit_base_patch16_clip_{'quickgelu_' if quick else ''}224"
    model = loaded(tmp_path / "open_clip.pth", CLASSES, architecture=architecture)
    assert model.layout == "OpenCLIP behind visual."
    require_equal(model, tokens, logits)
    require_equal(loaded(tmp_path / "open_clip.pth", architecture=architecture), tokens)


@pytest.mark.parametrize("bias", [False, True])
def test_the_timm_tower_of_open_clip(bias, tmp_path):
    open_clip = library("open_clip")
    from open_clip.timm_model import TimmModel

    theirs = open_clip.CLIP.__new__(open_clip.CLIP)
    torch.nn.Module.__init__(theirs)
    options = {"pool": "", "proj": "linear", "proj_bias": bias, "pretrained": False}
    theirs.visual = TimmModel("vit_tiny_patch16_224", CLASSES, 224, **options)
    theirs.logit_scale = torch.nn.Parameter(torch.ones(()))
    moved(theirs)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "tower.pth")
    tokens, logits = said(theirs.visual, theirs.visual.trunk.blocks, images(224))
    model = architectures.build("vit_tiny_patch16_224", {}, CLASSES)
    checkpoints.load(model, str(tmp_path / "tower.pth"))
    assert model.layout == "a timm tower of OpenCLIP"
    require_equal(model, tokens, logits, side=224)


def test_a_checkpoint_of_timms_own_training(tmp_path):
    """Saved by timm's CheckpointSaver: the weights, their average, the optimiser, its options."""
    theirs, average = (moved(built(CLASSES, "avg")) for _ in range(2))
    with torch.no_grad():
        for value in average.parameters():
            value.mul_(1.5)
    ema = ModelEmaV3(average)
    optimizer = torch.optim.AdamW(theirs.parameters())
    args = argparse.Namespace(model="vit_base_patch16_224", opt_betas=None, output=tmp_path)
    folders = {"checkpoint_dir": str(tmp_path), "recovery_dir": str(tmp_path)}
    CheckpointSaver(theirs, optimizer, args, ema, **folders).save_checkpoint(3, metric=81.5)
    path = str(tmp_path / "last.pth.tar")
    for key, own in ((None, theirs), ("state_dict_ema", average)):
        model = built(CLASSES, "avg")
        checkpoints.load(model, path, key=key)
        tokens, logits = said(own, own.blocks, images())
        require_equal(model, tokens, logits)
