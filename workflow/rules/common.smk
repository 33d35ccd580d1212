# What every stage needs: the checked configuration, what is looked up in it, and the code of a script as a param.

import logging
import os
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import Quietness

if Quietness.ALL in (workflow.output_settings.quiet or ()) and workflow.is_main_process and not workflow.dryrun:
    errors = logging.StreamHandler()  # Snakemake would end without a word of why
    errors.addFilter(lambda record: record.levelno >= logging.ERROR and bool(getattr(record, "exception", None)))
    logger.addHandler(errors)


@cache
def source(file):
    """Where a script or a file of the library is, here or in Snakemake's cache; scripts import what was asked for."""
    return workflow.source_path(f"../scripts/{file}")


LIBRARY = str(Path(source("maescope/__init__.py")).parents[1])
sys.path.insert(0, LIBRARY)
for file in ("__init__", "imports"):
    source(f"maescope/base/{file}.py")

from maescope.base import imports

imports.come_first(LIBRARY)

# what is imported below and in the other parts of the Snakefile
for file in (
    *(f"base/{name}" for name in ("logs", "yaml_keys")),
    *(f"study/{name}" for name in ("settings", "cluster_requests", "cluster", "sweep", "convention_lookups")),
):
    imports.closure(source(f"maescope/{file}.py"), source)

from maescope.base import provenance, yaml_keys
from maescope.base.errors import InputError
from maescope.study import lookups, settings, target_lookups
from maescope.study.cluster_requests import ClusterRequests, growing

AS_WRITTEN = {}
for file in workflow.configfiles:
    text = Path(file).read_text(encoding="utf-8")
    for words in yaml_keys.faults(text):
        raise WorkflowError(f"{file}: {words}")
    AS_WRITTEN |= yaml_keys.written(text)


def code(script):
    """A param: the code of a script and of the library that it imports. A rule runs again where that is another."""
    return imports.code(str(source(f"{script}.py")), source)


def recorded(identifier):
    """What timm records of a pretrained model; torch is behind it, so only studies that ask for it wait."""
    imports.closure(source("maescope/models/architectures.py"), source)
    from maescope.models.architectures import recorded_preprocessing

    return recorded_preprocessing(identifier)


try:
    SCHEMA = yaml.safe_load(Path(source("../schemas/config.schema.yaml")).read_text())
    CONFIG = settings.check(config, SCHEMA, recorded, AS_WRITTEN)
except InputError as error:
    raise WorkflowError(str(error)) from None


def settled(made, **files):
    """Inputs, for `unpack`: large files by name, and `beside` them the small ones that are written with them.

    Snakemake compares contents up to 1 MB only. Of a large file that is newer than `made`, but by its digest what that was
    made from, the time is no reason to make it again; that it will be made again is, which the small file tells. A file
    is a path with wildcards or a function of them.
    """

    def own(wildcards):
        place = made.format(**wildcards)
        named = {name: of(wildcards) if callable(of) else of.format(**wildcards) for name, of in files.items()}
        small = {path: beside(path, place) for own in named.values() for path in lookups.listed(own)}
        same = {path: path if small[path] == [] else as_made(path, place) for path in small}
        found = {
            name: same[own] if isinstance(own, str) else [same[path] for path in own] for name, own in named.items()
        }
        return found | {"beside": [path for own in small.values() for path in own or []]}

    return own


def beside(path, made):
    """The small file that is written with a large one, in a list; none where it is no input, None if there is no such."""
    small = lookups.written_with(path)
    if small is None:
        return None
    return [small] if written_together(path, small) and provenance.goes_along(small, path, made) else []


@cache
def written_together(path, small):
    """Whether all rules that make a large file make the small one: a workflow around this one may have its own."""
    return all(rule.is_producer(small) for rule in workflow.rules if rule.is_producer(path))


def as_made(path, made):
    """A large file, whose time is no reason to make anything again as long as it is what `made` was made from."""
    if provenance.touched(path, made):
        say_that_it_is_read(path)
    return ancient(path) if provenance.made_from(path, made) else path


def token_files(**files):
    """Inputs, for `unpack`: token files by name, and `contents` beside each folder, which decide instead of times."""

    def own(wildcards):
        named = {name: of(wildcards) for name, of in files.items()}
        folders = dict.fromkeys(path.rpartition("/")[0] for paths in named.values() for path in paths)
        contents = [own for folder in folders if written(own := f"{folder}.csv") or not provenance.times(folder)]
        return {name: [as_written(path) for path in paths] for name, paths in named.items()} | {"contents": contents}

    return own


@cache
def written(contents):
    """When the contents of a folder of token files were written, in ns; None where they are not there."""
    return os.stat(contents).st_mtime_ns if os.path.isfile(contents) else None


@cache
def as_written(path):
    """A token file, whose time is no reason to make anything again as long as it says what was written."""
    folder, _, name = path.rpartition("/")
    contents, time = f"{folder}.csv", provenance.times(folder).get(name)
    if time is None or written(contents) is None:
        return path
    if time > written(contents):
        say_that_it_is_read(path)
        imports.closure(source("maescope/tokens/store.py"), source)
        from maescope.tokens import store

        if not store.still_says(path, contents):
            return path
    return ancient(path)


SAID = []  # the file that was named: of many one is enough


def say_that_it_is_read(path):
    """Once: each plan reads what is newer than what was made from it, as long as it is."""
    if workflow.is_main_process and not SAID and Path(path).stat().st_size > 1_000_000:
        SAID.append(path)
        logger.warning(
            f"{path}: newer than what was made from it, as after a copy that keeps no times, so each plan reads it and "
            "all others like it; `snakemake --touch`, then `find results/provenance -type f -exec touch {} +` ends that"
        )


look = target_lookups.TargetLookUps(CONFIG)
ask = ClusterRequests(look)
SEED, STUDY, ANALYSIS = CONFIG["seed"], CONFIG["study"], CONFIG["analysis"]
RESULTS = look.results


wildcard_constraints:
    model=lookups.pattern(look.models),
    dataset=lookups.pattern(look.datasets),
    perturbation=lookups.pattern(look.perturbations),
