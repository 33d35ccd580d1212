"""What figures call labels that are codes: read from a file, or from timm's words of ImageNet."""

import pytest

from maescope.base.errors import InputError
from maescope.study import class_names

LABELS = ["n01440764", "n03028079", "n02012849", "n03126707"]


def write(tmp_path, text):
    path = tmp_path / "names.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_a_name_for_each_label_that_the_file_has(tmp_path):
    path = write(tmp_path, "\ufeffa\tGreat tit\r\n\r\nb\tBlue tit\nelsewhere\tno label here\n")
    assert class_names.read("birds", path, ["a", "b", "c"]) == {"a": "Great tit", "b": "Blue tit"}


def test_synsets_have_the_words_of_imagenet_and_equal_ones_stay_apart():
    """A crane is a bird and a machine."""
    found = class_names.read("val", None, LABELS)
    assert found["n01440764"] == "tench" and found["n03028079"] == "church"
    assert (found["n02012849"], found["n03126707"]) == ("crane (n02012849)", "crane (n03126707)")
    assert class_names.read("val", None, LABELS[:3])["n02012849"] == "crane"


def test_other_labels_without_a_file_have_no_names():
    assert class_names.read("digits", None, ["0", "1"]) == {} == class_names.read("digits", None, [])
    assert class_names.read("mixed", None, ["n01440764", "cat"]) == {}


def test_labels_whose_accents_are_one_character_or_two_are_the_same(tmp_path):
    path = write(tmp_path, "caf\u00e9\tCoffee\n")
    assert class_names.read("d", path, ["cafe\u0301"]) == {"cafe\u0301": "Coffee"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a Great tit\n", "line 1: has no tab between a label and its name"),
        ("b\tx\na\t\n", "line 2: has no tab between a label and its name"),
        ("a\tone\na\ttwo\n", "line 2: a has another name above; keep one"),
        ("a\tone\u202e\n", "line 1: has the character '\\u202e', which is not seen; remove it"),
        ("x\tone\n", "names none of the labels, which are a, b and so on"),
        (b"a\t\xff\n", "is no text in UTF-8; give a label, a tab and its name on each line"),
    ],
)
def test_what_is_wrong_is_told_by_key_file_and_line(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        class_names.read("birds", path, ["a", "b"])
    assert str(caught.value).startswith(f"datasets.birds.names: {path}") and str(caught.value).endswith(said)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(InputError, match=r"^datasets\.d\.names: there is no file /nowhere\.txt; correct the path"):
        class_names.read("d", "/nowhere.txt", ["a"])
