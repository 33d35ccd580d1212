"""Token files that are no outputs: which of them are gone, or say something else, is told by what lies beside them."""

import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from maescope.base import provenance, tidy
from maescope.study import settled_inputs
from maescope.study.settled_inputs import SettledInputs

LABELS = ["cat", "a, b", 'the "dog"', "0.1", "owl"]
LIST = "results/tokens/m/d/blur.csv"
WRITTEN = 1_000_000_000_000_000_000  # ns


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five token files and the list that was written after them."""
    monkeypatch.chdir(tmp_path)
    provenance.times.cache_clear()
    folder = Path(LIST).with_suffix("")
    folder.mkdir(parents=True)
    for label in LABELS:
        (folder / f"{label}.h5").write_text(label)
        os.utime(folder / f"{label}.h5", ns=(0, WRITTEN - 1))
    tidy.write(pd.DataFrame({"label": LABELS, "content": "0"}), LIST)
    os.utime(LIST, ns=(0, WRITTEN))
    return folder


class Told(SettledInputs):
    """What is said, asked to be made again, and read, as a workflow would be told."""

    def __init__(self):
        self.again, self.words, self.read = [], [], []
        super().__init__(None, [], self.still_says, self.again.append, self.words.append)

    def still_says(self, path, content):
        """Here a file says what was written if it holds its own label."""
        assert content == "0"
        self.read.append(path)
        return Path(path).read_text() == Path(path).name.removesuffix(".h5")


def newer(path, text=None):
    path.write_text(path.read_text() if text is None else text)
    os.utime(path, ns=(0, WRITTEN + 1))


def test_what_is_as_it_was_written_is_not_read(folder):
    told = Told()
    assert told.lost(LIST, LABELS) == [] and told.whole(LIST, lambda wildcards: LABELS)({}) == []
    assert told.read == told.words == told.again == []


def test_files_that_are_gone_or_say_something_else_are_named(folder):
    (folder / "a, b.h5").unlink()
    newer(folder / "cat.h5")
    newer(folder / "0.1.h5", "of another study")
    told = Told()
    assert told.lost(LIST, LABELS) == ["a, b", "0.1"]
    assert told.read == [f"{folder}/cat.h5", f"{folder}/0.1.h5"]


def test_links_count_by_the_newer_time_and_those_that_lead_nowhere_are_gone(folder):
    (folder / "owl.h5").rename("owl.h5")
    (folder / "owl.h5").symlink_to(Path("owl.h5").resolve())  # brought elsewhere: the link is newer than the list
    (folder / "cat.h5").unlink()
    (folder / "cat.h5").symlink_to("nowhere")
    told = Told()
    assert told.lost(LIST, LABELS) == ["cat"] and told.read == [f"{folder}/owl.h5"]


def test_a_job_is_run_again_once_with_a_word_on_which_and_nothing_of_it_is_an_input(folder):
    for label in LABELS[1:]:
        (folder / f"{label}.h5").unlink()
    told = Told()
    input_of = told.whole("results/tokens/{model}/d/{perturbation}.csv", lambda wildcards: LABELS)
    for _ in range(2):
        assert input_of({"model": "m", "perturbation": "blur"}) == []
    assert told.again == [LIST]
    words = 'token files of a, b, the "dog", 0.1 and 1 more are gone, or not what they were; they are made again'
    assert told.words == [f"{LIST}: {words}"]


@pytest.mark.parametrize("gone", [[*LABELS, "list"], LABELS, ["list", "cat"]])
def test_without_the_list_or_any_file_nothing_is_lost(folder, gone):
    """It was never made, was copied without the large files, or is being made."""
    for name in gone:
        (Path(LIST) if name == "list" else folder / f"{name}.h5").unlink()
    (folder / ".tmp.here.1.cat.csv").touch()
    told = Told()
    assert told.lost(LIST, LABELS) == [] and not told.read


def damaged(text, labels=LABELS):
    return pytest.param(text, labels, id=repr(text[-20:]))


WHOLE = b'label,content\ncat,0\n"a, b",0\n"the ""dog""",0\n0.1,0\nowl,0\n'


@pytest.mark.parametrize(
    "text, labels",
    [
        damaged(b""),
        damaged(b"label,content\n"),
        damaged(WHOLE.replace(b"owl,0\n", b"")),
        damaged(WHOLE[:-2]),
        damaged(WHOLE[:40]),
        damaged(b"\xff\x00" * 40),
        damaged(b"\0" * 80),
        damaged(b"a,b\n1,2\n"),
        damaged(b"label\n" + b"\n".join(label.encode() for label in LABELS) + b"\n"),
        damaged(WHOLE, [*LABELS, "elk"]),
        damaged(WHOLE, LABELS[1:]),
    ],
)
def test_a_list_that_is_damaged_or_of_other_labels_is_made_again_with_a_word_on_it(folder, text, labels):
    """Whatever its time: nothing it says can be held against the files."""
    Path(LIST).write_bytes(text)
    os.utime(LIST, ns=(0, WRITTEN))
    told = Told()
    assert told.whole(LIST, lambda wildcards: labels)({}) == [] and told.again == [LIST] and not told.read
    assert told.words == [f"{LIST}: does not list all of its token files; it is made again"]


def test_a_list_as_it_is_written_is_whole(folder):
    assert Path(LIST).read_bytes() == WHOLE


@pytest.mark.parametrize("place", ["results/tokens", "results/mine/conventions/c/tokens"])
def test_a_list_is_gone_where_none_of_its_token_files_is_there_and_no_job_makes_it(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    other = "results/measures/angles/vit/tokens/blur.csv"  # of a dataset that is called so
    paths = [f"{place}/vit/pets/{name}.csv" for name in ("empty", "blur", "made")]
    for path in [*paths, other]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    Path(f"{place}/vit/pets/blur").mkdir()
    Path(f"{place}/vit/pets/blur/cat.h5").touch()
    reads = SimpleNamespace(input=[*paths, other, "/data/tokens/a/b/c.csv"], output=["table"])
    makes = SimpleNamespace(input=[], output=[paths[2]])
    assert settled_inputs.gone([reads, makes]) == [paths[0]]
    assert settled_inputs.gone([makes]) == []
