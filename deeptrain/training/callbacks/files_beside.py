"""Files that callbacks write beside a run's artifacts: whole or absent, and never worth stopping a training."""

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from deeptrain import files
from deeptrain.errors import ArtifactError, in_one_line

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

log = logging.getLogger("deeptrain")


class FilesBeside:
    """Writes into a directory in a run's `live/`; where nothing of the run is written, nowhere."""

    def __init__(self, name: str, directory: str | Path | None = None) -> None:
        """Name the directory; it is made with the first file.

        Args:
            name: of the directory in `live/`, and in messages.
            directory: another one, for a training that writes no run as well.
        """
        self._name = name
        self._directory = None if directory is None else Path(directory)
        self._told = False

    def directory(self, trainer: "Trainer") -> Path | None:
        """Where files go; None for nowhere."""
        if self._directory is not None:
            return self._directory
        return None if trainer.live is None else trainer.live / self._name

    def write(self, trainer: "Trainer", name: str, data: bytes) -> None:
        """Replace a file in one step; the first failure is told, and training goes on."""
        directory = self.directory(trainer)
        if directory is None:
            return
        try:
            files.make_directories(directory)
            files.write_loose(directory / name, data)
        except (OSError, ArtifactError) as error:
            if not self._told:
                self._told = True
                log.warning("%s: %s is not written: %s", self._name, directory / name, in_one_line(error))

    def read(self, trainer: "Trainer", name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        directory = self.directory(trainer)
        try:
            return None if directory is None else (directory / name).read_bytes()
        except OSError:
            return None

    def remove(self, trainer: "Trainer", name: str) -> None:
        """Remove a file, if it is there."""
        directory = self.directory(trainer)
        if directory is not None:
            with contextlib.suppress(OSError):
                (directory / name).unlink(missing_ok=True)
