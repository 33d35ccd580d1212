"""A real Slurm on this machine, one for each worker of a test session.

Partitions cpu and gpu are of node one; gpu is for jobs that ask for a GPU, and no other takes these.

Debian's packages, daemons started by hand: no systemd, no cgroups, no accounting database. Its files are seen as
/etc/slurm by the process that starts it and by what that starts, in a mount namespace of their own, and its ports are
its own: a Slurm that is there already stays as it is. By hand as well: `python tests/slurm/onenode.py start`, then in
its namespace `nsenter --mount --target=$(cat /var/tmp/maescope-onenode/slurmctld.pid)`, at last `... stop`.
Partition pair is of nodes one and two, hidden of node three, where nothing lies in /etc/slurm; jobs in cancel and
requeue make room for those in urgent. Partition nogpu is of a node without GPU that is never there: to see what Slurm
says.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
CONFIG = Path("/etc/slurm")  # where Slurm looks without SLURM_CONF
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])  # each has a Slurm, and ports, of its own
STATE = Path(f"/var/tmp/maescope-onenode{WORKER or ''}")
FILES = STATE / "etc"  # what is seen in its place
LOCK = Path(f"{STATE}.lock")  # held by the session whose daemons they are
INSTALLING = Path("/var/tmp/maescope-onenode-install.lock")
NODES = {"one": "null zero", "two": "full random", "three": ""}  # their GPUs: any device file will do
NEW_NAMESPACE = 0x20000  # CLONE_NEWNS, of unshare(2)
CPUS, MEMORY = 16, 200_000  # that the node claims, in number and MB, whatever the machine has

SLURM = """ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}7
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket,cred_expire=10
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobSubmitPlugins=lua
GresTypes=gpu
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MinJobAge={age}
KillWait=8
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.%n.log
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/spool.%n
NodeName=DEFAULT CPUs={cpus} RealMemory={memory}
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={port}1 Gres=gpu:2
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={port}2 Gres=gpu:2
NodeName=three NodeHostname={host} NodeAddr=127.0.0.1 Port={port}3
NodeName=elsewhere State=DOWN
PartitionName=DEFAULT MaxTime=1-00:00:00 State=UP PriorityTier=1 PreemptMode=OFF
PartitionName=cpu Nodes=one Default=YES
PartitionName=gpu Nodes=one
PartitionName=pair Nodes=one,two
PartitionName=hidden Nodes=three
PartitionName=cancel Nodes=two PreemptMode=CANCEL
PartitionName=requeue Nodes=two PreemptMode=REQUEUE
PartitionName=urgent Nodes=two PriorityTier=9
PartitionName=nogpu Nodes=elsewhere
"""
GRES = "AutoDetect=off\n" + "".join(
    f"NodeName={node} Name=gpu File=/dev/{device}\n" for node, devices in NODES.items() for device in devices.split()
)
SUBMIT = """function slurm_job_submit(job, partitions, user)
  local asked = ""
  for _, field in ipairs({"gres", "tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task"}) do
    asked = asked .. (job[field] or "")
  end
  local wants_gpu = asked:find("gpu") ~= nil
  local partition = job.partition or "cpu"
  if wants_gpu and partition == "cpu" or not wants_gpu and partition == "gpu" then
    slurm.log_user("partition gpu is for jobs that ask for a GPU, the others for those that do not")
    return slurm.ERROR
  end
  return slurm.SUCCESS
end
function slurm_job_modify(job, record, partitions, user) return slurm.SUCCESS end
return slurm.SUCCESS
"""


class Unavailable(Exception):
    """This machine cannot have a Slurm of its own; the message says why."""


def claim() -> TextIO:
    """The lock of the one Slurm that this machine may have, to be held until it is stopped."""
    if os.geteuid() != 0:
        raise Unavailable("a Slurm of one's own needs root")
    lock = LOCK.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Unavailable(f"another session has its Slurm here ({LOCK} is locked)") from None
    return lock


def start() -> None:
    """Install what is missing, write the configuration, start the daemons, wait until a job goes through."""
    stop()
    install()
    configure()
    hide(FILES)
    munged = ["munged", "--force", f"--socket={STATE}/munge.socket", f"--key-file={STATE}/munge.key"]
    munged += [f"--pid-file={STATE}/munged.pid", f"--log-file={STATE}/munged.log", f"--seed-file={STATE}/munge.seed"]
    said(*munged)
    start_controller()
    for node in NODES:
        daemon = ["slurmd", "-N", node, "-f", str(FILES / "slurm.conf")]
        said(*(hidden(daemon) if node == "three" else daemon))
    for partition in ("cpu", "pair"):
        every = (
            "srun",
            "--quiet",
            f"--partition={partition}",
            "--mem=50",
            f"--nodes={1 + (partition == 'pair')}",
            "true",
        )
        wait_until(lambda every=every: works(*every), 60, f"partition {partition} to take a job")


def start_controller() -> None:
    said("slurmctld")
    wait_until(lambda: works("scontrol", "ping"), 30, "slurmctld")


def stop_controller() -> None:
    end("slurmctld", signal.SIGTERM)


def remember(seconds: int) -> None:
    """Ended jobs, for so long; they are forgotten within a minute more."""
    configure(seconds)
    stop_controller()
    start_controller()


def hide(folder: Path) -> None:
    """From now on this process, and what it starts, finds a folder where Slurm looks for its configuration."""
    if ctypes.CDLL(None).unshare(NEW_NAMESPACE):
        raise Unavailable("this machine lets no process have a mount namespace of its own (unshare)")
    CONFIG.mkdir(parents=True, exist_ok=True)
    said("mount", "--make-rprivate", "/")
    said("mount", "--bind", str(folder), str(CONFIG))


def hidden(command: Sequence[str]) -> list[str]:
    """A command for which nothing lies in /etc/slurm."""
    return ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {CONFIG} && exec "$@"', "sh", *command]


def install() -> None:
    """Get Debian's packages, one session after the other; their own services are not started."""
    with INSTALLING.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install()


def _install() -> None:
    if all(shutil.which(name) for name in ("slurmctld", "slurmd", "squeue", "munged")):
        return
    if Path("/run/systemd/system").exists():
        raise Unavailable(f"systemd would start the daemons of {' '.join(PACKAGES)}; install them and switch those off")
    if not shutil.which("apt-get"):
        raise Unavailable(f"there is no apt-get to install {' '.join(PACKAGES)} with")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for attempt in (command, ["apt-get", "update", "-q"], command):
        done = subprocess.run(attempt, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if attempt is command and done.returncode == 0:
            return
    raise Unavailable(f"apt-get could not install {' '.join(PACKAGES)}: {done.stderr.strip()[-300:]}")


def configure(age: int = 3600) -> None:
    """Write the configuration, and a key of one's own; an age is for how many seconds ended jobs are remembered."""
    for folder in (STATE / "controller", FILES, *(STATE / f"spool.{node}" for node in NODES)):
        folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o755)
    key = STATE / "munge.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(256))
    host = os.uname().nodename.split(".")[0]
    facts = {"host": host, "state": STATE, "port": 1681 + WORKER, "cpus": CPUS, "memory": MEMORY, "age": age}
    for name, text in {"slurm.conf": SLURM.format(**facts), "gres.conf": GRES, "job_submit.lua": SUBMIT}.items():
        (FILES / name).write_text(text)


def stop() -> None:
    """End the jobs and the daemons that were started here, and remove their files, whichever of it fails."""
    if alive("slurmctld"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            works("scancel", "--user", "root")
            wait_until(lambda: not said("squeue", "--noheader", "--states=R,CG,PD"), 30, "the jobs to end")
    for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "munged"):
        for how in (signal.SIGTERM, signal.SIGKILL):
            end(name, how)
    shutil.rmtree(STATE, ignore_errors=True)


def end(name: str, how: signal.Signals) -> None:
    """End a daemon that was started here."""
    with contextlib.suppress(OSError, ValueError):
        if alive(name):
            os.kill(int((STATE / f"{name}.pid").read_text()), how)
            wait_until(lambda: not alive(name), 20, f"{name} to end")


def alive(name: str) -> bool:
    """Whether a daemon that was started here lives; a zombie does not."""
    try:
        pid = int((STATE / f"{name}.pid").read_text())
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, ValueError):
        return False
    return f"Name:\t{name.split('.')[0]}\n" in status and "\nState:\tZ" not in status


def works(*command: str) -> bool:
    """Whether a command ends well, soon."""
    how = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 20}
    try:
        return subprocess.run(command, env=own(), **how).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def said(*command: str) -> str:
    """What a command prints; a daemon that forks has printed all when its parent ends."""
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True, "timeout": 60, "check": True}
    return subprocess.run(command, env=own(), **how).stdout


def own() -> dict[str, str]:
    """The environment in which a command asks this Slurm, wherever it is started."""
    return os.environ | {"SLURM_CONF": str(FILES / "slurm.conf")}


def wait_until(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask until it is so."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}; the daemons' logs are in {STATE}")
        time.sleep(0.2)


if __name__ == "__main__":
    with claim():
        {"start": start, "stop": stop}[sys.argv[1]]()
