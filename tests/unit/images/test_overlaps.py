"""Pictures that two samples share: found by their bytes, whatever they are called and wherever they lie."""

import io
import tarfile

import pandas as pd
import pytest

from maescope.base.errors import InputError
from maescope.images import overlaps


def listed(folder, **contents):
    """A sampled list of files of some contents."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    rows = {
        "label": "a",
        "image": [f"a/{name}" for name in contents],
        "path": [f"{folder}/{name}" for name in contents],
    }
    return pd.DataFrame(rows)


LONG = bytes(range(256)) * 40  # more than what is read at first


def test_equal_bytes_are_found_under_any_name(tmp_path):
    one = listed(tmp_path / "one", x=LONG, y=b"12", z=b"12", w=b"")
    other = listed(tmp_path / "other", p=LONG[:-1] + b"!", q=b"21", r=b"12", s=LONG, t=LONG + b"1")
    assert sorted(overlaps.shared(one, other)) == [("a/x", "a/s"), ("a/y", "a/r"), ("a/z", "a/r")]


def test_pictures_in_a_tar_are_held_against_files(tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name, content in (("p", LONG), ("q", b"12")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    with tarfile.open(tmp_path / "shard.tar") as tar:
        places = [(entry.offset_data, entry.size) for entry in tar]
    other = pd.DataFrame({"label": "a", "image": ["a/p", "a/q"], "path": str(tmp_path / "shard.tar")})
    other["start"], other["length"] = zip(*places, strict=True)
    one = listed(tmp_path / "one", x=b"21", y=LONG)
    assert overlaps.shared(one, other.assign(digest=None)) == [("a/y", "a/p")]


def test_a_reference_that_has_the_studys_images_is_refused_by_name(tmp_path):
    one, other = listed(tmp_path / "one", x=b"1", y=b"2", z=b"3"), listed(tmp_path / "other", p=b"3", q=b"1")
    said = r"study.reference: train shares images with results/images/val.csv \(2, the first is a/x, there a/q\): they"
    with pytest.raises(InputError, match=said):
        overlaps.require_none("train", one, other, "results/images/val.csv")
    overlaps.require_none("train", one, listed(tmp_path / "third", x=b"4"), "results/images/val.csv")
