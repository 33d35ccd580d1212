"""Models and weights that are sound, if odd, through the real workflow: zeros, peaked attention, other layouts.

One run of Snakemake with --keep-going for some of them, and one on a host whose name is as long as a name may be. What
differs in its weights alone is read here, as the job `check_model` does it.
"""

import argparse
import hashlib
import json
import math
import pathlib
import re

import h5py
import numpy as np
import pytest
import torch
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import ARCHITECTURE, ARGUMENTS, CROP, model, pets, state, study
from test_verify import verify

from maescope.base import tidy
from maescope.base.errors import InputError
from maescope.images import reading
from maescope.models import architectures, checkpoints
from maescope.tokens import model_checks, store

LONG = "x" * 198  # bytes, of a label
HOST = "import platform\n\nplatform.node = lambda: 'node-' + 'h' * 59\n"
HEADS, D = ARGUMENTS["num_heads"], ARGUMENTS["embed_dim"]
REGISTERS = {"reg_tokens": 2, "no_embed_class": True}


def changed(change):
    """The tiny model's weights with a change in place."""
    own = {name: value.clone() for name, value in state().items()}
    change(own)
    return own


def zero_head(own):
    own["head.weight"][:], own["head.bias"][:] = 0, 0


def peaked(own):
    for number in range(2):
        own[f"blocks.{number}.attn.qkv.weight"][: 2 * D] *= 200
        own[f"blocks.{number}.attn.qkv.bias"][: 2 * D] *= 200


def probe(own):
    """The head as MAE's linear probing leaves it, its statistics such that it is the one of `state`."""
    weight, bias = own.pop("head.weight"), own.pop("head.bias")
    mean, variance = torch.linspace(-1, 1, D), torch.linspace(0.5, 2, D)
    own["head.0.running_mean"], own["head.0.running_var"] = mean, variance
    own["head.0.num_batches_tracked"] = torch.tensor(100)
    own["head.1.weight"], own["head.1.bias"] = weight * (variance + 1e-6).sqrt(), bias + weight @ mean


def of_meta(own):
    """Names and positions of DINOv2 with registers."""
    own["register_tokens"] = own.pop("reg_token")
    position = torch.full((1, 1, D), 0.25)
    own["cls_token"] -= position
    own["pos_embed"] = torch.cat([position, own["pos_embed"]], 1)
    own["mask_token"] = torch.zeros(1, D)


def hugging_face(folder):
    """A folder as transformers saves a ViT, its names written out: of the weights that `state` has for CLS pooling."""
    folder.mkdir()
    sizes = {"hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": HEADS, "intermediate_size": 4 * D}
    config = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "image_size": 16, "patch_size": 4}
    config |= sizes | {"layer_norm_eps": 1e-3, "id2label": {"0": "cat", "1": LONG}, "hidden_act": "gelu"}
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}, "resample": 3}
    processor |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "rescale_factor": 1 / 255}
    names = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings", "norm": "layernorm"}
    names |= {"patch_embed.proj": "embeddings.patch_embeddings.projection"}
    parts = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense"}
    parts |= {"mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
    names |= {f"blocks.{n}.{old}": f"encoder.layer.{n}.{new}" for n in range(2) for old, new in parts.items()}
    own = by_cls().state_dict()
    saved = {f"classifier.{kind}": own[f"head.{kind}"] for kind in ("weight", "bias")}
    for old, new in names.items():
        saved |= {
            f"vit.{new}{name[len(old) :]}": own[name] for name in own if name in (old, f"{old}.weight", f"{old}.bias")
        }
    for n in range(2):
        for kind in ("weight", "bias"):
            values = own[f"blocks.{n}.attn.qkv.{kind}"].split(D)
            place = f"vit.encoder.layer.{n}.attention.attention"
            saved |= {f"{place}.{part}.{kind}": values[i].clone() for i, part in enumerate(("query", "key", "value"))}
    save_file(saved, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def by_cls():
    """The tiny model with a head that reads CLS, and an epsilon that shows."""
    torch.manual_seed(0)
    return architectures.build("vit_tiny_patch16_224", ARGUMENTS | {"norm_eps": 1e-3}, num_classes=2)


def write_weights(folder):
    """Files by the name of the model that reads them."""
    folder.mkdir()
    for change in (zero_head, peaked):
        save_file(changed(change), folder / f"{change.__name__}.safetensors")
    options = argparse.Namespace(output_dir=pathlib.PosixPath("/out"))
    torch.save({"model": changed(probe)}, folder / "probe.pth")
    torch.save({"model": state(), "args": options, "best_acc": np.float64(81.5)}, folder / "beside.pth")
    torch.save({"model": {"model": "vit_tiny", "state_dict": state()}}, folder / "nested.pth")
    torch.save({"state_dict": changed(peaked), "state_dict_ema": state(), "args": options}, folder / "averaged.pth")
    save_file(state(), folder / "good.safetensors")
    registers = state(**REGISTERS)
    save_file(registers, folder / "registers.safetensors")
    of_meta(registers)
    torch.save(registers, folder / "meta.pth")
    save_file(state(img_size=32), folder / "larger.safetensors")
    scaled = state(init_values=0.1)
    renamed = {name.replace("ls1.gamma", "ls1.weight"): value for name, value in scaled.items()}
    save_file(renamed, folder / "renamed.safetensors")
    save_file({name: value for name, value in state().items() if name != "pos_embed"}, folder / "nowhere.safetensors")
    return {path.stem: path for path in sorted(folder.iterdir())}


class Models:
    """One run over all of them."""

    def __init__(self, folder):
        pets(folder / "pets")
        (folder / "pets" / "dog").rename(folder / "pets" / LONG)
        self.paths = write_weights(folder / "weights")
        self.workflow = Workflow(folder / "clone")
        config = study(self.paths["good"], folder / "pets")
        config["datasets"]["pets"]["classes"] = ["cat", LONG]
        config["models"] |= {name: model(self.paths[name]) for name in ("good", "zero_head", "peaked", "averaged")}
        config["models"]["averaged"]["weights_key"] = "state_dict_ema"
        config["models"]["doubtful"] = model(self.paths["averaged"])
        config["models"]["folder"] = {"model_dir": str(hugging_face(folder / "vit")), "device": "cpu", "threads": 1}
        larger = {"img_size": 32, "dynamic_img_size": True}
        config["models"]["dynamic"] = model(self.paths["larger"], arguments=ARGUMENTS | larger)
        digest = hashlib.sha256(self.paths["good"].read_bytes()).hexdigest()
        config["models"]["wrong"] = model(self.paths["good"], sha256=digest[:-1] + ("0" if digest[-1] != "0" else "1"))
        training = {"recipe": "finetune", "initial": "wrong", "dataset": "pets", "epochs": 1}
        config["models"]["tuned"] = model("results/models/tuned.safetensors", training=training)
        self.workflow.configure(config)
        (folder / "modules").mkdir()
        (folder / "modules/sitecustomize.py").write_text(HOST)
        checked = [f"results/check_model/{name}.json" for name in ("good", "averaged", "doubtful", "dynamic", "folder")]
        accuracy, attention = (
            f"results/measures/{name}/pets/clean.parquet" for name in ("accuracy/zero_head", "attention/peaked")
        )
        targets = [*checked, accuracy, "results/check_model/peaked.json", "results/models/tuned.safetensors"]
        done = self.workflow.run("--keep-going", "--", *targets)
        self.code, self.said = done.returncode, done.stdout
        self.workflow.must_run("--", attention, modules=folder / "modules")

    def measure(self, name):
        return tidy.read([self.workflow / f"results/measures/{name}/pets/clean.parquet"])

    def found(self, name):
        """What the job `check_model` wrote of a model: its shapes, and what it says to noise."""
        return json.loads((self.workflow / f"results/check_model/{name}.json").read_text())

    def checked(self, name, **arguments):
        """The same, of a file that no job has read."""
        own = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS | arguments, num_classes=2, pooling="avg")
        checkpoints.load(own, str(self.paths[name]))
        return {"answer": model_checks.fingerprint(own, str(self.paths[name]), 0)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return Models(tmp_path_factory.mktemp("models"))


def test_case_2_a_head_of_zeros_names_the_first_class_and_is_near_chance(models):
    found = models.measure("accuracy/zero_head")
    assert found["correct"].mean() == 0.5 and set(found["prediction"]) == {0}  # the first of equal logits
    assert "CLEAN ACCURACY NEAR CHANCE: 50.0 % among 2 classes (6 images)" in models.said
    with h5py.File(models.workflow / "results/tokens/zero_head/pets/clean/cat.h5") as file:
        assert not file["levels/clean/logits"][:].any()


def test_case_6_peaked_attention_is_that_of_patches_alone(models):
    """Against softmax over the patches' logits in float64, from the same pictures and weights."""
    own = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS, num_classes=2, pooling="avg")
    own.load_state_dict(changed(peaked))
    own.double()
    listed = tidy.read([models.workflow / "results/images/pets.csv"])
    mean_std = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    pixels = reading.normalised(listed["path"], reading.Preprocessing(**CROP, interpolation="bicubic", **mean_std))
    with torch.inference_mode():
        x = own.blocks[0].norm1(own._pos_embed(own.patch_embed(torch.from_numpy(pixels).double())))
        query, key, _ = own.blocks[0].attn.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        logits = (query @ key.transpose(-1, -2) / math.sqrt(D // HEADS))[..., 1:, 1:]
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double() * 4
    expected = (logits.softmax(-1) * torch.cdist(places, places)).sum(-1).mean(-1)  # (B, H)
    found = models.measure("attention/peaked")
    first = found[found["layer"] == 1].pivot(index="image", columns="head", values="distance_px")
    assert np.abs(first.loc[listed["image"]].to_numpy() - expected.numpy()).max() < 0.02
    assert np.isfinite(found[["distance_px", "entropy"]]).all().all()


@pytest.mark.parametrize("name", ["good", "beside", "nested"])
def test_cases_18_and_20_what_lies_beside_or_above_the_weights_changes_nothing(models, name):
    assert models.checked(name)["answer"] == models.found("good")["answer"]  # with the digest of all logits


def test_averaged_weights_are_those_of_their_key(models):
    assert models.found("averaged")["answer"] == models.found("good")["answer"]


def test_what_is_doubtful_about_weights_is_on_the_terminal_once(models):
    said = (
        "averaged.pth: has state_dict, which is read, and state_dict_ema: to use that, set weights_key: state_dict_ema"
    )
    assert models.said.count(said) == 1
    assert f"results/logs/check_model/doubtful.log: {models.paths['averaged'].parent}/{said}" in models.said


@pytest.mark.parametrize(("name", "other", "arguments"), [("probe", "good", {}), ("meta", "registers", REGISTERS)])
def test_cases_15_and_17_a_probe_and_registers_of_dinov2_answer_as_what_they_are(models, name, other, arguments):
    found, expected = (models.checked(one, **arguments)["answer"] for one in (name, other))
    assert (found["mean"], found["std"]) == pytest.approx((expected["mean"], expected["std"]), abs=1e-5)


def test_a_folder_of_hugging_face_is_a_model_and_its_layout_is_recorded(models):
    found = models.found("folder")
    expected = model_checks.fingerprint(by_cls(), "", 0)
    assert found["layout"] == "Hugging Face behind vit." and models.found("good")["layout"] == "timm"
    assert (found["answer"]["mean"], found["answer"]["std"]) == pytest.approx(
        (expected["mean"], expected["std"]), abs=1e-6
    )
    with store.open_tokens(str(models.workflow / "results/tokens/peaked/pets/clean/cat.h5")) as file:
        assert file.attributes["weights_layout"] == "timm"


def test_case_17_positions_of_another_grid_name_the_size_and_dynamic_ones_are_resampled(models):
    line = r": pos_embed has shape \(1, 65, 24\), the architecture needs \(1, 17, 24\): its images are of 32 px; "
    line += "set arguments.img_size and .*crop: 32, or .*true$"
    with pytest.raises(InputError, match=f"^{models.paths['larger']}{line}"):
        models.checked("larger")
    shapes = models.found("dynamic")["shapes"]
    assert (shapes["input_px"], shapes["patches"], shapes["outputs"]) == (16, 16, 2)


def test_case_19_a_name_that_is_another_is_said_with_the_nearest_and_positions_that_are_missing(models):
    line = ": has no blocks.0.ls1.gamma, but blocks.0.ls1.weight; it is of another layout"
    with pytest.raises(InputError, match=f"^{models.paths['renamed']}{line}"):
        models.checked("renamed", init_values=0.1)
    line = ": has no pos_embed; the positions of patches are not in it"
    with pytest.raises(InputError, match=f"^{models.paths['nowhere']}{line}"):
        models.checked("nowhere")


def test_case_25_weights_of_another_digest_are_nothing_to_begin_with(models):
    assert re.search(rf"error: {models.paths['good']}: its SHA-256 is \w+, but the configuration says", models.said)
    assert not (models.workflow / "results/models/tuned.safetensors").exists()
    assert models.code == 1


def test_case_33_a_long_label_on_a_host_of_a_long_name(models):
    folder = models.workflow / "results/tokens/peaked/pets/clean"
    assert sorted(path.name for path in folder.iterdir()) == ["cat.h5", f"{LONG}.h5"]


def test_all_that_was_made_is_whole(models):
    code, said, last = verify(models.workflow)
    assert (code, said) == (0, {}), said
    assert re.fullmatch(r"\d+ whole", last)
