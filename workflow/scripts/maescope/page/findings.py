"""What a study found, in five sentences: from the claims and their verdicts."""

import pandas as pd

from maescope.claims.claims import print_claims
from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN

SENTENCES = 5


def sentences(table: pd.DataFrame) -> list[str]:
    """A sentence that counts verdicts, and one for each of the first claims that are decided, or else were measured.

    Parameters
    ----------
    table : of claims.csv
    """
    table = table.fillna({"unit": "", "why": ""})
    if table.empty:
        return ["No claims were held against these measurements."]
    counts = table["verdict"].value_counts().reindex([HOLDS, FAILS, UNKNOWN], fill_value=0)
    parts = [
        f"{counts[HOLDS]} hold here",
        f"{counts[FAILS]} do not",
        f"{counts[UNKNOWN]} cannot be judged with this data",
    ]
    first = f"Of {len(table)} claims of the paper, {parts[0]}, {parts[1]}, and {parts[2]}."
    rank = table["verdict"].map({HOLDS: 0, FAILS: 0, UNKNOWN: 1}) + 2 * table["measured"].isna()
    told = table.assign(rank=rank).sort_values("rank", kind="stable").index[: SENTENCES - 1]
    printed = print_claims(table)
    return [first, *(_sentence(printed.loc[index]) for index in sorted(told))]


def _sentence(claim: pd.Series) -> str:
    """A claim as printed, with what was measured, what the paper has, and the verdict."""
    measured = "nothing was measured" if claim["measured"] == "–" else f"measured {claim['measured']}"
    paper = "" if claim["paper"] == "–" else f", in the paper {claim['paper']}"
    why = f" ({claim['remark']})" if claim["remark"] else ""
    verdict = {HOLDS: "it holds here", FAILS: "it does not hold here"}.get(claim["verdict"], claim["verdict"])
    return f"{claim['claim'][0].upper()}{claim['claim'][1:]}: {measured}{paper}; {verdict}{why}."
