"""Table II: means that never run over less than they say, mCE and mean error by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import binomtest

from maescope.base.corruption_names import CORRUPTIONS, GROUPS
from maescope.tables import accuracies, table_2

INTERVALS = {"resamples": 50, "confidence": 0.95, "seed": 0}
LABELS, IMAGES = ("a", "b"), 5
ALL = {name: {"corruption": name, "source": "files"} for name in CORRUPTIONS}


def right(name, severity, number):
    """A pattern of right and wrong with different shares for each condition."""
    return int((CORRUPTIONS.index(name) + 3 * int(severity) + number) % 7 > int(severity) - 1)


def measure(conditions, model="m"):
    rows = [
        {"perturbation": "clean", "level": "clean", "label": label, "image": f"{label}{n}", "correct": int(n > 0)}
        for label in LABELS
        for n in range(IMAGES)
    ]
    rows += [
        {"perturbation": p, "level": s, "label": label, "image": f"{label}{n}", "correct": right(p, s, n + 5 * i)}
        for p, s in conditions
        for i, label in enumerate(LABELS)
        for n in range(IMAGES)
    ]
    frame = pd.DataFrame(rows).assign(model=model, target=lambda own: own["label"].map(LABELS.index))
    return frame.assign(prediction=lambda own: own["target"].where(own["correct"] == 1, 9))


EVERY = list(itertools.product(CORRUPTIONS, table_2.SEVERITIES))


@pytest.fixture(scope="module")
def full():
    return table_2.table(measure(EVERY), ALL, INTERVALS, None, "m", imagenet=True)


def value(table, perturbation, level, column="accuracy"):
    own = table[(table["perturbation"] == perturbation) & (table["level"] == level)]
    assert len(own) == 1
    return own[column].iloc[0]


def share(conditions):
    return 100 * np.mean([right(p, s, n) for p, s in conditions for n in range(10)])


def test_cells_and_means_are_those_of_the_images(full):
    assert value(full, "clean", "clean") == pytest.approx(80)
    assert value(full, "fog", "3") == pytest.approx(share([("fog", "3")]))
    assert value(full, "fog", "3", "change") == pytest.approx(share([("fog", "3")]) - 80)
    assert value(full, "fog", "mean") == pytest.approx(share([("fog", s) for s in "12345"]))
    assert value(full, "mean", "2") == pytest.approx(share([(c, "2") for c in CORRUPTIONS]))
    assert value(full, "mean", "mean") == pytest.approx(share(EVERY))
    assert value(full, "mean", "mean", "accuracy_low") < share(EVERY) < value(full, "mean", "mean", "accuracy_high")


def test_the_order_and_groups_are_the_papers(full):
    rows = full.drop_duplicates("perturbation")
    assert list(rows["perturbation"]) == ["clean", *CORRUPTIONS, "mean", "mean error", "mCE"]
    assert list(rows["group"].dropna()) == [group for group, names in GROUPS.items() for _ in names]


def test_mean_error_and_mce_by_hand(full):
    errors = {c: 100 - share([(c, s) for s in "12345"]) for c in CORRUPTIONS}
    assert value(full, "mean error", "mean") == pytest.approx(np.mean(list(errors.values())))
    by_hand = np.mean([100 * errors[c] / (100 * table_2.ALEXNET[c]) for c in CORRUPTIONS])
    assert value(full, "mCE", "mean") == pytest.approx(by_hand)


def test_alexnet_errors_are_those_of_the_fifteen_with_the_published_mean():
    assert set(table_2.ALEXNET) == set(CORRUPTIONS)
    assert np.mean(list(table_2.ALEXNET.values())) == pytest.approx(0.787, abs=0.005)


def test_only_all_of_imagenet_has_an_mce():
    table = table_2.table(measure(EVERY), ALL, INTERVALS, None, "m", imagenet=False)
    assert not {"mCE", "mean error"} & set(table["perturbation"])
    assert any("No mCE" in line for line in table_2.notes(table, ALL, small=False, confidence=0.95))


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_what_is_marked_as_not_distinguishable_has_the_p_that_the_note_says(confidence):
    table = table_2.table(measure(EVERY), ALL, INTERVALS | {"confidence": confidence}, None, "m", imagenet=False)
    printed, marked = table_2.printed(table).set_index("corruption"), set()
    clean = np.array([n % IMAGES > 0 for n in range(10)])
    for name, severity in EVERY:
        now = np.array([right(name, severity, n) for n in range(10)], dtype=bool)
        gained, differ = int((now & ~clean).sum()), int((now != clean).sum())
        p = binomtest(gained, differ).pvalue if differ else 1.0
        assert ("=" in printed.loc[name.replace("_", " "), severity]) == (p >= 1 - confidence), (name, severity)
        marked.add("=" in printed.loc[name.replace("_", " "), severity])
    assert marked == {True, False}
    notes = "\n".join(table_2.notes(table, ALL, small=False, confidence=confidence))
    assert f"(exact McNemar's p of {0.05 if confidence == 0.95 else 0.5} or more)" in notes


@pytest.fixture(scope="module")
def gappy():
    """Fog lacks severity 4, snow is not there at all."""
    conditions = [(c, s) for c, s in EVERY if (c, s) != ("fog", "4") and c != "snow"]
    return table_2.table(measure(conditions), ALL, INTERVALS, None, "m", imagenet=True)


def test_row_25_what_is_missing_is_a_dash_and_no_mean_runs_over_the_rest(gappy):
    assert np.isnan(value(gappy, "fog", "4")) and np.isnan(value(gappy, "snow", "1"))
    for name, level in [("fog", "mean"), ("snow", "mean"), ("mean", "4"), ("mean", "1"), ("mean", "mean")]:
        assert np.isnan(value(gappy, name, level)), (name, level)
    assert np.isnan(value(gappy, "mCE", "mean")) and np.isnan(value(gappy, "mean error", "mean"))
    assert value(gappy, "frost", "mean") == pytest.approx(share([("frost", s) for s in "12345"]))
    assert value(gappy, "fog", "4", "images") == 0
    printed = table_2.printed(gappy).set_index("corruption")
    assert printed.loc["fog", "4"] == printed.loc["fog", "mean"] == printed.loc["mean", "mean"] == "–"
    assert printed.loc["mCE", "mean"] == "–"
    assert printed.loc["fog", "3"].startswith(f"{share([('fog', '3')]):.1f}")


def test_row_25_the_note_names_what_is_missing(gappy):
    notes = "\n".join(table_2.notes(gappy, ALL, small=False, confidence=0.95))
    assert "no mean runs over the rest: snow (severity 1, 2, 3, 4, 5); fog (severity 4)." in notes
    assert "Generated" not in notes


def test_a_table_of_two_corruptions_says_so():
    sources = {name: ALL[name] for name in ("fog", "frost")}
    table = table_2.table(measure([c for c in EVERY if c[0] in sources]), sources, INTERVALS, None, "m", imagenet=True)
    assert value(table, "mean", "mean") == pytest.approx(share([c for c in EVERY if c[0] in sources]))
    assert np.isnan(value(table, "mCE", "mean"))  # not of two
    notes = "\n".join(table_2.notes(table, sources, small=True, confidence=0.95))
    assert "the 2 corruptions of this table only" in notes


def test_generated_images_and_synthetic_frost_are_labelled():
    sources = {name: {"corruption": name, "source": "generated"} for name in CORRUPTIONS}
    sources["frost"]["source"] = "generated, synthetic"
    table = table_2.table(measure(EVERY), sources, INTERVALS, None, "m", imagenet=False)
    notes = "\n".join(table_2.notes(table, sources, small=True, confidence=0.95))
    assert "Generated: 15 of 15 corruptions" in notes and "32 px (CIFAR-C)" in notes
    assert "overlays a synthetic texture" in notes
    printed = table_2.printed(table).set_index("corruption")["images from"]
    assert printed["frost"] == "generated, synthetic" and printed["fog"] == "generated"


def test_a_condition_like_clean_is_marked():
    frame = measure([("fog", "1")])
    frame["correct"] = 1
    sources = {"fog": ALL["fog"]}
    table = table_2.table(frame, sources, INTERVALS, None, "m", imagenet=False)
    printed = table_2.printed(table).set_index("corruption")
    assert printed.loc["fog", "1"].startswith("100.0= [")
    assert printed.loc["clean", "mean"].startswith("100.0 [") and printed.loc["clean", "1"] == ""


def test_the_papers_values_stand_beside(full):
    paper = pd.DataFrame({"severity": range(1, 6)} | {c: [90.0, 80, 70, 60, 50] for c in CORRUPTIONS})
    paper["fog"] = [10.0, 20, 30, 40, 55]
    table = table_2.table(measure(EVERY), ALL, INTERVALS, paper, "m", imagenet=False)
    assert value(table, "fog", "2", "accuracy_paper") == 20
    assert value(table, "fog", "2", "accuracy_difference") == pytest.approx(share([("fog", "2")]) - 20)
    assert value(table, "fog", "mean", "accuracy_paper") == pytest.approx(31)
    assert value(table, "mean", "1", "accuracy_paper") == pytest.approx((14 * 90 + 10) / 15)
    assert value(table, "mean", "mean", "accuracy_paper") == pytest.approx((14 * 70 + 31) / 15)
    printed = table_2.printed(table)
    after_fog = printed.iloc[printed.index[printed["corruption"] == "fog"][0] + 1]
    assert after_fog["corruption"] == "fog: paper (difference)" and after_fog["2"].startswith("20.0 (")


def test_the_papers_values_stand_beside_the_studys_first_model_alone():
    paper = pd.DataFrame({"severity": range(1, 6)} | {c: [90.0, 80, 70, 60, 50] for c in CORRUPTIONS})
    both = pd.concat([measure(EVERY, "other"), measure(EVERY, "m")])
    table = table_2.table(both, ALL, INTERVALS, paper, "m", imagenet=False).set_index("model")["accuracy_paper"]
    assert table["m"].notna().sum() == 75 + 15 + 5 + 1 and table["other"].isna().all()


def test_row_11_a_clean_accuracy_near_chance_is_a_loud_note():
    frame, names = measure([("fog", "1")]), [*"0123456789"]
    assert accuracies.notes_on_doubts(frame, names, 10) == []
    guessing = frame.assign(correct=[1, 0] * 10)
    (said,) = accuracies.notes_on_doubts(guessing, names, 2)
    assert said.startswith("CLEAN ACCURACY NEAR CHANCE: m, 50.0 % among 2 classes")
    both = pd.concat([frame.assign(model="n"), guessing])
    assert list(accuracies.doubted(both, names, 10)) == ["m"]  # of n 0.8 is right


def test_two_models_have_a_block_each():
    both = pd.concat([measure(EVERY, "m"), measure(EVERY, "n")])
    table = table_2.table(both, ALL, INTERVALS, None, "m", imagenet=False)
    shown = table_2.printed(table)["model"]
    assert (
        list(shown.unique()) == ["m", "n"] and shown.is_monotonic_increasing
    )  # in each row, so that rows can be sorted
    assert (table.groupby("model").size() == 1 + 75 + 15 + 5 + 1).all()


def test_the_schema_knows_the_fifteen(root):
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    names = schema["$defs"]["corruption"]["properties"]["name"]["enum"]
    assert names == [None, "all", *CORRUPTIONS]


@pytest.fixture
def root(request):
    return request.config.rootpath
