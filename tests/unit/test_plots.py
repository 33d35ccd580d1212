"""Figures of training: what is drawn, and how it is named."""

import numpy as np
import pandas as pd

from maescope import plots


def losses(*ends, epochs=5):
    """A loss of each seed, by epoch."""
    return [pd.DataFrame({"epoch": range(1, epochs + 1), "loss": np.linspace(2, end, epochs)}) for end in ends]


def test_training_curves_say_where_they_end_above_the_panel_and_count_whole_epochs():
    trained = {"one": losses(0.25), "three": losses(0.5, 0.75, 0.625), "short": losses(1, epochs=1)}  # begins at 2
    figure = plots.training_curves(trained, dict.fromkeys(trained, "loss"))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["one\nends at 0.250", "three\nend at 0.500 to 0.750", "short\nends at 2.000"]
    assert not any(axis.texts for axis in figure.axes)
    assert {line.get_color() for axis in figure.axes for line in axis.get_lines()} == {"0.25"}
    figure.draw_without_rendering()
    ticks = np.concatenate([axis.get_xticks() for axis in figure.axes])
    assert (ticks == ticks.round()).all()


def test_a_reconstruction_names_its_model_and_its_classes():
    pictures = np.zeros((2, 4, 4, 3))
    figure = plots.reconstruction(pictures, np.full_like(pictures, np.nan), pictures, ["0", "1"], "a model: 75 %")
    assert figure.get_suptitle() == "a model: 75 %"
    assert [axis.get_title() for axis in figure.axes[:2]] == ["0", "1"]
    assert (figure.axes[0].get_images()[0].get_array() == 0.5).all()  # hidden
