"""Uniform attention: its distance is known."""

import pytest

from maescope.base import grid
from maescope.tokens import attention_statistics


def test_known_on_paper():
    assert grid.uniform_distance(196, 224) == pytest.approx(116.4922, abs=1e-4)
    assert grid.uniform_distance(1, 16) == 0
    assert grid.uniform_distance(4, 2) == pytest.approx((2 + 2**0.5) / 4)


def test_equals_the_distances_that_attention_is_weighted_with():
    for patches, crop, shape in ((64, 32, (8, 8)), (32, [32, 16], (8, 4))):
        distances = attention_statistics.patch_distances(shape, (4, 4))
        assert grid.uniform_distance(patches, crop) == pytest.approx(distances.mean().item())


def test_patches_are_square_and_cover_the_crop():
    assert grid.shape(196, 224) == (14, 14)
    assert grid.shape(8, [8, 16]) == grid.shape(8, (16, 32)) == (2, 4)
    assert grid.shape(3, [24, 8]) == (3, 1)
    for patches, crop, words in ((8, 16, "16 px"), (9, [8, 16], "8 x 16 px"), (1, [8, 16], "8 x 16 px")):
        with pytest.raises(ValueError, match=f"{patches} square patches do not cover {words}"):
            grid.shape(patches, crop)


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"),
    [
        *[(196, 0.75, 49), (196, 0.9, 19), (64, 0.75, 16), (100, 0.45, 55), (576, 0.6, 230), (1024, 0.85, 153)],
        *[(100, 0.55, 44), (100, 0.8, 19), (100, 0.9, 9), (400, 0.55, 179), (400, 0.8, 79), (400, 0.9, 39)],
    ],
)
def test_visible_count_is_that_of_the_official_code(patches, ratio, visible):
    assert grid.visible_count(patches, ratio) == visible


def test_no_square_grid_and_decimal_ratio_lose_their_last_patch_to_rounding():
    for side in range(2, 65):
        for number in range(1, 1000):
            if side * side * (1000 - number) >= 1000:  # at least one patch, in whole numbers
                assert grid.visible(side * side, number / 1000) >= 1, (side, number)


def test_a_ratio_that_leaves_no_patch_is_refused():
    with pytest.raises(ValueError, match=r"9 patches|0\.9"):
        grid.visible_count(9, 0.9)
