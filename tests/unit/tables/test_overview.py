"""The overview's tables, from settings and benchmarks small enough to read."""

import re
from types import SimpleNamespace

import docutils.core
import jinja2
import pandas as pd
import pytest
from conftest import REPOSITORY

from maescope.tables import overview

CONFIG = {
    "seed": 3,
    "study": {"name": "a", "pretrained": None, "finetuned": ["vit"]},
    "datasets": {"many": {"labels": [str(number) for number in range(1000)]}},
    "perturbations": {"blur": {"levels": {"I": {"kernel": 3}}}},
    "analysis": {},
}


def test_settings_are_rows_by_the_path_of_their_key():
    table = overview.settings_table(CONFIG).set_index("setting")["value"].to_dict()
    assert table == {
        "seed": "3",
        "study.name": "a",
        "study.finetuned": "vit",
        "datasets.many.labels": "0, 1, 2, 3, 4, … 999 (1000)",
        "perturbations.blur.levels.I.kernel": "3",
        "analysis": "{}",
    }


def test_models_state_where_their_weights_come_from():
    common = {"architecture": "vit", "arguments": {"depth": 2}, "pooling": "avg", "preprocessing": {"crop": 32}}
    models = {
        "mine": common | {"num_classes": 5, "weights": "x", "training": {"recipe": "finetune", "epochs": 6}},
        "theirs": common | {"num_classes": 0, "weights": "hub:timm/vit", "training": None},
    }
    table = overview.models_table(models, {"mine": "ab12"}).set_index("model")
    assert table.loc["mine", "weights"] == "trained here: finetune, 6 epochs"
    assert table.loc["mine", "SHA-256"] == "ab12" and table.loc["mine", "head"] == "5 classes, avg"
    assert table.loc["theirs", "weights"] == "hub:timm/vit" and table.loc["theirs", "SHA-256"] == "not a file"
    assert table["beside patches"].tolist() == ["CLS", "CLS"]
    assert table.loc["theirs", "head"] == "none" and table.loc["theirs", "architecture"] == "vit depth 2"


def test_run_times_end_with_their_sum_and_the_largest_memory():
    benchmarks = {
        ("pretrain", "vit"): pd.DataFrame({"s": [9.0, 2.5], "max_rss": [1.0, 800.0]}),  # the last run counts
        ("extract", "vit, digits, blur"): pd.DataFrame({"s": [1.25], "max_rss": [899.6]}),
    }
    table = overview.times_table(benchmarks)
    assert table["rule"].tolist() == ["extract", "pretrain", "all of them"]
    assert table["seconds"].tolist() == [1.2, 2.5, 3.8]
    assert table["peak memory (MB)"].tolist() == [900, 800, 900]
    assert table["of"].iloc[-1] == "2 jobs"


def test_without_benchmarks_the_sum_is_nothing():
    assert overview.times_table({})["seconds"].tolist() == [0]


def test_versions_are_those_installed():
    table = overview.versions_table().set_index("package")["version"]
    assert table["pandas"] == pd.__version__


def test_the_page_escapes_what_it_shows():
    page = overview.page("<a>", ["g & <h>"], "b & c", {"d <e>": pd.DataFrame({"x": ["<script>"]})}, ["f < g"])
    assert "<p>g &amp; &lt;h&gt;</p>" in page
    assert "<script>" not in page and "&lt;a&gt;" in page and "b &amp; c" in page and "d &lt;e&gt;" in page
    assert page.index("<strong>f &lt; g</strong>") < page.index("<table")  # warnings come first


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "Study s: what"),
        (
            {"title": "What MAE_s see", "authors": ["A. Author", "B. Writer"]},
            "What MAE_s see, by A. Author, B. Writer. Study s: what",
        ),
        ({"title": "What they see", "authors": []}, "What they see. Study s: what"),
        ({"title": None, "authors": ["A. Author"]}, "By A. Author. Study s: what"),
    ],
)
def test_the_first_page_of_the_report_has_title_and_authors(told, words):
    template = jinja2.Template((REPOSITORY / "workflow/report/overview.rst").read_text())
    job = SimpleNamespace(config={"study": {"name": "s", "note": "Read this.", **told}})
    text = template.render(snakemake=job, categories=[SimpleNamespace(name="1. Overview")])
    settings = {"halt_level": 5, "report_level": 5}
    page = docutils.core.publish_parts(text, writer="html", settings_overrides=settings)["body"]
    said = " ".join(re.sub(r"<[^>]+>", " ", page).split()).replace(" :", ":").replace(" ,", ",").replace(" .", ".")
    assert said.startswith(words) and "Note. Read this." in said
