"""What a folder of Hugging Face says of a model becomes its entry; what is not done here is refused by file and key."""

import json

import pytest
import yaml
from conftest import REPOSITORY, SCHEMA
from test_refusals import LEAST

from maescope.base.errors import InputError
from maescope.study import class_lists, model_folders, settings, sizes

# config.json and preprocessor_config.json of google/vit-base-patch16-224, without what is not read
CONFIG = {
    "architectures": ["ViTForImageClassification"],
    "hidden_act": "gelu",
    "hidden_size": 768,
    "id2label": {"0": "cat", "1": "dog", "2": "tench, Tinca tinca"},
    "image_size": 224,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "model_type": "vit",
    "num_attention_heads": 12,
    "num_channels": 3,
    "num_hidden_layers": 12,
    "patch_size": 16,
    "qkv_bias": True,
}
PROCESSOR = {
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ViTFeatureExtractor",
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "size": 224,
}
OWN = {"resize": 224, "crop": 224, "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3, "squash": True}


def folder(path, config=CONFIG, processor=PROCESSOR, weights="model.safetensors"):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text(json.dumps(processor))
    (path / weights).touch()
    return path


def checked(path, **stated):
    """The entry of a model with this folder."""
    config = json.loads(json.dumps(LEAST))
    config["models"]["own"] = {"model_dir": str(path), **stated}
    return settings.check(config, SCHEMA)["models"]["own"]


def test_a_folder_tells_architecture_head_preprocessing_and_weights(tmp_path):
    entry = checked(folder(tmp_path / "vit"))
    assert "model_dir" not in entry
    assert entry["architecture"] == "vit_base_patch16_224"
    assert entry["arguments"] == {
        "img_size": 224,
        "patch_size": 16,
        "embed_dim": 768,
        "depth": 12,
        "num_heads": 12,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "norm_eps": 1e-12,
    }
    assert (entry["num_classes"], entry["pooling"]) == (3, "token")
    assert entry["weights"] == str(tmp_path / "vit/model.safetensors")
    assert entry["preprocessing"] == OWN


def test_what_is_stated_counts_instead(tmp_path):
    path = folder(tmp_path / "vit")
    arguments, preprocessing = {"norm_eps": 1e-6}, {"mean": [0.1] * 3}
    entry = checked(path, num_classes=0, arguments=arguments, preprocessing=preprocessing, batch_size=8)
    assert (entry["num_classes"], entry["batch_size"], entry["arguments"]["norm_eps"]) == (0, 8, 1e-6)
    assert entry["arguments"]["embed_dim"] == 768 and "dynamic_img_size" not in entry["arguments"]
    assert entry["preprocessing"] == OWN | {"mean": [0.1] * 3}


@pytest.mark.parametrize(
    "stated",
    [
        {"resize": 256},
        {"squash": False},
        {"interpolation": "nearest", "std": [0.2, 0.3, 0.4]},
        {"crop": 224, "resize": 240, "squash": False},
        {},
    ],
)
def test_preprocessing_that_is_stated_in_part_leaves_the_rest_to_the_file(stated, tmp_path):
    assert checked(folder(tmp_path / "vit"), preprocessing=stated)["preprocessing"] == OWN | stated


def test_without_the_file_what_is_stated_has_the_usual_defaults(tmp_path):
    path = folder(tmp_path / "vit")
    (path / "preprocessor_config.json").unlink()
    found = checked(path, preprocessing={"mean": [0.1] * 3})["preprocessing"]
    assert (found["mean"], found["resize"], found["std"]) == ([0.1] * 3, 256, [0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("processor", "stated"),
    [
        ({"do_resize": False}, {"resize": 230, "crop": 224}),
        ({"size": {"longest_edge": 224}}, {"resize": 230, "crop": 224}),
        ({"do_rescale": False}, {"mean": [0.1] * 3, "std": [0.2] * 3}),
        ({"image_mean": None}, {"mean": [0.1] * 3}),
        ({"resample": 5}, {"interpolation": "bicubic"}),
    ],
)
def test_what_is_stated_need_not_be_readable_in_the_file(processor, stated, tmp_path):
    found = checked(folder(tmp_path / "vit", CONFIG, PROCESSOR | processor), preprocessing=stated)["preprocessing"]
    assert {key: value for key, value in found.items() if key != "squash"} == {
        key: value for key, value in (OWN | stated).items() if key != "squash"
    }
    with pytest.raises(InputError, match="state preprocessing"):
        checked(folder(tmp_path / "again", CONFIG, PROCESSOR | processor))


def test_a_folder_may_be_named_and_its_classes_read(tmp_path):
    folder(tmp_path / "vit", CONFIG | {"id2label": {"0": "dog", "1": "cat"}})
    config = json.loads(json.dumps(LEAST))
    config["folders"] = {"models": str(tmp_path)}
    config["models"]["vit"] = {"model_dir": "{models}/vit"}
    config["datasets"]["pets"]["classes"] = "{models}/vit/config.json"
    found = settings.check(config, SCHEMA)
    assert found["datasets"]["pets"]["classes"] == ["dog", "cat"]
    assert found["models"]["vit"]["weights"] == f"{tmp_path}/vit/model.safetensors"


def test_names_below_id2label_are_in_the_order_of_their_indices(tmp_path):
    names = {str(number): f"c{number}" for number in (2, 10, 0, 1, *range(3, 10))}
    (tmp_path / "config.json").write_text(json.dumps({"label2id": {}, "id2label": names, "model_type": "vit"}))
    found = class_lists.read_classes("pets", str(tmp_path / "config.json"), "/none/{label}/*")
    assert found == [f"c{number}" for number in range(11)]


def test_the_entries_of_other_models_have_no_new_keys_that_would_change_their_fingerprints():
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    found = settings.check(config, SCHEMA)
    assert not {"model_dir", "weights_key"} & set().union(*found["models"].values())
    assert all("squash" not in entry["preprocessing"] for entry in found["models"].values())


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ({"model_type": "vit_mae"}, {}),
        ({"model_type": "dinov2", "mlp_ratio": 4}, {"init_values": 1.0}),
        (
            {"model_type": "dinov2_with_registers", "mlp_ratio": 4, "num_register_tokens": 4},
            {"init_values": 1.0, "reg_tokens": 4, "no_embed_class": True},
        ),
        ({"model_type": "pixio", "mlp_ratio": 4, "n_cls_tokens": 8}, {"reg_tokens": 7}),
        ({"hidden_act": "gelu_pytorch_tanh"}, {"act_layer": "gelu_tanh"}),
        ({"intermediate_size": 1001}, {"mlp_ratio": 1001 / 768}),
        ({"image_size": [224, 224], "qkv_bias": False}, {"img_size": 224, "qkv_bias": False}),
        (dict.fromkeys(("qkv_bias", "layer_norm_eps", "num_channels", "hidden_act")), {"qkv_bias": True}),
        (
            {"model_type": "dinov2_with_registers", "mlp_ratio": 4, "num_register_tokens": 0},
            {"reg_tokens": 0, "norm_eps": 1e-12},
        ),
    ],
)
def test_kinds_of_models(config, arguments, tmp_path):
    entry = checked(folder(tmp_path / "vit", CONFIG | config))
    assert {key: entry["arguments"].get(key) for key in arguments} == arguments
    assert int(768 * entry["arguments"]["mlp_ratio"]) == config.get("intermediate_size", 3072)


def test_a_model_whose_input_is_no_square(tmp_path):
    processor = PROCESSOR | {"size": {"height": 128, "width": 256}}
    entry = checked(folder(tmp_path / "vit", CONFIG | {"image_size": [128, 256]}, processor))
    assert entry["arguments"]["img_size"] == entry["preprocessing"]["crop"] == [128, 256]
    assert sizes.patches_of(entry) == 8 * 16
    with pytest.raises(InputError, match="cropped to 128 x 256 px, but positions are of 256 x 128 px; state"):
        checked(folder(tmp_path / "turned", CONFIG | {"image_size": [256, 128]}, processor))


def test_every_width_of_an_mlp_is_had_from_its_ratio():
    for width in (192, 384, 768, 1024, 1280):
        for hidden in range(1, 6 * width):
            assert int(width * model_folders._ratio(width, hidden)) == hidden


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"size": {"height": 224, "width": 224}}, {}),
        (
            {"size": {"height": 256, "width": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True},
            {"resize": 256},
        ),
        (
            {"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": True, "resample": 3},
            {"resize": 256, "interpolation": "bicubic", "squash": None},
        ),
        ({"size": {"shortest_edge": 224}, "crop_size": 200, "do_center_crop": False}, {"squash": None}),
        ({"do_normalize": False}, {"mean": [0, 0, 0], "std": [1, 1, 1]}),
        ({"size": {"height": 128, "width": 256}}, {"resize": 128, "crop": [128, 256]}),
        ({"size": [160, 320], "crop_size": [128, 256], "do_center_crop": True}, {"resize": 160, "crop": [128, 256]}),
        ({"size": [224, 224], "feature_extractor_type": "CLIPFeatureExtractor"}, {}),
        ({"size": [256, 256], "crop_size": [224, 224], "do_center_crop": True}, {"resize": 256}),
        ({"crop_size": None, "do_center_crop": None, "do_normalize": None, "do_resize": None, "do_rescale": None}, {}),
        ({"rescale_factor": None, "size": {"height": 224, "width": 224, "shortest_edge": None}}, {}),
    ],
)
def test_kinds_of_processors(processor, expected, tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(PROCESSOR | processor))
    found = model_folders.preprocessing(path)
    assert found == {key: value for key, value in (OWN | expected).items() if value is not None}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "swin"}, r"config\.json: model_type is 'swin', read are vit, vit_mae, dinov2"),
        ({"model_type": "deit"}, "model_type is 'deit'"),
        ({"hidden_size": "768"}, "hidden_size is '768', no number of 1 or more"),
        ({"image_size": [224, "196"]}, r"image_size is \[224, '196'\], neither one side nor height and width"),
        ({"patch_size": [16, 8]}, r"patch_size is \[16, 8\], but patches must be squares"),
        ({"num_channels": 4}, "num_channels is 4, but pictures are read as 3"),
        ({"hidden_act": "maxout"}, "hidden_act is 'maxout', known are gelu"),
        ({"hidden_act": ["gelu"]}, r"hidden_act is \['gelu'\], known are gelu"),
        ({"model_type": "dinov3_vit", "key_bias": True}, "key_bias is true, but keys of timm's DINOv3 have none"),
        ({"model_type": "dinov3_vit", "query_bias": False}, "one of query_bias and value_bias is true, but timm has"),
        ({"model_type": "dinov3_vit", "hidden_act": "silu"}, "an MLP of silu and 3072 units is none of DINOv3's"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps is '1e-12', no number above 0"),
        ({"model_type": "dinov2", "mlp_ratio": "4"}, "mlp_ratio is '4', no number above 0"),
        ({"model_type": "dinov2_with_registers", "num_register_tokens": "4"}, "num_register_tokens is '4', no number"),
        ({"model_type": "pixio", "n_cls_tokens": [8]}, r"n_cls_tokens is \[8\], no number of 1 or more"),
        ({"qkv_bias": "yes"}, "qkv_bias is 'yes', neither true nor false"),
        ({"id2label": None, "num_labels": "3"}, "num_labels is '3', no number of 1 or more"),
    ],
)
def test_a_model_that_is_none_of_these_is_refused_by_its_key(config, said, tmp_path):
    with pytest.raises(InputError, match=rf"models\.own\.model_dir: .*{said}"):
        checked(folder(tmp_path / "vit", CONFIG | config))


def test_dinov3_has_biases_of_queries_and_values_as_its_config_says(tmp_path):
    large = {"hidden_size": 4096, "num_attention_heads": 32, "intermediate_size": 8192, "use_gated_mlp": True}
    large |= {"hidden_act": "silu", "query_bias": False, "value_bias": False, "model_type": "dinov3_vit"}
    for name, config, biased in (("7b", large, False), ("s", {"model_type": "dinov3_vit"}, True)):
        assert checked(folder(tmp_path / name, CONFIG | config))["arguments"]["qkv_bias"] is biased


def test_positions_of_another_size_than_the_crop_are_resampled_only_when_asked(tmp_path):
    path = folder(tmp_path / "vit", CONFIG | {"image_size": 512})
    with pytest.raises(InputError, match=r"cropped to 224 px, but positions are of 512 px; .*resample_positions: true"):
        checked(path)
    assert checked(path, arguments={"dynamic_img_size": True})["arguments"]["img_size"] == 512
    assert checked(path, preprocessing={"resize": 512, "crop": 512})["arguments"]["img_size"] == 512


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ({"do_resize": False}, "do_resize is False, which is not done here; state preprocessing"),
        ({"rescale_factor": 0.5}, "rescale_factor is 0.5, not 1 / 255"),
        ({"size": {"height": 224, "width": 196}, "crop_size": 196, "do_center_crop": True}, "differ in shape; state"),
        ({"size": {"shortest_edge": 224}, "crop_size": [224, 196], "do_center_crop": True}, "differ in shape; state"),
        ({"size": {"longest_edge": 224}}, "neither one side nor"),
        ({"feature_extractor_type": "CLIPFeatureExtractor"}, "size is 224 .* one side or both"),
        ({"resample": None}, "resample is None, none of PIL's 0 to 3"),
        ({"image_mean": 0.5}, "image_mean is 0.5, no three numbers"),
        ({"crop_size": {}, "do_center_crop": True}, "crop_size is {}, neither one side nor"),
        ({"size": [224]}, r"size is \[224\], neither one side nor"),
        ({"size": ["224", "224"]}, "size is .*, neither one side nor"),
        ({"size": [[224], [224]]}, "size is .*, neither one side nor"),
        ({"size": "224"}, "size is 224, neither one side nor"),
        ({"size": True, "feature_extractor_type": "ViTFeatureExtractor"}, "size is True, neither one side nor"),
        ({"size": {"height": [224], "width": [224]}}, "neither one side nor"),
        ({"crop_size": ["a", "a"], "do_center_crop": True}, "crop_size is .*, neither one side nor"),
        ({"rescale_factor": "1/255"}, "rescale_factor is '1/255', not 1 / 255"),
        ({"rescale_factor": [1]}, r"rescale_factor is \[1\], not 1 / 255"),
        ({"resample": [2]}, r"resample is \[2\], none of PIL's 0 to 3"),
        ({"resample": True}, "resample is True, none of PIL's 0 to 3"),
        ({"image_mean": ["0.5"] * 3}, "image_mean is .*, no three numbers"),
        ({"image_std": [0.5, float("nan"), 0.5]}, "image_std is .*, no three numbers"),
        ({"image_std": [0.5, 0, 0.5]}, "image_std is .*, not above 0"),
        ({"do_normalize": "no"}, "do_normalize is 'no', neither true nor false"),
    ],
)
def test_preprocessing_that_is_not_done_here_is_refused_by_its_key(processor, said, tmp_path):
    with pytest.raises(InputError, match=rf"models\.own\.model_dir: .*preprocessor_config\.json: .*{said}"):
        checked(folder(tmp_path / "vit", CONFIG, PROCESSOR | processor))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda path: (path / "config.json").unlink(),
            r"there is no .*config\.json; give a folder that save_pretrained",
        ),
        (lambda path: (path / "config.json").write_text("{"), r"config\.json: no JSON"),
        (lambda path: (path / "config.json").write_text("[]"), r"config\.json: has no keys and values"),
        (lambda path: (path / "preprocessor_config.json").unlink(), "preprocessor_config.json; state preprocessing"),
        (lambda path: (path / "model.safetensors").unlink(), r"has neither model\.safetensors nor pytorch_model\.bin"),
        (
            lambda path: (path / "model.safetensors").rename(path / "model.safetensors.index.json"),
            r"weights in parts \(model\.safetensors\.index\.json\); save them as one",
        ),
    ],
)
def test_a_folder_that_lacks_something_is_refused_with_what_to_do(change, said, tmp_path):
    change(folder(tmp_path / "vit"))
    with pytest.raises(InputError, match=rf"models\.own\.model_dir: .*{said}"):
        checked(tmp_path / "vit")


def test_the_older_file_of_weights_is_taken_where_it_is_the_only_one(tmp_path):
    entry = checked(folder(tmp_path / "vit", weights="pytorch_model.bin"))
    assert entry["weights"] == str(tmp_path / "vit/pytorch_model.bin")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"weights": "w.pth"}, "models.own.model_dir: says what weights is; leave out one of them"),
        ({"architecture": "vit_base_patch16_224"}, "models.own.model_dir: says what architecture is"),
        ({"preprocessing": "timm"}, "models.own.preprocessing: timm records none of a model_dir; leave it out"),
    ],
)
def test_what_says_the_same_twice_is_refused(stated, said, tmp_path):
    with pytest.raises(InputError, match=said):
        checked(folder(tmp_path / "vit"), **stated)


@pytest.mark.parametrize("weights", ["random:3", "hub:vit_base_patch16_224.mae"])
def test_a_key_is_of_a_file_of_weights(weights):
    config = json.loads(json.dumps(LEAST))
    config["models"]["vit"] |= {"weights": weights, "weights_key": "teacher"}
    with pytest.raises(
        InputError, match=r"models\.vit\.weights_key: chooses among the weights of a file, but .*; leave"
    ):
        settings.check(config, SCHEMA)
