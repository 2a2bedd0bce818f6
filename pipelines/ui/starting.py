"""Runs that are started from the page: of the experiments in and below one directory, as commands of their own.

A command that was started here outlives the server, and hears nothing of a Ctrl-C that ends it.
"""

import itertools
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deeptrain.errors import DataError, SettingsError, did_you_mean
from deeptrain.settings import read_toml
from pipelines.commands.new import EXPERIMENT

MOST_FILES = 200
MOST_AT_ONCE = 8
TAIL_BYTES = 4 << 10
"""Of what a command wrote: its end is shown when it has failed."""


@dataclass(frozen=True)
class Started:
    """A command as the page tells of it.

    Attributes:
        experiment: its file.
        process: its number.
        code: its exit code; None while it runs.
        said: what it said at its end, where it failed.
    """

    experiment: str
    process: int
    code: int | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class _Command:
    process: "subprocess.Popen[bytes]"
    written: IO[bytes]


class Starter:
    """Starts the main job of experiments. One thread asks it."""

    def __init__(self, directory: Path, store: Path, url: str) -> None:
        """Nothing is started yet.

        Args:
            directory: whose TOML files may be started, and those that `new` made in directories of its own in it.
            store: the directory of runs.
            url: of the scheduler that is told of the tasks.
        """
        self._directory = directory
        self._store = store
        self._url = url
        self._known: dict[Path, tuple[tuple[int, int], bool]] = {}
        self._commands: dict[str, _Command] = {}
        self._ended: dict[str, Started] = {}

    def experiments(self) -> Sequence[str]:
        """The experiments' files, relative to the directory, sorted: those in it, and each that `new` made beside them.

        What lies elsewhere, or is a link, is none.
        """
        try:
            found = sorted(path for path in self._directory.iterdir() if path.name[0] not in ".-")
            files = [path if path.suffix == ".toml" else path / EXPERIMENT for path in found if not path.is_symlink()]
        except OSError:
            return []
        known = (path.relative_to(self._directory).as_posix() for path in files if self._is_experiment(path))
        return list(itertools.islice(known, MOST_FILES))

    def start(self, experiment: str) -> int:
        """Start `luigi --module pipelines TrainModel` with an experiment; the process.

        Raises:
            SettingsError: for a file that is none of the experiments.
            DataError: while the one that was started before runs, or too many do.
        """
        known = self.experiments()
        if experiment not in known:
            raise SettingsError(f"{experiment[:80]!r} is no experiment here; {did_you_mean(experiment, known)}")
        running = {one.experiment: one.process for one in self.started() if one.code is None}
        if experiment in running:
            raise DataError(f"{experiment} runs already, as process {running[experiment]}")
        if len(running) >= MOST_AT_ONCE:
            raise DataError(f"{len(running)} runs were started here and have not ended; wait for one, or stop it")
        job = ("-m", "luigi", "--module", "pipelines", "TrainModel", "--experiment", experiment)
        where = ("--store", str(self._store), "--scheduler-url", self._url)
        # A file without a name: it is there as long as the command, or this server, and in nobody's way.
        written = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the command is told of
        process = subprocess.Popen(  # noqa: S603 - the name is one of the list above
            [sys.executable, *job, *where],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._commands[experiment] = _Command(process, written)
        self._ended.pop(experiment, None)
        return process.pid

    def started(self) -> Sequence[Started]:
        """What was started since the server is there, the newest of each experiment, in their order."""
        for name, one in self._commands.items():
            if name not in self._ended and one.process.poll() is not None:
                self._ended[name] = _ended(name, one)
        running = {name: Started(name, one.process.pid, None, ()) for name, one in self._commands.items()}
        return list((running | self._ended).values())

    def close(self) -> None:
        """Let the commands go; they run on."""
        for one in self._commands.values():
            one.written.close()

    def _is_experiment(self, path: Path) -> bool:
        try:
            status = path.lstat()
            seen = (status.st_mtime_ns, status.st_size)
            if not stat.S_ISREG(status.st_mode):
                return False
            if self._known.get(path, (None, False))[0] != seen:
                self._known[path] = (seen, isinstance(read_toml(path).get("experiment"), dict))
        except (OSError, SettingsError):
            return False
        return self._known[path][1]


def _ended(experiment: str, command: _Command) -> Started:
    code = command.process.returncode
    said: tuple[str, ...] = ()
    with command.written as file:
        if code:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
            said = tuple(line for line in lines if line.startswith("deeptrain: ")) or tuple(lines[-3:])
    return Started(experiment, command.process.pid, code, said)
