"""Shows a running training to people without the training noticing it (law 8)."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

log = logging.getLogger("deeptrain")

FAILURES_ALLOWED = 3


Told = TypeVar("Told")
Shown = TypeVar("Shown", contravariant=True)


class Sink(Protocol[Shown]):
    """A display: a terminal, a page, the scheduler's web interface. May be slow and may raise."""

    def show(self, progress: Shown, /) -> None:
        """Show the newest state; what came between two calls was never worth showing."""

    def close(self) -> None:
        """Nothing more comes from this reporter; a later one may show again."""


class Reporter(Generic[Told]):
    """Takes every state of a training (or of a conversion) and shows the newest to each sink, from threads of its own.

    - `update` is one assignment: no lock, no wake-up, no copy. It cannot block and cannot raise.
    - What a healthy sink sees is a subsequence of the updates that ends with the last one.
    - Each sink has its own daemon thread: one that waits for a network does not freeze the others, and one that hangs
      is left behind when the time of `close` is over, which is told to the logger "deeptrain" unless it is a quiet one.
    - A sink that raises is told once, to the logger "deeptrain", and left out after three failures in a row.
    - A child made by `fork` has none of the threads: there `update` and `close` do nothing. Make the reporter in the
      process that trains.
    """

    def __init__(
        self,
        sinks: Sequence[Sink[Told]],
        every_seconds: float = 0.2,
        patience_seconds: float = 2.0,
        quiet: Sequence[Sink[Told]] = (),
    ) -> None:
        """Start showing.

        Args:
            sinks: displays; the reporter closes them.
            every_seconds: the shortest time between two calls of one sink.
            patience_seconds: how long `close` waits at most, all sinks together.
            quiet: displays too, but no line is written when one is left behind: somebody else tells what is behind it.
        """
        self._newest: Told | None = None
        self._closing = threading.Event()
        self._patience = patience_seconds
        self._process = os.getpid()
        self._threads = [
            threading.Thread(target=self._serve, args=(sink, every_seconds), name=f"show {_name(sink)}", daemon=True)
            for sink in (*sinks, *quiet)
        ]
        self._told_of = self._threads[: len(sinks)]
        for thread in self._threads:
            thread.start()

    def update(self, progress: Told) -> None:
        """Offer the newest state. Threads look for it by themselves: waking them would cost more than it gives."""
        self._newest = progress

    def close(self) -> None:
        """Show the last state, close the sinks, and wait for that no longer than the patience; may be repeated."""
        if os.getpid() != self._process or self._closing.is_set():
            return
        self._closing.set()
        deadline = time.monotonic() + self._patience
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive() and thread in self._told_of:
                log.warning("a display did not finish in %g s and was left behind: %s", self._patience, thread.name)

    def __enter__(self) -> Self:
        """The reporter itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _serve(self, sink: Sink[Told], every_seconds: float) -> None:
        shown: Told | None = None
        failures = 0
        told = False
        closing = False
        while not closing:
            closing = self._closing.is_set()  # read before the newest, so that the last update is not missed
            newest = self._newest
            if newest is not None and newest is not shown:
                shown = newest
                try:
                    sink.show(newest)
                    failures = 0
                except Exception as error:  # noqa: BLE001 - no failure of a display may reach the training
                    failures += 1
                    told = told or _tell(sink, error)
                    closing = closing or failures == FAILURES_ALLOWED
            if not closing:
                self._closing.wait(every_seconds)
        try:
            sink.close()
        except Exception as error:  # noqa: BLE001 - likewise
            told = told or _tell(sink, error)


def _tell(sink: Sink[Any], error: Exception) -> bool:
    log.warning(
        "a display failed and is left out after %d failures in a row; training goes on: %s: %s: %s",
        FAILURES_ALLOWED,
        _name(sink),
        type(error).__name__,
        error,
    )
    log.debug("the failure of the display", exc_info=error)
    return True


def _name(sink: Sink[Any]) -> str:
    return type(sink).__name__
