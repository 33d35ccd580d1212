"""Names of classes and files, which come from outside and go into paths, lists, tables and logs."""

import difflib
import unicodedata
from collections.abc import Iterable

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (text direction too), half of a character, line separators


def unseen(text: str) -> str | None:
    """The first character that is not seen where the text is shown; None where there is none.

    Half characters are what Python makes of bytes in a file's name that are no UTF-8.
    """
    return next((char for char in text if unicodedata.category(char) in UNSEEN), None)


def forms(text: str) -> list[str]:
    """A text as it is, and with its accents in one character with their letter (NFC) or apart from it (NFD).

    They look the same. Lists are mostly written in the first, and some file systems give folders the second.
    """
    return list(dict.fromkeys([text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))]))


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a name that is not known, or all there is, in words that go behind it."""
    known = list(map(str, known))
    if close := difflib.get_close_matches(str(name), known, n=1):
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(map(repr, known)) or 'none'})"


def shown(text: str) -> str:
    """A text in which every character can be seen and printed."""
    return "".join(ascii(char)[1:-1] if unicodedata.category(char) in UNSEEN else char for char in text)
