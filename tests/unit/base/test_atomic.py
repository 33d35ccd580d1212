"""Files are whole or not there."""

import errno
import os
import platform
import subprocess
import time
from pathlib import Path

import pytest

from maescope.base.atomic import DAY, replacing
from maescope.base.errors import InputError

HERE, GONE = platform.node(), 2**31 - 2  # no process has this number


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path):
    with replacing(tmp_path / "new" / "a.csv") as temporary:
        temporary.write_text("x")
        assert not (tmp_path / "new" / "a.csv").exists()
        assert temporary.parent == tmp_path / "new"
        assert temporary.suffix == ".csv"
    assert (tmp_path / "new" / "a.csv").read_text() == "x"
    assert names(tmp_path / "new") == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_temporary(error, tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(error), replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise error
    assert (tmp_path / "a.csv").read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.csv"):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a.csv", "a[1].h5", "what?.h5", "größe 猫.h5"])
def test_what_a_killed_job_left_of_this_file_is_removed_and_nothing_else(name, tmp_path):
    others = [f".tmp.{HERE}.{GONE}.a1.h5", f".tmp.{HERE}.{GONE}.whats.h5", "b.csv"]
    for other in [f".tmp.{HERE}.{GONE}.{name}", *others]:
        (tmp_path / other).write_text("half")
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("x")
    assert names(tmp_path) == sorted([name, *others])


@pytest.mark.parametrize("name", [f"{'x' * 198}.h5", f"{'猫' * 66}.h5", f"{'a' * 240}.safetensors"])
def test_a_long_name_on_a_host_of_a_long_name_has_a_temporary_that_any_file_system_takes(name, tmp_path, monkeypatch):
    host = "node-" + "h" * 59  # 64, the most that Linux has
    monkeypatch.setattr(platform, "node", lambda: host)
    (tmp_path / name.replace("x", "y")).write_text("another")
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("x")
        assert len(os.fsencode(temporary.name)) <= 255 and temporary.suffix == Path(name).suffix
    assert (tmp_path / name).read_text() == "x"
    left = tmp_path / temporary.name.replace(f".{os.getpid()}.", f".{GONE}.")
    others = tmp_path / left.name.replace(Path(name).suffix, f"0{Path(name).suffix}")  # of another file
    left.write_text("half")
    others.write_text("half")
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("y")
    assert names(tmp_path) == sorted({others.name, name, name.replace("x", "y")})


def test_long_names_that_differ_at_their_end_have_temporaries_of_their_own(tmp_path):
    with replacing(tmp_path / f"{'x' * 200}1.h5") as one, replacing(tmp_path / f"{'x' * 200}2.h5") as two:
        assert one != two
        one.write_text("1")
        two.write_text("2")
    assert (tmp_path / f"{'x' * 200}2.h5").read_text() == "2"


def test_the_contents_are_flushed_to_disk_before_the_name_appears(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (events.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("replace"), replace(*paths)))
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("x")
    assert events == ["fsync", "replace"]


def left_after_writing(folder, temporary):
    (folder / temporary).touch()
    with replacing(folder / "a.csv") as path:
        path.write_text("x")
    return temporary in names(folder)


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    try:
        assert left_after_writing(tmp_path, f".tmp.{HERE}.{process.pid}.a.csv")
    finally:
        process.kill()
        process.wait()
    assert not left_after_writing(tmp_path, f".tmp.{HERE}.{process.pid}.a.csv")


def test_what_another_machine_writes_is_left_alone_for_a_day(tmp_path):
    name = f".tmp.another.example.org.{GONE}.a.csv"
    assert left_after_writing(tmp_path, name)
    then = time.time() - DAY - 60
    os.utime(tmp_path / name, (then, then))
    with replacing(tmp_path / "a.csv") as path:
        path.write_text("x")
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "x"), OSError(errno.EDQUOT, "x"), ValueError("I/O error: No space left on device")]
)
def test_a_full_disk_is_one_line_that_names_the_file(error, tmp_path):
    full = pytest.raises(InputError, match=r"a\.csv: cannot be written, the disk is full; free some space")
    with full, replacing(tmp_path / "a.csv"):
        raise error
    assert names(tmp_path) == []
