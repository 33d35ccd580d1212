"""The smallest sweep, run: what its tables have of models trained here and of those from elsewhere.

It is config/sweep_imagenet100.yaml with small sizes: its first setting is trained by the recipe that photographs have,
on digits of 96 px, and two more stand for checkpoints from elsewhere.
"""

import formats
import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, Workflow
from reader import opened
from safetensors.torch import load_file

from maescope.base import tidy

FILES = [f"figures/{name}.{suffix}" for name in ("figure_sweep", "figure_sweep_layers") for suffix in ("pdf", "png")]


def small() -> dict:
    """The study of ImageNet-100, of digits, a tiny model, three mask ratios and one patch size."""
    config = yaml.safe_load((REPOSITORY / "config/sweep_imagenet100.yaml").read_text())
    config["study"] |= {"name": "ratios", "finetuned": ["ratio_25_tuned-0"], "tsne": {"images": 2}}
    del config["study"]["corrupted"], config["folders"]
    for (name, count), part in zip({"imagenet100": 6, "imagenet100_train": 24}.items(), ("test", "train"), strict=True):
        pattern = f"results/data/digits/{part}/{{label}}/*.png"
        config["datasets"][name] = {"pattern": pattern, "classes": ["0", "1", "2"], "count": count}
    own = {name: config["models"][name] for name in ("ratio_25", "ratio_25_tuned")}
    size = {"img_size": 96, "patch_size": 24, "embed_dim": 24, "depth": 2, "num_heads": 3}
    for model in own.values():
        model |= {"architecture": "vit_tiny_patch16_224", "arguments": size, "device": "cpu", "threads": 1}
        model["preprocessing"] = {"resize": 96, "crop": 96}
        model["training"] |= {"epochs": 2, "batch_size": 24, "seeds": [0, 1], "precision": "float32", "device": "cpu"}
    own["ratio_25"]["training"]["decoder"] = {"width": 8, "depth": 1, "heads": 2}
    own["ratio_25_tuned"]["num_classes"] = 3
    probe = {"recipe": "probe", "initial": "ratio_25-0", "dataset": "imagenet100_train", "epochs": 2, "batch_size": 24}
    own["probed"] = own["ratio_25_tuned"] | {"pooling": "token", "training": probe | {"device": "cpu"}}
    for entry in config["study"]["sweep"][1:3]:
        mask, copies = entry["mask"], [f"{entry['pretrained']}_{number}" for number in (0, 1)]
        del entry["finetuned"]
        entry["pretrained"] = copies
        for seed, name in enumerate(copies):
            elsewhere = {"patch_tokens": [mask], "weights": f"random:{seed}"}
            own[name] = {key: value for key, value in own["ratio_25"].items() if key != "training"} | elsewhere
    config["study"]["sweep"], config["models"] = config["study"]["sweep"][:3], own
    names = ("clean", "mask_25", "mask_50", "mask_75", "blur")
    config["perturbations"] = {name: config["perturbations"][name] for name in names}
    config["perturbations"]["blur"]["levels"] = {"I": {"kernel": 3, "sigma": 1.0}}
    config["perturbations"]["occlusion"] = {"kind": "occlusion", "levels": [0, 50]}
    config["analysis"] = {"subspace": {"k": 4}, "neighbours": 2, "folds": 2, "perplexity": 3}
    return config


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("sweep") / "run")
    workflow.configure(small())
    workflow.must_run("--", "sweep", "results/models/probed.safetensors")
    return workflow


def test_figures_are_drawn_and_show_the_losses_of_all_seeds(swept):
    for name in [*FILES, "figures/training_curves.png"]:
        assert (swept / f"results/ratios/{name}").stat().st_size > 5000, name


def test_every_model_has_its_measures_at_its_own_setting(swept):
    runs = tidy.read([swept / "results/ratios/sweep.csv"])
    assert set(runs["ratio"]) == {0.25, 0.5, 0.75} and set(runs["patch"]) == {24}
    probes = runs[(runs["measure"] == "probe_accuracy") & (runs["token"] == "mean")]
    layers = probes.groupby(["model", "seen"]).size()
    assert len(layers) == 6 * 2 and set(layers) == {2}
    assert runs[runs["measure"] == "theta_1"].groupby("model").size().to_dict() == dict.fromkeys(probes["model"], 2)
    own = runs.set_index(["model", "measure"])["value"]
    assert {model for model, name in own.index if name == "error_low"} == {"ratio_25-0", "ratio_25-1"}
    assert {model for model, name in own.index if name == "accuracy_blur"} == {"ratio_25_tuned-0", "ratio_25_tuned-1"}
    assert own["ratio_25-0", "psnr_db"] != own["ratio_25-1", "psnr_db"]  # two seeds, two models


def test_errors_are_of_every_image_and_accuracies_those_of_the_measures(swept):
    path = swept / "results/measures/reconstruction_error/ratio_25-0/imagenet100/mask_25.csv"
    assert formats.faults(path, "`reconstruction_error`") == []
    errors = tidy.read([path])
    assert len(errors) == 3 * 6 and (errors[["error_low", "error_high", "blank_low"]] > 0).all(axis=None)
    accuracy = tidy.read([swept / "results/measures/accuracy/ratio_25_tuned-1/imagenet100/occlusion.parquet"])
    runs = tidy.read([swept / "results/ratios/sweep.csv"]).set_index(["model", "measure"])["value"]
    expected = 100 * accuracy.loc[accuracy["level"] == "50", "correct"].mean()
    assert runs["ratio_25_tuned-1", "accuracy_occlusion"] == pytest.approx(expected)


def test_intervals_are_over_the_two_models_and_verdicts_say_what_is_missing(swept):
    table = tidy.read([swept / "results/ratios/tables/table_sweep.csv"])
    probes = table[(table["measure"] == "probe_accuracy") & (table["at"] == "last layer")]
    assert set(probes["models"]) == {2} and (probes["low"] <= probes["mean"]).all()
    verdicts = tidy.read([swept / "results/ratios/tables/sweep_claims.csv"])
    assert set(verdicts["axis"]) == {"mask ratio"} and len(verdicts) == 9  # one patch size; nothing is corrupted
    tuned = verdicts[verdicts["claim"].str.startswith("fine-tuned")]  # of one setting only
    assert set(tuned["verdict"]) == {"cannot be said with this data"} and tuned["why"].notna().all()


def test_a_linear_probe_is_the_encoder_that_it_began_with_and_another_head(swept):
    state, before = (load_file(swept / f"results/models/{name}.safetensors") for name in ("probed", "ratio_25-0"))
    encoder = {name for name in before if not name.startswith(("decoder_", "mask_token"))}
    assert state.keys() == encoder | {"head.weight", "head.bias"}
    assert all(torch.equal(state[name], before[name]) for name in encoder)
    losses = tidy.read([swept / "results/models/probed.loss.csv"])
    assert len(losses) == 2 and losses["loss"].between(0.5, 2).all() and state["head.weight"].abs().max() > 0


def test_knn_of_images_that_vote_is_that_of_tokens_after_the_norm(swept, tmp_path):
    """Of the pretrained encoder's CLS, vote by vote, the norm by torch and its weights as they lie on disk."""
    voted, model = swept.moved(tmp_path / "voted"), "ratio_25-0"
    config = voted.config()
    config["study"] |= {"reference": "imagenet100_train", "compared": [model]}
    voted.configure(config)
    voted.must_run("--", "table_knn")
    weights = load_file(voted / f"results/models/{model}.safetensors")
    points = {}
    for dataset in ("imagenet100", "imagenet100_train"):
        for label in "012":
            with h5py.File(voted / f"results/tokens/{model}/{dataset}/clean/{label}.h5") as file:
                own = torch.from_numpy(file["levels/clean/cls"][-1]).float()
            own = torch.nn.functional.layer_norm(own, own.shape[1:], weights["norm.weight"], weights["norm.bias"], 1e-6)
            points[dataset, label] = torch.nn.functional.normalize(own.double(), dim=1)
    voting = torch.cat([points["imagenet100_train", label] for label in "012"])
    names, right = np.repeat([0, 1, 2], 24), 0
    for label in range(3):
        for point in points["imagenet100", str(label)]:
            alike = voting @ point
            nearest = alike.argsort(descending=True)[:20]
            votes = np.bincount(names[nearest], np.exp(alike[nearest] / 0.07), 3)
            right += votes.argmax() == label
    table = tidy.read([voted / "results/ratios/tables/table_knn.csv"])
    assert table["k"].tolist() == [10, 20, 72] * 2 and table["read"].tolist() == [True] * 3 + [False] * 3
    assert table.loc[1, "accuracy"] == pytest.approx(right / 18)
    path = voted / f"results/ratios/measures/knn/{model}/imagenet100/clean.csv"
    assert formats.faults(path, "`knn`") == []
    assert (voted / "results/ratios/tables/table_knn.html").stat().st_size > 500


def test_a_study_without_a_sweep_says_so(workflow):
    refused = workflow.run("--dry-run", "sweep")
    assert refused.returncode and "study.sweep is not set, but this target needs it" in refused.stdout


def test_its_report_opens_in_a_browser(swept, tmp_path):
    page = swept / "results/ratios/report.html"
    swept.must_run("sweep", "--report", str(page))
    with opened(page, tmp_path) as reader:
        assert reader.categories() == ["7. Models", "8. Sweep", "Files"]
        seen = [reader.look(result) for result in reader.results("8. Sweep")]
        assert sum("widths" in one for one in seen) == 2
        assert sum(len(one.get("cells", [])) > 5 for one in seen) == 2
