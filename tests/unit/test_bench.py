"""The parts of `make bench` that can be wrong without a look at a clock."""

import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")


@pytest.mark.parametrize(
    ("measured", "target", "limit", "verdict"),
    [
        (0.97, 0.97, False, "met"),
        (0.96, 0.97, False, "missed"),
        (1.1, 1.1, True, "met"),
        (1.2, 1.1, True, "missed"),
        (None, 0.9, False, "-"),
        (0.5, None, False, "-"),
    ],
)
def test_a_row_is_met_missed_or_neither(measured, target, limit, verdict):
    from row import HEADER, Row

    row = Row("what", measured, target, limit, remark="why")
    assert row.verdict == verdict
    assert row.markdown().count("|") == HEADER.splitlines()[0].count("|")
    assert row.markdown().endswith(f"| {verdict} | why |")


def test_a_ratio_is_the_median_over_rounds_and_above_one_where_we_are_faster():
    from row import ratio

    assert ratio([(2.0, 1.0), (3.0, 1.0), (1.0, 2.0)]) == {"measured": 2.0, "span": (0.5, 3.0)}


def test_photographs_are_many_different_pictures_of_imagenets_usual_size(tmp_path):
    import photographs

    rows = photographs.rows(tmp_path, ["a", "b"], each=15, files=20)
    assert rows["label"].value_counts().to_dict() == {"a": 15, "b": 15} and rows["image"].is_unique
    assert rows["path"].nunique() == 20 and rows["path"][20] == rows["path"][0]
    pictures = [np.asarray(Image.open(path)) for path in rows["path"][:20]]
    assert {picture.shape for picture in pictures} == {(375, 500, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 20
