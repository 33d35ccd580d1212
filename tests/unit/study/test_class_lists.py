"""Lists of classes as people have them: read where they are plain, else named with their line."""

import json
import unicodedata

import pytest
from conftest import REPOSITORY

from maescope.base import imports
from maescope.base.errors import InputError
from maescope.images import patterns, sampling
from maescope.study import class_lists

SCRIPTS = REPOSITORY / "workflow/scripts"
CAFE = unicodedata.normalize("NFC", "café")
APART = unicodedata.normalize("NFD", CAFE)


@pytest.fixture
def pets(tmp_path):
    """Folders of two classes, and where a list of them is."""
    for label in ("cat", "dog"):
        (tmp_path / "val" / label).mkdir(parents=True)
        (tmp_path / "val" / label / "1.png").touch()
    return tmp_path


def read(pets, text, name="classes.txt"):
    (pets / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return class_lists.read_classes("pets", str(pets / name), f"{pets}/val/{{label}}/*.png")


@pytest.mark.parametrize(
    "text",
    [
        "dog\ncat\n",
        "\ufeffdog\ncat\n",  # as Windows' Notepad writes it
        "dog\r\ncat\r\n",
        "0,dog\n1,cat",
        "1,cat\n0,dog",  # in any order
        "1 dog\n2 cat",  # from one, as CUB-200 has it
        "0\tdog\n1\tcat",
        "0: dog\n1: cat",
        "dog 0\ncat 1",  # as Places365 has it
        "dog,0\ncat,1",
        '["dog", "cat"]',
        '{"0": "dog", "1": "cat"}',
        '{"cat": 1, "dog": 0}',  # torchvision's class_to_idx
        '{"0": ["dog", "a domestic animal"], "1": ["cat", "another"]}',
    ],
)
def test_plain_lists_are_read_as_they_are_published(pets, text):
    assert read(pets, text) == ["dog", "cat"]


def test_synsets_are_read_from_the_list_of_words_beside_them_and_from_the_index_of_keras(pets):
    mapping = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
    index = {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}
    assert read(pets, mapping) == read(pets, json.dumps(index)) == ["n01440764", "n01443537"]


@pytest.mark.parametrize(
    "text",
    [
        "n02119789 1 kit_fox\nn02100735 2 English_setter",  # the order of the development kit, not of the head
        "id,name\n0,cat\n1,dog",  # a heading
        "0,cat\n2,dog",  # one is missing
        "0,cat\n0,dog",
        "1 euro\n2 euro",
        "cat, dog",
        "7",  # each of these two is JSON, but no list
        "true",
        '{"0": {"name": "cat"}}',
        '{"cat": 0, "dog": 0, "n03": 1, "n04": 1}',  # two outputs for four labels
        '{"0": "cat", "0": "dog", "1": "n03"}',
        '{"cat": 0, "dog": 1, "cat": 2}',
    ],
)
def test_what_is_not_plain_is_taken_as_it_stands(pets, text):
    assert read(pets, text) == text.split("\n")


def test_of_two_numbers_that_may_both_be_the_index_none_is_chosen(pets):
    with pytest.raises(InputError, match=r"classes\.txt: of the two numbers of '0 1' either may be the index"):
        read(pets, "0 1\n1 2\n2 0")  # labels 1, 2, 0 or 2, 0, 1
    assert read(pets, "0 0\n1 1\n2 2") == read(pets, "0 0\n2 2\n1 1") == ["0", "1", "2"]  # the same both ways
    assert read(pets, "0 10\n1 5") == ["10", "5"]
    assert read(pets, "n01443537 1\nn01440764 0") == ["n01440764", "n01443537"]


@pytest.mark.parametrize("text", ["[" * 100_000, f"{'0' * 5000} cat", f'{{"{"0" * 5000}": "cat"}}'])
def test_no_list_is_too_odd_to_be_taken_as_it_stands(pets, text):
    assert read(pets, text) == [text]


@pytest.mark.parametrize("folder", ["0,cat", "1 cat", "n01440764 tench"])
def test_folders_that_are_called_like_the_lines_are_meant(pets, folder):
    (pets / "val" / folder).mkdir()
    text = f"{folder}\n{folder.replace('cat', 'dog').replace('0,', '1,').replace('1 ', '2 ').replace('764', '765')}"
    assert read(pets, text) == text.split("\n")


def test_a_list_of_which_no_folder_is_there_is_named_with_its_line(pets):
    (pets / "classes.txt").write_text("\nid,name\n0,cat\n")
    pattern, listed = f"{pets}/val/{{label}}/*.png", str(pets / "classes.txt")
    place = class_lists.in_list(listed, "id,name").removeprefix(": ")
    with pytest.raises(InputError) as caught:
        sampling.sample("pets", pattern, ["id,name", "0,cat"], 1, 0, listed=place)
    assert str(caught.value).startswith(
        f"datasets.pets.classes: {listed}, line 2: there is no {pets}/val/id,name/*.png, nor one for any other line"
    )
    one_lacks = "datasets.pets: too few images for 1 of 2 labels"
    with pytest.raises(InputError, match=one_lacks):
        sampling.sample("pets", pattern, ["id,name", "cat"], 1, 0, listed=place)
    with pytest.raises(InputError, match=one_lacks.replace("1 of", "2 of")):  # of no list
        sampling.sample("pets", pattern, ["id,name", "0,cat"], 1, 0)
    (pets / "val/cat/1.png").rename(pets / "val/cat/1.jpg")  # the folder is there, with another ending
    with pytest.raises(InputError, match=one_lacks.replace("1 of", "2 of")):
        sampling.sample("pets", f"{pets}/val/{{label}}/*.jpeg", ["id,name", "cat"], 1, 0, listed=place)


def test_what_draws_a_sample_imports_no_lists_whose_words_would_make_tokens_again():
    own = imports.closure(str(SCRIPTS / "images/sample.py"), lambda name: str(SCRIPTS / name))
    assert own and "maescope/study/class_lists.py" not in own and "maescope/study/settings.py" not in own


@pytest.mark.parametrize(
    ("text", "label", "place"),
    [
        ("bobcat\nbig cat\ncat\n", "cat", ", line 3"),
        ("\n0,bobcat\n1,cat\n", "cat", ", line 3"),
        ("10 cat\n1 dog\n", "1", ""),  # an index is no label
        ("bobcat,0\ncat,1\n", "cat", ", line 2"),
        ("n01440764 tench, n01443537\nn01443537 goldfish\n", "n01443537", ", line 2"),
        ('{\n"bobcat": 0,\n"cat": 1}', "cat", ", line 3"),
        ('{"0": "bobcat",\n"1": "caf\\u00e9"}', CAFE, ", line 2"),
        ("0 cat\ncat\n", "cat", ", line 2"),  # the whole line before a part of one
        ("bobcat\ndog\n", "cat", ""),
    ],
)
def test_the_line_that_is_named_has_that_very_label(pets, text, label, place):
    (pets / "classes.txt").write_text(text)
    listed = str(pets / "classes.txt")
    assert class_lists.in_list(listed, label) == f": {listed}{place}"


@pytest.mark.parametrize(
    ("pattern", "line", "there"),
    [
        ("**/{label}/*.png", "n01440764 tench", True),
        ("*/{label}/*.png", "n01440764 tench", True),
        ("**/{label}_*.png", "n01440764 tench", True),
        ("**/{label}/{label}*.png", "n01440764 tench", True),
        ("**/a_{label}_{label}.png", "n01440764 tench", True),
        ("**/a_{label}_{label}.png", "n01440764", False),
        ("**/{label}/*.png", "n01440764", False),  # the beginning of a name is no name
        ("**/{label}_[0-9]*.png", "n01440764 tench", True),
        ("**/{label}_[a-z]*.png", "n01440764 tench", False),
        ("{label}_*.png", "n01440764 tench", True),
        ("**/{label}/*.png", CAFE, True),
    ],
)
def test_below_folders_that_vary_all_lines_are_looked_for_at_once(pets, pattern, line, there, monkeypatch):
    for folder in ("n01440764 tench", APART):
        (pets / "val" / "deep" / folder).mkdir(parents=True)
        (pets / "val" / folder).mkdir()
    for file in ("n01440764 tench_1.png", "a_n01440764 tench_n01440764 tench.png"):
        (pets / "val" / file).touch()
    walks = []

    def counted(*args, walk=class_lists.iglob, **kwargs):
        walks.append(args)
        return walk(*args, **kwargs)

    monkeypatch.setattr(class_lists, "iglob", counted)
    lines = [f"n{number:08} x" for number in range(300)] + [line]
    assert class_lists.is_there(f"{pets}/val/{pattern}", lines) == there
    assert len(walks) == 1


def test_accents_in_one_character_or_two_are_one_name(pets):
    (pets / "val" / APART).mkdir()
    (pets / "val" / APART / "1.png").touch()
    pattern = f"{pets}/val/{{label}}/*.png"
    assert CAFE != APART
    assert class_lists.is_there(pattern, [CAFE])
    assert patterns.find(pattern, CAFE) == ([f"{pets}/val/{APART}/1.png"], [])
    assert class_lists.read_labels([APART, "cat"], ["cat", CAFE]) == [CAFE, "cat"]
    assert class_lists.read_labels([APART, CAFE], [APART, CAFE]) == [APART, CAFE]  # both are there
