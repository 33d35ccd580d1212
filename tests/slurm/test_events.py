"""What a cluster does to a run that is no fault of a job: the run ends all the same, and its results are right.

In each, an extraction waits behind the first of its three labels until it may go on; what is to happen happens then.
"""

import contextlib
import copy
import signal
import time
from pathlib import Path

import onenode
import pytest
from cluster_runs import COMMAND, ENVIRONMENT, QUICK, Run, clone, edit, jobs
from conftest import Workflow
from onenode import wait_until

pytest_plugins = ["on_slurm"]

SOON = 300  # seconds after an event in which a run has to end
LOOP = "\n        for images in done:\n"
STEP = "\n            run.step(step, batches)\n"
STEP_GATE = f"""
            if step == 5 and world.rank == 0:
                import pathlib, time

                pathlib.Path("five").touch()
                while not pathlib.Path("go").exists() and not told.is_set():
                    time.sleep(0.1){STEP}"""
GATE = f"""
        def until_told(batches):
            import pathlib
            import time

            for number, images in enumerate(batches):
                while number == 2 and not pathlib.Path("go").exists():
                    time.sleep(0.1)
                yield images

        done = until_told(done){LOOP}"""


@pytest.fixture(scope="session")
def sampled(small, tmp_path_factory) -> Workflow:
    """A study of which only the extraction is to do, which waits for a file `go`."""
    workflow = clone(tmp_path_factory.mktemp("sampled") / "clone", small)
    workflow.must_run("--until", "check_labels", "--", target("clean"))
    edit(workflow, "workflow/scripts/tokens/extract.py", LOOP, GATE)
    return workflow


@pytest.fixture(scope="session")
def undisturbed(sampled, tmp_path_factory) -> Workflow:
    workflow = sampled.moved(tmp_path_factory.mktemp("undisturbed") / "clone")
    (workflow / "go").touch()
    workflow.must_run("--", target("clean"), target("blur"))
    return workflow


@pytest.fixture
def study(slurm, sampled, tmp_path):
    """A copy whose jobs enter one partition."""

    def copy(partition: str) -> Workflow:
        workflow = sampled.moved(tmp_path / partition)
        edit(workflow, "profiles/slurm/config.yaml", "  cpu: {}", f"  {partition}: {{}}")
        return workflow

    return copy


def target(perturbation: str) -> str:
    return f"results/tokens/mae_finetuned/three/{perturbation}.csv"


def same(workflow: Workflow, undisturbed: Workflow, *perturbations: str) -> None:
    """Token files are those of an undisturbed run, bit for bit."""
    for name in perturbations:
        of = Path("results/tokens/mae_finetuned/three")
        files = [of / f"{name}.csv", *((of / name / f"{label}.h5") for label in range(3))]
        for path in files:
            assert (workflow / path).read_bytes() == (undisturbed / path).read_bytes(), path


def waits_at_the_gate(workflow: Workflow, *perturbations: str) -> None:
    for name in perturbations:
        folder = workflow / f"results/tokens/mae_finetuned/three/{name}"
        wait_until(lambda folder=folder: len(list(folder.glob("*.h5"))) > 1, 300, f"{name} to have a label")


def ends_soon(run: Run) -> str:
    """What a run says that ends well within five minutes of the event before."""
    since = time.monotonic()
    said = run.ends(0)
    assert time.monotonic() - since < SOON
    return said


def make_room() -> None:
    """A job that needs the whole of node two, and has it."""
    onenode.said("srun", "--quiet", "--partition=urgent", "--exclusive", "true")


def test_preempted(study, undisturbed):
    """With CANCEL and with REQUEUE, side by side. At first their node is drained, which is told."""
    states = {"cancel": ["PREEMPTED", "COMPLETED"], "requeue": ["COMPLETED"]}
    studies = {partition: study(partition) for partition in states}
    onenode.said("scontrol", "update", "nodename=two", "state=drain", "reason=test")
    with contextlib.ExitStack() as stack:
        runs = {p: stack.enter_context(Run(own, *QUICK, "--", target("clean"))) for p, own in studies.items()}
        for run in runs.values():
            wait_until(lambda run=run: "`sinfo -R` says why" in run.said, 120, "a word on why the job waits")
        onenode.said("scontrol", "update", "nodename=two", "state=resume")
        for workflow in studies.values():
            waits_at_the_gate(workflow, "clean")
        make_room()
        for workflow in studies.values():
            (workflow / "go").touch()
        said = {partition: ends_soon(run) for partition, run in runs.items()}
    for partition, workflow in studies.items():
        same(workflow, undisturbed, "clean")
        own = jobs(workflow)
        assert [job["JobState"] for job in own] == states[partition]
        assert len({job["MinMemoryNode"] for job in own}) == 1
        assert own[0]["Restarts"] == str(int(partition == "requeue"))
        told = f"Slurm job {own[0]['JobId']} (tokens_mae_finetuned_extract_three) was preempted"
        assert said[partition].count(told) == 2 * (partition == "cancel")  # on the terminal and in Snakemake's log
        log = (workflow / "results/logs/extract/mae_finetuned/three/clean.log").read_text()
        assert "1 of 3 labels" in log, log


def test_a_node_fails(study, undisturbed):
    """Of two jobs one may be queued again by Slurm and the other not."""
    studies = {("requeue", ()): ["COMPLETED"], ("cancel", ("--slurm-no-requeue",)): ["NODE_FAIL", "COMPLETED"]}
    copies = {key: study(key[0]) for key in studies}
    with contextlib.ExitStack() as stack:
        runs = {
            key: stack.enter_context(Run(own, *QUICK, *key[1], "--", target("clean"))) for key, own in copies.items()
        }
        for workflow in copies.values():
            waits_at_the_gate(workflow, "clean")
        onenode.said("scontrol", "update", "nodename=two", "state=down", "reason=test")
        try:
            for workflow in copies.values():
                wait_until(lambda own=workflow: jobs(own)[0]["JobState"] != "RUNNING", 60, "the job to end")
                (workflow / "go").touch()
        finally:
            onenode.works("scontrol", "update", "nodename=two", "state=resume")  # unless it is back by itself
        said = {key: ends_soon(run) for key, run in runs.items()}
    for key, workflow in copies.items():
        same(workflow, undisturbed, "clean")
        own, asked = jobs(workflow), key[1]
        assert [job["JobState"] for job in own] == studies[key]
        assert own[0]["Restarts"] == str(int(not asked))
        assert (f"Slurm job {own[0]['JobId']}: NODE_FAIL" in said[key]) == bool(asked)


def test_the_controller_is_away_when_jobs_are_submitted_and_while_they_run(study, undisturbed):
    workflow = study("cpu")
    onenode.stop_controller()
    try:
        run = Run(workflow, *QUICK, "--", target("clean"))
        wait_until(lambda: "Slurm cannot be reached to take jobs" in run.said, 120, "a job to be refused")
        onenode.start_controller()
        waits_at_the_gate(workflow, "clean")
        onenode.stop_controller()
        wait_until(lambda: "Slurm does not answer (squeue: " in run.said, 60, "Snakemake to miss it")
        (workflow / "go").touch()
        time.sleep(20)  # of the minute that it may be away
    finally:
        onenode.start_controller()
    ends_soon(run)
    same(workflow, undisturbed, "clean")
    assert [job["JobState"] for job in jobs(workflow)] == ["COMPLETED"]


def test_two_nodes_with_gpus_one_of_which_is_drained(slurm, sampled, undisturbed, tmp_path):
    """Four extractions on four GPUs, one of which is cancelled on the node that is drained: it finds the other node."""
    workflow = sampled.moved(tmp_path / "clone")
    config = workflow.config()
    config["models"]["mae_finetuned"]["device"] = "auto"
    workflow.configure(config)
    edit(workflow, "profiles/slurm/config.yaml", "  gpu: {max_gpu", "  pair: {max_gpu")
    names = ("clean", "blur", "gaussian_noise", "frost")
    alone = ("--group-components", "tokens_{model}=1")
    with Run(workflow, *QUICK, *alone, "--", *map(target, names)) as run:
        running = lambda: [job["NodeList"] for job in jobs(workflow) if job["JobState"] == "RUNNING"]  # noqa: E731
        wait_until(lambda: sorted(running()) == ["one", "one", "two", "two"], 120, "jobs on both nodes")
        onenode.said("scontrol", "update", "nodename=two", "state=drain", "reason=test")
        onenode.said("scancel", next(job["JobId"] for job in jobs(workflow) if job["NodeList"] == "two"))
        (workflow / "go").touch()
        ends_soon(run)
    onenode.said("scontrol", "update", "nodename=two", "state=resume")
    same(workflow, undisturbed, "clean", "blur")
    own = jobs(workflow)
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in own)
    assert sorted((job["NodeList"], job["JobState"]) for job in own) == [
        *[("one", "COMPLETED")] * 3,
        ("two", "CANCELLED"),
        ("two", "COMPLETED"),
    ]


def test_snakemake_is_stopped_until_slurm_has_forgotten_its_jobs(slurm, study, undisturbed):
    """One of them has ended well by then, the other was killed. MinJobAge is shorter than the plugin trusts in."""
    workflow = study("cpu")
    onenode.remember(5)
    try:
        alone = ("--group-components", "tokens_{model}=1")
        with Run(workflow, *QUICK, *alone, "--latency-wait", "5", "--", target("clean"), target("blur")) as run:
            waits_at_the_gate(workflow, "clean", "blur")
            run.process.send_signal(signal.SIGSTOP)
            _, killed = (job["JobId"] for job in jobs(workflow))
            onenode.said("scancel", killed)
            (workflow / "go").touch()
            wait_until(lambda: not jobs(workflow), 180, "Slurm to forget the jobs")
            run.process.send_signal(signal.SIGCONT)
            said = ends_soon(run)
    finally:
        onenode.remember(3600)
    same(workflow, undisturbed, "clean", "blur")
    assert f"Slurm job {killed}: Slurm knows it no more" in said
    assert "Falling back to 'sacct'" not in said


def test_no_sacct_and_no_sacctmgr_and_slurm_conf_alone_says_where_slurm_is(study, undisturbed, tmp_path):
    """Two runs side by side; the second is in a job."""
    bare, hidden = study("cpu"), study("hidden")
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in (ENVIRONMENT, Path("/usr/bin"), Path("/bin")):
        for tool in folder.iterdir():
            if not tool.name.startswith("sacct") and not (tools / tool.name).is_symlink():
                (tools / tool.name).symlink_to(tool)
    for workflow in (bare, hidden):
        (workflow / "go").touch()
    inside = {"SLURM_CONF": str(onenode.FILES / "slurm.conf"), "SLURM_JOB_ID": "1"}
    command = onenode.hidden(COMMAND)
    with (
        Run(bare, *QUICK, "--", target("clean"), PATH=str(tools)) as first,
        Run(hidden, *QUICK, "--", target("clean"), command=command, **inside) as second,
    ):
        first.ends(0)
        second.ends(0)
    for workflow in (bare, hidden):
        same(workflow, undisturbed, "clean")


@pytest.fixture(scope="session")
def to_train(small, tmp_path_factory) -> Workflow:
    """A study of a model that two GPUs train, which are no GPUs: two processes on the CPU.

    The sixth step waits for `go`, or for a signal. No state is due before: what there is was saved at that signal.
    """
    config = copy.deepcopy(small)
    own = config["models"]["mae_finetuned"]
    training = {"recipe": "scratch", "dataset": "three_train", "epochs": 6, "batch_size": 24}
    training |= {"device": "auto", "gpus": 2, "state_minutes": 60}
    config["models"]["trained"] = {key: value for key, value in own.items() if key != "weights"} | {
        "training": training,
        "threads": 2,
    }
    workflow = clone(tmp_path_factory.mktemp("to_train") / "clone", config)
    workflow.must_run("--until", "sample", "--", "results/models/trained.safetensors")
    edit(workflow, "workflow/scripts/maescope/models/training.py", STEP, STEP_GATE)
    there_are_none = 'if kind == "cpu" and wanted == "auto" and gpus > 1:'
    edit(workflow, "workflow/scripts/maescope/models/ranks.py", there_are_none, "if False:")
    return workflow


def test_a_training_on_two_gpus_is_one_task_and_goes_on_where_it_was_preempted(slurm, to_train, tmp_path):
    weights = "results/models/trained.safetensors"
    undisturbed, workflow = (to_train.moved(tmp_path / name) for name in ("undisturbed", "clone"))
    (undisturbed / "go").touch()
    undisturbed.must_run("--", weights)
    edit(workflow, "profiles/slurm/config.yaml", "  gpu: {max_gpu: 8}", "  cancel: {max_gpu: 2}")
    with Run(workflow, *QUICK, "--", weights) as run:
        wait_until(lambda: (workflow / "five").exists(), 300, "five steps to be done")
        make_room()
        said = ends_soon(run)
    assert (workflow / weights).read_bytes() == (undisturbed / weights).read_bytes()
    own = jobs(workflow)
    assert [job["JobState"] for job in own] == ["PREEMPTED", "COMPLETED"], said
    assert {(job["Partition"], job["TresPerNode"], job["NumTasks"]) for job in own} == {("cancel", "gres:gpu:2", "1")}
    assert len({(job["TimeLimit"], job["MinMemoryNode"]) for job in own}) == 1
    log = (workflow / "results/logs/train_scratch/trained.log").read_text()
    assert "an earlier attempt came to step 6," in log, log
    assert not (workflow / "results/models/.state/trained").exists()
