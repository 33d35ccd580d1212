"""The scripts of Snakemake's jobs, in forks of a process that has imported torch, timm and the like already.

This file is three things: what starts that process (`socket`), the process itself (`serve`), and, as the program
`warm_python`, what Snakemake calls in the place of Python. A job still has a process of its own, with the folder,
environment and outputs that it would be started with, and ends with its Snakemake.
"""

import atexit
import json
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

import frozen

IMPORTED = ["torch", "timm", "h5py", "pandas", "pyarrow.parquet", "sklearn.linear_model", "scipy.stats"]
IMPORTED += ["matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"]
IMPORTED += ["snakemake.script"]
PYTHON = Path(__file__).with_name("warm_python")
SOCKET = "MAESCOPE_WARM_JOBS"  # the variable of the environment that says where the process listens


@cache
def socket() -> str:
    """Where the process listens that forks, one of each process that asks."""
    path = tempfile.mkdtemp(prefix="warm") + "/jobs"
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", **{SOCKET: path})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = subprocess.Popen([sys.executable, __file__], env=environment, **pipes)
    atexit.register(server.stdin.close)  # which ends it
    server.stdout.readline()
    return path


def _serve(path: str) -> None:
    from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds
    from socket import socket as Socket

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = Socket(AF_UNIX, SOCK_SEQPACKET)  # what is asked is read whole, of a stream 36 kB are
    listening.bind(path)
    listening.listen()
    print("listening", flush=True)  # who asks now waits for the imports
    frozen.compiled()
    frozen.imported(IMPORTED)
    jobs: dict[int, tuple[int, Socket]] = {}  # by what tells their ends: their process and who asked
    while True:
        asking = {connection: job for job, connection in jobs.values()}
        ready, _, _ = select.select([listening, sys.stdin, *jobs, *asking], [], [])
        if sys.stdin in ready:
            for job, _ in jobs.values():
                os.kill(job, signal.SIGKILL)
            shutil.rmtree(Path(path).parent)
            os._exit(0)  # triton would tell of all that was put aside
        for ended in jobs.keys() & ready:
            job, connection = jobs.pop(ended)
            _, status = os.waitpid(job, 0)
            with suppress(ConnectionError):  # of who is gone
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            connection.close()
            os.close(ended)
        for connection in asking.keys() & ready:
            if connection.fileno() >= 0:  # whoever asked is gone
                os.kill(asking[connection], signal.SIGKILL)
        if listening in ready:
            connection, _ = listening.accept()
            asked, outputs, _, _ = recv_fds(connection, 1 << 20, 3)
            if (job := os.fork()) == 0:
                for other in (listening, connection, *asking):
                    other.close()
                return _become(outputs, **json.loads(asked))
            for opened in outputs:
                os.close(opened)
            jobs[os.pidfd_open(job)] = job, connection


def _become(outputs: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """In the fork: the script, from its beginning to the end of this process."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, opened in enumerate(outputs):
        os.dup2(opened, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    threadpool_limits(int(environment.get("OMP_NUM_THREADS", os.cpu_count())), "blas")
    sys.argv = arguments
    sys.path[:1] = [str(Path(arguments[0]).parent), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    to_its_end(arguments[0])


def to_its_end(program: str) -> None:
    """Run a Python program, and end this process as it ends, but without taking apart what was imported: seconds."""
    code = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        code = 1
        if ended.code is None or isinstance(ended.code, int):
            code = ended.code or 0
        else:
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # waits for threads, as the end of Python does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr, sys.__stderr__):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(os.environ[SOCKET])
