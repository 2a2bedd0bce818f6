"""Runs a command in this process with a fault at one of its operations on the files of a store.

    python -m tests.reliability.disturbed runs kill 17 luigi --module pipelines TrainModel --experiment tiny.toml ...
    python -m tests.reliability.disturbed runs kill 0 luigi ...      writes its operations into a file instead

What goes on in `live/` does not count: how often that is written depends on the clock.
"""

import runpy
import sys
from pathlib import Path

from tests.reliability.faults import Disk

PASSED_OVER = ("live",)
OPERATIONS = "operations.txt"


def main() -> None:
    """Take the place of `os`, and run the command."""
    store, fault, at, module, *arguments = sys.argv[1:]
    disk = Disk(Path(store), int(at), fault, PASSED_OVER)
    sys.argv = ["", *arguments]
    if at == "0":
        told = Path(OPERATIONS).open("w", buffering=1)  # noqa: SIM115 - until the process ends
        disk.watch = lambda one: told.write(f"{' of '.join(one)}\n")
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
