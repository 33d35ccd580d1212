"""What one points at, from measures made up by hand."""

import numpy as np
import pandas as pd

from maescope.page import alive

CLEAN = pd.DataFrame({"label": ["a", "a", "b"], "image": ["1", "2", "1"], "target": [0, 0, 1]})


def test_images_are_in_one_list_with_their_pictures():
    found = alive.listed(CLEAN, ["a", "b"], {("b", "1"): "UklG"})
    assert found == {"name": ["1", "2", "1"], "label": [0, 0, 1], "target": [0, 0, 1], "picture": ["", "", "UklG"]}


def test_predictions_are_those_of_the_image_whatever_the_order_and_what_is_missing():
    rows = [("m", "blur", "II", "b", "1", 1), ("m", "blur", "II", "a", "2", 0), ("m", "blur", "II", "a", "1", 1)]
    rows += [("m", "blur", "I", "a", "1", 0), ("m", "blur", "I", "b", "1", 0), ("n", "clean", "clean", "a", "1", 1)]
    frame = pd.DataFrame(rows, columns=["model", "perturbation", "level", "label", "image", "prediction"])
    found = alive.predictions(frame, CLEAN)
    assert found["m"]["blur"] == {"levels": ["II", "I"], "predictions": [[1, 0, 1], [0, -1, 0]]}
    assert found["n"] == {"clean": {"levels": ["clean"], "predictions": [[1, -1, -1]]}}


def test_points_of_all_layers_are_in_the_order_of_the_first():
    rows = [("mean", 1, "b", "1", np.nan, 1.5, 2), ("mean", 1, "a", "2", np.nan, 3, 4)]
    rows += [("mean", 2, "a", "2", np.nan, 5, 6), ("mean", 2, "b", "1", np.nan, 7, 8)]
    rows += [("patch", 1, "a", "2", 8, 0, 1), ("patch", 1, "a", "2", 3, 2, 3)]
    frame = pd.DataFrame(rows, columns=["token", "layer", "label", "image", "patch", "x", "y"])
    found = alive.maps(frame, CLEAN)
    assert found["mean"] == {
        "image": [2, 1], "patch": [-1, -1], "layers": [1, 2], "x": [[1.5, 3], [7, 5]], "y": [[2, 4], [8, 6]]
    }  # fmt: skip
    assert found["patch"] == {"image": [1, 1], "patch": [8, 3], "layers": [1], "x": [[0, 2]], "y": [[1, 3]]}


def test_more_patches_than_a_browser_moves_are_left_out(monkeypatch):
    monkeypatch.setattr(alive, "MOST_POINTS", 1)
    rows = [("mean", 1, "a", "2", np.nan, 0, 1), ("patch", 1, "a", "2", 8, 0, 1), ("patch", 1, "a", "2", 3, 2, 3)]
    frame = pd.DataFrame(rows, columns=["token", "layer", "label", "image", "patch", "x", "y"])
    assert list(alive.maps(frame, CLEAN)) == ["mean"]


def test_features_are_means_over_classes_and_nothing_where_labels_cannot_be_shuffled():
    rows = [("blur", "I", label, layer, head, 10 * layer + head, head, np.nan, np.nan) for label in "ab"
            for layer in (1, 2) for head in (1, 2)]  # fmt: skip
    columns = ["perturbation", "level", "label", "layer", "head", "common_clean", "common_perturbed"]
    frame = pd.DataFrame(rows, columns=[*columns, "shuffled_clean", "shuffled_perturbed"])
    frame.loc[frame["label"] == "b", "common_perturbed"] += 1
    found = alive.heads(frame)["blur"]
    assert found["clean"] == [[11, 12], [21, 22]] and found["kept"] == [[[1.5, 2.5], [1.5, 2.5]]]
    assert found["shuffled_clean"] == [[None, None], [None, None]] and found["levels"] == ["I"]


def test_a_step_has_the_cosine_of_its_image_and_level():
    alignment = pd.DataFrame({"perturbation": ["blur"] * 2, "level": ["I", "II"], "label": ["a"] * 2})
    alignment = alignment.assign(image="1", cosine=[0.51239, np.nan])
    steps = {"clean": [{"level": "clean"}], "blur": [{"level": "I"}, {"level": "II"}]}
    (found,) = alive.with_cosines([{"label": "a", "image": "1", "steps": steps}], alignment)
    assert [step["cosine"] for own in found["steps"].values() for step in own] == [1.0, 0.5124, None]
