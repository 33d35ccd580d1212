"""Numbers of Figures 6 to 8 by hand."""

import numpy as np
import pandas as pd
import pytest

from maescope.figures.head_features import figure_8, head_maps
from maescope.measures import features
from maescope.tables import head_features

INTERVALS = {"resamples": 500, "confidence": 0.95, "seed": 0}


def plain_loop(clean, perturbed, labels, k, threshold):
    """Counts by loops over everything, with rationals written out."""
    rows = {}
    layers, _, count, dim = clean.shape
    for label in sorted(set(labels)):
        own = [i for i, other in enumerate(labels) if other == label]
        for layer in range(layers):
            for head in range(count):
                common = []
                for values in (clean, perturbed):
                    votes = [0] * dim
                    for image in own:
                        vector = values[layer, image, head]
                        order = sorted(range(dim), key=lambda j, vector=vector: (-abs(vector[j]), j))
                        for j in order[:k]:
                            votes[j] += 1
                    common.append({j for j in range(dim) if votes[j] * 10 >= threshold * len(own)})
                rows[label, layer + 1, head + 1] = (len(common[0]), len(common[0] & common[1]))
    return rows


@pytest.mark.parametrize("ties", [False, True])
def test_counts_are_those_of_a_plain_loop(ties):
    rng = np.random.default_rng(1)
    clean = rng.integers(-2, 3, (2, 20, 3, 8)).astype(float) if ties else rng.normal(size=(2, 20, 3, 8))
    perturbed = clean + rng.integers(-1, 2, clean.shape) if ties else clean + rng.normal(size=clean.shape)
    labels = ["b"] * 7 + ["a"] * 10 + ["c"] * 3
    tops = features.top_dims(clean, 3), features.top_dims(perturbed, 3)
    table = features.table(*tops, labels, 0.6, draws=3, seed=0)
    counts = plain_loop(clean, perturbed, labels, 3, 6)
    assert len(table) == len(counts) == 3 * 2 * 3
    for _, row in table.iterrows():
        wanted = counts[row["label"], row["layer"], row["head"]]
        assert (row["common_clean"], row["common_perturbed"]) == wanted
    assert (table["shuffled_perturbed"] <= table["shuffled_clean"]).all()


def test_without_classes_the_shuffled_counts_are_those_of_the_classes():
    head = np.tile(np.random.default_rng(0).normal(size=(2, 1, 3, 8)), (1, 12, 1, 1))  # every image the same
    top = features.top_dims(head, 2)
    table = features.table(top, top, ["a", "b"] * 6, 0.6, draws=2, seed=0)
    for kind in ("clean", "perturbed"):
        assert (table[f"common_{kind}"] == 2).all() and (table[f"shuffled_{kind}"] == 2).all()


def test_features_of_classes_alone_vanish_when_labels_are_shuffled():
    head = np.zeros((1, 200, 1, 8))
    labels = np.repeat(["a", "b", "c", "d"], 50)
    for number, label in enumerate("abcd"):
        head[0, labels == label, 0, 2 * number : 2 * number + 2] = 1
    top = features.top_dims(head, 2)
    table = features.table(top, top, labels, 0.6, draws=5, seed=0)
    assert (table["common_clean"] == 2).all() and (table["shuffled_clean"] == 0).all()


@pytest.fixture
def measured():
    """Two classes, one layer, two heads, levels that take one and then all features."""
    rows = [
        {"level": level, "label": label, "layer": 1, "head": head, "common_clean": clean}
        | {"common_perturbed": max(0, clean - lost), "shuffled_clean": 1.0, "shuffled_perturbed": 1.0 - lost / 10}
        for level, lost in (("I", 1), ("II", 9))
        for label, offset in (("a", 0), ("b", 2))
        for head, clean in ((1, 2 + offset), (2, 4 + offset))
    ]
    return pd.DataFrame(rows)


def test_maps_begin_with_clean_and_are_means_over_classes(measured):
    maps = head_features.maps(measured)
    assert list(maps["level"].unique()) == ["clean", "I", "II"]
    by_level = maps.set_index(["level", "layer", "head"])["features"]
    assert by_level.to_dict() == {
        ("clean", 1, 1): 3, ("clean", 1, 2): 5, ("I", 1, 1): 2, ("I", 1, 2): 4, ("II", 1, 1): 0, ("II", 1, 2): 0,
    }  # fmt: skip


def test_drops_are_means_over_heads_then_classes(measured):
    drops = head_features.drops(measured.assign(model="vit", perturbation="blur"), INTERVALS).set_index("level")
    assert drops.loc["I", "drop"] == drops.loc["I", "drop_low"] == drops.loc["I", "drop_high"] == 1
    assert drops.loc["II", "drop"] == drops.loc["II", "clean"] == 4
    assert (drops.loc["II", "drop_low"], drops.loc["II", "drop_high"]) == (3, 5)  # of two classes: 3 and 5
    assert drops.loc["I", "shuffled_drop"] == pytest.approx(0.1) and drops.loc["I", "classes"] == 2


def test_a_drop_is_never_negative():
    rng = np.random.default_rng(0)
    tops = [features.top_dims(rng.normal(size=(3, 30, 2, 8)), 2) for _ in range(2)]
    table = features.table(*tops, np.repeat(["a", "b", "c"], 10), 0.3, 5, 0).assign(
        level="x", perturbation="p", model="vit"
    )
    drops = head_features.drops(table, INTERVALS)
    assert (drops[["drop", "drop_low", "shuffled_drop", "shuffled_drop_low"]] >= 0).all(axis=None)


def test_heat_maps_share_one_colour_scale_and_begin_at_zero(measured):
    figure = head_maps(head_features.maps(measured), {"clean": "clean", "I": "I", "II": "II"}, "features", "vit")
    limits = {image.get_clim() for axis in figure.axes for image in axis.images}
    assert limits == {(0, 5)}
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["clean", "I", "II"]


def test_figure_8_has_a_row_a_model_and_the_baseline_in_every_panel(measured):
    names = {"mae": 0, "vit": 3}
    parts = [
        measured.assign(common_clean=measured["common_clean"] + more, model=model, perturbation=name)
        for model, more in names.items()
        for name in ("blur", "occlusion")
    ]
    drops = head_features.drops(pd.concat(parts), INTERVALS)
    lost = drops[drops["level"] == "II"].groupby("model")["drop"].mean()
    assert lost.to_dict() == {"mae": 4, "vit": 7}
    figure = figure_8(drops, {"blur": "level", "occlusion": "percent"})
    titles = [axis.get_title().splitlines() for axis in figure.axes]
    assert [title for title, _ in titles] == ["mae, blur", "mae, occlusion", "vit, blur", "vit, occlusion"]
    own = drops[(drops["model"] == "vit") & (drops["level"] == "II")].iloc[0]
    assert titles[2][1].startswith(
        f"lost at II: {100 * 7 / own['clean']:.0f} % of {own['clean']:.2f}, of shuffled labels "
    )
    (legend,) = figure.legends  # one for all panels
    texts = [text.get_text() for text in legend.get_texts()]
    assert {"common features of classes", "common features of shuffled labels"} < set(texts)
    assert not any(axis.get_legend() for axis in figure.axes)
    highest = drops[["clean", "shuffled_clean", "drop_high"]].max(axis=None)
    assert {axis.get_ylim() for axis in figure.axes} == {(0, 1.05 * highest)}  # models are compared
