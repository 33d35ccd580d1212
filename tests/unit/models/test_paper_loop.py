"""Twenty steps of training against a loop in float64 that is written from the papers and knows tensors by their names.

He et al. (2022): patches, fixed sine-cosine positions, encoder on what is seen, decoder on all, loss on what is hidden;
Dosovitskiy et al. (2021): the layers; Loshchilov and Hutter (2019): AdamW; Bao et al. (2022): layer decay. Of torch it
takes products, sums and their derivatives. What is compared are losses, and the gradients of the last step.
"""

import math

import numpy as np
import pytest
import torch
from trainings import GREY, autoencoder, classification, classifier, images_of, pretraining, problem, recipe

from maescope.models import training

WIDTH, DEPTH, HEADS, PATCH, SIDE, EPOCHS = 16, 2, 2, 4, 8, 10  # of 16 images in steps of 8
DECODER = 2  # heads; it is 16 wide and one block deep
PEAK, LEAST, WARM, DECAY = 0.003, 0.0002, 2.5, 0.1


def norm(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weights[f"{name}.weight"]
        + weights[f"{name}.bias"]
    )


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def block(x, weights, name, heads):
    inside = linear(norm(x, weights, f"{name}.norm1"), weights, f"{name}.attn.qkv")
    wide, each = x.shape[-1], x.shape[-1] // heads
    joined = []
    for head in range(heads):
        query, key, value = (
            inside[..., part * wide + head * each : part * wide + (head + 1) * each] for part in range(3)
        )
        scores = (query @ key.transpose(1, 2) / math.sqrt(each)).exp()
        joined.append(scores / scores.sum(-1, keepdim=True) @ value)
    x = x + linear(torch.cat(joined, -1), weights, f"{name}.attn.proj")
    hidden = linear(norm(x, weights, f"{name}.norm2"), weights, f"{name}.mlp.fc1")
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return x + linear(hidden, weights, f"{name}.mlp.fc2")


def squares(images):
    """Patches row by row, in each pixel by pixel red, green and blue: (B, N, 48)."""
    found = []
    for top in range(0, SIDE, PATCH):
        for left in range(0, SIDE, PATCH):
            found.append(images[:, :, top : top + PATCH, left : left + PATCH].permute(0, 2, 3, 1).flatten(1))
    return torch.stack(found, 1)


def positions(width):
    """Sines of row and column at width / 4 frequencies, then cosines; of CLS zero."""
    codes = [np.zeros(width)]
    for row in range(SIDE // PATCH):
        for column in range(SIDE // PATCH):
            angles = [place / 10000 ** (4 * k / width) for place in (row, column) for k in range(width // 4)]
            codes.append(np.concatenate([np.sin(angles), np.cos(angles)]))
    return torch.tensor(np.stack(codes))


def embedded(images, weights):
    """Patch tokens (B, N, D), without positions: the convolution's weights have red, green and blue apart."""
    kernel = weights["patch_embed.proj.weight"].permute(0, 2, 3, 1).flatten(1)
    return squares(images) @ kernel.T + weights["patch_embed.proj.bias"]


def pretraining_loss(weights, images, targets, visible, normalised):
    x = embedded(images, weights) + positions(WIDTH)[1:]
    x = torch.stack([tokens[own] for tokens, own in zip(x, visible, strict=True)])
    cls = (weights["cls_token"][0] + positions(WIDTH)[:1]).expand(len(x), 1, -1)
    x = torch.cat([cls, x], 1)
    for layer in range(DEPTH):
        x = block(x, weights, f"blocks.{layer}", HEADS)
    x = linear(norm(x, weights, "norm"), weights, "decoder_embed")
    everything = []
    for tokens, own in zip(x, visible.tolist(), strict=True):
        rows = [tokens[1 + own.index(patch)] if patch in own else weights["mask_token"][0, 0] for patch in range(4)]
        everything.append(torch.stack([tokens[0], *rows]))
    x = block(torch.stack(everything) + positions(16), weights, "decoder_blocks.0", DECODER)
    made = linear(norm(x, weights, "decoder_norm"), weights, "decoder_pred")[:, 1:]
    losses, truth = [], squares(images)
    for picture in range(len(images)):
        for patch in set(range(4)) - set(visible[picture].tolist()):
            wanted = truth[picture, patch]
            if normalised:
                variance = (wanted - wanted.mean()).square().sum() / (len(wanted) - 1)
                wanted = (wanted - wanted.mean()) / (variance + 1e-6).sqrt()
            losses.append((made[picture, patch] - wanted).square().mean())
    return sum(losses) / len(losses)


def labels_loss(weights, images, targets, visible, smoothing):
    """`targets` are shares of classes, smoothed already, or integers."""
    x = torch.cat([weights["cls_token"].expand(len(images), -1, -1), embedded(images, weights)], 1)
    x = x + weights["pos_embed"]
    for layer in range(DEPTH):
        x = block(x, weights, f"blocks.{layer}", HEADS)
    logits = linear(norm(x[:, 1:].mean(1), weights, "fc_norm"), weights, "head")
    shares = targets.double() if targets.ndim == 2 else torch.eye(2)[targets].double() * (1 - smoothing) + smoothing / 2
    return -(shares * (logits - logits.exp().sum(-1, keepdim=True).log())).sum(-1).mean()


def layer_scale(name, layer_decay):
    """Embeddings are layer 0, blocks 1 and up, what comes behind them one more; the last learns at the full rate."""
    layer = 0 if name.startswith(("cls_token", "pos_embed", "patch_embed")) else DEPTH + 1
    layer = int(name.split(".")[1]) + 1 if name.startswith("blocks.") else layer
    return layer_decay ** (DEPTH + 1 - layer)


def paper(start, batches, loss_of, betas, scale_of, decays, fixed):
    """Losses of all steps, and the gradients of the last one."""
    weights = {name: value.double().clone().requires_grad_(name not in fixed) for name, value in start.items()}
    own = {name: value for name, value in weights.items() if name not in fixed}
    first, second = ({name: torch.zeros_like(value) for name, value in own.items()} for _ in range(2))
    losses = []
    for step, (images, targets, visible) in enumerate(batches):
        epoch = step / 2
        rate = PEAK * epoch / WARM
        if epoch >= WARM:
            half = (1 + math.cos(math.pi * (epoch - WARM) / (EPOCHS - WARM))) / 2
            rate = LEAST + (PEAK - LEAST) * half
        loss = loss_of(weights, images.double(), targets, visible)
        gradients = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
        losses.append(loss.item())
        with torch.no_grad():
            for name, value in own.items():
                mine, scaled = gradients[name], rate * scale_of(name)
                first[name] = betas[0] * first[name] + (1 - betas[0]) * mine
                second[name] = betas[1] * second[name] + (1 - betas[1]) * mine**2
                mean, square = first[name] / (1 - betas[0] ** (step + 1)), second[name] / (1 - betas[1] ** (step + 1))
                value -= scaled * DECAY * value * decays(name, value)
                value -= scaled * mean / (square.sqrt() + 1e-8)
    return losses, gradients


def ours(monkeypatch, objective, own, dtype):
    """Losses of all steps, the gradients of the last one, and the batches as the loss has seen them."""
    pixels, targets = problem(side=SIDE)
    batches, losses, gradients = [], [], {}
    batch_of, take = training.Training.batch_of, torch.optim.AdamW.step

    def seen(self, batch, training=True):
        images, labels, visible = batch_of(self, batch, training)
        batches.append((images.double(), labels, visible))
        return images.to(dtype), labels.to(dtype) if labels.is_floating_point() else labels, visible

    def stepped(self, *given):
        gradients.update({name: p.grad.clone() for name, p in objective.model.named_parameters() if p.requires_grad})
        take(self, *given)

    monkeypatch.setattr(training.Training, "batch_of", seen)
    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    objective.register_forward_hook(lambda *said: losses.append(said[-1].item()) if said[-1].requires_grad else None)
    images = images_of(pixels, targets, own, objective.hidden)
    training.train(training.Training(objective.to(dtype), own, GREY), images)
    return losses[-20:], {name.removeprefix("encoder."): value for name, value in gradients.items()}, batches


def compare(found, wanted, tolerance):
    losses, gradients, _ = found
    assert len(losses) == 20 and np.allclose(losses, wanted[0], rtol=tolerance, atol=0)
    assert gradients.keys() == wanted[1].keys()
    largest = max(value.abs().max() for value in wanted[1].values())
    for name, value in wanted[1].items():
        assert (gradients[name].double() - value).abs().max() <= tolerance * largest, name


TWENTY = {"epochs": EPOCHS, "learning_rate": PEAK, "smallest_learning_rate": LEAST, "warmup_epochs": WARM}
TWENTY |= {"weight_decay": DECAY}
PRECISIONS = [(torch.float64, 1e-10), (torch.float32, 2e-6)]


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("normalised", [False, True])
def test_pretraining_is_the_papers(monkeypatch, normalised, dtype, tolerance):
    own = recipe(recipe="pretrain", betas=[0.9, 0.95], **TWENTY)
    objective = pretraining(normalised, 0.5, autoencoder(depth=DEPTH))
    assert np.allclose(objective.model.encoder.pos_embed[0].double(), positions(WIDTH), atol=1e-6)
    for name in ("encoder.pos_embed", "decoder_pos_embed"):  # float32, and the paper's are not
        objective.model.get_parameter(name).data = positions(WIDTH)[None].clone()
    start = {name: value.clone() for name, value in objective.model.official_state_dict().items()}
    found = ours(monkeypatch, objective, own, dtype)
    fixed = ("pos_embed", "decoder_pos_embed")
    wanted = paper(
        start, found[2], lambda *given: pretraining_loss(*given, normalised), (0.9, 0.95), lambda name: 1.0,
        lambda name, value: value.ndim > 1, fixed,
    )  # fmt: skip
    compare(found, wanted, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.8, "cutmix": 1.0}])
def test_fine_tuning_is_the_papers(monkeypatch, mixing, dtype, tolerance):
    own = recipe(recipe="finetune", smoothing=0.1, layer_decay=0.65, **mixing, **TWENTY)
    objective = classification(own, tuned=True, model=classifier(depth=DEPTH))
    start = {name: value.clone() for name, value in objective.model.state_dict().items()}
    found = ours(monkeypatch, objective, own, dtype)
    assert {labels.ndim for _, labels, _ in found[2]} == ({2} if mixing else {1})
    wanted = paper(
        start, found[2], lambda *given: labels_loss(*given, 0.1), (0.9, 0.999), lambda name: layer_scale(name, 0.65),
        lambda name, value: value.ndim > 1 and name not in ("pos_embed", "cls_token"), (),
    )  # fmt: skip
    compare(found, wanted, tolerance)
