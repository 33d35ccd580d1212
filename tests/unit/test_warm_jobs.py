"""Jobs in forks of one process (tests/warm_jobs.py): they end as others do, and with whoever asked for them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm_jobs
from conftest import REPOSITORY

SERVER = "import sys, warm_jobs; warm_jobs.IMPORTED = []; warm_jobs._serve(sys.argv[1])"
SLEEPS = "import time; print('began', flush=True); time.sleep(600)"


class Server:
    """The process that forks, without its imports."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "listens/jobs"
        self.path.parent.mkdir()
        self.errors = open(folder / "errors", "w+")  # noqa: SIM115 - as long as the process
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, self.path], env=environment, **pipes)
        assert self.process.stdout.readline() == b"listening\n"

    def ask(self, script, **environment):
        """Run a script, as Snakemake has it run."""
        folder = self.folder / ".snakemake/scripts"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{len(os.listdir(folder))}.py"
        path.write_text(script)
        environment = os.environ | {warm_jobs.SOCKET: str(self.path)} | environment
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([warm_jobs.PYTHON, path], cwd=self.folder, env=environment, **pipes)

    def answer(self, script, **environment):
        """What such a script says, and how it ends."""
        asker = self.ask(script, **environment)
        said, _ = asker.communicate(timeout=60)
        return said, asker.returncode

    def open_files(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        self.errors.seek(0)
        said = self.errors.read()
        self.process.stdout.close(), self.errors.close()
        return code, said


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    if made.process.poll() is None:
        assert made.end() == (0, "")


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_job_has_its_folder_and_environment_however_large(server, size):
    script = "import os, sys; print(os.getcwd(), len(os.environ['OWN'])); sys.exit(3)"
    assert server.answer(script, OWN="x" * size) == (f"{server.folder} {size}\n", 3)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_of_a_job_that_is_killed_the_signal_is_known(server, number):
    assert server.answer(f"import os; os.kill(os.getpid(), {int(number)})") == ("", -number)


def test_a_job_ends_with_who_asked_and_others_go_on(server):
    asker, other = server.ask(SLEEPS), server.ask(SLEEPS)
    assert [one.stdout.readline() for one in (asker, other)] == ["began\n"] * 2
    asker.kill()
    asker.communicate(timeout=60)  # until the job too has closed its end
    assert server.answer("print(1)") == ("1\n", 0)
    assert other.poll() is None
    other.kill()
    other.communicate(timeout=60)


def test_fifty_jobs_at_once_each_have_their_own_end_and_leave_nothing_open(server):
    before = server.open_files()
    askers = [server.ask("import os, sys; sys.exit(int(os.environ['OWN']))", OWN=str(number)) for number in range(50)]
    assert [asker.communicate(timeout=60) and asker.returncode for asker in askers] == list(range(50))
    assert server.answer("print(1)") == ("1\n", 0)
    assert server.open_files() == before
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    assert children == ""


def test_with_the_process_that_forks_its_jobs_end_and_nothing_is_left(server):
    asker = server.ask(SLEEPS)
    assert asker.stdout.readline() == "began\n"
    assert server.end() == (0, "")
    asker.communicate(timeout=60)
    assert asker.returncode == -signal.SIGKILL
    assert not server.path.parent.exists()
