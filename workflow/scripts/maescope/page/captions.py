"""Captions of figures and tables as HTML: those of the report, which are reStructuredText."""

import re
from types import SimpleNamespace

from docutils.core import publish_parts
from jinja2 import Environment
from markupsafe import Markup

INCLUDED = re.compile(r"^\.\. include:: .*$", re.MULTILINE)
SAFE = {"raw_enabled": False, "file_insertion_enabled": False, "report_level": 5, "halt_level": 5}


def rendered(caption: str, params: dict, seen: str = "") -> Markup:
    """A caption with what its rule told it; names of classes in it may be anything, and are text.

    Parameters
    ----------
    caption : a template, whose line `.. include::` stands for `seen`
    params : what it asks of `snakemake.params`
    seen : what is seen in the figure, as text
    """
    given = SimpleNamespace(params=SimpleNamespace(**params), output=SimpleNamespace(seen=""))
    text = Environment().from_string(caption).render(snakemake=given)
    return Markup(_html(INCLUDED.sub("", text)) + _html(seen))


def _html(text: str) -> str:
    own = {"initial_header_level": 4, "math_output": "MathML", **SAFE}
    body = publish_parts(text, writer="html5", settings_overrides=own)["body"] if text.strip() else ""
    opened = '<details><summary>In numbers</summary><div class="wide" tabindex="0" role="region" aria-label="numbers">'
    return re.sub("</table>", "</table></div></details>", re.sub(r"<table\b", rf"{opened}\g<0>", body))
