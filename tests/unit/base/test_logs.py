"""What a failed job's log says, as the run's last line says it."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from maescope.base import logs


def test_what_a_job_imported_is_put_aside_when_it_begins(monkeypatch):
    monkeypatch.setattr(logs, "to_file", lambda *given: None)
    monkeypatch.setattr(logs.provenance, "begin", lambda job: None)
    gc.unfreeze()
    try:
        logs.begin(SimpleNamespace(log=["extract.log"]))
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


def test_what_is_left_of_triton_at_the_end_of_a_job_is_not_on_the_terminal(tmp_path):
    pytest.importorskip("triton")
    script = """
import triton._C.libtriton
from types import SimpleNamespace
from maescope.base import logs
logs.provenance.begin = lambda job: None
logs.begin(SimpleNamespace(log=["train.log"]))
"""
    env = os.environ | {"PYTHONPATH": str(Path(logs.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_last_error_is_said_with_the_file_it_stands_in(tmp_path):
    path = tmp_path / "sample.log"
    path.write_text("INFO begins\nerror: of an attempt before\nerror: cat/9.png: cannot be decoded;\nreplace it\n")
    assert logs.last_words([str(path)]) == [f"{path}: error: cat/9.png: cannot be decoded;\nreplace it"]


def test_of_a_traceback_the_last_line_is_said(tmp_path):
    path = tmp_path / "tsne.log"
    path.write_text('INFO begins\nTraceback (most recent call last):\n  File "x.py", line 1\nValueError: no\n')
    assert logs.last_words([str(path)]) == [f"{path}: ValueError: no"]


def test_a_job_that_was_killed_is_named_by_its_log(tmp_path):
    path = tmp_path / "extract.log"
    path.write_text("INFO 12 of 40 images\n")
    assert logs.last_words([str(path)]) == [f"{path}: it does not say why; was it killed, or out of memory?"]
    path.unlink()  # before it wrote a word
    assert logs.last_words([str(path)])[0].startswith(f"{path}: it does not say why")
    assert logs.last_words([]) == ["a job: it does not say why; was it killed, or out of memory?"]


def test_of_a_group_those_speak_that_failed_in_this_run(tmp_path):
    good, bad, killed, waiting = (tmp_path / f"{name}.log" for name in ("good", "bad", "killed", "waiting"))
    good.write_text("2026-11-29 06:00:00,000 INFO done\n")
    bad.write_text("error: the disk is full\n")
    killed.write_text("INFO 12 of 40 images\n")
    waiting.write_text("error: of last week\n")  # it never began, for another of the group was killed before
    os.utime(waiting, (1e9, 1e9))
    paths, silent = [str(path) for path in (good, bad, killed, waiting)], "it does not say why; was it killed"
    said = logs.last_words(paths, since=1e9 + 1)
    assert said[0] == f"{bad}: error: the disk is full" and len(said) == 2
    assert said[1].startswith(f"{killed}: {silent}")
    (alone,) = logs.last_words([str(waiting)], since=1e9 + 1)
    assert alone.startswith(f"{waiting}: {silent}")
    (all_well,) = logs.last_words([str(good), str(waiting)], since=1e9 + 1)  # Snakemake misses an output, say
    assert all_well.startswith(f"{good}: {silent}")


@pytest.mark.parametrize(
    "old", ["error: of last week\n", "Traceback (most recent call last):\nKeyError: 1\n", "2026-11-29 INFO done\n"]
)
def test_words_of_another_run_are_not_this_one_s(old, tmp_path):
    """Of a group, whose first job failed; and of one job that was killed before it wrote a word."""
    first, later = tmp_path / "first.log", tmp_path / "later.log"
    later.write_text(old)
    os.utime(later, (1000, 1000))
    paths = [str(first), str(later)]
    silent = "it does not say why; was it killed, or out of memory?"
    assert logs.last_words([str(later)], since=1001) == [f"{later}: {silent}"]
    assert logs.last_words(paths, since=1001) == [f"{first}, {later}: {silent}"]  # none began
    first.write_text("INFO 12 of 40 images\n")
    assert logs.last_words(paths, since=1001) == [f"{first}: {silent}"]
    first.write_text("error: the disk is full\n")
    assert logs.last_words(paths, since=1001) == [f"{first}: error: the disk is full"]
    os.utime(later, (1001, 1001))
    assert len(logs.last_words(paths, since=1001)) == 1 + (not old.endswith("done\n"))


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("logging.info('12 images')", " INFO done"),
        ("raise InputError('no such file')", "error: no such file"),
        ("raise ValueError('no')", "ValueError: no"),
        ("logging.info('12 images'); os.kill(os.getpid(), 9)", " INFO 12 images"),
    ],
)
def test_a_log_ends_in_done_only_where_its_job_went_well(body, last, tmp_path):
    begin = "from maescope.base import logs; from maescope.base.errors import InputError; logs.to_file('x.log')"
    library = Path(logs.__file__).parents[2]
    command = [sys.executable, "-c", f"import logging, os; {begin}; {body}"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(library)}, capture_output=True)
    assert (tmp_path / "x.log").read_text().splitlines()[-1].endswith(last)


@pytest.mark.parametrize(("level", "said"), [("", ["c"]), (", logging.WARNING", ["b", "c"])])
def test_what_is_critical_is_on_the_terminal_and_what_the_library_warns_of_where_a_job_says_so(level, said, tmp_path):
    """Of other libraries a warning stays in the log."""
    words = "import logging, warnings; from maescope.base import logs; own = logging.getLogger('maescope.models.x'); "
    words += f"logs.to_file('x.log'{level}); own.info('a'); own.warning('b'); own.critical('c'); "
    words += "logging.getLogger('timm').warning('d'); warnings.warn('e')"
    library = Path(logs.__file__).parents[2]
    command, env = [sys.executable, "-c", words], os.environ | {"PYTHONPATH": str(library)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr.splitlines() == [f"x.log: {word}" for word in said]
    text = (tmp_path / "x.log").read_text()
    assert all(f" {word}\n" in text for word in ("INFO a", "WARNING b", "CRITICAL c", "WARNING d"))
