"""How jobs on Slurm end, by what Slurm says of them and by the marks that they leave, and what is told meanwhile."""

import asyncio
import logging
import re
from collections import deque
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm

from maescope.study import cluster_watch
from maescope.study.cluster_watch import Silent, Status, elsewhere, parsed, remedy, statuses, watched


class Plugin:
    """Stands where the executor of the plugin does: what it is told is kept."""

    next_seconds_between_status_checks, tmpdir = 20, ""

    def __init__(self, folder):
        self.tmpdir, self.logger = str(folder), logging.getLogger("test_cluster_watch")
        settings = SimpleNamespace(init_seconds_before_status_checks=20, status_command="squeue")
        execution = SimpleNamespace(latency_wait=60)
        self.workflow = SimpleNamespace(executor_settings=settings, execution_settings=execution)
        self.submitted, self.ended, self.failed, self.cancelled, self.asked = [], [], [], [], []

    def run_job(self, job):
        self.submitted.append(job.jobid)

    def run_array_jobs(self, jobs):
        self.submitted.append([job.jobid for job in jobs])

    def get_job_exec_suffix(self, job):
        return "of the plugin"

    def report_job_submission(self, job_info): ...

    def report_job_success(self, job_info):
        self.ended.append(job_info.job.jobid)

    def report_job_error(self, job_info, msg=None, **more):
        self.failed.append((job_info.job.jobid, msg))

    def cancel_jobs(self, active_jobs):
        self.cancelled += active_jobs

    async def check_active_jobs(self, active_jobs):
        self.asked += active_jobs
        for job in active_jobs:
            yield job


@pytest.fixture
def executor(tmp_path):
    return watched(SimpleNamespace(Executor=Plugin))(tmp_path)


@pytest.fixture
def says(monkeypatch):
    """What Slurm says of its jobs; an exception, and it does not answer."""

    def say(answer, clock=0.0):
        def found(numbers, *more):
            if isinstance(answer, Exception):
                raise answer
            return {number: status for number, status in answer.items() if number in numbers}

        monkeypatch.setattr(cluster_watch, "statuses", found)
        clocks = SimpleNamespace(monotonic=lambda: clock, monotonic_ns=lambda: clock)
        monkeypatch.setattr(cluster_watch, "time", clocks)

    return say


def job_of(number, tmp_path, group=False, **resources):
    job = SimpleNamespace(jobid=f"job {number}", name="extract", resources=resources, is_group=lambda: group)
    return SimpleNamespace(job=job, external_jobid=number, aux={"slurm_logfile": tmp_path / f"{number}.log"})


def look(executor, jobs):
    async def left():
        return [job async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(left())


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "COMPLETING", "SUSPENDED", "RESIZING", "of a later version"])
def test_a_job_that_goes_on_is_looked_at_again_and_less_often(executor, says, tmp_path, state):
    jobs = [job_of("7", tmp_path)]
    says({"7": Status(state)})
    for seconds in (30, 40, 50):
        assert look(executor, jobs) == jobs
        assert executor.next_seconds_between_status_checks == seconds
    assert not executor.ended and not executor.failed


def test_a_job_that_is_completed_has_ended_well_and_its_log_goes(executor, says, tmp_path):
    jobs = [job_of("7", tmp_path), job_of("8", tmp_path)]
    for job in jobs:
        job.aux["slurm_logfile"].touch()
    says({"7": Status("COMPLETED"), "8": Status("RUNNING")})
    assert look(executor, jobs) == jobs[1:]
    assert executor.ended == ["job 7"]
    assert [path.name for path in tmp_path.glob("*.log")] == ["8.log"]
    assert executor.next_seconds_between_status_checks == 20


@pytest.mark.parametrize("state", ["CANCELLED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"])
def test_a_job_that_failed_is_said_to_have_in_the_words_of_slurm(executor, says, tmp_path, state):
    says({"7": Status(state)})
    assert look(executor, [job_of("7", tmp_path)]) == []
    assert executor.failed == [("job 7", f"Slurm job 7: {state}. ")]


@pytest.mark.parametrize("group", [False, True])
def test_why_a_job_failed_is_told_of_groups_as_well(executor, says, tmp_path, caplog, group):
    says({"7": Status("FAILED", "JobLaunchFailure"), "8": Status("TIMEOUT", "None")})
    assert look(executor, [job_of(number, tmp_path, group) for number in "78"]) == []
    words = ["Slurm job 7: FAILED (JobLaunchFailure)", "Slurm job 8: TIMEOUT"]
    assert [said for _, said in executor.failed] == [f"{said}. " for said in words]
    assert [record.getMessage() for record in caplog.records] == [f"extract: {said}" for said in words] * group


@pytest.mark.parametrize("state", ["NODE_FAIL", "BOOT_FAIL"])
def test_what_slurm_may_yet_put_back_into_its_queue_is_believed_when_seen_twice(executor, says, tmp_path, state):
    jobs = [job_of("7", tmp_path)]
    for seen in (state, "PENDING", state):
        says({"7": Status(seen)})
        assert look(executor, jobs) == jobs and not executor.failed
    assert look(executor, jobs) == [] and executor.failed


def test_a_preempted_job_is_submitted_as_it_was_until_that_is_too_often(executor, says, tmp_path):
    jobs = [job_of("7", tmp_path)]
    says({"7": Status("PREEMPTED")})
    for times in range(1, cluster_watch.PREEMPTIONS + 1):
        assert look(executor, jobs) == jobs and look(executor, jobs) == []
        assert executor.submitted == ["job 7"] * times and not executor.failed
    assert look(executor, jobs) == jobs and look(executor, jobs) == []
    assert executor.failed == [("job 7", "Slurm job 7: PREEMPTED. ")]


def test_slurm_is_asked_until_it_answers_and_that_is_told_once_in_a_while(executor, says, tmp_path, caplog):
    jobs = [job_of("7", tmp_path)]
    for clock, told in ((0, 1), (100, 1), (299, 1), (301, 2)):
        says(Silent("squeue: Unable to contact slurm controller"), clock)
        assert look(executor, jobs) == jobs
        assert len(caplog.records) == told and "Ctrl-C" in caplog.text
        assert executor.next_seconds_between_status_checks == 20
    says({"7": Status("COMPLETED")})
    assert look(executor, jobs) == [] and executor.ended == ["job 7"] and not executor.failed


@pytest.mark.parametrize(
    ("mark", "log"), [(True, ""), (False, "killed"), (False, "*** CANCELLED DUE TO PREEMPTION ***")]
)
def test_a_job_that_slurm_has_forgotten_ended_well_if_it_left_its_mark(executor, says, tmp_path, mark, log):
    jobs = [job_of("7", tmp_path)]
    executor.run_job(jobs[0].job)
    jobs[0].aux["slurm_logfile"].write_text(log)
    says({}, 0)
    if mark:
        _, touch, path, *_ = executor.get_job_exec_suffix(jobs[0].job).split()
        assert touch == "touch" and path.startswith(str(tmp_path))
        open(path, "w").close()
        assert look(executor, jobs) == [] and executor.ended == ["job 7"]
        return
    assert look(executor, jobs) == jobs
    if "PREEMPTION" in log:
        assert look(executor, jobs) == [] and executor.submitted == ["job 7"] * 2 and not executor.failed
        return
    says({}, 59)  # a shared file system may lag
    assert look(executor, jobs) == jobs and not executor.failed
    says({}, 61)
    assert look(executor, jobs) == []
    assert executor.failed == [("job 7", f"Slurm job 7: {cluster_watch.FORGOTTEN}. ")] and not executor.ended


def test_a_mark_is_of_one_attempt_and_arrays_have_none(executor, tmp_path):
    job = job_of("7", tmp_path).job
    assert executor.get_job_exec_suffix(job) == "of the plugin"  # never submitted by itself
    executor.run_job(job)
    first = executor.get_job_exec_suffix(job)
    executor.run_job(job)
    assert executor.get_job_exec_suffix(job) != first
    executor.run_array_jobs([job])  # a command in an array goes on behind it
    assert executor.get_job_exec_suffix(job) == "of the plugin"


def test_a_group_that_the_plugin_cannot_submit_has_failed(tmp_path, caplog):
    """The plugin itself, which in such a case raises an error of its own about groups."""
    executor, failed = object.__new__(watched(snakemake_executor_plugin_slurm)), []
    executor.marks, executor._tmpdir, executor.slurm_logdir = {}, str(tmp_path), tmp_path
    executor.logger = logging.getLogger("test_cluster_watch")
    executor.workflow = SimpleNamespace(scheduler=SimpleNamespace(error_callback=failed.append))
    wrong = SimpleNamespace(slurm_extra="--gres=gpu:1", get=lambda name: None)
    told = {"is_group": lambda: True, "log_error": lambda msg, **more: None}
    job = SimpleNamespace(jobid="x", name="tokens", wildcards=[], resources=wrong, **told)
    executor.run_job(job)
    assert failed == [job] and "tokens: not submitted: The --generic-resources" in caplog.text


def test_a_disk_that_has_no_room_for_marks_fails_a_job(executor, tmp_path, monkeypatch):
    def full(*given):
        raise OSError("no space left")

    monkeypatch.setattr(cluster_watch, "Path", full)
    executor.run_job(job_of("7", tmp_path).job)
    assert executor.failed == [("job 7", "not submitted: no space left. ")]


def test_a_job_that_nobody_was_there_to_take_is_submitted_later(executor, says, tmp_path):
    refused = job_of(None, tmp_path)
    said = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
    executor.report_job_error(refused, msg=said)
    assert not executor.failed
    says(Silent("squeue: away"))
    assert look(executor, []) == [] and executor.submitted == []
    says({})
    assert look(executor, []) == [] and executor.submitted == ["job None"] and executor.again == deque()
    there_may_be_one = said.replace("connect", "receive")
    for words in ("sbatch: error: Invalid partition name specified", there_may_be_one):
        executor.report_job_error(refused, msg=words)
    assert len(executor.failed) == 2 and not executor.again


@pytest.mark.parametrize(
    "resources",
    [{"slurm_cluster": "far"}, {"cluster": "far"}, {"slurm_extra": "-M far"}, {"slurm_extra": "'--x -Mfar'"}],
)
def test_jobs_of_another_cluster_are_left_to_the_plugin(executor, says, tmp_path, resources):
    says(Silent("must not be asked"))
    jobs = [job_of("7", tmp_path), job_of("8", tmp_path, **resources)]
    assert look(executor, jobs) == jobs == executor.asked
    executor.report_job_error(
        job_of(None, tmp_path, **resources), msg="Unable to contact slurm controller (connect failure)"
    )
    assert executor.failed and not executor.again


def test_sbatch_may_be_told_of_another_cluster_by_the_environment(monkeypatch):
    monkeypatch.delenv("SBATCH_CLUSTERS", raising=False)
    assert not elsewhere({"slurm_extra": "--mail-type=END --x-M=1"}) and not elsewhere({})
    monkeypatch.setenv("SBATCH_CLUSTERS", "far")
    assert elsewhere({})


def test_jobs_that_are_looked_at_are_cancelled_too(executor, tmp_path):
    seen, other = job_of("7", tmp_path), job_of("8", tmp_path)
    executor.looked_at = [seen]
    executor.cancel_jobs([other])
    assert executor.cancelled == [other, seen]


def test_what_is_cancelled_while_slurm_is_asked_is_not_submitted_again(executor, tmp_path, monkeypatch):
    def answers_late(numbers, *more):
        executor.cancel_jobs([])
        return {}

    monkeypatch.setattr(cluster_watch, "statuses", answers_late)
    executor.again += [job_of("8", tmp_path).job, job_of("9", tmp_path).job]
    assert look(executor, []) == [] and executor.submitted == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status("PENDING", "Resources"), ""),
        (Status("PENDING", "Priority"), ""),
        (Status("RUNNING", "None"), ""),
        (Status("PENDING", "ReqNodeNotAvail, UnavailableNodes:two"), "sinfo -R"),
        (Status("PENDING", "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved"), "sinfo -R"),
        (Status("PENDING", "AssocGrpGRES"), "set-resources"),
        (Status("PENDING", "QOSMaxJobsPerUserLimit"), "set-resources"),
        (Status("PENDING", "JobHeldAdmin"), "scontrol release 7"),
        (Status("RESV_DEL_HOLD", "None"), "scontrol release 7"),
        (Status("SUSPENDED", "None"), "scontrol show job 7"),
        (Status("PENDING", "something new"), "scontrol show job 7"),
    ],
)
def test_a_job_that_waits_for_a_reason_is_told_once_in_a_while(executor, says, tmp_path, caplog, status, said):
    jobs = [job_of("7", tmp_path), job_of("8", tmp_path)]
    for clock in (0, 200, 301):
        says({"7": status, "8": Status("RUNNING")}, clock)
        assert look(executor, jobs) == jobs
    assert len(caplog.records) == (2 if said else 0)
    assert said in caplog.text


def test_an_executor_that_lacks_what_is_built_upon_is_named():
    with pytest.raises(AttributeError, match=r"^cancel_jobs, check_active_jobs, "):
        watched(SimpleNamespace(Executor=object))
    assert watched(snakemake_executor_plugin_slurm).__mro__[1:3] == (
        cluster_watch.Watch,
        snakemake_executor_plugin_slurm.Executor,
    )


def test_a_plugin_that_lacks_it_stays_as_it_is_with_a_warning(capsys):
    of_snakemake = SimpleNamespace(executor="the plugin's own")
    cluster_watch.stand_before(SimpleNamespace(Executor=object), of_snakemake)
    assert of_snakemake.executor == "the plugin's own"
    assert re.search("warning: .* lacks cancel_jobs, .*requirements.txt", capsys.readouterr().err)
    cluster_watch.stand_before(snakemake_executor_plugin_slurm, of_snakemake)
    assert issubclass(of_snakemake.executor, cluster_watch.Watch) and not capsys.readouterr().err


SQUEUE = """12|RUNNING|None
12_3|PENDING|ReqNodeNotAvail, UnavailableNodes:a|b

13|CANCELLED|None
"""


def test_tables_of_slurm_are_read():
    assert parsed(SQUEUE) == {
        "12": Status("RUNNING", "None"),
        "12_3": Status("PENDING", "ReqNodeNotAvail, UnavailableNodes:a|b"),
        "13": Status("CANCELLED", "None"),
    }
    assert parsed("7|CANCELLED by 0\n8|COMPLETED\n") == {"7": Status("CANCELLED"), "8": Status("COMPLETED")}


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Programs of that name, as shell scripts, and no others."""

    def make(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $* >> {tmp_path}/asked\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    make.asked = lambda: [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()]
    return make


KNOWN = "echo 'JobId=9 JobState=COMPLETED Reason=None Dependency=(null)'"
FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
AWAY = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"


def test_each_job_is_asked_of_squeue_and_what_is_not_there_of_scontrol(tools):
    tools(
        squeue="echo '7|RUNNING|None'; echo '99|FAILED|None'", scontrol=f'[ "$5" = 9 ] && {KNOWN} || {{ {FORGOTTEN}; }}'
    )
    assert statuses(["7", "8", "9"]) == {"7": Status("RUNNING", "None"), "9": Status("COMPLETED", "None")}


@pytest.mark.parametrize("said", [FORGOTTEN, "echo 'Job 12_3 not found'; exit 1"])
def test_jobs_that_slurm_has_forgotten_are_not_among_its_answers(tools, said):
    tools(squeue="true", scontrol=said)
    assert statuses(["12_3"]) == {}


def test_a_number_that_is_now_that_of_another_run_is_not_taken_for_the_job(tools):
    own, other = (f"echo 'JobId=9 JobName={name} JobState=COMPLETED Reason=None'" for name in ("run", "other"))
    tools(squeue="true", scontrol=own)
    assert statuses(["9"], None, "run") == {"9": Status("COMPLETED", "None")}
    tools(scontrol=other)
    assert statuses(["9"], None, "run") == {}


def test_what_slurm_says_may_be_of_any_encoding(tools):
    tools(squeue="true", scontrol=f"printf 'Comment=\\351 '; {KNOWN}")
    assert statuses(["9"]) == {"9": Status("COMPLETED", "None")}


@pytest.mark.parametrize(
    ("squeue", "scontrol", "why"),
    [
        (AWAY, KNOWN, "squeue: .*Unable to contact"),
        ("true", AWAY, "scontrol: .*Unable"),
        ("exit 3", "", "exit code 3"),
        ("true", "echo closed for maintenance", "scontrol says of job 7: closed for maintenance"),
        ("true", "true", "scontrol says of job 7: nothing"),
    ],
)
def test_a_slurm_that_does_not_answer_is_no_slurm_without_jobs(tools, squeue, scontrol, why):
    tools(squeue=squeue, scontrol=scontrol)
    with pytest.raises(Silent, match=why):
        statuses(["7"])


def test_a_slurm_that_hangs_or_is_not_there_does_not_answer(tools, monkeypatch):
    tools()
    with pytest.raises(Silent, match="squeue"):
        statuses(["7"])
    tools(squeue="exec /bin/sleep 5")
    monkeypatch.setattr(cluster_watch, "PATIENCE", 0.2)
    with pytest.raises(Silent, match="timed out"):
        statuses(["7"])


@pytest.mark.parametrize(
    ("sacct", "asked"),
    [
        ("echo '7|COMPLETED'", ["sacct"]),
        ("true", ["sacct", "squeue"]),  # it does not know the job yet
        ("exit 1", ["sacct", "squeue"]),  # no database
    ],
)
def test_sacct_is_asked_first_where_the_profile_wants_it(tools, sacct, asked):
    tools(sacct=sacct, squeue="echo '7|COMPLETED|None'", scontrol=KNOWN)
    assert statuses(["7"], "sacct")["7"].state == "COMPLETED"
    assert tools.asked() == asked


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL"])
def test_what_may_have_been_requeued_is_not_asked_of_sacct_alone(tools, state):
    tools(sacct=f"echo '7|{state}'", squeue="echo '7|PENDING|BeginTime'")
    assert statuses(["7"], "sacct") == {"7": Status("PENDING", "BeginTime")}
    tools(squeue=f"echo '7|{state}|None'")
    assert statuses(["7"], "sacct") == {"7": Status(state, "None")}


def test_without_jobs_it_is_still_asked_whether_slurm_is_there(tools):
    tools(squeue=AWAY, sacct="true")
    with pytest.raises(Silent):
        statuses([], "sacct")


def test_the_remedy_names_the_job():
    assert remedy("JobHeldUser", "12") == "it is held; `scontrol release 12` lets it go on, `scancel 12` ends it"
