"""The matrix of conclusions and conventions in the smallest study: what is made anew, what is read, what comes out."""

import formats
import h5py
import numpy as np
import pytest
import yaml
from reader import opened

from maescope.base import tidy
from maescope.claims import verdicts

MADE = "results/smoke/conventions"
CONVENTIONS = ["rollout_cls", "other_mask", "unmasked", "centred_class", "k_1", "norm_after"]
CONVENTIONS += ["heads_without_cls", "distance_with_cls"]
TOUCHED = {name: 4 for name in ("rollout_cls", "norm_after")} | {"distance_with_cls": 3}
TOUCHED |= {name: 2 for name in ("other_mask", "unmasked")}


@pytest.fixture(scope="module")
def planned(finished):
    return finished.plan("sensitivity")


@pytest.fixture(scope="module")
def compared(finished, tmp_path_factory):
    """A copy of the finished study, with its matrix."""
    workflow = finished.moved(tmp_path_factory.mktemp("sensitivity") / "run")
    workflow.must_run("sensitivity", "table_similarity")
    return workflow


def test_only_what_a_convention_changes_is_extracted(planned):
    extracted = sorted(job[1:] for job in planned if job[0].startswith("extract_"))
    assert extracted == [
        ("distance_with_cls", "mae_finetuned", "three", "clean"),
        ("distance_with_cls", "mae_pretrained", "three", "clean"),
        ("heads_without_cls", "mae_finetuned", "three", "blur"),
        ("heads_without_cls", "mae_finetuned", "three", "clean"),
        ("mae_finetuned", "three", "occlusion_cls"),
        ("mae_pretrained", "three", "mask_again"),
    ]


def test_measures_are_made_of_what_changed_and_nothing_of_the_study_again(planned):
    made = sorted({job[0] for job in planned} - {"extract_three", "extract_by_convention"})
    own = ["alignment", "attention", "claims", "features", "angles", "subspaces"]
    study = ["accuracy", "alignment", "angles", "separation", "subspaces"]  # of other perturbations
    rules = [f"{name}_by_convention" for name in own] + study
    assert made == sorted([*rules, "final_norm", "sensitivity"])
    separated = [job[1:] for job in planned if job[0] in ("separation", "angles")]
    assert set(separated) <= {("mae_pretrained", "three", "mask_again"), ("mae_pretrained", "three", "clean")}
    assert sum(job[0] == "claims_by_convention" for job in planned) == len(CONVENTIONS)


def test_it_is_no_part_of_the_whole_study(finished):
    assert finished.plan() == []


def test_conclusions_by_cka_are_held_against_two_other_measures(compared):
    path = compared / "results/smoke/measures/similarity.csv"
    assert formats.faults(path, "`similarity`") == []
    measured = tidy.read([path])
    whole = measured[measured["left_out"].isna()]
    assert len(whole) == (2 + 3 + 3) + 2 * (2 + 3)  # layers of each two models; of two, at five levels
    assert len(measured) - len(whole) == 6 * (3 + 2 * 2)  # six pairs of twelve images; last layers, and first ones
    nothing = measured[(measured["perturbation"] == "occlusion") & (measured["level"] == "0")]
    assert nothing[["cka", "mutual_knn", "procrustes"]].to_numpy() == pytest.approx(1, abs=1e-6)
    table = tidy.read([compared / "results/smoke/tables/table_similarity.csv"])
    assert set(table["measure"]) == {"cka", "mutual_knn", "procrustes"}
    assert table["conclusion"].nunique() == 3 + 3  # of a perturbed model, and of each of three beside the others
    assert not table.loc[table["measure"] == "cka", "flips"].any()
    assert table[["low", "high"]].notna().all(axis=None) and (table["low"] <= table["difference"]).all()


def matrix(compared):
    return tidy.read([compared / "results/smoke/tables/sensitivity.csv"])


def test_each_conclusion_meets_each_convention(compared):
    found, study = matrix(compared), tidy.read([compared / "results/smoke/tables/claims.csv"])
    assert found["convention"].unique().tolist() == CONVENTIONS
    assert len(found) == len(CONVENTIONS) * len(study)
    touched = found[found["outcome"] != "untouched"].groupby("convention").size()
    assert touched.to_dict() == {name: TOUCHED.get(name, 1) for name in CONVENTIONS}
    assert found.loc[found["outcome"] == "untouched", "verdict"].isna().all()
    for name in CONVENTIONS:
        own = found[found["convention"] == name].set_index("claim")["verdict_study"]
        assert own.to_dict() == study.set_index("claim")["verdict"].to_dict()


def test_conventions_change_what_is_measured(compared):
    found = matrix(compared)
    changed = found[found["change"].fillna(0) != 0].groupby("convention").size()
    # rollout_cls may change nothing that its claims see of so small a study; its tokens tell more
    assert set(CONVENTIONS) - {"rollout_cls"} <= set(changed.index) | {"unmasked"}
    said = set(found["verdict"].dropna()) | set(found["verdict_study"])
    assert said <= {verdicts.HOLDS, verdicts.FAILS, verdicts.UNKNOWN}


def test_table_and_figure_are_there_in_every_form(compared):
    for name in ("tables/sensitivity.tex", "tables/sensitivity.md", "tables/sensitivity.html"):
        text = (compared / "results/smoke" / name).read_text()
        assert "as in the study" in text and ("heads_without_cls" in text.replace("\\", "")), name
    for suffix in ("pdf", "png", "csv"):
        assert (compared / f"results/smoke/figures/sensitivity.{suffix}").stat().st_size > 1000


def tokens(compared, path, name, level="clean", label="0"):
    with h5py.File(compared / f"{path}/{label}.h5") as file:
        return file[f"levels/{level}/{name}"][:]


def test_heads_without_cls_differ_and_the_pass_stays_as_it_was(compared):
    own, study = f"{MADE}/heads_without_cls/tokens", "results/tokens"
    for perturbation, level in (("clean", "clean"), ("blur", "II")):
        where = f"mae_finetuned/three/{perturbation}"
        pair = [tokens(compared, f"{root}/{where}", "head", level) for root in (own, study)]
        assert pair[0].shape == pair[1].shape and np.abs(pair[0] - pair[1]).max() > 1e-4
        logits = [tokens(compared, f"{root}/{where}", "logits", level) for root in (own, study)]
        assert np.array_equal(*logits)


def test_distances_with_cls_are_nearer_for_every_image_and_head(compared):
    for model in ("mae_pretrained", "mae_finetuned"):
        roots = (f"{MADE}/distance_with_cls/tokens", "results/tokens")
        own, study = (tokens(compared, f"{root}/{model}/three/clean", "attention_distance") for root in roots)
        assert (own < study).all() and (own > 0.5 * study).all()


def test_patches_that_feed_cls_go_first(compared):
    scores = tokens(compared, "results/tokens/mae_finetuned/three/clean", "rollout_cls")
    masked = tokens(compared, "results/tokens/mae_finetuned/three/occlusion_cls", "masked", "50")
    for own, hidden in zip(scores, masked, strict=True):
        assert own[hidden].min() >= own[~hidden].max()


def test_a_mask_of_another_seed_shows_other_patches(compared):
    visible = [
        tokens(compared, f"results/tokens/mae_pretrained/three/{name}", "visible", "1")
        for name in ("mask", "mask_again")
    ]
    assert visible[0].shape == visible[1].shape and (visible[0] != visible[1]).any()


def test_one_more_threshold_measures_itself_and_nothing_else(compared):
    config = compared.config()
    config["conventions"]["half"] = {"features": {"threshold": 0.5}}
    (compared / "more.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    jobs = compared.plan("sensitivity", "--configfile", "more.yaml")
    assert jobs == [
        ("claims_by_convention", "half"),
        ("features_by_convention", "half", "mae_finetuned", "three", "blur"),
        ("sensitivity",),
    ]


def test_without_conventions_the_target_is_refused_while_planning(workflow):
    config = workflow.config()
    config["conventions"] = {}
    workflow.configure(config)
    refused = workflow.run("--dry-run", "sensitivity")
    assert refused.returncode == 1 and "conventions: none given, but this target needs some" in refused.stdout


def test_its_report_opens_in_a_browser(compared, tmp_path):
    page = compared / "results/smoke/sensitivity.html"
    compared.must_run("sensitivity", "--report", str(page))
    with opened(page, tmp_path) as reader:
        assert reader.categories() == ["2. Claims", "9. Sensitivity", "Files"]
        drawn, table = (reader.look(result) for result in reader.results("9. Sensitivity"))
        assert "widths" in drawn and len(table["cells"]) > 10
        assert reader.look(reader.results("2. Claims")[0])["type"] == "text/html"
        numbers = reader.results("Files", "Numbers (CSV)")
        assert {"figures/sensitivity.csv", "tables/sensitivity.csv"} <= set(numbers)  # two of one name
