"""Figures beyond the paper: what is drawn, and that none of it is cut off."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from maescope.figures import attention, cka, depth
from maescope.figures.axes import along_depth
from maescope.figures.separation import figure_1
from maescope.figures.spectrum import figure_spectrum
from maescope.measures import spectrum


def grid(**columns):
    """All combinations of the columns' values."""
    return pd.MultiIndex.from_product(list(columns.values()), names=list(columns)).to_frame(index=False)


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open behind its test."""
    yield
    plt.close("all")


def with_bands(curves):
    """The separation of classes with an interval of 0.1 to either side."""
    for column in ("silhouette", "knn_accuracy", "probe_accuracy"):
        curves = curves.assign(**{f"{column}_low": curves[column] - 0.1, f"{column}_high": curves[column] + 0.1})
    return curves


def bands(axis):
    """Lowest and highest of each area that is shaded."""
    found = [area.get_paths()[0].vertices[:, 1] for area in axis.collections if area.get_paths()]
    return [(low.min(), low.max()) for low in found]


def whole(figure):
    """Everything that is drawn as a line or a dot lies inside its panel's limits, and values have a name."""
    for axis in figure.axes:
        low, high = sorted(axis.get_ylim())
        for line in axis.get_lines():
            y = np.asarray(line.get_ydata(), dtype=float)
            assert ((y >= low) & (y <= high)).all(), axis.get_title()
    return figure


def test_depth_is_a_layer_or_where_models_differ_in_it_a_share():
    same = pd.concat([grid(model=[m], layer=[1, 2]) for m in "ab"])
    assert along_depth(same)[1] == "layer"
    differing = pd.concat([grid(model=["a"], layer=[1, 2]), grid(model=["b"], layer=[1, 2, 3, 4])])
    frame, label = along_depth(differing)
    assert label == "layer / number of layers"
    assert frame["x"].tolist() == [0.5, 1, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("missing", [[2], [1, 2]])
def test_cka_of_a_layer_that_says_the_same_of_all_images_is_grey_and_the_rest_is_drawn(missing):
    pairs = grid(model=["a"], other=["a"], layer=[1, 2, 3], other_layer=[1, 2, 3]).assign(cka=0.7, shuffled=0.1)
    changes = grid(model=["a"], perturbation=["blur"], level=["I"], layer=[1, 2, 3]).assign(cka=0.9, shuffled=0.1)
    for frame, columns in ((pairs, ["layer", "other_layer"]), (changes, ["layer"])):
        frame.loc[frame[columns].isin(missing).any(axis=1), ["cka", "shuffled"]] = np.nan
    figure = cka.figure_cka(pairs, changes)
    figure.canvas.draw()
    drawn = next(axis.get_images()[0] for axis in figure.axes if axis.get_images())
    rest = [number for number in (0, 1, 2) if number + 1 not in missing]
    assert drawn.get_array().mask.sum() == 9 - len(rest) ** 2
    assert (drawn.get_array()[np.ix_(rest, rest)] == 0.7).all()
    assert drawn.cmap(np.ma.masked_invalid([np.nan]))[0].tolist() == pytest.approx([0.85, 0.85, 0.85, 1])
    assert any("grey: all" in axis.get_ylabel() for axis in figure.axes)
    assert not any("grey" in axis.get_ylabel() for axis in cka.figure_cka(pairs.fillna(0.5), changes).axes)


def test_maps_of_layers_that_say_the_same_of_all_images_are_named_and_the_others_drawn():
    points = grid(token=["cls", "mean"], layer=[1, 2, 3], label=["a", "b"], number=range(4))
    points = points.assign(x=points["number"], y=points["layer"])
    points = points[(points["token"] == "mean") & (points["layer"] != 2)]  # no map of CLS, nor of the second layer
    curves = grid(token=["cls", "mean"], layer=[1, 2, 3], scope=["shown"]).assign(
        silhouette=0.0, knn_accuracy=0.5, probe_accuracy=0.5, chance=0.5, classes=2, images=8
    )
    figure = figure_1(points, with_bands(curves), "vit")
    figure.canvas.draw()
    panels = [axis for axis in figure.axes if axis.get_title().startswith("layer ") and axis.get_visible()]
    said = [[text.get_text() for text in axis.texts] for axis in panels]
    shown = [bool(axis.collections) and sum(len(c.get_offsets()) for c in axis.collections) for axis in panels]
    same = ["the same of\nall images"]
    assert [axis.get_title() for axis in panels] == ["layer 1", "layer 2", "layer 3"] * 2
    assert said == [same, same, same, [], same, []]
    assert shown == [False, False, False, 8, False, 8]
    figure_1(points[:0], with_bands(curves), "vit").canvas.draw()  # all of them


def test_cka_has_a_map_for_two_models_and_shows_the_lowest_curve_of_any_panel():
    pairs = pd.concat(
        [
            grid(model=[a], other=[b], layer=range(1, n + 1), other_layer=range(1, m + 1))
            for a, n, b, m in (("a", 2, "a", 2), ("b", 3, "a", 2))
        ]
    ).assign(cka=0.7, shuffled=0.1)
    pairs.loc[pairs["layer"] == pairs["other_layer"], "cka"] = 1.0
    changes = grid(model=["a"], perturbation=["blur", "occlusion"], level=["I", "II"], layer=[1, 2])
    changes["cka"] = np.where(changes["perturbation"] == "blur", 0.95, 0.2)
    changes["shuffled"] = 0.05
    figure = whole(cka.figure_cka(pairs, changes))
    maps = [axis.get_images()[0].get_array() for axis in figure.axes if axis.get_images()]
    assert [values.shape for values in maps] == [(2, 2), (3, 2)]
    assert maps[1].diagonal().tolist() == [1, 1] and maps[1][2, 0] == 0.7
    legends = [[text.get_text() for text in block.legends[0].get_texts()] for block in figure.subfigs[1:]]
    assert legends == [["I", "II", "random\norder"]] * 2


def all_pairs(models, layers):
    """CKA of every two models."""
    pairs = [(a, b) for number, a in enumerate(models) for b in models[: number + 1]]
    maps = [grid(model=[a], other=[b], layer=layers, other_layer=layers) for a, b in pairs]
    return pd.concat(maps).assign(cka=0.7, shuffled=0.1)


def test_cka_of_seven_models_is_a_triangle_on_one_page_with_names_that_do_not_overlap():
    models = [f"ratio_{number}_tuned-0" for number in range(21, 28)]
    changes = grid(model=models[1:], perturbation=["blur", "occlusion"], level=["I", "II"], layer=range(1, 9))
    pairs = all_pairs(models, range(1, 9))
    figure = whole(cka.figure_cka(pairs, changes.assign(cka=0.5, shuffled=0.1)))
    assert figure.get_figheight() < 10
    panels = [axis for axis in figure.axes if axis.get_visible()]
    maps = [axis for axis in panels if axis.get_images()]
    assert len(maps) == 28
    assert [axis.get_ylabel() for axis in maps if axis.get_ylabel()] == models
    assert [axis.get_xlabel() for axis in maps if axis.get_xlabel()] == models
    figure.draw_without_rendering()
    titles = [axis.title.get_window_extent() for axis in panels if axis.get_title()]
    assert len(titles) == 12
    assert not any(a.overlaps(b) for number, a in enumerate(titles) for b in titles[:number])


def test_cka_without_fine_tuned_models_is_maps_alone():
    figure = whole(cka.figure_cka(all_pairs(["a"], [1, 2]), pd.DataFrame(columns=["perturbation", "cka"])))
    assert len([axis for axis in figure.axes if axis.get_images()]) == 1 and not figure.legends


def test_models_of_an_odd_and_of_an_even_grid_are_both_at_their_highest_frequency():
    parts = []
    for model, side in (("even", 4), ("odd", 3)):
        frame = grid(model=[model], layer=[1, 2], frequency=spectrum.frequencies(side))
        parts.append(frame.assign(log_amplitude=-frame["frequency"], noise=np.tile(spectrum.noise(side), 2)))
    figure = whole(figure_spectrum(pd.concat(parts)))
    curves = {line.get_label(): line.get_ydata() for line in figure.axes[-1].get_lines()}
    assert curves["even"].tolist() == [-1, -1]
    assert curves["odd"].tolist() == pytest.approx([-2 / 3, -2 / 3])
    assert named(figure) == ["even", "odd", "white noise"]


def named(figure):
    """What the legend below all panels names."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_spectra_of_seven_models_stand_in_rows_of_four():
    frame = grid(model=list("abcdefg"), layer=[1, 2], frequency=spectrum.frequencies(4))
    frame = frame.assign(log_amplitude=-frame["frequency"], noise=np.tile(spectrum.noise(4), 14))
    axes = whole(figure_spectrum(frame)).axes
    assert [axis.get_subplotspec().get_geometry()[:2] for axis in axes] == [(2, 4)] * 8
    assert [bool(axis.get_ylabel()) for axis in axes] == [True, False, False, False, True, False, False, True]


def test_ranks_have_the_noise_of_each_shape_above_them():
    ranks = grid(model=["narrow", "wide"], token=["cls", "mean"], layer=[1, 2]).assign(effective_rank=3.0, most=20)
    ranks["noise"] = ranks["model"].map({"narrow": 8.2, "wide": 15.9})
    figure = whole(depth.figure_rank(ranks))
    assert named(figure) == ["narrow", "wide", "noise of the same shape (8 or 16)"]
    assert [line.get_ydata()[0] for line in figure.axes[0].get_lines()[-2:]] == [8, 16]


def test_a_layer_without_a_rank_is_a_gap_in_its_curve():
    ranks = grid(model=["vit"], token=["cls", "mean"], layer=[1, 2, 3]).assign(effective_rank=3.0, most=20, noise=8.0)
    ranks.loc[ranks["layer"] == 2, "effective_rank"] = np.nan
    curve = depth.figure_rank(ranks).axes[0].get_lines()[0].get_ydata()
    assert np.isnan(curve).tolist() == [False, True, False]


def test_models_without_cls_are_named_where_they_have_no_curve_and_alone_have_no_panel():
    rows = grid(model=["gap", "vit"], token=["cls", "mean"], layer=[1, 2])
    rows = rows[(rows["model"] == "vit") | (rows["token"] == "mean")].assign(effective_rank=3.0, most=20, noise=8.0)
    rows = with_bands(rows.assign(silhouette=0.1, knn_accuracy=0.8, probe_accuracy=0.9, chance=0.1))
    for draw, across in ((depth.figure_rank, 1), (depth.figure_models, 3)):
        figure = whole(draw(rows))
        assert [[text.get_text() for text in axis.texts] for axis in figure.axes[::across]] == [
            ["without CLS: gap"],
            [],
        ]
        assert named(figure)[:2] == ["gap", "vit"] and len(figure.axes) == 2 * across
        (above, *_), (_, below, *_) = (figure.axes[place].get_lines() for place in (0, across))
        assert above.get_label() == below.get_label() == "vit" and above.get_color() == below.get_color()
        assert len(whole(draw(rows[rows["model"] == "gap"])).axes) == across


@pytest.mark.parametrize("name", ["heads", "class_attention"])
def test_every_head_of_every_model_has_a_dot_in_a_named_row(name):
    heads = pd.concat([grid(model=["a"], layer=[1, 2], head=[1, 2, 3]), grid(model=["b"], layer=[1], head=[1])])
    heads = heads.assign(entropy=1.0, nmi=0.5, patches=16, to_patches=0.4, spread=0.3, contrast=-0.1, uniform=16 / 17)
    figure = whole(getattr(attention, f"figure_{name}")(heads))
    above, below = np.array(figure.axes).reshape(2, -1)
    assert [len(axis.collections[0].get_offsets()) for axis in (*above, *below)] == [6] * len(above) + [1] * len(below)
    assert (above[0].get_ylabel(), below[0].get_ylabel()) == ("a", "b")
    assert all("\ndotted: " in axis.get_title() for axis in above)


def test_classes_are_judged_by_three_measures_of_two_kinds_of_token():
    rows = grid(model=["a", "b"], token=["cls", "mean"], layer=[1, 2, 3])
    rows = rows.assign(silhouette=0.1, knn_accuracy=0.8, probe_accuracy=0.9, chance=0.1)
    figure = whole(depth.figure_models(with_bands(rows)))
    for axis, value in zip(figure.axes, [0.1, 0.8, 0.9] * 2, strict=True):
        assert np.array(bands(axis)) == pytest.approx(np.array([[value - 0.1, value + 0.1]] * 2))  # of each model
    assert len(figure.axes) == 6
    assert all(len(axis.get_lines()) == 3 for axis in figure.axes)  # two models and what guessing gives
    assert named(figure) == ["a", "b", "silhouette 0: as near to another class", "accuracy of guessing"]
    assert [axis.get_lines()[-1].get_ydata()[0] for axis in figure.axes] == [0, 0.1, 0.1] * 2
