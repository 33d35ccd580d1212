"""What is put into the page can neither end an element nor run; large files stay outside."""

import base64
import hashlib
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from maescope.base.errors import InputError
from maescope.page import assembly, document, printed
from maescope.tables import writing

HOSTILE = "</script><script>alert(1)</script><!--\u2028&amp;'\""


def test_data_and_scripts_cannot_end_their_elements():
    text = document.as_data({"a": HOSTILE})
    assert "<" not in text and "\u2028" not in text and json.loads(text) == {"a": HOSTILE}
    assert "</script" not in document.as_script('const a = "</script>";\r\n') and "\r" not in document.as_script(
        "a\r\n"
    )
    with pytest.raises(ValueError):
        document.as_data({"a": float("nan")})  # no JSON


def test_the_policy_names_the_very_scripts_and_everything_else_is_escaped():
    template = (
        '<meta content="{{ policy }}"><p>{{ name }}</p>{% for code in scripts %}<script>{{ code }}</script>{% endfor %}'
    )
    found = document.page(template, "", ["let a = 1 < 2;", "// ü </script>"], {}, name=HOSTILE)
    run = re.findall(r"<script>(.*?)</script>", found, re.DOTALL)
    assert len(run) == 2 and "alert(1)&lt;/script&gt;" in found
    for code in run:
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"&#39;sha256-{digest}&#39;" in found
    assert "default-src &#39;none&#39;" in found and "unsafe-eval" not in found


def test_a_file_is_embedded_as_it_is_or_linked_if_it_is_large():
    own = document.download("results/s/tables/table_1.csv", b"a,b\n1,2\n", "results/s")
    assert (own.name, own.embedded) == ("table_1.csv", True)
    assert own.address == "data:text/csv;charset=utf-8;base64," + base64.b64encode(b"a,b\n1,2\n").decode()
    large = document.download("results/s/figures/figure_2.pdf", bytes(document.LARGEST + 1), "results/s")
    assert (large.address, large.embedded) == ("figures/figure_2.pdf", False)


def test_a_printed_table_is_read_back_as_it_was(tmp_path):
    paths = SimpleNamespace(**{kind: tmp_path / f"t.{kind}" for kind in ("csv", "tex", "md", "html")})
    table = pd.DataFrame({"class": [HOSTILE, "b"], "accuracy (%)": ["73.0 [63.6, 80.7]", "–"]})
    writing.write_table(table, table, "Title <b>", ["note & more", HOSTILE], paths)
    page = printed.read(paths.html.read_text())
    assert (page.title, page.notes) == ("Title <b>", ["note & more", HOSTILE])
    (own,) = page.tables
    assert own.columns == list(table) and own.rows == table.to_numpy().tolist()


@pytest.mark.parametrize("content", ['{"thumbnails": [', '{"thumbnails": []}', "[]"])
def test_a_damaged_file_of_pictures_is_named(tmp_path, content):
    path = tmp_path / "thumbnails.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"thumbnails.json: is damaged \(.*\); delete it to have it made again$"):
        assembly.pictures(str(path))


def test_without_pictures_there_are_none_and_whole_ones_are_read(tmp_path):
    assert assembly.pictures([]) == {"thumbnails": [], "paths": []}
    (tmp_path / "t.json").write_text('{"thumbnails": [1], "paths": [2]}')
    assert assembly.pictures(str(tmp_path / "t.json")) == {"thumbnails": [1], "paths": [2]}
