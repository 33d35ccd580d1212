"""Labels that a killed extraction has finished, and what of them is taken over."""

import os
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from maescope.base.errors import InputError
from maescope.study import kept_labels
from maescope.tokens import store
from maescope.tokens.keeping import Keeper

OUTPUTS = {label: f"results/tokens/m/d/clean/{label}.h5" for label in ("cat", "dog", "hen")}
ATTRIBUTES = {"model": "m", "config_hash": "h", "weights_sha256": "w", "threads": 2, "prefix_tokens": np.int64(1)}
FOLDER, LISTED = Path("results/tokens/m/d/clean"), Path("results/tokens/m/d/clean.csv")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Two pictures a label, in the folder of a run."""
    monkeypatch.chdir(tmp_path)
    listed = [(label, f"{label}{number}.png") for label in OUTPUTS for number in (1, 2)]
    for _, name in listed:
        Path(name).write_bytes(b"pixels")
        os.utime(name, (1, 1))
    return pd.DataFrame([{"label": label, "image": name, "path": name, "target": 0} for label, name in listed])


def keeper(rows, outputs=OUTPUTS, attributes=ATTRIBUTES, **decides):
    return Keeper(outputs, rows, lambda part: part["path"], attributes, decides)


def extract(kept, rows, *labels):
    """What an extraction writes of some of the labels that it lacks."""
    missing = kept.missing()
    for label in labels:
        own = rows[rows["label"] == label]
        described = kept.attributes | {"label": label}
        with store.writing(missing[label], list(own["image"]), list(own["target"]), ["clean"], described) as file:
            file.write("clean", 0, {"cls": np.full((1, 2, 4), len(label) + ord(label[0]), np.float32)})


def done(rows, *labels):
    """An attempt that was killed once it had made these."""
    kept = keeper(rows)
    extract(kept, rows, *labels)
    return kept


def test_finished_labels_of_a_killed_attempt_are_taken_over_as_they_are(rows):
    first = keeper(rows)
    assert first.take_over() == 0 and list(first.missing()) == list(OUTPUTS)
    extract(keeper(rows), rows, "cat", "hen")
    then = {path.name: path.stat() for path in FOLDER.iterdir()}
    second = keeper(rows)
    assert second.take_over() == 4 and list(second.missing()) == ["dog"]
    extract(keeper(rows), rows, "dog")
    assert not second.missing()
    assert all(path.stat().st_ino == then.get(path.name, path.stat()).st_ino for path in FOLDER.iterdir())
    assert sorted(os.listdir(FOLDER)) == ["cat.h5", "dog.h5", "hen.h5"]


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
    done(rows, "cat", "dog")
    other = keeper(rows, attributes=attributes, **decides)
    assert other.take_over() == 0 and list(other.missing()) == list(OUTPUTS)
    assert not os.listdir(FOLDER)  # their room is free
    assert f"{FOLDER}: 2 labels of other settings, weights, code or devices; made again" in caplog.text


def test_files_of_a_version_that_told_no_origin_are_made_again(rows, caplog):
    done(rows, *OUTPUTS)
    for path in OUTPUTS.values():
        with h5py.File(path, "a") as file:
            del file.attrs["origin"]
    assert keeper(rows).take_over() == 0
    assert "cat.h5: is of other settings, weights, code or devices; made again" in caplog.text


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


def empty(path):
    path.write_bytes(b"")


def lead_nowhere(path):
    """A link, as of a file that was brought elsewhere."""
    path.unlink()
    path.symlink_to("nowhere")


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


@pytest.mark.parametrize("damage", [cut, flip, relabel, empty, unweigh, touch, exchange, rename, link])
def test_a_label_that_is_not_what_it_should_be_is_made_again_and_named(rows, damage, caplog):
    done(rows, "cat", "hen")
    time.sleep(0.05)  # several ticks of the clock that files have
    damage(Path(OUTPUTS["cat"]))
    second = keeper(rows)
    assert second.take_over() == 2 and list(second.missing()) == ["cat", "dog"]
    assert f"{OUTPUTS['cat']}: " in caplog.text and "made again" in caplog.text
    extract(keeper(rows), rows, "cat", "dog")
    assert keeper(rows).take_over() == 6


def test_a_link_that_leads_nowhere_is_put_aside(rows):
    done(rows, "cat")
    lead_nowhere(Path(OUTPUTS["cat"]))
    second = keeper(rows)
    assert second.take_over() == 0 and not os.listdir(FOLDER)
    extract(second, rows, *OUTPUTS)
    assert not second.missing()


def test_pictures_that_are_as_they_were_are_no_reason(rows):
    """Of whatever time, read again meanwhile, and of a time that they were given before."""
    done(rows, *OUTPUTS)
    for path in rows["path"]:
        Path(path).read_bytes()
    assert keeper(rows).take_over() == 6


def test_a_picture_that_is_gone_is_left_to_the_reader(rows, caplog):
    done(rows, "cat", "hen")
    Path("cat2.png").unlink()
    second = keeper(rows)
    assert second.take_over() == 2 and list(second.missing()) == ["cat", "dog"]
    assert f"{OUTPUTS['cat']}: cat2.png cannot be read any more; made again" in caplog.text


def test_other_images_of_a_label_are_made_again(rows, caplog):
    done(rows, "cat")
    assert keeper(rows[rows["image"] != "cat2.png"]).take_over() == 0
    assert "cat.h5: is of other images" in caplog.text


def test_two_attempts_at_the_same_take_what_the_other_has_made(rows):
    """One that lived on: whoever is first ends with all of them, and nothing is wrong for the other."""
    one, other = keeper(rows), keeper(rows)
    assert list(one.missing()) == list(other.missing()) == list(OUTPUTS)
    extract(keeper(rows), rows, "cat", "dog")
    extract(keeper(rows), rows, "hen")
    assert not one.missing() and not other.missing()


def test_an_attempt_whose_labels_another_one_replaces_ends_instead_of_making_them_for_ever(rows):
    """As an orphan, whose configuration was edited meanwhile, and the run with the new one."""
    old, new = keeper(rows), keeper(rows, code="edited")
    extract(old, rows, *OUTPUTS)
    assert not old.missing()
    assert new.take_over() == 0
    with pytest.raises(InputError, match=r"cat\.h5: another extraction, of other settings, writes here too; end it"):
        old.missing()
    extract(new, rows, *OUTPUTS)
    assert not new.missing()


def test_a_file_of_a_label_that_is_no_longer_asked_for_stays(rows):
    done(rows, *OUTPUTS)
    fewer = {label: path for label, path in OUTPUTS.items() if label != "hen"}
    keeper(rows[rows["label"] != "hen"], fewer, code="edited").take_over()
    assert os.listdir(FOLDER) == ["hen.h5"]


def test_what_has_not_ended_is_named_with_whom_it_is_for(rows):
    """By the list that is written last, whether it has ended; by the configuration, whether something makes it."""
    assert kept_labels.unended() == {}
    done(rows, "cat", "hen")
    os.truncate(OUTPUTS["cat"], 3_000_000 - Path(OUTPUTS["hen"]).stat().st_size)
    (FOLDER / ".tmp.here.1.dog.h5").touch()
    left = kept_labels.unended()
    assert left == {FOLDER: [FOLDER / "cat.h5", FOLDER / "hen.h5"]}
    asked = []
    (goes_on,) = kept_labels.remarks(left, lambda path: not asked.append(path))
    (not_made,) = kept_labels.remarks(left, lambda path: False)
    place = "kept: results/tokens/m/d/clean: 2 labels, 0.003 GB: "
    assert goes_on == f"{place}the extraction has not ended; its next attempt takes over what fits"
    assert not_made.startswith(f"{place}nothing makes them with this configuration; if no other study does")
    assert asked == [str(LISTED)]
    LISTED.touch()
    assert kept_labels.unended() == {}
