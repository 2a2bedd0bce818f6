"""What a training frees and takes again stays with the process."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from deeptrain.training import heap

if sys.argv[1] == "kept":
    heap.keep()

def iteration():
    blocks = [np.ones(3 << 17) for _ in range(16)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    iteration()
begun = faults()
for _ in range(10):
    iteration()
print(faults() - begun)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told")
def test_memory_that_every_iteration_takes_is_taken_of_the_kernel_once() -> None:
    found = {
        way: int(subprocess.run([sys.executable, "-c", CODE, way], capture_output=True, text=True, check=True).stdout)
        for way in ("kept", "given back")
    }
    pages = 10 * 16 * (3 << 20) // 4096
    assert found["given back"] > pages / 4, "nothing would be shown otherwise"
    assert found["kept"] < pages / 100
