"""Bad input to the real workflow: docs/faults.md rows 1-9 and 12-17. Each test names its row.

Faults of one stage share one run of Snakemake with --keep-going; every job fails, or not, by itself.
"""

import argparse
import copy
import os
import pickle
import re
import shutil

import numpy as np
import pytest
import torch
from conftest import Workflow
from PIL import Image
from safetensors.torch import save_file

from maescope.base import tidy
from maescope.base.errors import InputError
from maescope.models import architectures, checkpoints

ARCHITECTURE = {"architecture": "vit_tiny_patch16_224"}
ARGUMENTS = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}
CROP = {"resize": 16, "crop": 16}


def picture(path, mode="RGB", size=(24, 20), seed=0, **options):
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path, **options)
    return path


def pets(folder):
    """A dataset of two labels with three pictures each."""
    for label in ("cat", "dog"):
        for number, suffix in enumerate(("png", "jpg", "JPEG")):
            picture(folder / label / f"{number}.{suffix}", seed=number)
    return folder


def state(**changes):
    """Weights of the tiny ViT, random but the same each time."""
    torch.manual_seed(0)
    model = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS | changes, num_classes=2, pooling="avg")
    return model.state_dict()


def dataset(folder, **changes):
    return {"pattern": f"{folder}/{{label}}/*", "classes": ["cat", "dog"], "count": 3} | changes


def model(weights, **changes):
    fixed = {"num_classes": 2, "pooling": "avg", "device": "cpu", "threads": 1, "batch_size": 2}
    return ARCHITECTURE | {"arguments": ARGUMENTS, "weights": str(weights), "preprocessing": CROP} | fixed | changes


def study(weights, folder, **changes):
    """A configuration in which nothing is wrong."""
    return {
        "study": {"name": "pets", "finetuned": ["vit"], "dataset": "pets"},
        "datasets": {"pets": dataset(folder)},
        "models": {"vit": model(weights)},
        "perturbations": {
            "clean": {"kind": "clean"},
            "mask": {"kind": "mask"},
            "blur": {"kind": "blur", "levels": {"I": {"kernel": 3, "sigma": 1.0}}},
            "occlusion": {"kind": "occlusion", "levels": [0, 50]},
        },
        "analysis": {"resamples": 100},
    } | changes


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good pictures and good weights."""
    folder = tmp_path_factory.mktemp("files")
    pets(folder / "pets")
    save_file(state(), folder / "vit.safetensors")
    return folder


# --- while planning: rows 1, 2, 3, 12, 16 ---------------------------------------------------------------------------


def refused_plan(folder, config):
    """What is said of a configuration that is refused before anything is made."""
    workflow = Workflow(folder)
    workflow.configure(config)
    done = workflow.run("results/images/pets.csv")
    assert done.returncode == 1, done.stdout
    assert not (workflow / "results").exists()
    return done.stdout


@pytest.fixture(scope="module")
def mistyped(files, tmp_path_factory):
    """Everything that the schema refuses, in one configuration."""
    config = study(files / "vit.safetensors", files / "pets")
    config["sede"] = 0
    config["datasets"]["pets"]["cuont"] = 3
    config["models"]["vit"]["preprocessing"] = {"resize": 16, "corp": 16}
    levels = {
        "even": {"kernel": 4, "sigma": 1.0},
        "zero": {"kernel": 3, "sigma": 0},
        "text": {"kernel": 3, "sigma": "1"},
    }
    config["perturbations"]["blur"]["levels"] = levels
    config["perturbations"]["mask"]["ratio"] = 1.0
    config["perturbations"]["occlusion"]["levels"] = [0, 100]
    for name, count in {"none": 0, "text": "50", "true": True, "real": 50.0}.items():
        config["datasets"][name] = dataset(files / "pets", count=count)
    config["datasets"]["twice"] = dataset(files / "pets", labels=["cat", "dog", "cat"])
    config["datasets"]["nowhere"] = dataset(files / "pets", pattern="/data/*.png")
    return refused_plan(tmp_path_factory.mktemp("mistyped") / "clone", config)


@pytest.mark.parametrize(
    "line",
    [
        "the top level: unknown key 'sede' (did you mean 'seed'?)",
        "datasets.pets: unknown key 'cuont' (did you mean 'count'?)",
        "models.vit.preprocessing: unknown key 'corp' (did you mean 'crop'?)",
    ],
)
def test_row_1_a_mistyped_key_is_named_with_the_nearest(mistyped, line):
    assert line in mistyped


@pytest.mark.parametrize(
    "line",
    [
        "perturbations.blur.levels.even.kernel: 4 is even; a kernel needs an odd size",
        "perturbations.blur.levels.zero.sigma: 0 is less than or equal to the minimum of 0",
        "perturbations.blur.levels.text.sigma: '1' is not of type 'number'",
        "perturbations.mask.ratio: 1.0 is greater than or equal to the maximum of 1",
        "perturbations.occlusion.levels.1: 100 is greater than the maximum of 99",
        "datasets.none.count: 0 is less than the minimum of 1",
        "datasets.text.count: '50' is not of type 'integer', 'null'",
        "datasets.true.count: True is not of type 'integer', 'null'",
        "datasets.real.count: 50.0 is not of type 'integer', 'null'",
        "datasets.nowhere.pattern: '/data/*.png' has no {label} where the class name stands",
    ],
)
def test_row_2_a_wrong_type_or_range_is_named_by_its_path(mistyped, line):
    assert line in mistyped


def test_row_3_a_label_named_twice_is_refused(mistyped):
    assert "datasets.twice.labels: cat named twice" in mistyped


@pytest.fixture(scope="module")
def contradictory(files, tmp_path_factory):
    """What the schema cannot see, in one configuration."""
    config = study(files / "vit.safetensors", files / "pets")
    config["models"] |= {
        "vit": model(files / "vit.safetensors", num_classes=0),
        "folder": model(files / "pets"),
        "thousand": model(files / "vit.safetensors", num_classes=1000),
    }
    config["study"]["finetuned"] += ["thousand", "vti"]
    return refused_plan(tmp_path_factory.mktemp("contradictory") / "clone", config)


def test_row_12_missing_weights_are_named_with_the_key_and_where_to_get_them(files, tmp_path):
    config = study(files / "vit.safetensors", files / "pets")
    config["models"]["vit"]["weights"] = f"{files}/gone.pth"
    workflow = Workflow(tmp_path / "clone")
    workflow.configure(config)
    refused = workflow.run("table_1")
    line = f"models.vit.weights: there is no file {files}/gone.pth; config/README.md says where checkpoints come from"
    assert refused.returncode == 1
    assert line in refused.stdout
    assert not (workflow / "results").exists()


def test_row_12_a_folder_is_no_weights(contradictory, files):
    assert f"models.folder.weights: {files}/pets is a folder; give the .pth or .safetensors file" in contradictory


def test_row_16_a_study_refuses_a_model_without_a_head_while_planning(contradictory):
    assert "models.vit: study.finetuned needs a head, so num_classes and fine-tuned weights" in contradictory


def test_a_head_of_another_size_and_a_model_of_no_entry_are_refused(contradictory):
    assert "models.thousand.num_classes: 1000, but datasets.pets has 2 classes" in contradictory
    assert "study.finetuned: 'vti' is not among models (did you mean 'vit'?)" in contradictory


# --- sampling: rows 4 to 9 ------------------------------------------------------------------------------------------


class Images:
    """One run that samples many datasets, each with a fault of its own."""

    def __init__(self, files, folder):
        self.sets = folder / "sets"
        for name in ["missing", "fewer", "junk", "truncated", "page", "hollow", "deep", "allowed", "skipping"]:
            pets(self.sets / name)
        shutil.rmtree(self.sets / "missing/dog")
        for name in ("fewer", "allowed"):
            (self.sets / name / "dog/0.png").unlink()
        for path in (self.sets / "junk/dog").iterdir():
            path.unlink()
        for name in ("Thumbs.db", "notes.txt"):
            (self.sets / "junk/dog" / name).write_text("no picture")
        whole = picture(self.sets / "truncated/dog/2.JPEG", size=(200, 200)).read_bytes()
        (self.sets / "truncated/dog/2.JPEG").write_bytes(whole[: len(whole) // 2])
        (self.sets / "page/dog/2.JPEG").write_text("<!DOCTYPE html><title>404</title>")
        (self.sets / "hollow/dog/2.JPEG").write_bytes(b"")
        Image.fromarray(np.full((20, 24), 40000, dtype=np.uint16)).save(self.sets / "deep/dog/0.png")
        (self.sets / "skipping/dog/1.jpg").write_bytes(whole[: len(whole) // 2])
        picture(self.sets / "skipping/dog/3.png", seed=3)
        self.workflow = Workflow(folder / "clone")
        entries = {path.name: dataset(path) for path in self.sets.iterdir()}
        entries["allowed"]["allow_fewer"] = True
        entries["skipping"]["on_bad_image"] = "skip"
        config = study(files / "vit.safetensors", files / "pets")
        config["datasets"] |= entries
        self.workflow.configure(config)
        done = self.workflow.run("--keep-going", "--", *(f"results/images/{name}.csv" for name in entries))
        self.code, self.said = done.returncode, done.stdout

    def rows(self, name):
        return tidy.read([self.workflow / f"results/images/{name}.csv"])


@pytest.fixture(scope="module")
def images(files, tmp_path_factory):
    return Images(files, tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("missing", "dog: 0 of 3 images in {sets}/missing/dog/*", id="4-folder-missing"),
        pytest.param("fewer", "dog: 2 of 3 images in {sets}/fewer/dog/*", id="5-fewer-than-asked"),
        pytest.param(
            "junk", "dog: 0 of 3 images in {sets}/junk/dog/*; not pictures: {sets}/junk/dog/Thumbs.db", id="6-only-junk"
        ),
        pytest.param("truncated", "error: {sets}/truncated/dog/2.JPEG: cannot be decoded", id="7-truncated"),
        pytest.param("page", "error: {sets}/page/dog/2.JPEG: cannot be decoded", id="8-web-page"),
        pytest.param("hollow", "error: {sets}/hollow/dog/2.JPEG: cannot be decoded", id="8-empty"),
        pytest.param("deep", "error: {sets}/deep/dog/0.png: mode I;16 has more than 8 bits", id="9-sixteen-bits"),
    ],
)
def test_rows_4_to_9_a_sample_that_is_refused(images, name, message):
    assert images.code == 1
    assert message.format(sets=images.sets) in images.said
    assert not list((images.workflow / "results/images").glob(f"{name}.*"))


def test_rows_4_to_6_say_the_remedy_and_name_the_dataset(images):
    line = "datasets.{}: too few images for 1 of 2 labels; correct the pattern or the labels"
    for name in ("missing", "junk"):  # where there is none, a lower count does not help
        assert line.format(name) + "\n" in images.said
    assert line.format("fewer") + ", lower count, or set allow_fewer: true\n" in images.said


def test_rows_7_and_8_say_the_remedy(images):
    assert images.said.partition("jobs done in")[2].count("replace it, or set on_bad_image: skip") == 3


def test_row_5_fewer_images_where_they_are_allowed(images):
    assert images.rows("allowed")["label"].tolist() == ["cat"] * 3 + ["dog"] * 2
    warning = (images.workflow / "results/logs/sample/allowed.log").read_text()
    assert "allowed: dog has 2 usable images of 3" in warning


def test_row_7_a_truncated_picture_is_skipped_and_recorded_where_asked(images):
    own = images.rows("skipping").groupby("label")["image"].apply(list)
    assert own["dog"] == ["dog/0.png", "dog/2.JPEG", "dog/3.png"]
    skipped = tidy.read([images.workflow / "results/images/skipping.skipped.csv"])
    assert skipped["path"].tolist() == [f"{images.sets}/skipping/dog/1.jpg"]
    assert "cannot be decoded" in skipped["reason"][0]


def test_rows_4_to_9_once_put_right_the_samples_are_those_of_good_pictures(images, files):
    """The last of those that look at `images`."""
    names = ("missing", "fewer", "junk", "truncated", "page", "hollow", "deep")
    for name in names:
        shutil.rmtree(images.sets / name)
        shutil.copytree(files / "pets", images.sets / name)
    images.workflow.must_run("--", *(f"results/images/{name}.csv" for name in (*names, "pets")))
    columns = ["label", "image", "target"]
    for name in names:
        assert images.rows(name)[columns].equals(images.rows("pets")[columns])


# --- weights: rows 13 to 17 -----------------------------------------------------------------------------------------


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Sum:
    """A call of a function that torch refuses for another reason than those of `os`."""

    def __reduce__(self):
        return sum, ([1, 2],)


def write_weights(folder, executed):
    """Checkpoints by the name of the model that reads them; `executed` appears if one is executed."""
    good = state()
    encoder = {key: value for key, value in good.items() if not key.startswith(("head.", "fc_norm."))}
    nan, huge = copy.deepcopy(good), copy.deepcopy(good)
    nan["blocks.1.mlp.fc1.weight"][0, 0] = float("nan")
    huge["blocks.1.mlp.fc2.weight"] *= 1e38
    huge["blocks.1.mlp.fc2.bias"] += 3e38
    save_file(good, folder / "good.safetensors")
    whole = (folder / "good.safetensors").read_bytes()
    torch.save({"model": good, "args": argparse.Namespace(lr=0.1)}, folder / "official.pth")
    torch.save({"model": good, "args": Payload(executed)}, folder / "payload.pth")
    torch.save({"model": good, "args": Sum()}, folder / "call.pth")
    (folder / "pickled.pth").write_bytes(pickle.dumps(Payload(executed), protocol=2))
    (folder / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    zipped = (folder / "official.pth").read_bytes()
    (folder / "cut.pth").write_bytes(zipped[: len(zipped) // 2])
    (folder / "page.pth").write_text("<!DOCTYPE html><title>404</title>")
    (folder / "hollow.pth").write_bytes(b"")
    save_file(state(embed_dim=48), folder / "wider.safetensors")
    save_file(state(depth=3), folder / "deeper.safetensors")
    save_file(encoder, folder / "headless.safetensors")
    save_file(nan, folder / "nan.safetensors")
    save_file(huge, folder / "huge.safetensors")
    (folder / "good.safetensors").unlink()
    return {path.stem: path for path in sorted(folder.iterdir())}


# of each kind one, for each of which a job imports torch
IN_A_RUN = ("payload", "truncated", "wider", "nan", "huge", "official")


class Weights:
    """Checkpoints, each with a fault of its own, and one run that extracts the clean images with some of them."""

    def __init__(self, files, folder):
        self.executed = folder / "executed"
        (folder / "weights").mkdir()
        self.paths = write_weights(folder / "weights", self.executed)
        self.workflow = Workflow(folder / "clone")
        config = study(files / "vit.safetensors", files / "pets")
        config["models"] |= {name: model(self.paths[name]) for name in IN_A_RUN}
        bright = CROP | {"std": [1e-39, 1e-39, 1e-39]}  # float32 overflows on any picture, but not on noise
        config["models"]["bright"] = model(self.paths["official"], preprocessing=bright)
        self.workflow.configure(config)
        names = [*IN_A_RUN, "bright"]
        done = self.workflow.run("--keep-going", "--", *(f"{self.folder(name)}.csv" for name in names))
        self.code, self.said = done.returncode, done.stdout

    @staticmethod
    def folder(name):
        return f"results/tokens/{name}/pets/clean"

    def refusal(self, name):
        """What is said of a checkpoint by the job that reads it, or by what that calls, where there is no job."""
        if name in IN_A_RUN:
            assert self.code == 1 and not list((self.workflow / self.folder(name)).rglob("*"))
            *_, last = self.said.partition("jobs done in")
            (line,) = (line for line in last.splitlines() if f": error: {self.paths[name]}" in line)
            return line[line.index("error: ") :]
        with pytest.raises(InputError) as refused:
            built = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS, num_classes=2, pooling="avg")
            checkpoints.load(built, str(self.paths[name]))
        return f"error: {refused.value}"


@pytest.fixture(scope="module")
def weights(files, tmp_path_factory):
    return Weights(files, tmp_path_factory.mktemp("weights"))


REFUSED = [
    pytest.param("payload", "refused, it would execute posix.mkdir; save the state dict alone", id="13-payload"),
    pytest.param("pickled", "refused, it would execute posix.mkdir; save the state dict alone", id="13-bare-pickle"),
    pytest.param("call", r"refused, it would execute (builtins\.)?sum; save the state dict alone", id="13-call"),
    pytest.param("truncated", r"\(\d+ bytes\): no whole checkpoint .*; fetch it again", id="14-truncated-safetensors"),
    pytest.param("cut", r"\(\d+ bytes\): no whole checkpoint .*; fetch it again", id="14-truncated-pth"),
    pytest.param("page", r"\(33 bytes\): no whole checkpoint .*; fetch it again", id="14-web-page"),
    pytest.param("hollow", "empty file; give the path of a checkpoint", id="14-empty"),
    pytest.param("wider", r"cls_token has shape \(1, 1, 48\), the architecture needs \(1, 1, 24\)", id="15-wider"),
    pytest.param("deeper", r"has blocks\.2\.\S+ and 11 more that the architecture does not", id="15-deeper"),
    pytest.param("headless", r"has no classification head \(head.weight\); give fine-tuned weights", id="16-headless"),
    pytest.param("nan", "blocks.1.mlp.fc1.weight has values that are not finite; fetch or train it again", id="17-nan"),
]


@pytest.mark.parametrize(("name", "message"), REFUSED)
def test_rows_13_to_17_weights_that_are_refused(weights, name, message):
    said = weights.refusal(name)
    assert said.startswith(f"error: {weights.paths[name]}") and "\n" not in said
    assert re.search(message, said), said
    assert "Re-running" not in said  # which tells to load it unsafely
    assert not weights.executed.exists()


def test_row_13_a_payload_is_not_executed(weights):
    assert not weights.executed.exists()
    pickle.loads(weights.paths["pickled"].read_bytes())  # as it would be
    assert weights.executed.exists()
    weights.executed.rmdir()


def test_row_13_nobody_is_told_to_load_it_unsafely(weights):
    assert weights.said and "Re-running" not in weights.said + weights.workflow.logs()


def test_row_13_a_namespace_beside_the_weights_loads(weights):
    assert sorted(path.name for path in (weights.workflow / weights.folder("official")).iterdir()) == [
        "cat.h5",
        "dog.h5",
    ]


def test_row_17_an_embedding_that_is_not_finite_names_layer_and_image(weights):
    assert re.search(r"error: cat/0\.png: \w+ of level clean is not finite at layer 1", weights.said)
    assert not list((weights.workflow / weights.folder("bright")).rglob("*.h5"))


def test_row_17_weights_that_overflow_are_refused_before_any_image_is_read(weights):
    assert f"error: {weights.paths['huge']}: noise makes layer 2 not finite; fetch or train" in weights.said
    assert not (weights.workflow / weights.folder("huge")).exists()


def test_rows_13_to_17_once_put_right_the_numbers_are_those_of_good_weights(weights, files):
    """The last of those that look at `weights`."""
    shutil.copy(files / "vit.safetensors", weights.paths["nan"])
    measured = [f"results/measures/accuracy/{name}/pets/clean.parquet" for name in ("official", "nan")]
    weights.workflow.must_run("--", *measured)
    assert len({(weights.workflow / path).read_bytes() for path in measured}) == 1


# --- what is accepted, through to a table: rows 5, 9, 13 ------------------------------------------------------------


def test_rows_5_and_9_odd_pictures_and_a_smaller_sample_reach_the_table(files, tmp_path):
    folder = tmp_path / "pets of mine"
    picture(folder / "cat/cmyk.jpg", "CMYK")
    picture(folder / "cat/grey.png", "L")
    picture(folder / "cat/palette.png", "P")
    picture(folder / "cat/alpha.png", "RGBA")
    rotated = Image.Exif()
    rotated[0x0112] = 6
    picture(folder / "cat/rotated.jpg", exif=rotated)
    picture(folder / "dog/grey and alpha.png", "LA")
    workflow = Workflow(tmp_path / "clone")
    config = study(files / "vit.safetensors", folder)
    config["datasets"]["pets"] |= {"count": 5, "allow_fewer": True}
    workflow.configure(config)
    workflow.must_run("table_1")
    rows = tidy.read([workflow / "results/measures/accuracy/vit/pets/clean.parquet"])
    pictures = sorted(f"{path.parent.name}/{path.name}" for path in folder.rglob("*.*"))
    assert sorted(rows["image"]) == pictures
    table = (workflow / "results/pets/tables/table_1.md").read_text()
    assert "6 images of 2 classes" in table and "CLASSES IN" not in table
    assert "Fewer than the 5 images asked for: dog 1." in table
