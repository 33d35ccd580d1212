"""The linear probe against torch's own batch norm, a loop of LARS from its paper, and the classifier it becomes."""

import numpy as np
import pytest
import torch
import trainings
from test_ranks import two
from torch import nn
from torch.nn import functional as F

from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints, linear_probe, objectives, ranks, states

ARGUMENTS = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}


def probed(pooling: str) -> nn.Module:
    """A small ViT in float64 with a probe that has seen three batches."""
    torch.manual_seed(0)
    model = architectures.build("vit_tiny_patch16_224", ARGUMENTS, 5, pooling).double()
    linear_probe.attach(model)
    model.double().train()
    for _ in range(3):
        model(1 + 3 * torch.randn(8, 3, 16, 16, dtype=torch.float64))
    nn.init.normal_(model.head[1].bias)
    return model.eval()


@pytest.mark.parametrize("pooling", ["token", "avg"])
def test_what_it_becomes_is_a_classifier_that_says_the_same(pooling):
    model = probed(pooling)
    plain = architectures.build("vit_tiny_patch16_224", ARGUMENTS, 5, pooling).double()
    plain.load_state_dict(linear_probe.classifier(model.state_dict()))
    images = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        expected, found = model(images), plain(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_its_own_file_is_read_as_the_same_classifier(tmp_path):
    """As that of the official code, batch norm and linear layer apart."""
    model = probed("token").float()
    checkpoints.save(model.state_dict(), str(tmp_path / "probe.safetensors"), {})
    plain = architectures.build("vit_tiny_patch16_224", ARGUMENTS, 5, "token")
    checkpoints.load(plain, str(tmp_path / "probe.safetensors"))
    images = torch.randn(6, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), model(images), rtol=0, atol=1e-5)


def test_only_the_head_learns_and_features_are_made_without_gradients():
    model = probed("avg").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = linear_probe.lars(linear_probe.groups(model, 0.0), 0.5)
    images, targets = torch.randn(8, 3, 16, 16, dtype=torch.float64), torch.arange(8) % 5
    features = model.forward_head(model.forward_features(images), pre_logits=True)
    assert not features.requires_grad
    F.cross_entropy(model(images), targets).backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    norm = {f"head.0.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert changed == {"head.1.weight", "head.1.bias"} | norm


def test_lars_is_that_of_the_official_code():
    """Twenty steps in float64: momentum 0.9; of weights the rate is adapted, trust 0.001, of biases nothing is."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(20, 16, 6)), rng.integers(0, 3, (20, 16))
    weight, bias = 0.01 * rng.normal(size=(3, 6)), np.zeros(3)
    model = nn.Module()
    model.head = nn.Sequential(nn.Identity(), nn.Linear(6, 3).double())
    with torch.no_grad():
        model.head[1].weight.copy_(torch.from_numpy(weight))
        model.head[1].bias.zero_()
    optimizer = linear_probe.lars(linear_probe.groups(model, 0.0), 0.1)
    momenta = [np.zeros_like(weight), np.zeros_like(bias)]
    for step in range(20):
        rate = 0.1 * (step + 1)
        scores = features[step] @ weight.T + bias
        likely = np.exp(scores - scores.max(1, keepdims=True))
        likely /= likely.sum(1, keepdims=True)
        error = (likely - np.eye(3)[targets[step]]) / 16  # of the mean cross-entropy
        gradients = [error.T @ features[step], error.sum(0)]
        gradients[0] *= 0.001 * np.linalg.norm(weight) / np.linalg.norm(gradients[0])
        momenta = [0.9 * momentum + gradient for momentum, gradient in zip(momenta, gradients, strict=True)]
        weight, bias = weight - rate * momenta[0], bias - rate * momenta[1]
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        optimizer.zero_grad()
        F.cross_entropy(model.head(torch.from_numpy(features[step])), torch.from_numpy(targets[step])).backward()
        optimizer.step()
    np.testing.assert_allclose(model.head[1].weight.detach(), weight, rtol=1e-12)
    np.testing.assert_allclose(model.head[1].bias.detach(), bias, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_norm_is_over_the_batches_of_all_processes(monkeypatch, dtype):
    """Ours sees five of eight images; the sums of the others come from elsewhere."""
    batches = 4 + torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(0), dtype=dtype)
    whole, ours = nn.BatchNorm1d(6, eps=1e-6, affine=False, dtype=dtype), linear_probe.BatchNorm(6).to(dtype)

    def all_reduce(sums):
        others = batch[5:].double().numpy()
        sums += torch.from_numpy(np.concatenate([others.sum(0), (others**2).sum(0), [3]]))

    monkeypatch.setattr(linear_probe.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(linear_probe.distributed, "all_reduce", all_reduce)
    for batch in batches:
        torch.testing.assert_close(ours(batch[:5]), whole(batch)[:5], rtol=1e-5, atol=1e-6)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(ours, name), getattr(whole, name))
    torch.testing.assert_close(ours.eval()(batch), whole.eval()(batch))


def test_batch_norm_of_one_image_is_refused():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        linear_probe.BatchNorm(6)(torch.zeros(1, 6))


PROBE = trainings.recipe(recipe="probe", epochs=8, optimizer="adamw", learning_rate=0.05, weight_decay=0.0)


def probing(own=PROBE):
    """A probe of a random encoder, whose head begins with the same weights each time."""
    model = trainings.classifier()
    linear_probe.attach(model)
    return objectives.Probing(model, own)


@pytest.fixture(scope="module")
def trained():
    """Dark and bright pictures of a frozen encoder drawn at random, trained by the engine in one go."""
    return trainings.train(probing(), PROBE)


def test_the_engine_trains_a_probe_which_tells_what_features_tell(trained):
    losses = [row["loss"] for row in trained.history]
    assert losses[0] > 0.4 and losses[-1] < 0.1
    assert trained.objective.model.head[0].num_batches_tracked == 8 * 2  # of steps alone, two of an epoch
    before, after = probing().model.state_dict(), trained.objective.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if not name.startswith("head."))


@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
def test_a_probe_goes_on_from_a_state_as_if_it_had_never_ended(optimizer, tmp_path, monkeypatch):
    """Batch norm and momentum are part of the state."""
    own = PROBE | {"optimizer": optimizer, "epochs": 3}
    monkeypatch.chdir(tmp_path)
    whole = trainings.train(probing(own), own)

    class Killed(Exception):
        pass

    objective, steps = probing(own), iter(range(4))
    forward = objective.forward

    def until_killed(*given):
        if objective.training and next(steps, None) is None:
            raise Killed
        return forward(*given)

    objective.forward = until_killed
    kept = states.States("m", {"recipe": optimizer}, 0)
    with pytest.raises(Killed):
        trainings.train(objective, own, states=kept)
    resumed = trainings.train(probing(own), own, states=kept)
    assert torch.equal(resumed.weights, whole.weights) and resumed.history == whole.history


def test_two_processes_probe_as_one_at_the_same_batch(monkeypatch):
    """Each has half of every batch, which is normalised as a whole."""

    def run(world=None):
        found = trainings.train(probing(), PROBE, world=world or ranks.World())
        return found.weights.tolist(), found.history

    alone, (first, second) = run(), (value for _, value in sorted(two(run, monkeypatch).items()))
    assert first == second
    assert first[0] == pytest.approx(alone[0], rel=1e-4, abs=1e-5)
    assert [row["loss"] for row in first[1]] == pytest.approx([row["loss"] for row in alone[1]], rel=1e-5)


def test_a_probe_on_one_image_is_one_line_that_names_the_key_and_on_two_it_is_trained():
    """Torch's batch norm would raise a ValueError."""
    said = r"^training\.dataset: 1 image, but a step takes 2 or more \(with the batch norm of a probe\); give more$"
    with pytest.raises(InputError, match=said):
        trainings.train(probing(), PROBE, given=trainings.problem(1))
    found = trainings.train(probing(), PROBE, given=trainings.problem(2), validation=trainings.problem(1))
    assert len(found.history) == 8 and found.weights.isfinite().all()


@pytest.mark.parametrize("objective", [trainings.pretraining, trainings.classification])
def test_other_trainings_go_on_one_image(objective):
    found = trainings.train(objective(), trainings.recipe(epochs=2), given=trainings.problem(1))
    assert len(found.history) == 2 and found.weights.isfinite().all()
