"""The state of a training on disk, from which another attempt goes on: in a folder that no rule declares.

Snakemake removes the outputs of jobs that fail. Two states are kept, each written beside its place and renamed, with a
digest of its content in its name, and read without executing anything.
"""

import hashlib
import logging
import re
import shutil
import time
from pathlib import Path

import torch

from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.study.training_states import STATES

log = logging.getLogger(__name__)

KEPT = 2
NAME = re.compile(r"(\d{9})\.([0-9a-f]{16})\.pt")  # step, digest
WORDS = {"recipe": "another recipe", "model": "another model", "images": "another list of images"}
WORDS |= {"validation": "other images to validate on", "initial": "other weights to begin with"}
WORDS |= {"code": "another version of maescope's code"}


class States:
    """The states of one training.

    Parameters
    ----------
    model : its name
    identity : what a state must be of to be taken over, by the keys of WORDS
    minutes : after which a state is due; at the end of an epoch after a tenth of them
    """

    def __init__(self, model: str, identity: dict, minutes: float):
        self.folder, self.identity, self.seconds = STATES / model, identity, 60 * minutes
        self.saved, self.told = time.monotonic(), False

    def due(self, epoch_ended: bool) -> bool:
        """Whether a state should be saved now."""
        return time.monotonic() - self.saved >= self.seconds / (10 if epoch_ended else 1)

    def save(self, step: int, state: dict) -> bool:
        """Save the state after so many steps; whether it could be written: no disk that fails ends a training."""
        self.saved = time.monotonic()
        try:
            self._write(step, state)
        except (InputError, OSError, RuntimeError) as error:
            if not (reason := _of_a_disk(error)):
                raise
            level, self.told = logging.WARNING if self.told else logging.CRITICAL, True
            said = error if isinstance(error, InputError) else f"{self.folder}: no state can be written ({reason})"
            log.log(level, "%s; the training goes on, and its last state stays", said)
            return False
        self._remove(self._there()[KEPT:])
        return True

    def _remove(self, states: list[Path]) -> None:
        """Remove what newer states stand for; one that cannot be removed stays, which harms nothing but the disk."""
        for old in states:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s: an old state that cannot be removed (%s); the training goes on", old, error.strerror)

    def _write(self, step: int, state: dict) -> None:
        place = self.folder / "state"
        with replacing(place) as temporary:
            with open(temporary, "wb") as file:  # of a path torch writes itself, and never says that a disk is full
                torch.save({"step": step, "identity": self.identity, **state}, file)
            with open(temporary, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        place.replace(self.folder / f"{step:09d}.{digest}.pt")

    def take_over(self) -> dict | None:
        """The newest state that is whole, None where there is none at all.

        Raises
        ------
        InputError
            where it is of another training, naming what differs, or none is whole
        """
        there = self._there()
        for path in there:
            state = _read(path)
            if state is None:
                log.warning("%s: a state of a training that is damaged or cut; passed over", path)
                continue
            if problem := _difference(state["identity"], self.identity):
                raise InputError(
                    f"{self.folder}: has the state of a training with {problem}; put that back to go on, or delete the "
                    "folder to begin anew"
                )
            log.info("%s: an earlier attempt came to step %d, which this one goes on from", path, state["step"])
            return state
        if there:
            raise InputError(f"{self.folder}: no state in it is whole; delete the folder to begin anew")
        return None

    def forget(self) -> None:
        """Remove all states: the training has ended, and its files are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _there(self) -> list[Path]:
        """The states, the newest first."""
        found = [path for path in self.folder.glob("*.pt") if NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(NAME.fullmatch(path.name)[1]), reverse=True)


def _of_a_disk(error: BaseException | None) -> BaseException | None:
    """The error of a disk, or the one line made of it, that another came of: torch raises its own while it closes."""
    if error is None or isinstance(error, InputError | OSError):
        return error
    return _of_a_disk(error.__cause__ or error.__context__)


def _read(path: Path) -> dict | None:
    """A state, None where the file is not what was written."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        log.warning("%s", error)
        return None
    if digest != NAME.fullmatch(path.name)[2]:
        return None
    return torch.load(path, map_location="cpu", weights_only=True)


def _difference(then: dict, now: dict) -> str | None:
    """What a training was of and is not any more, in words; None where all is the same."""
    differing = [key for key in WORDS if then.get(key) != now.get(key)]
    if not differing:
        return None
    words = []
    for key in differing:
        one, other = then.get(key), now.get(key)
        both = isinstance(one, dict) and isinstance(other, dict)
        keys = [name for name in sorted(one | other) if one.get(name) != other.get(name)] if both else []
        words.append(WORDS[key] + (f" ({', '.join(keys)})" if keys else ""))
    return " and ".join(words)
