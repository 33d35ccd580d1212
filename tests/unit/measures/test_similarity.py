"""Measures of similarity against scipy and scikit-learn, and conclusions whose differences are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes as scipys
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors

from maescope.measures import cka, similarity
from maescope.tables import table_similarity


def features(n=40, dim=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim))


def test_procrustes_is_scipys():
    a, b = features(), features(seed=1)
    value = similarity.procrustes(cka.prepare(a), cka.prepare(b))
    assert 1 - value**2 == pytest.approx(scipys(a, b)[2], abs=1e-9)
    wide = np.hstack([b, np.zeros((40, 3))])
    assert similarity.procrustes(cka.prepare(a), cka.prepare(wide)) == pytest.approx(value)


def test_neighbours_are_scikit_learns():
    a = features()
    expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(a).kneighbors(return_distance=False)
    assert [set(row.nonzero()[0]) for row in similarity.neighbours(a, 5)] == [set(row) for row in expected]


def test_mutual_neighbours_are_counted_as_sets():
    a, b = features(), features() + 0.5 * features(seed=1)
    near = [NearestNeighbors(n_neighbors=10, metric="cosine").fit(x).kneighbors(return_distance=False) for x in (a, b)]
    expected = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(*near, strict=True)])
    assert similarity.compare(a, b, np.arange(40))["mutual_knn"] == pytest.approx(expected)


def test_a_rotation_and_a_scale_change_no_measure_and_a_random_order_leaves_chance():
    a = features(400, 6)
    a -= a.mean(axis=0)  # cosines of neighbours are taken from the origin
    order = np.random.default_rng(2).permutation(400)
    found = similarity.compare(a, 3 * a @ ortho_group.rvs(6, random_state=0), order)
    assert [found[name] for name in ("cka", "mutual_knn", "procrustes")] == pytest.approx([1, 1, 1])
    assert found["chance_mutual_knn"] == pytest.approx(10 / 399)
    near, shuffled = similarity.neighbours(a, 10), similarity.neighbours(a[order], 10)
    assert similarity.mutual_knn(near, shuffled) == pytest.approx(10 / 399, abs=0.01)
    assert 0 < found["chance_cka"] < 0.05 and 0 < found["chance_procrustes"] < 0.2


def test_a_layer_that_says_the_same_of_all_images_has_no_similarity():
    assert np.isnan(list(similarity.compare(np.ones((9, 3)), features(9), np.arange(9)).values())).all()


def test_layers_of_models_of_other_depth_are_those_at_the_same_depth():
    assert [similarity.deeper(layer, 12, 4) for layer in (1, 6, 12)] == [1, 2, 4]
    assert [similarity.deeper(layer, 4, 12) for layer in (1, 4)] == [3, 12]


def row(model, other, perturbation, level, layer, values):
    names = ("cka", "mutual_knn", "procrustes")
    where = {"model": model, "other": other, "perturbation": perturbation, "level": level, "layer": layer}
    return where | dict(zip(names, values, strict=True)) | {f"chance_{name}": 0.1 for name in names}


def measured():
    rows = [row("b", "a", "clean", "clean", layer, (0.5, 0.5, 0.5)) for layer in (1, 2)] + [
        row("c", "a", "clean", "clean", layer, (0.4, 0.6, 0.495)) for layer in (1, 2)
    ]
    rows += [row("b", "b", "blur", level, layer, (0.9, 0.9, 0.9)) for level in ("I", "II") for layer in (1, 2)]
    rows += [
        row("b", "b", "occlusion", "90", 1, (0.95, 0.3, 0.8)),
        row("b", "b", "occlusion", "90", 2, (0.2, 0.3, 0.95)),
    ]
    return pd.DataFrame(rows)


def test_conclusions_flip_where_another_measure_says_the_opposite():
    table = table_similarity.table(similarity.conclusions(measured(), ["b"]))
    said = {name: part["verdict"].tolist() for name, part in table.groupby("conclusion", sort=False)}
    assert said == {
        "at the last layer b is more like its clean self under blur II than under occlusion 90": ["yes", "yes", "no"],
        "under blur II the first layer of b is more like its clean self than the last": ["equal"] * 3,
        "under occlusion 90 the first layer of b is more like its clean self than the last": ["yes", "equal", "no"],
        "at the last layer a is more like b than like c": ["yes", "no", "equal"],
    }
    assert table["flips"].sum() == 3
    assert table_similarity.notes(table)[0] == "3 of 4 conclusions by linear CKA flip by another measure."
    shown = table_similarity.printed(table)
    assert shown.iloc[0].tolist()[1:] == [
        "yes: 0.90 to 0.20 (chance 0.10)",
        "yes: 0.90 to 0.30 (chance 0.10)",
        "FLIPS: no: 0.90 to 0.95 (chance 0.10)",
    ]
    assert shown.columns.tolist() == ["conclusion", "linear CKA", "mutual k-NN", "Procrustes"]


def test_the_only_layer_of_a_model_is_not_set_against_itself():
    rows = [row("b", "b", name, "I", 1, (0.9, 0.8, 0.7)) for name in ("blur", "occlusion")]
    table = similarity.conclusions(pd.DataFrame(rows), ["b"])
    assert table["conclusion"].unique().tolist() == [
        "at the last layer b is more like its clean self under blur I than under occlusion I"
    ]
