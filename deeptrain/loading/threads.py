"""Threads that read: begun when there is work, replaced when one dies, left behind when one is stuck."""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = max(4, min(8, CORES))
"""Four reads in flight keep a disk busy; where more threads than cores want their turn, each waits for the others'."""


class Threads:
    """At most `THREADS` threads that take work in its order. They hold up nobody: not who closes, nor the process.

    `concurrent.futures` does not tell when one of its threads died, and its end waits for one that is stuck.
    """

    def __init__(self) -> None:
        """Begin no thread yet."""
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Have a thread call `work`; what it gives or raises is the future's. A thread that dies of it is replaced."""
        future: Future[Any] = Future()
        self._work.put((future, lambda: work(*arguments)))
        self.tend()
        return future

    def tend(self) -> None:
        """Begin a thread in place of each that died, and one more if work is waiting."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if self._work.qsize() and len(self._threads) < THREADS:
            thread = threading.Thread(target=_serve, args=(self._work,), name="deeptrain read", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, patience_seconds: float = 0.0) -> None:
        """Drop the work that was not begun, and have the threads end; wait for them no longer than that."""
        with contextlib.suppress(queue.Empty):
            while True:
                if (left := self._work.get_nowait()) is not None:
                    left[0].cancel()
        for _ in self._threads:
            self._work.put(None)
        until = time.monotonic() + patience_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def _serve(work: "queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]") -> None:
    while (one := work.get()) is not None:
        future, call = one
        try:
            found = call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            future.set_exception(error)
            if not isinstance(error, Exception):
                return
        else:
            future.set_result(found)
            del found
        del one, future, call  # what they hold is free while this thread waits
