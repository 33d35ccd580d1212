"""What a sweep asks of a configuration: every refusal names its key and both numbers."""

from pathlib import Path

import pytest
import yaml
from conftest import SCHEMA

from maescope.base.errors import InputError
from maescope.study import settings, sizes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "tests/workflow/sweep.yaml").read_text())


def refused(config):
    with pytest.raises(InputError) as caught:
        settings.check(config, SCHEMA)
    return str(caught.value)


@pytest.mark.parametrize("name", ["tests/workflow/sweep.yaml", "config/sweep.yaml"])
def test_a_setting_has_all_seeds_of_its_models_each_with_weights_of_its_own(name):
    checked = settings.check(yaml.safe_load((ROOT / name).read_text()), SCHEMA)
    first = checked["study"]["sweep"][0]
    assert len(first["pretrained"]) == len(first["finetuned"]) == len(set(first["pretrained"])) > 1
    for number, (model, tuned) in enumerate(zip(first["pretrained"], first["finetuned"], strict=True)):
        entry = checked["models"][model]
        assert entry["weights"] == f"results/models/{model}.safetensors" and entry["training"]["seed"] == number
        assert checked["models"][tuned]["training"]["initial"] == model


def test_a_study_without_seeds_trains_from_its_own():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"seed": 7}
    trained = settings.check(config, SCHEMA)["models"].values()
    assert {model["training"]["seed"] for model in trained} == {7}


def test_masks_and_models_must_go_together(config):
    config["study"]["sweep"][0]["mask"] = "mask_50"
    words = refused(config)
    assert "study.sweep, entry 1.mask: mask_50 hides 0.5, but low-0 is pretrained with 0.25" in words
    assert "models.low.patch_tokens: study.sweep needs those of mask_50" in words
    assert "study.sweep, entry 2: the same ratio and patch size as entry 1" in words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"mask": "blur"},
            "entry 2.mask: 'blur' is not a perturbation of kind mask (known: 'mask_25', 'mask_50', 'mask_75')",
        ),
        ({"mask": "gone"}, "study.sweep, entry 2.mask: 'gone' is not a perturbation of kind mask"),
        ({"pretrained": "gone"}, "study.sweep, entry 2: 'gone' is not among models (known: 'low-0', 'low-1', "),
        ({"pretrained": []}, "study.sweep, entry 2.pretrained: names no model"),
        ({"finetuned": "high_a"}, "entry 2.finetuned: high_a has 0 outputs, datasets.three 3 classes"),
        ({"pretrained": ["low_tuned"]}, "low_tuned-0 is trained with recipe finetune, not pretrain"),
    ],
)
def test_what_leads_nowhere_is_refused(config, change, said):
    config["study"]["sweep"][1] |= change
    assert said in refused(config)


def test_patches_of_two_sizes_or_of_none_known_are_refused(config):
    config["models"]["middle_b"]["arguments"] = {**config["models"]["middle_b"]["arguments"], "patch_size": 8}
    assert "study.sweep, entry 2: models of patches of 4 and 8 px; give each size an entry" in refused(config)


def test_a_ratio_that_leaves_nothing_to_see_or_too_little_for_a_subspace(config):
    config["perturbations"]["mask_75"]["ratio"] = 0.95
    words = refused(config)
    assert "study.sweep, entry 3.mask: a ratio of 0.95 leaves none of the 16 patches of high_a" in words
    config["perturbations"]["mask_75"]["ratio"] = 0.9
    assert "at most 3 (3 images of 1 visible patches of high_a)" in refused(config)


def test_weights_may_be_left_out_only_of_what_is_trained_here(config):
    del config["models"]["high_a"]["weights"]
    assert "models.high_a.weights: needed, for high_a has no training here" in refused(config)


def test_a_model_has_one_setting_and_is_built_as_its_twins(config):
    config["study"]["sweep"][1]["pretrained"] = ["middle_a", "high_a"]
    assert "study.sweep, entry 3: high_a is named in entry 2 already" in refused(config)
    config["study"]["sweep"][1]["pretrained"] = ["middle_a", "middle_b"]
    config["models"]["middle_b"]["arguments"] = {**config["models"]["middle_b"]["arguments"], "depth": 4}
    words = refused(config)
    assert "study.sweep, entry 2: middle_b (vit_tiny_patch16_224, " in words
    assert "depth 4, num_heads 3, crop 16 px) is not built as middle_a (" in words and "depth 2" in words
    assert "crop 16 px) and low-0 (" in words and "differ in more than patch size" in words


def test_what_is_fine_tuned_starts_from_its_own_entry(config):
    config["study"]["sweep"][1]["finetuned"] = config["study"]["sweep"][0].pop("finetuned")
    assert "entry 2.finetuned: low_tuned-0 starts from low-0, but pretrained here are middle_a, middle_b" in refused(
        config
    )


def test_a_sweep_compares_two_settings_or_more(config):
    config["study"]["sweep"] = config["study"]["sweep"][:1]
    assert "study.sweep: no two entries differ in ratio or patch size alone" in refused(config)


def test_settings_are_trained_for_as_many_gradient_steps():
    config = yaml.safe_load((ROOT / "config/sweep.yaml").read_text())
    for name, change in (("ratio_90", {"epochs": 20}), ("patch_8_tuned", {"batch_size": 64})):
        config["models"][name]["training"] = config["models"][name]["training"] | change
    words = refused(config)
    assert "study.sweep: ratio_90-0 is trained for 20 epochs of digits_train by 32 images per step, " in words
    assert "ratio_25-0 for 40 epochs of digits_train by 32 images per step; make them equal" in words
    assert "patch_8_tuned-0 is trained for 5 epochs of digits_train by 64 images per step" in words


def test_settings_differ_in_ratio_and_patch_size_alone(config):
    for name in ("high_a", "high_b"):
        config["models"][name]["arguments"] = {**config["models"][name]["arguments"], "depth": 3}
    words = refused(config)
    assert "study.sweep: high_a (vit_tiny_patch16_224, img_size 16, patch_size 4, embed_dim 24, depth 3" in words
    assert "and low-0 (vit_tiny_patch16_224, " in words and "differ in more than patch size" in words


def test_settings_see_as_many_pixels(config):
    for name in ("high_a", "high_b"):
        config["models"][name]["preprocessing"] = {**config["models"][name]["preprocessing"], "resize": 20, "crop": 20}
    assert "crop 20 px) and low-0 (" in refused(config)


def test_a_classifier_is_built_as_what_it_is_fine_tuned_from(config):
    config["models"]["low_tuned"]["arguments"] = {**config["models"]["low_tuned"]["arguments"], "depth": 3}
    words = refused(config)
    assert "models.low_tuned.training.initial: low_tuned-0 (vit_tiny_patch16_224, img_size 16, patch_size 4, " in words
    assert "depth 3" in words and "is not built as low-0 (" in words
    config["models"]["low_tuned"] |= {"training": None, "weights": "random:9"}
    config["study"] |= {"finetuned": ["low_tuned"]}
    assert "study.sweep, entry 1.finetuned: low_tuned (" in refused(config)


def test_beit_cannot_be_masked(config):
    for name in ("high_a", "high_b"):
        config["models"][name] |= {"architecture": "beit_base_patch16_224", "arguments": {}}
    config["study"] |= {"pretrained": "high_a", "mask": "mask_75"}
    words = refused(config)
    assert "study.sweep, entry 3.pretrained: high_a is a BEiT, which needs all patches" in words
    assert "study.pretrained: high_a is a BEiT, which needs all patches and cannot see masked images" in words


def test_names_and_patches_that_are_nearly_right(config):
    config["study"] |= {"finetuned": ["low_tuned"], "compared": ["low-0", "low_1"]}
    words = refused(config)
    assert "'low_tuned' is not among models (it has several seeds; name one: 'low_tuned-0', 'low_tuned-1')" in words
    assert "study.compared: 'low_1' is not among models (did you mean 'low-1'?)" in words
    config["study"]["sweep"][0]["mask"] = "mask_2"
    assert "entry 1.mask: 'mask_2' is not a perturbation of kind mask (did you mean 'mask_25'?)" in refused(config)
    config["models"]["low"]["training"]["seeds"] = 3
    config["models"]["high_a"]["arguments"] = {**config["models"]["high_a"]["arguments"], "patch_size": "4"}
    words = refused(config)
    assert "models.low.training.seeds: 3 is no list; write [3]" in words
    assert "models.high_a.arguments.patch_size: '4' is not of type 'integer'" in words


def test_what_is_wrong_with_a_model_of_several_seeds_is_said_once(config):
    config["models"]["low"]["patch_tokens"] = ["mask_2"]
    lines = refused(config).splitlines()
    assert len([line for line in lines if "'mask_2' is not among perturbations" in line]) == 1
    assert "  models.low.patch_tokens: 'mask_2' is not among perturbations (did you mean 'mask_25'?)" in lines


def test_a_key_with_nothing_below_it_is_one_left_out(config):
    config |= {"conventions": None}
    config["study"]["sweep"] = None
    assert settings.check(config, SCHEMA)["conventions"] == {}


def test_a_convention_needs_a_mask_or_whole_images(config):
    config |= {"conventions": {"other": {"mask": "blur"}, "none": {"mask": "mask_2"}}}
    config["study"] |= {"pretrained": "low-0", "mask": "mask_25"}
    words = refused(config)
    assert "conventions.other.mask: blur is of kind blur, but low-0 is to see masked images (kind mask)" in words
    assert "patch_tokens: conventions" not in words
    assert "conventions.none.mask: 'mask_2' is not among perturbations (did you mean 'mask_25'?)" in words


def test_a_name_that_says_less_or_a_size_that_is_said_twice_is_no_difference(config):
    models = settings.check(config, SCHEMA)["models"]
    base = models["high_a"] | {"architecture": "vit_base_patch16_224", "arguments": {}}
    for same in ({"arguments": {"depth": 12, "mlp_ratio": 4}}, {"architecture": "deit_base_patch16_224"}):
        assert sizes.differences(base, base | same) == []
    assert sizes.differences(base, base | {"architecture": "vit_large_patch14_224"}) == [
        "patch_size",
        "embed_dim",
        "depth",
    ]


def test_only_models_have_seeds(config):
    config["perturbations"]["blur-1"] = config["perturbations"].pop("blur")
    config["study"]["blur"] = "blur"
    assert "study.blur: 'blur' is not among perturbations (did you mean 'blur-1'?)" in refused(config)
