"""Tasks in child processes, as with `--workers 2`: they stop when their parent does, and wait for each other."""

import multiprocessing
import os
import signal
import threading
import time
from types import FrameType

from deeptrain.errors import Interrupted, LockedError

LOOK_SECONDS = 0.1
"""Between two looks at what another child makes."""


def is_child() -> bool:
    """Whether this process runs a task for another one."""
    return multiprocessing.parent_process() is not None


def follow_parent() -> None:
    """In a child process, ask for a stop as soon as the parent is gone, however it went: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="follow the parent", daemon=True).start()


def hand_on(number: signal.Signals) -> None:
    """Let the processes that run tasks for this one have a signal that it gets, besides what it does itself with it."""
    before = signal.getsignal(number)

    def on_signal(_: int, frame: FrameType | None) -> None:
        for child in multiprocessing.active_children():
            if child.pid is not None:
                os.kill(child.pid, number)
        if callable(before):
            before(number, frame)

    signal.signal(number, on_signal)
    signal.siginterrupt(number, False)


def end_between_epochs() -> None:
    """In a child process that trains: SIGUSR1 ends it where no epoch is being trained, too. It comes only once."""

    def on_signal(number: int, _: FrameType | None) -> None:
        raise Interrupted("", number, by_message=True)

    signal.signal(signal.SIGUSR1, on_signal)


def stop_parent() -> None:
    """In a child process, ask its parent for a stop, too."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None and parent.is_alive():
        os.kill(parent.pid, signal.SIGTERM)


def ignore_stops() -> None:
    """Ask no more: this process is stopping. A terminal's Ctrl-C reaches it twice, directly and by its parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def wait_for_another(error: LockedError, ended: int | None) -> int | None:
    """In a child process, wait a moment for another one of the same command, which makes the same artifact.

    Two tasks do where members of an ensemble, or runs that are compared, share shards.

    Args:
        error: who has the lock.
        ended: what the look before returned.

    Returns:
        The process, where it is none of this machine any more, None where it is at work.

    Raises:
        LockedError: the error that was given, where somebody else makes it.
    """
    if not is_child() or error.process is None:
        raise error
    try:
        if os.getpgid(error.process) != os.getpgrp():
            raise error
    except ProcessLookupError:
        if error.process == ended:  # it has the lock and never was here: it is of another machine
            raise error from None
        time.sleep(LOOK_SECONDS)  # or whoever has taken it since has yet to write its own name over that
        return error.process
    time.sleep(LOOK_SECONDS)
    return None
