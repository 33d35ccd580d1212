"""Trainings of tiny models on images in memory, for tests."""

import multiprocessing
from types import SimpleNamespace

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer

from maescope.images.reading import Preprocessing
from maescope.models import feeding, mae, objectives, training

TINY = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
GREY = Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
AFFINE = {"kind": "affine", "degrees": 10.0, "scale": [0.9, 1.1], "shift": 0.05}
RECIPE = {
    "recipe": "scratch", "epochs": 1, "batch_size": 8, "learning_rate": 0.01, "smallest_learning_rate": 0.0,
    "warmup_epochs": 0.1, "weight_decay": 0.05, "betas": [0.9, 0.999], "layer_decay": 1.0, "clip": None,
    "average": None, "precision": "float32", "smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0, "seed": 0,
    "augmentation": {"kind": "none"},
}  # fmt: skip


def recipe(**changes) -> dict:
    return RECIPE | changes


def problem(images=16, side=8):
    """Dark and bright pictures, told apart by their mean: (n, 3, side, side) uint8, and their classes."""
    targets = np.arange(images) % 2
    noise = np.random.default_rng(0).normal(0, 8, (images, 3, side, side))
    return np.clip(noise + 64 + 128 * targets.reshape(-1, 1, 1, 1), 0, 255).astype(np.uint8), targets


def classifier(**arguments):
    torch.manual_seed(0)
    return VisionTransformer(**TINY | {"num_classes": 2, "global_pool": "avg"} | arguments)


def autoencoder(**arguments):
    torch.manual_seed(0)
    return mae.MaskedAutoencoder(VisionTransformer(**TINY | {"num_classes": 0} | arguments), 16, 1, 2)


def pretraining(normalised=False, ratio=0.5, model=None):
    return objectives.Pretraining(model or autoencoder(), ratio, normalised)


def classification(own=RECIPE, tuned=False, model=None):
    return objectives.Classification(model or classifier(), own, tuned)


def images_of(pixels, targets, own=RECIPE, hidden=None, preprocessing=GREY):
    """Images whose pictures are arrays."""
    images = feeding.Images(pixels, targets, preprocessing, own["augmentation"], own["seed"], hidden, np.asarray)
    images.kept = list(pixels)
    return images


def train(objective, own=RECIPE, given=None, validation=None, **further):
    """Train on arrays; weights as one vector, and the history."""
    pixels, targets = given or problem()
    images = images_of(pixels, targets, own, objective.hidden)
    judged = validation and images_of(*validation, own, objective.hidden)
    further = {"preprocessing": GREY} | further
    history = training.train(training.Training(objective, own, **further), images, judged)
    return SimpleNamespace(weights=vector(objective), history=history, objective=objective)


def vector(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def readers() -> list:
    """Processes of this one that read images; joblib's, of other tests, stay for a while."""
    return [process for process in multiprocessing.active_children() if "loky" not in type(process).__module__]
