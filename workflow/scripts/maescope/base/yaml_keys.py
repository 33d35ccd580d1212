"""What a configuration file says and YAML reads as something else, by its text: keys given twice or renamed, dates.

YAML takes the last of two equal keys, `010` for 8, `no` for false and `12:30` for 750, and says nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # fast, but it refuses some of what Snakemake reads
TAG = "tag:yaml.org,2002:"
UNFIT = {"timestamp": "a date or a time", "binary": "binary data", "set": "a set"}  # no setting is one of these
OTHER_BASE = re.compile(r"[-+]?0[0-7_]+|.*:.*")  # in eights, or of sixty like minutes and seconds


def faults(text: str) -> Iterator[str]:
    """What would be lost or renamed in silence, and what is no setting, each with its line and key."""
    yield from repeated(text)
    for path, node in _nodes(text):
        if kind := UNFIT.get(node.tag.removeprefix(TAG)):
            yield f"{_place(node, path)}: {_remedy(node, f'is {kind}')}"
        elif (number := _in_another_base(node)) is not None:
            yield f"{_place(node, path)}: {_remedy(node, f'is read as {number}')}, or write {number}"
        for key in _own_keys(node):
            if kind := UNFIT.get(key.tag.removeprefix(TAG)):
                yield f"{_place(key, [*path, key.value])}: {_remedy(key, f'is {kind}')}"
            elif (name := _read_as(key)) != json.loads(json.dumps(key.value)):
                yield f"{_place(key, [*path, key.value])}: {_remedy(key, f'is read as {name}')}"


def repeated(text: str) -> Iterator[str]:
    """Keys that stand twice in one mapping, with the line of the second."""
    for _, node in _nodes(text):
        if isinstance(node, yaml.MappingNode):
            first: dict[str, yaml.Node] = {}
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if first.setdefault(key.value, key) is not key:
                    yield f"line {key.start_mark.line + 1}: the key {key.value!r} is given twice"


def written(text: str) -> dict[str, str]:
    """Values without quotes that YAML takes for something else than text, by the path of their key."""
    return {
        ".".join(path): node.value
        for path, node in _nodes(text)
        if isinstance(node, yaml.ScalarNode) and node.tag != f"{TAG}str"
    }


@cache
def _nodes(text: str) -> list[tuple[tuple[str, ...], yaml.Node]]:
    """Every node of a file with the path of its key; one that is named (&) and stands again (*) only where it is first.

    So one that holds itself is walked through once.
    """
    if text.lstrip().startswith("{"):  # JSON may be indented by tabs and hold any character, and is YAML but for them
        unfit = yaml.reader.Reader.NON_PRINTABLE
        text = unfit.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\t", " "))
    found, todo, seen = [], [((), yaml.compose(text))], set()
    while todo:
        path, node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        found.append((path, node))
        if isinstance(node, yaml.SequenceNode):
            parts = [((*path, str(number)), inner) for number, inner in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            parts = [((*path, str(key.value)), inner) for key, inner in node.value]
        else:
            parts = []
        todo += reversed(parts)
    return found


def _own_keys(node: yaml.Node) -> list[yaml.ScalarNode]:
    """The keys of a mapping but for `<<`, which stands for those of another; none of another node."""
    keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return [key for key in keys if isinstance(key, yaml.ScalarNode) and key.tag != f"{TAG}merge"]


def _in_another_base(node: yaml.Node) -> float | None:
    """The number that YAML reads where another seems to stand, 8 for 010; None of any other node."""
    kind = node.tag.removeprefix(TAG)
    if kind in ("int", "float") and not node.style and OTHER_BASE.fullmatch(node.value):
        return yaml.constructor.SafeConstructor().construct_object(node)
    return None


def _read_as(key: yaml.ScalarNode) -> str:
    """What a key is called once it has been read."""
    if key.tag == f"{TAG}value":  # an equals sign alone
        return key.value
    return next(iter(json.loads(json.dumps({yaml.constructor.SafeConstructor().construct_object(key): 0}))))


def _place(node: yaml.Node, path: Iterable[str]) -> str:
    return f"line {node.start_mark.line + 1}: {'.'.join(path)}"


def _remedy(node: yaml.Node, what: str) -> str:
    """What YAML makes of a node, and how to write it."""
    if isinstance(node, yaml.ScalarNode):
        return f'{node.value} {what} in YAML; quote it: "{node.value}"'
    return f"this {what} in YAML; write a list"
