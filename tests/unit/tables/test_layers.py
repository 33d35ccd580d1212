"""Summaries by layer, the sentences of captions, and that the figures draw what they are given."""

import itertools

import docutils.core
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from maescope.figures.attention import figure_3
from maescope.figures.separation import figure_1, figure_2
from maescope.figures.subspaces import figure_4
from maescope.measures import mask_invariance, subspaces
from maescope.measures.angles import angle_table
from maescope.tables import layers
from maescope.tables.separations import with_intervals


def separation():
    rows = [
        {"token": token, "layer": layer, "scope": scope, "silhouette": 0.1 * layer, "knn_accuracy": 0.3 + 0.2 * layer,
         "probe_accuracy": 0.5, "chance": 1 / classes, "classes": classes, "images": 9,
         "silhouette_error": 0.01, "knn_error": 0.1, "probe_error": 0.0}
        for scope, classes, tokens in (("shown", 3, ("cls", "mean", "patch")), ("all", 4, ("cls", "mean")))
        for token in tokens
        for layer in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def maps(points=4):
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product(
        [("cls", "mean", "patch"), range(1, 9), ("a", "b", "c"), range(points)], names=["token", "layer", "label", "n"]
    ).to_frame(index=False)
    return rows.assign(x=rng.standard_normal(len(rows)), y=rng.standard_normal(len(rows)))


def attention():
    rows = pd.MultiIndex.from_product(
        [["d"], ["mae", "vit"], [1, 2], [1, 2], ["0", "1"]], names=["dataset", "model", "layer", "head", "image"]
    ).to_frame(index=False)
    distance = rows["layer"] * 10 + rows["head"] + rows["image"].astype(int) / 10
    return rows.assign(label="x", distance_px=distance, entropy=1.0, uniform_px=16.5)


def angles():
    rng = np.random.default_rng(0)

    def blocks(layer, label):
        yield rng.standard_normal((6, 5, 20)) + 1

    labels = ["a", "b", "c"]
    found = subspaces.bases(blocks, 3, labels, 3, "none")
    tables = [
        angle_table(found.whole, found.even, found.odd, labels, k, 4, 0).assign(level=level)
        for level in ("1", "2")
        for k in (3, 2)
    ]
    return pd.concat(tables), subspaces.singular_table(found, labels)


def test_heads_are_means_over_images_and_layers_over_heads():
    heads = layers.head_means(attention())
    assert len(heads) == 2 * 2 * 2
    assert heads["distance_px"].tolist()[:4] == pytest.approx([11.05, 12.05, 21.05, 22.05])
    numbers = layers.attention_numbers(heads)
    assert numbers["distance_px"].tolist() == pytest.approx([11.55, 21.55] * 2)
    assert (numbers["lowest_head"][0], numbers["highest_head"][0]) == pytest.approx((11.05, 12.05))
    said = layers.attention_seen(numbers)
    assert "mae on d: heads from 11.1 to 22.1 px" in said and "uniform attention has 16.5 px" in said


def test_first_angles_are_of_one_level_and_one_k():
    table, singular_values = angles()
    first = layers.first_angles(table)
    assert set(first["k"]) == {3} and set(first["level"]) == {"1"} and set(first["index"]) == {1}
    assert first["kind"].value_counts().to_dict() == {"between": 9, "within": 9, "random": 12}
    numbers = layers.angle_numbers(first, singular_values)
    between = first[(first["kind"] == "between") & (first["layer"] == 2)]["angle_deg"]
    assert numbers.set_index("layer").loc[2, "theta_1"] == between.median()
    assert f"{numbers['theta_1'].iloc[0]:.2f}° in layer 1" in layers.angles_seen(numbers)


def test_captions_carry_the_numbers_and_are_valid():
    numbers = layers.separation_numbers(separation(), ["cls", "mean"])
    said = layers.separation_seen(numbers)
    assert "cls tokens, 3 classes, 9 images as shown: k-NN 0.50 in layer 1, 0.70 in layer 2" in said
    pairs = mask_invariance.table(np.random.default_rng(0).standard_normal((3, 4, 5)), list("aabb"), list("0123"))
    pairs["compared"] = mask_invariance.compared(pairs)
    masks = layers.masks_seen(layers.mask_numbers(pairs), mask_invariance.norms(pairs))
    table, singular_values = angles()
    first = layers.angles_seen(layers.angle_numbers(layers.first_angles(table), singular_values))
    for text in (said, masks, first):
        page = docutils.core.publish_string(text, writer="html", settings_overrides={"halt_level": 2})
        assert b"<table" in page


def axes_of(figure):
    return [axis for axis in figure.get_axes() if axis.get_visible()]


@pytest.mark.parametrize(("draw", "maps_drawn"), [(figure_1, 16), (figure_2, 8)])
def test_maps_have_a_panel_a_layer_and_every_point(draw, maps_drawn):
    figure = draw(maps(), with_intervals(separation(), 0.95), "vit, 75 % of patches masked")
    assert figure.get_suptitle() == "vit, 75 % of patches masked"
    panels = [axis for axis in axes_of(figure) if axis.get_title().startswith("layer")]
    assert len(panels) == maps_drawn
    assert all(sum(len(c.get_offsets()) for c in panel.collections) == 12 for panel in panels)
    assert len(axes_of(figure)) == maps_drawn + 3
    silhouettes = axes_of(figure)[-3]
    shaded = [area.get_paths()[0].vertices[:, 1] for area in silhouettes.collections if area.get_paths()]
    assert len(shaded) == len(silhouettes.get_lines()) - 1  # all curves but the line of chance
    assert shaded[0].min() == pytest.approx(0.1 - 0.0196, abs=1e-4)
    assert shaded[0].max() == pytest.approx(0.2 + 0.0196, abs=1e-4)
    figure.draw_without_rendering()
    words = [part._suptitle for part in (figure, *figure.subfigs[:-1])]
    words += [legend for part in figure.subfigs for legend in part.legends]
    boxes = [one.get_window_extent() for one in words]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    plt.close(figure)


def test_figure_3_has_a_dot_a_head_and_the_uniform_line():
    figure = figure_3(layers.head_means(attention()))
    (legend,) = figure.legends  # one for all panels
    assert [text.get_text() for text in legend.get_texts()] == [
        "head",
        "mean over heads",
        "uniform attention (16.5 px)",
    ]
    assert not any(axis.get_legend() for axis in figure.axes)
    for axis in axes_of(figure):
        assert len(axis.collections[0].get_offsets()) == 4
        assert any(np.allclose(line.get_ydata(), 16.5) for line in axis.lines)
    plt.close(figure)


def test_figure_3_shows_every_head_of_models_that_look_farther_than_the_first():
    near = layers.head_means(attention())
    far = near.assign(model="far", distance_px=3 * near["distance_px"])
    figure = figure_3(pd.concat([near, far]))
    for axis in axes_of(figure):
        assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] > axis.collections[0].get_offsets()[:, 1].max()
    plt.close(figure)


def test_figure_4_draws_boxes_of_both_kinds_and_the_random_line():
    table, singular_values = angles()
    first = layers.first_angles(table)
    figure = figure_4(first, singular_values, "vit, 75 % of patches masked")
    assert figure.axes[0].get_title() == "vit, 75 % of patches masked"
    left, right = axes_of(figure)[:2]
    assert len(left.patches) == 2 * 3
    random = first.loc[first["kind"] == "random", "angle_deg"].median()
    assert any(np.allclose(line.get_ydata(), random) for line in left.lines)
    assert len(right.lines) == 3
    plt.close(figure)
