"""kill -9 at any moment: docs/faults.md rows 20, 21. What is there is whole; the next run ends like an undisturbed one.

The moments are drawn from seeds; MAESCOPE_SOAK multiplies them.
"""

import random
import signal
import time

import pytest
from tiny import ACCURACY, SOAK, Running, finish, finished, wait_for

# Scripts of rules, and how often each job of them is killed; of the last two only one job of a rule.
ARMS = {
    "extraction": (("extract",), 8),
    "training": (("finetune",), 8),
    "measures": (("accuracy", "alignment", "features", "quality"), 3),
    "figures-and-tables": (("figure_5", "figure_8", "training_curves", "table_1", "table_3"), 3),
}


@pytest.fixture
def study(tmp_path_factory):
    yield from finished(tmp_path_factory)


def jobs_of(study, arm):
    rules, _ = ARMS[arm]
    jobs = study.jobs_of(*rules)
    return jobs if len(rules) == 1 else list({job.rule: job for job in jobs}.values())


def kill_at(moment, job):
    """Whether the job was there to be killed."""
    process = job.start()
    process.join(moment)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_row_20_these_are_more_than_fifty_kills(study):
    assert sum(kills * len(jobs_of(study, arm)) for arm, (_, kills) in ARMS.items()) >= 50


@pytest.mark.parametrize("arm", ARMS)
def test_row_20_a_job_killed_at_any_moment_leaves_no_half_file_and_runs_again(study, arm):
    generator, kills = random.Random(arm), ARMS[arm][1] * SOAK
    for job in jobs_of(study, arm):
        files, seconds = study.outputs(job)
        killed = attempts = 0
        while killed < kills:
            attempts += 1
            assert attempts <= 4 * kills, f"{job.rule}: only {killed} kills came before its end"
            for path in files:
                path.unlink(missing_ok=True)
            before_its_end = kill_at(generator.uniform(0.2, 1) * seconds, job)
            killed += before_its_end
            seconds *= 1 if before_its_end else 0.8  # the machine had more to do when the job was timed
            assert study.half_made() == []
        assert finish(job.start()) == 0
    assert study.differing() == []


def test_row_20_an_extraction_goes_on_where_it_was_killed(study):
    """Killed once a label is done, and twenty times at any moment in a row: each label that was done stays so.

    The list of them, which stands for all, is removed before, as Snakemake does.
    """
    generator, undisturbed = random.Random(22), 0
    for job in study.jobs_of("extract"):
        files, seconds = study.outputs(job)
        folder = next(path.parent for path in files if path.suffix == ".h5")
        contents = folder.with_name(f"{folder.name}.csv")
        assert contents in files
        for path in files:
            path.unlink()
        process = job.start()
        (done, *_) = wait_for(lambda folder=folder: list(folder.glob("[!.]*.h5")))
        process.kill()
        process.join()
        then = done.stat().st_mtime_ns
        killed = [kill_at(generator.uniform(0, 0.4) * seconds, job) for _ in range(20 * SOAK)]
        if all(killed):  # none was slower to be killed than to end
            assert done.stat().st_mtime_ns == then and not contents.exists()
        assert finish(job.start()) == 0
        if all(killed):
            log = study / f"results/logs/extract/{folder.relative_to(study / 'results/tokens')}.log"
            assert "1 of 2 labels" in log.read_text() or "2 of 2 labels" in log.read_text()
            undisturbed += 1
        assert done.stat().st_mtime_ns == then
    assert undisturbed
    assert study.differing() == []


@pytest.mark.parametrize("arm", ARMS)
def test_row_20_a_job_that_ends_in_the_middle_of_a_file_leaves_no_half_file_and_runs_again(study, arm):
    """At a byte of each kind of file that it writes, in turn: where a kill at a random moment seldom falls."""
    generator = random.Random(arm)
    for job in jobs_of(study, arm):
        files, _ = study.outputs(job)
        kinds = {path.suffix: path for path in files if "provenance" not in path.parts}
        for path in kinds.values():
            size = int(generator.uniform(0.6, 0.9) * path.stat().st_size)  # the log, which is cut too, is shorter
            path.unlink()
            assert finish(job.start((path.name, size))) == -signal.SIGXFSZ
            assert study.half_made() == []
            (left,) = (study / "results").rglob(f".tmp.*.{path.name}")  # of token files beside those that are kept
            assert 0 < left.stat().st_size <= size  # HDF5 had not come as far in order
        assert finish(job.start()) == 0
        assert study.differing() == []


def test_row_21_two_of_the_same_job_do_not_disturb_each_other(study):
    """As when a job outlives its Snakemake and is run again: both write, and both end well."""
    generator = random.Random(21)
    for job in study.jobs_of("extract", "figure_8"):
        _, seconds = study.outputs(job)
        for _ in range(2 * SOAK):
            orphan = job.start()
            time.sleep(generator.uniform(0, 0.4) * seconds)
            assert [finish(process) for process in (job.start(), orphan)] == [0, 0]
            assert study.differing() == []


def test_row_20_jobs_killed_under_snakemake_are_tried_again(study):
    generator, kills, killed = random.Random(20), 4 * SOAK, 0
    study.forget_blur()
    with Running(study, "--retries", str(kills), ACCURACY) as run:
        for _ in range(kills):
            jobs = run.next_jobs()
            time.sleep(generator.uniform(0, 1.5))
            killed += run.signal(jobs[:1], signal.SIGKILL)
        assert run.end() == 0, run.said()
    assert killed > 0
    assert study.differing() == []


def test_row_21_snakemake_killed_its_orphans_writing_on(study):
    """The orphans are halted until the next run has jobs of its own, so that the two write at once."""
    generator = random.Random(21)
    for _ in range(SOAK):
        study.forget_blur()
        with Running(study, ACCURACY) as first:
            first.next_jobs()
            time.sleep(generator.uniform(0, 1))
            orphans = first.jobs()
            assert first.signal(orphans, signal.SIGSTOP) > 0
            first.process.kill()
            first.process.wait()
            assert study.half_made() == []
            refused = study.run(ACCURACY)
            assert refused.returncode == 1
            assert "--unlock" in refused.stdout or "--rerun-incomplete" in refused.stdout  # whichever it looks at first
            study.must_run("--unlock")
            with Running(study, "--rerun-incomplete", ACCURACY) as second:
                second.next_jobs()
                assert set(orphans) <= set(first.jobs())
                first.signal(orphans, signal.SIGCONT)
                assert second.end() == 0, second.said()
            first.end()
        assert study.differing() == []
