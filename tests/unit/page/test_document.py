"""What is put into the page can neither end an element nor run; large files stay outside."""

import base64
import hashlib
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

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
    assert page.notes == ["note & more", HOSTILE]
    (own,) = page.tables
    assert own.columns == list(table) and own.rows == table.to_numpy().tolist()


def test_intervals_are_not_broken_and_cells_are_escaped():
    assert document.whole("a & 73.0 [-6.36, 80.7] %") == "a &amp; 73.0 <span class=n>[-6.36, 80.7]</span> %"
    assert document.whole("[<b>, 1]") == "[&lt;b&gt;, 1]"


@pytest.mark.parametrize("inches", [3.5, 7.2])
def test_letters_are_of_one_size_in_narrow_and_wide_figures(inches, tmp_path):
    Image.new("L", (round(200 * inches), 100)).save(tmp_path / "f.png", dpi=(200, 200))
    width, height = document.shown_size((tmp_path / "f.png").read_bytes())
    assert (width, height) == (round(140 * inches), 70)


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
