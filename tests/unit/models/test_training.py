"""Training: the schedule, the augmentation, repeatability and failure."""

import math

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine

from maescope.models import mae, training

TINY = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
STILL = {"degrees": 0.0, "scale": (1.0, 1.0), "shift": 0.0}


def schedule(**changes):
    settings = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.05, "warmup": 0.1, **STILL}
    return training.Schedule(**{**settings, **changes})


def problem(images=16):
    """Dark and bright pictures, told apart by their mean."""
    targets = torch.arange(images) % 2
    noise = torch.randn(images, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return 0.1 * noise + (2.0 * targets - 1).reshape(-1, 1, 1, 1), targets


def classifier():
    torch.manual_seed(0)
    return VisionTransformer(**TINY, num_classes=2, global_pool="avg")


def autoencoder():
    torch.manual_seed(0)
    return mae.MaskedAutoencoder(VisionTransformer(**TINY, num_classes=0), 16, 1, 2)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_the_rate_rises_linearly_and_falls_along_half_a_cosine_to_zero():
    s = schedule(learning_rate=2.0, warmup=0.1)
    assert [s.rate(step, 100) for step in range(10)] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert s.rate(10, 100) == pytest.approx(2.0)
    assert s.rate(55, 100) == pytest.approx(1.0)  # half way down
    assert s.rate(25, 100) == pytest.approx(1 + math.cos(math.pi / 6))
    assert s.rate(100, 100) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_the_rate_is_finite_and_positive_at_the_ends_of_warm_up(warmup):
    rates = [schedule(warmup=warmup).rate(step, 5) for step in range(5)]
    assert all(0 < rate <= 0.01 for rate in rates)


def test_a_recipe_of_the_configuration_becomes_a_schedule():
    recipe = {"epochs": 3, "batch_size": 4, "learning_rate": 0.1, "weight_decay": 0.2, "warmup": 0.3, "smoothing": 0.1}
    augmentation = {"degrees": 5, "scale": [0.9, 1.2], "shift": 0.05}
    assert training.Schedule.of({**recipe, "augmentation": augmentation}) == training.Schedule(
        epochs=3, batch_size=4, learning_rate=0.1, weight_decay=0.2, warmup=0.3, **augmentation
    )


def test_no_augmentation_leaves_the_images_alone():
    images = torch.randn(3, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    same = training.random_affine(images, schedule(), torch.Generator().manual_seed(2))
    assert torch.allclose(same, images, atol=1e-5)


def test_rotation_and_magnification_are_those_of_torchvision_at_the_centre():
    images = torch.randn(1, 3, 33, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    images = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    both = schedule(degrees=30.0, scale=(1.25, 1.25))
    ours = training.random_affine(images, both, torch.Generator().manual_seed(4))
    drawn = torch.empty(1).uniform_(-30, 30, generator=torch.Generator().manual_seed(4)).item()
    candidates = [
        affine(images, angle, [0, 0], 1.25, [0.0], InterpolationMode.BILINEAR)[..., 8:25, 8:25]
        for angle in (drawn, -drawn)
    ]
    assert abs(drawn) > 2
    assert min((ours[..., 8:25, 8:25] - other).abs().max().item() for other in candidates) < 1e-3


def test_shifts_stay_within_their_fraction_of_the_side_and_use_it():
    ramp = torch.arange(40.0).expand(200, 3, 40, 40)  # the value of a pixel is its column
    moved = training.random_affine(ramp, schedule(shift=0.1), torch.Generator().manual_seed(5))
    shifts = (moved - ramp)[:, 0, 20, 20]
    assert 3.5 < shifts.abs().max() <= 4.001
    assert shifts.min() < 0 < shifts.max()


def test_training_masks_show_the_right_number_of_distinct_patches_in_order():
    visible = training.random_visible(50, 64, 0.75, torch.Generator().manual_seed(6))
    assert visible.shape == (50, 16)
    assert (visible.diff(dim=1) > 0).all()
    assert visible.min() >= 0 and visible.max() < 64
    assert len(visible.unique(dim=0)) > 45


def pretrained(seed):
    model = autoencoder()
    history = training.pretrain(model, problem()[0], 0.5, schedule(degrees=10.0), seed)
    return weights(model), history


def fine_tuned(seed):
    model, (images, targets) = classifier(), problem()
    history = training.train_classifier(model, images, targets, schedule(degrees=10.0), seed)
    return weights(model), history


@pytest.mark.parametrize("train", [pretrained, fine_tuned])
def test_two_steps_with_one_seed_give_identical_weights_and_another_seed_others(train):
    first, again, other = train(0)[0], train(0)[0], train(1)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("train", [pretrained, fine_tuned])
def test_history_has_a_row_an_epoch(train):
    (row,) = train(0)[1]
    assert set(row) == {"epoch", "loss", "learning_rate", "flops"}
    assert row["epoch"] == 1
    assert math.isfinite(row["loss"])


def test_flops_are_those_of_the_matrix_products():
    model, (images, targets) = classifier(), problem()
    history = training.train_classifier(model, images, targets, schedule(epochs=2), 0)
    width, tokens, patches = 16, 5, 4
    embed = 2 * patches * 48 * width
    block = 2 * tokens * width * (3 * width + width + 8 * width) + 2 * 2 * tokens * tokens * width
    head = 2 * width * 2
    assert [row["flops"] for row in history] == [16 * (embed + block + head), 32 * (embed + block + head)]


def test_pretraining_brings_the_loss_down():
    images = problem()[0]
    model = autoencoder()
    history = training.pretrain(model, images, 0.5, schedule(epochs=30, weight_decay=0.0), 0)
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]


def test_a_classifier_learns_a_tiny_problem():
    model, (images, targets) = classifier(), problem()
    history = training.train_classifier(model, images, targets, schedule(epochs=10), 0)
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    with torch.inference_mode():
        assert (model(images).argmax(1) == targets).all()


def test_fixed_positions_are_not_trained():
    model = autoencoder()
    before = model.encoder.pos_embed.clone(), model.decoder_pos_embed.clone()
    training.pretrain(model, problem()[0], 0.5, schedule(), 0)
    assert torch.equal(model.encoder.pos_embed, before[0])
    assert torch.equal(model.decoder_pos_embed, before[1])


def test_layer_decay_slows_the_layers_below_the_head():
    model, (images, targets) = classifier(), problem(images=8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one_step = schedule(weight_decay=0.0, warmup=0.0)
    training.train_classifier(model, images, targets, one_step, 0, layer_decay=0.5)
    moved = {name: (value - before[name]).abs().max().item() for name, value in model.state_dict().items()}
    assert moved["head.weight"] == pytest.approx(0.01, rel=0.01)  # AdamW's first step is as long as its rate
    assert moved["blocks.0.mlp.fc2.weight"] == pytest.approx(0.005, rel=0.01)
    assert moved["patch_embed.proj.weight"] == pytest.approx(0.0025, rel=0.01)


def test_label_smoothing_raises_the_least_possible_loss():
    model, (images, targets) = classifier(), problem()
    history = training.train_classifier(model, images, targets, schedule(epochs=20), 0, smoothing=0.2)
    least = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert least <= history[-1]["loss"] < least + 0.05


def test_a_loss_that_is_not_finite_stops_the_training():
    images, targets = problem()
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"after epoch 1: lower training\.learning_rate"):
        training.train_classifier(classifier(), images, targets, schedule(), 0)


def test_a_trained_model_is_left_in_evaluation_mode():
    model, (images, targets) = classifier(), problem()
    training.train_classifier(model, images, targets, schedule(), 0)
    assert not any(module.training for module in model.modules())
