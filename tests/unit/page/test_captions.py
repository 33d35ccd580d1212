"""Captions as HTML: what a rule tells them is in them, and names of classes stay text."""

import pytest
from conftest import REPOSITORY

from maescope.page import captions

CAPTIONS = sorted((REPOSITORY / "workflow/report").glob("*.rst"))
PARAMS = {"centring": "none", "left_out": ["<i>beit</i>"], "neighbours": 7, "confidence": 0.95}


@pytest.mark.parametrize("path", [path for path in CAPTIONS if path.stem != "overview"], ids=lambda path: path.stem)
def test_every_caption_of_the_report_can_be_rendered(path):
    found = captions.rendered(path.read_text(), PARAMS, "Seen *here*.")
    assert found.startswith("<p>") and "system-message" not in found and "snakemake" not in found
    assert ("<em>here</em>" in found) and ".. include" not in found


def test_what_a_rule_told_is_said():
    text = (REPOSITORY / "workflow/report/figure_4.rst").read_text()
    assert "not centred" in captions.rendered(text, {"centring": "none"})
    assert "not centred" not in captions.rendered(text, {"centring": "class"})
    text = (REPOSITORY / "workflow/report/figure_class_attention.rst").read_text()
    assert "&lt;i&gt;beit&lt;/i&gt;" in captions.rendered(text, PARAMS)


def test_nothing_is_read_or_run_by_what_is_seen(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    seen = f"Called <script>alert(1)</script>.\n\n.. raw:: html\n\n   <b>raw</b>\n\n.. include:: {secret}\n"
    found = captions.rendered("A caption.", {}, seen)
    assert "<script" not in found and "<b>raw" not in found and "a secret" not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found


def test_numbers_of_a_caption_are_folded():
    found = captions.rendered("A.", {}, '.. csv-table::\n   :header: "a", "b"\n\n   "1", "2"\n')
    assert found.count("<details><summary>In numbers</summary>") == found.count("</table></div></details>") == 1
