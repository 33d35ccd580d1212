"""Large inputs whose contents, not times, decide whether what was made from them is made again.

Snakemake compares contents up to 1 MB only. A larger file that was touched or copied is newer than what was made from
it and would make it again; here it becomes `ancient` where its content is what was recorded. That it will be made again
is told by the small file that is written with it, an ordinary input.
"""

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from maescope.base import provenance
from maescope.study import lookups

Input = Callable[[object], dict[str, str | list[str]]]  # of a rule, for `unpack`


class SettledInputs:
    """Input functions for `unpack`; what is looked at on disk is looked at once.

    Parameters
    ----------
    ancient : Snakemake's
    rules : all that there are, each with `is_producer(path)`
    still_says : whether a token file says what the list of its folder has, both given as paths
    say : told once, in a sentence
    """

    def __init__(self, ancient: Callable, rules: Iterable, still_says: Callable, say: Callable):
        self._ancient, self._rules, self._still_says, self._say = ancient, rules, still_says, say
        self._said = False
        self._written_together, self._written = cache(self._written_together), cache(self._written)
        self._as_written = cache(self._as_written)

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

    def token_files(self, **files: Callable) -> Input:
        """Token files by name, and `contents` beside each folder, which decide instead of times."""

        def own(wildcards) -> dict:
            named = {name: of(wildcards) for name, of in files.items()}
            folders = dict.fromkeys(path.rpartition("/")[0] for paths in named.values() for path in paths)
            lists = {folder: f"{folder}.csv" for folder in folders}
            contents = [lists[name] for name in folders if self._written(lists[name]) or not provenance.times(name)]
            return {name: [*map(self._as_written, paths)] for name, paths in named.items()} | {"contents": contents}

        return own

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

    def _written(self, contents: str) -> int | None:
        """When the contents of a folder of token files were written, in ns; None where they are not there."""
        return os.stat(contents).st_mtime_ns if os.path.isfile(contents) else None

    def _as_written(self, path: str):
        """A token file, whose time is no reason to make anything again while it says what was written."""
        folder, _, name = path.rpartition("/")
        contents, time = f"{folder}.csv", provenance.times(folder).get(name)
        if time is None or self._written(contents) is None:
            return path
        if time > self._written(contents):
            self._say_that_it_is_read(path)
            if not self._still_says(path, contents):
                return path
        return self._ancient(path)

    def _say_that_it_is_read(self, path: str) -> None:
        """Once: each plan reads what is newer than what was made from it, as long as it is."""
        if not self._said and Path(path).stat().st_size > 1_000_000:
            self._said = True
            self._say(
                f"{path}: newer than what was made from it, as after a copy that keeps no times, so each plan reads it "
                "and all others like it; `snakemake --touch`, then "
                "`find results/provenance -type f -exec touch {} +` ends that"
            )
