"""How all figures look, and how they are written. Colours are Okabe and Ito's, safe for colour-blind readers."""

import os

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from maescope.base import provenance
from maescope.base.atomic import replacing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CHANCE = {"color": "0.35", "linestyle": (0, (1, 2)), "linewidth": 1.2}
COLUMN, PAGE = 3.5, 7.2  # widths in inches of one column and of a page
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a class may be called $x$
    "svg.hashsalt": "maescope",
}
plt.rcParams.update(STYLE)


def save(figure: Figure, *paths: str | os.PathLike) -> None:
    """Write a figure to each path, without dates, so that the same numbers give the same file; it says what made it."""
    stamp = provenance.stamp()
    for path in paths:
        with replacing(path) as temporary:
            metadata = {"CreationDate": None, "Keywords": stamp} if str(path).endswith(".pdf") else {"maescope": stamp}
            figure.savefig(temporary, dpi=200, metadata=metadata)
    plt.close(figure)
