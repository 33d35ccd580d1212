"""A table as text, and as a file: CSV, LaTeX, Markdown and HTML."""

import re
from collections.abc import Callable, Sequence
from html import escape

import pandas as pd

from maescope.base import provenance, tidy
from maescope.base.atomic import replacing


def number(value: float, digits: int, sign: bool = False) -> str:
    """A number as it is printed, a dash where there is none."""
    if pd.isna(value):
        return "–"
    return "∞" if value == float("inf") else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(row: pd.Series, value: str, low: str, high: str, digits: int, sign: bool = False) -> str:
    if pd.isna(row[value]):
        return "–"
    return f"{number(row[value], digits, sign)} [{number(row[low], digits)}, {number(row[high], digits)}]"


Column = tuple[str, Callable[[pd.Series], str]]


def as_text(table: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    return pd.DataFrame({name: [text(row) for _, row in table.iterrows()] for name, text in columns})


def write_table(table: pd.DataFrame, printed: pd.DataFrame, title: str, notes: Sequence[str], outputs) -> None:
    """Write a table as CSV (all numbers), LaTeX (booktabs), Markdown and HTML (as printed, with notes).

    Parameters
    ----------
    outputs : has the paths `csv`, `tex`, `md`, `html`
    """
    tidy.write(table, outputs.csv)
    texts = {
        outputs.tex: _latex(printed, title, notes) + _comment("%", ""),
        outputs.md: f"**{title}**\n\n{_markdown(printed)}\n\n"
        + "".join(f"- {_plain(note)}\n" for note in notes)
        + _comment("\n<!--", " -->"),
        outputs.html: _html(printed, title, notes) + _comment("<!--", " -->"),
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _markdown(printed: pd.DataFrame) -> str:
    def line(cells) -> str:
        return "| " + " | ".join(_plain(str(cell)) for cell in cells) + " |"

    return "\n".join([line(printed.columns), line(["---"] * printed.shape[1]), *map(line, printed.to_numpy())])


_NUMBERS = re.compile(r"[-+–\d.,=\[\] e%]+")
_INTERVAL = re.compile(r"[-+]?\d[\d.e+-]*%? \[[-+\d.e∞]+, [-+\d.e∞]+\](?: (?:px|degrees|%))?")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MARKS = re.compile(r"[\\`*|~$]|\](?=\()|(?<!\w)_|_(?!\w)|!(?=\[)")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, names of classes among it."""
    return _MARKS.sub(r"\\\g<0>", _TAG.sub("&lt;", _ENTITY.sub("&amp;", text)))


_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"∞": r"$\infty$"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$"}
)


def _comment(opening: str, closing: str) -> str:
    """What made a table, as a comment of its format; nothing outside of a job."""
    stamp = provenance.stamp().replace("--", "-\\u002d")  # the same in JSON, and no end of a comment of HTML
    return f"{opening} {stamp}{closing}\n" if stamp else ""


def _latex(printed: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    def line(cells) -> str:
        return " & ".join(str(cell).translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}\centering\small",
            rf"\caption{{{title.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{{'l' * printed.shape[1]}}}",
            r"\toprule",
            line(printed.columns),
            r"\midrule",
            *map(line, printed.to_numpy()),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {note.translate(_LATEX)}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
    "table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid}"
    "th{border-bottom:1px solid;text-align:left}th,td{padding:.25em .8em;font-variant-numeric:tabular-nums}"
    "tr:hover td{background:#f2f2f2}li{max-width:60em}.n{white-space:nowrap}"
)


def _cell(text: str) -> str:
    """A cell of HTML, whose line is not broken where it is numbers alone, nor within an interval among words."""
    if _NUMBERS.fullmatch(text):
        return f"<td class=n>{escape(text)}</td>"
    whole = _INTERVAL.sub(r"<span class=n>\g<0></span>", escape(text))
    return f"<td>{whole}</td>"


def _html(printed: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    rows = ["".join(map(_cell, map(str, row))) for row in printed.to_numpy()]
    head = "".join(f"<th>{escape(str(name))}</th>" for name in printed.columns)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><table><thead><tr>{head}</tr></thead><tbody>"
        + "".join(f"<tr>{row}</tr>" for row in rows)
        + "</tbody></table><ul>"
        + "".join(f"<li>{escape(note)}</li>" for note in notes)
        + "</ul></html>\n"
    )
