"""Colours of patch tokens: scikit-learn's components, and pictures whose colours are known."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from maescope.measures import patch_components


def test_components_and_their_share_are_scikit_learns():
    tokens = (np.random.default_rng(0).normal(size=(4, 9, 12)) * np.arange(1, 13)).astype(np.float32)
    scores, share = patch_components.components(tokens)
    pca = PCA(3, svd_solver="full").fit(tokens.reshape(36, 12).astype(float))
    assert scores.reshape(36, 3) == pytest.approx(pca.transform(tokens.reshape(36, 12).astype(float)), abs=1e-6)
    assert share == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-9)


def test_two_kinds_of_patches_have_two_colours_the_same_in_all_images():
    tokens = np.zeros((3, 16, 5))
    tokens[:, :8, 2] = 1
    drawn = patch_components.colours(patch_components.components(tokens)[0])
    assert (drawn[:, :8, 0] == 1).all() and (drawn[:, 8:, 0] == 0).all()
    assert np.unique(drawn[:, :8].reshape(-1, 3), axis=0).shape[0] == 1


def test_one_dimension_is_all_of_the_variance_and_the_order_of_images_decides_nothing():
    tokens = np.random.default_rng(0).normal(size=(4, 9, 1)) * np.ones(7)
    scores, share = patch_components.components(tokens)
    assert share == pytest.approx(1)
    turned, _ = patch_components.components(tokens[::-1])
    assert turned[::-1, :, 0] == pytest.approx(scores[..., 0])


def test_colours_go_from_0_to_1_but_for_the_few_that_are_clipped():
    drawn = patch_components.colours(np.random.default_rng(0).normal(size=(5, 400, 3)))
    assert drawn.min() == 0 and drawn.max() == 1
    assert (drawn == 1).mean() == pytest.approx(0.01, abs=2e-3)


def test_tokens_that_are_all_the_same_are_grey():
    scores, share = patch_components.components(np.full((2, 4, 3), 0.1, np.float32))
    assert np.isnan(share) and (patch_components.colours(scores) == 0.5).all()


class Tokens:
    images = ("x/1.png", "x/2.png", "x/3.png")

    def read(self, level, name, layer, images):
        assert (level, name, layer) == ("clean", "patch", 3)
        return np.random.default_rng(0).normal(size=(images, 4, 6))


def test_the_table_has_two_images_of_each_label_patch_by_patch():
    table = patch_components.table({"a": Tokens(), "b": Tokens()}, "clean", 3, (2, 2))
    assert table[["label", "image"]].drop_duplicates().to_numpy().tolist() == [
        ["a", "x/1.png"],
        ["a", "x/2.png"],
        ["b", "x/1.png"],
        ["b", "x/2.png"],
    ]
    assert table[["patch_row", "patch_column"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] * 4
    assert set(table["layer"]) == {3}
    both = table[["red", "green", "blue"]].to_numpy().reshape(2, -1)
    assert both[0] == pytest.approx(both[1])  # the labels have the same tokens here
