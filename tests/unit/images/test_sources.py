"""Pictures named by lists, in parquet files and in tars: the same as in folders, and what of them is refused.

Parquet files are written by pyarrow as Hugging Face writes them, tars by tarfile.
"""

import errno
import io
import json
import logging
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow.parquet import write_table
from timm.models.vision_transformer import VisionTransformer

from maescope.base import tidy
from maescope.base.errors import InputError
from maescope.images import addresses, parquet_files, perturbations, reading, sampling, sources
from maescope.tokens import extraction

LABELS = ["cat", "dog"]
PREPROCESSING = reading.Preprocessing(8, 8, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
HUB = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def jpeg(seed, **options):
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG", **options)
    return file.getvalue()


PICTURES = {f"{label}/{n}.jpg": jpeg(10 * (label == "dog") + n) for n in range(6) for label in LABELS}  # mixed up


def parquet(path, rows, names=None, **options):
    """Rows of name, label and content."""
    columns = [
        pa.array([{"bytes": content, "path": name} for name, _, content in rows], HUB),
        pa.array([label for _, label, _ in rows]),
    ]
    said = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    schema = pa.schema([("image", HUB), ("label", columns[1].type)], {"huggingface": json.dumps(said)} if names else {})
    write_table(pa.Table.from_arrays(columns, schema=schema), path, **options)


def tar(path, *members, mode="w"):
    """Members in their order, each a name and its content, or several of them in a list."""
    members = [one for member in members for one in (member if isinstance(member, list) else [member])]
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))


def beside(name, content, label):
    return [(name, content), (f"{name.partition('.')[0]}.cls", str(label).encode())]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The same pictures in every form."""
    root = tmp_path_factory.mktemp("made")
    for name, content in PICTURES.items():
        path = root / "folders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [f"{name},{Path(name).parent},{'train' if '5' in name else 'val'}\n" for name in PICTURES]
    (root / "list.csv").write_text("file,class,split\n" + "".join(lines))
    (root / "list.txt").write_text("".join(f"folders/{name} {name.startswith('dog'):d}\n" for name in PICTURES))
    rows = [(Path(name).name, int(name.startswith("dog")), content) for name, content in PICTURES.items()]
    for part in (0, 1):
        (root / "hub").mkdir(exist_ok=True)
        place = root / f"hub/train-0000{part}-of-00002.parquet"
        parquet(place, rows[part * 7 :][:7], LABELS, row_group_size=2)
        members = [beside(*item, int(item[0].startswith("dog"))) for item in list(PICTURES.items())[part * 7 :][:7]]
        tar(root / f"shards-{part:06d}.tar", *members)
    return root


FORMS = {
    "list": lambda root: {
        "list": f"{root}/list.csv",
        "root": f"{root}/folders",
        "columns": {"path": "file", "label": "class"},
    },
    "parquet": lambda root: {"parquet": f"{root}/hub"},
    "tar": lambda root: {"tar": f"{root}/shards-*.tar"},
}


def found(entry, labels=LABELS, classes=LABELS):
    """What a dataset of a source has."""
    kind = next(name for name in FORMS if name in entry)
    return sources.find("pets", kind, entry | {"labels": labels, "classes": classes}), entry[kind]


def sampled(entry, folder, count=4, labels=LABELS, classes=LABELS, **settings):
    """The list as a later job reads it."""
    if "pattern" in entry:
        told, place = None, entry["pattern"]
    else:
        told, place = found(entry, labels, classes)
    chosen, _ = sampling.sample("pets", place, labels, count, 0, told=told, exif=entry.get("exif"), **settings)
    tidy.write(pd.DataFrame(chosen).assign(target=0), folder / "list.csv")
    return tidy.read([folder / "list.csv"])


def refusal(entry, folder=None, **settings):
    with pytest.raises(InputError) as caught:
        sampled(entry, folder, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- The same as in folders ------------------------------------------------------------------------------------------


def tokens(rows, folder):
    """All arrays of the tokens of a sampled list."""
    torch.manual_seed(0)
    size = {"img_size": 8, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2}
    model, arrays = VisionTransformer(**size, num_classes=2).eval(), {}
    for kind in (perturbations.Clean(), perturbations.Mask(0.5, 2, 0, "pets")):
        extractor = extraction.Extractor(model, kind, PREPROCESSING, patch=True)
        outputs = {label: str(folder / f"{label}.h5") for label in LABELS}
        attributes = {"config_hash": "h"}
        assert list(extraction.extract(extractor, rows, outputs, None, attributes, 3)) == [2, 2, 2, 2]
        for label, path in outputs.items():
            with h5py.File(path) as file:
                for level in extractor.perturbation.levels:
                    arrays |= {(label, level, name): item[:] for name, item in file["levels"][level].items()}
    return arrays


@pytest.fixture(scope="module")
def reference(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    rows = sampled({"pattern": f"{made}/folders/{{label}}/*.jpg"}, folder)
    return rows, tokens(rows, folder)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_pictures_are_drawn_and_their_tokens_are_the_same_bit_by_bit(form, made, reference, tmp_path):
    rows, expected = reference
    own = sampled(FORMS[form](made), tmp_path, threads=2)
    same = ["label", "image", "width", "height"]
    assert own[same].equals(rows[same])
    got = tokens(own, tmp_path)
    assert got.keys() == expected.keys() and len(got) > 30
    assert all(np.array_equal(got[name], value) for name, value in expected.items())


def test_a_list_has_the_place_of_each_picture_in_its_shard(made, tmp_path):
    rows = sampled(FORMS["tar"](made), tmp_path)
    for row in rows.to_dict("records"):
        assert Path(row["path"]).read_bytes()[row["start"] :][: row["length"]] == PICTURES[row["image"]]
    rows = sampled(FORMS["parquet"](made), tmp_path)
    for row in rows.to_dict("records"):
        table = pa.parquet.read_table(row["path"]).to_pylist()
        assert table[row["row"]]["image"]["bytes"] == PICTURES[row["image"]]


def test_what_is_kept_of_an_extraction_asks_each_shard_once(made, tmp_path):
    rows = sampled(FORMS["tar"](made), tmp_path, count=None)
    assert extraction.pictures(perturbations.Clean(), rows) == [f"{made}/shards-00000{n}.tar" for n in (0, 1)]


def test_lists_of_folders_are_as_they_were(made, tmp_path):
    rows = sampled({"pattern": f"{made}/folders/{{label}}/*.jpg"}, tmp_path)
    assert list(rows) == ["label", "image", "path", "width", "height", "target"]
    assert addresses.of(rows) == rows["path"].tolist()


def test_a_text_has_paths_and_numbers_of_classes_from_its_own_folder(made):
    own, _ = found({"list": f"{made}/list.txt"})
    assert list(own["dog"]) == [f"folders/dog/{n}.jpg" for n in range(6)]
    own, _ = found({"list": f"{made}/list.txt"}, ["dog"], ["dog", "cat"])
    assert list(own["dog"]) == [f"dog/folders/cat/{n}.jpg" for n in range(6)]  # 0 is dog now


def test_only_a_split_is_taken(made):
    own, _ = found(FORMS["list"](made) | {"split": "train"})
    assert {label: list(pictures) for label, pictures in own.items()} == {"cat": ["cat/5.jpg"], "dog": ["dog/5.jpg"]}


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b.jpg\tbig cat\n", "a b.jpg"), ("a b.jpg,big cat\n", "a b.jpg"), ("a b.jpg 0\n\n", "a b.jpg")],
)
def test_a_label_is_behind_a_tab_a_comma_or_a_space(text, name, tmp_path):
    (tmp_path / "list.lst").write_text(text)
    own, _ = found({"list": f"{tmp_path}/list.lst"}, ["big cat"], ["big cat", "dog"])
    assert own == {"big cat": {f"big cat/{name}": f"{tmp_path}/{name}"}}


@pytest.mark.parametrize(("between", "name"), [(";", "l.csv"), ("\t", "l.tsv"), (",", "l.csv")])
def test_a_table_may_have_another_delimiter_a_byte_order_mark_and_quotes(between, name, tmp_path):
    rows = [["label", "path"], ["cat", '"a;b, c\t.jpg"']]
    (tmp_path / name).write_text("\ufeff" + "\n".join(between.join(row) for row in rows))
    assert found({"list": f"{tmp_path}/{name}"})[0]["cat"] == {"cat/a;b, c\t.jpg": f"{tmp_path}/a;b, c\t.jpg"}


NUMBERS = ["1", "2", "10"]


@pytest.mark.parametrize("form", ["list", "tar", "json", "parquet"])
def test_where_classes_are_numbers_a_number_is_a_name(form, tmp_path):
    """Not the first class for 0 and the second for 1, as they are counted where classes have names."""

    def write(*labels):
        (tmp_path / "list.txt").write_text("".join(f"{n}.jpg {label}\n" for n, label in enumerate(labels)))
        tar(tmp_path / "a.tar", *(beside(f"{n}.jpg", b"", label) for n, label in enumerate(labels)))
        told = [[(f"{n}.jpg", b""), (f"{n}.json", f'{{"cls": {label}}}'.encode())] for n, label in enumerate(labels)]
        tar(tmp_path / "json.tar", *told)
        parquet(tmp_path / "a.parquet", [(f"{n}.jpg", label, b"") for n, label in enumerate(labels)])

    places = {"list": "list.txt", "tar": "a.tar", "json": "json.tar", "parquet": "a.parquet"}
    entry = {"tar" if form == "json" else form: f"{tmp_path}/{places[form]}"}
    write(1, 10, 2)
    own, _ = found(entry, NUMBERS, NUMBERS)
    assert {label: [*pictures] for label, pictures in own.items()} == {
        "1": ["1/0.jpg"],
        "2": ["2/2.jpg"],
        "10": ["10/1.jpg"],
    }
    own, _ = found(entry, ["2", "10"], None)
    assert [*own["2"]] == ["2/2.jpg"]
    write(1, 0)
    assert ": the label '0' is not in datasets.pets.classes" in refusal(entry, labels=NUMBERS, classes=NUMBERS)


def test_the_number_that_a_parquet_file_has_for_a_name_is_not_counted(tmp_path):
    parquet(tmp_path / "a.parquet", [(None, 0, b"")], NUMBERS)
    assert "row 0: the label '1' is not among the classes; add it" in refusal({"parquet": f"{tmp_path}"})


def test_the_name_of_a_picture_stays_when_its_list_is_moved_with_it(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place / "lists").mkdir(parents=True)
        (tmp_path / place / "lists/l.csv").write_text("path,label\n../photos/a.jpg,cat\n..b/b.jpg,cat\n")
        own, _ = found({"list": f"{tmp_path}/{place}/lists/l.csv"})
        assert own["cat"] == {
            "cat/photos/a.jpg": f"{tmp_path}/{place}/photos/a.jpg",
            "cat/..b/b.jpg": f"{tmp_path}/{place}/lists/..b/b.jpg",
        }
    (tmp_path / "l.csv").write_text("path,label\n/other/a.jpg,cat\n")
    assert found({"list": f"{tmp_path}/l.csv"})[0]["cat"] == {"cat/other/a.jpg": "/other/a.jpg"}


def test_a_key_that_is_named_tells_the_label_whatever_a_cls_says(tmp_path):
    members = [
        *beside("a.jpg", b"", "cat"),
        ("a.json", b'{"kind": "dog"}'),
        *beside("b.jpg", b"", "cat"),
        ("b.json", b"{}"),
    ]
    tar(tmp_path / "a.tar", *members[:3])
    entry = {"tar": f"{tmp_path}"}
    assert [*found(entry)[0]["cat"]] == [*found(entry | {"columns": {"label": "cls"}})[0]["cat"]] == ["cat/a.jpg"]
    entry["columns"] = {"label": "kind"}
    assert [*found(entry)[0]["dog"]] == ["dog/a.jpg"]
    tar(tmp_path / "a.tar", *members)
    assert "a.tar: b.jpg: has no label; give it one" in refusal(entry)


def test_labels_without_a_picture_are_told(tmp_path, caplog):
    tar(tmp_path / "a.tar", beside("a.jpg", b"", 0), ("b.cls", b"0"), ("info.json", b"{}"))
    assert [*found({"tar": f"{tmp_path}"})[0]["cat"]] == ["cat/a.jpg"]
    assert "a.tar: 2 labels have no picture beside them, the first is of b" in caplog.text


def test_without_labels_all_pictures_are_of_the_only_one(made, tmp_path):
    (tmp_path / "list.txt").write_text("my scenes/1.jpg\nmy scenes/2.jpg\n")
    tar(tmp_path / "a.tar", *PICTURES.items())
    for entry, names in (({"list": f"{tmp_path}/list.txt"}, 2), ({"tar": f"{tmp_path}/a.tar"}, 12)):
        assert len(found(entry, ["scenes"], None)[0]["scenes"]) == names
    tar(tmp_path / "a.tar", ("a.jpg", b""), beside("b.jpg", b"", "scenes"))
    said = "a.tar: a.jpg: has no label, but others have; give it one, or take it out"
    assert said in refusal({"tar": f"{tmp_path}"}, labels=["scenes"], classes=None)


@pytest.mark.parametrize("form", ["list", "parquet", "tar"])
def test_a_column_of_labels_that_is_named_must_be_there_for_one_label_as_well(form, made):
    entry = FORMS[form](made)
    entry["columns"] = entry.get("columns", {}) | {"label": "kind"}
    said = {"list": "no column 'kind'", "parquet": "no column kind that is filled", "tar": "has no label; give it one"}
    assert said[form] in refusal(entry, labels=["scenes"], classes=None)


def test_rows_whose_names_say_nothing_are_called_by_their_number(tmp_path):
    for name in (None, "image.jpg"):
        parquet(tmp_path / "a.parquet", [(name, n % 2, jpeg(n)) for n in range(4)], LABELS)
        own, _ = found({"parquet": f"{tmp_path}/a.parquet"})
        assert list(own["dog"]) == ["dog/a/000001", "dog/a/000003"]


def test_names_of_a_parquet_file_in_other_words_are_taken_by_their_number_and_told(tmp_path, caplog):
    parquet(tmp_path / "a.parquet", [(None, n % 2, jpeg(n)) for n in range(4)], ["Katze", "Hund"])
    own, _ = found({"parquet": f"{tmp_path}/a.parquet"})
    assert list(own["dog"]) == ["dog/a/000001", "dog/a/000003"]
    assert "parquet: Katze is taken for cat, and so on: the same number has another name" in caplog.text


def test_names_that_are_classes_but_for_their_spelling_count_only_where_their_order_is_the_same(tmp_path, caplog):
    entry = {"parquet": f"{tmp_path}"}
    for number in (0, 1):
        parquet(tmp_path / f"a-{number}.parquet", [(None, number, jpeg(0))], ["Apple Pie", "Crème"])
    own, _ = found(entry, ["apple_pie", "creme"], ["apple_pie", "creme"])
    assert [*own["creme"]] == ["creme/a-1/000000"] and caplog.text.count("is taken for") == 1  # once for all files
    assert "row 0: the label 'Apple Pie' is not in" in refusal(
        entry, labels=["creme", "apple_pie"], classes=["creme", "apple_pie"]
    )


def test_files_beside_a_picture_in_a_tar_are_no_pictures_and_a_json_tells_as_well(tmp_path):
    content = jpeg(0)
    members = [
        ("./a.json", b'{"label": "dog", "class": "cat"}'),
        ("./a.seg.png", content),
        ("./a.txt", b"a caption"),
        ("./a.JPG", content),
        ("./._a.jpg", b"of macOS"),
        ("./a.npy", b"an embedding"),
    ]
    tar(tmp_path / "a.tar", *members)
    assert list(found({"tar": f"{tmp_path}"})[0]["dog"]) == ["dog/a.JPG"]
    assert list(found({"tar": f"{tmp_path}", "columns": {"label": "class"}})[0]["cat"]) == ["cat/a.JPG"]


def test_labels_that_are_not_used_are_passed_over(made, caplog):
    own, _ = found(FORMS["parquet"](made), ["dog"], None)
    assert len(own["dog"]) == 6 and "passed over, as they are of none of the labels: 6 of cat" in caplog.text


# ---- What is refused -------------------------------------------------------------------------------------------------


def listed(text, name="l.csv", **more):
    def write(folder):
        (folder / name).write_text(text)
        return {"list": f"{folder}/{name}"} | more

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (listed("file,label\na.jpg,cat\n"), "l.csv has no column 'path'; its columns: 'file', 'label'; name it under"),
        (listed("path\na.jpg\n"), "l.csv has no column 'label'; its columns: 'path'; name it under columns"),
        (listed("path,label\na.jpg,cat\n", split="val"), "l.csv has no column 'split'; its columns: 'path', 'label'"),
        (listed("a.jpg cat\n", "l.txt", split="val"), "l.txt has no columns, and no splits; give a .csv, or leave"),
        (listed("path,label\na.jpg,cat\nb.jpg,\n"), "l.csv, line 3: label is empty; fill it in or remove it"),
        (listed("path,label\n,cat\n"), "l.csv, line 2: path is empty; fill it in or remove it"),
        (
            listed("path,label\na, b.jpg,cat\n"),
            "l.csv, line 2: has more fields than the header; put what has ',' in it",
        ),
        (
            listed("path,label,split\na.jpg,cat\n", split="val"),
            "l.csv, line 2: split is empty; fill it in or remove it",
        ),
        (listed("a.jpg\n", "l.txt"), "l.txt, line 1: 'a.jpg' has no label behind the path; write `path label`"),
        (
            listed("path,label\na.jpg,cow\n"),
            "l.csv, line 2: the label 'cow' is not in datasets.pets.classes (known: 'c",
        ),
        (listed("path,label\na.jpg,2\n"), "l.csv, line 2: 2 is none of the numbers 0 to 1 of datasets.pets.classes"),
        (
            listed("path,label\na.jpg,cat\n./a.jpg,dog\n"),
            "l.csv, line 3: ./a.jpg is there already, in line 2; take one",
        ),
        (listed("path,label\n"), "l.csv has no pictures; correct the path, or fill it"),
        (listed("", "l.txt"), "l.txt has no pictures; correct the path, or fill it"),
        (listed(""), "l.csv has no column 'path'; its columns: none"),
        (listed("path,label,split\na.jpg,cat,val\n", split="test"), "l.csv has no pictures of split test; correct"),
        (lambda folder: {"list": f"{folder}/gone.csv"}, "there is no file {folder}/gone.csv; correct the path"),
    ],
)
def test_a_list_that_is_not_as_it_should_be_is_refused_by_its_line(write, said, tmp_path):
    told = refusal(write(tmp_path))
    assert told.startswith("datasets.pets.list: ") and said.format(folder=tmp_path) in told


def test_of_a_list_with_too_few_pictures_the_path_is_to_be_corrected(tmp_path):
    (tmp_path / "l.csv").write_text("path,label\na.jpg,cat\n")
    with pytest.raises(
        InputError, match=r"too few images for 1 of 2 labels; correct the path or the labels\n  dog: 0 of"
    ):
        sampled({"list": f"{tmp_path}/l.csv"}, tmp_path, count=None)


def test_a_list_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "l.csv").write_bytes(b"path,label\n\xff\xfe.jpg,cat\n")
    assert "l.csv is no text in UTF-8 of one picture per line" in refusal({"list": f"{tmp_path}/l.csv"})


def test_a_path_that_is_not_there_is_named_or_skipped(made, tmp_path):
    (tmp_path / "l.csv").write_text(f"path,label\ngone.jpg,cat\n{made}/folders/cat/1.jpg,cat\n")
    entry, said = (
        {"list": f"{tmp_path}/l.csv"},
        f"datasets.pets: {tmp_path}/l.csv names {tmp_path}/gone.jpg, which is not",
    )
    assert said in refusal(entry, count=None, labels=["cat"])
    told, place = found(entry, ["cat"])
    chosen, skipped = sampling.sample("pets", place, ["cat"], None, 0, told=told, on_bad_image="skip")
    assert len(chosen) == 1 and [row["path"] for row in skipped] == [f"{tmp_path}/gone.jpg"]


def cut(at, more=0):
    """A shard of two pictures that ends where a member begins, or so many bytes behind that."""

    def write(folder):
        tar(folder / "a.tar", beside("a.jpg", jpeg(0), 0), beside("b.jpg", jpeg(1), 0))
        content = (folder / "a.tar").read_bytes()
        (folder / "a.tar").write_bytes(content[: content.index(at.encode()) + more])

    return write


def joined(folder):
    """Two tars one behind the other; tarfile ends where the first does."""
    for name in "ab":
        tar(folder / name, beside(f"{name}.jpg", b"", 0))
    (folder / "a.tar").write_bytes((folder / "a").read_bytes() + (folder / "b").read_bytes())


def linked(kind):
    """A shard of a picture and of a link to it."""

    def write(folder):
        tar(folder / "a.tar", beside("a.jpg", jpeg(0), 0))
        with tarfile.open(folder / "a.tar", "a") as archive:
            link = tarfile.TarInfo("b.jpg")
            link.type, link.linkname = kind, "a.jpg"
            archive.addfile(link)

    return write


def packed(mode):
    return lambda folder: tar(folder / f"a.tar.{mode}", beside("a.jpg", jpeg(0), 0), mode=f"w:{mode}")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (cut("a.jpg", 700), "a.tar: is no tar, or is cut off (unexpected end of data); fetch it again"),
        (cut("b.cls", -1), "a.tar: is no tar, or is cut off (unexpected end of data); fetch it again"),
        (cut("b.cls"), "a.tar: is cut off or broken at byte "),  # tarfile takes these for whole
        (cut("b.cls", 99), "a.tar: is cut off or broken at byte "),
        (cut("a.jpg", 100), "a.tar: is no tar, or is cut off (truncated header); fetch it again"),
        (packed("gz"), "a.tar.gz: is compressed (gzip), so no picture in it can be read by its place; unpack it to"),
        (packed("xz"), "a.tar.xz: is compressed (xz), so no picture"),
        (
            lambda f: tar(f / "a.tar", beside("a.jpg", b"", 0), ("a.png", b"")),
            "a.tar: a.jpg and a.png have one key, a; give each picture a name of its own",
        ),
        (
            lambda f: [tar(f / f"s-{n}.tar", beside("a.jpg", b"", 0)) for n in "01"],
            "s-1.tar: a.jpg: cat/a.jpg is there a second time; give each picture a name of its own",
        ),
        (lambda f: tar(f / "a.tar", ("a.jpg", b"")), "a.tar: a.jpg: has no label; give it one, or take it out"),
        (lambda f: tar(f / "a.tar", beside("a.jpg", b"", 7)), "a.tar: a.jpg: 7 is none of the numbers 0 to 1 of"),
        (lambda f: tar(f / "a.tar", beside("a.jpg", b"", "cow")), "a.tar: a.jpg: the label 'cow' is not in datasets"),
        (lambda f: tar(f / "a.tar", ("a.json", b"{")), "a.tar: a.json: cannot be read (Expecting property name"),
        (
            lambda f: tar(f / "a.tar", ("a.json", b'{"cls": [1]}')),
            "a.tar: a.json: the label is [1], neither a number nor a name; name another as columns.label",
        ),
        (
            lambda f: tar(f / "a.tar", ("a.v2.jpg", b"")),
            "a.tar: a.v2.jpg: has more than one dot, and what is behind the",
        ),
        (joined, "a.tar: has another tar behind its end, at byte 10240, as `cat` joins them; give the tars themselves"),
        (
            linked(tarfile.LNKTYPE),
            "a.tar: b.jpg: is no file but a link to 'a.jpg'; pack the tar anew with --dereference",
        ),
        (
            linked(tarfile.SYMTYPE),
            "a.tar: b.jpg: is no file but a link to 'a.jpg'; pack the tar anew with --dereference",
        ),
        (lambda f: (f / "a.tar").symlink_to("gone"), "a.tar links to gone, which is not there; mend or remove it"),
        (lambda f: tar(f / "._a.tar"), ", or no .tar in it; correct the path, a folder or a glob"),
        (lambda f: tar(f / "a.tar"), " has no pictures; correct the path, or fill it"),
        (lambda f: None, ", or no .tar in it; correct the path, a folder or a glob"),
        (
            lambda f: [tar(f / f"{split}-000000.tar") for split in ("train", "val")],
            "has files of several names (train, val), as splits have; write which, as ",
        ),
    ],
)
def test_a_tar_that_is_not_as_it_should_be_is_refused_by_its_member(write, said, tmp_path):
    write(tmp_path)
    told = refusal({"tar": f"{tmp_path}"})
    assert told.startswith("datasets.pets.tar: ") and said in told


def test_numbers_without_names_need_classes(tmp_path):
    tar(tmp_path / "a.tar", beside("a.jpg", jpeg(0), 0))
    parquet(tmp_path / "a.parquet", [(None, 1, jpeg(0))])
    said = " is a number without a name; give datasets.pets.classes, in the order of these numbers"
    assert said in refusal({"tar": f"{tmp_path}"}, classes=None)
    assert said in refusal({"parquet": f"{tmp_path}"}, classes=None)
    assert list(found({"parquet": f"{tmp_path}"})[0]["dog"]) == ["dog/a/000000"]


@pytest.mark.parametrize(
    ("rows", "names", "said"),
    [
        ([(None, -1, b"")], LABELS, "row 0 has the label -1, but label has the names of 0 to 1; take the files of"),
        ([(None, "cow", b"")], None, "a.parquet: row 0: the label 'cow' is not in datasets.pets.classes"),
        ([(None, 0, b""), (None, None, b"")], LABELS, "a.parquet: row 1: has no label; give it one, or take it out"),
        ([(None, 0.5, b"")], None, "a.parquet: label of row 0 is 0.5, neither a number nor a name; give another"),
        ([(None, 0, b"")], ["cat", "cow"], None),
        ([(None, 1, b"")], ["cat", "cow"], "a.parquet: row 0: the label 'cow' is not in datasets.pets.classes"),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_refused_by_its_number(rows, names, said, tmp_path):
    parquet(tmp_path / "a.parquet", rows, names)
    if said is None:
        assert found({"parquet": f"{tmp_path}"})
        return
    told = refusal({"parquet": f"{tmp_path}"})
    assert told.startswith("datasets.pets.parquet: ") and said in told


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"img": pa.array([{"bytes": b"", "path": ""}], HUB)},
            "its columns: img (struct<bytes: binary, path: string>)",
        ),
        (
            {"image": pa.array([b""]), "label": pa.array([0])},
            "its columns: image (binary), label (int64); name that of",
        ),
        ({"image": pa.array([{"path": "a"}]), "label": pa.array([0])}, "has no column image of {bytes, path}, as Hugg"),
    ],
)
def test_a_parquet_of_another_schema_is_refused_with_its_columns(columns, said, tmp_path):
    write_table(pa.table(columns), tmp_path / "a.parquet")
    told = refusal({"parquet": f"{tmp_path}"})
    assert told.startswith(f"datasets.pets.parquet: {tmp_path}/a.parquet: ") and said in told


def test_other_columns_are_named(tmp_path):
    table = pa.table({"img": pa.array([{"bytes": jpeg(0), "path": None}], HUB), "fine": pa.array(["cat"])})
    write_table(table, tmp_path / "a.parquet")
    entry = {"parquet": f"{tmp_path}", "columns": {"image": "img"}}
    assert "has no column label that is filled; name that of labels as columns.label" in refusal(entry)
    entry["columns"]["label"] = "fine"
    rows = sampled(entry, tmp_path, count=1, labels=["cat"])
    assert reading.load(addresses.of(rows)[0]).size == (12, 10)


@pytest.mark.parametrize("error", [MemoryError("all of it"), OSError(errno.EMFILE, "Too many open files")])
def test_a_lack_of_memory_or_open_files_makes_no_picture_of_a_shard_a_bad_one(error, tmp_path, monkeypatch):
    def lacking(*_, **__):
        raise error

    parquet(tmp_path / "a.parquet", [("a.jpg", 0, jpeg(0))], LABELS)
    told, place = found({"parquet": f"{tmp_path}"}, ["cat"])
    monkeypatch.setattr(pa.parquet.ParquetFile, "read_row_group", lacking)
    with pytest.raises(RuntimeError, match=r"a\.parquet: cat/a\.jpg: not read for lack of memory or of open files"):
        sampling.sample("pets", place, ["cat"], 1, 0, told=told, on_bad_image="skip")


def test_a_tar_that_the_disk_does_not_give_is_named(made, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, "Input/output error")

    told, place = found(FORMS["tar"](made))
    monkeypatch.setattr(addresses.os, "pread", failing)
    with pytest.raises(InputError, match=r"\.tar: cat/\d\.jpg: cannot be decoded .*Input/output error"):
        sampling.sample("pets", place, LABELS, 4, 0, told=told)


@pytest.mark.parametrize("at", [0, 50, -10])
def test_a_parquet_file_that_is_cut_off_is_named(at, made, tmp_path):
    whole = next((made / "hub").iterdir()).read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:at])
    assert f"{tmp_path}/a.parquet: is no parquet file, or is broken off" in refusal({"parquet": f"{tmp_path}"})


# ---- What changes after sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_a_shard_that_has_changed_since_is_refused(form, tmp_path):
    def write(start):
        order = [f"{n}.jpg" for n in np.roll(range(4), start)]
        parquet(tmp_path / "a.parquet", [(name, 0, PICTURES[f"cat/{name}"]) for name in order], LABELS)
        tar(tmp_path / "a.tar", *(beside(name, PICTURES[f"cat/{name}"], 0) for name in order))

    write(0)
    pictures = addresses.of(sampled({form: f"{tmp_path}"}, tmp_path, count=None, labels=["cat"]))
    for picture in pictures:
        reading.load(picture)
    write(1)
    with pytest.raises(InputError, match=rf"a\.{form}: cat/0\.jpg: is not what was sampled there, so the shard has"):
        reading.load(pictures[0])
    (tmp_path / f"a.{form}").unlink()
    with pytest.raises(InputError, match=rf"a\.{form}: no such file; results/images/ lists it"):
        reading.load(pictures[0])


def test_pictures_of_a_parquet_file_that_are_not_in_it_or_broken_are_named_or_skipped(tmp_path):
    rows = [("a.jpg", 0, None), ("b.jpg", 0, jpeg(1)[:200]), ("c.jpg", 0, jpeg(2))]
    parquet(tmp_path / "a.parquet", rows, LABELS)
    told, place = found({"parquet": f"{tmp_path}"}, ["cat"])
    chosen, skipped = sampling.sample("pets", place, ["cat"], None, 0, told=told, on_bad_image="skip")
    assert [row["image"] for row in chosen] == ["cat/c.jpg"]
    reasons = sorted(row["reason"] for row in skipped)
    assert reasons[0].startswith(f"{tmp_path}/a.parquet: cat/a.jpg: has no bytes; embed the pictures in the shard")
    assert reasons[1].startswith(f"{tmp_path}/a.parquet: cat/b.jpg: cannot be decoded")


def test_row_groups_that_are_kept_do_not_grow_and_are_read_once(tmp_path, monkeypatch):
    parquet(tmp_path / "a.parquet", [(None, 0, bytes([n]) * 1000) for n in range(40)], LABELS, row_group_size=4)
    opened, kept, read = parquet_files.Opened(str(tmp_path / "a.parquet")), parquet_files.Kept(9000), []
    pictures = parquet_files.Opened.pictures
    monkeypatch.setattr(parquet_files.Opened, "pictures", lambda *of: read.append(of[1]) or pictures(*of))
    for row in range(40):
        assert opened.cell("image", row, kept) == bytes([row]) * 1000
        assert sum(group.nbytes for group in kept.groups.values()) <= 9000
    assert read == list(range(10)) and opened.cell("image", 40, kept) is None
    again = parquet_files.Opened(str(tmp_path / "a.parquet"))  # as after 16 others
    assert again.cell("image", 39, kept) == bytes([39]) * 1000 and read == list(range(10))


# ---- EXIF, and what Pillow opens -------------------------------------------------------------------------------------


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    return jpeg(3, exif=exif)


def test_exif_is_applied_where_it_is_asked_for_and_the_list_says_so(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.jpg").write_bytes(turned())
    (tmp_path / "cat/b.jpg").write_bytes(jpeg(4))
    tar(tmp_path / "a.tar", beside("a.jpg", turned(), 0))
    as_stored = np.asarray(Image.open(io.BytesIO(jpeg(3))))
    (tmp_path / "own").mkdir()
    for entry in ({"pattern": f"{tmp_path}/{{label}}/*.jpg"}, {"tar": f"{tmp_path}"}):
        rows = sampled(entry | {"exif": "apply"}, tmp_path / "own", count=None, labels=["cat"])
        assert rows.loc[0, ["width", "height", "exif"]].tolist() == [10, 12, "apply"]
        picture, *rest = [np.asarray(reading.load(one)) for one in addresses.of(rows)]
        assert np.array_equal(picture, np.rot90(as_stored, -1))
        assert all(one.shape == (10, 12, 3) for one in rest)
    plain = sampled({"pattern": f"{tmp_path}/{{label}}/*.jpg"}, tmp_path / "own", count=None, labels=["cat"])
    assert plain.loc[0, ["width", "height"]].tolist() == [12, 10]
    assert np.array_equal(np.asarray(reading.load(addresses.of(plain)[0])), as_stored)


def test_pillow_turns_tiffs_in_any_case(tmp_path):
    """And once, also where it is asked for."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.random.default_rng(5).integers(0, 256, (10, 12, 3), dtype=np.uint8))
    stored.save(tmp_path / "a.tif", exif=exif)
    for own in (None, "apply"):
        picture = reading.load(addresses.Address(f"{tmp_path}/a.tif", "cat/a.tif", exif=own))
        assert np.array_equal(np.asarray(picture), np.rot90(np.asarray(stored), -1))


def test_every_ending_that_pillow_opens_by_itself_is_a_picture():
    by_others = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Ghostscript, or readers that must be registered
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN and kind not in by_others}
    assert known == reading.SUFFIXES
    assert not reading.UNREAD & known


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.heic", b"x", "cannot open .heic; convert it to PNG or JPEG, or set on_bad_image: skip"),
        ("a.CR3", b"x", "cannot open .cr3; convert it"),
        ("a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0", "is HEIC, whatever its name says: Pillow"),
    ],
)
def test_what_pillow_cannot_open_is_named_as_such(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{said}"):
        reading.load(str(tmp_path / name))
    tar(tmp_path / "a.tar", beside(name, content, 0))
    assert said in refusal({"tar": f"{tmp_path}"}, count=None, labels=["cat"])


def test_what_pillow_cannot_open_is_told_while_sampling(tmp_path, caplog):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/a.jpg").write_bytes(jpeg(0))
    (tmp_path / "cat/b.heic").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        sampled({"pattern": f"{tmp_path}/{{label}}/*"}, tmp_path, count=None, labels=["cat"])
    assert "passed over: 1 of .heic" in caplog.text and "cannot open .heic: convert them" in caplog.text
