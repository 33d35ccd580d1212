# What Snakemake and Slurm have against this run, said before it begins; what a job asks for is in maescope.study.cluster_requests.

import atexit
import threading
import time
from contextlib import suppress
from importlib.util import find_spec

from maescope.base import logs
from maescope.study import cluster, cluster_watch, settled_inputs

BEGUN = time.time() - 5  # clocks of a cluster's machines are that close
TOGETHER = ("tokens_{model}", "measures_{model}")  # groups of jobs
ASKED = {  # of the profile and of the command line, by rules
    "set-resources": workflow.resource_settings.overwrite_resources,
    "set-threads": workflow.resource_settings.overwrite_threads,
    "groups": workflow.group_settings.overwrite_groups,
}
PROFILE = Path(str(workflow.current_basedir), "../../profiles/slurm/config.yaml")
if workflow.resource_settings.nodes and PROFILE.is_file() and find_spec("snakemake_executor_plugin_slurm"):
    # on a cluster, before the plugin trips over it; in a dry run nothing tells which profile is in use
    import snakemake_executor_plugin_slurm
    import snakemake_executor_plugin_slurm_jobstep
    from snakemake_executor_plugin_slurm.partitions import PartitionLimits
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    cluster.without_accounting(snakemake_executor_plugin_slurm)
    cluster.keep_slurm_conf(snakemake_executor_plugin_slurm, snakemake_executor_plugin_slurm_jobstep)
    cluster_watch.stand_before(snakemake_executor_plugin_slurm, ExecutorPluginRegistry().get_plugin("slurm"))
    given = yaml.safe_load(PROFILE.read_text())
    for words in cluster.problems(given, TOGETHER):
        print(f"warning: {PROFILE.resolve()}: {words}", file=sys.stderr)
    if wrong := [f"{PROFILE.resolve()}: {words}" for words in cluster.mistakes(given, PartitionLimits)]:
        raise WorkflowError("\n".join(wrong))


def partition_file():
    """The profile in use, where it states partitions; none without Slurm."""
    profile = getattr(workflow.executor_settings, "partition_config", None)
    return profile and Path(profile).resolve()


def refusals():
    """What Slurm has against the jobs of this run, with a GPU and without, in the partitions meant for them."""
    given = yaml.safe_load(partition_file().read_text())["partitions"] if partition_file() else {}
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local] if given else []
    asking = {cluster.asks_for_gpu(job) for job in jobs}
    if True in asking and not any(limits.get("max_gpu") for limits in given.values()):
        yield "none has max_gpu, but there are jobs with a GPU; state it for one, or set device: cpu for the models"
    for name, limits in given.items():
        if bool(limits.get("max_gpu")) in asking:
            account = workflow.resource_settings.default_resources.get("slurm_account").raw
            gpu = "--gpus=1" if limits.get("max_gpu") else ""
            yield cluster.refusal(name, gpu, f"--account={account}" if account else "")


def end_when_told(scheduler, *signal):
    """At SIGTERM begin no more jobs. Snakemake's own answer takes a lock that the same thread holds while it waits for the
    files of a job that has ended, and then waits for ever; another thread may wait for it."""
    scheduler._user_kill = "graceful"
    threading.Thread(target=SNAKEMAKES_OWN, args=(scheduler, *signal)).start()


with suppress(ImportError, AttributeError):  # where a later Snakemake has it elsewhere, its own answer stays
    from snakemake.scheduling.job_scheduler import JobScheduler

    SNAKEMAKES_OWN = JobScheduler.exit_gracefully
    JobScheduler.exit_gracefully = end_when_told


def without_timers(scheduler):
    """No limit to jobs a second where none was set: for the default one, each job that has ended makes Snakemake look at all
    others again every second, of hundreds a whole core, and wait for the last of these looks before it ends."""
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None


onstart:
    without_timers(workflow.scheduler)
    if not workflow.touch and (gone := settled_inputs.gone([*workflow.dag.needrun_jobs()])):
        raise WorkflowError(
            f"{', '.join(gone)}: the token files that these list are gone, as where results were copied without them, and "
            "jobs of this run read them; delete these lists to have them made again"
        )
    for key, asked in ASKED.items():
        for words in cluster.not_rules(key, asked, [one.name for one in workflow.rules]):
            print(f"warning: {words}", file=sys.stderr)
    ceiling = getattr(workflow.global_resources.get("gpu"), "value", float("inf"))
    stated = yaml.safe_load(partition_file().read_text())["partitions"] if partition_file() else {}
    if stated and (wrong := list(cluster.gpus_no_job_gets(workflow.dag.needrun_jobs(), ceiling, stated))):
        raise WorkflowError("\n".join(f"{partition_file()}: {words}" for words in wrong))
    for words in filter(None, refusals()):
        if cluster.hopeless(words):
            raise WorkflowError(f"{partition_file()}: partitions: {words}")
        print(f"warning: {partition_file()}: partitions: {words}", file=sys.stderr)


onsuccess:  # a workflow has one
    page = Path(f"{RESULTS}/study.html")
    if page.is_file() and page.stat().st_mtime > BEGUN:
        say(f"Open {page}")


onerror:
    with logs.whatever_disks_do():
        for failed in workflow.scheduler.failed:
            paths = [str(path) for job in getattr(failed, "jobs", [failed]) for path in job.log]
            for words in logs.last_words(paths, BEGUN):
                atexit.register(print, words, file=sys.stderr)  # last of all, however quiet Snakemake is
    with logs.whatever_disks_do():
        if partition_file():
            for words in cluster.explanations(Path(log[0]).read_text()):
                print(f"What to change in the Slurm profile ({partition_file()}): {words}", file=sys.stderr)
