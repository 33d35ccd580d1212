"""What is freed is not cleared again by the kernel: counted in page faults, in a process of its own."""

import platform
import subprocess
import sys
from pathlib import Path

import maescope

PROGRAM = """
import resource
import torch
from maescope.base import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(10_000_000).add_(1)  # 40 MB, 10,000 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
memory.keep_freed()
faults()  # once for all
print(given_back, faults())
"""


def test_large_arrays_are_not_asked_for_again():
    environment = {"PYTHONPATH": str(Path(maescope.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    given_back, later = map(int, done.stdout.split())
    if platform.libc_ver()[0] == "glibc":
        assert later < given_back / 10
