"""Figures beyond the paper in the smallest study: columns, sizes, and what must be 1 or 0."""

import h5py
import numpy as np
import pytest

from maescope.base import tidy
from maescope.measures import cka
from maescope.study.target_lookups import LONG

L, H, C, B, SIDE = 2, 3, 3, 4, 4
DEPTHS = {"mae_pretrained": L, "mae_finetuned": L, "untrained": 3}
MODELS = list(DEPTHS)
FIGURES = {  # rows of numbers of each model
    "figure_cka": {  # layers with layers of itself and of those before it; of one, five perturbed levels
        "mae_pretrained": L * L,
        "mae_finetuned": L * (L + L) + 5 * L,
        "untrained": 3 * (L + L + 3),
    },
    "figure_models": {model: 2 * layers for model, layers in DEPTHS.items()},  # kinds of tokens
    "figure_rank": {model: 2 * layers for model, layers in DEPTHS.items()},
    "figure_spectrum": {"mae_pretrained": L * (SIDE // 2 + 1)},
    "figure_eigenvalues": {model: 2 * layers for model, layers in DEPTHS.items()},
    "figure_neural_collapse": {model: 2 * layers for model, layers in DEPTHS.items()},
    "figure_high_norms": {"mae_pretrained": L * SIDE**2},
    "figure_patches": {"mae_pretrained": L * 2 * 2 * SIDE**2},  # two images of each of two labels
    "figure_out_of_distribution": {"mae_finetuned": (1 + 2 + 3 + 2 * 5 + 1) * (L + 2)},  # clean, levels, shifted
    "figure_heads": {"mae_pretrained": L * H, "mae_finetuned": L * H, "untrained": 3 * 2},
    "figure_class_attention": {"mae_pretrained": L * H},
}


def measure(finished, name, model="mae_pretrained", perturbation="clean"):
    suffix = "parquet" if name in LONG else "csv"
    return tidy.read([finished / f"results/measures/{name}/{model}/three/{perturbation}.{suffix}"])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_there_with_its_numbers(finished, name):
    for suffix in ("pdf", "png"):
        assert (finished / f"results/smoke/figures/{name}.{suffix}").stat().st_size > 5000, suffix
    numbers = tidy.read([finished / f"results/smoke/figures/{name}.csv"])
    assert numbers["model"].value_counts().to_dict() == FIGURES[name]


def alike(finished, model, perturbation, other):
    return tidy.read([finished / f"results/measures/cka/{model}/three/{perturbation}/{other}.csv"])


def test_a_layer_is_wholly_like_itself_and_one_of_another_model_is_not(finished):
    own = alike(finished, "mae_pretrained", "clean", "mae_pretrained")
    assert len(own) == 2 * L * L
    same = own["layer"] == own["other_layer"]
    assert own.loc[same, "cka"].to_numpy() == pytest.approx(1, abs=1e-9)
    assert own.loc[same, "shuffled"].max() < 0.99
    deeper = alike(finished, "untrained", "clean", "mae_pretrained")
    assert deeper.groupby("token").size().tolist() == [3 * L, 3 * L]
    assert deeper["cka"].between(0, 0.999).all()


def test_cka_is_that_of_the_tokens_and_falls_with_blur_and_not_without(finished):
    blurred = alike(finished, "mae_finetuned", "blur", "mae_finetuned")
    assert blurred["level"].unique().tolist() == ["I", "II"]
    occluded = alike(finished, "mae_finetuned", "occlusion", "mae_finetuned")
    nothing = occluded[(occluded["level"] == "0") & (occluded["layer"] == occluded["other_layer"])]
    assert nothing["cka"].to_numpy() == pytest.approx(1, abs=1e-9)
    clean, after = (embeddings(finished, *where) for where in (("clean", "clean"), ("blur", "II")))
    row = blurred.query("level == 'II' and token == 'mean' and layer == 2").iloc[0]
    expected = cka.cka(cka.prepare(after[1]), cka.prepare(clean[1]))
    assert row["other_layer"] == 2 and row["cka"] < 0.99
    assert row[["cka", "debiased"]].tolist() == pytest.approx(expected, nan_ok=True)


def embeddings(finished, perturbation, level):
    """Mean tokens (L, images, D) of the fine-tuned model, label after label."""
    parts = []
    for label in "012":
        with h5py.File(finished / f"results/tokens/mae_finetuned/three/{perturbation}/{label}.h5") as file:
            parts.append(file[f"levels/{level}/mean"][:])
    return np.concatenate(parts, axis=1)


def test_ranks_lie_between_one_and_their_bound(finished):
    for model, layers in DEPTHS.items():
        ranks = measure(finished, "effective_rank", model)
        assert len(ranks) == 2 * layers
        assert (ranks["effective_rank"] > 1).all() and (ranks["effective_rank"] < ranks["most"]).all()
        assert (ranks["noise"] < ranks["most"]).all() and set(ranks["most"]) == {C * B}


def test_spectra_begin_at_zero_and_have_all_frequencies(finished):
    spectra = measure(finished, "spectrum")
    assert len(spectra) == L * C * (SIDE // 2 + 1)
    assert sorted(spectra["frequency"].unique()) == [0, 0.5, 1]
    assert (spectra.loc[spectra["frequency"] == 0, "log_amplitude"] == 0).all()


def test_queries_of_trained_heads_differ_and_of_untrained_ones_hardly(finished):
    least = {model: measure(finished, "attention", model)["nmi"].min() for model in MODELS}
    most = {model: measure(finished, "attention", model)["nmi"].max() for model in MODELS}
    for model in ("mae_pretrained", "mae_finetuned"):
        assert 0 < most["untrained"] < 1e-3 < least[model] < most[model] < 1
    assert least["untrained"] > -1e-6  # it is a difference of two float32


def test_heads_have_a_view_of_their_class(finished):
    seen = measure(finished, "class_attention")
    assert len(seen) == L * H * C
    assert (seen[["to_patches", "spread", "same_class"]] <= 1).all(axis=None)


def test_a_study_that_compares_nothing_has_none_of_these(workflow):
    config = workflow.config()
    assert {*FIGURES, "table_models"} <= {job[0] for job in workflow.plan()}
    config["study"] |= {"compared": [], "finetuned": ["mae_finetuned"]}
    workflow.configure(config)
    planned = {job[0] for job in workflow.plan()}
    assert not planned & {*FIGURES, "table_models"}
    assert "figure_3" in planned


def test_what_needs_all_patches_is_not_planned_of_a_model_without_them(workflow):
    config = workflow.config()
    for model in config["models"].values():
        model.pop("patch_tokens", None)
    del config["conventions"]  # of other masks, among others
    workflow.configure(config)
    assert {job[0] for job in workflow.plan()} & set(FIGURES) == set(FIGURES) - {
        "figure_spectrum",
        "figure_class_attention",
        "figure_high_norms",
        "figure_patches",
    }
    said = refused(workflow, "figure_spectrum")
    assert "models.mae_pretrained.patch_tokens: add clean, or there is nothing to show of spectrum" in said


def refused(workflow, target):
    done = workflow.run("--dry-run", target)
    assert done.returncode == 1
    return done.stdout


def test_numbers_of_embeddings_stand_beside_their_controls(finished):
    ranks, collapse = (measure(finished, name) for name in ("effective_rank", "neural_collapse"))
    assert ranks["participation_ratio"].between(1, C * B - 1).all() and (ranks["nesum"] <= C * B - 1).all()
    assert (ranks["noise_nesum"] > ranks["nesum"].min()).all() and ranks["alpha"].isna().all()  # eleven eigenvalues
    assert (collapse["nc1"] > 0).all() and set(collapse["classes"]) == {C}
    assert (collapse["nc1"].to_numpy() != collapse["shuffled_nc1"].to_numpy()).all()


def test_perturbed_images_are_told_from_clean_ones_and_clean_ones_among_themselves_are_the_control(finished):
    numbers = tidy.read([finished / "results/smoke/figures/figure_out_of_distribution.csv"])
    counts = numbers.drop_duplicates("shifted").set_index("shifted")[["inside", "outside"]]
    assert counts.loc["clean"].tolist() == [C, C]  # of four images per class two are the bank
    assert counts.loc["blur"].tolist() == [2 * C, 2 * C] and counts.loc["images of shifted"].tolist() == [2 * C, 4 * C]
    nothing = numbers[(numbers["shifted"] == "occlusion") & (numbers["level"] == "0")]
    assert nothing["auroc"].to_numpy() == pytest.approx(0.5)
    assert numbers["auroc"].between(0, 1).all()


def test_drift_is_set_against_what_was_lost(finished):
    table = tidy.read([finished / "results/smoke/tables/table_drift.csv"])
    assert table.groupby(["over", "perturbation"])["count"].first().to_dict().keys() == {
        ("conditions", "all"),
        ("conditions", "blur"),
        ("conditions", "occlusion"),
        ("images", "all"),
    }


def test_a_target_without_what_it_needs_is_refused_while_planning(workflow):
    config = workflow.config()
    config["study"] |= {"compared": [], "finetuned": ["mae_finetuned"], "corruptions": []}
    workflow.configure(config)
    assert "perturbations: none is of kind shuffle" in refused(workflow, "figure_shuffle")
    for target in ("figure_rank", "figure_cka", "figure_spectrum", "table_similarity"):
        assert "study.compared: this target needs 1 or more;" in refused(workflow, target)
    assert "study.finetuned: this target needs 2 or more;" in refused(workflow, "table_models")
    assert "study.corruptions: this target needs 1 or more;" in refused(workflow, "table_2")


def test_a_study_without_a_pretrained_model_compares_nothing(without_pretrained):
    planned = {job[0] for job in without_pretrained.plan()}
    assert not planned & set(FIGURES)
    assert "table_models" in planned


def test_an_unknown_model_to_compare_is_refused(workflow):
    config = workflow.config()
    config["study"]["compared"] = ["mae_pretraind"]
    workflow.configure(config)
    done = workflow.run("--dry-run")
    assert done.returncode == 1
    assert "study.compared: 'mae_pretraind' is not among models (did you mean 'mae_pretrained'?)" in done.stdout
