"""What a failed job's log says, as the run's last line says it."""

from maescope.base import logs


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


def test_of_a_group_those_speak_that_failed(tmp_path):
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_text("INFO done\n")
    bad.write_text("error: the disk is full\n")
    assert logs.last_words([str(good), str(bad)]) == [f"{bad}: error: the disk is full"]
