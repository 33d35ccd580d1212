"""A configuration against its schema: defaults filled in, each problem as one line with the path of its key."""

import json
import re
from collections.abc import Mapping

from jsonschema import Draft202012Validator, ValidationError, validators

from maescope.base.names import nearest

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def _with_defaults(validator, properties, instance, schema):
    """The `properties` keyword, which first fills in the defaults."""
    if isinstance(instance, dict):
        for key, subschema in properties.items():
            if isinstance(subschema, dict) and "default" in subschema:
                default = json.loads(json.dumps(subschema["default"]))
                if isinstance(default, dict | list) and instance.get(key) is None:  # a key with nothing below it
                    instance[key] = default
                instance.setdefault(key, default)
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _is_integer(checker, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # the standard takes 50.0 for an integer


Validator = validators.extend(
    Draft202012Validator,
    {"properties": _with_defaults},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def _went_far(error: ValidationError) -> tuple:
    """Larger for the alternative that was more likely meant; least for null."""
    return error.validator_value != "null", len(error.absolute_path), error.validator not in ("type", "const")


def _in_full(error: ValidationError) -> str:
    """A number with an exponent as YAML 1.1 takes it for one: with a point before the e and a sign behind."""
    if "integer" in error.validator_value:
        return f"{float(error.instance):.0f}"
    mantissa, exponent = error.instance.lower().split("e")
    point, sign = "" if "." in mantissa else ".0", "" if exponent[0] in "+-" else "+"
    return f"{mantissa}{point}e{sign}{exponent}"


def describe(error: ValidationError, written: Mapping[str, str]) -> str:
    """One line: the path of the key, what is wrong, what would be right.

    Parameters
    ----------
    written : path of a key -> its value as the file has it, where YAML takes that for something else than text
    """
    while error.context:  # of alternatives, the one that came furthest
        error = max(error.context, key=_went_far)
    where = ".".join(map(str, error.absolute_path)) or "the top level"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(set(error.instance) - set(known))
        return "; ".join(f"{where}: unknown key {key!r}{nearest(key, known)}" for key in unknown)
    if error.validator == "not" and "enum" in error.validator_value:
        return f"{where}: results/{error.instance}/ is of all studies; choose another name"
    if error.validator == "not" and "multipleOf" in error.validator_value:
        return f"{where}: {error.instance} is even; a kernel needs an odd size"
    if error.validator == "pattern" and error.validator_value == "\\{label\\}":
        return f"{where}: {error.instance!r} has no {{label}} where the class name stands"
    if error.validator == "pattern" and where.startswith("folders."):
        return f"{where}: {error.instance!r} has braces, which stand for another folder; write the whole path"
    if error.validator == "pattern":
        return f"{where}: {error.instance!r} will not do; {error.schema['words']}"
    if error.validator == "type" and "string" in error.validator_value and isinstance(error.instance, int | float):
        text, read = written.get(where, json.dumps(error.instance)), json.dumps(error.instance)
        what = "is no text" if text == read else f"is read as {read}, which is no text"
        return f'{where}: {text} {what}; quote it: "{text}"'
    if error.validator == "type" and error.validator_value == "string" and error.instance is None:
        text = written.get(where, "null")
        return f'{where}: {text} is nothing in YAML; quote it: "{text}"' if text else f"{where}: is empty; write it"
    number = error.validator == "type" and any(kind in error.validator_value for kind in ("number", "integer"))
    if number and isinstance(error.instance, str) and EXPONENT.fullmatch(error.instance):
        return f"{where}: YAML reads {error.instance} as text; write {_in_full(error)}"
    if error.validator == "type" and error.validator_value == "array" and not isinstance(error.instance, dict | None):
        return f"{where}: {error.instance!r} is no list; write [{error.instance}]"
    if error.validator == "uniqueItems":
        twice = sorted({str(item) for item in error.instance if error.instance.count(item) > 1})
        return f"{where}: {', '.join(twice)} named twice"
    return f"{where}: {error.message}"
