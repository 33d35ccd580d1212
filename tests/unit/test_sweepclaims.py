"""Verdicts on a sweep: shapes whose answer is plain to see."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from maescope import sweepclaims, sweeptables
from maescope.claims import FAILS, HOLDS, UNKNOWN
from maescope.sweep import NONE, OWN, UNMASKED

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
    return sweepclaims.verdicts(frame, 0.95).iloc[row]


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


def test_what_cannot_be_compared_says_why():
    single = verdict(points((0.5, 0.8, 0.9, 0.6), seeds=1))
    assert single["verdict"] == UNKNOWN and "one model a setting" in single["why"]
    assert single["lowest_difference"] == pytest.approx(0.35)
    two = points((0.5, 0.8, 0.9, 0.6))
    two = two[two["ratio"].isin([0.25, 0.9])]
    assert verdict(two)["why"] == "2 settings, but there must be one between two others"
    assert verdict(points((0.5, 0.8, 0.9, 0.6)), row=len(sweepclaims.CLAIMS))["axis"] == "patch size"


def test_less_detail_is_less_of_a_low_level():
    # models at the extremes rebuild detail better: their error in detail over that in outline is smaller
    frame = points((1.0, 2.0, 2.0, 1.2)).assign(measure="detail", token=NONE, seen=OWN, at=NONE)
    table = sweepclaims.verdicts(frame, 0.95).set_index("claim")
    assert table.loc["error in detail over that in outline", "verdict"].tolist()[0] == HOLDS


def test_tables_as_printed():
    table = sweepclaims.verdicts(points((0.5, 0.8, 0.9, 0.6)), 0.95)
    line = sweeptables.printed_verdicts(table).iloc[0]
    assert line["between"] == "0.850" and line["at the lowest"] == "0.500 (25 %)"
    assert line["less than between by, lowest"].startswith("0.350 [0.3")
    assert line["verdict"] == HOLDS
    missing = sweeptables.printed_verdicts(table).iloc[-1]
    assert missing["between"] == missing["at the lowest"] == missing["p together, highest"] == "–"
    notes = sweeptables.verdict_notes(table, 0.95)
    assert notes[0].endswith(f"of 11 measures holds: 1, does not hold: 0, {UNKNOWN}: 10.")
    assert "Holm's for all 2 contrasts" in notes[2]
