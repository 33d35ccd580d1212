"""Deletion and insertion curves, and curves of shuffled pieces, whose areas are known on paper."""

import numpy as np
import pandas as pd
import pytest

from maescope.tables import faithfulness, shuffles

INTERVALS = {"resamples": 200, "confidence": 0.95, "seed": 0}


def measured(name, shares):
    """Ten images of two labels; at each level the first ones of each label are right."""
    rows = [
        {"level": level, "label": label, "image": f"{label}{n}", "correct": int(n < round(5 * share))}
        for level, share in shares.items()
        for label in "ab"
        for n in range(5)
    ]
    return pd.DataFrame(rows).assign(perturbation=name)


RANKINGS = {
    "top": {"order": "most", "fill": "mean", "rollout": "head"},
    "top_cls": {"order": "most", "fill": "mean", "rollout": "cls"},
    "last": {"order": "least", "fill": "mean", "rollout": "head"},
    "any": {"order": "random", "fill": "mean", "rollout": "head"},
    "rim": {"order": "edge", "fill": "black", "rollout": "head"},
    "top_gradient": {"order": "most", "fill": "mean", "rollout": "gradient"},
    "unmeasured": {"order": "most", "fill": "drop", "rollout": "head"},
}


def curves():
    levels = ("0", "50", "90")
    shares = {
        "top": (1, 0.2, 0),
        "top_cls": (1, 0.6, 0),
        "top_gradient": (1, 0.2, 0.2),
        "last": (1, 0.8, 0.6),
        "any": (1, 0.6, 0.2),
        "rim": (1, 1, 0),
    }
    parts = [measured(name, dict(zip(levels, own, strict=True))) for name, own in shares.items()]
    return faithfulness.curves(pd.concat(parts), RANKINGS, INTERVALS)


def test_each_occlusion_is_a_curve_and_random_ones_are_both():
    keys = curves()[["ranking", "fill", "curve"]].drop_duplicates().to_numpy().tolist()
    assert keys == [
        ["rollout", "mean", "deletion"],
        ["rollout of CLS", "mean", "deletion"],
        ["rollout", "mean", "insertion"],
        ["random", "mean", "deletion"],
        ["random", "mean", "insertion"],
        ["centre", "black", "insertion"],
        ["rollout by gradient", "mean", "deletion"],
    ]


def test_insertion_is_the_other_end_of_the_opposite_order():
    own = curves().query("ranking == 'rollout' and curve == 'insertion'")
    assert own["percent"].tolist() == [10, 50, 100]
    assert own["accuracy"].tolist() == pytest.approx([60, 80, 100])


def test_areas_are_trapezoids_and_stand_against_random_patches():
    area = curves().drop_duplicates(["ranking", "curve"]).set_index(["ranking", "curve"])
    of_top, of_any = (50 * 60 + 40 * 10) / 90, (50 * 80 + 40 * 40) / 90
    assert area.loc[("rollout", "deletion"), "area"] == pytest.approx(of_top)
    assert (
        area.loc[("random", "deletion"), "area"] == pytest.approx(of_any) == area.loc[("random", "insertion"), "area"]
    )
    row = area.loc[("rollout", "deletion")]
    assert row["over_random"] == pytest.approx(of_top - of_any)
    assert row["over_random_low"] < row["over_random"] < row["over_random_high"] < 0
    assert np.isnan(area.loc[[("random", "deletion"), ("centre", "insertion")], "over_random"]).all()  # none in black


def test_random_patches_at_other_levels_are_compared_at_those_of_both():
    parts = measured("top", {"0": 1, "10": 1, "50": 0.2, "90": 0}), measured("any", {"0": 1, "50": 0.6, "70": 0.4})
    area = faithfulness.curves(pd.concat(parts), RANKINGS, INTERVALS).set_index(["ranking", "curve"])
    assert area.loc[("rollout", "deletion"), "over_random"].to_numpy() == pytest.approx(60 - 80)


def test_of_one_ranking_under_two_names_the_first_is_shown():
    rankings = {"top": RANKINGS["top"], "coarse": RANKINGS["top"]}
    parts = measured("top", {"0": 1, "50": 0.2, "90": 0}), measured("coarse", {"0": 1, "90": 0.4})
    found = faithfulness.curves(pd.concat(parts), rankings, INTERVALS)
    assert found["percent"].tolist() == [0, 50, 90] and found["accuracy"].tolist() == [100, 20, 0]


def test_a_single_level_has_no_area():
    found = faithfulness.curves(measured("top", {"50": 1}), RANKINGS, INTERVALS)
    assert found["area"].isna().all() and found["accuracy"].tolist() == [100]


def test_shuffled_images_begin_with_the_clean_ones_and_take_the_last_layer():
    accuracy = pd.concat([measured("clean", {"clean": 1}), measured("pieces", {"14": 0.2, "2": 0.6})]).assign(model="m")
    rows = measured("pieces", {"14": 1, "2": 1}).assign(model="m", cosine=0.5)
    rows.loc[rows["level"] == "14", "cosine"] = 0.1
    alignment = pd.concat([rows.assign(layer=2), rows.assign(layer=1, cosine=-1.0)])
    found = shuffles.curves(accuracy, alignment, INTERVALS)
    assert found["pieces"].tolist() == [1, 2, 14]
    assert found["accuracy"].tolist() == pytest.approx([100, 60, 20])
    assert found["cosine"].tolist() == pytest.approx([1, 0.5, 0.1])
    assert (found["perturbation"] == "pieces").all()
