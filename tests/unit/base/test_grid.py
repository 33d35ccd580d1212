"""Uniform attention: its distance is known."""

import pytest

from maescope.base import grid
from maescope.tokens import attention_statistics


def test_known_on_paper():
    assert grid.uniform_distance(196, 224) == pytest.approx(116.4922, abs=1e-4)
    assert grid.uniform_distance(1, 16) == 0
    assert grid.uniform_distance(4, 2) == pytest.approx((2 + 2**0.5) / 4)


def test_equals_the_distances_that_attention_is_weighted_with():
    assert grid.uniform_distance(64, 32) == pytest.approx(
        attention_statistics.patch_distances((8, 8), (4, 4)).mean().item()
    )


def test_a_grid_must_be_square():
    with pytest.raises(ValueError, match="8 patches make no square grid"):
        grid.uniform_distance(8, 16)


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
