# The report: what it shows under which name, what it holds for downloading, and how browsers are to read it; for the
# study page, what captions are told.

import base64
import re

from snakemake.report import common as addresses

CATEGORIES = ["Overview", "Claims", "Layer by layer", "Robustness", "Heads", "Beyond the paper", "Models", "Sweep"]
CATEGORIES += ["Sensitivity"]  # in the order of the menu, which is sorted by name
TITLES = {}  # of figures and tables, by the names of their rules: the study page has them as well

HERE = Path(str(workflow.current_basedir), "../..").resolve() == Path.cwd()


def of_project(path):
    """A file of the project by its path in it, which stays the same when it is moved; from elsewhere a copy of it."""
    return path if HERE else workflow.source_path(f"../../{path}")


def shown(path, caption, category, title):
    """A result of the report, under one label.

    Where two labels tell results apart, the viewer may take one for a switch, and goes blank where no result has the
    values that it is set to.
    """
    category = f"{CATEGORIES.index(category) + 1}. {category}"
    return report(path, caption=f"../report/{caption}.rst", category=category, labels={"result": title})


def download(path, kind):
    """A file that the report holds for downloading; the menu has them behind all that is shown."""
    labels = {"result": path.removeprefix(f"{RESULTS}/")}
    return report(path, category="Files", subcategory=kind, labels=labels)


def figure(name, category, title, *also):
    """The files of a figure; `also` its numbers, and what is seen in it as text for the caption."""
    TITLES[name], own = title, f"{RESULTS}/figures/{name}"
    files = {
        "pdf": download(f"{own}.pdf", "Figures (PDF)"),
        "png": shown(f"{own}.png", name, category, title),
        "numbers": download(f"{own}.csv", "Numbers (CSV)"),
        "seen": f"{own}.rst",
    }
    return {key: files[key] for key in ("pdf", "png", *also)}


def table(name, category, title, caption=None):
    """A table: its numbers, and the same printed."""
    TITLES[name], own = title, f"{RESULTS}/tables/{name}"
    return {
        "csv": download(f"{own}.csv", "Numbers (CSV)"),
        "tex": download(f"{own}.tex", "Tables (LaTeX, Markdown)"),
        "md": download(f"{own}.md", "Tables (LaTeX, Markdown)"),
        "html": shown(f"{own}.html", caption or name, category, title),
    }


def told(name, caption):
    """What a caption is told: the params of its rule that it names, and where its text `seen` lies."""
    asked, own = re.findall(r"snakemake\.params\.(\w+)", Path(caption).read_text(encoding="utf-8")), getattr(
        rules, name
    )
    return {"params": {key: getattr(own.params, key) for key in asked}, "seen": str(own.output.get("seen", ""))}


def address(data, filename, encoding="utf8", mime="text/plain"):
    """The `data:` address that a file is embedded with, in the form that every browser reads: without the file's name.

    Snakemake's has `charset=utf8;filename=...` behind the type, and there are versions of Chromium that then take a page
    for plain text and a drawing for nothing.
    """
    charset = ";charset=utf-8" if mime.startswith("text/") else ""
    return f"data:{mime}{charset};base64,{base64.b64encode(data).decode()}"


addresses.data_uri = address
