"""Labels that a killed extraction has finished, and what of them is taken over."""

import os
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from maescope.study import kept_labels
from maescope.tokens import store
from maescope.tokens.keeping import Keeper

OUTPUTS = {label: f"results/tokens/m/d/clean/{label}.h5" for label in ("cat", "dog", "hen")}
ATTRIBUTES = {"model": "m", "config_hash": "h", "weights_sha256": "w", "threads": 2, "prefix_tokens": np.int64(1)}
LISTED = Path("results/tokens/m/d/clean.csv")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Two pictures a label, in the folder of a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(kept_labels.ON_CLUSTER, raising=False)
    listed = [(label, f"{label}{number}.png") for label in OUTPUTS for number in (1, 2)]
    for _, name in listed:
        Path(name).write_bytes(b"pixels")
        os.utime(name, (1, 1))
    return pd.DataFrame([{"label": label, "image": name, "path": name, "target": 0} for label, name in listed])


def keeper(rows, outputs=OUTPUTS, attributes=ATTRIBUTES, **decides):
    return Keeper(outputs, rows, lambda part: part["path"], attributes, decides)


def extract(kept, rows, *labels, attributes=ATTRIBUTES):
    """What an extraction writes of some labels."""
    for label in labels:
        own = rows[rows["label"] == label]
        described = attributes | {"label": label}
        with store.writing(
            kept.missing()[label], list(own["image"]), list(own["target"]), ["clean"], described
        ) as file:
            file.write("clean", 0, {"cls": np.full((1, 2, 4), len(label) + ord(label[0]), np.float32)})


def test_finished_labels_of_a_killed_attempt_are_taken_over_and_nothing_is_in_its_place_before_all_are(rows):
    first = keeper(rows)
    assert first.take_over() == 0 and list(first.missing()) == list(OUTPUTS)
    extract(first, rows, "cat", "hen")
    second = keeper(rows)
    assert second.take_over() == 4 and list(second.missing()) == ["dog"]
    assert not any(Path(path).exists() for path in OUTPUTS.values())
    written = {path.name: path.read_bytes() for path in second.own.iterdir()}
    extract(second, rows, "dog")
    assert not second.missing() and second.hand_over()
    assert {name: Path("results/tokens/m/d/clean", name).read_bytes() for name in written} == written
    assert sorted(os.listdir("results/tokens/m/d/clean")) == ["cat.h5", "dog.h5", "hen.h5"]


@pytest.mark.parametrize(
    ("attributes", "decides"),
    [
        (ATTRIBUTES | {"weights_sha256": "of others"}, {}),
        (ATTRIBUTES | {"threads": 4}, {}),
        (ATTRIBUTES, {"code": "changed"}),
        (ATTRIBUTES, {"kind": "another GPU"}),
        (ATTRIBUTES, {"versions": {"torch": "3.0"}}),
    ],
)
def test_what_was_made_otherwise_is_not_taken_over_but_removed(rows, attributes, decides, caplog):
    first = keeper(rows)
    extract(first, rows, "cat")
    other = keeper(rows, attributes=attributes, **decides)
    assert other.take_over() == 0 and list(other.missing()) == list(OUTPUTS)
    assert not first.own.exists() and "other settings, weights, code or devices" in caplog.text


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    """One bit of the tokens themselves."""
    with h5py.File(path) as file:
        where = file["levels/clean/cls"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)


def relabel(path):
    path.write_bytes((path.parent / "hen.h5").read_bytes())


def unweigh(path):
    with h5py.File(path, "a") as file:
        file.attrs["weights_sha256"] = "of others"


def touch(path):
    os.utime("cat2.png")


def exchange(path):
    """As `cp -p` and `rsync -a` do: another picture, of an older time."""
    Path("other.png").write_bytes(b"PIXELS")
    os.utime("other.png", (1, 1))
    shutil.copy2("other.png", "cat2.png")


def rename(path):
    Path("other.png").write_bytes(b"PIXELS")
    os.utime("other.png", (1, 1))
    os.replace("other.png", "cat2.png")


def link(path):
    """To a picture that was there before."""
    Path("cat2.png").unlink()
    Path("cat2.png").symlink_to("hen1.png")
    os.utime("cat2.png", (1, 1), follow_symlinks=False)


@pytest.mark.parametrize("damage", [cut, flip, relabel, unweigh, touch, exchange, rename, link])
def test_a_kept_label_that_is_not_what_it_should_be_is_made_again_and_named(rows, damage, caplog):
    first = keeper(rows)
    extract(first, rows, "cat", "hen")
    time.sleep(0.05)  # several ticks of the clock that files have
    damage(first.own / "cat.h5")
    second = keeper(rows)
    assert second.take_over() == 2 and list(second.missing()) == ["cat", "dog"]
    assert f"{first.own}/cat.h5: " in caplog.text and "made again" in caplog.text


def test_pictures_that_are_as_they_were_are_no_reason(rows):
    """Of whatever time, read again meanwhile, and of a time that they were given before."""
    first = keeper(rows)
    extract(first, rows, *OUTPUTS)
    for path in rows["path"]:
        Path(path).read_bytes()
    assert keeper(rows).take_over() == 6


def test_a_picture_that_is_gone_is_left_to_the_reader(rows, caplog):
    first = keeper(rows)
    extract(first, rows, "cat", "hen")
    Path("cat2.png").unlink()
    second = keeper(rows)
    assert second.take_over() == 2 and list(second.missing()) == ["cat", "dog"]
    assert f"{first.own}/cat.h5: cat2.png cannot be read any more; made again" in caplog.text


def test_other_images_of_a_label_are_made_again(rows, caplog):
    first = keeper(rows)
    extract(first, rows, "cat")
    assert keeper(rows[rows["image"] != "cat2.png"]).take_over() == 0
    assert "cat.h5: is of other images" in caplog.text


def test_what_another_attempt_has_handed_over_meanwhile_is_made_again(rows):
    """One that lived on: both write the same files, and each label has one owner at a time."""
    one, other = keeper(rows), keeper(rows)
    extract(one, rows, *OUTPUTS)
    assert other.take_over() == 6 and one.hand_over()
    assert not other.hand_over() and list(other.missing()) == list(OUTPUTS)
    extract(other, rows, *OUTPUTS)
    assert other.hand_over() and not any(other.own.iterdir())


def test_of_a_group_on_a_cluster_labels_stay_kept_until_the_run_has_ended(rows, monkeypatch):
    monkeypatch.setenv(kept_labels.ON_CLUSTER, "1")
    first = keeper(rows)
    extract(first, rows, *OUTPUTS)
    assert first.hand_over()
    for path in map(Path, OUTPUTS.values()):
        assert path.stat().st_nlink == 2  # no byte twice
        path.unlink()  # as Snakemake does where another job of the group was killed
    kept_labels.forget_ended()
    again = keeper(rows)
    assert again.take_over() == 6 and again.hand_over()
    LISTED.write_text("label,content\n")
    kept_labels.forget_ended()
    assert not kept_labels.KEPT.exists() and all(Path(path).is_file() for path in OUTPUTS.values())


def test_where_there_are_no_hard_links_a_label_is_moved(rows, monkeypatch):
    monkeypatch.setenv(kept_labels.ON_CLUSTER, "1")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("no links here")))
    first = keeper(rows)
    extract(first, rows, *OUTPUTS)
    assert first.hand_over() and all(Path(path).is_file() for path in OUTPUTS.values())
    assert sorted(os.listdir("results/tokens/m/d/clean")) == ["cat.h5", "dog.h5", "hen.h5"]


def test_what_is_kept_of_an_extraction_that_has_not_ended_stays(rows):
    first = keeper(rows)
    extract(first, rows, "cat")
    kept_labels.forget_ended()
    assert keeper(rows).take_over() == 2


@pytest.fixture
def other_disk(rows, tmp_path):
    """Where results/tokens leads to: a folder of another file system."""
    folder = Path("/dev/shm", f"maescope-{os.getpid()}-{tmp_path.name}")
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second file system")
    folder.mkdir()
    Path("results").mkdir()
    Path("results/tokens").symlink_to(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("on_cluster", [False, True])
def test_labels_are_copied_to_another_disk_and_stay_kept_until_all_are_there(rows, other_disk, on_cluster, monkeypatch):
    if on_cluster:
        monkeypatch.setenv(kept_labels.ON_CLUSTER, "1")
    first = keeper(rows)
    extract(first, rows, *OUTPUTS)
    written = {path.name: path.read_bytes() for path in first.own.iterdir()}
    assert first.elsewhere() == {Path("results/tokens/m/d/clean"): 6}
    (first.own / "hen.h5").rename("hen.h5")
    assert not first.hand_over() and first.elsewhere() == {Path("results/tokens/m/d/clean"): 2}
    assert sorted(os.listdir(first.own)) == ["cat.h5", "dog.h5"]  # Snakemake removes their copies if it is killed now
    Path("hen.h5").rename(first.own / "hen.h5")
    assert first.hand_over()
    assert {path.name: path.read_bytes() for path in (other_disk / "m/d/clean").iterdir()} == written
    assert sorted(os.listdir(first.own)) == (sorted(written) if on_cluster else [])


def test_on_one_disk_no_other_needs_room(rows):
    assert keeper(rows).elsewhere() == {}


def test_what_is_kept_is_named_with_whom_it_is_for(rows):
    """By its list, whether it has ended; by the configuration, whether something makes it."""
    assert list(kept_labels.remarks(bool)) == []
    first = keeper(rows)
    extract(first, rows, "cat", "hen")
    size = sum(path.stat().st_size for path in first.own.iterdir())
    (first.own / "cat.h5").write_bytes(bytes(3_000_000 + (first.own / "cat.h5").stat().st_size - size))
    (first.own / ".tmp.here.1.dog.h5").touch()
    place = "kept: results/kept/tokens/m/d/clean: 2 labels, 0.003 GB: "
    asked = []
    (goes_on,) = kept_labels.remarks(lambda path: not asked.append(path))
    (not_made,) = kept_labels.remarks(lambda path: False)
    assert goes_on == f"{place}the extraction has not ended; its next attempt takes them over"
    assert not_made.startswith(f"{place}nothing makes them with this configuration; if no other study does")
    assert asked == [str(LISTED)]
    LISTED.parent.mkdir(parents=True)
    LISTED.touch()
    os.link(first.own / "cat.h5", "results/tokens/m/d/cat.h5")  # so that nothing is freed
    (ended,) = kept_labels.remarks(bool)
    assert ended.endswith("2 labels, 0.000 GB: the extraction has ended; the end of the next run removes them")
