"""A sweep's measures by setting: means, intervals, best layers and axes known on paper."""

import numpy as np
import pandas as pd
import pytest

from maescope.tables import sweep, table_sweep


def separation(model, values, token="mean"):
    """Measure `separation` of a model with so many layers; other images as shown, to be left out."""
    frame = pd.DataFrame({"model": model, "token": token, "layer": range(1, len(values) + 1), "scope": "all"})
    frame = frame.assign(silhouette=0.1, knn_accuracy=0.5, probe_accuracy=values)
    return pd.concat([frame, frame.assign(scope="shown", probe_accuracy=9.0)])


def test_separations_are_those_of_all_images():
    long = sweep.separations(separation("a", [0.2, 0.4]), sweep.UNMASKED)
    assert long[long["measure"] == "probe_accuracy"]["value"].tolist() == [0.2, 0.4]
    assert set(long["measure"]) == {"silhouette", "knn_accuracy", "probe_accuracy"}


def test_angles_are_medians_of_the_smallest_at_the_first_k_of_each_model():
    rows = [
        ("a", "1", kind, layer, k, index, angle + 10 * (k == 5) + 50 * (index == 2))
        for kind, angles in (("between", (4, 6, 11)), ("within", (1, 2, 3)), ("random", (70, 71, 72)))
        for layer in (1, 2)
        for k in (3, 5)
        for index in (1, 2)
        for angle in angles
    ]
    columns = ["model", "level", "kind", "layer", "k", "index", "angle_deg"]
    found = sweep.angles(pd.DataFrame(rows, columns=columns)).set_index(["measure", "layer"])["value"]
    expected = {"theta_1": 6, "theta_1_within": 2, "theta_1_excess": 4}
    assert found.to_dict() == {(measure, layer): v for measure, v in expected.items() for layer in (1, 2)}


def test_errors_are_of_all_images_together_over_those_of_the_mean_colour():
    errors = pd.DataFrame(
        {
            "model": ["a", "a"],
            "psnr_db": [10.0, 20],
            "ssim": [0.5, 0.7],
            "error_low": [1.0, 3],
            "blank_low": [4.0, 4],
            "error_high": [1.0, 1],
            "blank_high": [0.5, 1.5],
        }
    )
    found = sweep.rebuilt(errors).set_index("measure")["value"]
    expected = {"psnr_db": 15, "ssim": 0.6, "error_low": 0.5, "error_high": 1}
    assert found.to_dict() == pytest.approx(expected)


def test_pictures_that_are_flat_or_rebuilt_exactly_decide_no_mean_and_are_counted():
    errors = pd.DataFrame({"model": list("aaaabb"), "psnr_db": [10, 20, np.inf, np.nan, 30, 32]})
    errors = errors.assign(ssim=[0.5, 0.7, 0.9, np.nan, 1, 1], error_low=1, blank_low=2, error_high=1, blank_high=2)
    found = sweep.rebuilt(errors).set_index(["measure", "model"])["value"]
    assert found[["psnr_db", "ssim", "images_left_out"]].to_dict() == pytest.approx(
        {
            ("psnr_db", "a"): 15,
            ("psnr_db", "b"): 31,
            ("ssim", "a"): 0.7,
            ("ssim", "b"): 1,
            ("images_left_out", "a"): 2,
            ("images_left_out", "b"): 0,
        }
    )
    runs = sweep.rebuilt(errors)
    assert table_sweep.notes(runs, None, 2, 0.95)[0].startswith("Up to 2 images of a model are left out of PSNR and")
    some = sweep.rebuilt(errors[errors["model"] == "b"])
    assert "images_left_out" not in set(some["measure"]) and "left out" not in table_sweep.notes(some, None, 2, 0.95)[0]


def test_every_level_counts_the_same_and_occlusion_of_nothing_not_at_all():
    rows = [("clean", "clean", "clean", [1, 1, 1, 0])]
    rows += [("occlusion", "occlusion", "0", [1, 1, 1, 0]), ("occlusion", "occlusion", "50", [1, 0, 0, 0])]
    rows += [("corruption", "fog", "1", [1, 1]), ("corruption", "fog", "2", [0, 0])]
    rows += [("corruption", "snow", "1", [0, 0, 0, 0, 0, 0])]
    accuracy = pd.concat(
        pd.DataFrame({"model": "a", "family": family, "perturbation": name, "level": level, "correct": correct})
        for family, name, level, correct in rows
    )
    found = sweep.robustness(accuracy).set_index("measure")["value"]
    assert found.to_dict() == pytest.approx(
        {"accuracy_clean": 75, "accuracy_occlusion": 25, "accuracy_corruption": 100 / 3}
    )


def studied():
    """Runs of two settings of two models; the second setting has one layer more."""
    models = pd.DataFrame({"model": ["a", "b", "c", "d"], "ratio": [0.5, 0.5, 0.9, 0.9], "patch": 4})
    probes = [
        separation("a", [0.1, 0.9, 0.5]),
        separation("b", [0.3, 0.6, 0.7]),
        separation("c", [0.2] * 4),
        separation("d", [0.4] * 4),
    ]
    whole = pd.DataFrame({"model": list("abcd"), "measure": "ssim", "value": [1.0, 3, 5, 5], "layer": np.nan})
    measured = [sweep.separations(pd.concat(probes), sweep.UNMASKED), whole.assign(token=sweep.NONE, seen=sweep.OWN)]
    return sweep.runs(measured, models)


def test_points_have_the_last_and_the_best_layer_of_each_model():
    points = sweep.points(studied())
    probes = points[points["measure"] == "probe_accuracy"].set_index(["at", "model"])
    assert probes.loc["last layer", "value"].to_dict() == {"a": 0.5, "b": 0.7, "c": 0.2, "d": 0.4}
    assert probes.loc["best layer", "value"].to_dict() == {"a": 0.9, "b": 0.7, "c": 0.2, "d": 0.4}
    assert probes.loc["best layer", "layer"].to_dict() == {"a": 2, "b": 3, "c": 1, "d": 1}
    assert points[points["measure"] == "ssim"]["at"].unique().tolist() == [sweep.NONE]


def test_summaries_are_means_over_models_with_students_interval():
    table = sweep.summary(sweep.points(studied()), 0.95).set_index(["measure", "at", "ratio"])
    row = table.loc[("probe_accuracy", "best layer", 0.5)]
    # two values 0.9 and 0.7: mean 0.8, standard error 0.1, Student's factor at one degree of freedom 12.706
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([0.8, 0.8 - 1.2706, 0.8 + 1.2706], abs=1e-4)
    assert row[["smallest", "largest", "models", "layers"]].tolist() == [0.7, 0.9, 2, "2 3"]
    assert table.loc[("ssim", sweep.NONE, 0.9), ["mean", "low", "high"]].tolist() == [5, 5, 5]


def test_an_axis_has_the_settings_that_differ_in_nothing_else():
    frame = pd.DataFrame({"ratio": [0.9, 0.25, 0.75, 0.75, 0.75], "patch": [4, 4, 4, 8, 2]})
    assert sweep.along(frame, "ratio")[["ratio", "patch"]].to_numpy().tolist() == [[0.25, 4], [0.75, 4], [0.9, 4]]
    assert sweep.along(frame, "patch")[["ratio", "patch"]].to_numpy().tolist() == [[0.75, 2], [0.75, 4], [0.75, 8]]
    assert sweep.fixed(frame, "ratio") == "patches of 4 px" and sweep.fixed(frame, "patch") == "a ratio of 75 %"
    assert sweep.axes(frame) == ["ratio", "patch"] and sweep.axes(frame[frame["patch"] == 4]) == ["ratio"]


def test_of_a_whole_grid_the_middle_is_held():
    grid = pd.DataFrame(
        [(ratio, patch) for ratio in (0.5, 0.75, 0.9) for patch in (2, 4, 8)], columns=["ratio", "patch"]
    )
    assert sweep.held(grid, "ratio") == ("patch", 4) and sweep.held(grid, "patch") == ("ratio", 0.75)
    assert sweep.along(grid, "patch").to_numpy().tolist() == [[0.75, 2], [0.75, 4], [0.75, 8]]
