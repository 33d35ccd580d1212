"""The matrix of conclusions and conventions at a glance. Colours and style: see `style`."""

from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from maescope.claims import verdicts
from maescope.claims.sensitivity import FLIPS, UNTOUCHED, number, short
from maescope.figures.style import COLOURS, PAGE

STUDY = "as in the study"
WIDE = 0.9  # how far left of 0 the column of the study begins, which has units as well
STUDYS = (0.5 - WIDE) / 2  # its middle
FACES = {verdicts.HOLDS: COLOURS[5], verdicts.FAILS: COLOURS[4], verdicts.UNKNOWN: "white", UNTOUCHED: "0.88"}
WORDS = {verdicts.UNKNOWN: "cannot be said", UNTOUCHED: "not measured"}


def heat_map(whole: pd.DataFrame) -> Figure:
    """Conclusions x conventions: the colour is the verdict, the number the change, a frame a verdict that flips.

    Conclusions that no convention touches are left out.

    Parameters
    ----------
    whole : `sensitivity.matrix`
    """
    shown = whole[whole.groupby("claim")["outcome"].transform(lambda own: (own != UNTOUCHED).any())]
    claimed, columns = list(shown["claim"].unique()), [STUDY, *whole["convention"].unique()]
    figure, axis = plt.subplots(figsize=(PAGE, 1.5 + 0.4 * len(claimed)))
    for row, (_, own) in enumerate(shown.groupby("claim", sort=False)):
        first = own.iloc[0]
        unit = "" if pd.isna(first["unit"]) else f"\n{first['unit'].removesuffix(' of patches')}"
        _cell(axis, STUDYS, row, first["verdict_study"], number(first["measured_study"]) + unit)
        for column, (_, cell) in enumerate(own.iterrows(), 1):
            untouched = cell["outcome"] == UNTOUCHED
            text = "" if untouched else _change(cell["change"])
            _cell(axis, column, row, UNTOUCHED if untouched else cell["verdict"], text, cell["outcome"] == FLIPS)
    names = [fill(short(claim), 28) for claim in claimed]
    axis.set(xlim=(-WIDE, len(columns) - 0.5), ylim=(len(claimed) - 0.5, -0.5))
    axis.set_xticks(
        [STUDYS, *range(1, len(columns))], columns, rotation=70, ha="left", rotation_mode="anchor", fontsize=6.5
    )
    axis.set_yticks(range(len(claimed)), names, fontsize=6.5)
    axis.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)
    axis.grid(False)
    _legend(figure)
    return figure


def _cell(axis: Axes, column: float, row: int, verdict: str, text: str, flips: bool = False) -> None:
    """One conclusion under one convention; frames lie inside their cell, so that neighbours do not share them."""
    width = 0.5 + WIDE if column == STUDYS else 1
    place = (column - width / 2, row - 0.5)
    box = Rectangle(place, width, 1, facecolor=FACES[verdict], edgecolor="0.7", linewidth=0.5)
    axis.add_patch(box).set_clip_on(False)  # the outermost lines lie half outside
    if flips:
        axis.add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fill=False, edgecolor="black", linewidth=1.8))
    axis.text(column, row, text, ha="center", va="center", fontsize=6.2)


def _change(change: float) -> str:
    """A change in few characters: no decimal from 100 on, then one, below 1 two or three and no 0 before the point."""
    if pd.isna(change) or change == 0:
        return "–" if pd.isna(change) else "0"
    if abs(change) < 0.0005:
        return "<.001"
    decimals = sum(abs(change) < limit for limit in (100, 1, 0.1))
    return f"{change:+.{decimals}f}".replace("+0.", "+.").replace("-0.", "-.").removesuffix(".0")


def _legend(figure: Figure) -> None:
    """What colours and frames mean, below."""
    handles = [Patch(facecolor=face, edgecolor="0.7", label=WORDS.get(word, word)) for word, face in FACES.items()]
    handles.append(Patch(facecolor="white", edgecolor="black", linewidth=1.8, label="flips"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
