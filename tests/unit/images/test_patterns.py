"""Which files are a label's: what is taken, what is refused by name, and what is told."""

import logging
import os

import PIL
import pytest
from PIL import Image

from maescope.base.errors import InputError
from maescope.images import patterns, sampling
from maescope.study import folders


def put(root, *names):
    """Small pictures, and files of other kinds."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (2, 2), (len(name), 0, 0))
        path.write_bytes(b"") if path.suffix in (".heic", ".txt") else picture.save(path, "PNG")


def taken(root, pattern, labels, **settings):
    """Names below `root` of the pictures that each label gets."""
    chosen, _ = sampling.sample("d", f"{root}/{pattern}", labels, None, 0, **settings)
    return {label: [os.path.relpath(r["path"], root) for r in chosen if r["label"] == label] for label in labels}


def refusal(root, pattern, labels, **settings):
    with pytest.raises(InputError) as caught:
        taken(root, pattern, labels, **settings)
    return str(caught.value)


# ---- Two labels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["{label}_*.png", "{label}*", "*{label}*.png"])
def test_a_picture_that_two_labels_would_have_is_refused_with_both(pattern, tmp_path):
    put(tmp_path, *(f"{label}_{n}.png" for label in ("cat", "cat_big") for n in range(4)))
    said = refusal(tmp_path, pattern, ["cat", "cat_big"])
    assert said.startswith(f"datasets.d.pattern: {tmp_path}/cat_big_0.png is found for cat and for cat_big; write")


def test_one_that_a_class_would_have_which_is_not_among_the_labels_is_refused_too(tmp_path):
    put(tmp_path, "cat_0.png", "cat_big_0.png", "dog_0.png")
    said = refusal(tmp_path, "{label}_*.png", ["cat", "dog"], classes=["cat", "cat_big", "dog"])
    assert f"{tmp_path}/cat_big_0.png is found for cat and for cat_big, one of the classes" in said
    assert taken(tmp_path, "{label}_?.png", ["cat", "dog"], classes=["cat", "cat_big", "dog"]) == {
        "cat": ["cat_0.png"],
        "dog": ["dog_0.png"],
    }


def test_labels_one_in_another_below_any_folders_are_refused(tmp_path):
    put(tmp_path, "bird/1.png", "bird/owl/2.png")
    said = refusal(tmp_path, "**/{label}/**/*.png", ["bird", "owl"])
    assert f"{tmp_path}/bird/owl/2.png is found for bird and for owl" in said
    said = refusal(tmp_path, "**/{label}/**/*.png", ["bird"], classes=["bird", "owl"])
    assert f"{tmp_path}/bird/owl/2.png is found for bird and for owl, one of the classes" in said


def test_a_folder_that_links_to_that_of_another_label_is_refused(tmp_path):
    put(tmp_path, "cat/1.png")
    (tmp_path / "dog").symlink_to("cat")
    said = refusal(tmp_path, "{label}/*", ["cat", "dog"])
    assert f"{tmp_path}/dog/1.png, the same as {tmp_path}/cat/1.png, is found for cat and for dog" in said


def test_pictures_that_are_links_to_one_another_stay_each_its_own(tmp_path):
    put(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "dog/1.png").symlink_to("../cat/1.png")  # shows a cat and a dog
    assert taken(tmp_path, "{label}/*", ["cat", "dog"]) == {"cat": ["cat/1.png"], "dog": ["dog/1.png", "dog/2.png"]}


def test_folders_of_just_the_label_may_be_called_as_they_like(tmp_path):
    put(tmp_path, "a/cat/1.png", "a/cat_big/1.png", "cat/cat_big/1.png")
    found = taken(tmp_path, "*/{label}/*", ["cat", "cat_big"], classes=["cat", "cat_big", "a", "1"])
    assert found == {"cat": ["a/cat/1.png"], "cat_big": ["a/cat_big/1.png", "cat/cat_big/1.png"]}


@pytest.mark.parametrize(
    ("label", "names", "longer"),
    [
        ("cat", ["cat1.png", "caterpillar1.png"], "caterpillar1.png"),
        ("1", ["1.png", "1_2.png", "10.png"], "10.png"),
        ("cat", ["cat1.png", "cat_big.png", "cat-2.png"], None),
        ("1", ["1a.png", "1.png"], None),
    ],
)
def test_a_label_that_takes_a_longer_word_or_number_is_told(label, names, longer, tmp_path, caplog):
    put(tmp_path, *names)
    with caplog.at_level(logging.WARNING):
        assert taken(tmp_path, "{label}*.png", [label]) == {label: sorted(names)}
    assert (f"{tmp_path}/{longer} is taken for {label}, though the name goes on" in caplog.text) == bool(longer)


@pytest.mark.parametrize(
    ("pattern", "label", "names", "longer"),
    [
        ("*{label}.png", "cat", ["1_cat.png", "bobcat.png"], "bobcat.png"),
        ("*{label}.png", "1", ["img_1.png", "img_21.png"], "img_21.png"),
        ("*{label}*/*.png", "cat", ["bobcat_2/1.png", "the cat 3/1.png"], "bobcat_2/1.png"),
        ("*{label}.png", "1", ["a1.png", "x_1.png"], None),
    ],
)
def test_a_label_that_takes_a_name_which_begins_before_it_is_told(pattern, label, names, longer, tmp_path, caplog):
    put(tmp_path, *names)
    with caplog.at_level(logging.WARNING):
        assert taken(tmp_path, pattern, [label]) == {label: sorted(names)}
    said = f"{tmp_path}/{longer} is taken for {label}, though the name begins before it"
    assert (said in caplog.text) == bool(longer)
    assert bool(longer) == bool(caplog.records)


@pytest.mark.parametrize(("part", "instead"), [("**.png", "**/*.png"), ("a**.png", "**/a*.png")])
def test_two_stars_within_a_name_are_told_to_look_into_no_folders(part, instead, tmp_path, caplog):
    put(tmp_path, "cat/a1.png", "cat/old/a2.png")
    with caplog.at_level(logging.WARNING):
        assert taken(tmp_path, f"{{label}}/{part}", ["cat"]) == {"cat": ["cat/a1.png"]}
    assert (
        f"datasets.d.pattern: ** in {part} looks into no folders; for those at any depth write {instead}" in caplog.text
    )
    assert taken(tmp_path, f"{{label}}/{instead}", ["cat"]) == {"cat": ["cat/a1.png", "cat/old/a2.png"]}


def test_a_link_that_leads_nowhere_is_named_with_what_it_leads_to(tmp_path):
    put(tmp_path, "cat/1.png")
    (tmp_path / "cat/2.png").symlink_to("gone.png")
    said = refusal(tmp_path, "{label}/*", ["cat"])
    assert said == f"{tmp_path}/cat/2.png: links to gone.png, which is not there; mend or remove it"


# ---- Folders in folders, and folders with odd names ------------------------------------------------------------------


def test_two_stars_are_any_folders_none_as_well(tmp_path):
    names = [f"{label}/{folder}{n}.png" for label in ("cat", "dog") for folder in ("", "a/", "a/b/") for n in range(3)]
    put(tmp_path, *names)
    for pattern in ("{label}/**/*.png", "{label}/**", "**/{label}/**/*", "**/{label}/**/**/*.png"):
        found = taken(tmp_path, pattern, ["cat", "dog"])
        assert found == {label: sorted(n for n in names if n.startswith(label)) for label in ("cat", "dog")}
    assert taken(tmp_path, "{label}/**/b/*", ["cat"]) == {"cat": [f"cat/a/b/{n}.png" for n in range(3)]}


def test_two_stars_take_no_picture_twice_and_end_where_a_link_leads_back(tmp_path):
    put(tmp_path, "cat/1.png", "cat/a/2.png", "cat/.hidden/3.png", "elsewhere/4.png")
    (tmp_path / "cat/a/up").symlink_to("../..")
    (tmp_path / "cat/again").symlink_to("a")
    (tmp_path / "cat/more").symlink_to("../elsewhere")
    found = taken(tmp_path, "{label}/**/*.png", ["cat"])
    assert found == {"cat": ["cat/1.png", "cat/a/2.png", "cat/a/up/elsewhere/4.png"]}


def test_a_relative_pattern_with_two_stars_has_relative_paths(tmp_path, monkeypatch):
    put(tmp_path, "x/cat/1.png", "cat/2.png")
    monkeypatch.chdir(tmp_path)
    for pattern in ("**/{label}/*.png", "./**/{label}/*.png"):
        chosen, _ = sampling.sample("d", pattern, ["cat"], None, 0)
        assert [os.path.normpath(row["path"]) for row in chosen] == ["cat/2.png", "x/cat/1.png"]
    assert [row["image"] for row in sampling.sample("d", "**/{label}/*.png", ["cat"], None, 0)[0]] == [
        "cat/2.png",
        "x/cat/1.png",
    ]


def test_a_picture_that_two_links_lead_to_counts_once(tmp_path):
    put(tmp_path, "cat/a/1.png")
    (tmp_path / "cat/b").symlink_to("a")
    assert taken(tmp_path, "{label}/*/*.png", ["cat"]) == {"cat": ["cat/a/1.png"]}


@pytest.mark.parametrize("folder", ["[2024] birds", "[ab]", "what?", "st*r", "a[!b]c"])
def test_named_folders_are_taken_as_they_are(folder, tmp_path):
    put(tmp_path, f"{folder}/cat/1.png", "a/cat/2.png", "whats/cat/3.png", "star/cat/4.png", "axc/cat/5.png")
    config = {"folders": {"pics": f"{tmp_path}/{folder}/"}, "datasets": {"d": {"pattern": "{pics}/{label}/*.png"}}}
    pattern = folders.resolve(config)["datasets"]["d"]["pattern"]
    chosen, _ = sampling.sample("d", pattern, ["cat"], None, 0)
    assert [(row["path"], row["image"]) for row in chosen] == [(f"{tmp_path}/{folder}/cat/1.png", "cat/1.png")]


def test_a_named_folder_in_a_key_that_is_no_pattern_is_not_escaped():
    config = {"folders": {"x": "/data/[a]"}, "models": {"vit": {"weights": "{x}/vit.pth"}}}
    assert folders.resolve(config)["models"]["vit"]["weights"] == "/data/[a]/vit.pth"


@pytest.mark.parametrize("pattern", ["[ab]/{label}/*.png", "x/{label}/[ab]/*.png", "[2]/[ab]/{label}/*"])
def test_brackets_that_are_also_the_name_of_a_folder_are_refused_with_how_to_write_it(pattern, tmp_path):
    for folder in ("[ab]", "a"):
        put(tmp_path, f"{folder}/cat/1.png", f"x/cat/{folder}/1.png", f"[2]/{folder}/cat/1.png")
    said = refusal(tmp_path, pattern, ["cat"])
    part = "[2]" if "[2]" in pattern else "[ab]"
    assert f"{part} stands for one of the characters in the brackets, but there is a folder {tmp_path}/" in said
    assert f"write [{part[0]}]{part[1:]} for it, or name it among folders" in said
    as_written = pattern.replace("[ab]", "[[]ab]").replace("[2]", "[[]2]")
    name = pattern.replace("{label}", "cat").replace("*.png", "1.png").replace("*", "1.png")
    assert taken(tmp_path, as_written, ["cat"]) == {"cat": [name]}


def test_brackets_that_are_no_folder_stand_for_their_characters(tmp_path):
    put(tmp_path, "a/cat/1.png", "b/cat/2.png", "c/cat/3.png")
    assert taken(tmp_path, "[ab]/{label}/*.png", ["cat"]) == {"cat": ["a/cat/1.png", "b/cat/2.png"]}


def test_home_is_the_folder_of_whoever_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "[me]"))
    config = {
        "folders": {"all": "~", "own": "~/own"},
        "datasets": {name: {"pattern": f"{name}/{{label}}/*"} for name in ("~/a", "{all}/b", "{own}/c")},
        "models": {"vit": {"weights": "~/vit.pth"}, "other": {"weights": "{own}/~/vit.pth"}},
    }
    found = folders.resolve(config)
    home = f"{tmp_path}/[[]me]"
    assert [entry["pattern"] for entry in found["datasets"].values()] == [
        f"{home}/{name}/{{label}}/*" for name in ("a", "b", "own/c")
    ]
    assert found["models"]["vit"]["weights"] == f"{tmp_path}/[me]/vit.pth"
    assert found["models"]["other"]["weights"] == f"{tmp_path}/[me]/own/~/vit.pth"


@pytest.mark.parametrize("pattern", ["/data/{a,b}/{label}/*", "/data/{2024}/{label}/*", "/data/{Label}/{label}/*"])
def test_braces_that_are_no_folder_of_the_configuration_are_refused(pattern):
    name = pattern.split("/")[2]
    with pytest.raises(InputError) as caught:
        folders.resolve({"datasets": {"d": {"pattern": pattern}}})
    said = f"datasets.d.pattern: {name} is not among folders (known: none); braces stand for nothing else"
    assert said in str(caught.value)


# ---- Endings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["{label}/*.jpg", "{label}/*.JPG", "{label}/**/*.Jpg"])
def test_the_case_of_an_ending_does_not_count(pattern, tmp_path):
    put(tmp_path, "cat/1.jpg", "cat/2.JPG", "cat/3.Jpg", "cat/4.jpg.bak.txt")
    assert taken(tmp_path, pattern, ["cat"]) == {"cat": ["cat/1.jpg", "cat/2.JPG", "cat/3.Jpg"]}


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("avif", "AVIF"),
        ("jfif", "JPEG"),
        ("jpe", "JPEG"),
        ("jp2", "JPEG2000"),
        ("j2k", "JPEG2000"),
        ("pbm", "PPM"),
        ("pnm", "PPM"),
        ("dib", "DIB"),
        ("apng", "PNG"),
    ],
)
def test_pictures_are_taken_by_every_ending_that_they_have(ending, kind, tmp_path):
    (tmp_path / "cat").mkdir()
    Image.new("1" if ending == "pbm" else "RGB", (16, 16)).save(tmp_path / f"cat/1.{ending}", kind)
    put(tmp_path, "cat/2.png")
    assert taken(tmp_path, "{label}/*", ["cat"]) == {"cat": [f"cat/1.{ending}", "cat/2.png"]}


@pytest.mark.parametrize(
    ("pattern", "passed_over", "level"),
    [
        ("{label}/*", "2 of .heic, 1 of .txt, 1 of folder, the first is", "CRITICAL"),
        ("{label}/*.png", "2 of .jpeg, the first is", "WARNING"),
        ("{label}/*.jpeg", "1 of .png, the first is", "WARNING"),
        ("{label}/**/*", "2 of .heic, 1 of .txt, the first is", "CRITICAL"),
        ("{label}/[1-36]*", "1 of .txt, the first is", "WARNING"),
    ],
)
def test_what_is_passed_over_is_told_once_by_its_endings(pattern, passed_over, level, tmp_path, caplog):
    put(tmp_path, "cat/1.png", "cat/2.jpeg", "cat/3.jpeg", "cat/4.heic", "cat/5.heic", "cat/6.txt", "cat/more/7.png")
    with caplog.at_level(logging.WARNING):
        taken(tmp_path, pattern, ["cat"])
    assert [record.levelname for record in caplog.records] == [level]
    assert f"datasets.d: passed over: {passed_over} {tmp_path}/cat/" in caplog.text


@pytest.mark.parametrize("pattern", ["{label}/*.png", "{label}/**/*.png", "{label}/**/[1-3]*"])
def test_nothing_is_told_where_nothing_is_passed_over(pattern, tmp_path, caplog):
    put(tmp_path, "cat/1.png", "cat/2.PNG", "cat/notes.txt", "cat/1 more/3.png")
    with caplog.at_level(logging.WARNING):
        taken(tmp_path, pattern, ["cat"])
    assert caplog.text == ""


def test_pictures_with_another_ending_are_named_where_there_are_too_few(tmp_path):
    put(tmp_path, "cat/1.jpeg", "cat/2.heic")
    said = refusal(tmp_path, "{label}/*.jpg", ["cat"])
    unread = f"pictures that Pillow {PIL.__version__} cannot open: {tmp_path}/cat/2.heic"
    beside = f"{unread}; pictures with another ending: {tmp_path}/cat/1.jpeg"
    assert f"cat: 0 of 1 images in {tmp_path}/cat/*.jpg; {beside}" in said


def test_a_label_with_nothing_but_broken_pictures_is_refused_while_sampling(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "dog/1.png").write_bytes(b"")
    assert "d: dog has 0 usable images of 1" in refusal(tmp_path, "{label}/*", ["cat", "dog"], on_bad_image="skip")


@pytest.mark.parametrize(
    ("path", "pattern", "name"),
    [
        ("/d/[a]/val/n01/x.png", "/d/[[]a]/val/{label}/*.png", "n01/x.png"),
        ("/d/what?/s*/n01_1.png", "/d/what[?]/s[*]/{label}_*.png", "n01_1.png"),
        ("/d/a/val/n01/x.png", "/d/[ab]/val/{label}/*.png", "a/val/n01/x.png"),
        ("/d/n01/a/b/x.png", "/d/{label}/**/*.png", "n01/a/b/x.png"),
    ],
)
def test_identities_begin_where_the_pattern_varies(path, pattern, name):
    assert patterns.identity(path, pattern) == name
