"""The smallest sweep, run: what its tables have of models trained here and of those from elsewhere."""

import shutil

import formats
import pytest
from conftest import REPOSITORY, Workflow
from reader import opened

from maescope.base import tidy

FILES = [f"figures/{name}.{suffix}" for name in ("figure_sweep", "figure_sweep_layers") for suffix in ("pdf", "png")]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Workflow:
    workflow = Workflow(tmp_path_factory.mktemp("sweep") / "run")
    shutil.copy(REPOSITORY / "tests/workflow/sweep.yaml", workflow / "config/config.yaml")
    workflow.must_run("--", "sweep")
    return workflow


def test_figures_are_drawn_and_show_the_losses_of_all_seeds(swept):
    for name in [*FILES, "figures/training_curves.png"]:
        assert (swept / f"results/ratios/{name}").stat().st_size > 5000, name


def test_every_model_has_its_measures_at_its_own_setting(swept):
    runs = tidy.read([swept / "results/ratios/sweep.csv"])
    assert set(runs["ratio"]) == {0.25, 0.5, 0.75} and set(runs["patch"]) == {4}
    probes = runs[(runs["measure"] == "probe_accuracy") & (runs["token"] == "mean")]
    layers = probes.groupby(["model", "seen"]).size()
    assert len(layers) == 6 * 2 and set(layers) == {2}
    assert runs[runs["measure"] == "theta_1"].groupby("model").size().to_dict() == dict.fromkeys(probes["model"], 2)
    own = runs.set_index(["model", "measure"])["value"]
    assert {model for model, name in own.index if name == "error_low"} == {"low-0", "low-1"}
    assert {model for model, name in own.index if name == "accuracy_blur"} == {"low_tuned-0", "low_tuned-1"}
    assert own["low-0", "psnr_db"] != own["low-1", "psnr_db"]  # two seeds, two models


def test_errors_are_of_every_image_and_accuracies_those_of_the_measures(swept):
    path = swept / "results/measures/reconstruction_error/low-0/three/mask_25.csv"
    assert formats.faults(path, "`reconstruction_error`") == []
    errors = tidy.read([path])
    assert len(errors) == 3 * 6 and (errors[["error_low", "error_high", "blank_low"]] > 0).all(axis=None)
    accuracy = tidy.read([swept / "results/measures/accuracy/low_tuned-1/three/occlusion.parquet"])
    runs = tidy.read([swept / "results/ratios/sweep.csv"]).set_index(["model", "measure"])["value"]
    expected = 100 * accuracy.loc[accuracy["level"] == "50", "correct"].mean()
    assert runs["low_tuned-1", "accuracy_occlusion"] == pytest.approx(expected)


def test_intervals_are_over_the_two_models_and_verdicts_say_what_is_missing(swept):
    table = tidy.read([swept / "results/ratios/tables/table_sweep.csv"])
    probes = table[(table["measure"] == "probe_accuracy") & (table["at"] == "last layer")]
    assert set(probes["models"]) == {2} and (probes["low"] <= probes["mean"]).all()
    verdicts = tidy.read([swept / "results/ratios/tables/sweep_claims.csv"])
    assert set(verdicts["axis"]) == {"mask ratio"} and len(verdicts) == 9  # one patch size; nothing is corrupted
    tuned = verdicts[verdicts["claim"].str.startswith("fine-tuned")]  # of one setting only
    assert set(tuned["verdict"]) == {"cannot be said with this data"} and tuned["why"].notna().all()


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
