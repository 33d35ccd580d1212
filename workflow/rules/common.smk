# What every stage needs: the checked configuration, what is looked up in it, and the code of a script as a param.

import gc
import os
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger


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
STUDY_MODULES = (
    "settings",
    "target_lookups",
    "cluster_requests",
    "cluster",
    "cluster_watch",
    "sweep",
    "convention_lookups",
    "settled_inputs",
)
for file in (
    *(f"base/{name}" for name in ("logs", "terminal", "yaml_keys")),
    *(f"study/{name}" for name in STUDY_MODULES),
    "tokens/disk",
):
    imports.closure(source(f"maescope/{file}.py"), source)

from maescope.base import terminal, yaml_keys
from maescope.base.errors import InputError
from maescope.study import lookups, settings, target_lookups
from maescope.study.cluster_requests import ClusterRequests, growing
from maescope.study.settled_inputs import SettledInputs
from maescope.tokens import disk

if workflow.execution_settings:  # not in a dry run
    os.environ[disk.LATENCY_WAIT] = str(workflow.execution_settings.latency_wait)
gc.freeze()  # Snakemake's own modules: to look through them again and again took a sixth of planning
if workflow.is_main_process:
    terminal.take_over(logger, workflow.output_settings, whole=not workflow.modifier.is_main_snakefile())

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
    SCHEMA = yaml.load(Path(source("../schemas/config.schema.yaml")).read_text(), yaml_keys.LOADER)
    CONFIG = settings.check(config, SCHEMA, recorded, AS_WRITTEN)
except InputError as error:
    raise WorkflowError(f"{', '.join(map(str, workflow.configfiles))}: {error}") from None


def still_says(path, content):
    """Whether a token file says what was written; h5py is behind it, so only plans that must ask wait."""
    imports.closure(source("maescope/tokens/store.py"), source)
    from maescope.tokens import store

    return store.still_says(path, content)


def say(words):
    """Tell on the terminal what only a plan finds; its jobs plan again and say nothing."""
    if workflow.is_main_process:
        logger.warning(words)


def again(path):
    """Let the job be run that makes a file, as Snakemake itself does where one is incomplete; `--touch` runs none, and
    would make a list newer than what it does not list."""
    if not workflow.touch:
        workflow.dag.forcefiles.add(path)


inputs = SettledInputs(ancient, workflow.rules, still_says, again, say)
settled = inputs.settled
whole = inputs.whole if workflow.is_main_process else lambda *given: []  # jobs plan again, and were told
look = target_lookups.TargetLookUps(CONFIG)
ask = ClusterRequests(look, slurm=bool(workflow.resource_settings.nodes) or workflow.remote_exec)
SEED, STUDY, ANALYSIS = CONFIG["seed"], CONFIG["study"], CONFIG["analysis"]
RESULTS = look.results


wildcard_constraints:
    model=lookups.pattern(look.models),
    dataset=lookups.pattern(look.datasets),
    perturbation=lookups.pattern(look.perturbations),
