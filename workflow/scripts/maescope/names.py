"""Names of classes and files, which come from outside and go into paths, lists, tables and logs."""

import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (text direction too), half of a character, line separators


def unseen(text: str) -> str | None:
    """The first character that is not seen where the text is shown; None where there is none.

    Half characters are what Python makes of bytes in a file's name that are no UTF-8.
    """
    return next((char for char in text if unicodedata.category(char) in UNSEEN), None)


def shown(text: str) -> str:
    """A text in which every character can be seen and printed."""
    return "".join(ascii(char)[1:-1] if unicodedata.category(char) in UNSEEN else char for char in text)
