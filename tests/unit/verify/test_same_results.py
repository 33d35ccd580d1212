"""Two folders of results, compared by the tool as a person calls it."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import REPOSITORY
from PIL import Image


@pytest.fixture
def folders(tmp_path):
    """The same small results twice."""
    old = tmp_path / "old"
    for name in ("measures/tsne/m/d", "tokens/m/d/clean", "s/figures", "s/tables", "logs"):
        (old / name).mkdir(parents=True)
    (old / "measures/tsne/m/d/mask.csv").write_text("label,x\na,0.1\nb,3.0\n")
    with h5py.File(old / "tokens/m/d/clean/a.h5", "w") as file:
        file["levels/clean/cls"] = np.arange(6.0)
        file.attrs.update(config_hash="h", weights_sha256="w", levels="clean")
    Image.new("RGB", (4, 4), (9, 9, 9)).save(old / "s/figures/figure_5.png")
    (old / "s/tables/table_1.md").write_text('| a |\n\n<!-- {"maescope": {"code": "1"}} -->\n')
    (old / "logs/a.log").write_text("today")
    new = tmp_path / "new"
    shutil.copytree(old, new)
    (new / "logs/a.log").write_text("tomorrow")
    (new / "s/tables/table_1.md").write_text('| a |\n\n<!-- {"maescope": {"code": "2"}} -->\n')
    return old, new


def compared(old, new, *options):
    command = [sys.executable, REPOSITORY / "tools/same_results.py", old, new, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_equal_but_for_logs_and_what_made_them(folders):
    code, said = compared(*folders)
    assert code == 0 and "equal: 1 .csv, 1 .h5, 1 .md, 1 .png" in said


def test_rounding_is_named_and_more_than_that_refused(folders):
    path = folders[1] / "measures/tsne/m/d/mask.csv"
    path.write_text(path.read_text().replace("0.1", "0.1000000000000003"))
    code, said = compared(*folders)
    assert code == 0 and "mask.csv: equal but for rounding: x 1e-16" in said
    assert compared(*folders, "--tolerance", "1e-17")[0] == 1
    path.write_text(path.read_text().replace("0.1000000000000003", "0.1001"))
    code, said = compared(*folders)
    assert code == 1 and "mask.csv: x: differs by 3.3e-05 of its size" in said


@pytest.mark.parametrize("what", ["label", "pixel", "token", "text", "missing", "more"])
def test_anything_else_is_named(folders, what):
    new = folders[1]
    if what == "label":
        (new / "measures/tsne/m/d/mask.csv").write_text("label,x\nb,0.1\na,3.0\n")
    elif what == "pixel":
        picture = Image.open(new / "s/figures/figure_5.png")
        picture.putpixel((1, 1), (9, 9, 10))
        picture.save(new / "s/figures/figure_5.png")
    elif what == "token":
        with h5py.File(new / "tokens/m/d/clean/a.h5", "a") as file:
            file["levels/clean/cls"][3] = 3.0000001
    elif what == "text":
        (new / "s/tables/table_1.md").write_text("| b |\n")
    elif what == "missing":
        (new / "s/figures/figure_5.png").unlink()
    else:
        (new / "s/tables/table_9.md").write_text("| a |\n")
    code, said = compared(*folders)
    assert code == 1
    named = {"label": "label: 2 of 2", "pixel": "pixels", "token": "levels/clean/cls", "text": "table_1.md: text"}
    assert named.get(what, "only in") in said


def test_what_lies_elsewhere_is_found_by_a_pattern(folders):
    old, new = folders
    (new / "s/measures").mkdir()
    (new / "measures/tsne").rename(new / "s/measures/tsne")
    assert compared(old, new)[0] == 1
    assert compared(old, new, "--moved", "^measures/(tsne)/", r"s/measures/\1/")[0] == 0
