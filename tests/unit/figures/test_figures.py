"""Figures of training: what is drawn, and how it is named."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from maescope.base.doubts import Doubt
from maescope.figures import classes, head_features, occlusion, training
from maescope.figures.axes import named
from maescope.tables import classes as numbers

NEAR_CHANCE = Doubt("CLEAN ACCURACY NEAR CHANCE", "the clean accuracy is near chance", "")
INTERVALS = {"resamples": 100, "confidence": 0.95, "seed": 0}


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open behind its test."""
    yield
    plt.close("all")


def losses(*ends, epochs=5):
    """A loss of each seed, by epoch."""
    return [pd.DataFrame({"epoch": range(1, epochs + 1), "loss": np.linspace(2, end, epochs)}) for end in ends]


def test_training_curves_say_where_they_end_above_the_panel_and_count_whole_epochs():
    trained = {"one": losses(0.25), "three": losses(0.5, 0.75, 0.625), "short": losses(1, epochs=1)}  # begins at 2
    figure = training.training_curves(trained, dict.fromkeys(trained, "loss"))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["one\nends at 0.250", "three\nend at 0.500 to 0.750", "short\nends at 2.000"]
    assert not any(axis.texts for axis in figure.axes)
    assert {line.get_color() for axis in figure.axes for line in axis.get_lines()} == {"0.25"}
    figure.draw_without_rendering()
    ticks = np.concatenate([axis.get_xticks() for axis in figure.axes])
    assert (ticks == ticks.round()).all()


def test_training_curves_show_what_the_validation_has():
    seen = [
        one.assign(validation_loss=one["loss"] + 0.5, validation_accuracy=0.8 + one["loss"]) for one in losses(0, 0.1)
    ]
    drawn = [losses(0.25)[0].assign(validation_loss=0.375)]
    figure = training.training_curves({"tuned": seen, "mae": drawn}, {"tuned": "cross-entropy", "mae": "MSE"})
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [
        "tuned\nend at 0.000 to 0.100; validation 0.800 to 0.900 right",
        "mae\nends at 0.250; validation 0.375",
    ]
    curves = figure.axes[1].get_lines()
    assert [line.get_linestyle() for line in curves] == ["-", "--"]
    assert np.array_equal(curves[1].get_ydata(), np.full(5, 0.375))


def test_a_reconstruction_names_its_model_and_its_classes():
    pictures = np.zeros((2, 4, 4, 3))
    figure = training.reconstruction(pictures, np.full_like(pictures, np.nan), pictures, ["0", "1"], "a model: 75 %")
    assert figure.get_suptitle() == "a model: 75 %"
    assert [axis.get_title() for axis in figure.axes[:2]] == ["0", "1"]
    assert (figure.axes[0].get_images()[0].get_array() == 0.5).all()  # hidden


def test_what_is_wrong_in_a_reconstruction_is_counted_where_it_is_hidden():
    original = np.zeros((2, 2, 2, 3))
    original[:, 1] = 0.5
    masked = np.where(np.arange(2)[:, None, None] == 1, np.nan, original)  # the lower half
    rebuilt = np.stack([np.full((2, 2, 3), 0.75), np.full((2, 2, 3), 3.0)])  # of which 1 is shown
    found = training.reconstruction_errors(original, masked, rebuilt, [0.5, 0.5, 0.2])
    assert found["error"] == pytest.approx([0.0625, 0.25]) and found["blank"] == pytest.approx([0.03, 0.03])


def test_figure_5_has_rows_of_three_models_so_that_legends_do_not_meet():
    percents = range(0, 100, 50)
    curves = pd.DataFrame(
        {"model": f"m{number}", "perturbation": "o", "percent": percent, "area": 50.0}
        | dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), 90 - percent)
        for number in range(7)
        for percent in percents
    )
    figure = occlusion.figure_5(curves, {"o": "most attended"}, 10, {})
    figure.draw_without_rendering()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == [f"m{number}" for number in range(7)]
    boxes = [axis.get_legend().get_window_extent() for axis in shown]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_figure_5_says_of_which_model_the_controls_were_not_measured():
    curves = pd.DataFrame({"model": ["m", "m", "n"], "perturbation": ["o", "random", "o"], "percent": 0, "area": 50.0})
    curves = curves.assign(accuracy=50, accuracy_low=40, accuracy_high=60)
    figure = occlusion.figure_5(curves, {"o": "most attended", "random": "random"}, 10, {})
    said = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes]
    both = ["most attended (area 50.0)", "random (area 50.0)", "chance (10 %)"]
    assert said == [both, ["most attended (area 50.0)", "chance (10 %)", "its controls were not measured"]]


def test_row_11_figure_5_says_of_which_model_its_clean_accuracy_could_be_guessing():
    curves = pd.DataFrame({"model": ["m", "n"], "perturbation": "o", "percent": 0, "area": 50.0})
    curves = curves.assign(accuracy=50, accuracy_low=40, accuracy_high=60)
    figure = occlusion.figure_5(curves, {"o": "most attended"}, 50, {"n": [NEAR_CHANCE]})
    assert [axis.get_title() for axis in figure.axes] == ["m", "n\nCLEAN ACCURACY NEAR CHANCE"]


def test_the_label_of_a_single_row_of_maps_is_not_longer_than_the_figure():
    maps = pd.DataFrame({"level": "clean", "layer": [1, 2], "head": [1, 1], "features": [1.0, 2.0]})
    maps = pd.concat([maps, maps.assign(level="I"), maps.assign(level="II"), maps.assign(level="III")])
    titles = {level: level for level in maps["level"].unique()}
    figure = head_features.head_maps(maps, titles, "common features, mean over classes", "vit, no patches masked")
    assert figure.get_suptitle() == "vit, no patches masked"
    figure.draw_without_rendering()
    label = figure.axes[-1].yaxis.label.get_window_extent()
    assert label.y0 >= 0 and label.y1 <= figure.bbox.height


def answers(count, images=4):
    """Of each class one image is called the next one, of the last class none."""
    target = np.repeat(np.arange(count), images)
    prediction = np.minimum(target + (np.arange(count * images) % images == 0), count - 1)
    frame = pd.DataFrame({"target": target, "prediction": prediction, "level": "clean", "model": "m"})
    return frame.assign(correct=(target == prediction).astype(int))


def of_classes(count):
    confused = numbers.confusion(answers(count), [f"class {number}" for number in range(count)])
    figure = classes.figure_classes(confused, numbers.by_class(confused, INTERVALS), 100 / count, {})
    figure.draw_without_rendering()
    return figure


def names_of(labels):
    return [label.get_text() for label in labels]


def test_few_classes_are_shown_each_with_each_beside_their_accuracies():
    matrix, dots = of_classes(5).axes
    picture = matrix.get_images()[0].get_array()
    assert picture.shape == (5, 5, 3)
    right, wrong, nothing = picture[0, 0], picture[0, 1], picture[0, 2]
    assert (nothing == 1).all() and right[0] < right[2] and wrong[0] > wrong[2]  # white, blue, orange
    assert names_of(matrix.texts)[:3] == ["75", "25", "75"]
    assert dots.get_lines()[0].get_xdata().tolist() == [75, 75, 75, 75, 100]
    assert names_of(matrix.get_yticklabels()) == [f"class {number}" for number in range(5)]


def test_classes_have_their_names_where_there_are_any():
    confused = numbers.confusion(answers(3), [*"abc"])
    called = {"a": "tench", "c": "church"}
    shown = (
        named(confused, called, "label", "called"),
        named(numbers.by_class(confused, INTERVALS), called, "label", "called"),
    )
    matrix, _ = classes.figure_classes(*shown, 100 / 3, {}).axes
    assert names_of(matrix.get_yticklabels()) == names_of(matrix.get_xticklabels()) == ["tench", "b", "church"]
    assert matrix.get_images()[0].get_array().shape == (3, 3, 3)  # no name makes an answer one of others


def test_answers_beside_the_labels_shown_are_others():
    confused = numbers.confusion(answers(2).assign(prediction=2), ["a", "b", "c"])
    figure = classes.figure_classes(confused, numbers.by_class(confused, INTERVALS), 100 / 3, {})
    assert names_of(figure.axes[0].get_xticklabels()) == ["a", "b", "others"]


def test_of_a_thousand_classes_all_are_in_order_and_the_lowest_are_named():
    spread, dots = of_classes(1000).axes
    assert len(spread.get_lines()[0].get_ydata()) == 1000 and spread.get_lines()[0].get_ydata()[-1] == 100
    assert names_of(dots.get_yticklabels()) == [f"class {number}" for number in range(15)]
    assert names_of(dots.texts) == [*(f"class {number}" for number in range(1, 16)), "called"]


def test_models_stand_side_by_side_and_one_in_doubt_says_why():
    frame = pd.concat([answers(5), answers(5).assign(model="n")])
    confused = numbers.confusion(frame, [*"abcde"])
    doubted = {"n": [Doubt("CLASSES EXCHANGED", "", "")]}
    figure = classes.figure_classes(confused, numbers.by_class(confused, INTERVALS), 20, doubted)
    assert [part.get_suptitle() for part in figure.subfigs] == ["m", "n\nCLASSES EXCHANGED"]


def test_figure_8_of_heads_without_common_features_says_no_share():
    row = {"model": "vit", "perturbation": "blur", "level": "I", "clean": 0.0, "drop": 0.0, "shuffled_clean": 0.0}
    row |= {f"{kind}drop{end}": 0.0 for kind in ("", "shuffled_") for end in ("", "_low", "_high")}
    figure = head_features.figure_8(pd.DataFrame([row]), {"blur": "levels"})
    (axis,) = figure.axes
    assert axis.get_title() == "vit, blur\nlost at I: of none, of shuffled labels of none"
    assert axis.get_ylim() == (0, 1)
