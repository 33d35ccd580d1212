"""Head-wise common features against plain loops, ties included."""

import math
import tracemalloc

import numpy as np
import pytest

from maescope.measures import features


def plain_top(vector, k):
    """The k indices of largest magnitude, the lower index first among equals; none of a zero."""
    return set(sorted((i for i in range(len(vector)) if vector[i]), key=lambda i: (-abs(vector[i]), i))[:k])


def plain_common(head, k, threshold):
    """Sets of common dimensions, by layer and head."""
    layers, images, heads, dim = head.shape
    needed = math.ceil(round(threshold * images, 6))
    return [
        [
            {i for i in range(dim) if sum(i in plain_top(head[layer, b, h], k) for b in range(images)) >= needed}
            for h in range(heads)
        ]
        for layer in range(layers)
    ]


def integer_heads(seed, images=20, spread=4):
    """Small integers of both signs, so that ties abound; (2, images, 3, 16)."""
    rng = np.random.default_rng(seed)
    bias = rng.integers(0, spread, (2, 1, 3, 16))  # what the images share
    return (rng.integers(-spread, spread + 1, (2, images, 3, 16)) + bias).astype(np.float32)


def test_top_dims_are_those_of_largest_magnitude():
    head = np.array([0.1, -5, 3, -0.2, 4]).reshape(1, 1, 1, 5)
    assert features.top_dims(head, 2).ravel().tolist() == [False, True, False, False, True]


def test_of_equal_dimensions_the_lower_index_wins():
    head = np.array([1, 2, -2, 2, -1, 2]).reshape(1, 1, 1, 6)
    assert np.flatnonzero(features.top_dims(head, 2)).tolist() == [1, 2]
    assert np.flatnonzero(features.top_dims(head, 5)).tolist() == [0, 1, 2, 3, 5]


def test_a_pruned_head_or_dimension_has_no_features():
    head = integer_heads(0)
    head[1, :, 2] = 0  # a head
    head[0, :, 1, 3:] = 0  # of another all but three dimensions
    clean = features.common(features.top_dims(head, 5), 0.5)
    kept, same = features.retained(clean, clean)
    assert kept[1, 2] == same[1, 2] == 0
    assert kept[0, 1] <= 3
    table = features.table(*[features.top_dims(head, 5)] * 2, ["a", "b"] * 10, 0.5, 3, 0)
    pruned = table[(table["layer"] == 2) & (table["head"] == 3)]
    assert (pruned[["common_clean", "common_perturbed", "shuffled_clean", "shuffled_perturbed"]] == 0).all(axis=None)


@pytest.mark.parametrize("threshold", [0.35, 0.5, 0.6])
@pytest.mark.parametrize("k", [1, 3, 5, 16])
def test_common_and_retained_equal_plain_loops(k, threshold):
    clean, perturbed = integer_heads(0), integer_heads(1) + integer_heads(0)
    top = [features.top_dims(head, k) for head in (clean, perturbed)]
    assert all(
        (t.sum(-1) == np.minimum(k, (h != 0).sum(-1))).all() for t, h in zip(top, (clean, perturbed), strict=True)
    )
    masks = [features.common(t, threshold) for t in top]
    counts = features.retained(*masks)
    expected = [plain_common(head, k, threshold) for head in (clean, perturbed)]
    for layer in range(2):
        for h in range(3):
            a, b = expected[0][layer][h], expected[1][layer][h]
            assert set(np.flatnonzero(masks[0][layer, h])) == a
            assert set(np.flatnonzero(masks[1][layer, h])) == b
            assert (counts[0][layer, h], counts[1][layer, h]) == (len(a), len(a & b))


def test_the_loops_meet_common_features_and_loss():
    """The comparison above would be empty if nothing were common or everything stayed."""
    masks = [features.common(features.top_dims(h, 5), 0.35) for h in (integer_heads(0), integer_heads(1))]
    clean, kept = features.retained(*masks)
    assert (kept <= clean).all()
    assert 0 < kept.sum() < clean.sum()


@pytest.mark.parametrize(
    ("threshold", "images", "needed"),
    [(0.55, 100, 55), (0.6, 50, 30), (0.6, 30, 18), (0.6, 7, 5), (0.07, 100, 7), (1.0, 9, 9), (0.1, 3, 1)],
)
def test_images_needed_is_the_exact_ceiling(threshold, images, needed):
    assert features.images_needed(threshold, images) == needed


def test_a_dimension_is_common_from_exactly_the_threshold():
    """In 30 of 50 images it is common, in 29 not."""
    for images_with, expected in ((30, True), (29, False)):
        top = np.zeros((1, 50, 1, 2), dtype=bool)
        top[0, :images_with, 0, 1] = True
        assert features.common(top, 0.6).ravel().tolist() == [False, expected]


@pytest.mark.parametrize(("dim", "k"), [(64, 10), (8, 2), (32, 5), (48, 8), (80, 13), (1, 1)])
def test_scaled_k(dim, k):
    assert features.scaled_k(dim) == k


def test_shuffling_removes_the_class_but_not_the_bias_of_the_head():
    """Dimension 0 is large in all images, dimension 1 + c only in class c: shuffled, only the former stays."""
    labels = np.repeat(["a", "b", "c"], 20)
    head = np.random.default_rng(0).uniform(0, 0.1, (2, 60, 1, 8))
    head[..., 0] = 2
    for c in range(3):
        head[:, labels == "abc"[c], :, 1 + c] = 1
    top = features.top_dims(head, 2)
    true = [features.retained(*[features.common(top[:, labels == x], 0.6)] * 2) for x in "abc"]
    assert np.array(true).tolist() == np.full((3, 2, 2, 1), 2).tolist()
    clean, kept = features.shuffled_retained(top, top, labels, 0.6, draws=5, seed=0)
    assert clean.shape == kept.shape == (5, 3, 2, 1)
    assert np.array_equal(clean, kept)
    assert clean.min() == 1 and clean.mean() < 1.1


def test_shuffled_counts_equal_plain_loops_and_follow_the_seed():
    head, other = integer_heads(2, 24), integer_heads(3, 24)
    labels = np.repeat([0, 1], 12)
    top, top_other = features.top_dims(head, 4), features.top_dims(other, 4)
    clean, kept = features.shuffled_retained(top, top_other, labels, 0.5, draws=1, seed=7)
    shuffled = np.random.default_rng(7).permutation(labels)
    for c in range(2):
        a, b = (plain_common(x[:, shuffled == c], 4, 0.5) for x in (head, other))
        for layer in range(2):
            for h in range(3):
                assert clean[0, c, layer, h] == len(a[layer][h])
                assert kept[0, c, layer, h] == len(a[layer][h] & b[layer][h])
    again = features.shuffled_retained(top, top_other, labels, 0.5, draws=1, seed=7)
    different = features.shuffled_retained(top, top_other, labels, 0.5, draws=1, seed=8)
    assert np.array_equal(clean, again[0]) and not np.array_equal(clean, different[0])


def test_many_classes_of_two_images_take_no_memory_for_each_class_and_image():
    top = np.random.default_rng(0).random((1, 8000, 1, 4)) < 0.5
    tracemalloc.start()
    try:
        found = features.table(top, top, np.repeat(np.arange(4000), 2)[::-1], 1.0, 2, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    both = (top[:, ::2] & top[:, 1::2]).sum(axis=-1).ravel()[::-1]
    assert found["common_clean"].tolist() == found["common_perturbed"].tolist() == both.tolist()
    assert peak < 16e6  # 32 MB if each class had a mask


def test_errors_name_the_numbers():
    with pytest.raises(ValueError, match=r"k = 9 .* d = 8"):
        features.top_dims(np.zeros((1, 1, 1, 8)), 9)
    with pytest.raises(ValueError, match="60"):
        features.images_needed(60, 50)
    with pytest.raises(ValueError, match="0 images"):
        features.common(np.zeros((1, 0, 1, 8), dtype=bool), 0.6)
