"""The configuration: defaults, and every wrong key named by its path."""

import copy
import datetime
from pathlib import Path

import pytest
import yaml
from conftest import SCHEMA

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.models.architectures import recorded_preprocessing
from maescope.study import class_lists, completion, settings, weight_files
from maescope.study.target_lookups import TargetLookUps

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path):
    """The least that is valid: one model with weights at hand."""
    (tmp_path / "w.safetensors").write_bytes(b"x")
    return {
        "study": {"name": "s", "finetuned": ["vit"], "dataset": "pets"},
        "datasets": {"pets": {"pattern": "/data/{label}/*.png", "classes": ["cat", "dog"]}},
        "models": {"vit": {"architecture": "vit_tiny", "weights": str(tmp_path / "w.safetensors"), "num_classes": 2}},
        "perturbations": {
            "clean": {"kind": "clean"},
            "mask": {"kind": "mask"},
            "blur": {"kind": "blur", "levels": {"I": {"kernel": 5, "sigma": 1.0}}},
            "occlusion": {"kind": "occlusion"},
        },
    }


def change(config, path, value):
    """Set the value at a dotted path, or delete it."""
    *parents, key = path.split(".")
    for parent in parents:
        config = config[parent] if isinstance(config, dict) else config[int(parent)]
    if value is None:
        del config[key]
    else:
        config[key] = value


def problems(config):
    with pytest.raises(InputError) as caught:
        settings.check(config, SCHEMA)
    return str(caught.value)


def test_defaults_are_filled_in_at_every_depth(config):
    config["models"]["vit"]["training"] = {"recipe": "scratch", "dataset": "pets", "epochs": 3}
    config["models"]["vit"]["weights"] = "results/models/vit.safetensors"
    checked = settings.check(config, SCHEMA)
    assert checked["seed"] == 0
    assert checked["analysis"] == {
        "among": "all",
        "subspace": {"k": 10, "centring": "none", "every_angle": None},
        "neighbours": 5,
        "folds": 5,
        "low_frequencies": 0.25,
        "perplexity": 30,
        "features": {"k": None, "threshold": 0.6, "shuffles": 10},
        "confidence": 0.95,
        "resamples": 2000,
    }
    assert checked["study"]["tsne"] == {"labels": None, "images": 30}
    assert checked["study"]["occlusion"] == ["occlusion"]
    model = checked["models"]["vit"]
    assert model["preprocessing"]["resize"] == 256
    assert model["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert model["training"]["augmentation"]["kind"] == "randaugment"
    assert model["training"]["decoder"] == {"width": 512, "depth": 8, "heads": 16}
    assert checked["perturbations"]["mask"] == {"kind": "mask", "ratio": 0.75, "masks": 1, "seed": None}
    assert checked["perturbations"]["occlusion"]["levels"] == list(range(0, 100, 10))
    assert checked["datasets"]["pets"]["labels"] == ["cat", "dog"]


def test_given_values_are_kept(config):
    config["seed"] = 5
    config["datasets"]["pets"] |= {"labels": ["dog"], "count": 7}
    checked = settings.check(config, SCHEMA)
    assert (checked["seed"], checked["datasets"]["pets"]["count"]) == (5, 7)
    assert checked["datasets"]["pets"]["labels"] == ["dog"]


def test_the_input_is_not_modified(config):
    before = copy.deepcopy(config)
    settings.check(config, SCHEMA)
    assert config == before


def test_two_entries_do_not_share_their_defaults(config):
    config["models"]["other"] = copy.deepcopy(config["models"]["vit"])
    checked = settings.check(config, SCHEMA)
    checked["models"]["vit"]["preprocessing"]["mean"][0] = 9
    assert checked["models"]["other"]["preprocessing"]["mean"][0] == 0.485
    assert settings.check(config, SCHEMA)["models"]["vit"]["preprocessing"]["mean"][0] == 0.485


def test_the_embedded_configuration_is_valid():
    checked = settings.check(yaml.safe_load((ROOT / "config/config.yaml").read_text()), SCHEMA)
    assert len(checked["perturbations"]["blur"]["levels"]) == 10
    assert checked["models"]["mae_pretrained"]["training"]["mask_ratio"] == 0.75


@pytest.mark.parametrize(
    ("key", "value", "where", "nearest"),
    [
        ("datsets", {}, "the top level", "datasets"),
        ("study.finetund", ["vit"], "study", "finetuned"),
        ("datasets.pets.cuont", 5, "datasets.pets", "count"),
        ("models.vit.wieghts", "x", "models.vit", "weights"),
        ("perturbations.blur.levels.I.sigam", 1, "perturbations.blur.levels.I", "sigma"),
        ("perturbations.mask.raito", 0.5, "perturbations.mask", "ratio"),
        ("analysis", {"confidense": 0.9}, "analysis", "confidence"),
    ],
)
def test_a_mistyped_key_is_named_with_the_nearest_right_one(config, key, value, where, nearest):
    change(config, key, value)
    typo = "confidense" if key == "analysis" else key.rpartition(".")[2]
    assert f"{where}: unknown key '{typo}' (did you mean '{nearest}'?)" in problems(config)


@pytest.mark.parametrize("value", ["50", True, 50.0, 0, -1, [50]])
def test_a_count_must_be_a_positive_whole_number(config, value):
    change(config, "datasets.pets.count", value)
    assert "\n  datasets.pets.count: " in problems(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "0"),
        ("seed", -1),
        ("perturbations.blur.levels.I.kernel", 4),
        ("perturbations.blur.levels.I.kernel", 5.0),
        ("perturbations.blur.levels.I.sigma", 0),
        ("perturbations.blur.levels.I.sigma", "1"),
        ("perturbations.mask.ratio", 1),
        ("perturbations.mask.ratio", 0),
        ("perturbations.occlusion.order", "best"),
        ("perturbations.occlusion.fill", "white"),
        ("models.vit.batch_size", True),
        ("models.vit.pooling", "max"),
        ("models.vit.sha256", "abc"),
        ("models.vit.precision", "float16"),
        ("datasets.pets.allow_fewer", "yes"),
        ("datasets.pets.on_bad_image", "ignore"),
        ("study.name", "../elsewhere"),
    ],
)
def test_a_wrong_type_or_range_is_named_by_its_path(config, key, value):
    change(config, key, value)
    assert f"\n  {key}: " in problems(config)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (("blur", "occlusion"), ("blur", ["occlusion"])),
        (("gauss", "patches"), ("gauss", ["patches"])),  # however they are called
        (("gauss", "blur", "patches", "occlusion"), ("blur", ["occlusion"])),
        (("blur",), ("blur", [])),
        (("occlusion",), (None, ["occlusion"])),
        ((), (None, [])),
    ],
)
def test_a_study_has_the_blur_and_the_occlusion_that_are_there(config, written, found):
    kinds = {"blur": config["perturbations"].pop("blur"), "occlusion": config["perturbations"].pop("occlusion")}
    kinds |= {"gauss": kinds["blur"], "patches": kinds["occlusion"]}
    config["perturbations"] |= {name: kinds[name] for name in written}
    study = settings.check(config, SCHEMA)["study"]
    assert (study["blur"], study["occlusion"]) == found


def test_a_study_may_do_without_the_blur_and_the_occlusion_that_are_there(config):
    config["study"] |= {"blur": None, "occlusion": []}
    study = settings.check(config, SCHEMA)["study"]
    assert (study["blur"], study["occlusion"]) == (None, [])


@pytest.mark.parametrize("level", [100, -10, "10", 10.0, True])
def test_an_occlusion_level_is_a_whole_percentage_below_100(config, level):
    config["perturbations"]["occlusion"]["levels"] = [0, level]
    assert "\n  perturbations.occlusion.levels.1: " in problems(config)


def test_an_even_kernel_is_explained(config):
    change(config, "perturbations.blur.levels.I.kernel", 6)
    assert "perturbations.blur.levels.I.kernel: 6 is even; a kernel needs an odd size" in problems(config)


@pytest.mark.parametrize(
    "key", ["study", "datasets", "models", "perturbations", "study.dataset", "models.vit.architecture"]
)
def test_a_missing_key_is_named(config, key):
    change(config, key, None)
    parent, _, name = key.rpartition(".")
    assert f"{parent or 'the top level'}: '{name}' is a required property" in problems(config)


@pytest.mark.parametrize("key", ["labels", "classes"])
def test_a_label_given_twice_is_named(config, key):
    change(config, f"datasets.pets.{key}", ["cat", "dog", "cat"])
    assert f"datasets.pets.{key}: cat named twice" in problems(config)


@pytest.mark.parametrize("label", ["../up", "a/b", "", " a", ".hidden"])
def test_labels_that_would_leave_their_folder_are_refused(config, label):
    change(config, "datasets.pets.labels", ["cat", label])
    assert "\n  datasets.pets.labels.1: " in problems(config)


def test_a_label_that_is_a_number_must_be_quoted(config):
    change(config, "datasets.pets.labels", ["cat", 7])
    assert "datasets.pets.labels.1: 7 is no text; quote it" in problems(config)


def test_a_pattern_without_a_label_is_refused(config):
    change(config, "datasets.pets.pattern", "/data/*/*.png")
    assert "datasets.pets.pattern: '/data/*/*.png' has no {label}" in problems(config)


def test_all_problems_come_in_one_message(config):
    change(config, "seed", "0")
    change(config, "datasets.pets.count", 0)
    message = problems(config)
    assert "seed: " in message and "datasets.pets.count: " in message


def test_missing_weights_are_named_with_the_key(config):
    change(config, "models.vit.weights", "/nowhere/mae.pth")
    weights = settings.check(config, SCHEMA)["models"]["vit"]["weights"]  # a download must be able to plan
    with pytest.raises(
        InputError, match=r"models\.vit\.weights: there is no file /nowhere/mae\.pth; config/README\.md"
    ):
        weight_files.weights_file("vit", weights)


def test_weights_that_the_workflow_makes_or_the_hub_has_need_not_be_there():
    assert weight_files.weights_file("vit", "results/models/vit.safetensors") == "results/models/vit.safetensors"
    assert weight_files.weights_file("vit", "hub:vit_base_patch16_224.mae") is None


def test_a_folder_as_weights_is_named_with_the_key(config, tmp_path):
    change(config, "models.vit.weights", str(tmp_path))
    assert f"models.vit.weights: {tmp_path} is a folder; give the .pth" in problems(config)


@pytest.mark.parametrize("weights", ["hub:vit_base_patch16_224.mae", "random:7"])
def test_hub_and_random_weights_need_no_file(weights, config):
    change(config, "models.vit.weights", weights)
    settings.check(config, SCHEMA)
    assert weight_files.weights_file("vit", weights) is None


def test_an_occlusion_of_figure_5_without_level_0_is_refused(config):
    config["perturbations"]["occlusion"]["levels"] = [10, 50]
    assert "perturbations.occlusion.levels: lack 0, where the curves of Figure 5 begin; add it" in problems(config)


def test_dropping_all_patches_is_refused_with_both_numbers(config):
    config["perturbations"]["occlusion"] |= {"fill": "drop", "levels": [0, 99]}
    config["models"]["vit"] |= {"architecture": "vit_tiny_patch16_224", "preprocessing": {"resize": 32, "crop": 32}}
    assert "perturbations.occlusion.levels: 99 % leaves none of the 4 patches of vit to keep" in problems(config)


def test_a_crop_larger_than_what_it_is_cut_from_is_refused_with_both_numbers(config):
    config["models"]["vit"]["preprocessing"] = {"crop": 384}  # of 256, the default
    said = "models.vit.preprocessing.resize: 256 is smaller than the crop of 384; raise it"
    assert said in problems(config)


def test_patches_cannot_be_dropped_from_a_beit(config):
    config["perturbations"]["dropped"] = {"kind": "occlusion", "fill": "drop"}
    config["models"]["beit"] = config["models"]["vit"] | {"architecture": "beit_base_patch16_224"}
    config["study"]["finetuned"] = ["vit", "beit"]
    said = "dropped takes patches away (fill: drop), but beit is a BEiT, which needs all; fill them"
    config["conventions"] = {"drop": {"occlusion": "dropped"}}
    settings.check(config, SCHEMA)  # conventions are of the first model
    config["study"]["finetuned"] = ["beit", "vit"]
    assert f"conventions.drop.occlusion: {said}" in problems(config)
    config["study"]["occlusion"] = ["dropped"]
    assert f"study.occlusion: {said}" in problems(config)


def test_crops_that_are_no_squares_are_judged_by_each_side(config):
    entry = config["models"]["vit"]
    entry["arguments"] = {"img_size": [224, 192], "patch_size": 16}
    entry["preprocessing"] = {"crop": [224, 192], "resize": 192}
    settings.check(config, SCHEMA)
    entry["preprocessing"] = {"crop": [224, 200], "resize": 199}
    found = problems(config)
    assert "models.vit: patches of 16 px do not divide the crop of 224 x 200 px; change one of them" in found
    assert "models.vit.preprocessing.resize: 199 is smaller than the crop of 224 x 200; raise it" in found


def test_positions_are_resampled_where_it_is_asked_for_and_that_is_in_the_fingerprint(config):
    hashes = []
    for changes in ({}, {"resample_positions": True}):
        own = copy.deepcopy(config)
        own["models"]["vit"] |= changes | {"arguments": {"img_size": 224}}
        checked = settings.check(own, SCHEMA)
        assert checked["models"]["vit"].get("resample_positions", False) == bool(changes)
        hashes.append(TargetLookUps(checked).config_hash_of("vit", "pets", "clean"))
    assert hashes[0] != hashes[1]
    config["models"]["vit"]["resample_positions"] = True
    config["models"]["vit"]["training"] = {"recipe": "scratch", "dataset": "pets", "epochs": 1}
    assert "models.vit.resample_positions: a model that is trained here is of the size of its crops" in problems(config)


def test_patches_are_not_ranked_by_a_cls_token_that_is_not_there(config):
    config["perturbations"]["by_cls"] = {"kind": "occlusion", "rollout": "cls"}
    config["models"]["gap"] = config["models"]["vit"] | {"architecture": "vit_huge_patch14_gap_224", "pooling": "avg"}
    config["study"]["finetuned"] = ["vit", "gap"]
    config["conventions"] = {"cls": {"occlusion": "by_cls"}, "heads": {"heads": "without_cls"}}
    settings.check(config, SCHEMA)  # conventions are of the first model
    config["study"]["finetuned"] = ["gap", "vit"]
    said = "by_cls ranks patches by what feeds CLS (rollout: cls), but gap has none; leave it out"
    assert f"conventions.cls.occlusion: {said}" in problems(config)
    assert "conventions.heads.heads: gap has neither CLS nor registers, so this changes nothing" in problems(config)
    config["models"]["gap"]["arguments"] = {"reg_tokens": 4}
    assert "conventions.heads.heads" not in problems(config)
    config["study"]["occlusion"] = ["by_cls"]
    assert f"study.occlusion: {said}" in problems(config)


def test_a_folder_does_not_stand_in_another(config):
    config["folders"] = {"root": "/data", "imagenet": "{root}/imagenet"}
    said = "folders.imagenet: '{root}/imagenet' has braces, which stand for another folder; write the whole path"
    assert said in problems(config)


def test_random_weights_have_no_digest_to_check(config):
    config["models"]["vit"] |= {"weights": "random:7", "sha256": "0" * 64}
    assert "models.vit.sha256: of weights drawn at random there is no file to check" in problems(config)


def test_models_are_compared_where_there_is_a_pretrained_one_or_they_are_named(config):
    assert settings.check(config, SCHEMA)["study"]["compared"] == []
    config["study"]["compared"] = ["vit"]
    config["datasets"]["pets"]["count"] = 1
    assert "datasets.pets.count: 1 image per label" in problems(config)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("study.finetuned", ["vti"], "study.finetuned: 'vti' is not among models (did you mean 'vit'?)"),
        ("study.pretrained", "mae", "study.pretrained: 'mae' is not among models"),
        ("study.dataset", "pest", "study.dataset: 'pest' is not among datasets (did you mean 'pets'?)"),
        ("study.blur", "blurr", "study.blur: 'blurr' is not among perturbations (did you mean 'blur'?)"),
        ("study.blur", "mask", "study.blur: mask is of kind mask"),
        ("study.occlusion", ["occlusion", "blur"], "study.occlusion: blur is of kind blur"),
        ("models.vit.patch_tokens", ["maks"], "patch_tokens: 'maks' is not among perturbations (did you mean 'mask'?)"),
        ("perturbations.clean", {"kind": "mask"}, "perturbations.clean: kind must be clean"),
        ("datasets.pets.labels", ["cat", "cow"], "datasets.pets.labels: cow not among the 2 classes"),
        ("models.vit.num_classes", 3, "models.vit.num_classes: 3, but datasets.pets has 2 classes"),
        ("models.vit.num_classes", 0, "models.vit: study.finetuned needs a head"),
        ("models.vit.weights", "results/models/vit.safetensors", "models.vit.training: needed"),
        ("perturbations.blur.levels.I.kernel", 449, "kernel: 449 does not fit the 224 px crop of vit"),
        ("models.vit.arguments", {"patch_size": 15}, "models.vit: patches of 15 px do not divide the crop of 224 px"),
        ("models.vit.weights", "random:", "models.vit.weights: 'random:' has no seed; write random:0"),
        ("models.vit.weights", "random:12345678901234567890", "write random:0 or another number of up to nine digits"),
        ("study.compared", ["vti"], "study.compared: 'vti' is not among models (did you mean 'vit'?)"),
    ],
)
def test_what_does_not_fit_together_is_named(config, key, value, message):
    change(config, key, value)
    assert message in problems(config)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"recipe": "finetune", "initial": "mae"}, "training.initial: 'mae' is not among models"),
        ({"recipe": "scratch", "initial": "vit"}, "training.initial: only for recipe finetune"),
        ({"recipe": "pretrain"}, "num_classes: 2 does not go with recipe pretrain"),
        ({"recipe": "scratch", "dataset": "pats"}, "training.dataset: 'pats' is not among datasets"),
        ({"recipe": "pretrain", "mask_ratio": 0.999}, "mask_ratio: a ratio of 0.999 leaves none of the 196 patches"),
        ({"recipe": "finetune", "initial": "hub"}, "training.initial: hub has no file of weights to begin with"),
        ({"recipe": "finetune", "initial": "drawn"}, "training.initial: drawn has no file of weights to begin with"),
    ],
)
def test_a_training_that_does_not_fit_is_named(config, training, message):
    for name, weights in (("hub", "hub:vit_base_patch16_224.mae"), ("drawn", "random:0")):
        config["models"][name] = {"architecture": "vit_tiny_patch16_224", "weights": weights}
    config["models"]["vit"]["architecture"] = "vit_tiny_patch16_224"
    config["models"]["vit"]["training"] = {"dataset": "pets", "epochs": 1} | training
    config["models"]["vit"]["weights"] = "results/models/vit.safetensors"
    assert message in problems(config)


def test_a_trained_model_says_where_its_weights_will_be(config):
    config["models"]["vit"]["training"] = {"recipe": "scratch", "dataset": "pets", "epochs": 1}
    assert "weights: results/models/vit.safetensors" in problems(config)


def test_classes_come_from_a_file_or_from_imagenet(config, tmp_path):
    (tmp_path / "classes.txt").write_text("dog\ncat\n\n")
    change(config, "datasets.pets.classes", str(tmp_path / "classes.txt"))
    assert settings.check(config, SCHEMA)["datasets"]["pets"]["classes"] == ["dog", "cat"]
    change(config, "datasets.pets.classes", "imagenet-1k")
    change(config, "models.vit.num_classes", 1000)
    classes = settings.check(config, SCHEMA)["datasets"]["pets"]["classes"]
    assert (len(classes), classes[0], classes[-1]) == (1000, "n01440764", "n15075141")
    change(config, "datasets.pets.classes", "/nowhere.txt")
    assert "there is no file /nowhere.txt" in problems(config)


def test_no_mapping_of_the_schema_takes_unknown_keys(config):
    for path in ("study", "datasets.pets", "models.vit", "perturbations.clean", "perturbations.occlusion"):
        changed = copy.deepcopy(config)
        change(changed, f"{path}.zzz", 1)
        assert f"{path}: unknown key 'zzz'" in problems(changed)


def test_the_fingerprint_ignores_the_order_of_keys_and_nothing_else():
    one = provenance.fingerprint({"a": 1, "b": {"c": [1, 2], "d": None}}, 0)
    assert one == provenance.fingerprint({"b": {"d": None, "c": [1, 2]}, "a": 1}, 0)
    others = [
        provenance.fingerprint({"a": 1, "b": {"c": [2, 1], "d": None}}, 0),
        provenance.fingerprint({"a": 1, "b": {"c": [1, 2]}}, 0),
        provenance.fingerprint({"a": 1, "b": {"c": [1, 2], "d": None}}, 1),
    ]
    assert len({one, *others}) == 4


def test_trained_weights_are_known_by_their_folder():
    assert weight_files.is_trained("results/models/mae.safetensors")
    assert not weight_files.is_trained("/data/results/models/mae.safetensors")


# --- corruptions, shifts and heads ----------------------------------------------------------------------------------

FIFTEEN = SCHEMA["$defs"]["corruption"]["properties"]["name"]["enum"][2:]


def test_all_corruptions_are_fifteen_perturbations_of_their_own_names(config):
    config["perturbations"]["corruptions"] = {"kind": "corruption", "name": "all"}
    checked = settings.check(config, SCHEMA)
    assert "corruptions" not in checked["perturbations"]
    assert checked["study"]["corruptions"] == FIFTEEN
    assert {checked["perturbations"][name]["name"] for name in FIFTEEN} == set(FIFTEEN)
    assert checked["perturbations"]["fog"]["levels"] == list("12345")


def test_an_entry_of_its_own_goes_before_all(config, tmp_path):
    config["perturbations"] |= {
        "corruptions": {"kind": "corruption", "name": "all", "frost": str(tmp_path)},
        "fog": {"kind": "corruption", "name": "snow"},
        "plain": {"kind": "corruption", "name": "frost"},
    }
    checked = settings.check(config, SCHEMA)["perturbations"]
    assert checked["fog"]["name"] == "snow"
    assert (checked["frost"]["frost"], checked["plain"]["frost"]) == (str(tmp_path), None)
    assert checked["snow"]["frost"] is None  # it would only change the fingerprint


def test_a_corruption_is_named_by_its_entry_and_a_wrong_name_gets_the_nearest(config):
    config["perturbations"]["fog"] = {"kind": "corruption"}
    assert settings.check(config, SCHEMA)["perturbations"]["fog"]["name"] == "fog"
    config["perturbations"]["gausian_noise"] = {"kind": "corruption"}
    assert "perturbations.gausian_noise.name: 'gausian_noise' is none of the fifteen corruptions" in problems(config)
    assert "did you mean 'gaussian_noise'" in problems(config)


@pytest.mark.parametrize("group", ["", "weather/"])
def test_a_tree_is_read_with_and_without_group_folders(config, tmp_path, group):
    for severity in ("1", "3", ".DS_Store"):
        (tmp_path / "c" / f"{group}fog" / severity).mkdir(parents=True)
    config["perturbations"]["corruptions"] = {"kind": "corruption", "name": "all", "folder": str(tmp_path / "c")}
    checked = settings.check(config, SCHEMA)["perturbations"]
    assert checked["fog"]["folder"] == str(tmp_path / "c" / f"{group}fog")
    assert checked["fog"]["levels"] == ["1", "3"]
    assert checked["snow"]["levels"] == []


def test_a_tree_that_has_a_corruption_twice_is_refused_with_both(config, tmp_path):
    for folder in ("fog/1", "backup/fog/2", "weather/snow/1", "other/snow"):
        (tmp_path / folder).mkdir(parents=True)
    config["perturbations"]["c"] = {"kind": "corruption", "name": "snow", "folder": str(tmp_path)}
    settings.check(config, SCHEMA)  # other/snow has no severity in it
    config["perturbations"]["c"]["name"] = "fog"
    assert f"{tmp_path} has fog twice, in {tmp_path}/fog and {tmp_path}/backup/fog; name the folder" in problems(config)


@pytest.mark.parametrize("folder", ["tree", "gone"])
def test_a_tree_without_any_of_them_is_refused_once_they_are_asked_for(folder, config, tmp_path):
    (tmp_path / "tree/n01440764").mkdir(parents=True)
    config["perturbations"]["corruptions"] = {"kind": "corruption", "name": "all", "folder": str(tmp_path / folder)}
    checked = settings.check(config, SCHEMA)["perturbations"]  # a download must be able to plan
    with pytest.raises(InputError, match=rf"/{folder} has none of the corruptions asked for; looked for .*]fog/1"):
        completion.corruptions_there(["fog", "snow"], checked)
    assert completion.corruptions_there(["clean"], checked) == []


def test_a_tree_may_lack_some_of_the_corruptions_but_not_the_one_asked_for(config, tmp_path):
    (tmp_path / "fog/2").mkdir(parents=True)
    config["perturbations"] |= {
        "corruptions": {"kind": "corruption", "name": "all", "folder": str(tmp_path)},
        "snow": {"kind": "corruption"},  # generated
    }
    checked = settings.check(config, SCHEMA)["perturbations"]
    assert completion.corruptions_there(FIFTEEN, checked) == ["snow", "fog"]
    with pytest.raises(InputError, match=r"has none of the corruptions asked for; looked for .*]frost/1"):
        completion.corruptions_there(["frost", "snow"], checked)


def test_a_folder_of_frost_must_be_there(config):
    config["perturbations"]["frost"] = {"kind": "corruption", "frost": "/gone"}
    assert "perturbations.frost.frost: there is no folder /gone" in problems(config)


def test_defaults_of_table_2_and_of_the_heads(config):
    study = settings.check(config, SCHEMA)["study"]
    assert (study["corruptions"], study["corrupted"], study["heads"], study["shifts"]) == ([], ["vit"], "vit", {})
    assert study["controlled"] == study["finetuned"]


def test_wrong_names_in_the_study_are_refused(config):
    config["study"] |= {
        "controlled": ["vti"],
        "corruptions": ["blur", "fgo"],
        "corrupted": ["vti"],
        "heads": "tiv",
        "shifts": {"r": "pets"},
    }
    said = problems(config)
    assert "study.corruptions: blur is of kind blur" in said
    assert "study.corruptions: 'fgo' is not among perturbations" in said
    assert "study.controlled: 'vti' is not among study.finetuned (did you mean 'vit'?)" in said
    assert "study.corrupted: 'vti' is not among models (did you mean 'vit'?)" in said
    assert "study.heads: 'tiv' is not among models" in said
    assert "study.shifts: 'r' is not among datasets" in said


def test_the_clean_dataset_of_a_shift_has_the_same_labels(config):
    config["datasets"]["drawn"] = {"pattern": "/r/{label}/*", "classes": ["cat", "dog"], "labels": ["dog"]}
    config["study"]["shifts"] = {"drawn": "pets"}
    assert "study.shifts.drawn: pets must have the same labels and classes" in problems(config)
    config["study"]["shifts"] = {"drawn": "other"}
    config["datasets"]["other"] = {"pattern": "/o/{label}/*", "classes": ["cat", "dog"], "labels": ["dog"]}
    assert settings.check(config, SCHEMA)["study"]["shifts"] == {"drawn": "other"}


def test_a_shifted_dataset_must_fit_the_head_as_well(config):
    config["study"]["shifts"] = {"drawn": "drawn"}
    config["datasets"]["drawn"] = {"pattern": "/r/{label}/*", "classes": ["cat", "dog", "cow"]}
    assert "models.vit.num_classes: 2, but datasets.drawn has 3 classes" in problems(config)


@pytest.mark.parametrize("name", ["imagenet-r", "imagenet-a"])
def test_labels_of_imagenet_r_and_a_are_timms_synsets(config, name):
    config["datasets"]["shifted"] = {"pattern": "/r/{label}/*", "classes": "imagenet-1k", "labels": name}
    labels = settings.check(config, SCHEMA)["datasets"]["shifted"]["labels"]
    assert len(labels) == len(set(labels)) == 200
    assert class_lists.known_list(labels) == name and class_lists.known_list(labels[::-1]) == name
    assert class_lists.known_list(labels[1:]) is None
    indices = {"imagenet-r": [1, 2, 4], "imagenet-a": [6, 11, 13]}[name]
    classes = settings.check(config, SCHEMA)["datasets"]["shifted"]["classes"]
    assert [classes.index(label) for label in labels[:3]] == indices


def test_another_word_for_labels_is_refused(config):
    change(config, "datasets.pets.labels", "imagenet-x")
    assert (
        "datasets.pets.labels: 'imagenet-x' will not do; write a list of labels, imagenet-r or imagenet-a"
        in problems(config)
    )


HALF = [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("architecture", "weights", "mean"),
    [
        ("vit_base_patch16_224.augreg_in1k", "results/models/vit.safetensors", HALF),
        ("vit_base_patch16_224", "hub:vit_base_patch16_224.augreg_in1k", HALF),
        ("vit_base_patch16_224.augreg_in1k", "hub:deit_base_patch16_224.fb_in1k", [0.485, 0.456, 0.406]),
    ],
)
def test_preprocessing_of_timm_is_that_of_the_weights_or_of_the_architecture(config, architecture, weights, mean):
    change(config, "models.vit.architecture", architecture)
    change(config, "models.vit.weights", weights)
    change(config, "models.vit.preprocessing", "timm")
    if not weights.startswith("hub:"):
        change(config, "models.vit.training", {"recipe": "scratch", "dataset": "pets", "epochs": 1})
    checked = settings.check(config, SCHEMA, recorded_preprocessing)["models"]["vit"]["preprocessing"]
    assert (checked["resize"], checked["crop"], checked["interpolation"], checked["mean"]) == (
        248,
        224,
        "bicubic",
        mean,
    )


@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_nonsense", "vit_tiny_patch16_224.nonsense"])
def test_preprocessing_that_timm_does_not_record_is_named_with_its_model(architecture, config):
    change(config, "models.vit.architecture", architecture)
    change(config, "models.vit.preprocessing", "timm")
    with pytest.raises(InputError, match=r"models\.vit\.preprocessing: timm knows no pretrained model vit_tiny"):
        settings.check(config, SCHEMA, recorded_preprocessing)


def test_another_word_for_preprocessing_is_refused(config):
    change(config, "models.vit.preprocessing", "torchvision")
    assert "models.vit.preprocessing: 'timm' was expected" in problems(config)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "path",
    [
        "perturbations.blur.levels.I.sigma",
        "perturbations.mask.ratio",
        "models.vit.arguments",
        "analysis",
        "models.vit.preprocessing",
    ],
)
def test_what_is_not_finite_passes_no_limit(config, path, value):
    inside = {
        "models.vit.arguments": ({"drop_path_rate": value}, ".drop_path_rate"),
        "analysis": ({"perplexity": value}, ".perplexity"),
        "models.vit.preprocessing": ({"std": [0.2, value, 0.2]}, ".std.1"),
    }
    given, below = inside.get(path, (value, ""))
    config["perturbations"]["mask"]["ratio"] = 0.5
    change(config, path, given)
    assert f"  {path}{below}: {value} is no number to compute with; write a finite one" in problems(config)


def test_a_sigma_that_single_precision_takes_for_zero_is_refused(config):
    config["perturbations"]["blur"]["levels"]["I"]["sigma"] = 1e-46
    assert "perturbations.blur.levels.I.sigma: 1e-46 would be rounded to 0; take 0.01" in problems(config)
    config["perturbations"]["blur"]["levels"]["I"]["sigma"] = 1e-6
    settings.check(config, SCHEMA)


def test_more_dimensions_than_a_head_has_are_refused_with_both_numbers(config):
    config["analysis"] = {"features": {"k": 65}}
    config["models"]["vit"]["architecture"] = "vit_base_patch16_224"
    assert "  analysis.features.k: the top 65 dimensions, but a head of vit has 64" in problems(config).split("\n")
    config["models"]["vit"]["arguments"] = {"embed_dim": 780}
    settings.check(config, SCHEMA)  # 65 each


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("https://a.org/w.pth", "is an address; name the file it is to be, and url: https://a.org/w.pth beside it"),
        ("hf-hub:timm/vit_tiny_patch16_224.x", "is no file; of models of timm write hub:vit_tiny_patch16_224.x"),
    ],
)
def test_weights_that_lie_elsewhere_are_refused_with_how_to_write_them(config, weights, said):
    config["models"]["vit"]["weights"] = weights
    assert f"  models.vit.weights: {weights} {said}" in problems(config).split("\n")


def itself():
    levels = {}
    levels["I"] = levels
    return levels


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "datasets.pets.classes",
            ["cat", datetime.date(2021, 3, 1)],
            'datasets.pets.classes.1: 2021-03-01 is a date or a time; quote it: "2021-03-01"',
        ),
        (
            "perturbations.blur.levels",
            {datetime.date(2021, 3, 1): {"kernel": 3, "sigma": 1.0}},
            'perturbations.blur.levels: the name 2021-03-01 is a date or a time; quote it: "2021-03-01"',
        ),
        ("datasets.pets.pattern", b"x", "datasets.pets.pattern: b'x' is a bytes; quote it"),
        ("datasets.pets.labels", {"cat"}, "datasets.pets.labels: {'cat'} is a set; quote it"),
        ("perturbations.blur.levels", itself(), "perturbations.blur.levels.I: holds itself; write it out, without"),
    ],
)
def test_what_json_does_not_know_is_no_setting(config, path, value, said):
    change(config, path, value)
    assert said in problems(config)


def test_one_list_in_two_places_does_not_hold_itself(config):
    classes = ["cat", "dog"]
    config["datasets"]["others"] = {"pattern": "/{label}", "classes": classes, "labels": classes}
    settings.check(config, SCHEMA)


def test_a_number_where_text_belongs_is_told_as_it_was_written(config):
    change(config, "datasets.pets.classes", [False, 8, 750, "x"])
    written = {"datasets.pets.classes.0": "no", "datasets.pets.classes.1": "010"}
    with pytest.raises(InputError) as caught:
        settings.check(config, SCHEMA, None, written)
    assert str(caught.value).split("\n")[1:] == [
        '  datasets.pets.classes.0: no is read as false, which is no text; quote it: "no"',
    ]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("perturbations.blur.levels.I.sigma", "1e-3", "YAML reads 1e-3 as text; write 1.0e-3"),
        ("analysis.perplexity", "3.5E1", "YAML reads 3.5E1 as text; write 3.5e+1"),
        ("datasets.pets.count", "1e3", "YAML reads 1e3 as text; write 1000"),
    ],
)
def test_a_number_with_an_exponent_that_yaml_takes_for_text_is_written_out(config, path, value, said):
    config["analysis"] = {}
    change(config, path, value)
    assert f"  {path}: {said}" in problems(config).split("\n")
    change(config, path, yaml.safe_load(said.split()[-1]))
    settings.check(config, SCHEMA)


@pytest.mark.parametrize(("text", "said"), [("null", 'quote it: "null"'), ("~", 'quote it: "~"'), ("", "is empty")])
def test_a_class_that_yaml_takes_for_nothing_is_to_be_quoted(config, text, said):
    change(config, "datasets.pets.classes", [None, "dog"])
    with pytest.raises(InputError, match=f"datasets.pets.classes.0: .*{said}"):
        settings.check(config, SCHEMA, None, {"datasets.pets.classes.0": text})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"in_chans": 1}, "models.vit.arguments.in_chans: 1, but pictures are read as red, green and blue: 3"),
        ({"in_chans": 4}, "models.vit.arguments.in_chans: 4, but pictures"),
        ({"pretrained": True}, "models.vit.arguments.pretrained: True; leave it out; weights: hub:<architecture>"),
        ({"checkpoint_path": "/w.pth"}, "models.vit.arguments.checkpoint_path: /w.pth; leave it out; `weights` names"),
        ({"num_classes": 5}, "models.vit.arguments.num_classes: 5; leave it out; `num_classes` beside"),
        ({"global_pool": "avg"}, "models.vit.arguments.global_pool: avg; leave it out; `pooling` beside"),
        (
            {"class_token": False},
            "models.vit.pooling: token reads CLS, but vit has no CLS token; set avg, or map where",
        ),
        (
            {"embed_dim": 30, "num_heads": 4},
            "models.vit.arguments.embed_dim: 30 is no multiple of the 4 attention heads",
        ),
    ],
)
def test_arguments_that_no_model_of_ours_can_have_are_refused(config, arguments, said):
    config["models"]["vit"]["arguments"] = arguments
    assert said in problems(config)


@pytest.mark.parametrize(
    "arguments", [{"in_chans": 3}, {"pretrained": False}, {"class_token": True}, {"reg_tokens": 4}]
)
def test_arguments_that_say_what_is_so_are_taken(config, arguments):
    config["models"]["vit"]["arguments"] = arguments
    settings.check(config, SCHEMA)


@pytest.mark.parametrize("place", ["hf-hub:timm/", "hf_hub:timm/", "local-dir:/models/"])
def test_an_architecture_that_lies_elsewhere_is_refused(config, place):
    config["models"]["vit"]["architecture"] = f"{place}vit_base_patch16_224.mae"
    said = problems(config)
    assert f"models.vit.architecture: {place}vit_base_patch16_224.mae is looked up outside of timm" in said
    assert "write vit_base_patch16_224.mae and weights: hub:vit_base_patch16_224.mae" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_heads": 5}, "num_heads: 5 heads do not divide the width of 192 (of vit_tiny_patch16_224)"),
        ({"embed_dim": 190}, "embed_dim: 190 is no multiple of the 3 attention heads (num_heads)"),
        ({"embed_dim": 190, "num_heads": 4}, "embed_dim: 190 is no multiple of the 4 attention heads (num_heads)"),
    ],
)
def test_of_width_and_heads_the_key_that_was_written_is_named(config, arguments, said):
    config["models"]["vit"] |= {"architecture": "vit_tiny_patch16_224", "arguments": arguments}
    assert f"models.vit.arguments.{said}" in problems(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"arguments": {"reg_tokens": 4}},
            "models.vit.arguments.reg_tokens: 4, but pretraining here knows no register",
        ),
        (
            {"architecture": "vit_small_patch14_reg4_dinov2"},
            "models.vit.architecture: vit_small_patch14_reg4_dinov2 has 4 register tokens, but pretraining here knows "
            "none; take one without _reg4",
        ),
        (
            {"architecture": "vit_small_patch14_reg4_dinov2", "arguments": {"reg_tokens": 2}},
            "models.vit.arguments.reg_tokens: 2, but pretraining",
        ),
        ({"arguments": {"no_embed_class": True}}, "models.vit.arguments.no_embed_class: true, but pretraining"),
        ({"arguments": {"embed_dim": 30, "num_heads": 3}}, "embed_dim: 30 is no multiple of 4, as sine-cosine"),
        (
            {"architecture": "vit_small_patch16_dinov3"},
            "models.vit.training: pretraining here knows no rotary positions, as vit_small_patch16_dinov3 has",
        ),
        (
            {"architecture": "vit_base_patch16_siglip_gap_224", "pooling": "avg"},
            "models.vit.training: pretraining here needs a CLS token; vit_base_patch16_siglip_gap_224 has none",
        ),
        ({"pooling": "map"}, "models.vit.pooling: map, but pretraining here has no head that would pool"),
        ({"architecture": "beit_base_patch16_224"}, "models.vit.training: a BEiT needs all patches and cannot be"),
        ({"decoder": {"width": 64, "heads": 3}}, "models.vit.training.decoder.width: 64 is no multiple of the 3 heads"),
    ],
)
def test_what_pretraining_cannot_do_is_refused_and_training_with_labels_takes_it(config, changes, said):
    training = {"recipe": "pretrain", "dataset": "pets", "epochs": 1, "decoder": changes.pop("decoder", {})}
    config["models"]["mae"] = {"architecture": "vit_tiny", "training": training} | changes
    assert said.replace("models.vit", "models.mae") in problems(config)
    scratch = training | {"recipe": "scratch", "decoder": {}}
    config["models"]["mae"] |= {"training": scratch, "num_classes": 2}
    settings.check(config, SCHEMA)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("a/airfield", "'a/airfield' cannot name a folder; give one label per line"),
        ("d\u200bog", "'d\\u200bog' has the"),
    ],
)
def test_a_label_of_a_list_that_names_no_folder_is_named_with_its_line(config, tmp_path, label, said):
    (tmp_path / "classes.txt").write_text(f"cat\n{label}\n")
    config["datasets"]["pets"]["classes"] = listed = str(tmp_path / "classes.txt")
    assert f"datasets.pets.classes: {listed}, line 2: {said}" in problems(config)


def test_every_pattern_of_the_schema_is_said_in_words(config):
    def patterns(part):
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from patterns(value)
        if isinstance(part, dict) and isinstance(part.get("pattern"), str):
            yield part

    told = [r"^[^{}]*$", r"\{label\}"]  # by sentences that name the value as well
    assert all(part["pattern"] in told or part["words"] for part in patterns(SCHEMA))
    config["perturbations"]["blur"]["levels"] = {"a b": {"kernel": 3, "sigma": 1.0}}
    config["models"]["two words"] = config["models"]["vit"] | {"url": "ftp://x"}
    said = problems(config)
    assert "perturbations.blur.levels: 'a b' will not do; a level is named by letters" in said
    assert "models: 'two words' will not do; a name is letters" in said
    assert "models.two words.url: 'ftp://x' will not do; an address begins with http" in said
    assert not set("^$\\") & set(said)
