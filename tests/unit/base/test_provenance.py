"""What a file was made from, and whether it still is."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from maescope.base import atomic, imports, provenance
from maescope.base.errors import InputError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A file under results/ and its record, of weights that lie elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "_job", {})
    (tmp_path / "vit.pth").write_text("weights")
    (tmp_path / "results").mkdir()
    provenance._job.update(settings={}, inputs=provenance.digests(["vit.pth"]), sources={})
    (tmp_path / "results/made.csv").write_text("a,b\n")
    provenance.record("results/made.csv")
    return SimpleNamespace(
        path="results/made.csv", weights=tmp_path / "vit.pth", record=tmp_path / "results/provenance"
    )


def later(path, seconds=100):
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def test_a_library_that_is_not_the_workflows_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    """As one that was installed beside it: what it made would have the record of the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "_job", {})
    monkeypatch.setattr(atomic, "listeners", [])
    script = imports.digests(provenance.library_file("measures/knn.py"), provenance.library_file)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/elsewhere/measures/knn.py", raising=False)
    job = SimpleNamespace(params={"code": "0" * 16}, input=[], config={}, rule="knn")
    with pytest.raises(InputError, match=r"is another maescope than the workflow's, .* take it out"):
        provenance.begin(job)
    assert not provenance._job and not atomic.listeners
    job.params["code"] = imports.short(script)
    provenance.begin(job)
    assert provenance._job["code"] == job.params["code"]


def test_what_was_touched_is_still_what_it_was_made_from_and_what_differs_is_not(made):
    assert provenance.made_from("vit.pth", made.path)
    later(made.weights)
    assert provenance.newer("vit.pth", "results/provenance/made.csv.json")
    assert provenance.made_from("vit.pth", made.path)
    made.weights.write_text("weightS")
    later(made.weights)
    assert not provenance.made_from("vit.pth", made.path)


def test_a_touched_file_is_read_once_for_all_that_was_made_from_it_and_again_where_it_is_another(made, monkeypatch):
    for number in range(3):
        provenance.record(made.path)
        (made.record / "made.csv.json").rename(made.record / f"{number}.csv.json")
    later(made.weights)
    read, digest = [], provenance.digest
    monkeypatch.setattr(provenance, "digest", lambda path: read.append(str(path)) or digest(path))
    places = [f"results/{number}.csv" for number in range(3)]
    assert all(provenance.touched("vit.pth", place) and provenance.made_from("vit.pth", place) for place in places)
    assert read == ["vit.pth"]
    made.weights.write_text("weightS")
    later(made.weights)
    assert not any(provenance.made_from("vit.pth", place) for place in places)
    assert read == ["vit.pth"] * 2


def test_a_small_file_goes_along_as_it_did_or_where_it_or_neither_is_there(made, tmp_path):
    small, large = str(tmp_path / "m.loss.csv"), str(tmp_path / "m.pth")

    def before():
        return provenance.goes_along(small, large, "results/other.csv")

    assert before()
    (tmp_path / "m.pth").touch()
    assert not before()  # copied alone
    (tmp_path / "m.loss.csv").touch()
    assert before()
    assert not provenance.goes_along(small, large, made.path)  # it was made without
    (tmp_path / "m.loss.csv").unlink()
    assert provenance.goes_along("vit.pth", large, made.path)  # it was made with it


def test_the_times_of_a_folder_are_those_of_its_files_or_of_links_that_are_newer(tmp_path):
    for number, name in enumerate(("a.h5", "b.h5", "c.h5")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(0, number * 10**9 + 1))
    (tmp_path / "link.h5").symlink_to("b.h5")
    (tmp_path / "folder").mkdir()
    found = provenance.times(str(tmp_path))
    assert list(sorted(found)) == ["a.h5", "b.h5", "c.h5", "link.h5"]
    assert [found[name] for name in ("a.h5", "b.h5", "c.h5")] == [1, 10**9 + 1, 2 * 10**9 + 1]
    assert found["link.h5"] == os.lstat(tmp_path / "link.h5").st_mtime_ns
    assert provenance.times(str(tmp_path / "none")) == {}


def test_without_a_file_or_a_record_nothing_is_known(made):
    assert not provenance.made_from("gone.pth", made.path)
    assert not provenance.made_from("vit.pth", "results/other.csv")
    later(made.weights)
    (made.record / "made.csv.json").write_text("{")
    os.utime(made.record / "made.csv.json", (0, 0))
    assert not provenance.made_from("vit.pth", made.path)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: [],
        lambda record: None,
        lambda record: "made",
        lambda record: {},
        lambda record: record | {"inputs": ["vit.pth"]},
        lambda record: record | {"sources": None},
        lambda record: record | {"sha256": 1},
        lambda record: {name: said for name, said in record.items() if name != "settings"},
    ],
)
def test_a_record_that_is_no_longer_what_was_written_is_none(made, change):
    """Snakemake would leave out the jobs whose input function stumbles over it, and say nothing."""
    record = made.record / "made.csv.json"
    assert provenance.recorded(made.path)["file"] == made.path
    record.write_text(json.dumps(change(json.loads(record.read_text()))))
    later(made.weights)
    assert provenance.recorded(made.path) is None
    assert not provenance.made_from("vit.pth", made.path)
    assert provenance.goes_along("results/made.csv", "vit.pth", made.path)
    assert provenance.digests([made.path, "results/pictures"]) == {made.path: provenance.digest(made.path)}


def test_a_folder_is_told_by_the_names_and_contents_of_all_files_in_it_but_hidden_ones(tmp_path):
    def digest():
        return provenance.digest(tmp_path / "pictures")

    (tmp_path / "pictures/0").mkdir(parents=True)
    picture, hidden = tmp_path / "pictures/0/a.png", tmp_path / "pictures/0/.tmp.b.png"
    picture.write_bytes(b"a")
    first = digest()
    hidden.write_bytes(b"half")
    assert digest() == first
    picture.write_bytes(b"b")
    assert digest() != first
    picture.write_bytes(b"a")
    assert digest() == first
    picture.rename(tmp_path / "pictures/0/c.png")
    assert digest() != first


def test_a_link_counts_as_new_where_it_or_its_file_is(made, tmp_path):
    link = tmp_path / "link.pth"
    link.symlink_to(made.weights)
    reference = tmp_path / "reference"
    reference.write_text("")
    for path in (made.weights, reference):
        os.utime(path, (1000, 1000))
    assert provenance.newer(link, reference)
    os.utime(link, (1000, 1000), follow_symlinks=False)
    assert not provenance.newer(link, reference)
    os.utime(made.weights, (2000, 2000))
    assert provenance.newer(link, reference)
