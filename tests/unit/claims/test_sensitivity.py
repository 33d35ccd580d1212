"""The matrix of conclusions and conventions, from tables of claims written by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from maescope.base import tidy
from maescope.claims import claims, sensitivity, verdicts
from maescope.figures import head_features
from maescope.figures.sensitivity import _change, heat_map

H, F, U = verdicts.HOLDS, verdicts.FAILS, verdicts.UNKNOWN


def table(rows):
    """rows : claim -> verdict, measured"""
    said = [
        {"claim": claim, "where": "IV", "paper": np.nan, "measured": value, "low": value - 1, "high": value + 1}
        | {"unit": "%", "images": 9, "verdict": verdict, "rule": "r", "why": ""}
        for claim, (verdict, value) in rows.items()
    ]
    return pd.DataFrame(said)


STUDY = table({"a": (H, 60), "b (percent)": (F, 10), "c": (U, 5), "d": (H, 1), "e": (H, 3)})
CONVENTIONS = {
    "first": table({"b (percent)": (H, 70), "a": (H, 58.5)}),
    "second": table({"a": (H, 60), "b (percent)": (U, 12), "c": (U, np.nan)}),
    "third": table({"e": (U, 2.5), "c": (U, 6)}),
}


@pytest.fixture
def matrix():
    return sensitivity.matrix(STUDY, CONVENTIONS)


def cell(matrix, claim, convention):
    return matrix[(matrix["claim"] == claim) & (matrix["convention"] == convention)].iloc[0]


def test_there_is_a_row_for_each_conclusion_and_convention_in_their_order(matrix):
    assert len(matrix) == 15
    assert matrix["convention"].unique().tolist() == ["first", "second", "third"]
    assert matrix["claim"].tolist() == [*STUDY["claim"]] * 3


def test_only_from_holding_to_not_holding_or_back_is_a_flip(matrix):
    outcomes = matrix.pivot(index="claim", columns="convention", values="outcome").loc[STUDY["claim"]]
    assert outcomes.to_numpy().tolist() == [
        ["same", "same", "untouched"],
        ["flips", "unsettled", "untouched"],
        ["untouched", "same", "same"],
        ["untouched", "untouched", "untouched"],
        ["untouched", "untouched", "unsettled"],
    ]
    assert matrix.loc[matrix["flips"], ["claim", "convention"]].to_numpy().tolist() == [["b (percent)", "first"]]
    assert (sensitivity.outcome(H, F), sensitivity.outcome(U, H)) == ("flips", "settled")


def test_the_change_is_that_from_the_study(matrix):
    assert cell(matrix, "a", "first")["change"] == -1.5
    flipped = cell(matrix, "b (percent)", "first")
    assert flipped[["measured_study", "measured", "change", "low", "high"]].tolist() == [10, 70, 60, 69, 71]
    assert flipped[["low_study", "high_study"]].tolist() == [9, 11]
    assert np.isnan(cell(matrix, "d", "first")["change"]) and cell(matrix, "d", "first")["measured_study"] == 1


def test_the_summary_names_each_conclusion_once(matrix):
    assert sensitivity.summary(matrix) == (
        "Flips: b (by first). Can be said under some conventions only: e (not by third). Cannot be said under any: c. "
        "Never flips: a (holds; 2 other conventions). Measured under no other convention: d."
    )


def test_the_printed_matrix_has_marks_changes_and_dashes(matrix):
    printed = sensitivity.print_matrix(matrix).set_index("claim")
    assert list(printed) == ["as in the study", "first", "second", "third"]
    assert printed.loc["a"].tolist() == ["holds, 60 %", "holds, -1.5", "holds, unchanged", "–"]
    assert printed.loc["b (percent)"].tolist() == [
        "does not hold, 10 %",
        "FLIPS: holds, +60",
        "cannot be said, +2",
        "–",
    ]
    assert printed.loc["d"].tolist() == ["holds, 1 %", "–", "–", "–"]
    assert printed.loc["c", "second"] == "cannot be said"


def test_the_notes_say_what_each_convention_changes(matrix):
    entries = {"first": {"subspace": {"k": 5}}, "second": {"norm": "after"}, "third": {"occlusion": "black"}}
    notes = sensitivity.notes(matrix, entries)
    assert notes[0] == sensitivity.summary(matrix)
    assert notes[-1] == "The conventions: first: subspace k 5; second: norm after; third: occlusion black."


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("accuracy with patches occluded (percent)", "accuracy with patches occluded"),
        ("top-1 of MAE on ImageNet (He et al.; percent)", "top-1 of MAE on ImageNet"),
        ("one (example) of it", "one (example) of it"),
    ],
)
def test_short_wordings_lack_what_stands_in_parentheses_at_their_end(claim, said):
    assert sensitivity.short(claim) == said


MEASURES = {"subspace": {"angles"}, "mask": {"angles", "separation"}, "features": {"features"}, "heads": {"features"}}
MEASURES |= {"norm": {"alignment"}, "distance": {"attention", "attention_supervised"}}


@pytest.mark.parametrize("what", MEASURES)
def test_a_convention_touches_the_conclusions_that_read_its_measure_and_no_others(what, request):
    read = set()

    class Watched(verdicts.Evidence):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    accuracy = pd.DataFrame(
        [{"perturbation": p, "level": v, "label": "a", "image": str(n), "correct": n % 2}
         for p, v in (("clean", "clean"), ("o", "50"), ("o", "90")) for n in range(9)]
    )  # fmt: skip
    accuracy = accuracy.assign(target=0, prediction=1 - accuracy["correct"])
    alignment = {"perturbation": "b", "level": "X", "label": "a", "image": "1", "layer": 1, "cosine": 1.0, "correct": 1}
    alignment = pd.DataFrame([alignment | {"norm_clean": 1.0, "norm_perturbed": 1.0}])
    shift = pd.DataFrame({"among": ["masked200"] * 3, "correct": [1, 0, 1]})
    given = {"accuracy": accuracy, "alignment": alignment, "blur": "b", "strongest": "X", "occlusion": "o"}
    given |= {"intervals": {"resamples": 100, "confidence": 0.95, "seed": 0}, "crop": 16, "choices": 2}
    given |= {"outputs": ["a", "b"]}
    evidence = Watched(**given, repeats_paper=True, shift={"imagenet-r": shift, "imagenet-a": shift})
    reading = set()
    for wording, rule in claims.CLAIMS.items():
        read.clear()
        rule(evidence, 50)
        reading |= {wording} if MEASURES[what] & read else set()
    paper = tidy.read([str(request.config.rootpath / "config/paper/claims.csv")])
    assert reading and set(sensitivity.touched(paper, what)["claim"]) == reading
    assert {field.name for field in dataclasses.fields(verdicts.Evidence)} >= MEASURES[what]


def test_another_occlusion_touches_what_is_said_of_occluded_images(request):
    paper = tidy.read([str(request.config.rootpath / "config/paper/claims.csv")])
    found = sensitivity.touched(paper, "occlusion")["claim"]
    assert found.str.contains("occlu").sum() == 2 and found.str.contains("norm difference").sum() == 2
    assert len(found) == 4 and paper["claim"].str.contains("occlu").sum() == 2
    assert len(sensitivity.touched(paper, None)) == len(paper)


def test_the_heat_map_shows_what_is_touched_and_frames_what_flips(matrix):
    figure = heat_map(matrix)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b", "c", "e"]  # d is touched by none
    assert [label.get_text() for label in axis.get_xticklabels()] == ["as in the study", "first", "second", "third"]
    framed = [patch.get_xy() for patch in axis.patches if not patch.get_fill()]
    assert framed == [(0.55, 0.55)]  # second row, first convention
    texts = {(*map(round, text.get_position()),): text.get_text() for text in axis.texts}
    assert texts[0, 0] == "60\n%" and texts[1, 0] == "-1.5" and texts[1, 1] == "+60" and texts[2, 0] == "0"
    assert texts[1, 2] == "" and texts[2, 2] == "–"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (-13.483, "-13.5"),
        (30, "+30"),
        (123.4, "+123"),
        (-0.8, "-.80"),
        (0.0493, "+.049"),
        (-0.0012, "-.001"),
        (10, "+10"),
    ],
)
def test_changes_are_shown_in_few_characters(change, shown):
    whole = sensitivity.matrix(table({"a": (H, 200)}), {"first": table({"a": (H, 200 + change)})})
    figure = heat_map(whole)
    assert figure.axes[0].texts[1].get_text() == shown
    head_features.plt.close(figure)


def test_what_holds_under_one_convention_and_not_under_another_flips_though_the_study_cannot_say():
    study, conventions = table({"a": (U, 5)}), {"one": table({"a": (H, 8)}), "other": table({"a": (F, 2)})}
    words = sensitivity.summary(sensitivity.matrix(study, conventions))
    assert words == "Flips: a (holds or not by convention; not by other)."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (0, "0"),
        (0.0004, "<.001"),
        (-0.0004, "<.001"),
        (0.0016, "+.002"),
        (-0.34, "-.34"),
        (13.48, "+13.5"),
        (-250.4, "-250"),
    ],
)
def test_a_change_is_short_and_is_0_only_where_there_is_none(change, said):
    assert _change(change) == said
