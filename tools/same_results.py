"""Whether two folders of results say the same: did a change of the code change any number or picture?

python tools/same_results.py OLD NEW [--moved PATTERN REPLACEMENT]... [--tolerance 1e-12]

OLD and NEW are two results/ of the same study. CSV files must be equal byte by byte or, where a number differs by
rounding (of at most the tolerance, of the column's largest value), are named; token files are compared array by array,
figures pixel by pixel, weights tensor by tensor, tables and other text line by line but for what made them. Logs, run
times and records of origin are left out. `--moved` is a regular expression for paths in OLD that lie elsewhere in NEW;
measures in Parquet are compared as CSV is, also with a CSV: `--moved '^(measures/alignment/.*)csv$' '\1parquet'`.
Exit 1 if anything differs or is missing.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from maescope.base import tidy
from maescope.verify import records

MADE = re.compile(r'^.*\{"maescope": .*$', re.MULTILINE)  # what made a table
PAGES = {"overview.html", "study.html", "report.html", "sensitivity.html"}  # with run times; Snakemake's own


def results(folder: Path) -> dict[str, Path]:
    """Every file of results by its path below the folder."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    contents = re.compile(r"(^|/)tokens/[^/]+/[^/]+/[^/]+\.csv$")  # of token files, which are compared themselves
    return {name: path for name, path in files.items() if not records.apart(name) and not contents.search(name)}


def same_table(old: Path, new: Path, tolerance: float) -> str:
    """Nothing where two files are equal, else what differs; `~` before what is rounding."""
    if old.read_bytes() == new.read_bytes():
        return ""
    one, other = (tidy.read([str(path)]) for path in (old, new))
    if list(one) != list(other) or len(one) != len(other):
        return f"columns or rows: {one.shape} {list(one)}, {other.shape} {list(other)}"
    found = []
    for name in one:
        a, b = one[name], other[name]
        if a.equals(b):
            continue
        if a.dtype.kind not in "iuf" or b.dtype.kind not in "iuf" or not (a.isna() == b.isna()).all():
            return f"{name}: {(a != b).sum()} of {len(a)} values"
        size = np.nanmax(np.abs(a[np.isfinite(a)])) if np.isfinite(a).any() else 1.0
        share = np.nanmax(np.abs(a - b).where(a != b, 0)) / (size or 1.0)
        if not share <= tolerance:
            return f"{name}: differs by {share:.2g} of its size"
        found.append(f"{name} {share:.1g}")
    return "~" + ", ".join(found)


def same_arrays(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> str:
    """Nothing where two sets of arrays are equal bit by bit."""
    if sorted(old) != sorted(new):
        return f"arrays: {sorted(set(old) ^ set(new))[:3]}"
    equal = {name: old[name].dtype == new[name].dtype and old[name].tobytes() == new[name].tobytes() for name in old}
    return ", ".join(name for name in equal if not equal[name])


def tokens(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a token file, and the fingerprint of its settings."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
        return found | {name: np.asarray(file.attrs[name]) for name in ("config_hash", "weights_sha256", "levels")}


def pixels(path: Path) -> dict[str, np.ndarray]:
    return {"pixels": np.asarray(Image.open(path))}


def text(path: Path) -> str:
    return MADE.sub("", path.read_text(encoding="utf-8"))


def difference(old: Path, new: Path, tolerance: float) -> str:
    """What differs between two files of one kind; nothing where nothing does."""
    kind = old.suffix
    if kind in (".csv", ".parquet"):
        return same_table(old, new, tolerance)
    readers = {".h5": tokens, ".png": pixels, ".npz": lambda path: dict(np.load(path)), ".safetensors": load_file}
    if kind in readers:
        return same_arrays(readers[kind](old), readers[kind](new))
    if kind == ".pdf" or old.name in PAGES:  # drawn from what the .png is; dates and run times
        return ""
    return "" if text(old) == text(new) else "text"


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("old", type=Path)
parser.add_argument("new", type=Path)
parser.add_argument("--moved", nargs=2, action="append", default=[], metavar=("PATTERN", "REPLACEMENT"))
parser.add_argument("--tolerance", type=float, default=1e-12)
given = parser.parse_args()
old, new, equal, wrong = {}, results(given.new), Counter(), []
for name, path in results(given.old).items():
    for pattern, replacement in given.moved:
        name = re.sub(pattern, replacement, name)
    old[name] = path
wrong += [f"{name}: only in {given.old}" for name in old if name not in new]
wrong += [f"{name}: only in {given.new}" for name in new if name not in old]
for name in sorted(old.keys() & new.keys()):
    found = difference(old[name], new[name], given.tolerance)
    if found.startswith("~"):
        print(f"{name}: equal but for rounding: {found[1:]}")
    elif found:
        wrong.append(f"{name}: {found}")
    equal[Path(name).suffix + (" within rounding" if found.startswith("~") else "")] += not found or found[0] == "~"
print("\n".join(wrong))
print("equal:", ", ".join(f"{count} {kind}" for kind, count in sorted(equal.items())) or "nothing")
sys.exit(bool(wrong))
