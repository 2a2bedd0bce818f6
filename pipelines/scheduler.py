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
    url = urlsplit(asked.scheduler_url) if asked.scheduler_url else None
    host = (url.hostname if url else asked.scheduler_host) or "localhost"
    port = (url.port or 8082) if url else asked.scheduler_port
    try:
        socket.create_connection((host, int(port)), timeout=0.5).close()
    except (OSError, ValueError):
        config.set("core", "local_scheduler", "true")
        terminal.say(
            f"no central scheduler at {host}:{port}, so the local one is used "
            f"(web page: python -m pipelines ui --port {port})"
        )


def go_on_without(terminal: Terminal) -> None:
    """Start the same command again with the local scheduler; what is done stays done, and nothing else is lost."""
    terminal.say("the central scheduler does not answer any more: going on with the local one")
    for child in multiprocessing.active_children():
        child.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--local-scheduler"])
