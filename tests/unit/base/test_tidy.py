"""Tidy CSV: what comes back is what went in."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY

from maescope.base import tidy
from maescope.base.errors import InputError


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


def measures(folder, *of):
    """Files of a measure, each of a model, a dataset and a perturbation."""
    paths = [str(folder / "results/measures/accuracy" / f"{model}/{dataset}/{name}.csv") for model, dataset, name in of]
    for path, names in zip(paths, of, strict=True):
        tidy.write(pd.DataFrame({"label": ["a", "b"], "level": "1", "written": "/".join(names)}), path)
    return paths


def test_files_are_read_one_below_the_other_with_what_their_paths_tell(tmp_path):
    paths = measures(tmp_path, ("mae", "d", "clean"), ("vit", "d", "blur"))
    read = tidy.read(paths, "model", "perturbation")
    assert read["label"].tolist() == ["a", "b", "a", "b"]
    assert read["model"].tolist() == ["mae", "mae", "vit", "vit"]
    assert read["perturbation"].tolist() == ["clean", "clean", "blur", "blur"]


def test_files_in_another_order_are_named_as_before(tmp_path):
    paths = measures(tmp_path, ("mae", "d", "clean"), ("vit", "d", "clean"), ("mae", "e", "blur"), ("vit", "e", "blur"))
    for order in (paths, paths[::-1], paths[1:] + paths[:1]):
        read = tidy.read(order, "model", "dataset", "perturbation")
        assert (read["written"] == read["model"] + "/" + read["dataset"] + "/" + read["perturbation"]).all()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("results/measures/cka/mae/d/blur/vit.csv", {"model": "mae", "perturbation": "blur", "other": "vit"}),
        ("results/s/measures/tsne/mae/d/mask.csv", {"measure": "tsne", "model": "mae", "dataset": "d"}),
        ("results/s/conventions/k_1/measures/features/m/d/blur.csv", {"model": "m", "perturbation": "blur"}),
        ("results/my_measures/measures/tsne/m/d/blur.csv", {"measure": "tsne", "model": "m", "perturbation": "blur"}),
        ("results/s/conventions/measures/measures/features/m/d/blur.csv", {"model": "m", "dataset": "d"}),
        ("results/measures/cka/measures/logs/all/conventions.csv", {"model": "measures", "other": "conventions"}),
        ("/home/results/old/results/measures/accuracy/m/d/blur.csv", {"model": "m", "perturbation": "blur"}),
        ("results/models/mae-1.loss.csv", {"model": "mae-1"}),
        ("results/s/conventions/k_1/claims.csv", {"convention": "k_1"}),
    ],
)
def test_what_a_path_tells(path, told):
    assert {column: tidy.told_by(path, column) for column in told} == told


def test_a_path_that_does_not_tell_is_refused_by_name():
    with pytest.raises(InputError, match=r"elsewhere/mae\.csv: the path does not tell the model"):
        tidy.told_by("elsewhere/mae.csv", "model")
    for path in ("results/measures/cka/mae/d/blur.csv", "results/measures/accuracy/mae/d/blur/vit.csv"):
        with pytest.raises(InputError, match="does not tell the other"):
            tidy.told_by(path, "other")


def test_text_is_written_whole(tmp_path):
    tidy.write_text("θ", tmp_path / "a" / "b.rst")
    assert (tmp_path / "a/b.rst").read_text(encoding="utf-8") == "θ"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.rst"]


def test_names_that_pandas_takes_for_nothing_are_read_as_the_readme_says(tmp_path):
    names = ["NA", "null", "nan", "NaN", "None", "N/A", "n/a", "NULL", "-nan", "<NA>", "010", "1e5", "True", "inf"]
    path = tmp_path / "results/measures/accuracy/nan/NA/null.csv"
    path.parent.mkdir(parents=True)
    measure = pd.DataFrame({"level": ["010"] * 14, "label": names, "cosine": [np.nan] + [0.5] * 13})
    tidy.write(measure, path)
    assert pd.read_csv(path)["label"].isna().sum() == 10  # what that is for
    code = re.search(r"^pd\.read_csv\(path.*\)$", (REPOSITORY / "docs/files.md").read_text(), re.MULTILINE)[0]
    for read in (eval(code, {"pd": pd, "path": path}), tidy.read([str(path)], "model", "dataset", "perturbation")):
        assert read["label"].tolist() == names and set(read["level"]) == {"010"}
        assert read["cosine"].isna().tolist() == [True] + [False] * 13
    assert read[["model", "dataset", "perturbation"]].iloc[0].tolist() == ["nan", "NA", "null"]


def test_parts_are_one_file_as_if_written_at_once_and_none_where_one_fails(tmp_path):
    parts = [pd.DataFrame({"label": ["a,b", "ü"], "psnr_db": [0.1 + 0.2, np.nan]}, index=[n, 7]) for n in range(3)]
    tidy.write_parts(iter(parts), str(tmp_path / "parts.csv"))
    tidy.write(pd.concat(parts), str(tmp_path / "whole.csv"))
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()

    def failing():
        yield parts[0]
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        tidy.write_parts(failing(), str(tmp_path / "none.csv"))
    with pytest.raises(ValueError, match=r"none\.csv: there is nothing to write"):
        tidy.write_parts(iter(()), str(tmp_path / "none.csv"))
    tidy.write_parts(iter([parts[0], parts[1][["psnr_db", "label"]]]), str(tmp_path / "turned.csv"))
    tidy.write(pd.concat(parts[:2]), str(tmp_path / "whole.csv"))
    assert (tmp_path / "turned.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    (tmp_path / "turned.csv").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.csv", "whole.csv"]
