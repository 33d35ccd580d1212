"""Figures 1-4 and mask invariance in the smallest study: columns, sizes, baselines, what reruns, what is refused."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.linalg import subspace_angles

from maescope.base import tidy
from maescope.study.target_lookups import LONG

L, B, H, N_V, C, MASKS, SHOWN = 2, 4, 3, 4, 3, 2, 2 * 3
FIGURES = ["figure_1", "figure_2", "figure_3", "figure_4", "figure_masks"]
COLUMNS = {
    "tsne": ["token", "layer", "label", "image", "patch", "x", "y"],
    "separation": ["token", "layer", "scope", "silhouette", "knn_accuracy", "probe_accuracy", "chance", "classes"],
    "attention": ["layer", "head", "label", "image", "distance_px", "entropy", "nmi", "uniform_px", "patches"],
    "singular_values": ["level", "layer", "label", "index", "value", "relative"],
    "angles": ["level", "layer", "kind", "label_a", "label_b", "k", "index", "angle_deg"],
    "mask_invariance": ["label", "image", "other_label", "other_image", "mask_a", "mask_b", "cosine", "norm_a"],
}


def path_of(name, perturbation="mask", model="mae_pretrained"):
    folder = "results/smoke" if name in ("tsne", "separation") else "results"
    return f"{folder}/measures/{name}/{model}/three/{perturbation}.{'parquet' if name in LONG else 'csv'}"


def measure(finished, *what):
    return tidy.read([finished / path_of(*what)])


def edit(workflow, path, old, new):
    file = workflow / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_every_figure_is_there_with_its_numbers_and_caption(finished):
    for name in FIGURES:
        for suffix in ("pdf", "png", "csv", "rst"):
            assert (finished / f"results/smoke/figures/{name}.{suffix}").stat().st_size > 50, (name, suffix)
    for suffix in ("csv", "tex", "md", "html"):
        assert "mask invariance" in (finished / f"results/smoke/tables/shifts.{suffix}").read_text()


@pytest.mark.parametrize("name", COLUMNS)
def test_measures_keep_the_contract(finished, name):
    frame = measure(finished, name, "clean" if name == "attention" else "mask")
    assert list(frame)[: len(COLUMNS[name])] == COLUMNS[name]


def test_tsne_has_each_token_of_the_images_shown(finished):
    frame = measure(finished, "tsne")
    sizes = frame.groupby(["token", "layer"]).size()
    assert sizes.to_dict() == {
        (token, layer): SHOWN * (N_V if token == "patch" else 1)
        for token in ("cls", "mean", "patch")
        for layer in (1, 2)
    }
    assert set(frame["label"]) == {"0", "2"}
    assert np.isfinite(frame[["x", "y"]]).all(axis=None)
    assert frame["patch"].notna().eq(frame["token"] == "patch").all()


def test_separation_has_chance_beside_it(finished):
    frame = measure(finished, "separation")
    assert frame[frame["scope"] == "shown"]["chance"].unique().tolist() == [0.5]
    assert frame[frame["scope"] == "all"]["chance"].to_numpy() == pytest.approx(1 / 3)
    assert len(frame) == L * (3 + 2)
    assert frame["silhouette"].between(-1, 1).all() and frame["knn_accuracy"].between(0, 1).all()


def test_attention_has_a_row_a_head_and_image(finished):
    for model in ("mae_pretrained", "mae_finetuned"):
        frame = measure(finished, "attention", "clean", model)
        assert len(frame) == L * H * C * B
        assert not frame.duplicated(["layer", "head", "label", "image"]).any()
        assert (frame["distance_px"] > 0).all() and (frame["entropy"] <= np.log(16) + 1e-6).all()


def test_angles_are_those_of_the_singular_vectors_with_both_baselines(finished):
    frame = measure(finished, "angles")
    rows = frame.groupby(["kind", "k"]).size().to_dict()
    pairs, draws = 3, 25
    expected = {"between": pairs, "within": C, "random": draws}
    assert rows == {(kind, k): MASKS * L * n * k for kind, n in expected.items() for k in (2, 3)}
    with np.load(finished / "results/subspaces/mae_pretrained/three/mask.npz") as found:
        bases = found["2/whole"]
    angles = np.degrees(subspace_angles(bases[1, 0], bases[1, 2])[::-1])
    own = frame.query(
        "kind == 'between' and level == '2' and layer == 2 and label_a == '0' and label_b == '2' and k == 3"
    )
    assert own["angle_deg"].to_numpy() == pytest.approx(angles, abs=np.degrees(1e-5))


def test_mask_invariance_has_all_pairs(finished):
    frame = measure(finished, "mask_invariance")
    images = C * B
    assert len(frame) == images * MASKS * (MASKS - 1) / 2 + images * (images - 1) / 2 * MASKS
    assert frame["cosine"].between(-1, 1).all()


def test_the_report_carries_the_measured_numbers(finished, report):
    text = " ".join(report.read_text().split())
    for name in FIGURES:
        said = (finished / f"results/smoke/figures/{name}.rst").read_text().split("\n\n")[0]
        assert " ".join(re.split(r"\W+", said)[:6]) in " ".join(re.split(r"\W+", text)), name


def test_measures_are_bit_identical_on_a_rerun(smoke):
    paths = [path_of(name) for name in COLUMNS if name != "attention"]
    before = {path: (smoke / path).read_bytes() for path in paths}
    for path in paths:
        (smoke / path).unlink()
    smoke.must_run("--", *paths)
    for path in paths:
        assert (smoke / path).read_bytes() == before[path], path


@pytest.mark.parametrize(
    ("old", "new", "rerun"),
    [
        ("perplexity: 2", "perplexity: 3", {"tsne", "figure_1", "figure_2"}),
        (
            "neighbours: 1",
            "neighbours: 2",
            {"separation", "figure_1", "figure_2", "figure_models", "claims", "shifts"}
            | {"out_of_distribution", "figure_out_of_distribution"},
        ),
        (
            "centring: global",
            "centring: class",
            {"subspaces", "angles", "figure_4", "claims", "shifts"},
        ),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(smoke, old, new, rerun):
    edit(smoke, "config/config.yaml", old, new)
    assert {job[0] for job in smoke.plan()} == {*rerun, "overview", "study_page", "all"}


def test_figure_4_needs_only_its_own_jobs(workflow):
    rules = Counter(job[0] for job in workflow.plan("figure_4"))
    own = ["extract_digits", "subspaces", "angles", "figure_4"]
    assert rules == Counter(["digits", "pretrain", *own], sample=2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"perplexity": 90}, "analysis.perplexity: 90 must be below the number of points, 90"),
        ({"subspace": {"k": 97}}, "analysis.subspace.k: 97 dimensions, but mae_pretrained is 96 wide"),
    ],
)
def test_what_cannot_work_is_refused_while_planning(workflow, changes, said):
    config = workflow.config()
    config["analysis"] = changes
    workflow.configure(config)
    refused = workflow.run("--dry-run")
    assert refused.returncode == 1 and said in refused.stdout
    assert not (workflow / "results").exists()


def test_without_a_pretrained_model_the_rest_is_planned_and_its_figures_are_refused(without_pretrained):
    rules = {job[0] for job in without_pretrained.plan()}
    assert "figure_5" in rules and not rules & {*FIGURES, "tsne"}
    for target in FIGURES:
        refused = without_pretrained.run("--dry-run", target)
        assert refused.returncode == 1 and "is not set, but this target needs it" in refused.stdout, target


def test_too_few_tokens_are_refused_by_label_and_layer(smoke):
    """What only the tokens tell: an energy that needs more dimensions than half a class has."""
    config = yaml.safe_load(Path(smoke / "config/config.yaml").read_text())
    config["analysis"]["subspace"] = {"k": 0.999999999}
    smoke.configure(config)
    refused = smoke.run("--", "results/measures/angles/mae_pretrained/three/mask.csv")
    assert refused.returncode == 1
    assert re.search(r"label 0, layer 1: k = \d+ dimensions asked of 8 rows of 24: rank at most 8", refused.stdout)


def test_numbers_are_those_of_the_measures(finished):
    angles = measure(finished, "angles").query("kind == 'between' and level == '1' and k == 2 and index == 1")
    numbers = pd.read_csv(finished / "results/smoke/figures/figure_4.csv").set_index("layer")
    assert numbers["theta_1"].to_numpy() == pytest.approx(angles.groupby("layer")["angle_deg"].median().to_numpy())
