"""What figures call the labels of a dataset, where these are codes: a file of the user's, or the words of ImageNet."""

import importlib.util
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from maescope.base import names
from maescope.base.errors import InputError
from maescope.study.class_lists import of_timm


def read(dataset: str, path: str | None, labels: Iterable[str]) -> dict[str, str]:
    """Label -> name, of those labels that have one; two labels of one name have theirs behind it.

    Parameters
    ----------
    path : a text with a label, a tab and its name on each line; where there is none, synsets have ImageNet's words

    Raises
    ------
    InputError
        naming the key, the file and the line
    """
    labels = list(labels)
    if path:
        found = _of_file(f"datasets.{dataset}.names", path, labels)
    elif labels and all(re.fullmatch(r"n\d{8}", label) for label in labels) and importlib.util.find_spec("timm"):
        words = dict(line.split("\t") for line in of_timm("imagenet_synset_to_lemma.txt").splitlines())
        found = {label: words[label].split(", ")[0] for label in labels if label in words}
    else:
        return {}
    times = Counter(found.values())
    return {label: name if times[name] == 1 else f"{name} ({label})" for label, name in found.items()}


def _of_file(key: str, path: str, labels: list[str]) -> dict[str, str]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{key}: there is no file {path}; correct the path, or leave it out") from None
    except UnicodeDecodeError:
        raise InputError(f"{key}: {path} is no text in UTF-8; give a label, a tab and its name on each line") from None
    known = {form: label for label in reversed(labels) for form in names.forms(label)}
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        label, _, name = (part.strip() for part in line.partition("\t"))
        if not (label or name):
            continue
        if not (label and name):
            raise InputError(f"{key}: {path}, line {number}: has no tab between a label and its name")
        if (unseen := names.unseen(name)) is not None:
            raise InputError(
                f"{key}: {path}, line {number}: has the character {unseen!a}, which is not seen; remove it"
            )
        own = known.get(label)
        if own and found.setdefault(own, name) != name:
            raise InputError(f"{key}: {path}, line {number}: {label} has another name above; keep one")
    if not found:
        raise InputError(f"{key}: {path} names none of the labels, which are {', '.join(labels[:3])} and so on")
    return found
