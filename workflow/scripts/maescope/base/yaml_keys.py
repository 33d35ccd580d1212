"""Keys that are given twice in a configuration file: YAML takes the last and says nothing."""

from collections.abc import Iterator

import yaml


def repeated(text: str) -> Iterator[str]:
    """Keys that stand twice in one mapping, with the line of the second."""
    nodes = [yaml.compose(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            first = {key.value: key for key in reversed(keys)}
            for key in keys:
                if key is not first[key.value]:
                    yield f"line {key.start_mark.line + 1}: the key {key.value!r} is given twice"
            nodes += [value for _, value in node.value]
