# The report: what it shows under which name, what it holds for downloading, and how browsers are to read it.

import re

from snakemake.report import common as addresses

CATEGORIES = [
    "Overview",
    "Claims",
    "Layer by layer",
    "Robustness",
    "Heads",
    "Beyond the paper",
    "Models",
    "Sweep",
    "Files",
]


def shown(path, caption, category, title):
    """A result of the report, whose menu is sorted by name.

    It has one label: where two labels tell results apart, the report's viewer may take one for a switch, and goes blank
    where no result has the values that it is set to.
    """
    category = f"{CATEGORIES.index(category) + 1}. {category}"
    return report(path, caption=f"../report/{caption}.rst", category=category, labels={"result": title})


def download(path, kind):
    """A file that the report holds for downloading."""
    category, labels = f"{len(CATEGORIES)}. {CATEGORIES[-1]}", {"result": path.removeprefix(f"{RESULTS}/")}
    return report(path, category=category, subcategory=kind, labels=labels)


def figure(name, category, title, also=()):
    """The files of a figure; `also` its numbers, and what is seen in it as text for the caption."""
    own = f"{RESULTS}/figures/{name}"
    files = {
        "pdf": download(f"{own}.pdf", "Figures (PDF)"),
        "png": shown(f"{own}.png", name, category, title),
        "numbers": download(f"{own}.csv", "Numbers (CSV)"),
        "seen": f"{own}.rst",
    }
    return {key: files[key] for key in ("pdf", "png", *also)}


def table(name, category, title, caption=None):
    """The files of a table: its numbers, and the same printed."""
    own = f"{RESULTS}/tables/{name}"
    return {
        "csv": download(f"{own}.csv", "Numbers (CSV)"),
        "tex": download(f"{own}.tex", "Tables (LaTeX, Markdown)"),
        "md": download(f"{own}.md", "Tables (LaTeX, Markdown)"),
        "html": shown(f"{own}.html", caption or name, category, title),
    }


def readable(*arguments, address=addresses.data_uri, **options):
    """The address `data:...` that Snakemake embeds a file with, but without its name: a parameter that browsers refuse.

    Chromium takes a page with it for plain text, and a drawing with it for none.
    """
    return re.sub(";filename=[^;,]*", "", address(*arguments, **options), count=1)


addresses.data_uri = readable
