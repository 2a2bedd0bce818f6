"""A stock `luigid` on 127.0.0.1, which may be killed and started again."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.pipelines import command

CODE = "from luigi.cmdline import luigid; luigid()"


class Luigid:
    """A central scheduler of one's own.

    Attributes:
        port: where it listens.
    """

    def __init__(self, directory: Path) -> None:
        """Start it; the directory is for its state."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._directory = directory
        self.start()

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a command is told to use it."""
        return "--scheduler-host", "127.0.0.1", "--scheduler-port", str(self.port)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        listening = ("--address", "127.0.0.1", "--port", str(self.port), "--state-path", "state.pickle")
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, *listening],
            cwd=self._directory,
            env=command.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._answers():
            assert self._process.poll() is None
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0
