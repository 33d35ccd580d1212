"""Verdicts on a sweep: shapes whose answer is plain to see."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from maescope.claims import sweep_claims
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN
from maescope.tables.sweep import NONE, UNMASKED

RATIOS = (0.25, 0.5, 0.75, 0.9)


def points(means, spread=0.01, seeds=3):
    """Linear probe at the last layer for each of the ratios, at one patch size; seeds differ by `spread`."""
    rows = [
        (ratio, 4, f"r{ratio}-{seed}", mean + spread * (seed - 1))
        for ratio, mean in zip(RATIOS, means, strict=True)
        for seed in range(seeds)
    ]
    frame = pd.DataFrame(rows, columns=["ratio", "patch", "model", "value"])
    return frame.assign(measure="probe_accuracy", token="mean", seen=UNMASKED, at="last layer", layer=4.0)


def verdict(frame, row=0):
    return sweep_claims.verdicts(frame, 0.95).iloc[row]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ((0.5, 0.8, 0.9, 0.6), HOLDS),
        ((0.5, 0.8, 0.9, 0.95), FAILS),  # more and more
        ((0.95, 0.8, 0.9, 0.6), FAILS),
        ((0.84, 0.8, 0.9, 0.6), UNKNOWN),  # at the lowest as much as between
        ((0.8, 0.8, 0.8, 0.8), UNKNOWN),
    ],
)
def test_a_hill_holds_a_slope_does_not_and_a_plain_tells_nothing(means, expected):
    assert verdict(points(means))["verdict"] == expected


def test_differences_are_the_mean_between_less_the_extreme_with_welchs_interval():
    frame = points((0.5, 0.8, 0.9, 0.6))
    row = verdict(frame)
    assert row["between"] == pytest.approx(0.85) and row["lowest_setting"] == 0.25 and row["highest_setting"] == 0.9
    assert row[["lowest_difference", "highest_difference"]].tolist() == pytest.approx([0.35, 0.25])
    # each group of three has variance 1e-4: 1e-4 / 3 * (1 / 4 + 1 / 4 + 1), and by Satterthwaite 4 degrees of freedom
    half = np.sqrt(0.5e-4) * scipy.stats.t.ppf(0.975, 1.5**2 / ((2 / 16 + 1) / 2))
    assert row["lowest_difference_low"] == pytest.approx(0.35 - half)
    assert row["highest_difference_high"] == pytest.approx(0.25 + half)


def test_p_values_are_of_all_rows_together():
    # alone the hill of 0.02 would be told from nothing, but not among so many contrasts as there are measures
    hill = points((0.5, 0.53, 0.53, 0.5))
    alone = verdict(hill)
    assert alone[["lowest_p", "highest_p"]].max() < 0.05
    assert alone["lowest_p_holm"] == pytest.approx(2 * alone["lowest_p"])
    others = [hill.assign(measure=name, token=NONE, at=NONE) for name in ("accuracy_blur", "accuracy_clean")]
    among = verdict(pd.concat([hill, *others]))
    assert among["lowest_p_holm"] == pytest.approx(6 * among["lowest_p"])
    assert (among["verdict"], among["verdict_together"]) == (HOLDS, UNKNOWN)


def test_one_of_two_extremes_is_enough_against_a_claim_so_it_is_asked_for_more():
    # above the lowest far beyond doubt; below the highest with p between 0.025 and 0.05
    frame = points((0.1, 0.5, 0.5, 0.522))
    row = verdict(frame)
    assert row["highest_difference"] < 0 and 0.025 < row["highest_p"] < 0.05 and row["verdict"] == UNKNOWN


def test_what_cannot_be_compared_says_why():
    single = verdict(points((0.5, 0.8, 0.9, 0.6), seeds=1))
    assert single["verdict"] == UNKNOWN and "one model in a setting" in single["why"]
    assert single["lowest_difference"] == pytest.approx(0.35)
    two = points((0.5, 0.8, 0.9, 0.6))
    two = two[two["ratio"].isin([0.25, 0.9])]
    assert verdict(two)["why"] == "2 settings, but there must be one between two others"
    frame = points((0.5, 0.8, 0.9, 0.6))
    once = verdict(frame[(frame["ratio"] != 0.25) | frame["model"].str.endswith("-0")])
    assert once["verdict"] == UNKNOWN and "one model in a setting" in once["why"]  # at the lowest, not at the highest
    same = verdict(points((0.5, 0.8, 0.9, 0.6), spread=0))
    assert same["verdict"] == UNKNOWN and same["why"] == "no model differs from others of its setting"
    assert set(sweep_claims.verdicts(frame, 0.95)["axis"]) == {"mask ratio"}  # there is one patch size


def test_tables_as_printed():
    table = sweep_claims.verdicts(points((0.5, 0.8, 0.9, 0.6)), 0.95)
    line = sweep_claims.printed_verdicts(table).iloc[0]
    assert line["between"] == "0.850" and line["at the lowest"] == "0.500 (25 %)"
    assert line["less than between by, lowest"].startswith("0.350 [0.3")
    assert line["verdict"] == HOLDS
    printed = [line["p, lowest"], line["p together, lowest"], line["p, highest"], line["p together, highest"]]
    smaller, larger = sorted(table.iloc[0][["lowest_p", "highest_p"]])  # of two by Holm the smaller doubles, at most
    assert sorted(map(float, printed[::2])) == [float(f"{p:.2g}") for p in (smaller, larger)]
    assert sorted(map(float, printed[1::2])) == [float(f"{p:.2g}") for p in (2 * smaller, max(larger, 2 * smaller))]
    assert line["varied"] == "mask ratio, at patches of 4 px"
    two = points((0.5, 0.8, 0.9, 0.6))
    missing = sweep_claims.verdicts(two[two["ratio"].isin([0.25, 0.9])], 0.95)
    cells = sweep_claims.printed_verdicts(missing).iloc[0]
    assert cells["between"] == cells["at the lowest"] == cells["p together, highest"] == "–"
    notes = sweep_claims.verdict_notes(table, 0.95)
    counts = f"holds: 1 (1 together), does not hold: 0 (0 together), {UNKNOWN}: 0 (0 together)."
    assert notes[0] == f"Claimed: more by an intermediate mask ratio than by either extreme. Of 1 measures {counts}"
    assert "Holm's adjustment for all 2 contrasts" in notes[1]
