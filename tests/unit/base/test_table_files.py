"""Measures in Parquet: what comes back is what went in, as far as its columns hold; what is not whole is named."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maescope.base import table_files, tidy
from maescope.base.errors import InputError

COLUMNS = ["level", "label", "image", "layer", "cosine", "correct"]


def rows(label, images=3, layers=2):
    """A label's rows as alignment has them, with names that look like numbers or nothing."""
    count = images * layers
    return pd.DataFrame(
        {
            "cosine": np.linspace(-1, 1, count),
            "level": "010",
            "label": label,
            "image": [f"{label}/1.50", "NA", "ü,\n"][:images] * layers,
            "layer": np.repeat(np.arange(1, layers + 1), images),
            "correct": [True, False] * (count // 2),
        }
    )


def written(path, *frames):
    with table_files.writing(path, *COLUMNS) as write:
        for frame in frames:
            write(frame)
    return str(path)


def test_rows_come_back_as_written_with_text_kept_as_text(tmp_path):
    frames = rows("null"), rows("1e3")
    frames[1].loc[0, "cosine"] = np.nan
    path = written(tmp_path / "results/measures/mine/nan/NA/null.parquet", *frames)
    found, expected = tidy.read([path]), pd.concat(frames, ignore_index=True)[COLUMNS]
    pd.testing.assert_frame_equal(found.drop(columns="cosine"), expected.drop(columns="cosine"), check_dtype=False)
    assert (found["cosine"].dtype, found["layer"].dtype, found["correct"].dtype) == ("float64", "int64", "int64")
    np.testing.assert_array_equal(found["cosine"], expected["cosine"].astype(np.float32))
    told = tidy.read([path, path], "model", "dataset", "perturbation")
    assert len(told) == 24 and told[["model", "dataset", "perturbation"]].iloc[0].tolist() == ["nan", "NA", "null"]
    assert [path.name for path in (tmp_path / "results/measures/mine/nan/NA").iterdir()] == ["null.parquet"]


def test_columns_and_the_last_layer_are_read_alone(tmp_path):
    """The last of the file, not of each group of rows."""
    path = written(tmp_path / "m.parquet", rows("a"), rows("b", layers=4), rows("c"))
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
    found = tidy.read([path], columns=["label", "cosine"], last="layer")
    assert list(found) == ["label", "cosine"]
    assert found["label"].tolist() == ["b"] * 3
    assert found["cosine"].tolist() == pytest.approx(np.linspace(-1, 1, 12)[-3:], rel=1e-6)
    assert set(tidy.read([path], last="layer")["layer"]) == {4}


def test_a_file_that_breaks_off_while_it_is_written_is_not_there(tmp_path):
    with pytest.raises(RuntimeError), table_files.writing(tmp_path / "m.parquet", *COLUMNS) as write:
        write(rows("a"))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "text"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, damage):
    path = tmp_path / "m.parquet"
    written(path, rows("a", layers=200))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 4
    others = {"cut": whole[:-40], "empty": b"", "flipped": bytes(flipped), "text": b"level,label\n1,a\n"}
    path.write_bytes(others[damage])
    with pytest.raises(InputError, match=r"m.parquet: cut or damaged \(.+\); delete it to have it made again$"):
        table_files.read(str(path))


def test_a_file_with_other_columns_is_named_with_what_to_do(tmp_path):
    path = str(tmp_path / "m.parquet")
    written(path, rows("a"))
    with pytest.raises(InputError, match=r"m.parquet: of another version or measure \(no column head\); delete it"):
        table_files.read(path, columns=["level", "head"])
    pq.write_table(pa.table({"level": ["1"], "cosine": [0.5]}), path)
    with pytest.raises(InputError, match=r"\(cosine is not as this version writes it\); delete it"):
        table_files.read(path)


@pytest.mark.parametrize("measure", table_files.MEASURES)
def test_a_file_of_another_measure_in_its_place_is_named_with_what_to_do(tmp_path, measure):
    """Whatever is read of it: a KeyError, or rows that count twice, would not say which file it was."""
    columns = table_files.MEASURES[measure]
    frame = pd.DataFrame({name: pd.Series(dtype=table_files.TYPES[name].to_pandas_dtype()) for name in columns})
    for place in table_files.MEASURES:
        path = tmp_path / f"results/measures/{place}/m/d/blur.parquet"
        with table_files.writing(path, *columns) as write:
            write(frame)
        if place == measure:
            assert list(tidy.read([path])) == list(columns)
            continue
        line = rf"{place}/m/d/blur\.parquet: of another version or measure \(.+\); delete it"
        with pytest.raises(InputError, match=line):
            tidy.read([path], "model")


def test_a_file_that_is_not_there_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        table_files.read(str(tmp_path / "m.parquet"))
