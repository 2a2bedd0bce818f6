"""Signals while training: they ask, and the loop answers between two groups of iterations."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)
SAVING = (signal.SIGUSR2,)
ENDING_EPOCH = (signal.SIGUSR1,)


@contextlib.contextmanager
def handled(
    stop: Callable[[int], None], save: Callable[[], None], stop_after_epoch: Callable[[int], None]
) -> Iterator[None]:
    """Ask instead of interrupting while the block runs; the handlers that were there come back afterwards.

    SIGINT and SIGTERM call `stop` with their number, SIGUSR1 `stop_after_epoch` with its own, SIGUSR2 calls `save`.
    Only the main thread may handle signals; in another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_stop(number: int, _: FrameType | None) -> None:
        stop(number)

    def on_stop_after_epoch(number: int, _: FrameType | None) -> None:
        stop_after_epoch(number)

    def on_save(_: int, __: FrameType | None) -> None:
        save()

    before = {number: signal.signal(number, on_stop) for number in STOPPING}
    before |= {number: signal.signal(number, on_stop_after_epoch) for number in ENDING_EPOCH}
    before |= {number: signal.signal(number, on_save) for number in SAVING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
