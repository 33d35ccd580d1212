"""What YAML reads as something else than it says."""

import pytest
import yaml
from snakemake.common.configfile import load_configfile

from maescope.base import yaml_keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: {a: 2}\nc: [a, a, {a: 1}]", []),
        ("base: &base {x: 1}\nother: {<<: *base, x: 2}", []),
        ("a: 1\nb: 2\na: 3", ["line 3: the key 'a' is given twice"]),
        ("a:\n- b: 1\n  c: 2\n  b: 1", ["line 4: the key 'b' is given twice"]),
        ("", []),
    ],
)
def test_a_key_that_is_given_twice_is_named_with_its_line(text, said):
    assert list(yaml_keys.repeated(text)) == said
    assert list(yaml_keys.faults(text)) == said


@pytest.mark.parametrize(
    ("name", "read"),
    [("no", "false"), ("On", "true"), ("010", "8"), ("12:30", "750"), ("0x1F", "31"), ("1_000", "1000"), ("~", "null")],
)
def test_a_name_that_yaml_turns_into_another_is_to_be_quoted(name, read):
    text = f"blur:\n  levels:\n    weak: 1\n    {name}: 2\n"
    assert list(yaml_keys.faults(text)) == [
        f'line 4: blur.levels.{name}: {name} is read as {read} in YAML; quote it: "{name}"'
    ]
    assert list(yaml_keys.faults(text.replace(name, f'"{name}"'))) == []


def test_of_two_names_that_become_one_the_second_is_named():
    assert yaml.safe_load("{8: a, 010: b}") == {8: "b"}  # the first is lost
    assert list(yaml_keys.faults("{8: a, 010: b}")) == ['line 1: 010: 010 is read as 8 in YAML; quote it: "010"']
    assert list(yaml_keys.faults("{1.1: a, 1.10: b}")) == [
        'line 1: 1.10: 1.10 is read as 1.1 in YAML; quote it: "1.10"'
    ]


def test_numbers_that_stay_what_they_are_name_levels_as_before():
    assert list(yaml_keys.faults("{1: a, 2.5: b, -3: c, true: d, null: e}")) == []


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("2021-03-01", 'a date or a time in YAML; quote it: "2021-03-01"'),
        ("2021-03-01T10:00:00Z", 'a date or a time in YAML; quote it: "2021-03-01T10:00:00Z"'),
        ("!!binary aGVsbG8=", 'binary data in YAML; quote it: "aGVsbG8="'),
    ],
)
def test_dates_times_and_binary_data_are_no_settings(value, what):
    written = value.split()[-1]
    (said,) = yaml_keys.faults(f"datasets:\n  pets:\n    classes: [cat, {value}]\n")
    assert said == f"line 3: datasets.pets.classes.1: {written} is {what}"


@pytest.mark.parametrize(("value", "read"), [("010", "8"), ("1:30", "90"), ("1:30.5", "90.5"), ("-012", "-10")])
def test_a_number_that_yaml_counts_otherwise_is_named(value, read):
    (said,) = yaml_keys.faults(f"datasets:\n  pets: {{count: {value}}}\n")
    assert (
        said == f'line 2: datasets.pets.count: {value} is read as {read} in YAML; quote it: "{value}", or write {read}'
    )
    assert list(yaml_keys.faults(f'datasets: {{pets: {{count: "{value}"}}}}')) == []


def test_other_numbers_are_taken_as_they_are():
    assert list(yaml_keys.faults('[0, 0.5, 1_000, 0x10, 1.0e-3, 08, !!int "12"]')) == []


def test_an_equals_sign_is_a_name_like_others():
    assert list(yaml_keys.faults("levels: {=: 1}")) == []


def test_a_set_and_a_date_as_a_name_are_no_settings():
    (said,) = yaml_keys.faults("a: !!set {x, y}")
    assert said == "line 1: a: this is a set in YAML; write a list"
    (said,) = yaml_keys.faults("levels: {2021-03-01: 1}")
    assert said == 'line 1: levels.2021-03-01: 2021-03-01 is a date or a time in YAML; quote it: "2021-03-01"'


def test_what_holds_itself_is_walked_through_once():
    assert list(yaml_keys.faults("a: &a [1, *a]\nb: &b {c: *b, d: 1, d: 2}")) == ["line 2: the key 'd' is given twice"]


def test_json_may_be_indented_by_tabs():
    assert list(yaml_keys.faults('{\n\t"a": [1],\n\t"a": 2\n}')) == ["line 3: the key 'a' is given twice"]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "/data/\\ud83d\\ude00/{label}/*.png", "\\ud83d\\ude00": 1}',  # as Python writes JSON
        '{"a": "\x80\x7f\ufffe", "\x80": 1, "\x81": 2}',
        "{a:, b: {c:}}",
        "%NAME x\n---\na: 1",
        "a: |\n \tx",
        "a: 1\n\ufeffb: 2",
    ],
)
def test_what_snakemake_reads_is_read_here(text, tmp_path):
    """Some of it libyaml would refuse."""
    path = tmp_path / "config"
    path.write_text(text)
    assert load_configfile(path)
    assert list(yaml_keys.faults(text)) == []


def test_values_without_quotes_are_known_as_they_were_written():
    text = "a: [no, 010, '010', x]\nb: {c: 12:30}"
    assert yaml_keys.written(text) == {"a.0": "no", "a.1": "010", "b.c": "12:30"}
