"""Lists of classes: a dataset's labels, the order of a head's outputs, and the synsets of ImageNet, -R and -A."""

import importlib.util
import json
import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from glob import has_magic, iglob
from os.path import basename, lexists
from pathlib import Path

from maescope.base import names
from maescope.base.errors import InputError

BEFORE = r"(?P<index>\d{1,9})(?:\s*[,;:]\s*|\s+)(?P<label>.*\S)"  # a label behind its index
BEHIND = r"(?P<label>.*\S)(?:\s*[,;]\s*|\s+)(?P<index>\d{1,9})"
SYNSET = r"(?P<label>n\d{8})(?:,\s*|\s+)(?!\d+\s).*"  # and its words
LONGEST = 200  # bytes; a file system takes 255, and temporary files have a longer name


def known_list(labels: list[str]) -> str | None:
    """imagenet-1k, imagenet-r or imagenet-a, where the labels are all of its classes."""
    lists = {"imagenet-1k": "imagenet", "imagenet-r": "imagenet_r", "imagenet-a": "imagenet_a"}
    if len(labels) < 200:  # shorter than any of them: timm, which has the lists, need not be there
        return None
    return next((name for name, file in lists.items() if sorted(labels) == sorted(synsets(file))), None)


def read_classes(name: str, classes: list[str] | str | None, pattern: str | None) -> list[str] | None:
    """The labels in the order of the head's outputs, read from where the configuration says.

    A file has one label per line; or, where no folder is called as its lines are, an index beside each label, a synset
    before its words, or JSON, as lists of classes are published.
    """
    if classes == "imagenet-1k":
        return synsets("imagenet")
    if not isinstance(classes, str):
        return classes
    if not Path(classes).is_file():
        raise InputError(f"datasets.{name}.classes: there is no file {classes}; give a list, a file or imagenet-1k")
    try:
        text = Path(classes).read_text(encoding="utf-8-sig")  # without the byte order mark of some editors
    except UnicodeDecodeError:
        raise InputError(f"datasets.{name}.classes: {classes} is no text in UTF-8; give one label per line") from None
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    first, *others = _of_indices(lines) or [None]
    published = _of_json(text) or first or _of_synsets(lines)
    if published is None or (pattern and is_there(pattern, lines)):
        return lines
    if any(other != first for other in others):
        raise InputError(
            f"datasets.{name}.classes: {classes}: of the two numbers of {lines[0]!r} either may be the index; give one "
            "label per line"
        )
    return published


def _of_json(text: str) -> list[str] | None:
    """A list of labels, {label: index}, {index: label} or {index: [label, words]}, these also below `id2label`.

    None where it is none of these.
    """
    try:
        content = json.loads(text, object_pairs_hook=tuple)  # all pairs, also those whose key is there twice
    except (ValueError, RecursionError):
        return None
    if isinstance(content, tuple):  # config.json of Hugging Face
        content = next((value for key, value in content if key == "id2label" and isinstance(value, tuple)), content)
    if isinstance(content, tuple) and all(type(index) is int for _, index in content):
        content = tuple((index, label) for label, index in content)
    if isinstance(content, tuple):
        content = _in_order([(index, _first(label)) for index, label in content])
    plain = isinstance(content, list) and content and all(isinstance(label, str) for label in content)
    return content if plain else None


def _first(label):
    """Of a synset and its words the synset."""
    return label[0] if isinstance(label, list) and label else label


def _of_indices(lines: list[str]) -> list[list[str]]:
    """Labels with their index before them, and with it behind them, each where it is so in every line."""
    found = [[re.fullmatch(pattern, line) for line in lines] for pattern in (BEFORE, BEHIND)]
    read = [_in_order([(match["index"], match["label"]) for match in own]) for own in found if all(own)]
    return [labels for labels in read if labels]


def _in_order(labels: list[tuple[str, str]]) -> list[str] | None:
    """Different labels sorted by their indices, which must be 0, 1, ... or 1, 2, ..., each once; else None."""
    by_index = {int(index): label for index, label in labels if re.fullmatch(r"\d{1,9}", str(index))}
    first = min(by_index, default=0)
    if first > 1 or sorted(by_index) != list(range(first, first + len(labels))):
        return None
    ordered = [by_index[index] for index in sorted(by_index)]
    return ordered if len(set(map(str, ordered))) == len(ordered) else None


def _of_synsets(lines: list[str]) -> list[str] | None:
    """Synsets of ImageNet, each with its words, as in LOC_synset_mapping.txt; None where it is not so in every line.

    Not where a number stands between them: such lists have another order than the head's.
    """
    found = [re.fullmatch(SYNSET, line) for line in lines]
    return [match["label"] for match in found] if found and all(found) else None


def is_there(pattern: str, labels: Sequence[str]) -> bool:
    """Whether there is a folder, or a file, called as any of some labels where a pattern has it.

    Where the pattern leaves open in which folder, or how the name goes on, all that is there is looked at once.
    """
    upto = re.match(r".*?\{label\}[^/]*", pattern)[0]
    forms = {form for label in labels for form in names.forms(label)}
    if not has_magic(upto):
        return any(lexists(upto.replace("{label}", form)) for form in forms)
    found = map(basename, iglob(upto.replace("{label}", "*"), recursive=True))
    return any(map(forms.__contains__ if basename(upto) == "{label}" else _called(basename(upto), forms), found))


def _called(part: str, forms: set[str]) -> Callable[[str], re.Match | None]:
    """Matches the names that a part of a pattern has for any of some labels, which it holds once or more."""
    first, *more = translate(part.replace("{label}", "\0")).split("\0")
    label = "|".join(map(re.escape, forms))
    return re.compile(f"{first}(?P<label>{label}){'(?P=label)'.join(more)}").match


def in_list(listed: str | None, label) -> str:
    """Where a label stands in the file of a list, in words that go behind a key; nothing where there is none."""
    if listed is None:
        return ""
    lines = [line.strip() for line in Path(listed).read_text(encoding="utf-8-sig").split("\n")]
    own = [line == label for line in lines]
    number = (own if any(own) else [_calls(line, label) for line in lines] + [True]).index(True)
    return f": {listed}" + (f", line {number + 1}" if number < len(lines) else "")


def _calls(line: str, label) -> bool:
    """Whether a label is what a line is about: beside an index, before words, or in quotes as in JSON."""
    found = [re.fullmatch(pattern, line) for pattern in (BEFORE, BEHIND, SYNSET)]
    quoted = isinstance(label, str) and {json.dumps(label), json.dumps(label, ensure_ascii=False)}
    return label in [match["label"] for match in found if match] or any(form in line for form in quoted or ())


def unsafe(label: str) -> str | None:
    """Why a label cannot be shown as it is, or be part of a file's name; None where it can."""
    if (unseen := names.unseen(label)) is not None:
        return f"{label!a} has the character {unseen!a}, which is not seen; rename the folder"
    if re.search(r"<\w+>", label):
        return f"{label!r} has a word in < and >, which stands for something else in Snakemake; rename the folder"
    if len(label.encode()) > LONGEST:
        return f"{label[:30]!r}... has {len(label.encode())} bytes, a folder's name at most {LONGEST}; rename it"
    return None


def read_labels(labels: list[str] | str | None, classes: list[str] | None) -> list[str] | None:
    """The labels that are used, of ImageNet-R and -A from timm's lists and never from the folders found.

    All classes where none are given; one that looks like a class (`names.forms`) is written as that.
    """
    if isinstance(labels, str):
        return synsets(labels.replace("-", "_"))
    known = {form: label for label in reversed(classes or []) for form in names.forms(label)}
    known |= {label: label for label in classes or []}
    return [known.get(label, label) for label in labels] if labels else classes


def synsets(name: str) -> list[str]:
    """One of timm's lists of synsets."""
    return of_timm(f"{name}_synsets.txt").split()


def of_timm(file: str) -> str:
    """One of timm's files about ImageNet, read without importing timm, and torch with it."""
    package = Path(importlib.util.find_spec("timm").origin).parent
    return (package / "data" / "_info" / file).read_text(encoding="utf-8")
