"""Class subspaces and angles as tidy rows, against scipy and cases known on paper."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from maescope.base.errors import InputError
from maescope.measures import subspaces
from maescope.measures.angles import angle_table

DIM, PLANES = 6, {"a": (0, 1), "b": (0, 2), "c": (3, 4)}


def in_planes(layer, label):
    """Images whose tokens lie in a coordinate plane: a and b share an axis, c shares none."""
    rng = np.random.default_rng(layer)
    rows = np.zeros((6, 5, DIM))
    rows[..., PLANES[label]] = rng.standard_normal((6, 5, 2))
    yield rows[:4]
    yield rows[4:]


def noise(layer, label):
    rng = np.random.default_rng([layer, ord(label)])
    yield (rng.standard_normal((40, 5, 24)) * 0.8 ** np.arange(24) + 2).astype(np.float32)


def angles(blocks, labels, k, centring="none", **options):
    found = subspaces.bases(blocks, 2, labels, k, centring)
    options = {"draws": 3, "seed": 0} | options
    return angle_table(found.whole, found.even, found.odd, labels, k, **options)


def test_angles_known_on_paper():
    table = angles(in_planes, list(PLANES), 2)
    between = table[table["kind"] == "between"].set_index(["layer", "label_a", "label_b", "index"])["angle_deg"]
    for layer in (1, 2):
        assert between.loc[layer, "a", "b"].tolist() == pytest.approx([0, 90], abs=1e-5)
        assert between.loc[layer, "a", "c"].tolist() == pytest.approx([90, 90], abs=1e-5)
    within = table[table["kind"] == "within"]
    assert within["angle_deg"].to_numpy() == pytest.approx(0, abs=1e-5)
    assert (within["label_a"] == within["label_b"]).all() and len(within) == 2 * 3 * 2
    random = table[table["kind"] == "random"]
    assert len(random) == 2 * 3 * 2 and random["label_a"].isna().all()


@pytest.mark.parametrize("centring", ["none", "class", "global"])
def test_angles_equal_scipy(centring):
    table = angles(noise, ["a", "b", "c"], 4, centring)
    rows = {label: next(noise(2, label)).reshape(-1, 24).astype(float) for label in "abc"}
    means = {label: own.mean(0) for label, own in rows.items()}
    origin = {"none": 0, "global": np.mean(list(means.values()), axis=0)}
    bases = {}
    for label, own in rows.items():
        bases[label] = np.linalg.svd(own - origin.get(centring, means[label]), full_matrices=False)[2][:4].T
    between = table[(table["kind"] == "between") & (table["layer"] == 2)]
    for (a, b), part in between.groupby(["label_a", "label_b"]):
        expected = np.degrees(subspace_angles(bases[a], bases[b])[::-1])
        assert part["angle_deg"].to_numpy() == pytest.approx(expected, abs=np.degrees(1e-5))


def test_of_many_classes_the_smallest_angle_is_of_each_two_and_the_others_are_quantiles():
    whole, few = angles(noise, list("abcd"), 3), angles(noise, list("abcd"), 3, every=False)
    of_pairs = few[few["quantile"].isna()].drop(columns="quantile").reset_index(drop=True)
    same = whole[(whole["kind"] != "between") | (whole["index"] == 1)].reset_index(drop=True)
    assert of_pairs.equals(same)
    others = few[few["quantile"].notna()].set_index(["layer", "index", "quantile"])
    assert len(others) == 2 * 2 * 7 and others[["label_a", "label_b"]].isna().all(axis=None)
    for layer, index in ((1, 2), (2, 3)):
        own = sorted(whole.query(f"kind == 'between' and layer == {layer} and index == {index}")["angle_deg"])
        found = [others.loc[(layer, index, q), "angle_deg"] for q in (0, 0.5, 1)]
        assert len(own) == 6 and found == pytest.approx([own[0], (own[2] + own[3]) / 2, own[-1]])


def test_fewer_dimensions_are_the_first_of_more():
    found = subspaces.bases(noise, 1, ["a", "b"], 5, "none")
    of_few = angle_table(found.whole, found.even, found.odd, ["a", "b"], 2, 1, 0)
    alone = subspaces.bases(noise, 1, ["a", "b"], 2, "none")
    expected = angle_table(alone.whole, alone.even, alone.odd, ["a", "b"], 2, 1, 0)
    assert of_few["angle_deg"].to_numpy() == pytest.approx(expected["angle_deg"].to_numpy(), abs=1e-5)


def test_singular_values_over_the_frobenius_norm():
    found = subspaces.bases(noise, 2, ["a", "b"], 24, "none")
    table = subspaces.singular_table(found, ["a", "b"])
    assert (table.groupby(["layer", "label"])["relative"].apply(lambda r: (r**2).sum()) - 1).abs().max() < 1e-9
    own = table[(table["layer"] == 2) & (table["label"] == "b")]["value"].to_numpy()
    assert own == pytest.approx(np.linalg.svd(next(noise(2, "b")).reshape(-1, 24).astype(float), compute_uv=False))


def test_settings_of_k():
    assert subspaces.dimensions(in_planes, 2, list(PLANES), 3, "none") == [3]
    assert subspaces.dimensions(in_planes, 2, list(PLANES), [1, 2], "none") == [1, 2]
    assert subspaces.dimensions(in_planes, 2, list(PLANES), 0.999, "none") == [2]


def test_k_above_the_rank_names_label_layer_and_numbers():
    with pytest.raises(InputError, match=r"label a, layer 1: k = 3 .* 2; lower analysis.subspace.k"):
        subspaces.bases(in_planes, 1, ["a", "b"], 3, "none")
    with pytest.raises(InputError, match=r"k = 7 dimensions asked of 30 rows of 6"):
        subspaces.bases(in_planes, 1, ["a", "b"], 7, "none")


def test_a_class_with_one_image_is_named():
    def one(layer, label):
        yield np.ones((1, 5, DIM))

    with pytest.raises(InputError, match="label a, layer 1: split halves need 2 images or more, got 1"):
        subspaces.bases(one, 1, ["a", "b"], 1, "none")


def test_one_class_only_has_no_angles():
    with pytest.raises(ValueError, match="2 classes or more, got 1"):
        angles(in_planes, ["a"], 1)
