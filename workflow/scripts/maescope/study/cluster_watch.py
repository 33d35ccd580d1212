"""Jobs on Slurm, watched so that a run ends whatever becomes of them.

Snakemake's plugin waits for ever for a job that Slurm ended to make room, for all jobs once Slurm did not answer, and
for those that Slurm has forgotten. `Watch` stands before it and overrides what Snakemake's interface of executors has.
A job that ends well leaves a mark; Slurm is asked until it answers; a job that it does not know any more has ended well
if there is a mark, and else it has failed.
"""

import asyncio
import math
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

# What of the interface is built upon; without one of these the plugin is left as it is.
INTERFACE = ("cancel_jobs", "check_active_jobs", "get_job_exec_suffix", "next_seconds_between_status_checks")
INTERFACE += ("report_job_error", "report_job_success", "run_job", "tmpdir")
CLUSTERS = ("cluster", "clusters", "slurm_cluster")  # resources of jobs that go to another cluster: left to the plugin
QUESTIONS = {  # by the setting slurm-status-command: a line per job, with number, state and why it waits
    "squeue": ["squeue", "--all", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"-u{os.getuid()}"],
    "sacct": ["sacct", "--noheader", "--allocations", "--parsable2", "--format=JobID,State"],
}
FORGOTTEN = "Slurm knows it no more, and it left no sign of having ended well"
FLEETING = {"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", FORGOTTEN}  # may yet be requeued or marked: believed when seen twice
ENDED = {"CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"} | FLEETING
STANDING = {"PENDING", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "STOPPED", "SUSPENDED"}
ORDINARY = {"", "BeginTime", "Cleaning", "None", "Priority", "Prolog", "Resources"}  # reasons to wait that pass
REASONS = {  # for others -> what to do
    r"(?i)not_?avail|down|drain|inactive": "its nodes or its partition are down, drained or reserved (`sinfo -R` says "
    "why); it begins when they are back, another partition goes under `partitions` of the profile",
    r"Limit|^(Assoc|QOS)": "a limit of the account, the partition or its QOS; it begins when there is room, or ask for "
    "less under set-resources of the profile",
    r"Held|held|HOLD|SPECIAL": "it is held; `scontrol release {number}` lets it go on, `scancel {number}` ends it",
}
ABSENT = re.compile(r"Unable to contact slurm controller \((connect|send) failure", re.IGNORECASE)  # so no job was made
UNKNOWN = re.compile(r"Invalid job id|^scontrol: Job \S+ not found", re.IGNORECASE)
ELSE = "; Ctrl-C ends this run instead, but while Slurm is away jobs that run cannot be cancelled"
MADE_ROOM = "DUE TO PREEMPTION"  # in the log of a job
PATIENCE = 60  # seconds for an answer
LONGEST = 180  # seconds between two looks, while nothing ends
AGAIN = 300  # seconds after which the same is told again
PREEMPTIONS = 20  # of a job, before it counts as failed


class Status(NamedTuple):
    """Of a job, in Slurm's words."""

    state: str
    reason: str = ""


class Silent(Exception):
    """Slurm does not answer; the message is why."""


def watched(plugin) -> type:
    """The plugin's executor with `Watch` before it.

    Parameters
    ----------
    plugin : the module `snakemake_executor_plugin_slurm`

    Raises
    ------
    AttributeError : the plugin or Snakemake is of a version that this was not written for; names what it lacks
    """
    if lacking := [name for name in INTERFACE if not hasattr(plugin.Executor, name)]:
        raise AttributeError(", ".join(lacking))
    plugin.validate_status_command_settings = lambda settings, logger: None  # would advise sacct

    class Executor(Watch, plugin.Executor):
        pass

    return Executor


def stand_before(plugin, registered) -> None:
    """Have Snakemake take the watched executor for the plugin's, or warn where that cannot be.

    Parameters
    ----------
    registered : what Snakemake's registry has of the plugin
    """
    try:
        registered.executor = watched(plugin)
    except AttributeError as lacking:
        print(
            f"warning: the plugin of Slurm, or Snakemake, lacks {lacking}: a job that is preempted, and a Slurm that "
            "is away for a minute, may leave this run waiting for ever; install what requirements.txt names",
            file=sys.stderr,
        )


class Watch:
    """What is done otherwise than by the plugin, whose executor comes after this one among the bases."""

    def __init__(self, *given):
        self.marks: dict[str, Path] = {}  # number of a job in Snakemake -> what is there once it has ended well
        self.looked_at = []  # jobs, while Slurm is asked about them
        self.again: deque = deque()  # jobs to be submitted as they are
        self.stopping = False
        self.doubted: dict[str, float] = {}  # number in Slurm -> since when a job seems to have ended
        self.preempted: Counter = Counter()
        self.told: dict[str, float] = {}
        super().__init__(*given)

    def run_job(self, job) -> None:
        """What the plugin raises of a group would be lost in a thread of its own, and the run wait for ever."""
        try:
            self.marks[job.jobid] = Path(self.tmpdir, f"ended.{time.monotonic_ns()}")
            super().run_job(job)
        except Exception as error:
            unsubmitted = SimpleNamespace(job=job, external_jobid=None, aux={})
            self._failed(unsubmitted, f"not submitted: {error.__context__ or error}")

    def run_array_jobs(self, jobs) -> None:
        for job in jobs:
            self.marks.pop(job.jobid, None)  # of an attempt outside of an array
        super().run_array_jobs(jobs)

    def get_job_exec_suffix(self, job) -> str:
        """What follows a job that ended well; nothing in arrays, where the plugin adds an option behind the command."""
        mark = self.marks.get(job.jobid)
        return f"( touch {shlex.quote(str(mark))} || true )" if mark else super().get_job_exec_suffix(job)

    def report_job_error(self, job_info, msg=None, **more) -> None:
        """A job that nobody was there to take has not failed."""
        if job_info.external_jobid is None and ABSENT.search(msg or "") and not elsewhere(job_info.job.resources):
            self._tell("Slurm", f"Slurm cannot be reached to take jobs; they are submitted as soon as it can{ELSE}")
            self.again.append(job_info.job)
        else:
            super().report_job_error(job_info, msg=msg, **more)

    def _failed(self, job_info, msg: str, **more) -> None:
        if job_info.job.is_group():  # of which Snakemake does not say why
            self.logger.warning(f"{job_info.job.name}: {msg}")
        self.report_job_error(job_info, msg=f"{msg}. ", **more)

    def cancel_jobs(self, active_jobs) -> None:
        self.stopping = True  # what is looked at just now is not submitted again
        super().cancel_jobs([*active_jobs, *(job for job in self.looked_at if job not in active_jobs)])

    async def check_active_jobs(self, active_jobs) -> AsyncIterator:
        """Ask Slurm, report what has ended, yield the others."""
        if any(elsewhere(job.job.resources) for job in active_jobs):
            async for job in super().check_active_jobs(active_jobs):
                yield job
            return
        first = self.workflow.executor_settings.init_seconds_before_status_checks
        before, self.next_seconds_between_status_checks = self.next_seconds_between_status_checks, first
        if active_jobs or self.again:
            self.looked_at = still = active_jobs
            command = getattr(self.workflow.executor_settings, "status_command", None)
            try:
                numbers, run = [job.external_jobid for job in active_jobs], getattr(self, "run_uuid", None)
                found = await asyncio.to_thread(statuses, numbers, command, run)
            except Silent as why:
                self._tell("Slurm", f"Slurm does not answer ({why}); jobs and this run go on when it does{ELSE}")
            else:
                self.told.pop("Slurm", None)
                still = [job for job in active_jobs if self._goes_on(job, found.get(job.external_jobid))]
                self.looked_at = still
                self._tell_why_they_wait({job.external_jobid: found.get(job.external_jobid) for job in still})
                quiet = len(still) == len(active_jobs) and not self.doubted and not self.again
                for job in [self.again.popleft() for _ in range(len(self.again))]:
                    if not self.stopping:
                        await asyncio.to_thread(self.run_job, job)
                if quiet:
                    self.next_seconds_between_status_checks = max(first, min(before + first / 2, LONGEST))
            for job in still:
                yield job
            self.looked_at = []

    def _goes_on(self, job, status: Status | None) -> bool:
        """Whether a job has yet to end; how it ended is reported."""
        number, log = job.external_jobid, job.aux.get("slurm_logfile")
        state = status.state if status else self._end_of(job)
        if state not in ENDED:
            self.doubted.pop(number, None)
            return True
        if state in FLEETING:
            patience = 0 if state != FORGOTTEN else self.workflow.execution_settings.latency_wait
            if number not in self.doubted or time.monotonic() < self.doubted[number] + patience:
                self.doubted.setdefault(number, time.monotonic())
                return True
        self.doubted.pop(number, None)
        if state == "COMPLETED":
            self.report_job_success(job)
            if log and not getattr(self.workflow.executor_settings, "keep_successful_logs", False):
                with suppress(OSError):
                    Path(log).unlink()
        elif state == "PREEMPTED" and self.preempted[job.job.jobid] < PREEMPTIONS:
            self.preempted[job.job.jobid] += 1
            self.logger.warning(f"Slurm job {number} ({job.job.name}) was preempted; it is submitted again as it was")
            self.again.append(job.job)
        else:
            why = f" ({status.reason})" if status and status.reason not in ("", "None") else ""
            self._failed(job, f"Slurm job {number}: {state}{why}", aux_logs=[str(log)] if log else [])
        return False

    def _end_of(self, job) -> str:
        """How a job ended that Slurm does not know any more."""
        mark, log = self.marks.get(job.job.jobid), job.aux.get("slurm_logfile")
        if mark and mark.exists():
            return "COMPLETED"
        with suppress(OSError):
            if MADE_ROOM in Path(log or "").read_text(errors="replace"):
                return "PREEMPTED"
        return FORGOTTEN

    def _tell_why_they_wait(self, found: Mapping[str, Status | None]) -> None:
        waiting: dict[str, list[str]] = {}
        for number, status in found.items():
            if status and status.state in STANDING and (status.state != "PENDING" or status.reason not in ORDINARY):
                why = status.state if status.reason in ORDINARY else status.reason
                waiting.setdefault(why, []).append(number)
        for why, numbers in waiting.items():
            who = f"job {numbers[0]} waits" if len(numbers) == 1 else f"{len(numbers)} jobs wait, as {numbers[0]}"
            self._tell(why, f"Slurm: {who}: {why}: {remedy(why, numbers[0])}")

    def _tell(self, key: str, words: str) -> None:
        """A warning, once in a while."""
        if time.monotonic() > self.told.get(key, -math.inf) + AGAIN:
            self.told[key] = time.monotonic()
            self.logger.warning(words)


def elsewhere(resources: Mapping) -> bool:
    """Whether a job with these resources goes to another cluster, where nothing here would ask for it."""
    named = any(resources.get(name) for name in CLUSTERS) or os.environ.get("SBATCH_CLUSTERS")
    return bool(named or re.search(r"(?<![\w-])-M", str(resources.get("slurm_extra"))))


def statuses(numbers: Collection[str], command: str | None = None, run: str | None = None) -> dict[str, Status]:
    """States of jobs, those that Slurm has forgotten left out.

    Parameters
    ----------
    numbers : of the jobs, in Slurm
    command : `sacct`, to ask that first; it may not answer, not know a job yet or any more, or not that it is requeued
    run : the name of the jobs, if known, as the same number may be that of another's job on a Slurm that began anew

    Raises
    ------
    Silent : Slurm does not answer, or not to the question
    """
    found = {}
    if command == "sacct" and numbers:
        with suppress(Silent):
            told = parsed(ask(*QUESTIONS["sacct"], f"--jobs={','.join(numbers)}"))
            found = {number: status for number, status in told.items() if status.state not in FLEETING}
    if set(numbers) - found.keys() or not numbers:
        found = parsed(ask(*QUESTIONS["squeue"])) | found
    for number in set(numbers) - found.keys():
        try:
            said = ask("scontrol", "--all", "--oneliner", "show", "job", number)
            record = dict(re.findall(r"\b(JobState|JobName|Reason)=(\S*)", said))
            if "JobState" not in record:
                raise Silent(f"scontrol says of job {number}: {' '.join(said.split())[:200] or 'nothing'}")
            if run in (None, record.get("JobName")):
                found[number] = Status(record["JobState"], record.get("Reason", ""))
        except Silent as why:
            if not UNKNOWN.search(str(why)):
                raise
    return {number: found[number] for number in numbers if number in found}


def parsed(table: str) -> dict[str, Status]:
    """`12|CANCELLED by 0|None`, line by line."""
    rows = [[word.strip() for word in line.split("|", 2)] for line in table.splitlines() if "|" in line]
    return {number: Status(state.split()[0], *reason) for number, state, *reason in rows if state}


def ask(*command: str) -> str:
    """What a command of Slurm says; `Silent` where it fails or takes too long."""
    try:
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
        done = subprocess.run(command, timeout=PATIENCE, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Silent(" ".join(str(error).split())) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise Silent(f"{command[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def remedy(why: str, number: str) -> str:
    """What to do about a job that waits, by Slurm's reason."""
    found = [change for pattern, change in REASONS.items() if re.search(pattern, why)]
    return (found or ["`scontrol show job {number}` says more"])[0].format(number=number)
