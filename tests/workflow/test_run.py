"""The smallest study from end to end: what it leaves, and what runs again when something changes."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from maescope.base import tidy
from maescope.study.target_lookups import LONG

L, B, H, D, N, C = 2, 4, 3, 24, 16, 3
LEVELS = {
    "clean": ["clean"],
    "mask": ["1", "2"],
    "blur": ["I", "II"],
    "occlusion": ["0", "50", "90"],
    "occlusion_random": ["0", "50", "90"],
    "gaussian_noise": ["1", "2", "3", "4", "5"],
}
MEASURED = ("clean", "blur", "occlusion", "occlusion_random", "gaussian_noise")
EXTRACTED = [("mae_finetuned", name) for name in MEASURED]
EXTRACTED.append(("mae_pretrained", "mask"))
COLUMNS = {
    "accuracy": ["level", "label", "image", "target", "prediction", "correct"],
    "alignment": ["level", "label", "image", "layer", "cosine", "norm_clean", "norm_perturbed", "radius", "correct"],
    "quality": ["level", "label", "image", "psnr_db", "ssim"],
    "features": ["level", "label", "layer", "head", "common_clean", "common_perturbed"],
    "shift": ["level", "label", "image", "target", "among", "prediction", "correct"],
}
FIGURES = ["figure_5", "figure_classes", "figure_6", "figure_7", "figure_8", "training_curves", "reconstruction"]
TABLES = ["table_1", "table_2", "table_3", "claims", "shifts"]


def tokens(finished, model, perturbation, label="0"):
    return h5py.File(finished / f"results/tokens/{model}/three/{perturbation}/{label}.h5")


def measure(finished, path):
    suffix = "parquet" if path.split("/")[0] in LONG else "csv"
    return tidy.read([finished / f"results/measures/{path}.{suffix}"])


def edit(workflow, path, old, new):
    file = workflow / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def names(jobs):
    return {job[0] for job in jobs}


def test_all_figures_and_tables_are_there(finished):
    wanted = [f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")]
    wanted += [f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex", "md", "html")]
    for path in [*wanted, "figures/figure_5.csv"]:
        assert (finished / "results/smoke" / path).stat().st_size > 100, path


def test_nothing_temporary_is_left(finished):
    assert not list((finished / "results").rglob(".tmp.*"))


@pytest.mark.parametrize(("model", "perturbation"), EXTRACTED)
def test_token_files_keep_the_contract(finished, model, perturbation):
    shapes = {"cls": (L, B, D), "mean": (L, B, D), "head": (L, B, H, D // H)}
    if model == "mae_finetuned":
        shapes["logits"] = (B, C)
    if perturbation == "clean":
        shapes |= {f"attention_{name}": (L, B, H) for name in ("distance", "entropy", "key_entropy")}
        shapes |= {"rollout": (B, N), "rollout_cls": (B, N)}
    if (model, perturbation) == ("mae_pretrained", "clean"):
        shapes |= {"patch": (L, B, N, D), "cls_attention": (L, B, H, N)}
    if perturbation == "mask":
        shapes |= {"patch": (L, B, 4, D), "visible": (B, 4)}
    if perturbation.startswith("occlusion"):
        shapes["masked"] = (B, N)
    images = tidy.read([finished / "results/images/three.csv"])
    for label in "012":
        own = images[images["label"] == label]
        with tokens(finished, model, perturbation, label) as file:
            assert set(file) == {"image", "target", "levels"}
            assert file["image"].asstr()[:].tolist() == own["image"].tolist()
            assert file["target"][:].tolist() == own["target"].tolist() == [int(label)] * B
            assert [level.decode() for level in file.attrs["levels"]] == LEVELS[perturbation]
            assert set(file["levels"]) == set(LEVELS[perturbation])
            for level in file["levels"].values():
                assert {name: dataset.shape for name, dataset in level.items()} == shapes
                for dataset in level.values():
                    assert dataset.fletcher32 and dataset.compression is None
                    assert dataset.dtype == {"masked": bool, "visible": np.int64}.get(dataset.name.split("/")[-1], "f4")
            attributes = {
                key: value.decode() if isinstance(value, bytes) else value for key, value in file.attrs.items()
            }
            assert (attributes["complete"], attributes["schema"]) == (1, 2)
            stated = [attributes[key] for key in ("model", "dataset", "perturbation", "label", "seed", "dtype")]
            assert stated == [model, "three", perturbation, label, 0, "float32"]
            assert re.fullmatch("[0-9a-f]{64}", attributes["config_hash"])
            assert re.fullmatch("[0-9a-f]{64}", attributes["weights_sha256"])
            assert "torch" in attributes["versions"]


def test_the_mask_shows_a_quarter_of_the_patches_in_order(finished):
    with tokens(finished, "mae_pretrained", "mask") as file:
        visible = [file[f"levels/{number}/visible"][:] for number in "12"]
    for ids in visible:
        assert (np.diff(ids) > 0).all() and ids.min() >= 0 and ids.max() < N
    assert (visible[0] != visible[1]).any()


@pytest.mark.parametrize("percent", [0, 50, 90])
@pytest.mark.parametrize("perturbation", ["occlusion", "occlusion_random"])
def test_occlusion_hides_what_its_level_says(finished, perturbation, percent):
    with tokens(finished, "mae_finetuned", perturbation) as file:
        assert (file[f"levels/{percent}/masked"][:].sum(1) == round(percent * N / 100)).all()


def test_occlusion_takes_the_most_attended_patches_first(finished):
    with tokens(finished, "mae_finetuned", "clean") as clean, tokens(finished, "mae_finetuned", "occlusion") as file:
        rollout, masked = clean["levels/clean/rollout"][:], file["levels/50/masked"][:]
    for scores, hidden in zip(rollout, masked, strict=True):
        assert scores[hidden].min() >= scores[~hidden].max()


@pytest.mark.parametrize("perturbation", ["occlusion", "occlusion_random"])
def test_occlusion_of_nothing_is_clean_bit_for_bit(finished, perturbation):
    for label in "012":
        with (
            tokens(finished, "mae_finetuned", "clean", label) as clean,
            tokens(finished, "mae_finetuned", perturbation, label) as occluded,
        ):
            for name in ("cls", "mean", "head", "logits"):
                before, after = clean[f"levels/clean/{name}"][:], occluded[f"levels/0/{name}"][:]
                assert before.tobytes() == after.tobytes(), name
                assert before.tobytes() != occluded[f"levels/50/{name}"][:].tobytes(), name
    clean = measure(finished, "accuracy/mae_finetuned/three/clean").drop(columns="level")
    occluded = measure(finished, f"accuracy/mae_finetuned/three/{perturbation}")
    nothing = occluded[occluded["level"] == "0"].drop(columns="level")
    order = ["label", "image"]
    assert clean.sort_values(order).to_csv(index=False) == nothing.sort_values(order).to_csv(index=False)


@pytest.mark.parametrize("perturbation", MEASURED)
def test_accuracy_has_one_row_an_image_and_level(finished, perturbation):
    frame = measure(finished, f"accuracy/mae_finetuned/three/{perturbation}")
    assert list(frame) == COLUMNS["accuracy"]
    assert sorted(frame["level"].unique()) == LEVELS[perturbation]
    assert len(frame) == len(LEVELS[perturbation]) * C * B
    assert not frame.duplicated(["level", "label", "image"]).any()
    assert (frame["correct"] == (frame["prediction"] == frame["target"])).all()


@pytest.mark.parametrize("perturbation", ["blur", "occlusion"])
def test_alignment_has_one_row_an_image_level_and_layer(finished, perturbation):
    frame = measure(finished, f"alignment/mae_finetuned/three/{perturbation}")
    assert list(frame) == COLUMNS["alignment"]
    assert len(frame) == len(LEVELS[perturbation]) * C * B * L
    assert sorted(frame["layer"].unique()) == [1, 2]
    assert not frame.duplicated(["level", "label", "image", "layer"]).any()
    assert frame["cosine"].between(-1, 1).all()


def test_quality_has_one_row_an_image_and_level(finished):
    frame = measure(finished, "quality/mae_finetuned/three/blur")
    assert list(frame) == COLUMNS["quality"]
    assert len(frame) == 2 * C * B
    means = frame.groupby("level")["psnr_db"].mean()
    assert means["I"] > means["II"]


@pytest.mark.parametrize("perturbation", ["blur", "occlusion"])
def test_features_have_one_row_a_level_class_layer_and_head(finished, perturbation):
    frame = measure(finished, f"features/mae_finetuned/three/{perturbation}")
    assert list(frame)[:6] == COLUMNS["features"]
    assert len(frame) == len(LEVELS[perturbation]) * C * L * H
    assert not frame.duplicated(COLUMNS["features"][:4]).any()
    assert (frame["common_perturbed"] <= frame["common_clean"]).all()
    assert (frame["shuffled_perturbed"] <= frame["shuffled_clean"]).all()
    if perturbation == "occlusion":
        nothing = frame[frame["level"] == "0"]
        assert (nothing["common_perturbed"] == nothing["common_clean"]).all()


@pytest.mark.parametrize("dataset", ["three", "shifted"])
def test_shift_has_each_image_among_its_own_classes_and_among_all(finished, dataset):
    frame = measure(finished, f"shift/mae_finetuned/{dataset}/clean")
    assert list(frame) == COLUMNS["shift"]
    assert len(frame) == 2 * C * B and set(frame["among"]) == {"masked3", "full3"}
    by_choice = [part["prediction"].tolist() for _, part in frame.groupby("among")]
    assert by_choice[0] == by_choice[1]  # its own classes are all


def test_table_2_says_what_was_generated(finished):
    table = pd.read_csv(finished / "results/smoke/tables/table_2.csv", dtype={"level": str})
    text = (finished / "results/smoke/tables/table_2.md").read_text()
    assert "2 of 2 corruptions were made here" in text and "the 2 corruptions of this table only" in text
    assert "generated, synthetic" in text and "Accuracy under corruptions (%), generated" in text
    assert "CIFAR-C" in text  # a crop of 16 px
    accuracy = measure(finished, "accuracy/mae_finetuned/three/gaussian_noise").groupby("level")["correct"].mean() * 100
    own = table[table["perturbation"] == "gaussian_noise"].set_index("level")["accuracy"]
    for level in "12345":
        assert own[level] == pytest.approx(accuracy[level])
    assert own["mean"] == pytest.approx(accuracy.mean())


def test_claims_have_a_verdict_and_a_reason_each(finished):
    table = pd.read_csv(finished / "results/smoke/tables/claims.csv")
    assert len(table) == len(pd.read_csv(finished / "config/paper/claims.csv"))
    assert set(table["verdict"]) <= {"holds", "does not hold", "cannot be said with this data"}
    assert table.loc[table["verdict"] == "cannot be said with this data", "why"].notna().all()


def test_shifts_have_both_accuracies_and_the_change(finished):
    table = pd.read_csv(finished / "results/smoke/tables/shifts.csv")
    own = table[table["claim"] == "accuracy on shifted"]
    assert len(own) == 4 and (own["images"] == C * B).all()
    assert own["baseline"].unique().tolist() == ["three, 12 images"]


def test_another_run_does_nothing(finished):
    assert finished.plan() == []


def test_nor_does_one_whose_code_was_merely_touched(smoke):
    for path in smoke.folder.glob("workflow/**/*"):
        path.touch()
    assert smoke.plan() == []


def test_nor_does_one_of_a_copy_in_another_folder(finished, tmp_path):
    moved = finished.moved(tmp_path / "elsewhere" / "clone")
    assert moved.plan() == []


def test_a_maescope_that_is_installed_is_not_run_in_the_place_of_the_workflows(smoke, tmp_path):
    (tmp_path / "installed/maescope").mkdir(parents=True)
    (tmp_path / "installed/maescope/__init__.py").write_text("raise RuntimeError('this one was run')\n")
    (smoke / "results/images/three.csv").unlink()
    smoke.must_run("results/images/three.csv", modules=tmp_path / "installed")
    assert (smoke / "results/images/three.csv").is_file()


def test_another_study_in_the_same_folder_makes_what_is_its_own_and_leaves_the_rest(smoke):
    edit(smoke, "config/config.yaml", "name: smoke", "name: second")
    edit(smoke, "config/config.yaml", 'tsne: {labels: ["0", "2"], images: 3}', 'tsne: {labels: ["1", "2"], images: 4}')
    jobs = smoke.plan()
    assert {"tsne", "separation", "figure_1", "table_1", "claims"} <= names(jobs)
    shared = {
        "accuracy",
        "alignment",
        "attention",
        "subspaces",
        "angles",
        "features",
        "quality",
        "cka",
        "shift",
        "sample",
    }
    assert not names(jobs) & shared and not any(name.startswith(("extract", "check", "pre")) for name in names(jobs))
    assert all(Path(smoke / f"results/smoke/figures/{name}.png").is_file() for name in ("figure_1", "figure_5"))


def test_a_changed_blur_level_reruns_blur_and_what_depends_on_it(smoke):
    edit(smoke, "config/config.yaml", "{kernel: 5, sigma: 2.0}", "{kernel: 5, sigma: 3.0}")
    assert smoke.plan() == [
        ("accuracy", "mae_finetuned", "three", "blur"),
        ("alignment", "mae_finetuned", "three", "blur"),
        ("all",),
        ("cka", "mae_finetuned", "three", "blur", "mae_finetuned"),
        ("claims",),
        ("extract_three", "mae_finetuned", "three", "blur"),
        ("features", "mae_finetuned", "three", "blur"),
        ("figure_6",),
        ("figure_8",),
        ("figure_cka",),
        ("figure_out_of_distribution",),
        ("out_of_distribution", "mae_finetuned", "three", "clean"),
        ("overview",),
        ("quality", "mae_finetuned", "three", "blur"),
        ("shifts",),
        ("study_page",),
        ("table_1",),
        ("table_3",),
        ("table_drift",),
        ("thumbnails",),
    ]


def test_a_changed_threshold_reruns_the_features_and_their_figures(smoke):
    edit(smoke, "config/config.yaml", "  resamples: 100", "  resamples: 100\n  features: {threshold: 0.5}")
    assert smoke.plan() == [
        ("all",),
        ("claims",),
        ("features", "mae_finetuned", "three", "blur"),
        ("features", "mae_finetuned", "three", "occlusion"),
        ("figure_6",),
        ("figure_7",),
        ("figure_8",),
        ("overview",),
        ("shifts",),
        ("study_page",),
    ]


def test_a_changed_confidence_reruns_figures_and_tables(smoke):
    edit(smoke, "config/config.yaml", "  resamples: 100", "  resamples: 100\n  confidence: 0.9")
    drawn = ["claims", "figure_5", "figure_8", "figure_classes", "figure_out_of_distribution", "overview", "shifts"]
    drawn += ["figure_1", "figure_2", "figure_models", "study_page", "table_1", "table_2", "table_3", "table_drift"]
    assert smoke.plan() == sorted([("all",), *((name,) for name in drawn)])


def test_an_edited_statistics_module_reruns_figures_and_tables(smoke):
    edit(smoke, "workflow/scripts/maescope/base/statistics.py", "import pandas", "# edited\nimport pandas")
    drawn = ["claims", "figure_5", "figure_6", "figure_7", "figure_8", "figure_classes", "overview", "shifts"]
    drawn += ["figure_1", "figure_2", "figure_models", "study_page", "table_1", "table_2", "table_3", "table_drift"]
    assert smoke.plan() == sorted([("all",), *((name,) for name in drawn)])


def test_an_edited_attention_module_reruns_extraction_but_no_training(smoke):
    edit(smoke, "workflow/scripts/maescope/tokens/attention_statistics.py", "import math", "# edited\nimport math")
    jobs = smoke.plan()
    extracted = {*EXTRACTED, ("mae_finetuned", "frost"), ("mae_pretrained", "clean"), ("untrained", "clean")}
    three = {("extract_three", model, "three", perturbation) for model, perturbation in extracted}
    assert {job for job in jobs if job[0] == "extract_three"} == three
    drawn = {"figure_5", "figure_6", "figure_7", "figure_8", "table_1", "table_2", "table_3", "claims", "shifts"}
    assert {"accuracy", "alignment", "features", *drawn, "all"} <= names(jobs)
    assert ("shift", "mae_finetuned", "shifted", "clean") in jobs
    assert not {"digits", "sample", "pretrain", "finetune", "train_scratch"} & names(jobs)


def test_figures_and_tables_come_again_from_measures_without_torch(smoke, tmp_path):
    for name in ("torch", "torchvision", "timm"):
        (tmp_path / "without" / name).mkdir(parents=True)
        (tmp_path / "without" / name / "__init__.py").write_text(f"raise ImportError('{name} is not to be imported')")
    drawn = ("figure_1", "figure_4", "figure_5", "training_curves")  # of the others, tests/workflow/test_rules.py
    numbers = {name: (smoke / f"results/smoke/figures/{name}.csv").read_bytes() for name in drawn[:3]}
    for name in drawn:
        for path in (smoke / "results/smoke/figures").glob(f"{name}.*"):
            path.unlink()
    shutil.rmtree(smoke / "results/smoke/tables")
    shutil.rmtree(smoke / "results/tokens")  # nor are the tokens needed
    smoke.must_run(*drawn, "table_1", "claims", "shifts", modules=tmp_path / "without")
    for name, content in numbers.items():
        assert (smoke / f"results/smoke/figures/{name}.csv").read_bytes() == content, name
    (smoke / "results/smoke/figures/reconstruction.png").unlink()  # which does need torch: the shim works
    refused = smoke.run("reconstruction", modules=tmp_path / "without")
    assert refused.returncode == 1 and "torch is not to be imported" in refused.stdout


def test_two_runs_from_scratch_give_identical_numbers(finished, workflow, tmp_path):
    """The second one by a Python of its own for each job: forks of one process have its hashes and numpy's draws."""
    shutil.copy(finished / "config/config.yaml", workflow / "config/config.yaml")
    targets = [f"results/measures/{name}/mae_finetuned/three/occlusion.parquet" for name in ("accuracy", "alignment")]
    workflow.must_run("--", *targets, modules=tmp_path / "none")
    tables = [path for pattern in ("*.csv", "*.parquet") for path in (workflow / "results").rglob(pattern)]
    made = sorted(path.relative_to(workflow.folder) for path in tables)
    assert {*targets, "results/models/mae_finetuned.loss.csv", "results/images/three.csv"} <= {str(p) for p in made}
    for path in made:
        assert (workflow.folder / path).read_bytes() == (finished.folder / path).read_bytes(), path
    weights = Path("results/models/mae_finetuned.safetensors")
    assert (workflow.folder / weights).read_bytes() == (finished.folder / weights).read_bytes()


def test_the_report_is_one_page_with_the_captions(finished, report):
    text = report.read_text()
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?https?:[^>]*>", text)
    captions = sorted((finished / "workflow/report").glob("*.rst"))
    assert captions
    for caption in captions:
        sentence = " ".join(caption.read_text().replace("`", "").split())
        by_themselves = {"figure_shuffle", "figure_faithfulness", "table_similarity", "table_knn"}
        here = caption.stem not in {"table_models", *by_themselves}  # the former of two fine-tuned models; here is one
        here = here and "sensitivity" not in caption.stem and "sweep" not in caption.stem  # no part of this study
        if here and "{{" not in sentence and "<" not in sentence:
            assert sentence[:40] in " ".join(text.split()), caption.name
    assert "smoke" in text


def test_the_tables_agree_with_the_measures(finished):
    table = pd.read_csv(finished / "results/smoke/tables/table_1.csv")
    accuracy = measure(finished, "accuracy/mae_finetuned/three/blur").groupby("level")["correct"].mean() * 100
    for level in ("I", "II"):
        assert table.set_index("level").loc[level, "accuracy"] == pytest.approx(accuracy[level])
