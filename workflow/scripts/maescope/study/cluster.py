"""What a Slurm cluster has against a job, in words that say what to change in the profile.

Snakemake drops keys that it does not know when their value is a mapping, says nothing of rules and groups that are not
there, and does not pass on why a group of jobs was refused; Slurm says that, but not which key to change.
"""

import dataclasses
import difflib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

MAPPINGS = {"set-threads", "resources", "set-scatter", "batch", "set-resource-scopes", "default-resources", "config"}
MAPPINGS |= {"groups", "group-components", "consider-ancient", "set-resources", "partitions"}
CLUSTER = {"slurm_cluster", "cluster", "clusters"}  # what else the plugin reads of a partition
FILLED = {"max_runtime", "max_mem_mb", "max_threads"}  # limits that every job here fills in part
FORMER = {"subspace": "subspaces", "principal_angles": "angles"}  # rules that had another name, or one of each dataset
FORMER |= {name: name for name in ("accuracy", "alignment", "attention", "cka", "class_attention", "effective_rank")}
FORMER |= {name: name for name in ("features", "mask_invariance", "reconstruction_error", "separation", "shift")}
FORMER |= {name: name for name in ("spectrum", "tsne")}
PATIENCE = 60  # seconds for Slurm to answer
REFUSED = {  # Slurm's words -> what to change
    "invalid partition": "name this cluster's partitions under `partitions` (sinfo -s lists them)",
    "account": "set slurm_account under default-resources to one that `sacctmgr show associations user=$USER` lists",
    "node configuration": "no node of that partition has such GPUs, so much memory or so many CPUs: state max_gpu only "
    "for partitions with GPUs, change gpu_model, or lower mem_mb under set-resources",
    "time limit": "the partition allows less time: lower runtime under set-resources, or state each partition's "
    "max_runtime, so that long jobs go elsewhere",
}
OTHERWISE = "jobs with a GPU enter partitions with max_gpu, the others those without; docs/cluster.md has more"
ENDED = {  # what stands in the log of a Slurm job -> what to change
    r"oom[-_ ]kill|exceeded (job )?memory limit": "it needed more memory than its mem_mb; raise it for the rule under "
    "set-resources, as in `extract_digits: {mem_mb: 16000*attempt}`",
    r"due to time limit": "it needed more time than its runtime; raise it for the rule under set-resources, as in "
    "`extract_digits: {runtime: 240*attempt}`",
    r"python\S*: (No such file|not found|cannot open)|No module named .?snakemake": "the node does not see the Python "
    "environment; it must lie where nodes have the same path as here (make VENV=/a/shared/folder/venv)",
}


def mistakes(profile: Mapping, limits: type) -> Iterator[str]:
    """What the plugin cannot go on with, and would end in a traceback.

    Parameters
    ----------
    profile : the parsed file
    limits : the dataclass of what a partition may state
    """
    known = {field.name for field in dataclasses.fields(limits)}
    if not profile.get("partitions"):
        yield "partitions: is missing or empty; name this cluster's under it (sinfo -s lists them)"
    for name, stated in (profile.get("partitions") or {}).items():
        if stated is None:
            yield f"partitions.{name}: has no value; write `{name}: {{}}`"
        yield from unknown(f"partitions.{name}: ", stated or {}, known | CLUSTER)
        try:
            limits(**{key: value for key, value in (stated or {}).items() if key in known})
        except Exception as error:  # each limit has a way of its own
            yield f"partitions.{name}: {str(error).splitlines()[0]}"


def problems(profile: Mapping, groups: Collection[str]) -> Iterator[str]:
    """Keys of a Slurm profile that would be passed over in silence, and limits that mislead.

    Parameters
    ----------
    profile : the parsed file
    groups : names that group-components may use
    """
    mappings = {key: value for key, value in profile.items() if isinstance(value, dict)}
    yield from unknown("", mappings, MAPPINGS)
    yield from lopsided({name: stated or {} for name, stated in (profile.get("partitions") or {}).items()})
    given = profile.get("group-components") or []
    yield from unknown("group-components: ", [str(entry).split("=")[0] for entry in given], groups)


def lopsided(partitions: Mapping[str, Mapping]) -> Iterator[str]:
    """Partitions with GPUs that jobs without one may fit better, as the plugin adds up what fills the stated limits."""
    without = [name for name, stated in partitions.items() if not stated.get("max_gpu")]
    for name in partitions.keys() - without:
        for other in without:
            more = {key for key in partitions[name].keys() - partitions[other].keys() if key in FILLED}
            if more:
                keys = ", ".join(sorted(more))
                yield (
                    f"partitions.{name} states {keys} and {other} does not, so jobs without a GPU may enter {name}; "
                    "state limits for every partition or for none"
                )


def not_rules(key: str, asked: Iterable[str], rules: Collection[str]) -> Iterator[str]:
    """Rules of a key of a profile that are not there, those of an earlier version with the name that they have now.

    Until version 0.2 the rules of measures had a dataset in their name, as `accuracy_digits`.
    """
    for name in sorted(set(asked) - set(rules)):
        before = next((former for former in FORMER if name.startswith(f"{former}_")), None)
        now = FORMER.get(before, "") + ("_by_convention" if name.endswith("_by_convention") else "")
        if now in rules:
            yield f"{key}: {name!r} is now the rule {now}, which serves all datasets; write `{now}`"
        else:
            yield from unknown(f"{key}: ", [name], rules)


def unknown(where: str, keys: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Each key that is not known, with the nearest that is."""
    for key in keys:
        if key not in known:
            close = difflib.get_close_matches(str(key), list(known), n=1) or sorted(known)
            yield f"{where}unknown key {key!r} (did you mean {' or '.join(map(repr, close[:3]))}?)"


def asks_for_gpu(job) -> bool:
    """Whether a job of Snakemake asks Slurm for a GPU, in either way."""
    if not {"gpu", "gres"} & job.rule.resources.keys():
        return False
    return bool(job.resources.get("gpu")) or "gpu" in (job.resources.get("gres") or "")


def gpus_no_job_gets(jobs: Iterable, ceiling: float, partitions: Mapping[str, Mapping]) -> Iterator[str]:
    """What rules of Snakemake's jobs ask for of GPUs that a job cannot have, each said once; see `too_much`.

    Parameters
    ----------
    partitions : what the profile states of each
    """
    names = ("gpu", "gres", "gpu_model")
    asking = [job for job in jobs if {"gpu", "gres"} & job.rule.resources.keys()]
    found = ((job.rule.name, *(_asked(job, name) for name in names)) for job in asking)
    most = max(((stated or {}).get("max_gpu") or 0 for stated in partitions.values()), default=0)
    for rule, gpus, gres, model in dict.fromkeys(found):
        yield from too_much(rule, gpus or 0, gres or "", ceiling, model)
        if (several := _number(gres or "")) > most > 0:
            yield (
                f"{rule} asks for {several} GPUs, and max_gpu of a partition is {most} at most; state more where its "
                "nodes have them, or lower training.gpus"
            )


def _number(gres: str) -> int:
    """GPUs in a resource as Slurm writes it, gpu:4 or gpu:a100:4; 0 of what is none."""
    found = re.fullmatch(r"gpu(?::[a-zA-Z]\w*)?:([0-9]+)", gres)
    return int(found[1]) if found else 0


def _asked(job, name: str) -> int | str | None:
    """What the rule of a job asks for; of what its resources have, Snakemake has cut off what is over the ceiling."""
    own = job.rule.resources.get(name)
    return job.resources.get(name) if own is None or own.is_evaluable() else own.value


def too_much(rule: str, gpus: int, gres: str, ceiling: float, model: str | None = None) -> Iterator[str]:
    """What a rule asks for of GPUs that a job cannot have: its group is given fewer, and it fails again and again.

    Parameters
    ----------
    rule : its name
    gpus, gres : its resources of these names, 0 and "" for none
    ceiling : how many GPUs a job may have, by `resources` of the profile
    model : its `gpu_model`
    """
    if gpus > ceiling:
        change = "an extraction uses one: take `gpu` out of its line under set-resources"
        if not rule.startswith("extract_"):
            change = f"write `gpu={gpus}` there, or let the rule ask for less"
        yield f"{rule} asks for gpu={gpus}, and no job gets more than `resources: gpu={ceiling}` allows; {change}"
    if gpus and re.match(r"gpu\b", gres):
        named = next(iter(re.findall(r"gpu:([a-zA-Z]\w*)", gres)), None)
        instead = f"write `gpu_model: {named}` instead" if named else "take gres out"
        yield f"{rule} asks for gpu={gpus} and for `gres: {gres}`, and Slurm would be given both; {instead}"
    elif model and _number(gres):
        yield (
            f"{rule} asks for `gres: {gres}` and for `gpu_model: {model}`, and Slurm would be given both; write "
            f"`gres: gpu:{model}:{_number(gres)}` instead of the latter"
        )


def without_accounting(plugin) -> None:
    """Let the plugin of Slurm go on where there is no `sacct`, which it asks for an account, or no `sacctmgr`.

    It takes both for granted, and fails at each submission.

    Parameters
    ----------
    plugin : the module `snakemake_executor_plugin_slurm`
    """
    if not shutil.which("sacct"):
        plugin.get_account = lambda logger: None
    if not shutil.which("sacctmgr"):
        plugin.validate_account = lambda account, logger: account


def keep_slurm_conf(plugin, jobstep) -> None:
    """Let a run that was started inside a job, and its jobs, find Slurm where SLURM_CONF alone says where it is.

    The plugins take all that begins with SLURM_ out of the environment of what they start. A file that is not on this
    node is not named to it: there Slurm has a place of its own.

    Parameters
    ----------
    plugin, jobstep : the modules `snakemake_executor_plugin_slurm` and `snakemake_executor_plugin_slurm_jobstep`
    """
    place = os.environ.get("SLURM_CONF", "")
    if os.path.isfile(place):
        forget = plugin.delete_slurm_environment

        def delete_slurm_environment() -> None:
            forget()
            os.environ["SLURM_CONF"] = place

        def popen(*command, env, **more) -> subprocess.Popen:
            return subprocess.Popen(*command, env=env | {"SLURM_CONF": place}, **more)

        plugin.delete_slurm_environment = delete_slurm_environment
        jobstep.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": popen})


def refusal(partition: str, *options: str) -> str | None:
    """Why a job may not enter a partition, as the cluster itself says, or None if it may; nothing is submitted."""
    call = ["sbatch", "--test-only", f"--partition={partition}", *filter(None, options), "--wrap=true"]
    try:
        done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return f"Slurm could not be asked ({error}); does `sbatch --version` answer where Snakemake runs?"
    if done.returncode == 0:
        return None
    return f"{shlex.join(call)}: {' '.join(done.stderr.split())}; {remedy(done.stderr)}"


def hopeless(refused: str) -> bool:
    """Whether no job at all can enter; everything else may be otherwise for the real jobs."""
    return re.search("invalid (partition|account)", refused, re.IGNORECASE) is not None


def remedy(words: str) -> str:
    """What to change when Slurm refuses a job with these words."""
    found = [change for word, change in REFUSED.items() if word in words.lower()]
    return found[0] if found else OTHERWISE


def explanations(log: str) -> Iterator[str]:
    """What to change after a run that failed, from Snakemake's log of it and from those of its Slurm jobs."""
    for words in sorted(set(re.findall(r"sbatch: error: Batch job submission failed: [^'\n]*", log))):
        yield f"{words}: {remedy(words)}"
    submitted = re.findall(r"with SLURM jobid (\d+) \(log: (.*)\)", log)
    for number, path in submitted:
        if Path(path).is_file():  # those of jobs that ended well are gone
            ended = Path(path).read_text(errors="replace")
            for pattern, change in ENDED.items():
                if re.search(pattern, ended, re.IGNORECASE):
                    yield f"Slurm job {number}, {Path(path).parent.name}: {change}"
    yield from _refused_groups(log)


def _refused_groups(log: str) -> Iterator[str]:
    """Groups of jobs that never got a number, by what Slurm says when it is asked again."""
    refused: dict[str, list[str]] = {}
    for name, block in re.findall(r"Group job (\S+) \(jobs in(.*?)(?=Group job |\Z)", log, re.DOTALL):
        asked = [dict(re.findall(r"(\w+)=(\d+)", line)) for line in re.findall(r"resources: (.*)", block)]
        chosen = re.search(rf"partition '(.*)' for job {re.escape(name)}", block)
        submitted = re.search(rf"SLURM jobid \d+ \(log: \S*/group_{re.escape(name)}", block)
        if chosen and asked and not submitted:
            memory = max(int(one.get("mem_mb", 0)) for one in asked)
            minutes = sum(int(one.get("runtime", 0)) for one in asked)
            gpus = max(int(one.get("gpu", 0)) for one in asked)
            why = refusal(chosen[1], f"--mem={memory}", f"--time={minutes}", f"--gpus={gpus}" if gpus else "")
            if why:
                refused.setdefault(why, []).append(name)
    for why, names in refused.items():
        yield f"group {', '.join(dict.fromkeys(names))} was refused: {why}"
