"""ImageNet-C trees and shifted datasets with faults, through the real workflow: docs/faults.md rows 11, 16 and 25."""

import re
import shutil
import zlib

import pandas as pd
import pytest
from conftest import Workflow
from safetensors.torch import save_file
from test_faults import dataset, model, pets, picture, state, study
from tiny import another

from maescope.base import tidy

CORRUPTIONS = ("fog", "snow")


def corrupt(pictures, tree, groups=True):
    """An ImageNet-C tree of two corruptions: brighter and brighter copies, already of the size of the input."""
    for corruption in CORRUPTIONS:
        for severity in "12345":
            for path in pictures.rglob("*.*"):
                folder = tree / ("weather" if groups else "") / corruption / severity / path.parent.name
                picture(folder / path.name, size=(16, 16), seed=int(severity))
    return tree


@pytest.fixture
def clone(tmp_path, tmp_path_factory):
    """A study in which nothing is wrong, all made but for what it has of an ImageNet-C tree."""
    workflow, files = another(tmp_path_factory, tmp_path / "clone")
    corrupt(files / "pets", tmp_path / "tree")
    config = workflow.config()
    for name in CORRUPTIONS:
        config["perturbations"][name] = {"kind": "corruption", "folder": str(tmp_path / "tree")}
    workflow.configure(config)
    return workflow


def words_of(pdf):
    """All text of a PDF of matplotlib's, without spaces."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", pdf.read_bytes(), re.DOTALL)
    pages = b"".join(zlib.decompress(stream) for stream in streams if stream.startswith(b"x"))
    return b"".join(re.findall(rb"\(([^()]*)\)", pages)).decode("latin-1").replace("\0", "").replace(" ", "")


def table(workflow):
    frame = pd.read_csv(workflow / "results/pets/tables/table_2.csv", dtype={"level": str})
    return frame.set_index(["perturbation", "level"])["accuracy"]


def test_row_25_a_missing_severity_is_a_dash_with_a_note_and_is_measured_once_it_comes(clone, tmp_path):
    fog = tmp_path / "tree/weather/fog"
    (fog / "4").rename(tmp_path / "aside")
    for junk in (fog / ".DS_Store", fog / "1/.DS_Store", fog / "1/cat/.DS_Store", tmp_path / "tree/.DS_Store"):
        junk.write_bytes(b"x")
    clone.must_run("table_2")
    accuracy, text = table(clone), (clone / "results/pets/tables/table_2.md").read_text()
    assert accuracy.isna().to_dict()[("fog", "4")] and accuracy["fog"].drop(["4", "mean"]).notna().all()
    assert accuracy[[("fog", "mean"), ("mean", "4"), ("mean", "mean")]].isna().all()
    assert accuracy[[("snow", "mean"), ("mean", "3")]].notna().all()
    assert "no mean runs over the rest: fog (severity 4)." in text and "| – |" in text
    assert "generated" not in text.lower()

    (tmp_path / "aside").rename(fog / "4")
    jobs = clone.plan("table_2")
    assert jobs == [("accuracy", "vit", "pets", "fog"), ("extract_pets", "vit", "pets", "fog"), ("table_2",)]
    clone.must_run("table_2")
    assert table(clone).notna().all()

    shutil.rmtree(tmp_path / "tree/weather/snow")  # a missing corruption is a row of dashes
    clone.must_run("table_2")
    accuracy = table(clone)
    assert accuracy["snow"].isna().all() and accuracy["mean"].isna().all() and accuracy["fog"].notna().all()
    assert "snow (severity 1, 2, 3, 4, 5)" in (clone / "results/pets/tables/table_2.md").read_text()


def test_faults_of_a_tree_are_named(clone, tmp_path):
    """A corruption folder of another class list, an image that is missing, a picture that is smaller than the input."""
    (tmp_path / "tree/weather/fog/2/dog").rename(tmp_path / "tree/weather/fog/2/n02099601")
    (tmp_path / "tree/weather/snow/3/cat/0.png").unlink()
    said = clone.run("--keep-going", "table_2")
    assert said.returncode == 1
    assert f"{tmp_path}/tree/weather/fog/2: no folder for 1 of 2 classes (dog, ...)" in said.stdout
    missing = f"{tmp_path}/tree/weather/snow/3/cat/0.png: there is no such file, though the clean image is there"
    assert missing in said.stdout
    assert not list((clone / "results/tokens").glob("vit/pets/fog/*.h5"))


def test_row_16_table_2_refuses_a_model_without_a_head(clone):
    config = clone.config()
    config["models"]["encoder"] = model(config["models"]["vit"]["weights"], num_classes=0)
    config["study"] |= {"corrupted": ["encoder"]}
    clone.configure(config)
    refused = clone.run("table_2")
    assert refused.returncode == 1
    assert "models.encoder: study.corrupted needs a head, so num_classes and fine-tuned weights" in refused.stdout


def test_row_11_labels_that_do_not_fit_are_refused_or_loud(clone):
    config = clone.config()
    config["datasets"]["pets"]["labels"] = ["cat", "cow"]
    clone.configure(config)
    refused = clone.run("table_2")
    assert refused.returncode == 1
    assert "datasets.pets.labels: cow not among the 2 classes" in refused.stdout

    config["datasets"]["pets"] |= {"labels": ["cat", "dog"]}
    clone.configure(config)
    config["models"]["twin"] = config["models"]["vit"]
    del config["perturbations"]["snow"]
    config["study"] |= {"finetuned": ["vit", "twin"], "corrupted": ["vit"]}
    clone.configure(config)
    (clone / "results/measures/accuracy/vit/pets/clean.parquet").unlink()
    said = clone.must_run("table_2", "table_models", "figure_5")  # random weights on noise: right at half of six images
    assert "results/logs/accuracy/vit/pets/clean.log: CLEAN ACCURACY NEAR CHANCE" in said
    assert "CLEAN ACCURACY NEAR CHANCE: twin" in (clone / "results/pets/tables/table_models.md").read_text()
    assert words_of(clone / "results/pets/figures/figure_5.pdf").count("CLEANACCURACYNEARCHANCE") == 2
    text = (clone / "results/pets/tables/table_2.md").read_text()
    assert "CLEAN ACCURACY NEAR CHANCE: vit" in text
    assert "CLEAN ACCURACY NEAR CHANCE" in (clone / "results/logs/accuracy/vit/pets/clean.log").read_text()


def test_targets_of_a_shift_do_not_depend_on_the_folders(tmp_path):
    """The same pictures in a tree made in another order, with a stray folder and file, give the same predictions."""
    pets(tmp_path / "pets")
    for number, (tree, labels) in enumerate({"one": ("cat", "dog"), "other": ("dog", "cat")}.items()):
        if number:
            (tmp_path / tree / "aardvark").mkdir(parents=True)
            picture(tmp_path / tree / "aardvark/0.png")
            (tmp_path / tree / "README.txt").write_text("not a class")
        for label in labels:
            for seed in range(3):
                picture(tmp_path / tree / label / f"{seed}.png", seed=seed + 10 * (label == "dog"))
    save_file(state(), tmp_path / "vit.safetensors")
    workflow = Workflow(tmp_path / "clone")
    config = study(tmp_path / "vit.safetensors", tmp_path / "pets")
    config["datasets"] |= {tree: dataset(tmp_path / tree) for tree in ("one", "other")}
    config["datasets"]["other"]["labels"] = ["dog", "cat"]  # nor on the order of the labels
    config["study"]["shifts"] = {"one": "pets", "other": "pets"}
    workflow.configure(config)
    workflow.must_run("--", *(f"results/measures/shift/vit/{tree}/clean.parquet" for tree in ("one", "other")))
    one, other = (
        tidy.read([workflow / f"results/measures/shift/vit/{tree}/clean.parquet"]).sort_values(["among", "image"])
        for tree in ("one", "other")
    )
    assert one.to_csv(index=False) == other.to_csv(index=False)
    assert one["target"].tolist() == [int(label == "dog") for label in one["label"]]
    assert set(one["among"]) == {"masked2", "full2"}
