"""Keys that are given twice."""

import pytest

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
