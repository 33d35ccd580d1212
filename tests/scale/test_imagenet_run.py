"""config/imagenet.yaml itself, from files in the official layouts to every figure and table.

ViT-B/16 with random weights, an ImageNet-like tree cut out of two real photographs, trees like those of -C, -R and -A
(one severity of ImageNet-C but for one corruption), two images per class. The numbers mean nothing; it is tested that
they are there, of the right shape and with the right notes.
"""

import json
import shutil
from functools import cache

import h5py
import numpy as np
import official
import pandas as pd
import pytest
import torch
import yaml
from conftest import REPOSITORY, Workflow
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images

from maescope.base import tidy
from maescope.images.corruptions import CORRUPTIONS
from maescope.models import architectures
from maescope.study.class_lists import synsets

WIDTH, DEPTH, PATCH = official.SIZES["base"]
CONFIG = yaml.safe_load((REPOSITORY / "config/imagenet.yaml").read_text())
TEN = CONFIG["datasets"]["imagenet"]["labels"]
IMAGES = 2  # of each class
FIGURES = [*(f"figure_{number}" for number in range(1, 9)), "figure_masks"]
TABLES = ["table_1", "table_2", "table_3", "shifts", "claims"]


@cache
def photographs():
    return load_sample_images().images


def picture(path, rng, size=None):
    """A piece of one of two photographs, of random place and size, as a JPEG."""
    photograph = photographs()[rng.integers(2)]
    height, width = size or rng.integers(240, 400, 2)
    top, left = rng.integers(0, 427 - height + 1), rng.integers(0, 640 - width + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph[top : top + height, left : left + width]).save(path, "JPEG")
    return path


def build_trees(folder):
    """ImageNet's val, -C, -R, -A and a folder like SA-1B's, as their archives unpack."""
    rng = np.random.default_rng(0)
    number = 0
    for synset in sorted({*TEN, *synsets("imagenet_r"), *synsets("imagenet_a")}):
        for _ in range(IMAGES if synset in TEN else 1):
            number += 1
            name = f"ILSVRC2012_val_{number:08d}.JPEG"
            picture(folder / "imagenet/val" / synset / name, rng)
            if synset in TEN:
                for corruption in CORRUPTIONS:
                    for severity in range(1, 6) if corruption == "fog" else [5]:
                        picture(folder / "imagenet-c" / corruption / str(severity) / synset / name, rng, (224, 224))
    for synset in synsets("imagenet_r"):
        picture(folder / "imagenet-r" / synset / "sketch_0.jpg", rng)
    for synset in synsets("imagenet_a"):
        picture(folder / "imagenet-a" / synset / "0.000116_digital clock _ digital clock_0.865662.jpg", rng)
    for one in range(3):
        picture(folder / "sam" / f"sa_{one}.jpg", rng)


def build_weights(folder):
    folder.mkdir()
    pretrained = official.state(official.shapes(WIDTH, DEPTH, PATCH, decoder=512))
    finetuned = official.state(official.shapes(WIDTH, DEPTH, PATCH, classes=1000), seed=1)
    official.save(pretrained, folder / "mae_pretrain_vit_base.pth", namespace=False)
    official.save(finetuned, folder / "mae_finetuned_vit_base.pth")
    torch.manual_seed(0)
    supervised = architectures.build("vit_base_patch16_224", {}, 1000, "token").state_dict()
    save_file(supervised, folder / "vit_base_patch16_224.augreg_in1k.safetensors")


def configuration(folder):
    """config/imagenet.yaml with its three paths, and as few images as the measures can do with."""
    config = yaml.safe_load((REPOSITORY / "config/imagenet.yaml").read_text())
    config["folders"] = {"imagenet": f"{folder}/imagenet", "variants": str(folder), "checkpoints": f"{folder}/weights"}
    config["study"]["tsne"]["images"] = IMAGES
    for name, count in {
        "imagenet": IMAGES,
        "imagenet_few": 1,
        "imagenet_r_clean": 1,
        "imagenet_a_clean": 1,
        "sam": 3,
    }.items():
        config["datasets"][name]["count"] = count
    for model in config["models"].values():
        model |= {"precision": "bfloat16", "device": "cpu", "threads": 1}  # two jobs at a time
    del config["conventions"]["k_50"]  # two images of 49 patches have no 50 dimensions
    config["analysis"] = {"perplexity": 4, "neighbours": 1, "folds": 2, "resamples": 200}
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The finished study. Its folder is emptied afterwards: it holds a gigabyte of weights."""
    folder = tmp_path_factory.mktemp("imagenet")
    build_trees(folder)
    build_weights(folder / "weights")
    workflow = Workflow(folder / "clone")
    (workflow / "study.yaml").write_text(yaml.safe_dump(configuration(folder), sort_keys=False))
    workflow.must_run("--configfile", "study.yaml")
    yield workflow
    shutil.rmtree(folder)


def test_every_figure_and_table_is_there(run):
    wanted = [f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png", "csv")]
    wanted += [f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex", "md", "html")]
    for path in wanted:
        assert (run / "results/imagenet" / path).stat().st_size > 100, path


def test_tokens_are_those_of_vit_b(run):
    with h5py.File(run / f"results/tokens/mae_pretrained/imagenet/mask/{TEN[0]}.h5") as file:
        assert file["levels/1/patch"].shape == (12, IMAGES, 49, 768)
        assert file["levels/1/head"].shape == (12, IMAGES, 12, 64)
        assert file["image"].asstr()[0].startswith(f"{TEN[0]}/ILSVRC2012_val_")
    with h5py.File(run / f"results/tokens/mae_finetuned/imagenet/clean/{TEN[-1]}.h5") as file:
        assert file["levels/clean/logits"].shape == (IMAGES, 1000)
        assert set(file["target"]) == {synsets("imagenet").index(TEN[-1])}
        assert file["levels/clean/rollout"].shape == (IMAGES, 196)


@pytest.mark.parametrize("model", CONFIG["models"])
def test_each_model_was_checked_before(run, model):
    found = json.loads((run / f"results/check_model/{model}.json").read_text())
    shapes = {"layers": 12, "heads": 12, "width": 768, "patches": 196, "patch_px": 16, "input_px": 224}
    assert shapes.items() <= found["shapes"].items()
    assert len(found["sha256"]) == len(found["answer"]["sha256"]) == 64
    assert found["answer"]["of"] == ("cls" if model == "mae_pretrained" else "logits")
    labels = run / f"results/check_labels/{model}/imagenet.json"
    assert labels.exists() == (model != "mae_pretrained")
    if labels.exists():
        assert json.loads(labels.read_text())["clean"]["images"] == 20
        assert "NEAR CHANCE" in (run / f"results/logs/check_labels/{model}/imagenet.log").read_text()


def test_targets_are_the_numbers_of_the_sorted_synsets(run):
    rows = tidy.read([run / "results/images/imagenet_r.csv"])
    assert len(rows) == 200
    assert rows["target"].tolist() == [synsets("imagenet").index(label) for label in rows["label"]]


@pytest.mark.parametrize(
    ("name", "row", "column", "published"),
    [
        ("table_1", "level == 'I'", "accuracy", 89.8),
        ("table_3", "perturbation == 'blur' and level == 'I'", "mean_cosine", 0.966),
    ],
)
def test_tables_1_and_3_have_both_models_and_the_papers_values_beside_the_first(run, name, row, column, published):
    table = pd.read_csv(run / f"results/imagenet/tables/{name}.csv").query(row).set_index("model")
    assert set(table.index) == {"mae_finetuned", "supervised"}
    assert table[f"{column}_paper"]["mae_finetuned"] == published and np.isnan(table[f"{column}_paper"]["supervised"])
    text = (run / f"results/imagenet/tables/{name}.md").read_text()
    assert f"paper's {column.removeprefix('mean_')}" in text and f"| {published} |" in " ".join(text.split())


def test_table_2_has_a_dash_where_a_severity_is_missing(run):
    table = (run / "results/imagenet/tables/table_2.md").read_text()
    rows = {line.split("|")[3].strip(): line for line in table.splitlines() if line.startswith("|")}
    assert rows["fog"].count("–") == 0
    assert {rows[name.replace("_", " ")].count("–") for name in CORRUPTIONS if name != "fog"} == {
        5
    }  # four and the mean
    assert "generated" not in table


def test_shifts_are_measured_among_200_and_among_all_classes(run):
    table = (run / "results/imagenet/tables/shifts.md").read_text()
    assert "imagenet_r" in table and "imagenet_a" in table
    for name in ("imagenet_r", "imagenet_a"):
        rows = tidy.read([run / f"results/measures/shift/mae_finetuned/{name}/clean.parquet"])
        among = {label: rows[rows["among"] == label]["prediction"] for label in rows["among"].unique()}
        assert len(among) == 2 and all(len(own) == 200 for own in among.values())
        own = {synsets("imagenet").index(synset) for synset in synsets(name)}
        assert set(among["masked200"]) <= own
