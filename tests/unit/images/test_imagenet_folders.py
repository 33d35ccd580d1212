"""ImageNet's forms become folders of synsets. What is known on paper: which synset each made-up image is of."""

import csv
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import Table
from pyarrow.parquet import write_table
from scipy.io import savemat

from maescope.base.errors import InputError
from maescope.images import imagenet_folders
from maescope.study.class_lists import synsets

TENCH, CHURCH, BALL = "n01440764", "n03028079", "n03445777"  # numbers 0, 497 and 574 of the sorted synsets
SYNSETS = {1: CHURCH, 2: TENCH, 3: BALL, 4: TENCH}  # image number -> synset
TOOL = Path(__file__).parents[3] / "tools/imagenet_folders.py"


def name(number, synset=""):
    return f"ILSVRC2012_val_{number:08d}{synset and '_'}{synset}.JPEG"


def content(number):
    file = io.BytesIO()
    Image.fromarray(np.full((6, 5, 3), 40 * number, np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def flat(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in SYNSETS:
        (folder / name(number)).write_bytes(content(number))
    (folder / "Thumbs.db").write_text("junk")
    return folder


@pytest.fixture
def devkit(tmp_path):
    """Ids in an order of their own, and entries above the leaves, as in the real one."""
    ids = {490: TENCH, 12: CHURCH, 7: BALL, 1001: "n00001740"}
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    entries = np.array([(number, synset, "words", int(number > 1000)) for number, synset in ids.items()], dtype=fields)
    data = tmp_path / "ILSVRC2012_devkit_t12/data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": entries})
    number_of = {synset: number for number, synset in ids.items()}
    lines = [f"{number_of[synset]}\n" for synset in [*SYNSETS.values(), *[BALL] * (50_000 - len(SYNSETS))]]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(lines))
    return data.parent


@pytest.fixture
def kaggle(tmp_path):
    path = tmp_path / "LOC_val_solution.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImageId", "PredictionString"])
        for number, synset in reversed(SYNSETS.items()):
            rows.writerow([Path(name(number)).stem, f"{synset} 85 1 499 272 {synset} 1 2 3 4"])
    return path


def require_all(target):
    """Every image under its own synset, by its own name, with its own content."""
    found = {path.relative_to(target): path.read_bytes() for path in target.rglob("*.*")}
    assert found == {Path(synset, name(number)): content(number) for number, synset in SYNSETS.items()}


@pytest.mark.parametrize("labels", ["devkit", "kaggle"])
def test_a_flat_folder_becomes_links(labels, flat, tmp_path, request):
    done = imagenet_folders.to_folders(str(flat), str(tmp_path / "val"), str(request.getfixturevalue(labels)))
    require_all(tmp_path / "val")
    assert done == {TENCH: 2, CHURCH: 1, BALL: 1}
    assert all(path.is_symlink() for path in (tmp_path / "val").rglob("*.JPEG"))


def test_it_can_be_done_again(flat, kaggle, tmp_path):
    for _ in range(2):
        imagenet_folders.to_folders(str(flat), str(tmp_path / "val"), str(kaggle))
    require_all(tmp_path / "val")


def test_the_files_of_the_target_outlive_a_source_of_links_to_them(flat, kaggle, tmp_path):
    target, links = tmp_path / "val", tmp_path / "links"
    links.mkdir()
    for number, synset in SYNSETS.items():
        (target / synset).mkdir(parents=True, exist_ok=True)
        (flat / name(number)).rename(target / synset / name(number))
        (links / name(number)).symlink_to(target / synset / name(number))
    imagenet_folders.to_folders(str(links), str(target), str(kaggle))
    require_all(target)
    assert not any(path.is_symlink() for path in target.rglob("*.JPEG"))


def test_an_archive_replaces_links_and_does_not_write_through_them(flat, kaggle, tmp_path):
    imagenet_folders.to_folders(str(flat), str(tmp_path / "val"), str(kaggle))
    for number in SYNSETS:
        (flat / name(number)).write_bytes(b"the original")
    path = tar(tmp_path / "val.tar", [(name(number), content(number)) for number in SYNSETS])
    imagenet_folders.to_folders(str(path), str(tmp_path / "val"), str(kaggle))
    require_all(tmp_path / "val")
    assert all((flat / name(number)).read_bytes() == b"the original" for number in SYNSETS)


def test_a_file_with_other_content_is_never_overwritten(flat, kaggle, tmp_path):
    there = tmp_path / "val" / TENCH / name(2)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    path = tar(tmp_path / "val.tar", [(name(2), content(2))])
    for source in (flat, path):
        with pytest.raises(InputError, match=r"val_00000002\.JPEG: is there already with other content"):
            imagenet_folders.to_folders(str(source), str(tmp_path / "val"), str(kaggle))
        assert there.read_bytes() == b"mine"


def test_an_archive_that_was_broken_off_can_be_given_again(kaggle, tmp_path):
    members = [(name(number), content(number)) for number in SYNSETS]
    for some in (members[:2], members):
        imagenet_folders.to_folders(str(tar(tmp_path / "val.tar", some)), str(tmp_path / "val"), str(kaggle))
    require_all(tmp_path / "val")


def test_a_link_to_nothing_is_refused(flat, kaggle, tmp_path):
    (flat / name(1)).unlink()
    (flat / name(1)).symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"val_00000001\.JPEG: is a link to nothing"):
        imagenet_folders.to_folders(str(flat), str(tmp_path / "val"), str(kaggle))


def tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_tar_of_the_hub_has_the_synset_in_each_name(tmp_path):
    members = [(f"val/{name(number, synset)}", content(number)) for number, synset in SYNSETS.items()]
    path = tar(tmp_path / "val_images.tar.gz", [*members, ("val/README.txt", b"junk")], "w:gz")
    imagenet_folders.to_folders(str(path), str(tmp_path / "val"))
    require_all(tmp_path / "val")


@pytest.mark.parametrize("order", [("jpg", "cls", "json"), ("cls", "jpg", "json")])
def test_a_webdataset_has_the_number_of_the_synset_before_or_behind_each_image(order, tmp_path):
    number_of = {synset: number for number, synset in enumerate(synsets("imagenet"))}
    members = []
    for number, synset in SYNSETS.items():
        parts = {"jpg": content(number), "cls": str(number_of[synset]).encode(), "json": b"{}"}
        members += [(name(number).replace("JPEG", suffix), parts[suffix]) for suffix in order]
    imagenet_folders.to_folders(str(tar(tmp_path / "imagenet1k-validation-00.tar", members)), str(tmp_path / "val"))
    require_all(tmp_path / "val")


def test_a_folder_of_tars_is_read_and_names_end_as_those_of_imagenet_c(tmp_path):
    label = synsets("imagenet").index
    (tmp_path / "wds").mkdir()
    for number, synset in SYNSETS.items():
        stem = Path(name(number)).stem
        members = [(f"{stem}.jpg", content(number)), (f"{stem}.cls", str(label(synset)).encode())]
        tar(tmp_path / f"wds/imagenet1k-validation-{number:02d}.tar", members)
    tar(tmp_path / "wds/imagenet1k-train-0000.tar", [(f"n01440764_10026_{TENCH}.JPEG", content(1))])
    imagenet_folders.to_folders(str(tmp_path / "wds"), str(tmp_path / "val"))
    require_all(tmp_path / "val")


def test_labels_that_are_not_there_or_something_else_are_refused(flat, devkit, tmp_path):
    def refused(path, message):
        with pytest.raises(InputError, match=message):
            imagenet_folders.to_folders(str(flat), str(tmp_path / "val"), str(path))

    refused(tmp_path / "gone.csv", r"gone\.csv: there is no such file")
    (tmp_path / "other.csv").write_text("image,label\na,b\n")
    refused(tmp_path / "other.csv", r"other\.csv: has no columns ImageId and PredictionString")
    truth = devkit / "data/ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("12\n" * 49_999)
    refused(devkit, r"ground_truth\.txt: has 49999 ids, 0 of them unknown")
    truth.write_text("12\n" * 49_999 + "13\n")
    refused(devkit, r"ground_truth\.txt: has 50000 ids, 1 of them unknown")
    truth.unlink()
    refused(devkit, r"ground_truth\.txt: there is no such file; unpack")


def test_the_official_tar_needs_labels(kaggle, tmp_path):
    path = tar(tmp_path / "ILSVRC2012_img_val.tar", [(name(number), content(number)) for number in SYNSETS])
    with pytest.raises(
        InputError, match=r"nothing tells the synset of ILSVRC2012_val_00000001\.JPEG; give --labels, or"
    ):
        imagenet_folders.to_folders(str(path), str(tmp_path / "val"))
    imagenet_folders.to_folders(str(path), str(tmp_path / "val"), str(kaggle))
    require_all(tmp_path / "val")


def parquet(path, rows):
    write_table(Table.from_pylist(rows), path)
    return path


def row(number, synset, label=None):
    image = {"bytes": content(number), "path": name(number, synset)}
    return {"image": image, "label": synsets("imagenet").index(synset) if label is None and synset else label}


def test_parquet_files_of_the_hub_have_the_number_of_the_synset(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [row(number, synset) for number, synset in SYNSETS.items()]
    parquet(tmp_path / "data/validation-00000-of-00002.parquet", rows[:3])
    parquet(tmp_path / "data/validation-00001-of-00002.parquet", rows[3:])
    imagenet_folders.to_folders(str(tmp_path / "data"), str(tmp_path / "val"))
    require_all(tmp_path / "val")


def test_a_parquet_file_that_is_broken_off_is_named(tmp_path):
    rows = [row(number, synset) for number, synset in SYNSETS.items()]
    path = parquet(tmp_path / "one.parquet", rows)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"one\.parquet: is no parquet file, or is broken off .*fetch it again"):
        imagenet_folders.to_folders(str(path), str(tmp_path / "val"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1, CHURCH, label=0)], f"is labelled {TENCH}, but its name says {CHURCH}"),
        ([row(1, TENCH), row(2, "", label=-1)], r"val_00000002\.JPEG has the label -1, which is none of 0 to 999"),
        ([row(2, "", label=1000)], "has the label 1000, which is none of 0 to 999"),
        ([row(2, "")], "has the label None"),
        ([row(1, TENCH) | {"image": {"bytes": b"", "path": None}}], "row 0 has no name"),
    ],
)
def test_a_row_whose_label_cannot_be_is_refused(rows, message):
    with pytest.raises(InputError, match=message):
        list(imagenet_folders.of_rows("one.parquet", rows))


def test_rows_of_the_hub_have_the_number_of_the_synset():
    label = synsets("imagenet").index
    rows = [row(number, synset if number % 2 else "", label(synset)) for number, synset in SYNSETS.items()]
    assert list(imagenet_folders.of_rows("one.parquet", rows)) == [(name(n), content(n), s) for n, s in SYNSETS.items()]


def test_of_a_folder_with_all_splits_only_the_validation_split_is_read(tmp_path, monkeypatch):
    """What is read of a file is made up here."""
    read = []
    monkeypatch.setattr(imagenet_folders, "_parquet_rows", lambda path: read.append(path.name) or [row(1, CHURCH)])
    for split in ("train-00000-of-00294", "test-00000-of-00028", "validation-00000-of-00014", "val-0"):
        (tmp_path / f"{split}.parquet").touch()
    imagenet_folders.to_folders(str(tmp_path), str(tmp_path / "val"))
    assert read == ["val-0.parquet", "validation-00000-of-00014.parquet"]


@pytest.mark.parametrize("stem", ["n01440764_10026", "ILSVRC2012_test_00000001", "ILSVRC2012_val_1"])
def test_an_image_of_another_split_is_refused(stem, tmp_path):
    path = tar(tmp_path / "all.tar", [(f"{stem}_{TENCH}.JPEG", content(1))])
    with pytest.raises(InputError, match=rf"{stem}\.JPEG is no image of the validation split"):
        imagenet_folders.to_folders(str(path), str(tmp_path / "val"))


def test_a_number_beside_an_image_that_is_none_of_a_synset_is_refused(tmp_path):
    for number in (b"-1", b"1000", b"tench"):
        path = tar(tmp_path / "wds.tar", [(name(1), content(1)), (name(1).replace("JPEG", "cls"), number)])
        with pytest.raises(InputError, match=f"val_00000001.JPEG has the label {number!r}, which is none of 0 to 999"):
            imagenet_folders.to_folders(str(path), str(tmp_path / "val"))


def test_parquet_without_its_reader_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "one.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="needs the package pyarrow: pip install pyarrow"):
        imagenet_folders.to_folders(str(tmp_path / "one.parquet"), str(tmp_path / "val"))


@pytest.mark.parametrize(
    ("source", "labels", "message"),
    [
        ("nowhere", None, "there is no such file or folder"),
        ("flat", None, "nothing tells the synset of"),
        ("flat", "flat", "neither Kaggle's .csv nor the unpacked devkit"),
        ("flat/Thumbs.db", None, "is no tar, or is broken off"),
        ("empty", None, "has no images"),
    ],
)
def test_what_cannot_be_sorted_is_refused(source, labels, message, flat, tmp_path):
    (tmp_path / "empty").mkdir()
    labels = labels and str(tmp_path / labels)
    with pytest.raises(InputError, match=message):
        imagenet_folders.to_folders(str(tmp_path / source), str(tmp_path / "val"), labels)


def test_the_command_says_what_it_did_or_what_is_wrong(flat, kaggle, tmp_path):
    command = [sys.executable, str(TOOL), str(flat), str(tmp_path / "val")]
    good = subprocess.run([*command, "--labels", str(kaggle)], capture_output=True, text=True)
    assert good.stdout.strip() == f"4 images of 3 synsets in {tmp_path}/val", good.stderr
    assert f"warning: the validation split has 50000; is {flat} whole?" in good.stderr  # as of a tar that was cut
    bad = subprocess.run(command, capture_output=True, text=True)
    assert bad.returncode == 1
    assert bad.stderr.startswith(f"error: {flat}: nothing tells the synset of ILSVRC2012_val_00000001.JPEG")
