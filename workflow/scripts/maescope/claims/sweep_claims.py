"""Verdicts on a sweep: whether settings between the extremes have more of a measure than either extreme.

The claim is that of Kong et al. (CVPR 2023): very small and very large mask ratios and patch sizes lead to low-level
representations, those between to semantic ones.
"""

from functools import partial

import numpy as np
import pandas as pd

from maescope.base import statistics
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN
from maescope.tables import writing
from maescope.tables.sweep import AXES, OWN, Series, along, axes, chosen, fixed
from maescope.tables.table_sweep import LINES, number, with_interval

ENDS = ("lowest", "highest")
CLAIMS = [  # of which settings between the extremes should have more
    Series("linear probe, last layer", "probe_accuracy", "mean", at="last layer"),
    Series("linear probe, best layer", "probe_accuracy", "mean", at="best layer"),
    Series("k-NN, last layer", "knn_accuracy", "mean", at="last layer"),
    Series("k-NN, best layer", "knn_accuracy", "mean", at="best layer"),
    Series("silhouette, last layer", "silhouette", "mean", at="last layer"),
    Series("angle of classes less that of halves (°), last layer", "theta_1_excess", "patch", OWN, "last layer"),
    Series("fine-tuned: clean accuracy (%)", "accuracy_clean"),
    Series("fine-tuned: accuracy under blur (%)", "accuracy_blur"),
    Series("fine-tuned: accuracy under occlusion (%)", "accuracy_occlusion"),
    Series("fine-tuned: accuracy under corruption (%)", "accuracy_corruption"),
]


def verdicts(points: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Whether what lies between the extremes has more of each measure than either extreme; a p for all rows together.

    Columns: axis, held (what stays the same), claim, between (mean of the settings that are not extreme); for either
    end `<end>_setting`, `<end>_value`, `<end>_difference` (between less it), its ends, p and p_holm; verdicts, why.
    """
    rows = []
    for axis in axes(points):
        part = along(points, axis)
        for claim in CLAIMS:
            own = chosen(part, claim)
            if len(own):
                names = {"axis": AXES[axis], "held": fixed(points, axis), "claim": claim.words}
                rows.append(names | _against_extremes(own, axis, confidence))
    table = pd.DataFrame(rows)
    p = table[[f"{end}_p" for end in ENDS]].to_numpy(float, copy=True)
    known = ~np.isnan(p)
    p[known] = statistics.holm(p[known])
    table[[f"{end}_p_holm" for end in ENDS]] = p
    for suffix in ("", "_together"):
        table[f"verdict{suffix}"] = [_verdict(row, suffix, confidence) for _, row in table.iterrows()]
    return table


def _against_extremes(part: pd.DataFrame, axis: str, confidence: float) -> dict:
    """The mean of the settings between the extremes, less either extreme."""
    groups = {setting: own["value"].to_numpy() for setting, own in part.groupby(axis)}
    found = {"between": np.nan, "models": len(part), "why": ""}
    for end in ENDS:
        names = ("setting", "value", "difference", "difference_low", "difference_high", "p")
        found |= dict.fromkeys([f"{end}_{name}" for name in names], np.nan)
    if len(groups) < 3:
        return found | {"why": f"{len(groups)} settings, but there must be one between two others"}
    inner = list(groups)[1:-1]
    found["between"] = np.mean([groups[setting].mean() for setting in inner])
    for end, setting in zip(ENDS, (min(groups), max(groups)), strict=True):
        weights = [1 / len(inner)] * len(inner) + [-1]
        tested = statistics.contrast([groups[name] for name in [*inner, setting]], weights, confidence)
        found |= {f"{end}_setting": setting, f"{end}_value": groups[setting].mean(), f"{end}_p": tested.p}
        found |= {f"{end}_difference": tested.value, f"{end}_difference_low": tested.low}
        found |= {f"{end}_difference_high": tested.high}
    if any(len(values) < 2 for values in groups.values()):
        found["why"] = "of one model in a setting nothing tells how much models differ by chance"
    elif np.isnan([found["lowest_p"], found["highest_p"]]).any():
        found["why"] = "no model differs from others of its setting"
    return found


def _verdict(row: pd.Series, suffix: str, confidence: float) -> str:
    """What a row says, alone or together with all others.

    Alone, to hold takes both ends, each at the level asked for; not to hold takes one, at half of it (Bonferroni).
    """
    differences = np.array([row[f"{end}_difference"] for end in ENDS])
    p = np.array([row[f"{end}_p{'_holm' if suffix else ''}"] for end in ENDS])
    if ((differences < 0) & (p < (1 - confidence) / (1 if suffix else 2))).any():
        return FAILS
    return HOLDS if ((differences > 0) & (p < 1 - confidence)).all() else UNKNOWN


def seen(verdicts: pd.DataFrame) -> list[str]:
    """One sentence an axis: how many of its rows hold, alone and together with all others."""
    lines = []
    for axis, part in verdicts.groupby("axis", sort=False):
        alone, together = (part[name].value_counts() for name in ("verdict", "verdict_together"))
        counts = ", ".join(
            f"{verdict}: {alone.get(verdict, 0)} ({together.get(verdict, 0)} together)"
            for verdict in (HOLDS, FAILS, UNKNOWN)
        )
        lines.append(
            f"Claimed: more by an intermediate {axis} than by either extreme. Of {len(part)} measures {counts}."
        )
    return lines


def printed_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts as text."""
    digits = {claim.words: LINES[claim.measure][1] for claim in CLAIMS}
    columns: list[writing.Column] = [
        ("varied", lambda row: f"{row['axis']}, at {row['held']}"),
        ("more between the extremes of", lambda row: row["claim"]),
        ("between", lambda row: number(row["between"], f".{digits[row['claim']]}f")),
    ]
    for end in ENDS:
        columns += [
            (f"at the {end}", partial(_at, end=end, digits=digits)),
            (f"less than between by, {end}", partial(_difference, end=end, digits=digits)),
            (f"p, {end}", lambda row, end=end: number(row[f"{end}_p"])),
            (f"p together, {end}", lambda row, end=end: number(row[f"{end}_p_holm"])),
        ]
    return writing.as_text(
        verdicts,
        [
            *columns,
            ("verdict", lambda row: row["verdict"]),
            ("of all rows together", lambda row: row["verdict_together"]),
            ("remark", lambda row: row["why"]),
        ],
    )


def _at(row: pd.Series, end: str, digits: dict[str, int]) -> str:
    if np.isnan(row[f"{end}_value"]):
        return "–"
    unit = "px" if row["axis"] == AXES["patch"] else "%"
    setting = row[f"{end}_setting"] * (1 if unit == "px" else 100)
    return f"{row[f'{end}_value']:.{digits[row['claim']]}f} ({setting:.3g} {unit})"


def _difference(row: pd.Series, end: str, digits: dict[str, int]) -> str:
    if np.isnan(row[f"{end}_difference"]):
        return "–"
    names = {"mean": f"{end}_difference", "low": f"{end}_difference_low", "high": f"{end}_difference_high"}
    return with_interval(pd.Series({new: row[old] for new, old in names.items()}), digits[row["claim"]])


def verdict_notes(verdicts: pd.DataFrame, confidence: float) -> list[str]:
    """What a reader must know of the verdicts."""
    contrasts = int(verdicts[["lowest_p", "highest_p"]].notna().to_numpy().sum())
    return [
        *seen(verdicts),
        "Holds: the mean of the settings between the extremes is above that of either extreme. Does not hold: it is "
        f"below one of them. By Welch's test over seeds at {1 - confidence:.2g}, half of it where one end is enough; "
        f"together, by Holm's adjustment for all {contrasts} contrasts of this table. Else it cannot be said.",
        "Angles of few tokens are larger by noise alone, so those between halves of one class are subtracted.",
    ]
