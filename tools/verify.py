"""Whether everything under results/ is whole and what the configuration now asks for.

python tools/verify.py [CONFIG]     in the folder that has results/; CONFIG is config/config.yaml if left out

Every file is compared with the digest recorded when it was written, every token file read to its end, and the settings
and files that each was made with with those of now. Names what is not whole and what to do; exit 1 if there is any.
What extractions and trainings have left that have not ended is named as well, and no fault.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from maescope.base import progress
from maescope.study import kept_labels, training_states
from maescope.verify import records


def planned(config: str | None, paths: list[str]) -> tuple[records.Judge, Callable[[str], bool]]:
    """A judge who knows, of all files that a rule makes, what it would make them with now; whether any makes a path."""
    if config and not Path(config).is_file():
        sys.exit(f"error: there is no configuration file {config}")
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        try:
            given = ConfigSettings(configfiles=[Path(config)] if config else [])
            flow = api.workflow(ResourceSettings(cores=1), config_settings=given, snakefile=Path("Snakefile"))
            workflow = flow._workflow  # the API can print a plan, but not hand it over

            def makes(path: str) -> bool:
                return any(rule.is_producer(path) for rule in workflow.rules)

            made = filter(makes, {records.place(path, ()) for path in paths})
            flow.dag(DAGSettings(targets=set(made)))
            workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
            workflow._build_dag()
        except WorkflowError as error:
            sys.exit(f"error: {error}")
        jobs = {records.place(str(path), ()): of_job(job) for job in workflow.dag.jobs for path in job.output}
        return records.Judge(jobs, workflow.config["study"]["name"]), makes


def of_job(job) -> records.Job:
    """A job of Snakemake's as the library knows it."""
    settings = dict(job.params.items())
    code = settings.pop("code", None)
    return records.Job(job.rule.name, settings, list(job.input), code)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("config", nargs="?")
words, left = Counter(), kept_labels.unended()
unended = {str(path) for files in left.values() for path in files}
paths = [path for path in records.found() if path not in unended]
judge, makes = planned(parser.parse_args().config, paths)
for path in progress.progress(paths, "verify", "file"):
    _, word, why = judge.verdict(path)
    words[word] += 1
    if word not in ("whole", "other"):
        print(f"{word}: {path}: {why}", flush=True)
for remark in (*kept_labels.remarks(left, makes), *training_states.remarks(makes)):
    print(remark)
print(", ".join(f"{count} {word}" for word, count in sorted(words.items())) or "nothing under results/")
sys.exit(bool(set(words) - {"whole", "other"}))
