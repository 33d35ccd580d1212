"""Figures of a sweep: what is drawn, and that none of it is cut off."""

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from test_side_by_side import whole

from maescope.figures.sweep import figure_sweep, figure_sweep_layers
from maescope.tables import sweep

SETTINGS = [(0.25, 4), (0.5, 4), (0.75, 4), (0.75, 2), (0.75, 8)]


def runs(settings=SETTINGS):
    """Probes of three layers at every setting of two models, and clean accuracies of the fine-tuned."""
    rows = [
        (ratio, patch, f"{ratio}-{patch}-{seed}", layer, ratio / layer + 0.01 * seed)
        for ratio, patch in settings
        for seed in (0, 1)
        for layer in (1, 2, 3)
    ]
    frame = pd.DataFrame(rows, columns=["ratio", "patch", "model", "layer", "value"])
    frame = frame.assign(measure="probe_accuracy", token="mean")
    tuned = frame[frame["layer"] == 1].assign(measure="accuracy_clean", token=sweep.NONE, layer=np.nan, value=90.0)
    both = [frame.assign(seen=seen) for seen in (sweep.UNMASKED, sweep.OWN)]
    return pd.concat([*both, tuned.assign(seen=sweep.UNMASKED)])


def drawn(settings=SETTINGS):
    points = sweep.points(runs(settings))
    return whole(figure_sweep(points, sweep.summary(points, 0.95), 0.1, 0.01))


def test_a_row_for_what_was_measured_and_a_column_for_ratio_and_patch_size():
    figure = drawn()
    panels = np.array(figure.axes).reshape(-1, 2)
    assert [row[0].get_ylabel().split(",")[0].replace("\n", " ") for row in panels] == [
        "accuracy (%)",
        "accuracy (%)",
        "accuracy when fine-tuned (%)",
    ]
    assert [text.get_text() for text in panels[-1, 0].get_xticklabels()] == ["25", "50", "75"]
    assert [text.get_text() for text in panels[-1, 1].get_xticklabels()] == ["2", "4", "8"]
    best = panels[0, 0].containers[0][0]  # of the first layer; mean of two seeds
    np.testing.assert_allclose(np.asarray(best.get_ydata(), float), [25.5, 50.5, 75.5])


def test_best_layers_are_open_and_references_are_named_beside_the_panels():
    figure = drawn()
    best, last = (container[0] for container in figure.axes[0].containers[:2])
    assert (best.get_markerfacecolor(), best.get_linestyle(), last.get_linestyle()) == ("white", "None", "-")
    assert last.get_markerfacecolor() == best.get_color() == last.get_color()
    names = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert names == ["guessing", "linear probe, best layer", "linear probe, last layer", *names[3:]]
    guessing = [axis.get_lines()[-1].get_ydata()[0] for axis in figure.axes]
    assert guessing == [10] * 4 + [1] * 2 and not any(axis.texts for axis in figure.axes)


def test_ratios_alone_have_one_column_which_says_what_is_held():
    figure = drawn(SETTINGS[:3])
    assert [axis.get_xlabel() for axis in figure.axes] == ["", "", "mask ratio (%), at patches of 4 px"]
    assert len(whole(figure_sweep_layers(runs(SETTINGS[:3]), 0.1)).axes) == 2


def test_layers_have_a_curve_a_setting_and_a_ring_at_the_best():
    figure = whole(figure_sweep_layers(runs(), 0.1))
    first = figure.axes[0]
    lines = {line.get_label(): line.get_ydata() for line in first.get_lines()}
    np.testing.assert_allclose(lines["50"], np.array([50, 25, 50 / 3]) + 0.5)
    rings = [ring for ring in first.collections if isinstance(ring, PathCollection)]
    assert [ring.get_offsets()[0][0] for ring in rings] == [1, 1, 1]


def test_the_setting_of_both_columns_looks_the_same_and_others_do_not():
    figure = figure_sweep_layers(runs(), 0.1)
    ratios, patches = (
        {
            line.get_label(): (*line.get_color(), line.get_marker())
            for line in axis.get_lines()
            if "_" not in line.get_label()
        }
        for axis in figure.axes[:2]
    )
    assert ratios["75"] == patches["4"]
    assert len({*ratios.values(), *patches.values()}) == len(SETTINGS)


def test_a_row_has_the_limits_of_its_data_and_guessing_in_words_where_it_lies_outside():
    probes = runs()
    probes.loc[probes["seen"] == sweep.OWN, "value"] += 1
    figure = figure_sweep_layers(probes, 0.1)
    above, _, below, _ = figure.axes
    assert above.get_ylim()[0] < 10 and below.get_ylim()[0] > 100
    corners = [axis.get_title(loc="right") for axis in figure.axes]
    assert corners == ["", "dotted: guessing", "", "guessing: 10 %, below"]
    assert [len(axis.get_lines()) for axis in figure.axes] == [4, 4, 3, 3]
