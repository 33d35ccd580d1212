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


SNAKEFILE = """
rule all:
    input: "table_knn"
rule table_knn:
    input: "folder.csv"
    output: "table_knn"
    script: "work.py"
rule extract_some:
    output: "folder.csv"
    script: "work.py"
"""
WORK = """
import os, time
kept = bytearray(os.urandom(1)) * 150_000_000
for path in snakemake.output:
    open(path, "wb").write(bytes(1000))
if snakemake.rule.startswith("extract"):
    os.makedirs("folder")
    open("folder/more", "wb").write(bytes(500))
    while time.process_time() < 1: pass
"""


def test_of_each_rule_is_counted_what_its_jobs_took_and_wrote_and_of_snakemake_the_rest(tmp_path):
    import scaling

    for name, text in {"Snakefile": SNAKEFILE, "work.py": WORK, "study.yaml": "{}"}.items():
        (tmp_path / name).write_text(text)
    found = scaling.run(tmp_path, 1)
    assert set(found) == {"extract", "table_knn", "snakemake"}
    assert [found[rule]["disk"] for rule in ("extract", "table_knn")] == [1500, 1000]
    assert found["extract"]["cpu"] >= 1 and found["extract"]["wall"] > 1  # it computes for a second
    assert 0 < found["table_knn"]["cpu"] < found["extract"]["cpu"] and found["snakemake"]["cpu"] > 0.1
    assert all(150e6 < found[rule]["memory"] < 200e6 for rule in ("extract", "table_knn"))
    assert found["snakemake"]["memory"] < 1e9 and found["snakemake"]["wall"] > found["extract"]["wall"]


def test_growth_is_the_slope_between_the_last_two_sizes():
    import scaling

    jobs = [
        {"rule": "a", "cpu": 1, "wall": 2, "memory": 3e6, "disk": 4e6},
        {"rule": "a"} | dict.fromkeys(scaling.KINDS, 1e6),
    ]
    assert scaling.by_rule(jobs) == {"a": {"jobs": 2, "cpu": 1e6 + 1, "wall": 1e6 + 2, "memory": 3e6, "disk": 5e6}}
    costs = [dict(jobs=7, cpu=cpu, wall=1, memory=2e6, disk=disk) for cpu, disk in ((1, 0), (5, 1e6), (500, 1e7))]
    found = {size: {"a": cost} for size, cost in zip((500, 5000, 50_000), costs, strict=True)}
    del found[500]["a"]
    found[500]["b"] = costs[0]
    found[50_000]["b"] = costs[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in scaling.table(found).splitlines()]
    assert len({len(line) for line in lines}) == 1
    assert lines[2] == ["`a`", "7", "-, 5, 500", "2.00", "-, 1, 1", "0.00", "-, 2, 2", "0.00", "-, 1, 10", "1.00"]
    assert lines[3][:4] == ["`b`", "7", "1, -, 1", "-"] and lines[4][0] == "all"
