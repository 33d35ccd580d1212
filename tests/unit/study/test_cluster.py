"""What Slurm and Snakemake say, and what it is to be made of."""

import logging
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource
from snakemake_executor_plugin_slurm.partitions import Partition, PartitionLimits

from maescope.study import cluster

GROUPS = ("tokens_{model}", "measures_{model}")
PROFILE = Path(__file__).parents[3] / "profiles/slurm/config.yaml"


def test_the_profile_as_it_is_has_no_problem():
    profile = yaml.safe_load(PROFILE.read_text())
    assert [*cluster.mistakes(profile, PartitionLimits), *cluster.problems(profile, GROUPS)] == []


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"set-resource": {"a": {"b": 1}}}, "unknown key 'set-resource' (did you mean 'set-resources'?)"),
        (
            {"group-components": ["token_{model}=4"]},
            "group-components: unknown key 'token_{model}' (did you mean 'tokens_{model}'?)",
        ),
    ],
)
def test_what_would_be_passed_over_is_named(profile, said):
    assert list(cluster.problems(profile, GROUPS)) == [said]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, []),
        (None, ["partitions.cpu: has no value; write `cpu: {}`"]),
        ({"maxgpu": 1}, ["partitions.cpu: unknown key 'maxgpu' (did you mean 'max_gpu'?)"]),
    ],
)
def test_what_the_plugin_would_fail_on_is_named(stated, said):
    profile = {"partitions": {"cpu": stated}, "jobs": 4}
    assert list(cluster.mistakes(profile, PartitionLimits)) == said
    if said:
        with pytest.raises(TypeError):
            PartitionLimits(**stated)


LIMITS = {"max_runtime": 60, "max_mem_mb": 8000}


@pytest.mark.parametrize(
    ("cpu", "gpu", "entered"),
    [({}, {}, "cpu"), (LIMITS, LIMITS, "cpu"), (LIMITS, {}, "cpu"), ({}, LIMITS, "gpu")],
)
def test_limits_that_draw_jobs_to_gpus_are_warned_of(cpu, gpu, entered):
    """A job without a GPU that fills most of the limits, as the plugin sees it."""
    given = {"cpu": cpu, "gpu": gpu | {"max_gpu": 8}}
    job = SimpleNamespace(resources={"runtime": 50, "mem_mb": 7000}, threads=1)
    score = {name: Partition(name, PartitionLimits(**limits)).score_job_fit(job) for name, limits in given.items()}
    assert max(score, key=score.get) == entered
    assert bool(list(cluster.lopsided(given))) == (entered == "gpu")


@pytest.mark.parametrize(
    ("words", "hopeless"),
    [
        ("allocation failure: Invalid partition name specified", True),
        ("Invalid account or account/partition combination specified", True),
        ("allocation failure: Requested node configuration is not available", False),
        ("Slurm could not be asked", False),
    ],
)
def test_only_what_no_job_can_enter_ends_a_run(words, hopeless):
    assert cluster.hopeless(words) == hopeless


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexec sleep 5\n"])
def test_a_slurm_that_does_not_answer_is_said(tmp_path, monkeypatch, script):
    if script:
        (tmp_path / "sbatch").write_text(script)
        (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    assert "could not be asked" in cluster.refusal("cpu")


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", "sinfo"),
        ("Batch job submission failed: Requested node configuration is not available", "max_gpu"),
        ("Invalid account or account/partition combination specified", "slurm_account"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "runtime"),
        ("something that no one has heard of", "docs/cluster.md"),
    ],
)
def test_each_refusal_has_a_remedy(words, change):
    assert change in cluster.remedy(words)


@pytest.mark.parametrize(
    ("ended", "change"),
    [
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.", "mem_mb"),
        ("slurmstepd: error: StepId=6.0 exceeded memory limit (5 > 4), being killed", "mem_mb"),
        ("*** JOB 7 ON node CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", "runtime"),
        ("/env/bin/python: No such file or directory", "VENV"),
        ("/env/bin/python: No module named snakemake", "VENV"),
    ],
)
def test_how_a_job_ended_says_what_to_change(tmp_path, ended, change):
    (tmp_path / "rule_x").mkdir()
    (tmp_path / "rule_x/7.log").write_text(ended)
    said = list(cluster.explanations(f"Job 1 has been submitted with SLURM jobid 7 (log: {tmp_path}/rule_x/7.log)."))
    assert len(said) == 1 and said[0].startswith("Slurm job 7, rule_x: ") and change in said[0]


def test_a_failure_of_the_script_itself_is_not_put_on_the_cluster(tmp_path):
    (tmp_path / "7.log").write_text("error: datasets.a: the room for mem is full; No such file or directory: x.png")
    assert not list(cluster.explanations(f"submitted with SLURM jobid 7 (log: {tmp_path}/7.log)"))
    assert not list(cluster.explanations(f"submitted with SLURM jobid 8 (log: {tmp_path}/8.log)"))


def test_a_refused_rule_is_explained_once():
    log = "'sbatch: error: Batch job submission failed: Invalid partition name specified'\n" * 3
    assert len(list(cluster.explanations(log))) == 1


def test_a_refused_group_is_asked_again_with_what_it_wanted(tmp_path, monkeypatch):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(
        '#!/bin/sh\necho "$@" > asked\necho "allocation failure: Requested node configuration" >&2\nexit 1\n'
    )
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    log = """Group job tokens_vit (jobs in lexicogr. order):
        resources: mem_mb=4000, mem=4 GB, runtime=20, gpu=1
        resources: mem_mb=6000, mem=6 GB, runtime=30, gpu=1
Auto-selected partition 'big' for job tokens_vit_extract_birds with score 0.1
Group job tokens_other (jobs in lexicogr. order):
        resources: mem_mb=1, runtime=1
Auto-selected partition 'big' for job tokens_other_extract_birds with score 0.1
Job x has been submitted with SLURM jobid 9 (log: /gone/group_tokens_other_extract_birds/9.log).
Group job tokens_vit2 (jobs in lexicogr. order):
        resources: mem_mb=6000, mem=6 GB, runtime=50, gpu=1
Auto-selected partition 'big' for job tokens_vit2_extract_birds with score 0.1
"""
    said = list(cluster.explanations(log))
    assert (
        len(said) == 1 and said[0].startswith("group tokens_vit, tokens_vit2 was refused") and "lower mem_mb" in said[0]
    )
    asked = (tmp_path / "asked").read_text()
    assert asked.split() == ["--test-only", "--partition=big", "--mem=6000", "--time=50", "--gpus=1", "--wrap=true"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("accuracy_digits", "'accuracy_digits' is now the rule accuracy, which serves all datasets"),
        ("subspace_val", "'subspace_val' is now the rule subspaces"),
        ("principal_angles_by_convention", "'principal_angles_by_convention' is now the rule angles_by_convention"),
        ("extract_digit", "unknown key 'extract_digit' (did you mean 'extract_digits'?)"),
        ("accuracy_of_a_study_elsewhere", "is now the rule accuracy, which serves all datasets"),
        ("figure_digits", "unknown key 'figure_digits'"),
    ],
)
def test_a_profile_that_names_a_former_rule_is_told_the_new_name(asked, said):
    rules = ["accuracy", "subspaces", "angles", "angles_by_convention", "extract_digits"]
    (words,) = cluster.not_rules("set-threads", [asked, "accuracy", "extract_digits"], rules)
    assert words.startswith("set-threads: ") and said in words


@pytest.mark.parametrize(
    ("rule", "gpus", "gres", "ceiling", "said"),
    [
        ("pretrain", 0, "gpu:4", 1, None),
        ("pretrain", 1, "", 1, None),
        ("extract_digits", 1, "", 1, None),
        ("extract_digits", 0, "gpu:1", 1, None),  # a model on CPUs
        ("extract_digits", 1, "nvme:1", 1, None),
        ("extract_digits", 8, "", float("inf"), None),
        (
            "extract_digits",
            2,
            "",
            1,
            "gpu=2, and .*`resources: gpu=1`.* take `gpu` out of its line",
        ),
        ("own", 2, "", 1, "own asks for gpu=2, .*write `gpu=2` there"),
        ("extract_digits", 1, "gpu", 1, "`gres: gpu`, .*take gres out"),
        ("extract_digits", 1, "gpu:2", 1, "`gres: gpu:2`, .*take gres out"),
        ("extract_digits", 1, "gpu:a100:1", 1, "write `gpu_model: a100` instead"),
    ],
)
def test_gpus_that_a_job_cannot_have_are_refused_with_the_line_to_change(rule, gpus, gres, ceiling, said):
    words = list(cluster.too_much(rule, gpus, gres, ceiling))
    assert len(words) == bool(said)
    assert not said or re.search(said, words[0]), words


def test_of_many_jobs_of_a_rule_it_is_said_once_and_of_those_without_a_gpu_never():
    def jobs(name, **resources):
        of_rule = {key: Resource(key, value) for key, value in resources.items()}
        of_job = {key: 1 if key == "gpu" else value for key, value in resources.items()}  # cut at the ceiling
        return [SimpleNamespace(rule=SimpleNamespace(name=name, resources=of_rule), resources=of_job)] * 3

    asked = [*jobs("own", gpu=2), *jobs("figure_1", mem_mb=9), *jobs("extract_digits", gpu=1), *jobs("other", gpu=3)]
    asked += jobs("told_by_a_function", gpu=lambda wildcards: 1)
    words = list(cluster.gpus_no_job_gets(asked, 1, {}))
    assert [line.split(",")[0] for line in words] == ["own asks for gpu=2", "other asks for gpu=3"]


def asking(name, **resources):
    """A job of a rule whose resources are functions, as those of trainings."""
    of_rule = {key: Resource(key, lambda wildcards: None) for key in resources}
    return SimpleNamespace(rule=SimpleNamespace(name=name, resources=of_rule), resources=resources)


def test_several_gpus_of_a_training_must_be_in_a_partition_and_their_model_is_told_otherwise():
    jobs = [asking("pretrain", gpu=0, gres="gpu:4"), asking("finetune", gpu=1, gres="")]
    assert list(cluster.gpus_no_job_gets(jobs, 1, {"cpu": None, "gpu": {"max_gpu": 4}})) == []
    (words,) = cluster.gpus_no_job_gets(jobs, 1, {"cpu": {}, "gpu": {"max_gpu": 2}})
    assert words.startswith("pretrain asks for 4 GPUs, and max_gpu of a partition is 2 at most")
    chosen = [asking("pretrain", gpu=0, gres="gpu:4", gpu_model="a100")]
    (words,) = cluster.gpus_no_job_gets(chosen, 1, {"gpu": {"max_gpu": 8}})
    assert words.endswith("write `gres: gpu:a100:4` instead of the latter")
    assert list(cluster.gpus_no_job_gets([asking("extract_a", gpu=1, gpu_model="a100")], 1, {})) == []


@pytest.mark.parametrize(
    ("resources", "asks"),
    [({"gpu": 1}, True), ({"gpu": 0, "gres": "gpu:2"}, True), ({"gpu": 0, "gres": ""}, False), ({"mem_mb": 9}, False)],
)
def test_which_jobs_ask_for_a_gpu(resources, asks):
    assert cluster.asks_for_gpu(asking("own", **resources)) == asks


@pytest.mark.parametrize("given", [True, False, None])
def test_what_the_plugins_start_finds_slurm_by_slurm_conf_and_forgets_the_job_around_it(monkeypatch, tmp_path, given):
    """A file that is not there, as on a node that has its configuration elsewhere, is not named."""
    place = None if given is None else str(tmp_path / "slurm.conf")
    if given:
        (tmp_path / "slurm.conf").touch()
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_CONF", place) if place else monkeypatch.delenv("SLURM_CONF", raising=False)
    plugin = SimpleNamespace(delete_slurm_environment=snakemake_executor_plugin_slurm.delete_slurm_environment)
    jobstep = SimpleNamespace(subprocess=subprocess)
    cluster.keep_slurm_conf(plugin, jobstep)
    plugin.delete_slurm_environment()
    place = place if given else None
    assert (os.environ.get("SLURM_CONF"), os.environ.get("SLURM_JOB_ID")) == (place, None)
    how = {"shell": True, "text": True, "stdout": subprocess.PIPE, "env": {"A": "b"}}
    started = jobstep.subprocess.Popen("echo $SLURM_CONF", **how)
    assert started.communicate()[0].strip() == (place or "")


def account_of(job, plugin):
    """What the plugin adds to a submission."""
    executor = SimpleNamespace(logger=logging.getLogger("test"), _fallback_account_arg=None)
    return next(plugin.Executor.get_account_arg(executor, job))


@pytest.fixture
def plugin(monkeypatch):
    """The plugin of Slurm, as it is again afterwards."""
    for name in ("get_account", "validate_account"):
        monkeypatch.setattr(snakemake_executor_plugin_slurm, name, getattr(snakemake_executor_plugin_slurm, name))
    return snakemake_executor_plugin_slurm


def test_without_sacct_jobs_have_no_account_or_the_one_that_is_named(plugin, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    guessed = SimpleNamespace(resources=SimpleNamespace(get=lambda name: None))
    named = SimpleNamespace(resources=SimpleNamespace(get=lambda name: "lab", slurm_account="lab"))
    for job in (guessed, named):
        with pytest.raises(FileNotFoundError):  # which would end the run
            account_of(job, plugin)
    cluster.without_accounting(plugin)
    assert account_of(guessed, plugin) == "" and account_of(named, plugin) == " -A lab"


def test_where_there_is_accounting_the_plugin_asks_it(plugin, monkeypatch, tmp_path):
    for name, says in (("sacct", "lab"), ("sacctmgr", "lab\\nother")):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '{says}\\n'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    cluster.without_accounting(plugin)
    assert account_of(SimpleNamespace(resources=SimpleNamespace(get=lambda name: None)), plugin) == " -A lab"
    strange = SimpleNamespace(resources=SimpleNamespace(get=lambda name: "lob", slurm_account="lob"))
    with pytest.raises(WorkflowError, match="lob appears to be invalid"):
        account_of(strange, plugin)
