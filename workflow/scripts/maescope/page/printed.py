"""Tables as they were printed, read back from their own HTML: title, columns, rows, notes."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

TOLD = ("h2", "th", "td", "li")  # elements whose text is read


@dataclass
class Table:
    """A table's cells as text."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    title: str = ""


@dataclass
class Page:
    """What `tables.writing` and `tables.overview` put on a page."""

    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Text of headings, cells and list entries; markup in them was escaped, and is text again."""

    def __init__(self):
        super().__init__()
        self.page, self.words, self.heading = Page(), None, ""

    def handle_starttag(self, tag: str, attrs) -> None:
        if tag in TOLD:
            self.words = ""
        elif tag == "table":
            self.page.tables.append(Table(title=self.heading))
        elif tag == "tr":
            self.page.tables[-1].rows.append([])

    def handle_data(self, data: str) -> None:
        if self.words is not None:
            self.words += data

    def handle_endtag(self, tag: str) -> None:
        if self.words is None or tag not in TOLD:
            return
        words, self.words = self.words, None
        if tag == "h2":
            self.heading = words
        elif tag == "th":
            self.page.tables[-1].columns.append(words)
        elif tag == "td":
            self.page.tables[-1].rows[-1].append(words)
        else:
            self.page.notes.append(words)


def read(html: str) -> Page:
    """A page of tables that this workflow wrote."""
    reader = _Reader()
    reader.feed(html)
    for table in reader.page.tables:
        table.rows = [row for row in table.rows if row]
    return reader.page
