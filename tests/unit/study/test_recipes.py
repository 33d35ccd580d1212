"""Recipes: the paper's for crops of 96 px and more, others below, and what cannot be trained."""

import copy

import numpy as np
import pytest
from PIL import Image
from test_refusals import SCHEMA, changed
from timm.data.auto_augment import rand_augment_transform

from maescope.base.errors import InputError
from maescope.images.reading import Preprocessing
from maescope.models.architectures import recorded_preprocessing
from maescope.models.augmentation import WholePictures
from maescope.study import recipes, settings, training_states


def entry(recipe="pretrain", crop=224, architecture="vit_base_patch16_224", **stated):
    """A model as the schema leaves it."""
    filled = {"validation": None, "decoder": {}, "augmentation": {}, "precision": "float32", "smoothing": 0.1}
    run = {"gpus": 1, "accumulation": None, "state_minutes": 10}
    training = {"recipe": recipe, "dataset": "pets", "epochs": 800} | filled | run | stated
    model = {"architecture": architecture, "arguments": {}, "preprocessing": {"crop": crop}, "training": training}
    recipes.complete(model)
    return model


@pytest.mark.parametrize(
    ("recipe", "architecture", "epochs", "wanted"),
    [  # tables 8, 9 and 11; the official pages
        (
            "pretrain", "vit_base_patch16_224", 800,
            {"batch_size": 4096, "learning_rate": 2.4e-3, "warmup_epochs": 40, "weight_decay": 0.05,
             "betas": [0.9, 0.95], "norm_pix_loss": True, "smallest_learning_rate": 0.0, "average": None,
             "decoder": {"width": 512, "depth": 8, "heads": 16},
             "augmentation": {"kind": "crop", "area": [0.2, 1.0], "flip": 0.5}},
        ),
        (
            "finetune", "vit_base_patch16_224", 100,
            {"batch_size": 1024, "learning_rate": 2e-3, "warmup_epochs": 5, "layer_decay": 0.65, "drop_path": 0.1,
             "mixup": 0.8, "cutmix": 1.0, "smallest_learning_rate": 1e-6, "betas": [0.9, 0.999], "clip": None,
             "augmentation": {"kind": "randaugment", "area": [0.08, 1.0], "flip": 0.5, "erasing": 0.25,
                              "policy": "rand-m9-mstd0.5-inc1"}},
        ),
        (
            "finetune", "vit_large_patch16_224", 50,
            {"learning_rate": 4e-3, "warmup_epochs": 5, "layer_decay": 0.75, "drop_path": 0.2},
        ),
        (
            "finetune", "vit_huge_patch14_224", 50,
            {"learning_rate": 4e-3, "layer_decay": 0.75, "drop_path": 0.3},
        ),
        (
            "scratch", "vit_large_patch16_224", 200,
            {"batch_size": 4096, "learning_rate": 1.6e-3, "weight_decay": 0.3, "betas": [0.9, 0.95],
             "warmup_epochs": 20, "drop_path": 0.2, "average": 0.9999, "mixup": 0.8},
        ),
    ],
)  # fmt: skip
def test_large_crops_are_trained_as_the_paper_trains(recipe, architecture, epochs, wanted):
    training = entry(recipe, architecture=architecture, epochs=epochs)["training"]
    for key, value in wanted.items():
        assert training[key] == (pytest.approx(value) if isinstance(value, float) else value), key


def test_short_trainings_warm_up_for_a_tenth():
    assert entry(epochs=100)["training"]["warmup_epochs"] == 10
    assert entry(epochs=100, warmup_epochs=40)["training"]["warmup_epochs"] == 40
    assert entry(epochs=100, warmup=0.25)["training"]["warmup_epochs"] == 25


def test_small_crops_are_trained_as_they_were():
    model = entry(crop=42, epochs=30)
    wanted = {"batch_size": 32, "learning_rate": 0.001, "warmup_epochs": 3, "weight_decay": 0.05, "layer_decay": 0.75}
    wanted |= {"norm_pix_loss": False, "mixup": 0.0, "drop_path": 0.0, "betas": [0.9, 0.95], "average": None}
    wanted |= {"decoder": {"width": 64, "depth": 2, "heads": 4}}
    wanted |= {"augmentation": {"kind": "affine", "degrees": 10, "scale": [0.85, 1.1], "shift": 0.1}}
    assert {key: model["training"][key] for key in wanted} == wanted
    assert model["training_run"] == {"device": "cpu", "gpus": 1, "accumulation": None, "state_minutes": 10}
    assert entry("finetune", 42)["training"]["betas"] == [0.9, 0.999]


def test_what_is_stated_counts_and_how_it_runs_is_kept_apart():
    model = entry(learning_rate=0.01, batch_size=64, gpus=2, device="cuda", augmentation={"degrees": 5})
    assert model["training"]["learning_rate"] == 0.01
    assert model["training"]["augmentation"]["kind"] == "affine" and model["training"]["augmentation"]["degrees"] == 5
    assert not model["training"].keys() & {*recipes.RUN, *recipes.INSTEAD, "warmup"} - {"warmup_epochs"}
    assert model["training_run"]["gpus"] == 2
    assert entry(base_learning_rate=1e-3, batch_size=64)["training"]["learning_rate"] == pytest.approx(2.5e-4)
    assert entry(base_learning_rate=1e-3, crop=42)["training"]["learning_rate"] == pytest.approx(1.25e-4)


def of(**changes):
    model = entry(**{"recipe": "finetune", "batch_size": 64} | changes)
    datasets = {"pets": {"classes": ["cat", "dog"]}, "others": {"classes": ["dog", "cat"]}}
    return "\n".join(recipes.problems("vit", model, datasets))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpus": 3}, "batch_size: 64 images cannot be shared equally by 3 gpus; take a multiple of 3"),
        (
            {"gpus": 2, "accumulation": 3},
            "batch_size: 64 images cannot be shared equally by 2 gpus x accumulation 3; take a",
        ),
        ({"accumulation": 64}, "batch_size: mixup and cutmix take images by twos; take a multiple of 128, not 64"),
        ({"batch_size": 33}, "batch_size: mixup and cutmix take images by twos; take a multiple of 2, not 33"),
        ({"validation": "others"}, "validation: others has other classes than pets; give both the same classes"),
        ({"validation": "pats"}, "validation: 'pats' is not among datasets"),
        (
            {"augmentation": {"kind": "crop", "degrees": 5}},
            "degrees: is of kind affine, not crop; leave it out, or set",
        ),
        ({"augmentation": {"shift": 0.1, "area": [0.5, 1.0]}}, "area: is of kind crop or randaugment, not affine"),
        ({"smallest_learning_rate": 1.0}, "smallest_learning_rate: 1 is above the peak of 0.000125; lower it"),
        ({"epochs": 30, "warmup_epochs": 40}, "warmup_epochs: 40 are more than its 30 epochs; lower it"),
        ({"augmentation": {"kind": "crop", "area": [1.0, 0.2]}}, "area: 1 is more than 0.2; write the smaller one"),
        ({"optimizer": "lars"}, "optimizer: lars is of recipe probe, not finetune; leave it out"),
    ],
)
def test_what_cannot_be_trained_is_one_line(changes, said):
    words = of(**changes)
    assert f"models.vit.training.{said}" in words.replace("training.augmentation.", "training.") and "\n" not in words


EVERY, LABELS, LEARNING = (
    {"pretrain", "finetune", "scratch", "probe"},
    {"finetune", "scratch", "probe"},
    {"finetune", "scratch"},
)
KEYS = {  # of an entry: a value that is right, and the recipes that it changes something of
    "recipe": (None, EVERY),
    "dataset": ("pets", EVERY),
    "validation": ("pets", EVERY),
    "initial": ("mae", {"finetune", "probe"}),
    "seed": (3, EVERY),
    "seeds": ([3], EVERY),
    "mask_ratio": (0.5, {"pretrain"}),
    "norm_pix_loss": (True, {"pretrain"}),
    "decoder": ({"width": 32}, {"pretrain"}),
    "epochs": (2, EVERY),
    "batch_size": (32, EVERY),
    "learning_rate": (0.01, EVERY),
    "base_learning_rate": (0.01, EVERY),
    "smallest_learning_rate": (1e-9, EVERY),
    "warmup": (0.2, EVERY),
    "warmup_epochs": (1, EVERY),
    "weight_decay": (0.1, EVERY),
    "optimizer": ("lars", {"probe"}),
    "betas": ([0.8, 0.9], EVERY - {"probe"}),  # of a probe with adamw alone
    "layer_decay": (0.9, {"finetune"}),
    "clip": (1.0, EVERY),
    "average": (0.9, EVERY),
    "precision": ("bfloat16", EVERY),
    "smoothing": (0.2, LEARNING),
    "mixup": (0.5, LABELS),
    "cutmix": (0.5, LABELS),
    "drop_path": (0.1, LEARNING),
    "augmentation": ({"kind": "crop"}, EVERY),
    "device": ("cpu", EVERY),
    "gpus": (2, EVERY),
    "accumulation": (2, EVERY),
    "state_minutes": (5, EVERY),
}


def checked(recipe, **stated):
    """What the checker says of a model with that entry, beside another to begin with."""
    config = changed("least", [])
    begun = {"initial": "mae"} if recipe in ("finetune", "probe") else {}
    entry = {"recipe": recipe, "dataset": "pets", "epochs": 2} | begun | stated
    vit = {"architecture": "vit_tiny_patch16_224", "num_classes": 2 * (recipe != "pretrain"), "training": entry}
    mae = {"architecture": "vit_tiny_patch16_224", "weights": "/nowhere/mae.pth"}
    config["models"] |= {"mae": mae, "trained": vit}
    try:
        return settings.check(config, SCHEMA, recorded_preprocessing)["models"]
    except InputError as error:
        return str(error).removeprefix("the configuration is not usable:\n  ")


@pytest.mark.parametrize("recipe", sorted(EVERY))
@pytest.mark.parametrize("key", KEYS)
def test_each_key_of_an_entry_is_of_use_to_its_recipe_or_refused(key, recipe):
    value, of_use = KEYS[key]
    found = checked(recipe, **{} if key == "recipe" else {key: value})
    if recipe in of_use:
        assert isinstance(found, dict), found
        return
    assert found.startswith(f"models.trained.training.{key}: ") and "leave" in found and "\n" not in found


def test_the_table_above_has_every_key():
    assert KEYS.keys() == SCHEMA["$defs"]["training"]["properties"].keys()


def test_none_of_a_key_says_what_is_so_anyway():
    assert isinstance(checked("pretrain", mixup=0, cutmix=0, drop_path=0, smoothing=0, initial=None), dict)
    assert isinstance(checked("scratch", norm_pix_loss=False, decoder={}), dict)


def test_a_probe_has_betas_where_adamw_trains_it_and_none_else():
    tuned = checked("probe", optimizer="adamw", betas=[0.8, 0.9])["trained"]["training"]
    assert tuned["betas"] == [0.8, 0.9] and "betas" not in checked("probe")["trained"]["training"]


RIGHT = [
    "rand-m9-mstd0.5-inc1",
    "rand-m5",
    "rand-n3-p0.7",
    "rand-m15-mmax20",
    "rand-mstd101-m0-n0-p1",
    "rand-m10-p0-inc0",
]
RIGHT += ["rand-m9-tweights-inc1", "rand-m9-t3a", "rand-t3aw-n1"]
WRONG = {
    "rand-m": "m is no part of RandAugment",
    "rand-m9.5": "m9.5 is no part",
    "rand-m9-inc": "inc is no part",
    "rand-m9-inc2": "inc2 is no part",
    "rand-m9-x1": "x1 is no part",
    "rand-m9-mtsd0.5": "mtsd0.5 is no part",
    "rand-m9-p1.5": "p1.5 is no part",
    "rand-m9-mstd0.5.5": "mstd0.5.5 is no part",
    "rand-m9-w0": "w0 is no part",
    "rand-m9-tfoo": "tfoo names no set of transforms; write tweights, t3a, t3aw, or leave it out",
    "rand-m9-t": "t names no set of transforms",
    "rand-m9-m5": "has m twice; leave one of them out",
    "rand-m15": "m15 would be cut to 10; lower it, or raise mmax",
    "rand-m9-mmax5": "m9 would be cut to 5",
}

PASSED_OVER = [
    "rand-m",
    "rand-m9-inc",
    "rand-m9-inc2",
    "rand-m9-p1.5",
    "rand-m9-tfoo",
    "rand-m9-t",
    "rand-m9-m5",
    "rand-m15",
]
PASSED_OVER += ["rand-m9-mmax5"]


def policy(words, recipe="finetune"):
    return checked(recipe, augmentation={"kind": "randaugment", "policy": words})


@pytest.mark.parametrize("words", RIGHT)
def test_a_policy_that_is_accepted_is_one_that_timm_augments_by(words):
    assert isinstance(policy(words), dict)
    how = {"kind": "randaugment", "area": [0.5, 1.0], "flip": 0.5, "policy": words, "erasing": 0.25}
    augment = WholePictures(how, Preprocessing(8, 8, "bicubic", (0.5,) * 3, (0.5,) * 3))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    assert all(np.isfinite(augment(picture, seed)).all() for seed in range(60))


@pytest.mark.parametrize("words", WRONG)
def test_a_policy_that_timm_stumbles_over_or_passes_over_is_refused_while_planning(words):
    said = policy(words)
    assert said.startswith(f"models.trained.training.augmentation.policy: {WRONG[words]}") and "\n" not in said
    if words not in PASSED_OVER:
        with pytest.raises((AssertionError, ValueError)):
            rand_augment_transform(words, {})


@pytest.mark.parametrize(
    "words", ["m9-mstd0.5", "rand", "rand-", "rand-m9-", "rand-9", "rand m9", "augmix-m3", "rand-M9"]
)
def test_what_is_no_policy_at_all_is_refused_with_an_example(words):
    said = policy(words)
    assert said.endswith("will not do; write RandAugment as timm does, such as rand-m9-mstd0.5-inc1"), said


def test_what_can_be_trained_is_not_refused():
    assert not of() and not of(gpus=2, accumulation=4) and not of(validation="pets")
    assert not of(recipe="pretrain", validation="others", batch_size=33)


def test_of_two_keys_for_the_same_one_is_stated():
    model = {"training": {"learning_rate": 0.1, "base_learning_rate": 0.1, "warmup": 0.1}}
    (words,) = recipes.stated_problems({"vit": model, "other": {"training": None}})
    assert words == "models.vit.training: has both learning_rate and base_learning_rate; leave one of them out"
    assert not list(recipes.stated_problems({"vit": {"training": {"warmup_epochs": 1}}}))


def test_completing_leaves_other_models_alone():
    first, second = entry(), entry()
    before = copy.deepcopy(second)
    first["training"]["decoder"]["width"] = first["training"]["betas"][0] = 8
    assert second == before == entry()


def test_how_many_images_pass_at_a_time():
    model = entry("finetune", gpus=4)
    assert recipes.together(model["training"], model["training_run"]) == 64
    assert recipes.together(model["training"], model["training_run"] | {"accumulation": 8}) == 32


def test_states_of_trainings_are_named_with_whom_they_are_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("vit", "gone"):
        folder = training_states.STATES / name
        folder.mkdir(parents=True)
        (folder / "000000001.0123456789abcdef.pt").write_bytes(bytes(5_000_000))
    gone, vit = training_states.remarks(lambda path: path == "results/models/vit.safetensors")
    assert vit.endswith("/vit: 0.005 GB: the training has not ended; its next attempt goes on from there")
    assert "nothing trains it with this configuration" in gone
    (tmp_path / "results/models/vit.safetensors").write_bytes(b"")
    _, vit = training_states.remarks(lambda path: True)
    assert vit.endswith("its training has ended; if nothing runs, rm -r it")
