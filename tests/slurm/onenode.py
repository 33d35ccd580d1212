"""A real Slurm of one node on this machine: partitions cpu and gpu, and only jobs that ask for a GPU may enter gpu.

Debian's packages, daemons started by hand: no systemd, no cgroups, no accounting database. By hand as well:
`python tests/slurm/onenode.py start` and `... stop`.
Partition nogpu is of another node, which has no GPU and is never there: to see what Slurm says.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
CONFIG = Path("/etc/slurm")  # the plugin's job steps forget SLURM_CONF, so it cannot be anywhere else
STATE = Path("/var/tmp/maescope-onenode")
LOCK = Path("/var/tmp/maescope-onenode.lock")  # held by the session whose daemons they are
MARK = "# maescope's one-node Slurm for tests"
CPUS, MEMORY = 16, 200_000  # that the node claims, in number and MB, whatever the machine has

SLURM = """{mark}
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
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
MinJobAge=3600
KillWait=2
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/spool
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
NodeName=elsewhere CPUs={cpus} RealMemory={memory} State=DOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes={host} MaxTime=1-00:00:00 State=UP
PartitionName=nogpu Nodes=elsewhere MaxTime=1-00:00:00 State=UP
"""
GRES = "{mark}\nAutoDetect=off\nNodeName={host} Name=gpu File=/dev/null\n"
GRES += "NodeName={host} Name=gpu File=/dev/zero\n"  # two GPUs: any device file will do
SUBMIT = """-- {mark}
function slurm_job_submit(job, partitions, user)
  local asked = ""
  for _, field in ipairs({{"gres", "tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task"}}) do
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
    if Path("/run/systemd/system").exists():
        raise Unavailable("systemd runs here and would start the packages' own daemons; a container has none")
    if (CONFIG / "slurm.conf").exists() and MARK not in (CONFIG / "slurm.conf").read_text():
        raise Unavailable(f"{CONFIG}/slurm.conf is of another Slurm, which is left alone")
    stop()
    install()
    configure()
    munged = ["munged", "--force", f"--socket={STATE}/munge.socket", f"--key-file={STATE}/munge.key"]
    munged += [f"--pid-file={STATE}/munged.pid", f"--log-file={STATE}/munged.log", f"--seed-file={STATE}/munge.seed"]
    said(*munged)
    said("slurmctld")
    wait_until(lambda: works("scontrol", "ping"), 30, "slurmctld")
    said("slurmd")
    wait_until(lambda: works("srun", "--quiet", "--partition=cpu", "--mem=50", "true"), 60, "the node to take a job")


def install() -> None:
    """Get Debian's packages; their own services are not started."""
    if all(shutil.which(name) for name in ("slurmctld", "slurmd", "squeue", "munged")):
        return
    if not shutil.which("apt-get"):
        raise Unavailable(f"there is no apt-get to install {' '.join(PACKAGES)} with")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for attempt in (command, ["apt-get", "update", "-q"], command):
        done = subprocess.run(attempt, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if attempt is command and done.returncode == 0:
            return
    raise Unavailable(f"apt-get could not install {' '.join(PACKAGES)}: {done.stderr.strip()[-300:]}")


def configure() -> None:
    """Write the configuration and a key of one's own."""
    for folder in (STATE / "controller", STATE / "spool", CONFIG):
        folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o755)
    key = STATE / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(256))
    facts = {"mark": MARK, "host": os.uname().nodename.split(".")[0], "state": STATE, "cpus": CPUS, "memory": MEMORY}
    for name, text in {"slurm.conf": SLURM, "gres.conf": GRES, "job_submit.lua": SUBMIT}.items():
        (CONFIG / name).write_text(text.format(**facts))


def stop() -> None:
    """End the jobs and the daemons that were started here, and remove their files, whichever of it fails."""
    if alive("slurmctld"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            works("scancel", "--user", "root")
            wait_until(lambda: not said("squeue", "--noheader", "--states=R,CG,PD"), 30, "the jobs to end")
    for name in ("slurmd", "slurmctld", "munged"):
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(OSError, ValueError):
                if alive(name):
                    os.kill(int((STATE / f"{name}.pid").read_text()), how)
                    wait_until(lambda name=name: not alive(name), 20, f"{name} to end")
    for name in ("slurm.conf", "gres.conf", "job_submit.lua"):
        with contextlib.suppress(OSError):
            if MARK in (CONFIG / name).read_text():
                (CONFIG / name).unlink()
    shutil.rmtree(STATE, ignore_errors=True)


def alive(name: str) -> bool:
    """Whether a daemon that was started here lives; a zombie does not."""
    try:
        pid = int((STATE / f"{name}.pid").read_text())
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, ValueError):
        return False
    return f"Name:\t{name}\n" in status and "\nState:\tZ" not in status


def works(*command: str) -> bool:
    """Whether a command ends well, soon."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def said(*command: str) -> str:
    """What a command prints; a daemon that forks has printed all when its parent ends."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout


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
