"""Training: the rate, repeatability, what each key of a recipe does, and failure."""

import math

import numpy as np
import pytest
import torch
from trainings import AFFINE, classification, classifier, pretraining, problem, recipe, train, vector

from maescope.models import states, training


def test_the_rate_rises_from_0_by_iteration_and_falls_along_half_a_cosine_to_the_smallest():
    own = recipe(learning_rate=2.0, warmup_epochs=10, epochs=100)
    assert training.rate(own, 0) == 0
    assert [training.rate(own, epoch / 4) for epoch in range(40)] == pytest.approx([0.05 * step for step in range(40)])
    assert training.rate(own, 10) == pytest.approx(2.0)
    assert training.rate(own, 55) == pytest.approx(1.0)  # half way down
    assert training.rate(own, 25) == pytest.approx(1 + math.cos(math.pi / 6))
    assert training.rate(own, 100) == pytest.approx(0.0, abs=1e-12)
    least = own | {"smallest_learning_rate": 0.5}
    assert training.rate(least, 55) == pytest.approx(1.25) and training.rate(least, 100) == pytest.approx(0.5)


@pytest.mark.parametrize("warm", [0.0, 5.0])
def test_the_rate_is_finite_at_the_ends_of_warm_up(warm):
    rates = [training.rate(recipe(warmup_epochs=warm, epochs=5), epoch) for epoch in range(6)]
    assert all(0 <= rate <= 0.01 for rate in rates)


def pretrained(**changes):
    return train(pretraining(), recipe(augmentation=AFFINE, epochs=2, **changes))


def fine_tuned(**changes):
    own = recipe(augmentation=AFFINE, epochs=2, **changes)
    return train(classification(own), own)


@pytest.mark.parametrize("run", [pretrained, fine_tuned])
def test_one_seed_gives_identical_weights_and_another_seed_others(run):
    first, again, other = (run(seed=seed).weights for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("run", [pretrained, fine_tuned])
def test_history_has_a_row_an_epoch(run):
    rows = run().history
    assert [set(row) for row in rows] == [{"epoch", "loss", "learning_rate", "flops"}] * 2
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(math.isfinite(row["loss"]) for row in rows)


def test_flops_are_those_of_the_matrix_products():
    rows = train(classification(), recipe(epochs=2)).history
    width, tokens, patches = 16, 5, 4
    embed = 2 * patches * 48 * width
    block = 2 * tokens * width * (3 * width + width + 8 * width) + 2 * 2 * tokens * tokens * width
    head = 2 * width * 2
    assert [row["flops"] for row in rows] == [16 * (embed + block + head), 32 * (embed + block + head)]


def test_pretraining_brings_the_loss_down():
    rows = train(pretraining(), recipe(epochs=30, weight_decay=0.0, warmup_epochs=3)).history
    assert rows[-1]["loss"] < 0.3 * rows[0]["loss"]


def test_a_classifier_learns_a_tiny_problem():
    run = train(classification(), recipe(epochs=10, warmup_epochs=1), validation=problem())
    assert run.history[-1]["loss"] < 0.3 * run.history[0]["loss"]
    assert run.history[-1]["validation_accuracy"] == 1


def test_what_a_validation_has_is_that_of_the_weights_of_the_epochs_end():
    own, (pixels, targets) = recipe(epochs=1, smoothing=0.3), problem(70)
    run = train(classification(own), own, validation=(pixels[2:], targets[2:]))  # 68 images: more than a batch
    images = (torch.from_numpy(pixels[2:]).double() / 255 - 0.5) / 0.25
    with torch.inference_mode():
        logits = run.objective.model.double()(images)
    right = torch.from_numpy(targets[2:])
    row = run.history[-1]
    assert row["validation_loss"] == pytest.approx(-logits.log_softmax(1)[range(68), right].mean().item(), rel=1e-5)
    assert row["validation_accuracy"] == (logits.argmax(1) == right).double().mean().item()


def test_validating_changes_no_weight():
    own = recipe(epochs=2, augmentation=AFFINE)
    assert torch.equal(train(classification(), own).weights, train(classification(), own, validation=problem()).weights)


def test_fixed_positions_are_not_trained():
    objective = pretraining()
    before = objective.model.encoder.pos_embed.clone(), objective.model.decoder_pos_embed.clone()
    train(objective)
    assert torch.equal(objective.model.encoder.pos_embed, before[0])
    assert torch.equal(objective.model.decoder_pos_embed, before[1])


def test_layer_decay_slows_the_layers_below_the_head():
    own = recipe(weight_decay=0.0, warmup_epochs=0.0, layer_decay=0.5)
    objective = classification(own, tuned=True)
    before = {name: value.clone() for name, value in objective.model.state_dict().items()}
    train(objective, own, problem(images=8))
    moved = {name: (value - before[name]).abs().max().item() for name, value in objective.model.state_dict().items()}
    assert moved["head.weight"] == pytest.approx(0.01, rel=0.01)  # AdamW's first step is as long as its rate
    assert moved["blocks.0.mlp.fc2.weight"] == pytest.approx(0.005, rel=0.01)
    assert moved["patch_embed.proj.weight"] == pytest.approx(0.0025, rel=0.01)


@pytest.mark.parametrize("pooling", ["token", "avg"])
def test_the_norm_before_the_head_learns_as_fast_as_the_head(pooling):
    """Of the official get_layer_id_for_vit everything that is no embedding and no block; timm's norm is of the last."""
    objective = classification(recipe(layer_decay=0.5), True, classifier(depth=3, global_pool=pooling))
    names = {id(p): name for name, p in objective.model.named_parameters()}
    found = {names[id(p)]: group for group in objective.groups(0.05) for p in group["params"]}
    assert found.keys() == set(names.values())
    for name, group in found.items():
        layer = 4 if name.startswith(("norm", "fc_norm", "head")) else 0
        layer = int(name.split(".")[1]) + 1 if name.startswith("blocks") else layer
        assert group["lr_scale"] == 0.5 ** (4 - layer), name
        bare = name.endswith("bias") or "norm" in name or name in ("cls_token", "pos_embed")
        assert group["weight_decay"] == (0.0 if bare else 0.05), name


def test_label_smoothing_raises_the_least_possible_loss():
    own = recipe(epochs=20, smoothing=0.2, warmup_epochs=2)
    least = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert least <= train(classification(own), own).history[-1]["loss"] < least + 0.05


def test_accumulation_takes_the_same_steps():
    own = recipe(epochs=2, augmentation=AFFINE, smoothing=0.1, mixup=0.8, cutmix=1.0)
    whole = train(classification(own), own)
    parts = train(classification(own), own, accumulation=4)
    assert [row["loss"] for row in parts.history] == pytest.approx([row["loss"] for row in whole.history], rel=1e-5)
    assert (whole.weights - parts.weights).abs().max() < 1e-4


def test_what_fills_no_step_at_the_end_of_an_epoch_is_left_out_and_a_set_smaller_than_a_step_is_one():
    whole, cut = (train(classification(), given=problem(images)).history[0] for images in (16, 19))
    assert whole["flops"] == cut["flops"]
    small = train(classification(), recipe(batch_size=32), given=problem(5)).history[0]
    assert small["flops"] == whole["flops"] / 16 * 5


def test_the_average_of_weights_is_what_is_left_and_judged():
    own = recipe(epochs=1, warmup_epochs=0.0)
    weights, objective = [], classification(own)
    start = vector(objective)
    step = torch.optim.AdamW.step

    def seen(optimizer, *given):
        step(optimizer, *given)
        weights.append(vector(objective))

    torch.optim.AdamW.step = seen
    try:
        averaged = train(objective, own | {"average": 0.15}).weights
    finally:
        torch.optim.AdamW.step = step
    first = (start + 9 * weights[0]) / 10  # (1 + step) / (10 + step) where that is less
    assert torch.allclose(averaged, 0.15 * first + 0.85 * weights[1], atol=1e-6)
    assert not torch.allclose(averaged, weights[1], atol=1e-4)


def test_clipping_cuts_the_norm_of_all_gradients_together():
    norms, step = [], torch.optim.AdamW.step

    def seen(optimizer, *given):
        own = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.cat(own).norm().item())
        step(optimizer, *given)

    torch.optim.AdamW.step = seen
    try:
        train(classification())
        train(classification(), recipe(clip=0.05))
    finally:
        torch.optim.AdamW.step = step
    assert min(norms[:2]) > 0.06 and norms[2:] == pytest.approx([0.05, 0.05], rel=1e-3)


def test_bfloat16_keeps_weights_and_losses_in_single_precision():
    half = recipe(epochs=2, precision="bfloat16")
    run, other = train(classification(half), half), train(classification(), recipe(epochs=2))
    assert {value.dtype for value in run.objective.state_dict().values()} == {torch.float32}
    losses, others = ([row["loss"] for row in one.history] for one in (run, other))
    assert losses != others and losses == pytest.approx(others, rel=0.03)


def test_drop_path_is_drawn_anew_in_each_step_and_alike_in_each_run():
    own = recipe(epochs=2)
    first, again = (train(classification(model=classifier(depth=3, drop_path_rate=0.5)), own) for _ in range(2))
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.weights, train(classification(model=classifier(depth=3)), own).weights)


def test_a_loss_that_is_not_finite_stops_the_training():
    objective = classification()
    objective.model.head.weight.data[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"^the loss is nan after epoch 1$"):
        train(objective)


def test_weights_that_are_not_finite_are_neither_kept_nor_saved(tmp_path, monkeypatch):
    """Those of the last step are in no loss: a state of them would go on into the same end for ever."""
    monkeypatch.chdir(tmp_path)
    take, steps = torch.optim.AdamW.step, []

    def broken(self, *given):
        take(self, *given)
        steps.append(1)
        if len(steps) == 4:
            self.param_groups[0]["params"][0].data.fill_(np.inf)

    monkeypatch.setattr(torch.optim.AdamW, "step", broken)
    for kept in (states.States("vit", {}, 0), None):
        steps.clear()
        with pytest.raises(FloatingPointError, match=r"^\S+ has weights that are no numbers$"):
            train(classification(), recipe(epochs=2), states=kept)
    assert states.States("vit", {}, 0).take_over()["step"] == 3


def test_a_trained_model_is_left_in_evaluation_mode():
    assert not any(module.training for module in train(classification()).objective.modules())
