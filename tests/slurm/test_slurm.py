"""The workflow on a real Slurm: what runs where, what a killed job leaves, what can be taken up again, what is said.

Two long runs go on in the background while mistakes are made beside them.
"""

import re
import signal
import sysconfig
import time
from collections.abc import Iterator

import pytest
import yaml
from cluster_runs import COMMAND, ENVIRONMENT, QUICK, Run, Watch, accuracy, clone, edit, half_files, jobs
from conftest import REPOSITORY, SMALLEST
from onenode import wait_until

pytest_plugins = ["on_slurm"]
CLEAN = accuracy("clean")
PERTURBED = ("clean", "blur", "gaussian_noise")
FIGURES = [f"figure_{number}" for number in (*range(1, 9), "masks")] + ["training_curves", "reconstruction"]
TABLES = ["table_1", "table_2", "table_3", "claims", "shifts"]

# Put into a clone's extract.py: faults of the first attempt, which has the least memory, once a label is done.
LOOP = "\n        for images in done:\n"
FAULTS = f"""
        if snakemake.resources.mem_mb < 5000:
            import time

            def faulty(batches):
                for number, images in enumerate(batches):
                    if number == 2 and name == "clean":
                        hoard = [bytearray(b"x" * 2**27) for _ in range(50)]
                    if number == 2 and name == "blur":
                        time.sleep(600)
                    if number == 2 and name == "gaussian_noise":
                        raise RuntimeError("a fault")
                    yield images

            done = faulty(done){LOOP}"""


@pytest.fixture(scope="session")
def long_runs(slurm, small, tmp_path_factory) -> Iterator[dict[str, Run | Watch]]:
    """Two runs side by side: the whole smallest study by the very command, and one whose jobs fail at first."""
    config = yaml.safe_load(SMALLEST.read_text())
    config["models"]["mae_finetuned"]["device"] = "auto"  # the others stay on CPUs
    whole = clone(tmp_path_factory.mktemp("whole") / "clone", config)
    failing = clone(tmp_path_factory.mktemp("failing") / "clone", small)
    edit(failing, "workflow/scripts/tokens/extract.py", LOOP, FAULTS)
    alone = [
        "--group-components",
        "tokens_{model}=1",
        "--set-resources",
        "extract_three:runtime=2 if attempt == 1 else 20",
    ]
    targets = accuracy("clean", "blur", "gaussian_noise")
    assert COMMAND == ("snakemake", "--cores", "8", "--profile", "slurm")
    runs = {"whole": Run(whole), "failing": Run(failing, *QUICK, *alone, "--", *targets)}
    try:
        yield runs | {"watch": Watch(runs["failing"])}
    finally:
        for run in runs.values():
            run.kill()


@pytest.fixture(scope="module")
def prepared(slurm, long_runs, small, tmp_path_factory):
    """A study of which only the extraction and what follows are missing, with a model that wants a GPU."""
    config = small | {"models": {"mae_finetuned": small["models"]["mae_finetuned"] | {"device": "auto"}}}
    workflow = clone(tmp_path_factory.mktemp("bad") / "clone", config)
    workflow.must_run("--", "results/images/three.csv")
    return workflow


@pytest.fixture
def study(prepared):
    """The profile is put back as it was."""
    kept = (prepared / "profiles/slurm/config.yaml").read_text()
    yield prepared
    (prepared / "profiles/slurm/config.yaml").write_text(kept)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "  cpu: {}",
            "  cqu: {}",
            ["config.yaml: partitions: ", "Invalid partition", "partition=cqu", "under `partitions`"],
        ),
        ("\npartitions:", "\npartitoins:", ["'partitoins' (did you mean 'partitions'?)"]),
        ("  cpu: {}", "  cpu:", ["write `cpu: {}`"]),
        ("\njobs:", "\njbos:", ["unrecognized arguments: --jbos=40"]),
    ],
)
def test_a_mistake_in_the_profile_is_named_before_any_job(study, old, new, said):
    edit(study, "profiles/slurm/config.yaml", old, new)
    quality = "results/measures/quality/mae_finetuned/three/blur.csv"
    text = Run(study, "--", *CLEAN, quality).ends(1 if "jbos" not in new else 2)
    for words in said:
        assert words in text, text
    assert "has been submitted" not in text
    assert not (study / "results/tokens").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("extract_three:gpu=2", "no job gets more than `resources: gpu=1` allows"),
        ("extract_three:gres='gpu:1'", "`gres: gpu:1`, and Slurm would be given both; take gres out"),
    ],
)
def test_gpus_that_no_job_gets_are_refused_before_any(study, asked, said):
    text = Run(study, "--set-resources", asked, "--", *CLEAN).ends(1)
    assert f"profiles/slurm/config.yaml: extract_three asks for gpu={2 if '2' in asked else 1}" in text and said in text
    assert "has been submitted" not in text


def test_a_group_that_the_plugin_cannot_submit_ends_the_run(study):
    asked = ("--set-resources", "extract_three:gpu_model='a-100'")
    text = Run(study, *QUICK, "--retries", "0", *asked, "--", *CLEAN).ends(1)
    assert "tokens_mae_finetuned_extract_three: not submitted: Invalid GPU model format: a-100" in text, text


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("  nogpu: {max_gpu: 8}", ["partition=nogpu --gpus=1", "not available", "state max_gpu only for"]),
        ("  gpu: {}", ["none has max_gpu, but there are jobs with a GPU"]),
    ],
)
def test_what_slurm_may_yet_take_is_a_warning(study, new, said):
    edit(study, "profiles/slurm/config.yaml", "  gpu: {max_gpu: 8}", new)
    text = Run(study, *QUICK, "--retries", "0", "--", *CLEAN).ends(1)
    for words in ("profiles/slurm/config.yaml: partitions: ", *said):
        assert words in text, text
    assert not list((study / "results/tokens").rglob("*.h5"))


@pytest.mark.parametrize(
    ("mem_mb", "said"),
    [
        (300, ["it needed more memory than its mem_mb", "`extract_digits: {mem_mb: 16000*attempt}`"]),
        (900_000, ["group tokens_mae_finetuned was refused", "--mem=900000", "not available", "lower mem_mb"]),
    ],
)
def test_memory_that_is_too_little_or_too_much(study, mem_mb, said):
    asked = [f"extract_three:mem_mb={mem_mb}", "extrct_three:mem_mb=1"]
    text = Run(study, *QUICK, "--retries", "0", "--set-resources", *asked, "--", *CLEAN).ends(1)
    assert "warning: set-resources: unknown key 'extrct_three' (did you mean 'extract_three'?)" in text
    for words in said:
        assert words in text[text.index("What to change in the Slurm profile") :], text
    assert not list((study / "results/tokens").rglob("*.h5"))


def test_a_node_without_the_environment(study, tmp_path):
    """The job's Python is there when Snakemake starts and gone when the node looks for it."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.symlink_to(ENVIRONMENT / "python")
    packages = sysconfig.get_path("purelib")  # which it cannot find by itself, standing alone
    command = [str(python), "-m", *COMMAND]
    with Run(study, *QUICK, "--retries", "0", "--", *CLEAN, command=command, PYTHONPATH=packages) as run:
        wait_until(lambda: "Building DAG" in run.said, 60, "Snakemake to start")
        python.unlink()
        text = run.ends(1)
    assert "the node does not see the Python environment" in text and "make VENV=" in text, text


@pytest.fixture(scope="module")
def whole(long_runs):
    """The verbatim command, at its end."""
    long_runs["whole"].ends(0)
    return long_runs["whole"].workflow


def test_ctrl_c_cancels_the_jobs(slurm, small, tmp_path):
    workflow = clone(tmp_path / "clone", small)
    edit(workflow, "workflow/scripts/tokens/extract.py", LOOP, f"\n        __import__('time').sleep(600){LOOP}")
    with Run(workflow, *QUICK, "--", *accuracy(*PERTURBED)) as run:
        run.reaches("tokens")
        run.stop(signal.SIGINT)
    assert run.process.returncode != 0
    wait_until(lambda: not {"RUNNING", "PENDING"} & {job["JobState"] for job in jobs(workflow)}, 20, "the jobs to end")
    assert "CANCELLED" in {job["JobState"] for job in jobs(workflow)}
    assert not list((workflow / "results/tokens").rglob("*.h5"))


def test_killed_snakemake_is_taken_up_again(slurm, small, reference, tmp_path):
    """The orphans write on while the second Snakemake begins."""
    workflow = clone(tmp_path / "clone", small)
    script = (workflow / "workflow/scripts/tokens/extract.py").read_text()
    edit(workflow, "workflow/scripts/tokens/extract.py", LOOP, f"{LOOP}            __import__('time').sleep(3)\n")
    with Run(workflow, *QUICK, "--", *accuracy("clean", "blur")) as first:
        first.reaches("tokens")
        wait_until(lambda: list((workflow / "results/tokens").rglob(".tmp.*")), 60, "something half written")
        first.stop(signal.SIGKILL)
    assert "RUNNING" in {job["JobState"] for job in jobs(workflow)}
    (workflow / "workflow/scripts/tokens/extract.py").write_text(script)
    refused = Run(workflow, *QUICK, "--", *accuracy("clean", "blur")).ends(1)
    assert "--unlock" in refused or "--rerun-incomplete" in refused  # whichever it looks at first
    Run(workflow, command=[*COMMAND, "--unlock"]).ends(0)
    Run(workflow, *QUICK, "--rerun-incomplete", "--", *accuracy("clean", "blur")).ends(0)
    assert not half_files(workflow / "results")
    for path in accuracy("clean", "blur"):
        assert (workflow / path).read_bytes() == (reference / path).read_bytes()


def test_a_job_killed_or_failed_leaves_no_half_file_and_succeeds_with_more(long_runs, reference):
    long_runs["failing"].ends(0)
    workflow, seen = long_runs["failing"].workflow, long_runs["watch"]
    assert seen.temporary and not seen.half
    tokens = [job for job in jobs(workflow) if "tokens" in job["Comment"]]
    states = sorted(job["JobState"] for job in tokens)
    assert states == ["COMPLETED"] * 3 + ["FAILED"] * 2 + ["TIMEOUT"], states  # no memory reads FAILED as well
    memory = {state: {job["MinMemoryNode"] for job in tokens if job["JobState"] == state} for state in states}
    assert memory == {"COMPLETED": {"8000M"}, "FAILED": {"4000M"}, "TIMEOUT": {"4000M"}}
    said = long_runs["failing"].said
    for words in ("exceeded memory limit", "DUE TO TIME LIMIT", "RuntimeError: a fault"):
        assert words in said, words
    assert not list((workflow / "results").rglob(".tmp.*"))
    for name in PERTURBED:  # each went on with the second of three labels
        log = (workflow / f"results/logs/extract/mae_finetuned/three/{name}.log").read_text()
        assert "1 of 3 labels" in log and "were done by an earlier attempt" in log, log
    for path in accuracy(*PERTURBED):
        assert (workflow / path).read_bytes() == (reference / path).read_bytes()


def test_the_very_command_makes_all_figures_and_tables(whole):
    for name in FIGURES:
        assert (whole / f"results/smoke/figures/{name}.png").stat().st_size > 1000, name
    for name in TABLES:
        assert (whole / f"results/smoke/tables/{name}.csv").stat().st_size > 100, name


def test_jobs_run_where_they_belong(whole):
    """mae_finetuned may use a GPU, the others may not."""
    own = jobs(whole)
    assert {job["JobState"] for job in own} == {"COMPLETED"}
    gpu = [job for job in own if job["Partition"] == "gpu"]
    assert gpu and all("tokens_mae_finetuned_extract" in job["Comment"] for job in gpu)
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in gpu)
    cpu = [job for job in own if job["Partition"] != "gpu"]
    assert {job["Partition"] for job in cpu} == {"cpu"}
    assert not [job for job in cpu if "TresPerJob" in job or "tokens_mae_finetuned" in job["Comment"]]
    assert any("tokens_mae_pretrained_extract" in job["Comment"] for job in cpu)
    assert any("pretrain" in job["Comment"] for job in cpu)
    assert len(own) <= 30


def test_the_job_table(whole):
    """Printed with -s: rule, partition, state, seconds. Each group of jobs is in one partition."""
    partitions = {}
    for job in jobs(whole):
        rule = job["Comment"].removeprefix("rule_")
        print(f"{job['JobId']:>4} {rule:<90} {job['Partition']:<4} {job['JobState']:<10} {job['RunTime']}")
        partitions.setdefault(rule.split("_wildcards_")[0], set()).add(job["Partition"])
    gpu = {rule for rule, names in partitions.items() if names == {"gpu"}}
    assert gpu and all("tokens_mae_finetuned" in rule for rule in gpu)
    assert {rule for rule, names in partitions.items() if names == {"cpu"}} == partitions.keys() - gpu
    assert partitions.keys() - gpu > {"sample", "pretrain"}


@pytest.mark.parametrize("target", ["figure_5", "results/smoke/figures/figure_5.png"])
def test_a_figure_from_existing_measures_takes_seconds_and_no_slurm_job(whole, target):
    before = len(jobs(whole))
    (whole / "results/smoke/figures/figure_5.png").unlink()
    started = time.monotonic()
    said = Run(whole, "--", target).ends(0)
    assert re.findall(r"^(?:local)?rule (\w+):", said, re.MULTILINE) == ["figure_5"]
    assert time.monotonic() - started < 30
    assert len(jobs(whole)) == before


def test_a_table_runs_the_jobs_that_it_lacks_and_no_other(whole):
    """It is gone with one of its measures, and so is a measure that only others read."""
    before = len(jobs(whole))
    (whole / "results/smoke/tables/table_1.csv").unlink()
    for measure in ("accuracy", "alignment"):
        (whole / f"results/measures/{measure}/mae_finetuned/three/blur.parquet").unlink()
    said = Run(whole, *QUICK, "--", "table_1").ends(0)
    assert sorted(re.findall(r"^ *(?:local)?rule (\w+):", said, re.MULTILINE)) == ["accuracy", "table_1"]
    assert [job["Partition"] for job in jobs(whole)[before:]] == ["cpu"]


@pytest.mark.parametrize("choice", [("--profile", "profiles/slurm"), ("--workflow-profile", "slurm")])
def test_the_profile_may_be_named_in_other_ways(whole, choice):
    (whole / "results/images/three.csv").unlink()
    said = Run(whole, "--", "results/images/three.csv", command=["snakemake", "--cores", "8", *choice, *QUICK]).ends(0)
    assert "Auto-selected partition 'cpu' for job sample" in said and "has been submitted" in said


def test_nothing_of_this_needs_an_accounting_database(slurm):
    assert "AccountingStorageType   = accounting_storage/none" in slurm.said("scontrol", "show", "config")
    assert "slurm-status-command: squeue" in (REPOSITORY / "profiles/slurm/config.yaml").read_text()
