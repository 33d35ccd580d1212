"""docs/files.md is what a finished run really writes: columns, types and ranges, arrays, attributes, records."""

import json
import re
import zlib
from pathlib import Path

import formats
import h5py
import numpy as np
import pytest

ELSEWHERE = {"similarity", "reconstruction_error", "knn"}  # in test_sensitivity_run.py and test_sweep_run.py
SIZES = {"B": 4, "D": 24, "H": 3, "d": 8, "N": 16, "C": 3}  # of the smallest study; layers, visible ones by model, mask
TYPES = {"tokens": "float32", "text": "S"}


def files(run: Path, measure: str) -> list[Path]:
    found = [
        *(run / "results/measures").glob(f"{measure}/**/*.*"),
        *(run / "results/smoke/measures").glob(f"{measure}/**/*.*"),
    ]
    return sorted(path for path in found if path.is_file())


def test_every_measure_has_a_section_and_every_section_a_measure(finished):
    scripts = {path.stem for path in (finished / "workflow/scripts/measures").glob("*.py")}
    assert formats.measures() == scripts - {"subspaces"} | {"singular_values"}


@pytest.mark.parametrize("measure", sorted(formats.measures() - ELSEWHERE))
def test_measures_are_as_the_page_says(finished, measure):
    there = files(finished, measure)
    assert there, measure
    more = tuple(formats.OPTIONAL.get(measure, ()))
    assert [(str(path), fault) for path in there for fault in formats.faults(path, f"`{measure}`", more)] == []


@pytest.mark.parametrize(
    ("pattern", "heading"),
    [
        ("images/*[!d].csv", "`results/images/<dataset>.csv`"),
        ("models/*.loss.csv", "`results/models/<model>.loss.csv`"),
    ],
)
def test_other_numbers_are_as_the_page_says(finished, pattern, heading):
    there = sorted((finished / "results").glob(pattern))
    there = [path for path in there if "skipped" not in path.name]
    assert there
    for path in there:
        assert formats.faults(path, heading, tuple(formats.OPTIONAL.get(path.parent.name, ()))) == [], path


def test_token_files_are_as_the_page_says(finished):
    said = {row[0].strip("`").replace("levels/<level>/", ""): row[1:] for row in formats.rows("datasets")}
    attributes = {name for row in formats.rows("attributes") for name in re.findall(r"`(\w+)`", row[0])}
    seen: set[str] = set()
    for path in sorted((finished / "results/tokens").rglob("*.h5")):
        with h5py.File(path) as file:
            assert attributes - {"cls_token"} == set(file.attrs) - {"cls_token"}, path
            levels = file["levels"].values()
            for item in [file["image"], file["target"], *(one for level in levels for one in level.values())]:
                name = item.name.split("/")[-1]
                seen.add(name)
                assert_as_said(item, *said[name][:2], said[name][3], file)
    assert seen == said.keys()


def assert_as_said(item, shape, kind, values, file):
    """A dataset has the shape, the type, the range and the digests that the page tells of."""
    kind = TYPES.get(kind, kind)
    assert item.dtype.kind == "S" if kind == "S" else item.dtype == kind, item.name
    sizes = SIZES | ({} if "untrained" not in file.filename else {"D": 16, "H": 2})
    assert item.ndim == len(shape.split(", "))
    for size, letter in zip(item.shape, shape.split(", "), strict=True):
        assert size == sizes.get(letter, size), item.name
    assert item.fletcher32 and item.compression is None
    array = item[:]
    if kind not in ("S", "bool"):
        assert all(formats.within(float(value), values.split(" |")[0]) for value in (array.min(), array.max())), (
            item.name
        )
    if item.name.startswith("/levels"):
        digests = item.attrs["digests"]
        layer = array[0] if shape.startswith("L") else array
        step = item.chunks[int(shape.startswith("L"))]
        first = np.ascontiguousarray(layer[:step]).tobytes()
        assert digests.dtype == np.uint32 and digests.flat[0] == zlib.crc32(first), item.name


def test_records_are_as_the_page_says(finished):
    said = {name for row in formats.rows("record") for name in re.findall(r"`(\w+)`", row[0])}
    there = sorted((finished / "results/provenance").rglob("*.json"))
    assert len(there) > 50
    for path in there:
        assert json.loads(path.read_text()).keys() == said, path


def test_what_is_not_as_the_page_says_is_told(tmp_path):
    rows = ["level,label,image,psnr_db,ssim", "I,0,0/1.png,20.5,0.5"]
    path = tmp_path / "quality.csv"

    def told(*rows):
        path.write_text("\n".join(rows) + "\n")
        return formats.faults(path, "`quality`")

    assert told(*rows) == []
    assert told(*rows, "I,0,0/2.png,inf,") == []  # an image that stays as it is, and a flat one
    assert told(*rows, "I,0,0/2.png,20,1.5") == ["ssim: has 1.5, but the page says [-1, 1]"]
    assert told(*rows, "I,,0/2.png,20,1") == ["label: has gaps, of which the page does not tell"]
    assert told(rows[0] + ",more", rows[1] + ",1")[0].startswith(
        "columns ['level', 'label', 'image', 'psnr_db', 'ssim', 'more']"
    )
