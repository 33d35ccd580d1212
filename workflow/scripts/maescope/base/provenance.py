"""Where a file under results/ comes from: which rule, settings, files, code and versions made it.

A script's job begins with `logs.begin`. From then on each file that it writes leaves a record with its digest in
results/provenance/, under the same path, and figures and tables carry the short form of it, `stamp`, in themselves.
Token files have checksums of their own: the list beside their folder is recorded for them. The pictures of a folder
share one record.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from maescope.base import atomic, imports
from maescope.base.errors import InputError

RESULTS = Path("results")
RECORDS = RESULTS / "provenance"
PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "h5py", "scikit-learn", "scikit-image", "statsmodels")
PACKAGES += ("matplotlib", "pandas", "pillow")
_job: dict = {}  # of this process, which makes the files of one job


def begin(job) -> None:
    """Remember what a script is given, and make a record of every file that it writes.

    Parameters
    ----------
    job : the `snakemake` object of a script

    Raises
    ------
    InputError
        where the library that runs is not the one that the workflow has
    """
    script = "/".join(Path(sys.modules["__main__"].__file__).parts[-2:])  # of a remote workflow a URL
    here = Path(library_file(script)).is_file()
    modules = imports.digests(library_file(script), library_file) if here else {}
    if job.params.get("code") not in (None, imports.short(modules)):
        raise InputError(
            f"{Path(__file__).parents[1]}: is another maescope than the workflow's, and would run in its place; take "
            "it out of this environment (pip uninstall maescope)"
        )
    inputs = digests(job.input)
    study = job.config.get("study", {})
    _job.update(
        rule=job.rule,
        study=study.get("name"),
        seed=job.config.get("seed", 0),
        configuration=fingerprint(job.config),
        settings=plain({name: value for name, value in job.params.items() if name != "code"}),
        inputs=inputs,
        sources=_sources(inputs),
        code=job.params.get("code"),
        modules=modules,
        versions=versions(),
    )
    atomic.listeners.append(_heard)


def deciding() -> dict:
    """What decides the contents of all that this job makes: settings, what it reads, code and versions."""
    return {key: _job.get(key) for key in ("settings", "inputs", "code", "versions")}


def record(path: str | Path) -> None:
    """Write the record of a file, or of a folder of pictures, that this job has made."""
    content = {"file": str(path), "sha256": digest(path), **_job}
    with atomic.replacing(record_path(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def record_path(path: str | Path) -> Path:
    """Where the record of a file or folder under results/ lies."""
    return RECORDS / f"{Path(path).relative_to(RESULTS)}.json"


def recorded(path: str | Path) -> dict | None:
    """The record of a file or folder, None where there is none, or no longer what was written."""
    if not Path(path).is_relative_to(RESULTS) or not record_path(path).is_file():
        return None
    try:
        found = json.loads(record_path(path).read_text())
    except ValueError:
        return None
    kinds = {"sha256": str, "settings": dict, "inputs": dict, "sources": dict}
    whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in kinds.items())
    return found if whole else None


def newer(path: str | Path, than: str | Path) -> bool:
    """Whether a file, or the link that leads to it, was touched after another one."""
    return max(os.stat(path).st_mtime_ns, os.lstat(path).st_mtime_ns) > os.stat(than).st_mtime_ns


def arrived(path: str | Path) -> int:
    """When a file, or the link that leads to it, came to be as it is, in ns, whatever time a copy has given to it."""
    return max(time for found in (os.stat(path), os.lstat(path)) for time in (found.st_mtime_ns, found.st_ctime_ns))


def touched(path: str | Path, made: str | Path) -> bool:
    """Whether a file is newer than the record of what was made from it, as after a copy that keeps no times."""
    place = record_path(made)
    return Path(path).is_file() and place.is_file() and newer(path, place)


def made_from(path: str | Path, made: str | Path) -> bool:
    """Whether a file is still what another was made from: by its digest where it is newer than the other's record."""
    if not (Path(path).is_file() and record_path(made).is_file()):
        return False
    if not touched(path, made):
        return True
    now = _digests_of(path, os.stat(path).st_mtime_ns)
    return now.items() <= (recorded(made) or {"inputs": {}})["inputs"].items()


@cache
def _digests_of(path: str | Path, time: int) -> dict[str, str]:
    """`digests` of one file as it is at a time: many jobs are made from the same."""
    return digests([path])


def goes_along(small: str, large: str, made: str | Path) -> bool:
    """Whether a small file stands as an input beside a large one that it is written with.

    As it did when `made` was made; before, where it is there, or will be as the large one is not either. One that was
    not copied with the large one is no reason to make that again.
    """
    record = recorded(made)
    if record is not None:
        return small in record["inputs"]
    return Path(small).is_file() or not Path(large).is_file()


@cache
def times(folder: str) -> dict[str, int]:
    """When each file of a folder was written, in ns, or the link that leads to it; none where there is no folder."""
    if not Path(folder).is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: _time(entry) for entry in entries if entry.is_file()}


def _time(entry: os.DirEntry) -> int:
    own = entry.stat(follow_symlinks=False).st_mtime_ns
    return max(own, entry.stat().st_mtime_ns) if entry.is_symlink() else own


def stamp() -> str:
    """One line of JSON, to be put into a figure or a table: what it takes to find or to make it again.

    It names no folder of this machine. Empty where no job has begun, as in a notebook.
    """
    keys = ("rule", "study", "seed", "configuration", "sources", "code", "versions")
    return json.dumps({"maescope": {key: _job[key] for key in keys}}) if _job else ""


def digests(paths: Iterable[str]) -> dict[str, str]:
    """What each path holds.

    Returns
    -------
    path -> SHA-256; what is no longer there counts as its record says, or not at all. Of files
    from elsewhere their mere name, which stays when they, or the workflow, are moved
    """
    found: dict[str, str] = {}
    for place in map(Path, dict.fromkeys(map(str, paths))):
        name = str(place) if place.is_relative_to(RESULTS) else place.name
        folder = place.is_dir() or not place.suffix
        record = recorded(place) if folder or not place.exists() else None
        if record is None and not place.exists():
            continue
        own = digest(place) if record is None else fingerprint(record) if folder else record["sha256"]
        found[name] = fingerprint([found[name], own]) if name in found else own
    return found


def digest(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder but hidden files."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name[0] != ".")
        return fingerprint([(str(file.relative_to(path)), digest(file)) for file in files])
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def library_file(name: str) -> str:
    """Where a file of the library, `maescope/<wing>/<module>.py`, or a script, `<wing>/<name>.py`, lies."""
    return str(Path(__file__).parents[2] / name)


def changed(modules: dict[str, str]) -> list[str]:
    """Of files of code with their digests, those that are another one now, or no longer there."""
    paths = {name: Path(library_file(name)) for name in modules}
    return [name for name, path in paths.items() if not path.is_file() or imports.digest(str(path)) != modules[name]]


def fingerprint(*settings) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode()).hexdigest()


def plain(value):
    """Settings as JSON has them."""
    return json.loads(json.dumps(value, default=str))


@cache
def versions() -> dict[str, str]:
    """Python and those packages of the environment that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # the environments of CPU rules have fewer
            continue
    return found


def _heard(path: Path) -> None:
    """A file was written: token files are told of by the list of their folder."""
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    hidden = any(part.startswith(".") for part in path.parts)  # as the states of trainings are, which are no results
    if path.is_relative_to(RESULTS) and not (path.is_relative_to(RECORDS) or path.suffix == ".h5" or hidden):
        record(path)


def _sources(inputs: dict[str, str]) -> dict[str, str]:
    """Digests of what all of it began with: images' lists, weights, and whatever else the workflow did not make."""
    found: dict[str, str] = {}
    for path, own in inputs.items():
        record = recorded(path)
        if record is None:
            found[path] = own
            continue
        found |= record["sources"]
        if path.startswith(("results/images/", "results/models/")):
            found[path] = own
    return dict(sorted(found.items()))
