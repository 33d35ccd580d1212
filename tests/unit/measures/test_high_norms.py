"""Tokens of outlying norm that were put in are found; one hump of any shape has none."""

import numpy as np
import pytest

from maescope.measures import high_norms


def tokens(share=0.0, factor=6.0, images=60, patches=36, dim=24):
    """Gaussian tokens, the last patches of each image longer by a factor."""
    drawn = np.random.default_rng(0).normal(size=(images, patches, dim)).astype(np.float32)
    drawn[:, patches - round(share * patches) :] *= factor
    return drawn


def test_norms_are_numpys_over_blocks():
    drawn = tokens()
    found = high_norms.norms([drawn[:7], drawn[7:]])
    assert found == pytest.approx(np.linalg.norm(drawn.astype(float), axis=-1), rel=1e-12)


@pytest.mark.parametrize(("share", "factor"), [(1 / 36, 6.0), (4 / 36, 4.0), (1 / 3, 10.0)])
def test_longer_tokens_are_found_in_their_places(share, factor):
    table = high_norms.table(high_norms.norms([tokens(share, factor)]), (4, 9))
    assert table["share"].mean() == pytest.approx(share, abs=2e-3)
    assert (table["share"].to_numpy()[-round(36 * share) :] > 0.99).all() and (table["share"] < 0.01).sum() == round(
        36 * (1 - share)
    )
    assert table[["patch_row", "patch_column"]].iloc[[0, 9, 35]].to_numpy().tolist() == [[0, 0], [1, 0], [3, 8]]
    assert table["ratio"].iloc[0] == pytest.approx(factor, rel=0.05)
    low, high = np.sqrt(24), factor * np.sqrt(24)
    assert low < table["threshold"].iloc[0] < high


@pytest.mark.parametrize("images", [2000, 4000])  # of 36 patches: as many tokens as 7.2 and 14.4 times a sample
def test_outliers_in_one_place_are_found_among_more_tokens_than_are_fitted(images):
    lengths = np.exp(0.1 * np.random.default_rng(0).normal(size=(images, 36)))
    lengths[:, 13] *= 8
    shares = high_norms.table(lengths, (6, 6))["share"].to_numpy()
    assert shares[13] == 1 and shares.sum() == 1


@pytest.mark.parametrize(
    "lengths",
    [
        high_norms.norms([tokens()]),  # the control: Gaussian tokens
        np.random.default_rng(1).lognormal(0, 1, (60, 36)),
        np.random.default_rng(2).exponential(size=(60, 36)),  # skewed
        np.exp(np.random.default_rng(3).standard_t(3, size=(60, 36))),  # broad tails
        np.exp(np.random.default_rng(4).exponential(size=(60, 36))),
        np.random.default_rng(5).uniform(1, 9, size=(60, 36)),
    ],
)
def test_one_hump_has_none(lengths):
    table = high_norms.table(lengths, (4, 9))
    assert (table["share"] == 0).all() and (table["gaussian"] == 0).all()
    assert table[["threshold", "ratio"]].isna().all(axis=None)


def test_norms_that_are_all_equal_or_zero_have_no_humps():
    for lengths in (np.full((5, 4), 3.0), np.zeros((5, 4)), np.full((5, 4), 3.0) + 1e-7 * np.arange(4)):
        assert high_norms.humps(lengths) is None
        assert (high_norms.table(lengths, (2, 2))["share"] == 0).all()


def test_most_tokens_long_and_some_short_are_no_outliers():
    assert high_norms.humps(high_norms.norms([tokens(30 / 36)])) is None


def test_the_control_is_the_tail_of_one_gaussian():
    lengths = high_norms.norms([tokens(4 / 36)])
    table, logs = high_norms.table(lengths, (4, 9)), np.log(lengths)
    draws = np.random.default_rng(0).normal(logs.mean(), logs.std(), 400_000)
    expected = (draws > np.log(table["threshold"].iloc[0])).mean()
    assert table["gaussian"].iloc[0] == pytest.approx(expected, abs=2e-3)
