"""The parts of the study page in their order, read from the files of figures and tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from maescope.base.errors import InputError
from maescope.page import captions, document, printed


def sections(
    shown: Mapping[str, Sequence[str]], titles: Mapping[str, str], told: Mapping[str, dict], given, folder: Path
) -> dict[str, list[document.Part]]:
    """Heading -> its figures and tables.

    Parameters
    ----------
    shown : heading -> names of rules
    told : name -> `params` that its caption asks for, and where the text `seen` lies
    given : the files: `captions`, `results`
    folder : where the page lies
    """
    texts = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in given.captions}
    files: dict[str, dict[str, str]] = {}
    for path in given.results:
        files.setdefault(Path(path).stem, {})[Path(path).suffix[1:]] = path
    return {
        heading: [_part(name, titles[name], texts[name], told[name], files[name], folder) for name in names]
        for heading, names in shown.items()
        if names
    }


def _part(name: str, title: str, caption: str, told: dict, files: dict[str, str], folder: Path) -> document.Part:
    """One figure or table."""
    seen = Path(told["seen"]).read_text(encoding="utf-8") if told["seen"] else ""
    part = document.Part(name, title, captions.rendered(caption, told["params"], seen))
    if "png" in files:
        png = Path(files["png"]).read_bytes()
        part.picture, part.size = document.address(png, "png"), document.shown_size(png)
    if "html" in files:
        page = printed.read(Path(files["html"]).read_text(encoding="utf-8"))
        part.table, part.notes = page.tables[0], page.notes
    part.downloads = [
        document.download(files[kind], Path(files[kind]).read_bytes(), str(folder))
        for kind in ("pdf", "csv", "tex")
        if kind in files
    ]
    return part


def overview(path: str) -> list[printed.Table]:
    """Settings, models, run times and versions: the tables of the overview."""
    return printed.read(Path(path).read_text(encoding="utf-8")).tables


def pictures(path: str | list) -> dict:
    """What the rule `thumbnails` wrote; nothing where the study wants no pictures.

    Raises
    ------
    InputError
        naming a file that is damaged
    """
    if not path:
        return {"thumbnails": [], "paths": []}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {key: found[key] for key in ("thumbnails", "paths")}
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: is damaged ({error}); delete it to have it made again") from None
