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
    ("patches", "ratio", "visible"), [(196, 0.75, 49), (196, 0.9, 19), (64, 0.75, 16), (10, 0.9, 1), (100, 0.45, 55)]
)
def test_visible_count_is_the_whole_part_of_what_the_ratio_leaves(patches, ratio, visible):
    assert grid.visible_count(patches, ratio) == visible


def test_a_ratio_that_leaves_no_patch_is_refused():
    with pytest.raises(ValueError, match=r"9 patches|0\.9"):
        grid.visible_count(9, 0.9)
