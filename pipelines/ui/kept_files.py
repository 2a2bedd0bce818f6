"""What the server keeps in the store: where it is reached, and what its scheduler knows. For this user alone."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import ArtifactError
from pipelines.ui import store_files

log = logging.getLogger("deeptrain")

ADDRESS = ".ui.json"
"""`url`, "http://127.0.0.1:PORT/", and `pid`: tasks give Luigi's page the way to a training's."""
STATE = ".scheduler.json"
"""See `scheduler_state`."""


class KeptFile:
    """A JSON file in a store that only this user may read; a store that cannot be written keeps nothing.

    It is replaced in one step, without waiting for the disk: what is in it may be lost.
    """

    def __init__(self, store: Path, name: str) -> None:
        """Name the file; nothing is read or written."""
        self.path = store / name
        self._store = store
        self._written = b""
        self._told = False

    def write(self, value: Any) -> None:
        """Replace what is kept, if it is something else; the first failure is told to the logger "deeptrain"."""
        data = files.canonical_json(value)
        if data == self._written:
            return
        temporary = files.unique_sibling(self.path)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(temporary, self.path)
            self._written = data
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if not self._told:
                self._told = True
                log.warning("%s: is not kept: %s", self.path, error.strerror)

    def read(self) -> Any:
        """What is kept; None where nothing is.

        Raises:
            ArtifactError: when it is no JSON file, or a link.
        """
        if not self.path.exists():
            return None
        return files.parse_json(store_files.regular(self.path), self.path)

    def remove(self) -> None:
        """Remove it, if it holds what was written here last: another server may have taken the store over."""
        with contextlib.suppress(OSError, ArtifactError):
            if store_files.regular(self.path) == self._written:
                self.path.unlink()
