"""The other end of `worker`: starts the process of a system, asks it, and watches its memory meanwhile."""

import contextlib
import json
import os
import selectors
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.benchmarks.loading.dataset import Dataset

ROOT = Path(__file__).resolve().parents[3]
WATCH_SECONDS = 0.05


class SystemFailedError(Exception):
    """A system that cannot be measured, with its own words."""


class Process:
    """A system in a process of its own; ended with the `with` block."""

    def __init__(self, python: Path, module: str, dataset: Dataset, directory: Path, log: Path) -> None:
        self._log = log.open("ab")
        command = [str(python), "-m", "tests.benchmarks.loading.worker", module, str(dataset.directory), str(directory)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self.pid = self._process.pid
        self.hello: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            self.hello = self._answer(300)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):  # what was asked of a process that has ended
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def ask(self, request: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """What the system answers, with `private_peak_bytes`: memory of its own, mapped files not counted, watched.

        Raises:
            SystemFailedError: when it raises, dies, or says nothing for `timeout` seconds.
        """
        try:
            self._process.stdin.write(json.dumps({"do": request, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SystemFailedError(f"its process ended, status {self._process.wait()}") from None
        return self._answer(timeout)

    def _answer(self, timeout: float) -> dict[str, Any]:
        until = time.monotonic() + timeout
        peak = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(WATCH_SECONDS):
                peak = max(peak, self._private())
                if time.monotonic() > until:
                    self._process.kill()
                    raise SystemFailedError(f"gave no answer in {timeout:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise SystemFailedError(f"its process ended, status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemFailedError(answer["error"])
        return {**answer["value"], "private_peak_bytes": max(peak, self._private())}

    def _private(self) -> int:
        """Anonymous and shared memory of the process, in bytes."""
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))
        return 0
