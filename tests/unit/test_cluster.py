"""What Slurm and Snakemake say, and what it is to be made of."""

from pathlib import Path

import pytest
import yaml

from maescope import cluster

GROUPS = ("tokens_{model}", "measures_{model}")
PROFILE = Path(__file__).parents[2] / "profiles/slurm/config.yaml"


def test_the_profile_as_it_is_has_no_problem():
    assert list(cluster.problems(yaml.safe_load(PROFILE.read_text()), GROUPS)) == []


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"set-resource": {"a": {"b": 1}}}, "unknown key 'set-resource' (did you mean 'set-resources'?)"),
        ({"partitions": {"gpu": {"maxgpu": 1}}}, "partitions.gpu: unknown key 'maxgpu' (did you mean 'max_gpu'?)"),
        (
            {"group-components": ["token_{model}=4"]},
            "group-components: unknown key 'token_{model}' (did you mean 'tokens_{model}'?)",
        ),
    ],
)
def test_what_would_be_passed_over_is_named(profile, said):
    assert list(cluster.problems(profile, GROUPS)) == [said]


def test_limits_may_be_left_out():
    assert list(cluster.problems({"partitions": {"cpu": None}, "jobs": 4, "default-resources": ["a=1"]}, GROUPS)) == []


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
"""
    said = list(cluster.explanations(log))
    assert len(said) == 1 and said[0].startswith("group tokens_vit was refused") and "lower mem_mb" in said[0]
    asked = (tmp_path / "asked").read_text()
    assert asked.split() == ["--test-only", "--partition=big", "--mem=6000", "--time=50", "--gpus=1", "--wrap=true"]
