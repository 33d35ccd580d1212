"""The browser that tests read pages with (tests/workflow/browser.py)."""

import pytest
from browser import CHROMIUM, Browser

PAGE = """
<title>downloads</title>
<a id="late" download="a.txt">late</a>
<a id="now" download="b.txt" href="data:text/plain,b">now</a>
<script>
let begun = 0;
late.onclick = () => setTimeout(() => {
    Object.assign(document.createElement("a"), {download: "a.txt", href: "data:text/plain,a"}).click();
    begun++;
}, 2000);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt-get install chromium)")
def test_a_file_that_comes_twice_as_it_was_late_is_not_taken_for_the_next(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    with Browser(tmp_path / "page.html", tmp_path) as page:
        assert page.download("document.querySelector('#late')") == ("a.txt", b"a")
        page.wait("begun === 2")
        assert page.download("document.querySelector('#now')") == ("b.txt", b"b")
        assert page.said == []
