"""Several processes of one machine that train together, each on its own device: torchrun and DDP.

Each takes an equal share of every step, gradients are averaged, and the first one writes.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import IO

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from maescope.base.errors import InputError
from maescope.models import devices

TOLD = (signal.SIGTERM, signal.SIGINT)  # by which a job is told to end
ALONE = 30  # seconds to finish a step and save a state once whoever started the processes is gone or tells them to end


@dataclass
class World:
    """The processes of a training, of which this is one."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def parallel(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are those of all processes; it is the same in all, which begin with one seed."""
        if self.size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, ids, broadcast_buffers=False)

    def sum(self, value: Tensor) -> Tensor:
        """Over all processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def mean(self, value: Tensor) -> Tensor:
        return self.sum(value) / self.size


def device_of(wanted: str, gpus: int) -> str:
    """The kind of device that `auto`, `cpu` or `cuda` stands for here, of which there must be as many as asked for.

    Raises
    ------
    InputError
        where there are fewer GPUs
    """
    kind = devices.device_of(wanted).type
    if kind == "cuda" and torch.cuda.device_count() < gpus:
        there = torch.cuda.device_count()
        raise InputError(f"training.gpus: {gpus}, but torch sees {there}; lower it, or run where there are as many")
    if kind == "cpu" and wanted == "auto" and gpus > 1:
        raise InputError(f"training.gpus: {gpus}, but torch sees none; set gpus: 1, or run where there are as many")
    return kind


def begin(kind: str, gpus: int) -> World:
    """Join the others, in a process that torchrun started.

    Raises
    ------
    InputError
        where there are not as many as asked for
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if size != gpus:
        raise InputError(f"training.gpus: {gpus}, but {size} processes were started; start none by hand")
    if kind == "cuda":
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    return World(rank, size, torch.device(kind, rank) if kind == "cuda" else torch.device(kind))


def launch(module: str, arguments: list[str], gpus: int, threads: int, log: IO) -> int:
    """Run a module in so many processes that share the threads, and wait; its exit status.

    torchrun starts them in sessions of their own, in which they would outlive it and this process: so they are told to
    end by the end of their standard input, whether this process is told to end or is killed. torchrun hears nothing: at
    a second SIGTERM, as Slurm's and this one's, it would leave them alone.

    Parameters
    ----------
    log : where their words go
    """
    given = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
    each = str(max(1, threads // gpus))
    environment = os.environ | {"OMP_NUM_THREADS": each, "MKL_NUM_THREADS": each}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)  # the library that is imported here
    environment["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGHUP"
    with subprocess.Popen(
        [*given, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stderr=log,
        stdout=log,
        env=environment,
        preexec_fn=_hear_nothing,
    ) as processes:
        before = {word: signal.signal(word, lambda *_: processes.stdin.close()) for word in TOLD}
        try:
            return processes.wait()
        finally:
            for word, handler in before.items():
                signal.signal(word, handler)


def _hear_nothing() -> None:
    for word in TOLD:
        signal.signal(word, signal.SIG_IGN)


def end_with_parent() -> None:
    """In one of several processes: hear SIGTERM, which comes once `launch` closes standard input or is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ALONE)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def end() -> None:
    """Leave the others."""
    dist.destroy_process_group()
