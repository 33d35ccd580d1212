"""Five sentences, from claims made up so that it is plain which are told."""

import pandas as pd

from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN
from maescope.page import findings


def claim(words: str, verdict: str, measured: float | None = 12.3456, **more) -> dict:
    own = {"claim": words, "where": "IV", "paper": None, "measured": measured, "low": None, "high": None, "unit": "%"}
    return own | {"images": 10, "verdict": verdict, "rule": "", "why": None} | more


def test_the_first_counts_verdicts_and_four_tell_what_was_decided_in_the_order_of_the_paper():
    rows = [claim("unknown at first", UNKNOWN), claim("a", HOLDS), claim("b", FAILS, paper=60.8, low=9.26, high=14.9)]
    rows += [claim("c", FAILS), claim("not measured", UNKNOWN, None), claim("d", HOLDS), claim("e", HOLDS)]
    found = findings.sentences(pd.DataFrame(rows))
    assert found[0] == "Of 7 claims of the paper, 3 hold here, 2 do not, and 2 cannot be judged with this data."
    assert found[1] == "A: measured 12.3 %; it holds here."
    assert found[2] == "B: measured 12.3 [9.26, 14.9] %, in the paper 60.8; it does not hold here."
    assert [sentence[0] for sentence in found[1:]] == ["A", "B", "C", "D"]


def test_where_little_is_decided_the_rest_is_told_with_the_reason():
    rows = [claim("one", UNKNOWN, None, why="no level 50"), claim("two", UNKNOWN, unit=None, why="too wide")]
    assert findings.sentences(pd.DataFrame(rows))[1:] == [
        "One: nothing was measured; cannot be said with this data (no level 50).",
        "Two: measured 12.3; cannot be said with this data (too wide).",
    ]
    assert findings.sentences(pd.DataFrame(rows).head(0)) == ["No claims were held against these measurements."]
