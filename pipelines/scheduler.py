"""The scheduler of a command: the central one as long as it answers, the local one otherwise."""

import argparse
import logging
import multiprocessing
import os
import socket
import sys
from urllib.parse import urlsplit

from luigi.configuration import get_config
from luigi.rpc import RPCError

from deeptrain.errors import SettingsError
from pipelines.terminal import Terminal

ABOUT_ITS_ABSENCE = ("Failed connecting to remote scheduler", "Failed pinging scheduler")


class Absence(logging.Filter):
    """Notices in Luigi's log that the central scheduler is gone, and lets no line about it through.

    Attributes:
        noticed: whether the run ended because of it.
    """

    def __init__(self) -> None:
        """Nothing was noticed yet."""
        super().__init__()
        self.noticed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is about something else."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RPCError) and record.levelno >= logging.ERROR:
            self.noticed = True
            return False
        return not record.getMessage().startswith(ABOUT_ITS_ABSENCE)


def choose(terminal: Terminal) -> None:
    """Go on with the local scheduler when none answers at the configured address."""
    config = get_config()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--local-scheduler", action="store_true")
    parser.add_argument("--scheduler-url", default=config.get("core", "default-scheduler-url", ""))
    parser.add_argument("--scheduler-host", default=config.get("core", "default-scheduler-host", "localhost"))
    parser.add_argument("--scheduler-port", default=config.get("core", "default-scheduler-port", "8082"))
    asked = parser.parse_known_args(sys.argv[1:])[0]
    if asked.local_scheduler or config.getboolean("core", "local_scheduler", False):
        return
    host, port = asked.scheduler_host or "localhost", asked.scheduler_port
    if asked.scheduler_url:
        host, port = _place(asked.scheduler_url)
    try:
        socket.create_connection((host, int(port)), timeout=0.5).close()
    except (OSError, ValueError):
        config.set("core", "local_scheduler", "true")
        terminal.say(
            f"no central scheduler at {host}:{port}, so the local one is used "
            f"(web page: python -m pipelines ui --port {port})"
        )


def _place(address: str) -> tuple[str, int]:
    """Host and port of a scheduler's URL.

    Raises:
        SettingsError: when it is none.
    """
    try:
        url = urlsplit(address)
        if url.scheme in ("http", "https") and url.hostname:
            return url.hostname, url.port or 8082
    except ValueError:
        pass
    raise SettingsError(f"--scheduler-url: expected http://HOST:PORT, got {address!r}")


def go_on_without(terminal: Terminal) -> None:
    """Start the same command again with the local scheduler; what is done stays done, and nothing else is lost."""
    terminal.say("the central scheduler does not answer any more: going on with the local one")
    for child in multiprocessing.active_children():
        child.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--local-scheduler"])  # noqa: S606 - ourselves
