"""Tasks in child processes, as with `--workers 2`: they stop when their parent does."""

import multiprocessing
import os
import signal
import threading


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


def stop_parent() -> None:
    """In a child process, ask its parent for a stop, too."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None and parent.is_alive():
        os.kill(parent.pid, signal.SIGTERM)


def ignore_stops() -> None:
    """Ask no more: this process is stopping. A terminal's Ctrl-C reaches it twice, directly and by its parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
