"""What a file was made from, and whether it still is."""

import os
from types import SimpleNamespace

import pytest

from maescope.base import provenance


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A file under results/ and its record, of weights that lie elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "_job", {})
    (tmp_path / "vit.pth").write_text("weights")
    (tmp_path / "results").mkdir()
    provenance._job.update(inputs=provenance.digests(["vit.pth"]))
    (tmp_path / "results/made.csv").write_text("a,b\n")
    provenance.record("results/made.csv")
    return SimpleNamespace(
        path="results/made.csv", weights=tmp_path / "vit.pth", record=tmp_path / "results/provenance"
    )


def later(path, seconds=100):
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def test_what_was_touched_is_still_what_it_was_made_from_and_what_differs_is_not(made):
    assert provenance.made_from("vit.pth", made.path)
    later(made.weights)
    assert provenance.newer("vit.pth", "results/provenance/made.csv.json")
    assert provenance.made_from("vit.pth", made.path)
    made.weights.write_text("weightS")
    later(made.weights)
    assert not provenance.made_from("vit.pth", made.path)


def test_without_a_file_or_a_record_nothing_is_known(made):
    assert not provenance.made_from("gone.pth", made.path)
    assert not provenance.made_from("vit.pth", "results/other.csv")
    later(made.weights)
    (made.record / "made.csv.json").write_text("{")
    os.utime(made.record / "made.csv.json", (0, 0))
    assert not provenance.made_from("vit.pth", made.path)


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
