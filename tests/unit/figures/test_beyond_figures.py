"""Figures of what else is asked of masked autoencoders: what is drawn, also where there is little to draw."""

import numpy as np
import pandas as pd
import pytest

from maescope.base import tidy
from maescope.figures import depth
from maescope.figures.faithfulness import figure_faithfulness
from maescope.figures.high_norms import figure_high_norms
from maescope.figures.out_of_distribution import figure_out_of_distribution
from maescope.figures.patches import figure_patches
from maescope.figures.shuffle import figure_shuffle


def grid(**columns):
    return pd.MultiIndex.from_product(list(columns.values()), names=list(columns)).to_frame(index=False)


def written_and_read(frame, folder):
    """As figures get their numbers: some columns come back as text."""
    tidy.write(frame, str(folder / "numbers.csv"))
    return tidy.read([str(folder / "numbers.csv")])


def test_conditions_are_rows_and_layers_and_logits_columns_at_the_last_level():
    where = {"model": ["a", "b"], "shifted": ["clean", "blur", "images of far"]}
    by_layer = grid(**where, level=["I", "II"], layer=[1, 2, 3]).assign(score="neighbour")
    by_logits = grid(**where, level=["I", "II"], score=["softmax", "energy"]).assign(layer=pd.NA)
    frame = pd.concat([by_logits, by_layer], ignore_index=True).assign(auroc=0.5)
    frame.loc[frame["shifted"] != "blur", "level"] = "clean"
    frame = frame.drop_duplicates(["model", "shifted", "level", "score", "layer"])
    frame.loc[(frame["level"] == "II") & (frame["layer"] == 2), "auroc"] = 0.9
    figure = figure_out_of_distribution(frame)
    figure.draw_without_rendering()
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == [
        "other clean images",
        "blur, II",
        "images of far",
    ]
    assert [label.get_text() for label in first.get_xticklabels()] == ["1", "2", "3", "softmax", "energy"]
    assert first.get_images()[0].get_array()[1].tolist() == [0.5, 0.9, 0.5, 0.5, 0.5]
    assert "no head" not in [text.get_text() for text in first.texts]


def test_a_model_without_a_head_has_its_layers_beside_one_with(tmp_path):
    by_layer = grid(model=["tuned", "mae"], shifted=["clean", "images of far"], level=["clean"], layer=[1, 2])
    by_logits = grid(model=["tuned"], shifted=["clean", "images of far"], level=["clean"], score=["softmax", "energy"])
    frame = pd.concat([by_logits.assign(layer=pd.NA), by_layer.assign(score="neighbour")], ignore_index=True)
    figure = figure_out_of_distribution(written_and_read(frame.assign(auroc=0.75), tmp_path))
    figure.draw_without_rendering()
    tuned, mae = figure.axes[:2]
    assert [axis.get_title() for axis in (tuned, mae)] == ["tuned", "mae"]
    assert [text.get_text() for text in tuned.texts] == [".75"] * 8
    assert [text.get_text() for text in mae.texts] == ["no head"] + [".75"] * 4
    assert np.isnan(np.ma.filled(mae.get_images()[0].get_array(), np.nan)[:, 2:]).all()


@pytest.mark.parametrize(
    ("draw", "columns", "control"),
    [
        (depth.figure_eigenvalues, ["participation_ratio", "nesum", "alpha"], "noise_"),
        (depth.figure_neural_collapse, ["nc1", "equinorm", "equiangle"], "shuffled_"),
    ],
)
def test_each_model_has_its_curve_and_its_control_in_each_panel(draw, columns, control):
    frame = grid(model=["a", "b"], token=["cls", "mean"], layer=[1, 2, 3])
    frame = frame.assign(**{name: 2.0 for name in columns}, **{control + name: 3.0 for name in columns})
    frame.loc[frame["layer"] == 2, columns[-1]] = np.nan
    figure = draw(frame)
    figure.draw_without_rendering()
    assert len(figure.axes) == 6
    for axis in figure.axes:
        assert [line.get_ydata()[0] for line in axis.get_lines()[:-1]] == [2, 2, 3, 3]
        low, high = axis.get_ylim()
        assert low < 2 and high > 3  # controls are not cut off
    assert np.isnan(figure.axes[2].get_lines()[0].get_ydata()).tolist() == [False, True, False]
    assert len(draw(frame[frame["token"] == "mean"]).axes) == 3  # of models without CLS


def test_values_of_nc2_can_be_read_between_ticks_that_have_numbers():
    frame = grid(model=["a"], token=["cls", "mean"], layer=[1, 2]).assign(nc1=2.0, shuffled_nc1=30.0)
    frame["equinorm"] = frame["equiangle"] = frame["layer"].map({1: 0.36, 2: 0.62})
    frame["shuffled_equinorm"] = frame["shuffled_equiangle"] = 0.45
    figure = depth.figure_neural_collapse(frame)
    figure.draw_without_rendering()
    for axis in figure.axes:
        low, high = axis.get_ylim()
        labels = [*axis.get_yticklabels(minor=True), *axis.get_yticklabels()]
        assert sum(low <= label.get_position()[1] <= high and bool(label.get_text()) for label in labels) > 1


def test_places_are_those_of_the_layer_that_has_most_and_a_model_of_one_hump_says_so(tmp_path):
    frame = grid(model=["a", "b"], layer=[1, 2], patch_row=range(3), patch_column=range(12))
    frame = frame.assign(share=0.0, gaussian=0.0)
    found = (frame["model"] == "a") & (frame["layer"] == 2) & (frame["patch_row"] == 1) & (frame["patch_column"] == 2)
    frame.loc[found, "share"] = 0.5
    frame.loc[(frame["model"] == "a") & (frame["layer"] == 2), "gaussian"] = 0.4
    figure = figure_high_norms(written_and_read(frame, tmp_path))
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylim()[1] > 40  # the control is not cut off
    first, own, other = figure.axes[:3]
    assert first.get_lines()[0].get_ydata() == pytest.approx([0, 100 * 0.5 / 36])
    assert own.get_title() == "a\nlayer 2" and own.get_images()[0].get_array()[1, 2] == 50
    assert not other.get_images() and "two humps" in other.texts[0].get_text()


def test_patches_lie_where_they_are_in_the_picture(tmp_path):
    names, places = {"label": ["x"], "image": ["x/1.png", "x/2.png"]}, {"patch_row": [0, 1], "patch_column": range(12)}
    frame = grid(model=["a", "b"], layer=range(1, 9), **names, **places)
    red = (12 * frame["patch_row"] + frame["patch_column"]) / 23
    frame = frame.assign(red=red, green=0.0, blue=1.0, explained=0.4, noise=0.1)
    frame.loc[frame["layer"] == 1, "explained"] = np.nan
    figure = figure_patches(written_and_read(frame, tmp_path))
    figure.draw_without_rendering()
    axes = [axis for block in figure.subfigs for axis in block.axes]
    drawn = np.asarray(axes[0].get_images()[0].get_array())
    assert drawn[..., 0] == pytest.approx(np.arange(24).reshape(2, 12) / 23)
    assert axes[0].get_title() == "layer 1\nall the same" and axes[1].get_title().endswith("40 %")
    assert [axis.get_title().split("\n")[0] for axis in axes[:4]] == ["layer 1", "layer 3", "layer 6", "layer 8"]
    assert len(axes) == 2 * 2 * 4


def test_a_curve_of_shuffled_pieces_begins_with_the_clean_images():
    frame = grid(model=["a", "b"], perturbation=["pieces"], pieces=[1, 2, 14])
    frame = frame.assign(accuracy=90.0, accuracy_low=85.0, accuracy_high=95.0)
    frame = frame.assign(cosine=-0.1, cosine_low=-0.2, cosine_high=0.0)
    figure = figure_shuffle(frame, 10)
    figure.draw_without_rendering()
    assert [len(axis.get_lines()) for axis in figure.axes] == [3, 2]
    assert figure.axes[1].get_ylim()[0] < -0.1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "chance (10 %)"]


def test_a_row_of_panels_per_replacement():
    frame = grid(
        ranking=["rollout", "random"], fill=["black", "mean"], curve=["deletion", "insertion"], percent=[0, 90]
    )
    frame = frame.assign(accuracy=50.0, accuracy_low=40.0, accuracy_high=60.0, area=50.0, over_random=np.nan)
    frame.loc[frame["ranking"] == "rollout", ["over_random", "over_random_low", "over_random_high"]] = [-5, -8, -2]
    figure = figure_faithfulness(frame, 10)
    figure.draw_without_rendering()
    assert [axis.get_title() for axis in figure.axes] == [
        "deletion, mean colour",
        "insertion, mean colour",
        "deletion, black",
        "insertion, black",
    ]
    named = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert named == ["rollout: 50.0 (-5.0 [-8.0, -2.0])", "random: 50.0", "chance"]
