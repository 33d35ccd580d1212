"""Whether the files under results/ are what the workflow wrote, and what it would write now."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from maescope.base import provenance, tidy
from maescope.base.errors import InputError, StaleError
from maescope.study.lookups import written_with
from maescope.study.training_states import STATES
from maescope.study.weight_files import HUB, RANDOM
from maescope.tokens import store

APART = re.compile(  # what is no result, of all studies, of one, and of one of its conventions
    r"(logs|benchmarks|provenance)/|[^/]+/logs/|[^/]+/conventions/[^/]+/(logs|benchmarks)/"
)
SHARED = ("tokens", "measures", "models", "images", "data", "subspaces")  # by studies
SHARED += ("check_model", "check_labels", "check_sample")
SNAKEMAKES = ("report.html", ".snakemake_timestamp")  # Snakemake itself writes these
DELETE = "delete it to have it made again"
HASHES = ("config_hash", "clean_hash")  # of all settings that decide what is in a token file
AGAIN = "run the workflow again"


class Verdict(NamedTuple):
    """What is said of a file: whole, stale, damaged, foreign, or other (whole, of another study)."""

    path: str
    word: str
    why: str


@dataclass
class Job:
    """What the workflow would make a file with now."""

    rule: str
    settings: Mapping  # the rule's params, but for the code
    inputs: list[str]
    code: str  # digest of the script and of the library that it needs


def found() -> list[str]:
    """All files under results/ that are results, sorted."""
    paths = sorted(path for path in provenance.RESULTS.rglob("*") if path.is_file() or path.is_symlink())
    return [
        str(path)
        for path in paths
        if path.name not in SNAKEMAKES and not apart(path.relative_to(provenance.RESULTS).as_posix())
    ]


def apart(path: str) -> bool:
    """Whether a path below results/ is of a log or the like; a model may be called `logs` where studies share."""
    if path.startswith(f"{STATES.relative_to(provenance.RESULTS)}/"):
        return True
    return path.split("/")[0] not in SHARED and APART.match(path) is not None


def place(path: str, folders: Iterable[str]) -> str:
    """What has the record of a file: the file, the list of a token file, or its folder where all of it has one."""
    if path.endswith(".h5"):
        return f"{Path(path).parent}.csv"
    return next((folder for folder in folders if path.startswith(f"{folder}/")), path)


class Judge:
    """Verdicts on files, against what would make them now.

    Parameters
    ----------
    jobs : place -> what would make it; those that nothing would make are left out
    study : name of the configuration's study
    """

    def __init__(self, jobs: Mapping[str, Job], study: str):
        self.jobs, self.study = jobs, study
        self.folders = [name for name in jobs if Path(name).is_dir()]
        self.judged: dict[str, tuple[str, str]] = {}

    def verdict(self, path: str) -> Verdict:
        """On one file."""
        where = place(path, self.folders)
        word, why = self.of_place(where)
        if Path(path).name.startswith(".tmp."):
            return Verdict(path, "foreign", "a job that runs, or was killed, left it; delete it if none runs")
        if path.endswith(".h5") and word in ("whole", "stale", "other"):
            job = self.jobs.get(where)
            own = _of_tokens(path, where, job) if job else _to_its_end(path, provenance.recorded(where))
            word, why = own if own[0] == "damaged" or word == "whole" else (word, why)
        return Verdict(path, word, why)

    def of_place(self, where: str) -> tuple[str, str]:
        """On a file, or a folder that is recorded as one."""
        if where not in self.judged:
            self.judged[where] = self._of_record(where)
        return self.judged[where]

    def _of_record(self, where: str) -> tuple[str, str]:
        """What is there against its record, and the record against what would be made now."""
        record, job = provenance.recorded(where), self.jobs.get(where)
        if record is None and job is None:
            return "foreign", "the workflow did not write it; move it away"
        if record is None:
            return (
                "foreign",
                f"the workflow did not write it, or the job has not ended; if none runs, {DELETE}",
            )
        if Path(where).exists() and provenance.digest(where) != record["sha256"]:
            return "damaged", f"it is not as the workflow wrote it (SHA-256 {record['sha256'][:12]}...); {DELETE}"
        if job is None and record["study"] == self.study:
            return "stale", "nothing makes it with this configuration; delete it, or put the configuration back"
        if job is None:
            return "other", f"of study {record['study']}, which the configuration is not of"
        return self._of_job(record, job)

    def _of_job(self, record: dict, job: Job) -> tuple[str, str]:
        """A record against what would be made now: settings, what was read, code."""
        then, now = record["settings"], provenance.plain(job.settings)
        if others := sorted({name for key in now | then for name in _differing(key, then.get(key), now.get(key))}):
            return "stale", f"made with other settings ({', '.join(others)}); {AGAIN}, or put the configuration back"
        there = provenance.digests(job.inputs)
        if changed := sorted(name for name, digest in there.items() if record["inputs"].get(name) != digest):
            return "stale", f"made from another {', '.join(changed)}; put that back, or {DELETE}"
        if record["code"] != job.code:
            others = ", ".join(provenance.changed(record.get("modules", {}))) or f"what the rule {job.rule} imports"
            return "stale", f"made by another version of {others}; {AGAIN}"
        for name in there:
            if name in self.jobs and (word := self.of_place(name)[0]) != "whole":
                return "stale", f"made from {name}, which is {word}; {DELETE} as well"
        return "whole", ""


def _differing(key: str, then: object, now: object) -> Iterator[str]:
    """What differs in a setting: the keys in it, where then and now it is a mapping."""
    if isinstance(then, dict) and isinstance(now, dict):
        for inner in then | now:
            yield from _differing(f"{key}.{inner}", then.get(inner), now.get(inner))
    elif then != now:
        yield "those of the tokens" if key in HASHES else key


def _to_its_end(path: str, record: dict) -> tuple[str, str]:
    """A token file that nothing of this configuration makes, all of it read."""
    try:
        store.read_all(path, record["settings"]["config_hash"])
    except InputError as error:
        return "damaged", str(error).removeprefix(f"{path}: ")
    return _as_written(path)


def _as_written(path: str) -> tuple[str, str]:
    """A token file that is whole, against what the list beside its folder has of it."""
    listed = Path(written_with(path))
    if listed.is_file() and _contents(listed).get(Path(path).stem) != store.content(path):
        return "damaged", f"it says something else than the workflow wrote ({listed}); {DELETE}"
    return "whole", ""


def _of_tokens(path: str, where: str, job: Job) -> tuple[str, str]:
    """A token file, all of it read: its settings, its checksums, its weights and its images."""
    try:
        tokens = store.read_all(path, job.settings["config_hash"])
    except StaleError as error:
        return "stale", str(error).removeprefix(f"{path}: ")
    except InputError as error:
        return "damaged", str(error).removeprefix(f"{path}: ")
    weights, known = tokens.attributes["weights_sha256"], provenance.recorded(where)["inputs"].values()
    if weights not in known and not job.settings["model"]["weights"].startswith((HUB, RANDOM)):
        return "stale", f"made with weights of SHA-256 {weights[:12]}..., which are not the model's; {DELETE}"
    listed = Path(f"results/images/{job.settings['dataset']}.csv")
    if listed.is_file() and tokens.images != _list(listed).get(tokens.attributes["label"]):
        return "stale", f"holds other images than results/images lists; {DELETE}"
    return _as_written(path)


@cache
def _contents(path: Path) -> dict[str, str]:
    """What each token file of a folder said when it was written, by label."""
    return tidy.read([path]).set_index("label")["content"].to_dict()


@cache
def _list(path: Path) -> dict[str, list[str]]:
    """The images of each label of a sampled list."""
    return tidy.read([path]).groupby("label")["image"].apply(list).to_dict()
