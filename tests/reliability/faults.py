"""Faults of the operating system, given at the n-th operation on files below a directory.

Below Python's own `os`, whose functions are replaced in this process: for a fork that is thrown away.
"""

import errno
import os
import signal
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

OPERATIONS = (
    "open",
    "write",
    "pwrite",
    "ftruncate",
    "fsync",
    "close",
    "replace",
    "rename",
    "link",
    "mkdir",
    "unlink",
    "rmdir",
)
"""Every operation of ours that changes what is on the disk, and those that bring it there."""

ERRORS: Mapping[str, tuple[int, frozenset[str]]] = {
    "ENOSPC": (errno.ENOSPC, frozenset(OPERATIONS) - {"close", "unlink", "rmdir", "ftruncate"}),
    "EIO": (errno.EIO, frozenset(OPERATIONS)),
    "EMFILE": (errno.EMFILE, frozenset({"open"})),
    # The others are made again by Python itself (PEP 475): nobody sees it.
    "EINTR": (errno.EINTR, frozenset({"close", "replace", "rename", "link", "mkdir", "unlink", "rmdir"})),
}
"""What goes wrong by name, with the operations to which it happens."""

FAULTS = ("kill", "short", *ERRORS, *(f"{name} from then on" for name in ERRORS if name != "EINTR"))


class Disk:
    """Counts operations below a directory, and does something else in place of one of them.

    Attributes:
        done: the operations so far, each with the path it was about.
        watch: is told of each before it happens.
    """

    def __init__(
        self,
        root: Path,
        at: int = 0,
        fault: "str | Callable[[], None]" = "kill",
        passing: Collection[str] = (),
    ) -> None:
        """Take the place of `os`.

        Args:
            root: only what happens below it counts.
            at: at which operation, from 1, something happens; 0 for none.
            fault: what: one of `FAULTS`, or something to be called before the operation.
            passing: directories by name, what happens in which does not count.
        """
        self.done: list[tuple[str, str]] = []
        self.watch: Callable[[tuple[str, str]], object] = lambda _: None
        self._root = root.absolute()
        self._at = at
        self._fault = fault
        self._passing = frozenset(passing)
        self._opened: dict[int, str] = {}
        for name in OPERATIONS:
            setattr(os, name, self._instead(name, getattr(os, name)))

    @property
    def met(self) -> bool:
        """Whether it came to the fault."""
        return 0 < self._at <= len(self.done)

    def _passed(self, path: Path) -> bool:
        """Whether nothing happens there."""
        return bool(self._passing.intersection(path.relative_to(self._root).parts))

    def _instead(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            path = self._path(arguments[0], options)
            if path is not None:
                self.done.append((name, path))
                self.watch((name, path))
                arguments = self._disturbed(name, real, arguments)
            result = real(*arguments, **options)
            if path is not None and name == "open":
                self._opened[result] = path
            if name == "close":
                self._opened.pop(arguments[0], None)
            return result

        return call

    def _disturbed(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        at, fault = len(self.done), self._fault
        if callable(fault):
            if at == self._at:
                fault()
            return arguments
        kind, _, lasts = fault.partition(" ")
        if self._at == 0 or at < self._at or (at > self._at and not lasts):
            return arguments
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "short":
            if name == "write" and len(arguments[1]) > 1:
                return (arguments[0], arguments[1][: len(arguments[1]) // 2])
            return arguments
        number, meets = ERRORS[kind]
        if name in meets and not (kind == "ENOSPC" and name == "open" and not arguments[1] & os.O_CREAT):
            if name == "close":
                real(*arguments)  # as on Linux: it is closed whatever it says
                self._opened.pop(arguments[0], None)
            named = () if isinstance(arguments[0], int) else (arguments[0],)
            raise OSError(number, os.strerror(number), *named)
        return arguments

    def _path(self, of: Any, options: Mapping[str, Any]) -> str | None:
        if isinstance(of, int):
            return self._opened.get(of)
        within = self._opened.get(options.get("dir_fd", None) or -1)
        path = Path(within or Path.cwd(), of)
        return str(path) if path.is_relative_to(self._root) and not self._passed(path) else None
