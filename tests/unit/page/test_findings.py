"""Five sentences, from claims made up so that it is plain which are told."""

import pandas as pd
from conftest import REPOSITORY

from maescope.claims.verdicts import FAILS, HOLDS, UNKNOWN
from maescope.page import findings


def claim(words: str, verdict: str, measured: float | None = 12.3456, **more) -> dict:
    own = {"claim": words, "where": "IV", "paper": None, "measured": measured, "low": None, "high": None, "unit": "%"}
    return own | {"images": 10, "verdict": verdict, "rule": "", "why": None} | more


def test_the_first_counts_verdicts_and_four_tell_what_was_decided_in_the_order_of_the_paper():
    rows = [claim("unknown at first", UNKNOWN), claim("a", HOLDS), claim("b", FAILS, paper=60.8, low=9.26, high=14.9)]
    rows += [claim("c", FAILS), claim("not measured", UNKNOWN, None), claim("d", HOLDS), claim("e", HOLDS)]
    found = findings.sentences(pd.DataFrame(rows), "Accuracy.")
    assert found[0] == "Of 7 claims of the paper, 3 hold in this study, 2 do not, and 2 cannot be judged with its data."
    assert found[1] == "A: 12.3 %. The claim holds here."
    assert found[2] == "B: 12.3 % [9.26, 14.9] (in the paper 60.8). The claim does not hold here."
    assert [sentence[0] for sentence in found[1:]] == ["A", "B", "C", "D"]


def test_claims_of_the_paper_are_told_as_sentences():
    paper = pd.read_csv(REPOSITORY / "config/paper/claims.csv")
    assert findings.TOLD.keys() == set(paper["claim"])
    occluded, norm, clusters = (paper["claim"][number] for number in (0, 6, 10))
    rows = [claim(occluded, FAILS, 11.8, paper=60.8, low=9.26, high=14.9), claim(norm, HOLDS, 5.36, unit="norm")]
    rows += [claim(clusters, FAILS, None, paper=7.0, why="the silhouette is below 0 in every layer")]
    assert findings.sentences(pd.DataFrame(rows), "Accuracy.") == [
        "Of 3 claims of the paper, 1 holds in this study, 2 do not, and 0 cannot be judged with its data.",
        "With 90 % of the most attended patches occluded, accuracy is 11.8 % [9.26, 14.9] (in the paper 60.8 %). "
        "The claim does not hold here.",
        "Over random masks, the smallest norm of an image's embedding is 5.36. The claim holds here.",
        "First layer at which class clusters emerge: none (in the paper 7 of 12). "
        "The claim does not hold here: the silhouette is below 0 in every layer.",
    ]


def test_where_little_is_decided_the_rest_is_told_with_the_reason():
    rows = [claim("one", UNKNOWN, None, why="no level 50"), claim("two", UNKNOWN, unit=None, why="too wide")]
    assert findings.sentences(pd.DataFrame(rows), "Accuracy.")[1:] == [
        "Accuracy.",
        "One: not measured. Whether the claim holds cannot be said with this data: no level 50.",
        "Two: 12.3. Whether the claim holds cannot be said with this data: too wide.",
    ]
    none = "No claims were held against these measurements."
    assert findings.sentences(pd.DataFrame(rows).head(0), "Accuracy.") == [none, "Accuracy."]


def test_accuracy_is_of_the_clean_images_of_one_model_with_wilsons_interval():
    rows = [("vit", "clean", 1)] * 8 + [("vit", "clean", 0)] * 2 + [("vit", "blur", 0)] * 5 + [("mae", "clean", 0)] * 5
    accuracy = pd.DataFrame(rows, columns=["model", "perturbation", "correct"])
    said = "vit is right about 80 % [49, 94.3] of 10 clean images, where guessing would be 10 %."  # Wilson, by hand
    assert findings.on_clean(accuracy, "vit", 10, 0.95) == said
