"""Where a durable step meets its fault: a plain directory, or a file system whose power fails."""

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from tests.reliability import power
from tests.reliability.durable_steps import Step
from tests.reliability.power import Image


class Attempt(Protocol):
    """One time that a step is done.

    Attributes:
        root: the directory it is done in, in the state before it.
        fault: what happens at the operation: one of `faults.FAULTS`, or something to be called.
    """

    root: Path
    fault: str | Callable[[], None]

    def left(self) -> Path:
        """The directory with what is left after it."""
        ...


class Place(Protocol):
    """Gives every attempt the same state before."""

    def attempt(self) -> contextlib.AbstractContextManager[Attempt]:
        """A place for one attempt, gone after the block."""
        ...


class PlainAttempt:
    """In a directory: what is left lies where it was done."""

    def __init__(self, root: Path, fault: str) -> None:
        self.root = root
        self.fault: str | Callable[[], None] = fault

    def left(self) -> Path:
        return self.root


class Plain:
    """Directories side by side."""

    def __init__(self, step: Step, directory: Path, fault: str) -> None:
        self._fault = fault
        self._before = directory / "before"
        self._before.mkdir()
        step.prepare(self._before)
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[PlainAttempt]:
        root = Path(shutil.copytree(self._before, self._before.with_name(str(next(self._numbers)))))
        yield PlainAttempt(root, self._fault)
        shutil.rmtree(root)


class PoweredAttempt:
    """On a file system of its own: what is left is what is there when it is mounted after the cut."""

    def __init__(self, image: Image, way: power.Way, stack: contextlib.ExitStack) -> None:
        self._image, self._way, self._stack = image, way, stack
        self._mounts = contextlib.ExitStack()
        stack.enter_context(self._mounts)
        self._at = self._mounts.enter_context(image.mounted())
        self.root = self._at / "root"
        self.fault: str | Callable[[], None] = self._cut

    def _cut(self) -> None:
        if self._way == "shutdown":
            power.shut_down(self._at)
        os.kill(os.getpid(), signal.SIGKILL)

    def left(self) -> Path:
        image = self._image
        if self._way == "snapshot":
            image = image.copied(image.path.with_name("snapshot.img"))
            self._stack.callback(image.path.unlink)
        else:
            with contextlib.suppress(OSError):  # it was, in the fork; or the step met no fault
                power.shut_down(self._at)
        self._mounts.close()
        return self._stack.enter_context(image.mounted()) / "root"


class Powered:
    """File systems with the same bytes, each in an image of its own."""

    def __init__(self, step: Step, directory: Path, kind: power.Kind, way: power.Way) -> None:
        self._way = way
        self._image = Image(kind, directory / "before.img")
        self._image.make()
        with self._image.mounted() as at:
            (at / "root").mkdir()
            step.prepare(at / "root")
            os.sync()

    @contextlib.contextmanager
    def attempt(self) -> Iterator[PoweredAttempt]:
        image = self._image.copied(self._image.path.with_name("attempt.img"))
        try:
            with contextlib.ExitStack() as stack:
                yield PoweredAttempt(image, self._way, stack)
        finally:
            image.path.unlink()
