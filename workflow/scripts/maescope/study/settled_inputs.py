"""Large inputs whose contents, not times, decide whether what was made from them is made again.

Snakemake compares contents up to 1 MB only. A larger file that was touched or copied is newer than what was made from
it and would make it again; here it becomes `ancient` where its content is what was recorded. That it will be made again
is told by the small file that is written with it, an ordinary input.
"""

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from maescope.base import provenance
from maescope.study import lookups

LIST = re.compile(
    r"results/([^/]+/conventions/[^/]+/)?tokens/[^/]+/[^/]+/[^/]+\.csv"
)  # of the token files of a condition
Input = Callable[[object], dict[str, str | list[str]]]  # of a rule, for `unpack`


class SettledInputs:
    """Input functions for `unpack`; what is looked at on disk is looked at once.

    Parameters
    ----------
    ancient : Snakemake's
    rules : all that there are, each with `is_producer(path)`
    still_says : whether a token file, given as its path, is whole and has a content, as the list of its folder says
    again : let the job be run that makes a path
    say : tell a sentence
    """

    def __init__(self, ancient: Callable, rules: Iterable, still_says: Callable, again: Callable, say: Callable):
        self._ancient, self._rules, self._still_says, self._again, self._say = ancient, rules, still_says, again, say
        self._said = False
        self._written_together, self._require = cache(self._written_together), cache(self._require)

    def settled(self, made: str, **files: str | Callable) -> Input:
        """Files by name, each a path with wildcards or a function of them, and `beside` them what is written with them.

        Parameters
        ----------
        made : what is made from them, with wildcards
        """

        def own(wildcards) -> dict:
            place = made.format(**wildcards)
            named = {name: of(wildcards) if callable(of) else of.format(**wildcards) for name, of in files.items()}
            small = {path: self._beside(path, place) for own in named.values() for path in lookups.listed(own)}
            same = {path: path if small[path] == [] else self._as_made(path, place) for path in small}
            found = {
                name: same[own] if isinstance(own, str) else [same[path] for path in own] for name, own in named.items()
            }
            return found | {"beside": [path for own in small.values() for path in own or []]}

        return own

    def whole(self, contents: str, labels: Callable[[object], list[str]]) -> Callable[[object], list]:
        """No input, but a look at a list, with wildcards, and its token files: its job is run if some have changed.

        They are no outputs: a thousand labels are a thousand files for each job, which Snakemake would match with each
        other. So it neither knows when one is missing, nor removes them before a job or after it failed.
        """

        def none(wildcards) -> list:
            self._require(contents.format(**wildcards), tuple(labels(wildcards)))
            return []

        return none

    def _require(self, contents: str, labels: Sequence[str]) -> None:
        lost = self.lost(contents, labels)
        if lost is None:
            self._say(f"{contents}: does not list all of its token files; it is made again")
            self._again(contents)
        elif lost:
            names = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            self._say(f"{contents}: token files of {names} are gone, or not what they were; they are made again")
            self._again(contents)

    def lost(self, contents: str, labels: Sequence[str]) -> list[str] | None:
        """Labels whose token files are gone, or say something else than the list of their folder has of them.

        None where the list is damaged, or is of other labels. Where it is not there, or all files are gone, as when
        only measures were copied, nothing is lost.
        """
        folder = contents.removesuffix(".csv")
        times = provenance.times(folder)
        if not os.path.isfile(contents) or not _some(folder):
            return []
        written, listed = os.stat(contents).st_mtime_ns, _listed(contents)
        if set(listed) != set(labels):
            return None
        told = ((label, self._as_written(f"{folder}/{label}.h5", listed[label], times, written)) for label in labels)
        return [label for label, same in told if not same]

    def _beside(self, path: str, made: str) -> list[str] | None:
        """The small file written with a large one, in a list; empty where it is no input, None if there is no such."""
        small = lookups.written_with(path)
        if small is None:
            return None
        return [small] if self._written_together(path, small) and provenance.goes_along(small, path, made) else []

    def _written_together(self, path: str, small: str) -> bool:
        """Whether all rules that make a large file make the small one: a workflow around this one may have its own."""
        return all(rule.is_producer(small) for rule in self._rules if rule.is_producer(path))

    def _as_made(self, path: str, made: str):
        """A large file, whose time is no reason to make anything again while it is what `made` was made from."""
        if provenance.touched(path, made):
            self._say_that_it_is_read(path)
        return self._ancient(path) if provenance.made_from(path, made) else path

    def _as_written(self, path: str, content: str, times: dict[str, int], written: int) -> bool:
        """Whether a token file is there, and says what was written: it is read where it is newer than the list."""
        time = times.get(path.rpartition("/")[2])
        if time is None:
            return False
        if time <= written:
            return True
        self._say_that_it_is_read(path)
        return self._still_says(path, content)

    def _say_that_it_is_read(self, path: str) -> None:
        """Once: each plan reads what is newer than what was made from it, as long as it is."""
        if not self._said and Path(path).stat().st_size > 1_000_000:
            self._said = True
            self._say(
                f"{path}: newer than what was made from it, as after a copy that keeps no times, so each plan reads it "
                "and all others like it; `snakemake --touch`, then "
                "`find results/provenance -type f -exec touch {} +` ends that"
            )


def _listed(contents: str) -> dict[str, str]:
    """What a list has of each label, in its order; nothing where it is no longer such a list.

    Snakemake takes what goes wrong in an input function for a rule that makes nothing, and leaves its jobs out.
    """
    try:
        text = Path(contents).read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        return {row["label"]: row["content"] for row in rows} if text.endswith("\n") else {}
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def gone(jobs: Iterable) -> list[str]:
    """Lists that some of these jobs read and none makes, though no token file of theirs is there any more."""
    made = {path for job in jobs for path in job.output}
    lists = {path for job in jobs for path in job.input if LIST.fullmatch(path)} - made
    return sorted(path for path in lists if os.path.isfile(path) and not _some(path.removesuffix(".csv")))


def _some(folder: str) -> bool:
    return any(name.endswith(".h5") for name in provenance.times(folder))
