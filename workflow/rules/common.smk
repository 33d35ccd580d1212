# What every stage needs: the checked configuration, what is looked up in it, and the code of a script as a param.

import logging
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

from maescope.base import yaml_keys
from maescope.base.errors import InputError
from maescope.study import lookups, settings
from maescope.study.cluster_requests import ClusterRequests, growing

for file in workflow.configfiles:
    for words in yaml_keys.repeated(Path(file).read_text()):
        raise WorkflowError(f"{file}: {words}")


def code(script):
    """A param: the code of a script and of the library that it imports. A rule runs again where that is another."""
    return imports.code(str(source(f"{script}.py")), source)


def recorded(identifier):
    """What timm records of a pretrained model; torch is behind it, so only studies that ask for it wait."""
    imports.closure(source("maescope/models/architectures.py"), source)
    from maescope.models.architectures import recorded_preprocessing

    return recorded_preprocessing(identifier)


try:
    CONFIG = settings.check(config, yaml.safe_load(Path(source("../schemas/config.schema.yaml")).read_text()), recorded)
except InputError as error:
    raise WorkflowError(str(error)) from None

look = lookups.LookUps(CONFIG)
ask = ClusterRequests(look)
SEED, STUDY, ANALYSIS = CONFIG["seed"], CONFIG["study"], CONFIG["analysis"]
RESULTS = look.results


wildcard_constraints:
    model=lookups.pattern(look.models),
    dataset=lookups.pattern(look.datasets),
    perturbation=lookups.pattern(look.perturbations),
