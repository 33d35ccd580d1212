"""Each conclusion under each convention that the paper leaves open: which verdicts depend on one, and by how much."""

import re
from collections.abc import Mapping

import pandas as pd

from maescope.claims import claims, heads, layers, robustness
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN

TOUCHED = {  # what a convention changes -> the rules of the conclusions that can change with it
    "occlusion": {
        robustness.occluded_90,
        robustness.stays_high,
        robustness.lowest_norm_difference,
        robustness.highest_norm_difference,
    },
    "mask": {layers.first_clustered_layer, layers.growing_angles},
    "subspace": {layers.growing_angles},
    "features": {heads.features_persist},
    "norm": {
        robustness.cosine_correct,
        robustness.cosine_misclassified,
        robustness.lowest_norm_difference,
        robustness.highest_norm_difference,
    },
    "heads": {heads.features_persist},
    "distance": {layers.lowest_distance, layers.highest_distance, layers.more_global_than_supervised},
}
UNTOUCHED, SAME, FLIPS, UNSETTLED, SETTLED = "untouched", "same", "flips", "unsettled", "settled"
HEADINGS = ("Flips", "Can be said under some conventions only", "Cannot be said under any")
HEADINGS += ("Never flips", "Measured under no other convention")
OF_BOTH = ["verdict", "measured", "low", "high", "why"]  # under the convention, and in the study


def touched(paper: pd.DataFrame, what: str | None) -> pd.DataFrame:
    """The conclusions that a convention can change, all of them where there is none.

    Parameters
    ----------
    paper : claim, where, value
    what : the key of the convention, as in `TOUCHED`
    """
    return paper if what is None else paper[paper["claim"].map(claims.CLAIMS).isin(TOUCHED[what])]


def matrix(study: pd.DataFrame, conventions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per conclusion and convention, in the order of both; empty under a convention that does not touch it.

    Parameters
    ----------
    study : `claims.table` of the study as it is
    conventions : name -> `claims.table` of the conclusions that it touches

    Returns
    -------
    claim, where, unit, rule, convention, outcome, flips, change, and `OF_BOTH` with and without `_study` behind it
    """
    frames = []
    for name, table in conventions.items():
        own = study[["claim", "where", "unit", "rule", *OF_BOTH]]
        pairs = own.merge(table[["claim", *OF_BOTH]], "left", "claim", suffixes=("_study", ""), validate="one_to_one")
        frames.append(pairs.assign(convention=name))
    whole = pd.concat(frames, ignore_index=True)
    verdicts = zip(whole["verdict_study"], whole["verdict"], strict=True)
    whole["outcome"] = [outcome(before, after) for before, after in verdicts]
    whole["flips"] = whole["outcome"] == FLIPS
    whole["change"] = whole["measured"] - whole["measured_study"]
    ends = [f"{name}{suffix}" for suffix in ("_study", "") for name in OF_BOTH]
    return whole[["claim", "where", "unit", "convention", "outcome", "flips", "change", *ends, "rule"]]


def outcome(before: str, after: str | float) -> str:
    """What a convention does to a verdict: it flips only from holding to not holding, or back."""
    if pd.isna(after):
        return UNTOUCHED
    if before == after:
        return SAME
    if UNKNOWN in (before, after):
        return UNSETTLED if after == UNKNOWN else SETTLED
    return FLIPS


def summary(whole: pd.DataFrame) -> str:
    """Which conclusions never flip, which do and by what, in one line."""
    parts: dict[str, list[str]] = {heading: [] for heading in HEADINGS}
    for claim, rows in whole.groupby("claim", sort=False):
        heading, words = _fate(rows)
        parts[heading].append(f"{short(claim)}{words}")
    return " ".join(f"{heading}: {'; '.join(own)}." for heading, own in parts.items() if own)


def _fate(rows: pd.DataFrame) -> tuple[str, str]:
    """What becomes of one conclusion: a heading, and words that go behind it."""
    flips, said, unsaid, never, untouched = HEADINGS
    by = {word: ", ".join(part["convention"]) for word, part in rows.groupby("outcome", sort=False)}
    others, verdict = int((rows["outcome"] != UNTOUCHED).sum()), rows["verdict_study"].iloc[0]
    if not others:
        return untouched, ""
    if FLIPS in by:
        return flips, f" (by {by[FLIPS]})"
    if {HOLDS, FAILS} <= set(rows["verdict"]):  # the study itself cannot say
        fails = ", ".join(rows.loc[rows["verdict"] == FAILS, "convention"])
        return flips, f" (holds or not by convention; not by {fails})"
    if UNSETTLED in by or SETTLED in by:
        return said, f" (not by {by[UNSETTLED]})" if UNSETTLED in by else f" (by {by[SETTLED]})"
    if verdict == UNKNOWN:
        return unsaid, ""
    return never, f" ({verdict}; {others} other convention{'s' * (others > 1)})"


def short(claim: str) -> str:
    """The wording of a conclusion without the unit or source in parentheses at its end."""
    return re.sub(r" \([^()]*(\([^()]*\))?[^()]*\)$", "", claim)


def number(value: float, sign: bool = False) -> str:
    """A number as it is printed, to three digits."""
    return "–" if pd.isna(value) else f"{value:{'+' if sign else ''}.3g}"


def print_matrix(whole: pd.DataFrame) -> pd.DataFrame:
    """The matrix as text: conclusions in rows, conventions in columns, the study's own first."""
    rows = []
    for claim, own in whole.groupby("claim", sort=False):
        first = own.iloc[0]
        unit = "" if pd.isna(first["unit"]) else f" {first['unit']}"
        measured = "" if pd.isna(first["measured_study"]) else f", {number(first['measured_study'])}{unit}"
        cells = {row["convention"]: _cell(row) for _, row in own.iterrows()}
        rows.append({"claim": claim, "as in the study": _verdict(first["verdict_study"]) + measured} | cells)
    return pd.DataFrame(rows)


def _cell(row: pd.Series) -> str:
    if row["outcome"] == UNTOUCHED:
        return "–"
    change = number(row["change"], sign=True) if row["change"] else "unchanged"
    words = "" if pd.isna(row["change"]) else f", {change}"
    return ("FLIPS: " if row["flips"] else "") + _verdict(row["verdict"]) + words


def _verdict(verdict: str) -> str:
    return verdict.removesuffix(" with this data")


def notes(whole: pd.DataFrame, conventions: Mapping[str, dict]) -> list[str]:
    """What a reader must know: the one-line summary, how to read a cell, and what each convention changes."""
    changes = (f"{name}: {_said(entry)}" for name, entry in conventions.items())
    return [
        summary(whole),
        "A cell has the verdict under the convention and the change of the measured value from the study's own, in the "
        "unit of the first column; – where the conclusion is not measured under the convention. FLIPS: it holds in the "
        "study and not so, or the other way round; a verdict that comes or goes with 'cannot be said' is no flip.",
        "Intervals, rules and reasons are in the CSV file. Each convention changes one thing, the others stay as they "
        "are in the study: conventions together may do more.",
        f"The conventions: {'; '.join(changes)}.",
    ]


def _said(entry: dict) -> str:
    """What a convention changes, as the configuration says it."""
    parts = []
    for key, value in entry.items():
        own = ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, dict) else value
        parts.append(f"{key} {own}")
    return ", ".join(parts)
