"""Write the tables of config/README.md from the schema of the configuration, where each key is told.

python tools/config_docs.py [--check]     --check writes nothing: exit 1 if the page is not what the schema says

A table stands between `<!-- schema: PATH -->` and `<!-- end -->`. It has the keys below PATH, of the whole file for
`top`; `<name>` in a path is a name of the user's. Keys below keys stand in the table of the longest PATH that leads to
them, with the rest of their path: so no key is left out, and none is told twice.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
PAGE = ROOT / "config/README.md"
TABLE = re.compile(r"(<!-- schema: ([^\n]+) -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
LISTED = 6  # values of an enumeration that are listed; of more the meaning has to speak


class Key(NamedTuple):
    """What the schema says of one key."""

    path: str  # models.<name>.training.epochs
    part: dict  # its schema
    required: bool


def keys(part: dict, path: str, defs: dict) -> Iterator[Key]:
    """All keys below a part of the schema, at every depth and in its order."""
    for one in alternatives(part, defs):
        for name, child in one.get("properties", {}).items():
            if child is not True:  # told where the part is taken up, as `kind` is
                yield Key(f"{path}.{name}", resolved(child, defs), name in one.get("required", ()))
                yield from keys(child, f"{path}.{name}", defs)
        for condition in one.get("allOf", ()):
            ((name, value),) = condition["if"]["properties"].items()
            kind = f"{name}: {value['const']}"
            yield Key(f"{path}.{kind}", resolved(condition["then"], defs), False)
            yield from keys(condition["then"], f"{path}.{kind}", defs)
        if isinstance(one.get("additionalProperties"), dict):
            yield from keys(one["additionalProperties"], f"{path}.<name>", defs)
        if "items" in one:
            yield from keys(one["items"], path, defs)


def resolved(part: dict, defs: dict) -> dict:
    """A part of the schema with its reference followed; what stands beside the reference goes before."""
    return defs[part["$ref"].rpartition("/")[2]] | part if "$ref" in part else part


def alternatives(part: dict, defs: dict) -> list[dict]:
    """What a part of the schema may be, references followed and null left out."""
    part = resolved(part, defs)
    return [resolved(one, defs) for one in part.get("oneOf", [part]) if one.get("type") != "null"]


def values(part: dict, defs: dict) -> str:
    """What a key may be, in a few words."""
    return " or ".join(dict.fromkeys(_value(one, defs) for one in alternatives(part, defs)))


def _value(part: dict, defs: dict) -> str:
    """One of the alternatives of a key in a few words."""
    types = part.get("type", [])
    kind = next((one for one in ([types] if isinstance(types, str) else types) if one != "null"), None)
    if "const" in part:
        return code(part["const"])
    if "enum" in part:
        known = [code(value) for value in part["enum"] if value is not None]
        return ", ".join(known) if len(known) <= LISTED else "name"
    if kind == "boolean":
        return "`false`, `true`"
    if kind == "array":
        return _list(part, defs)
    if kind == "object":
        return _mapping(part.get("additionalProperties"), defs)
    return f"{kind}{_range(part)}" if kind else ""


def _mapping(inner: dict | bool | None, defs: dict) -> str:
    """A mapping in a few words: of names of the user's, or of keys that have rows of their own."""
    if not isinstance(inner, dict):
        return "keys below"
    known = values(inner, defs)
    return "entries by name" if known == "keys below" else f"{known}s by name"


def _list(part: dict, defs: dict) -> str:
    """A list in a few words: of what, and how many where that is fixed."""
    if "properties" in part["items"]:
        return "list of entries"
    first, _, rest = values(part["items"], defs).partition(" ")
    of = f"{first}s {rest}".strip()
    return f"{part['minItems']} {of}" if part.get("minItems") == part.get("maxItems", 0) else f"list of {of}"


def _range(part: dict) -> str:
    """The range of a number, to stand behind its type."""
    low, high = (part.get(name, part.get(f"exclusive{name.title()}")) for name in ("minimum", "maximum"))
    parity = ", odd" if part.get("not") == {"multipleOf": 2} else ""
    parity = f", multiple of {part['multipleOf']}" if "multipleOf" in part else parity
    if high is not None:
        ends = "(" if "exclusiveMinimum" in part else "[", ")" if "exclusiveMaximum" in part else "]"
        return f" in {ends[0]}{low}, {high}{ends[1]}{parity}"
    return parity if low is None else f" {'>' if 'exclusiveMinimum' in part else '≥'} {low}{parity}"


def default(key: Key) -> str:
    """The default of a key; nothing where it is null, or given by the keys below."""
    if key.required:
        return "*required*"
    value = key.part.get("default")
    return "" if value is None or value == {} else code(value)


def code(value: object) -> str:
    """A value as one writes it in a configuration."""
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def table(own: list[Key], path: str, defs: dict) -> str:
    """A Markdown table of keys below a path; columns that would be empty are left out.

    Raises
    ------
    ValueError
        naming a key that the schema does not describe
    """
    rows = []
    for key in own:
        if "description" not in key.part:
            raise ValueError(f"{key.path}: has no description in {SCHEMA.name}")
        name = key.path.removeprefix("top.").removeprefix(f"{path}.")
        meaning = key.part["description"].replace("|", "\\|")
        rows.append([f"`{name}`", meaning, values(key.part, defs), default(key)])
    columns = [["key", "meaning", "value", "default"], ["---"] * 4, *rows]
    kept = [place for place in range(4) if any(row[place] for row in rows)]
    return "".join(f"| {' | '.join(row[place] for place in kept)} |\n" for row in columns)


def render(page: str, schema: dict) -> str:
    """A page with all of its tables made from the schema.

    Raises
    ------
    ValueError
        naming a table without an end or without keys, a key without a table or without a description
    """
    paths = [found[1] for found in TABLE.findall(page)]
    if not len(paths) == page.count("<!-- schema: ") == page.count("<!-- end -->"):
        raise ValueError("each `<!-- schema: PATH -->` needs an `<!-- end -->` of its own")
    own = tables(paths, schema)
    return TABLE.sub(lambda found: found[1] + table(own[found[2]], found[2], schema["$defs"]), page)


def tables(paths: list[str], schema: dict) -> dict[str, list[Key]]:
    """The keys of each table: those for which no other table has a longer path."""
    own: dict[str, list[Key]] = {path: [] for path in paths}
    for key in keys(schema, "top", schema["$defs"]):
        above = [path for path in paths if key.path.startswith((f"{path}.", f"top.{path}."))]
        if not above:
            raise ValueError(f"{key.path}: is in no table, there is no `<!-- schema: top -->`")
        own[max(above, key=lambda path: (path != "top", len(path)))].append(key)
    for path in paths:
        if not own[path]:
            raise ValueError(f"<!-- schema: {path} -->: the schema has no keys there")
    return own


def main() -> None:
    """Write the page, or say that it is stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    page = PAGE.read_text()
    try:
        made = render(page, yaml.safe_load(SCHEMA.read_text()))
    except ValueError as error:
        sys.exit(f"error: {PAGE.relative_to(ROOT)}: {error}")
    if options.check and made != page:
        sys.exit(f"error: {PAGE.relative_to(ROOT)} is not what {SCHEMA.relative_to(ROOT)} says; run make docs")
    if not options.check:
        PAGE.write_text(made)


if __name__ == "__main__":
    main()
