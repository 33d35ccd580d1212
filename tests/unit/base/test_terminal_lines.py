"""What the terminal says of a run, record by record; tests/workflow/test_terminal.py has real runs."""

import io
import logging
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from terminals import Terminal as Seen

from maescope.base import progress, terminal
from maescope.base.pace import Pace, about, clock
from maescope.base.terminal import Job, why


def test_the_rest_takes_as_long_as_jobs_of_the_same_rule_did():
    pace = Pace({"sample": 4, "extract_pets": 3})
    assert pace.left([], 1.0) is None
    pace.ended("sample", 2.0)
    pace.ended("sample", 4.0)
    # 2 samples of 3 s; extractions are taken for 6 times as long as other jobs: 3 of 18 s; one job at a time so far
    assert pace.left([], 6.0) == pytest.approx(2 * 3 + 3 * 18)
    pace.ended("extract_pets", 10.0)
    assert pace.left([], 16.0) == pytest.approx(2 * 3 + 2 * 10)
    # of what runs: a sample is 1 s before its end, an extraction at a quarter after 5 s; 24 s of work in 12 s
    running = [("sample", 2.0, 0.0), ("extract_pets", 6.0, 0.25)]
    assert pace.left(running, 12.0) == pytest.approx((1 + 18 + 1 * 3 + 1 * 10) / 2)
    assert Pace({"all": 2}).left([], 1.0) is None


def test_a_job_that_takes_longer_than_others_did_is_about_to_end():
    pace = Pace({"sample": 2})
    pace.ended("sample", 2.0)
    assert pace.left([("sample", 50.0, 0.0)], 52.0) == 0


@pytest.mark.parametrize(
    ("seconds", "exactly", "roughly"),
    [
        (0.2, "0:00", "10 s"),
        (65, "1:05", "60 s"),
        (89.6, "1:30", "90 s"),
        (95, "1:35", "2 min"),
        (3661, "1:01:01", "61 min"),
        (9000, "2:30:00", "2.5 h"),
    ],
)
def test_times_are_said_as_one_says_them(seconds, exactly, roughly):
    assert clock(seconds) == exactly and about(seconds) == roughly


def test_a_job_tells_by_its_log_how_far_it_is(tmp_path, monkeypatch):
    """By the line that `base.progress` writes, unless it is of another run."""
    log = tmp_path / "extract.log"
    job = Job("extract_pets", "extract_pets vit", [str(log)], begun=1000.0)
    assert job.progress() is None and Job("all", "all", [], 0.0).progress() is None
    with open(log, "w") as stream:
        stream.write("2026-11-29 INFO loaded\n" * 500)
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        progress.log.addHandler(handler)
        progress.log.setLevel(logging.INFO)
        try:
            with progress.counting("vit clean", "image", 40) as count:
                now = progress.time.monotonic() + 60
                monkeypatch.setattr(progress.time, "monotonic", lambda: now)
                count(12)
        finally:
            progress.log.removeHandler(handler)
    assert job.progress() == (12, 40, b"images")
    os.utime(log, (900, 900))
    assert job.progress() is None


WHY = [
    (
        'WorkflowError in file "/clone/workflow/rules/common.smk", line 79:\nconfig.yaml: no.\n'
        '  File "/clone/workflow/rules/common.smk", line 79, in <module>',
        "config.yaml: no.",
    ),
    ("WorkflowError:\nprofiles/slurm/config.yaml: no", "profiles/slurm/config.yaml: no"),
    (
        'WorkflowError in file "x.smk", line 7:\nc.yaml: not usable:\n  seed: no\n  File "x.smk", line 79, in <module>',
        "c.yaml: not usable: seed: no",
    ),
    ("WorkflowError:\nnot usable:\n  seed: no\n  study: no", "not usable:\n  seed: no\n  study: no"),
    (
        'InputFunctionException in rule x in file "tokens.smk", line 6:\nError:\n  InputError: models.vit: none;\n'
        'fetch it\nWildcards:\n  model=vit\nTraceback:\n  File "lookups.py", line 3, in weights',
        "models.vit: none;\nfetch it",
    ),
    ('InputFunctionException in rule x in file "y", line 6:\nError:\n  KeyError: 3\nWildcards:\n  model=vit', None),
    ("LockException:\nError: Directory cannot be locked.", None),
    ("", None),
]


@pytest.mark.parametrize(("said", "reason"), WHY)
def test_of_an_error_what_is_wrong_is_taken(said, reason):
    assert why(said) == reason


class Run:
    """A run without a terminal, told record by record."""

    def __init__(self, *quiet, whole=False, **settings):
        usual = logging.StreamHandler(io.StringIO())
        fixed = {"dryrun": False, "verbose": False, "debug_dag": False, "nocolor": False}
        settings = SimpleNamespace(**fixed | settings, quiet=[SimpleNamespace(name=name) for name in quiet])
        self.handler = terminal.Terminal(usual, settings, "run.log", whole)
        self.tell("workflow_started", "host: here")
        self.tell("run_info", "Job stats", stats={"sample": 2, "extract_pets": 2, "total": 4})

    def tell(self, event, words="", level=logging.INFO, **more):
        record = logging.LogRecord("snakemake", level, "", 0, words, (), None)
        vars(record).update(more, event=event)
        self.handler.handle(record)

    def job(self, number, rule, log=(), **wildcards):
        self.tell("job_info", jobid=number, rule_name=rule, wildcards=wildcards, log=list(log))

    def ended(self, number, done):
        self.tell("job_finished", f"Finished jobid: {number}", job_id=number)
        self.tell("progress", done=done, total=4)

    def failed(self, number, *log, indent=False, reason=None):
        more = {"jobid": number, "log": list(log), "indent": indent, "rule_msg": reason}
        self.tell("job_error", "Error in rule", level=logging.ERROR, **more)

    def said(self):
        self.handler.close()
        return self.handler.usual.stream.getvalue().splitlines()


def two_ended(run):
    run.job(1, "sample", dataset="pets")
    run.job(2, "extract_pets", model="vit", dataset="pets", perturbation="blur")
    run.ended(1, 1)
    run.ended(2, 2)
    return run.said()


def test_a_job_that_has_ended_is_one_line():
    assert two_ended(Run()) == [
        "4 jobs",
        "1 of 4   0:00  sample pets  10 s left",
        "2 of 4   0:00  extract_pets vit pets blur  10 s left",
        "2 of 4 jobs done in 0:00",
    ]


@pytest.mark.parametrize(
    ("quiet", "lines"),
    [
        (["RULES", "HOST"], ["4 jobs", "1 of 4  10 s left", "2 of 4  10 s left", "2 of 4 jobs done in 0:00"]),
        (["PROGRESS"], ["sample pets", "extract_pets vit pets blur"]),
        (["PROGRESS", "RULES"], []),
        (["ALL"], []),
    ],
)
def test_what_is_said_as_quietly_as_is_asked(quiet, lines):
    run = Run(*quiet)
    if "PROGRESS" in quiet:  # Snakemake makes no records then of what has ended
        run.ended = lambda number, done: None
    assert two_ended(run) == lines


@pytest.mark.parametrize("asked", [{"verbose": True}, {"dryrun": True}, {"debug_dag": True}, {"whole": True}])
def test_who_asks_for_all_that_snakemake_says_gets_it(asked):
    run = Run(**asked)
    run.tell("error", "WorkflowError:\nc.yaml: no", level=logging.ERROR)
    last = ["error: c.yaml: no"] if "dryrun" in asked else ["WorkflowError:", "c.yaml: no", "error: c.yaml: no"]
    assert run.said() == ["host: here", "Job stats", *last]


def test_remarks_are_left_to_the_log_warnings_and_errors_are_not():
    run = Run()
    run.tell(None, "Select jobs to execute...")
    run.tell(None, "Nothing to be done (all requested files are present and up to date).")
    run.tell(None, "take care", level=logging.WARNING)
    run.tell(None, "Exiting because a job execution failed. Look above for error messages", level=logging.ERROR)
    run.tell("error", "RuleException:\nCalledProcessError in file x, line 3:\nCommand 'python'", level=logging.ERROR)
    run.tell("error", "WorkflowError:\nAt least one job did not complete successfully.", level=logging.ERROR)
    run.tell("error", "LockException:\nError: cannot be locked", level=logging.ERROR)
    run.tell("error", "CreateCondaEnvironmentException:\nCalledProcessError of conda", level=logging.ERROR)
    run.tell(None, "RuleException in what a job said: At least one job did not complete", level=logging.ERROR)
    assert run.said()[1:-1] == [
        "Nothing to be done (all requested files are present and up to date).",
        "take care",
        "LockException:",
        "Error: cannot be locked",
        "CreateCondaEnvironmentException:",
        "CalledProcessError of conda",
        "RuleException in what a job said: At least one job did not complete",
    ]


# As snakemake-executor-plugin-slurm 2.8.0 and the interface of executors say it.
TAIL = "For further error details see the cluster/cloud log and the log files of the involved rule(s)."
CLUSTERS = [
    (
        "SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. Detailed failure reason unavailable (status command "
        "is not 'sacct').",
        "SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'",
    ),
    (
        "SLURM-job '7' failed due to a node failure, SLURM status is: 'NODE_FAIL'. Failed nodes will be excluded.",
        "SLURM-job '7' failed due to a node failure, SLURM status is: 'NODE_FAIL'. Failed nodes will be excluded",
    ),
    (
        "SLURM sbatch failed. The error message was 'sbatch: error: invalid account'.\n    sbatch call:\n        "
        "sbatch --parsable\n    sbatch script:\n#!/bin/sh\n",
        "SLURM sbatch failed. The error message was 'sbatch: error: invalid account'",
    ),
]


@pytest.mark.parametrize(("words", "reason"), CLUSTERS)
def test_why_a_cluster_ended_a_job_is_said_with_its_logs(words, reason):
    run = Run()
    run.job(1, "sample", ["sample.log"], dataset="pets")
    run.failed(1, "sample.log", "slurm_logs/7.log", reason=words + TAIL)
    line = f"failed after 0:00: sample pets; {reason}; its log: sample.log; on the cluster: slurm_logs/7.log"
    assert run.said()[1:-1] == [line]


@pytest.mark.parametrize("words", [None, TAIL])
def test_a_failure_without_a_reason_names_none(words):
    run = Run()
    run.job(1, "sample", ["sample.log"], dataset="pets")
    run.failed(1, "sample.log", reason=words)
    assert run.said()[1:-1] == ["failed after 0:00: sample pets"]


def test_a_log_that_a_disk_does_not_give_hides_no_other(tmp_path):
    """A file name that is too long is an error that even root gets."""
    run = Run()
    run.job(1, "sample", [f"{tmp_path}/{'x' * 300}.log"], dataset="pets")
    run.job(2, "extract_pets", model="vit")
    run.failed(1)
    assert run.said()[2] == f"{tmp_path}/{'x' * 300}.log: cannot be read (File name too long)"


def test_where_a_record_is_another_than_expected_snakemake_says_it_and_all_that_follows(capsys):
    run = Run()
    run.job(1, "sample", dataset="pets")
    run.tell("job_info", "rule extract_pets:", jobid=2)  # without the name of the rule
    run.job(3, "sample", dataset="birds")
    run.tell("job_finished", "Finished jobid: 1", job_id=1)
    run.tell("error", "WorkflowError:\nc.yaml: no", level=logging.ERROR)
    lines = run.said()
    assert lines[1].startswith("warning: from here on Snakemake says all itself, as these lines cannot go on (")
    assert "'wildcards'" in lines[1] or "'rule_name'" in lines[1]
    assert lines[2:] == [
        "rule extract_pets:",
        "",
        "Finished jobid: 1",
        "WorkflowError:",
        "c.yaml: no",
        "error: c.yaml: no",
    ]
    assert "Logging error" not in capsys.readouterr().err


def test_why_a_job_failed_is_said_at_once_where_others_go_on(tmp_path):
    """A single one is told at the end, by cluster.smk."""
    log = tmp_path / "sample.log"
    run = Run()
    run.job(1, "sample", [log], dataset="pets")
    run.job(2, "extract_pets", model="vit")
    log.write_text("error: cat/1.png: cannot be decoded\n")
    run.failed(1, log)
    run.failed(2, "slurm_logs/2.log")
    assert run.said()[1:] == [
        "failed after 0:00: sample pets",
        f"{log}: error: cat/1.png: cannot be decoded",
        "failed after 0:00: extract_pets vit; on the cluster: slurm_logs/2.log",
        "0 of 4 jobs done in 0:00; the whole record: run.log",
    ]


def test_jobs_of_a_group_fail_together_and_a_second_attempt_is_told_as_one():
    run = Run()
    for attempt in range(2):
        run.job(1, "sample", dataset="pets")
        run.job(2, "extract_pets", model="vit")
        if not attempt:
            jobs = [{"jobid": 1}, {"jobid": 2}]
            run.tell("group_error", level=logging.ERROR, job_error_info=jobs, aux_logs=["slurm_logs/7.log"])
            run.failed(1, indent=True)
            run.failed(2, indent=True)
    run.ended(1, 1)
    assert run.said()[1:] == [
        "failed after 0:00: sample pets, extract_pets vit; on the cluster: slurm_logs/7.log",
        "1 of 4   0:00  sample pets again  10 s left",
        "1 of 4 jobs done in 0:00",
    ]


def test_a_run_that_was_stopped_says_how_it_goes_on():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    run = Run()
    run.job(1, "sample", dataset="pets")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    run.tell(None, "Terminating processes on user request, this might take some time.")
    run.failed(1)  # it was told to stop as well
    assert run.said()[1:] == [
        "Terminating processes on user request, this might take some time.",
        "stopped: 0 of 4 jobs done in 0:00; the same command goes on from there",
    ]


NOISE = """
import os, subprocess, sys, time
from maescope.base.terminal import Screen

screen = Screen(sys.stderr)
screen.begin()
screen.draw("1 of 3 [###-------] 10 s left | sample pets, and what else there is to be said of it all")
subprocess.run("echo Traceback >&2; echo '  in a job' >&2; echo printed", shell=True)
time.sleep(1)
screen.line("2 of 3 done")
print("from Snakemake itself", file=sys.stderr)
os.write(2, b"half a line")
screen.draw("3 of 3")
screen.end()
print("last", file=sys.stderr)
"""


@pytest.mark.parametrize(("columns", "rows"), [(60, 40), (100, 4)])
def test_what_jobs_write_stands_above_the_bar_and_the_bar_is_gone_at_the_end(columns, rows, tmp_path):
    library = str(Path(terminal.__file__).parents[2])
    seen = Seen([sys.executable, "-c", NOISE], tmp_path, columns, rows, PYTHONPATH=library)
    assert seen.closed() == 0
    lines = ["Traceback", "  in a job", "printed", "2 of 3 done", "from Snakemake itself", "half a line", "last"]
    assert seen.lines() == lines[-rows + 1 :]
    assert b"10 s left | sample pets" in seen.said and (seen.screen.cursor.x, seen.screen.cursor.hidden) == (0, False)


STUMBLES = """
import logging, sys, time
from types import SimpleNamespace
from maescope.base.terminal import Terminal

def bar(self):
    raise OSError(116, "Stale file handle")

Terminal._bar = bar
settings = SimpleNamespace(dryrun=False, verbose=False, debug_dag=False, nocolor=True, quiet=None)
handler = Terminal(logging.StreamHandler(), settings, None, False)
for record in ({"event": "workflow_started"}, {"event": "run_info", "stats": {"sample": 1, "total": 1}}):
    handler.handle(logging.makeLogRecord(record))
time.sleep(2)
handler.handle(logging.makeLogRecord({"event": "job_info", "msg": "rule sample:"}))
handler.close()
"""


def test_where_the_bar_cannot_be_drawn_snakemake_says_all(tmp_path):
    library = str(Path(terminal.__file__).parents[2])
    seen = Seen([sys.executable, "-c", STUMBLES], tmp_path, PYTHONPATH=library, columns=200)
    assert seen.closed() == 0
    first, warning, last = seen.lines()
    assert (first, last) == ("1 job", "rule sample:") and "OSError: [Errno 116] Stale file handle" in warning


CLOSED = """
import contextlib, os, sys, time
from maescope.base.terminal import Screen

screen = Screen(sys.stderr)
screen.begin()
screen.draw("1 of 3")
with contextlib.suppress(OSError):
    sys.stdin.readline()
for _ in range(200):
    os.write(2, b"x" * 999 + b"\\n")
    screen.line("2 of 3")
    screen.draw("2 of 3")
open("went on", "w").close()
screen.end()
"""


def test_a_run_whose_terminal_was_closed_goes_on(tmp_path):
    """Without waiting for someone to read what its jobs write."""
    library = str(Path(terminal.__file__).parents[2])
    program = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{CLOSED}"
    seen = Seen([sys.executable, "-c", program], tmp_path, PYTHONPATH=library)
    seen.until("1 of 3")
    os.close(seen.end)
    os.waitpid(seen.process, 0)
    assert (tmp_path / "went on").exists()


def colour(tmp_path, **environment):
    """What is written for an error on a terminal."""
    program = (
        "import logging, sys; from types import SimpleNamespace; from maescope.base.terminal import Terminal;"
        "settings = SimpleNamespace(dryrun=False, verbose=False, debug_dag=False, nocolor=False, quiet=None);"
        "handler = Terminal(logging.StreamHandler(), settings, None, False);"
        "handler.handle(logging.makeLogRecord({'event': 'error', 'msg': 'WorkflowError:\\nc.yaml: no'}))"
    )
    library = str(Path(terminal.__file__).parents[2])
    seen = Seen([sys.executable, "-c", program], tmp_path, PYTHONPATH=library, **environment)
    assert seen.closed() == 0 and seen.lines() == ["error: c.yaml: no"]
    return seen.said


def test_an_error_is_red_unless_no_colour_is_wanted(tmp_path):
    assert colour(tmp_path).startswith(b"\x1b[31merror: ")
    assert b"\x1b" not in colour(tmp_path, NO_COLOR="1")


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_that_cannot_draw_gets_lines_alone(kind, tmp_path):
    library = str(Path(terminal.__file__).parents[2])
    seen = Seen([sys.executable, "-c", NOISE], tmp_path, TERM=kind, PYTHONPATH=library)
    assert seen.closed() == 0
    assert b"\x1b" not in seen.said and b"left" not in seen.said and seen.lines()[-1] == "half a linelast"
