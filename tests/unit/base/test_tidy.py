"""Tidy CSV: what comes back is what went in."""

import numpy as np
import pandas as pd

from maescope.base import tidy


def test_measures_come_back_as_written_with_text_kept_as_text(tmp_path):
    frame = pd.DataFrame(
        {
            "level": ["10", "1e3", "007", "x"],
            "label": ["NA", "null", "012", 'a,"b" ü'],
            "image": ["nan", "0/1.png", "1.50", "None"],
            "correct": [1, 0, 1, 0],
            "psnr_db": [0.1 + 0.2, np.inf, np.nan, 1e-17],
        }
    )
    path = str(tmp_path / "m.csv")
    tidy.write(frame, path)
    read = tidy.read([path])
    pd.testing.assert_frame_equal(read, frame, check_exact=True, check_dtype=False)
    assert [type(value) for value in read["level"]] == [str] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_files_are_read_one_below_the_other_with_columns_of_their_own(tmp_path):
    paths = []
    for n, labels in enumerate((["a", "b"], ["c"])):
        paths.append(str(tmp_path / f"{n}.csv"))
        tidy.write(pd.DataFrame({"label": labels, "level": "1"}), paths[-1])
    read = tidy.read(paths, model=["mae", "vit"])
    assert read["label"].tolist() == ["a", "b", "c"]
    assert read["model"].tolist() == ["mae", "mae", "vit"]


def test_text_is_written_whole(tmp_path):
    tidy.write_text("θ", tmp_path / "a" / "b.rst")
    assert (tmp_path / "a/b.rst").read_text(encoding="utf-8") == "θ"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.rst"]
