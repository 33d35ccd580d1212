"""States of trainings: killed at any moment and resumed, damaged, of something else, on a full disk.

MAESCOPE_SOAK multiplies the kills.
"""

import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from trainings import AFFINE, classification, classifier, pretraining, problem, readers, recipe, train

from maescope.base import atomic
from maescope.base.errors import InputError
from maescope.models import states

NO_LIMIT = resource.RLIM_INFINITY
SOAK = int(os.environ.get("MAESCOPE_SOAK", "1"))
IDENTITY = {"recipe": {"epochs": 6, "batch_size": 8}, "model": {}, "images": "a", "validation": None, "initial": None}
IDENTITY |= {"code": "c"}
OWN = recipe(epochs=6, augmentation=AFFINE, average=0.9, mixup=0.8, smoothing=0.1)
STEPS = 12


def run(kept=True, **further):
    """A training whose state is saved after every step; all that it ends with."""
    objective = classification(OWN, model=classifier(depth=2, drop_path_rate=0.3))
    own = states.States("vit", IDENTITY, 0) if kept else None
    return train(objective, OWN, validation=problem(8), states=own, **further)


def in_a_process(folder, pause=0, before=None, **further):
    """Start that training in a process of its own, which leaves its end, or what it says of it, in a file."""

    def work():
        os.chdir(folder)
        os.setsid()  # a group of its own, as jobs have
        torch.set_num_threads(1)
        if before:
            before()
        take = torch.optim.AdamW.step
        torch.optim.AdamW.step = lambda *given: (time.sleep(pause), take(*given))
        try:
            found = run(**further)
        except InputError as error:
            Path("said").write_text(str(error))
            raise SystemExit(1) from error
        resource.setrlimit(resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))
        torch.save({"weights": found.weights, "history": found.history}, "end")

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def end(folder):
    found = torch.load(folder / "end")
    return found["weights"], found["history"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    process = in_a_process(folder, kept=False)
    process.join()
    return end(folder)


def step_of(folder):
    """The last step whose state is there."""
    return max((int(path.name[:9]) for path in (folder / states.STATES).glob("vit/*.pt")), default=0)


def disturb(process, folder, word, step, pause):
    """Send a signal some time after so many steps."""
    while process.is_alive() and step_of(folder) < step:
        time.sleep(0.0005)
    time.sleep(pause)
    os.kill(process.pid, word)
    process.join()


@pytest.mark.parametrize(
    "words",
    [(signal.SIGKILL, signal.SIGTERM)] if SOAK == 1 else [(signal.SIGKILL,) * SOAK, (signal.SIGTERM,) * (SOAK // 2)],
)
def test_a_training_that_was_ended_at_any_moment_comes_to_the_same_end(tmp_path, undisturbed, words):
    rng, disturbed = random.Random(sum(words)), 0
    places = sorted(rng.sample(range(STEPS - 1), len(words)))  # each attempt gets further than the one before
    for word, step in zip(words, places, strict=True):
        process = in_a_process(tmp_path, pause=0.02, workers=disturbed % 2)  # or it may end before it is ended
        disturb(process, tmp_path, word, step, rng.uniform(0, 0.02))
        assert process.exitcode == -word or "its state is saved" in (tmp_path / "said").read_text()
        disturbed += 1
        assert step <= step_of(tmp_path) and not (tmp_path / "end").exists()
    process = in_a_process(tmp_path)
    process.join()
    weights, history = end(tmp_path)
    assert torch.equal(weights, undisturbed[0]) and history == undisturbed[1]
    assert disturbed == len(words) >= 2


def test_a_signal_to_all_processes_of_a_job_ends_no_reader_before_the_state_is_saved(tmp_path, undisturbed):
    """As Slurm sends it at the end of the time."""
    process = in_a_process(tmp_path, pause=0.1, workers=2)
    while process.is_alive() and not step_of(tmp_path):
        time.sleep(0.0005)
    os.killpg(process.pid, signal.SIGTERM)
    process.join()
    assert "its state is saved" in (tmp_path / "said").read_text()
    in_a_process(tmp_path).join()
    assert torch.equal(end(tmp_path)[0], undisturbed[0])


class Ended(Exception):
    pass


def interrupted(monkeypatch, after, word=None, **further):
    """Train until so many steps are done, in this process, which gets the signal after those that read for it."""
    take, steps = torch.optim.AdamW.step, []

    def counted(*given):
        take(*given)
        steps.append(1)
        if len(steps) == after:
            if word is None:
                raise Ended
            for reader in readers() if further else ():
                os.kill(reader.pid, word)
                reader.join(0.2)
            os.kill(os.getpid(), word)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", counted)
        run(**further)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / states.STATES / "vit"


def test_two_states_are_kept_and_read_without_executing_anything(here, monkeypatch):
    with pytest.raises(Ended):
        interrupted(monkeypatch, 6)
    assert [int(path.name[:9]) for path in sorted(here.glob("*.pt"))] == [4, 5]
    assert {path.suffix for path in here.iterdir()} == {".pt"}
    for path in here.glob("*.pt"):
        assert torch.load(path, weights_only=True)["step"] == int(path.name[:9])


def test_told_to_end_it_saves_its_state_says_so_in_one_line_and_hears_as_before(here, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    said = (
        r"^the training was told to end after 3 of 12 steps; its state is saved, and the next attempt goes on from it$"
    )
    with pytest.raises(InputError, match=said):
        interrupted(monkeypatch, 3, signal.SIGTERM)
    assert step_of(here.parents[3]) == 3 and signal.getsignal(signal.SIGTERM) == before
    wanted, found = run(kept=False), run()  # goes on in the middle of an epoch, of which half the losses are summed up
    assert torch.equal(found.weights, wanted.weights) and found.history == wanted.history


def test_ctrl_c_which_comes_to_all_processes_of_a_job_is_heard_as_well(here, monkeypatch):
    word = signal.SIGINT
    wanted, before = run(kept=False), signal.getsignal(word)
    with pytest.raises(InputError, match="told to end after 3 of 12 steps; its state is saved"):
        interrupted(monkeypatch, 3, word, workers=2)
    assert step_of(here.parents[3]) == 3 and signal.getsignal(word) == before
    assert readers() == []
    assert torch.equal(run().weights, wanted.weights)


@pytest.mark.parametrize("problem", [PermissionError(13, "Permission denied"), OSError(116, "Stale file handle")])
def test_a_disk_that_fails_ends_no_training(here, monkeypatch, caplog, problem):
    def fails(*given):
        raise problem

    monkeypatch.setattr(states.torch, "save", fails)
    assert len(run().history) == 6
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "CRITICAL")
    assert problem.strerror in line and "results/models/.state/vit" in line and "the training goes on" in line


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_state_is_passed_over_and_without_a_whole_one_it_is_said(here, monkeypatch, caplog, damage):
    wanted = run(kept=False)
    with pytest.raises(Ended):
        interrupted(monkeypatch, 6)
    older, newer = sorted(here.glob("*.pt"))
    damage(newer)
    kept = older.read_bytes()
    assert torch.equal(run().weights, wanted.weights)
    assert f"{newer}".removeprefix(f"{here.parents[3]}/") in caplog.text and "passed over" in caplog.text
    for path in here.glob("*.pt"):
        path.unlink()
    older.write_bytes(kept)
    damage(older)
    with pytest.raises(InputError, match=r"^results/models/\.state/vit: no state in it is whole; delete the folder"):
        run()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recipe": {"epochs": 6, "batch_size": 4}}, r"another recipe \(batch_size\)"),
        ({"recipe": {"epochs": 7, "batch_size": 4}}, r"another recipe \(batch_size, epochs\)"),
        ({"model": {"pooling": "token"}}, r"another model \(pooling\)"),
        ({"images": "b"}, "another list of images"),
        ({"validation": "b"}, "other images to validate on"),
        ({"initial": "b"}, "other weights to begin with"),
        ({"code": "d", "images": "b"}, "another list of images and another version of maescope's code"),
    ],
)
def test_a_state_of_something_else_is_refused_by_name_and_stays(here, changed, said):
    states.States("vit", IDENTITY, 0).save(3, {"weights": {}})
    own = states.States("vit", IDENTITY | changed, 0)
    with pytest.raises(InputError, match=rf"^results/models/\.state/vit: has the state of a training with {said}; put"):
        own.take_over()
    assert states.States("vit", IDENTITY, 0).take_over()["step"] == 3
    own.forget()
    assert own.take_over() is None


def test_a_full_disk_ends_no_training_and_loses_no_state(here, monkeypatch, caplog):
    wanted = run(kept=False)
    with pytest.raises(Ended):
        interrupted(monkeypatch, 4)
    there = {path.name: path.read_bytes() for path in here.glob("*.pt")}

    @contextmanager
    def full(path):
        with atomic.replacing(path) as temporary:
            temporary.symlink_to("/dev/full")
            yield temporary

    monkeypatch.setattr(states, "replacing", full)
    assert torch.equal(run().weights, wanted.weights)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert len(lines) == 1 and "disk is full" in lines[0] and "\n" not in lines[0]
    assert {path.name: path.read_bytes() for path in here.glob("*.pt")} == there


def test_a_state_that_no_byte_more_can_be_written_of_ends_no_training_and_loses_none(tmp_path, undisturbed):
    """The kernel refuses to let files grow beyond a size, as beyond a quota."""
    process = in_a_process(tmp_path, pause=0.02)
    disturb(process, tmp_path, signal.SIGKILL, 3, 0)
    folder = tmp_path / states.STATES / "vit"
    there = {path.name: path.read_bytes() for path in folder.glob("*.pt")}
    process = in_a_process(tmp_path, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, NO_LIMIT)))
    process.join()
    assert {path.name: path.read_bytes() for path in folder.glob("*.pt")} == there and len(there) == 2
    assert [path.suffix for path in folder.iterdir()] == [".pt"] * 2
    assert torch.equal(end(tmp_path)[0], undisturbed[0])


def test_an_old_state_that_cannot_be_removed_ends_no_training(here, monkeypatch, caplog):
    """A folder cannot, whoever asks; nor can a file that another client of the disk holds."""
    wanted = run(kept=False)
    with pytest.raises(Ended):
        interrupted(monkeypatch, 3)
    (here / "000000000.0123456789abcdef.pt").mkdir()
    with pytest.raises(Ended):
        interrupted(monkeypatch, 4)
    lines = [record.getMessage() for record in caplog.records if "cannot be removed" in record.getMessage()]
    assert lines and "000000000.0123456789abcdef.pt: an old state" in lines[0] and "the training goes on" in lines[0]
    assert [int(path.name[:9]) for path in sorted(here.glob("*.pt"))] == [0, 4, 5]
    found = run()
    assert torch.equal(found.weights, wanted.weights) and found.history == wanted.history


@pytest.mark.parametrize(("event", "count"), [("os.remove", 1), ("os.remove", 2), ("os.rename", 4), ("os.rename", 7)])
def test_killed_while_a_state_takes_its_place_or_an_old_one_goes_it_loses_nothing(tmp_path, undisturbed, event, count):
    """SIGKILL in the very call, of a state that is removed or of a file that is renamed, the first time or later."""

    def kill():
        seen = []

        def hear(name, arguments):
            of_a_state = name == event and ".state" in str(arguments[0])
            if of_a_state and (event == "os.rename" or str(arguments[0]).endswith(".pt")):
                seen.append(1)
                if len(seen) == count:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hear)

    process = in_a_process(tmp_path, before=kill)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path for path in (tmp_path / states.STATES).glob("vit/*.pt") if states._read(path)]
    in_a_process(tmp_path).join()
    weights, history = end(tmp_path)
    assert torch.equal(weights, undisturbed[0]) and history == undisturbed[1]


def test_an_error_of_torch_that_no_disk_made_is_not_passed_over(here, monkeypatch):
    def fails(*given):
        raise RuntimeError("of torch alone")

    monkeypatch.setattr(states.torch, "save", fails)
    with pytest.raises(RuntimeError, match="of torch alone"):
        run()


def test_told_to_end_where_no_state_can_be_saved_it_says_so(here, monkeypatch):
    monkeypatch.setattr(states.States, "save", lambda *given: False)
    with pytest.raises(InputError, match=r"told to end after 2 of 12 steps; no state was saved$"):
        interrupted(monkeypatch, 2, signal.SIGTERM)


def test_states_are_due_after_minutes_and_at_the_end_of_an_epoch_after_a_tenth(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(states, "time", clock)
    now = 100.0
    own = states.States("vit", IDENTITY, 10)
    due = []
    for now in (159.0, 161.0, 699.0, 701.0):  # noqa: B007 - what the clock says
        due.append((own.due(False), own.due(True)))
    assert due == [(False, False), (False, True), (False, True), (True, True)]


def test_a_pretraining_goes_on_as_well(here, monkeypatch):
    own = recipe(epochs=3, augmentation=AFFINE)
    wanted = train(pretraining(True), own).weights
    kept = states.States("mae", IDENTITY, 0)
    save = kept.save

    def ended(step, state):
        save(step, state)
        if step == 4:
            raise Ended

    kept.save = ended
    with pytest.raises(Ended):
        train(pretraining(True), own, states=kept)
    assert torch.equal(train(pretraining(True), own, states=states.States("mae", IDENTITY, 0)).weights, wanted)
