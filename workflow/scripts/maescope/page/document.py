"""The study page as one file: figures, tables and files embedded, and what is alive; nothing else is ever fetched."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

MIMES = {"pdf": "application/pdf", "png": "image/png", "csv": "text/csv", "tex": "application/x-tex"}
INCH = 140  # px of CSS for an inch of a figure, whose widest has 7.2
INTERVAL = re.compile(r"\[[-+\d.e∞]+, [-+\d.e∞]+\]")
LARGEST = 1_500_000  # bytes of a file that is embedded; a larger one is linked where it lies, beside the page


@dataclass
class Download:
    """A file that a reader may save: its address, and the words of its link."""

    name: str
    address: str
    embedded: bool


@dataclass
class Part:
    """A figure, or a table as printed, with its caption and files."""

    name: str
    title: str
    caption: Markup
    picture: str = ""  # the address of a figure's PNG
    size: tuple[int, int] = (0, 0)  # in which it is shown: width and height in px of CSS
    table: object = None  # `printed.Table`
    notes: list[str] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)


def address(content: bytes, kind: str) -> str:
    """The `data:` address of a file's content, kind being its ending."""
    charset = ";charset=utf-8" if MIMES[kind].startswith("text/") else ""
    return f"data:{MIMES[kind]}{charset};base64,{base64.b64encode(content).decode()}"


def download(path: str, content: bytes, folder: str) -> Download:
    """A file for saving: in the page, or where it lies beside the page, in `folder`, if it is large."""
    kind, name = path.rpartition(".")[2], Path(path).name
    if len(content) > LARGEST:
        return Download(name, Path(path).relative_to(folder).as_posix(), False)
    return Download(name, address(content, kind), True)


def shown_size(png: bytes) -> tuple[int, int]:
    """Width and height of a figure on the page, so that letters are of one size in narrow and in wide figures."""
    with Image.open(BytesIO(png)) as picture:
        width, height = (
            round(side * INCH / dots) for side, dots in zip(picture.size, picture.info["dpi"], strict=True)
        )
    return width, height


def whole(text: str) -> Markup:
    """Text with intervals in it, which are not broken at the end of a line."""
    return Markup(INTERVAL.sub(r"<span class=n>\g<0></span>", str(escape(text))))


def as_data(value: object) -> Markup:
    """JSON for an element `script` that is data: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def as_script(code: str) -> Markup:
    """Code for an element `script`, whose words cannot end it."""
    return Markup(code.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def page(template: str, style: str, scripts: list[str], data: dict, **told) -> str:
    """The page. Its policy lets no address be fetched, and no script run but these, by their digests.

    Parameters
    ----------
    template : Jinja2's; everything that is put into it is escaped
    scripts : in their order; the last is the page's own
    data : of `alive.data`, with `choices`, `panels` and `plots`
    told : what else the template asks for
    """
    own = [as_script(code) for code in scripts]
    digests = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in own]
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; font-src data:; "
    policy += "style-src 'unsafe-inline'; script-src "
    policy += " ".join(f"'sha256-{digest}'" for digest in digests)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["whole"] = whole
    told |= {"policy": policy, "style": Markup(style), "scripts": own, "alive": data, "data": as_data(data)}
    return environment.from_string(template).render(**told)
