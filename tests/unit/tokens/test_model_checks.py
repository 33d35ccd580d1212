"""What is found out of a model before any long job."""

import hashlib
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from maescope.base.errors import InputError
from maescope.images import reading
from maescope.tokens import model_checks

TINY = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
PREPROCESSING = reading.Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def tiny(**changes):
    torch.manual_seed(0)
    return VisionTransformer(**TINY | {"num_classes": 5, "global_pool": "avg"} | changes).eval()


def test_shapes_are_those_of_the_model():
    found = model_checks.describe(tiny())
    assert found.pop("parameters") == sum(p.numel() for p in tiny().parameters())
    assert found == {
        "input_px": 8,
        "patch_px": 4,
        "patches": 4,
        "cls_token": True,
        "registers": 0,
        "layers": 2,
        "heads": 2,
        "width": 16,
        "head_width": 8,
        "outputs": 5,
        "pooling": "avg",
        "norm_eps": 1e-6,
        "activation": "GELU",
    }


def test_the_hash_is_that_of_the_logits_on_fixed_noise_and_changes_with_any_weight():
    model = tiny()
    found = model_checks.fingerprint(model, "vit.pth", seed=3)
    noise = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 3, 8, 8), dtype=np.float32))
    with torch.inference_mode():
        logits = model(noise).numpy()
    assert found["of"] == "logits"
    assert found["sha256"] == hashlib.sha256(logits.tobytes()).hexdigest()
    assert found["mean"] == pytest.approx(logits.mean()) and found["std"] == pytest.approx(logits.std())
    with torch.no_grad():
        model.blocks[1].mlp.fc1.weight[0, 0] += 0.01
    assert model_checks.fingerprint(model, "vit.pth", seed=3)["sha256"] != found["sha256"]


def test_an_encoder_answers_with_the_cls_token_of_its_last_layer():
    found = model_checks.fingerprint(tiny(num_classes=0, global_pool="token"), "vit.pth", seed=3)
    assert found["of"] == "cls" and found["std"] > 0


def test_an_encoder_without_cls_answers_with_the_mean_token():
    model = tiny(num_classes=0, class_token=False, reg_tokens=3)
    assert model_checks.fingerprint(model, "vit.pth", seed=3)["of"] == "mean"
    assert [model_checks.describe(model)[key] for key in ("cls_token", "registers")] == [False, 3]
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, float("inf"))
    with pytest.raises(InputError, match=r"vit\.pth: noise makes layer 2 not finite"):
        model_checks.fingerprint(model, "vit.pth", seed=3)


def test_weights_that_overflow_are_named_with_the_layer():
    model = tiny()
    torch.nn.init.constant_(model.blocks[1].mlp.fc2.bias, float("inf"))
    with pytest.raises(InputError, match=r"vit\.pth: noise makes layer 2 not finite"):
        model_checks.fingerprint(model, "vit.pth", seed=0)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_head_that_overflows_is_named(value):
    model = tiny()
    torch.nn.init.constant_(model.head.bias[1:2], value)
    with pytest.raises(InputError, match=r"vit\.pth: noise makes the logits not finite"):
        model_checks.fingerprint(model, "vit.pth", seed=0)


@pytest.mark.parametrize(("count", "rows"), [(3, [0, 4, 9]), (10, list(range(10))), (50, list(range(10)))])
def test_few_images_are_spread_over_all_labels(count, rows):
    assert model_checks.few(pd.DataFrame({"image": range(10)}), count)["image"].tolist() == rows


class Brightness(VisionTransformer):
    """Knows how bright a picture is: class 4 for white, class 0 for black."""

    def forward_head(self, x, pre_logits=False):
        return self.seen.mean((1, 2, 3))[:, None] * torch.tensor([[-1.0, 0, 0, 0, 1]])


@pytest.mark.parametrize(("targets", "correct"), [([0, 4], 12), ([4, 0], 0)])
def test_clean_accuracy_counts_right_answers_and_warns_loudly_near_chance(targets, correct, tmp_path, caplog):
    model = Brightness(**TINY, num_classes=5, global_pool="avg").eval()
    model.patch_embed.register_forward_pre_hook(lambda module, inputs: setattr(model, "seen", inputs[0]))
    for name, grey in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / "black.png"), str(tmp_path / "white.png")] * 6
    with caplog.at_level(logging.WARNING):
        rows = pd.DataFrame({"path": paths, "target": targets * 6})
        found = model_checks.clean_accuracy(model, rows, PREPROCESSING, [*"abcde"])
    assert found == {"images": 12, "correct": correct}  # the doubts are for the log alone
    assert [message.split(":")[0] for message in caplog.messages] == (
        [] if correct else ["CLEAN ACCURACY NEAR CHANCE", "CLASSES IN ANOTHER ORDER"]
    )
