"""Programs in forks of a process that has imported Snakemake already, which takes longer than most plans.

Each has a process of its own, with the folder, environment, arguments and outputs that it would be started with, and
what it changes goes away with it. Nothing of maescope is imported beforehand: each copy of the workflow has its own.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import frozen
import warm_jobs

IMPORTED = ["snakemake.cli", "snakemake.executors.local", "snakemake.report.html_reporter", "jsonschema", "h5py"]
COMMANDS = Path(sys.executable).parent


def run(command: list, folder: Path, environment: dict[str, str], stderr: int = subprocess.PIPE):
    """What `subprocess.run` would say of a Python program in `folder`; `command` begins with the program's path."""
    if not {"-n", "--dry-run", "--lint"} & set(command):
        environment = environment | {warm_jobs.SOCKET: warm_jobs.socket()}
    with tempfile.NamedTemporaryFile("r+") as out, tempfile.NamedTemporaryFile("r+") as errors:
        outputs = [out.name, out.name if stderr == subprocess.STDOUT else errors.name]
        asked = {"command": list(map(str, command)), "folder": str(folder), "environment": environment}
        print(json.dumps(asked | {"outputs": outputs}), file=_server().stdin, flush=True)
        code = int(_server().stdout.readline())
        return subprocess.CompletedProcess(command, code, out.read(), errors.read())


@cache
def _server() -> subprocess.Popen:
    """The process that forks, one of each process that asks; without threads of numpy's, which a fork would lack."""
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    server = subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.stdin.close)  # which ends it
    return server


def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frozen.compiled()
    frozen.imported(IMPORTED)
    sys.modules["snakemake.cli"].get_argument_parser()  # which looks for plugins, and imports them
    frozen.imported([])
    for line in sys.stdin:
        if (process := os.fork()) == 0:
            return _become(**json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(command: list[str], folder: str, environment: dict[str, str], outputs: list[str]) -> None:
    """In the fork: the program, from its beginning to the end of this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate([os.devnull, *outputs]):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if warm_jobs.SOCKET in environment:
        sys.executable = str(warm_jobs.PYTHON)
    sys.argv, sys.path[0] = command, str(Path(command[0]).parent)
    warm_jobs.to_its_end(command[0])


if __name__ == "__main__":
    _serve()
