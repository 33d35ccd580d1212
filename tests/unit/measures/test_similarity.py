"""Measures of similarity against scipy and scikit-learn, and conclusions whose differences are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes as scipys
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors

from maescope.base import statistics
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


def near(a, k, kept=None):
    kept = np.ones(len(a), bool) if kept is None else kept
    return similarity.neighbours(similarity.ranked(a, min(len(a) - 1, k + (~kept).sum())), k, kept)


def whole(a, b, order=None):
    """Of all images."""
    (row,) = similarity.compare(a, b, np.arange(len(a)) if order is None else order).to_dict("records")
    return row


def test_neighbours_are_scikit_learns_of_those_kept():
    a = features()
    expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(a).kneighbors(return_distance=False)
    assert [set(row.nonzero()[0]) for row in near(a, 5)] == [set(row) for row in expected]
    kept = np.arange(40) % 4 > 0
    own = kept.nonzero()[0]
    expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(a[kept]).kneighbors(return_distance=False)
    found = near(a, 5, kept)
    assert [set(row.nonzero()[0]) for row in found[kept]] == [set(own[row]) for row in expected]
    assert not found[~kept].any() and not found[:, ~kept].any()


def test_mutual_neighbours_are_counted_as_sets():
    a, b = features(), features() + 0.5 * features(seed=1)
    sets = [NearestNeighbors(n_neighbors=10, metric="cosine").fit(x).kneighbors(return_distance=False) for x in (a, b)]
    expected = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(*sets, strict=True)])
    assert whole(a, b)["mutual_knn"] == pytest.approx(expected)


def test_a_rotation_and_a_scale_change_no_measure_and_a_random_order_leaves_chance():
    a = features(400, 6)
    a -= a.mean(axis=0)  # cosines of neighbours are taken from the origin
    order = np.random.default_rng(2).permutation(400)
    found = whole(a, 3 * a @ ortho_group.rvs(6, random_state=0), order)
    assert [found[name] for name in ("cka", "mutual_knn", "procrustes")] == pytest.approx([1, 1, 1])
    assert found["chance_mutual_knn"] == pytest.approx(10 / 399)
    assert similarity.mutual_knn(near(a, 10), near(a[order], 10)) == pytest.approx(10 / 399, abs=0.01)
    assert 0 < found["chance_cka"] < 0.05 and 0 < found["chance_procrustes"] < 0.2


def test_a_layer_that_says_the_same_of_all_images_has_no_similarity():
    found = similarity.compare(np.ones((9, 3)), features(9), np.arange(9), np.zeros(9))
    assert len(found) == 1 and found.isna().all(axis=None)


def test_groups_have_their_share_of_every_class():
    labels = np.repeat(["a", "b", "c"], [40, 60, 23])
    found = similarity.groups(labels, np.random.default_rng(0).permutation(123))
    for label, size in (("a", 40), ("b", 60), ("c", 23)):
        counts = np.bincount(found[labels == label], minlength=21)[1:]
        assert len(counts) == 20 and counts.sum() == size and np.ptp(counts) <= 1
    assert sorted(np.bincount(similarity.groups(labels[:9], np.arange(9)))[1:]) == [2, 2, 2, 3]


@pytest.mark.parametrize(("n", "left_out"), [(7, 0), (8, 4), (13, 6), (90, 20)])
def test_without_a_group_the_measures_are_those_of_the_other_images(n, left_out):
    a, b, order = features(n), features(n) + features(n, seed=1), np.random.default_rng(3).permutation(n)
    labels = np.arange(n) % 3
    found = similarity.compare(a, b, order, labels)
    assert found["left_out"].isna().tolist() == [True] + [False] * left_out
    out = similarity.groups(labels, order)
    names = ["cka", "mutual_knn", "procrustes"]
    for row in found[1:].to_dict("records"):
        kept = out != row["left_out"]
        expected = whole(a[kept], b[kept])
        assert [row[name] for name in names] == pytest.approx([expected[name] for name in names])
        assert np.isnan(row["chance_cka"])
    assert found.iloc[0][names].tolist() == [whole(a, b, order)[name] for name in names]


def test_intervals_cover_no_difference_as_often_as_they_say():
    """Two others that are alike but for their noise are as like the first, whatever the measure.

    The jackknife errs on the wide side (Efron and Stein 1981): here of mutual k-NN, no smooth function of its images.
    """
    covered, widths = {name: 0 for name in similarity.NAMES}, []
    rng = np.random.default_rng(7)
    for _ in range(150):
        a = rng.normal(size=(60, 4))
        order, labels = rng.permutation(60), np.arange(60) % 3
        sides = [similarity.compare(a, a + 0.7 * rng.normal(size=a.shape), order, labels) for _ in range(2)]
        for name in similarity.NAMES:
            difference = (sides[0][name] - sides[1][name]).to_numpy()
            low, high = statistics.jackknife(difference[0], difference[1:])
            covered[name] += low <= 0 <= high
            widths.append(high - low)
    assert all(0.9 <= covered[name] / 150 <= 0.985 for name in ("cka", "procrustes")), covered
    assert covered["mutual_knn"] / 150 >= 0.95, covered
    assert min(widths) > 0.005 and np.median(widths) < 0.4


def test_a_bootstrap_would_not_do_as_an_image_drawn_twice_is_its_own_neighbour():
    """Of two that know nothing of each other, with the same draws: why intervals leave images out instead."""
    rng = np.random.default_rng(0)
    a, b, drawn = rng.normal(size=(200, 6)), rng.normal(size=(200, 6)), rng.integers(200, size=200)
    by_chance = 10 / 199
    assert abs(whole(a, b)["mutual_knn"] - by_chance) < 0.02
    assert whole(a[drawn], b[drawn])["mutual_knn"] > by_chance + 0.05


def test_layers_of_models_of_other_depth_are_those_at_the_same_depth():
    assert [similarity.deeper(layer, 12, 4) for layer in (1, 6, 12)] == [1, 2, 4]
    assert [similarity.deeper(layer, 4, 12) for layer in (1, 4)] == [3, 12]


def row(model, other, perturbation, level, layer, values, left_out=np.nan):
    names = ("cka", "mutual_knn", "procrustes")
    where = {"model": model, "other": other, "perturbation": perturbation, "level": level, "layer": layer}
    where |= {"left_out": left_out} | dict(zip(names, values, strict=True))
    return where | {f"chance_{name}": 0.1 if np.isnan(left_out) else np.nan for name in names}


def with_groups(rows, error=0.0):
    """Those rows, and two groups each without which they are less and more; but for mutual k-NN of blur, much so."""
    parts = []
    for own in rows:
        for group, sign in ((1, -1), (2, 1)):
            values = [own[name] + sign * error for name in similarity.NAMES]
            values[1] += sign * 0.5 * (own["perturbation"] == "blur")
            where = [own[name] for name in similarity.WHICH]
            parts.append(row(*where, values, group))
    return pd.DataFrame(rows + parts)


def measured():
    rows = [row("b", "a", "clean", "clean", layer, (0.5, 0.5, 0.5)) for layer in (1, 2)] + [
        row("c", "a", "clean", "clean", layer, (0.4, 0.6, 0.495)) for layer in (1, 2)
    ]
    rows += [row("b", "b", "blur", level, layer, (0.9, 0.9, 0.9)) for level in ("I", "II") for layer in (1, 2)]
    rows += [
        row("b", "b", "occlusion", "90", 1, (0.95, 0.3, 0.8)),
        row("b", "b", "occlusion", "90", 2, (0.2, 0.3, 0.95)),
    ]
    return with_groups(rows)


def test_conclusions_flip_where_another_measure_says_the_opposite():
    table = table_similarity.table(similarity.conclusions(measured(), ["b"], 0.95))
    said = {name: part["verdict"].tolist() for name, part in table.groupby("conclusion", sort=False)}
    assert said == {
        "at the last layer b is more like its clean self under blur II than under occlusion 90": ["yes", "open", "no"],
        "under blur II the first layer of b is more like its clean self than the last": ["equal"] * 3,
        "under occlusion 90 the first layer of b is more like its clean self than the last": ["yes", "equal", "no"],
        "at the last layer a is more like b than like c": ["yes", "no", "equal"],
    }
    assert table["flips"].sum() == 3
    notes = table_similarity.notes(table, 0.9)
    assert notes[0] == "3 of 4 conclusions by linear CKA flip by another measure." and "90 % interval" in notes[2]
    shown = table_similarity.printed(table)
    reach = 12.7062047 * np.sqrt((2 - 1) * 0.5**2)  # Student's t of one degree, times the jackknife's error
    assert shown.iloc[0].tolist()[1:] == [
        "yes: 0.90 to 0.20, by +0.70 [0.70, 0.70] (chance 0.10)",
        f"open: 0.90 to 0.30, by +0.60 [{0.6 - reach:.2f}, {0.6 + reach:.2f}] (chance 0.10)",
        "FLIPS: no: 0.90 to 0.95, by -0.05 [-0.05, -0.05] (chance 0.10)",
    ]
    assert shown.columns.tolist() == ["conclusion", "linear CKA", "mutual k-NN", "Procrustes"]


def test_what_both_sides_have_without_a_group_is_no_error_of_their_difference():
    table = similarity.conclusions(
        with_groups(measured()[lambda rows: rows["left_out"].isna()].to_dict("records"), 0.2), ["b"], 0.95
    )
    own = table[table["measure"] == "cka"]
    assert own["low"].tolist() == pytest.approx(own["difference"].tolist())


def test_without_groups_a_conclusion_stays_open():
    few = measured()[lambda rows: rows["left_out"].isna()]
    table = table_similarity.table(similarity.conclusions(few, ["b"], 0.95))
    assert set(table["verdict"]) == {"open", "equal"} and not table["flips"].any()
    assert table_similarity.printed(table).iloc[0, 1] == "open: 0.90 to 0.20, by +0.70 [–, –] (chance 0.10)"


def test_the_only_layer_of_a_model_is_not_set_against_itself():
    rows = [row("b", "b", name, "I", 1, (0.9, 0.8, 0.7)) for name in ("blur", "occlusion")]
    table = similarity.conclusions(pd.DataFrame(rows), ["b"], 0.95)
    assert table["conclusion"].unique().tolist() == [
        "at the last layer b is more like its clean self under blur I than under occlusion I"
    ]
