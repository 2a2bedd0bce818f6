"""The scheduler of a command: the central one as long as it answers, the local one otherwise."""

import argparse
import contextlib
import http.client
import json
import logging
import multiprocessing
import os
import queue
import sys
import threading
import traceback
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import urlopen

from luigi import rpc
from luigi.configuration import get_config
from luigi.rpc import RemoteScheduler, RPCError, URLLibFetcher
from luigi.task_status import PENDING, RUNNING

from deeptrain.errors import SettingsError
from pipelines.terminal import Terminal
from tasks.messages import UNHEARD

ABOUT_ITS_ABSENCE = ("Failed connecting to remote scheduler", "Failed pinging scheduler")
PORTS = {"http": 80, "https": 443}
MOST_BYTES = 1 << 12
"""Of the answer by which a scheduler is known."""


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
        if isinstance(error, Exception) and record.levelno >= logging.ERROR and _is_about_the_scheduler(error):
            self.noticed = True
            return False
        return not record.getMessage().startswith(ABOUT_ITS_ABSENCE)


def _is_about_the_scheduler(error: Exception) -> bool:
    """Whether Luigi failed to ask its scheduler, or could not read what it was answered."""
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, RPCError) or any(frame.f_code.co_filename == rpc.__file__ for frame, _ in frames)


def choose(terminal: Terminal) -> str | None:
    """Go on with the local scheduler when none answers at the configured address.

    Returns:
        The address of the central one, None without one.

    Raises:
        SettingsError: when that is no address.
    """
    config = get_config()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--local-scheduler", action="store_true")
    parser.add_argument("--scheduler-url", default=config.get("core", "default-scheduler-url", ""))
    parser.add_argument("--scheduler-host", default=config.get("core", "default-scheduler-host", "localhost"))
    parser.add_argument("--scheduler-port", default=config.get("core", "default-scheduler-port", "8082"))
    asked = parser.parse_known_args(sys.argv[1:])[0]
    if asked.local_scheduler or config.getboolean("core", "local_scheduler", False):
        return None
    option = "--scheduler-url" if asked.scheduler_url else "--scheduler-host, --scheduler-port"
    url = _url(option, asked.scheduler_url or f"http://{asked.scheduler_host or 'localhost'}:{asked.scheduler_port}/")
    why = lack(url.geturl(), config.getfloat("core", "rpc-connect-timeout", 5.0))
    if why is not None:
        config.set("core", "local_scheduler", "true")
        port = url.port or PORTS[url.scheme]
        more = f" (web page: python -m pipelines ui --port {port})" if why == "" else f": {why}"
        terminal.say(f"no central scheduler at {url.hostname}:{port}, so the local one is used{more}")
    return url.geturl() if why is None else None


def _url(option: str, address: str) -> SplitResult:
    """The parts of a scheduler's URL.

    Raises:
        SettingsError: when it is none.
    """
    try:
        url = urlsplit(address)
        if url.scheme in PORTS and url.hostname and url.port != 0:
            return url
    except ValueError:
        pass
    raise SettingsError(f"{option}: expected http://HOST:PORT, got {address!r}")


def lack(url: str, seconds: float) -> str | None:
    """Why no scheduler of Luigi is used at an address: "" when nobody listens there; None where one answers.

    Args:
        url: with http or https.
        seconds: how long everything may take, also finding the host and an answer that comes letter by letter.
    """
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: found.put(_asked(url, seconds)), name="ask the scheduler", daemon=True).start()
    try:
        return found.get(timeout=seconds)
    except queue.Empty:
        return _late(seconds)


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def _asked(url: str, seconds: float) -> str | None:
    """As `lack`, but for what comes slowly."""
    try:
        request = URLLibFetcher()._create_request(rpc._urljoin(url.rstrip("/"), "/api/is_paused"), {"data": "{}"})
        with urlopen(request, timeout=seconds) as answer:  # noqa: S310 - the scheme was checked
            told = json.loads(answer.read(MOST_BYTES))
    except HTTPError as error:
        return f"what answers there is none, HTTP {error.code}"
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return ""
        late = isinstance(error.reason, TimeoutError)
        return _late(seconds) if late else getattr(error.reason, "strerror", None) or str(error.reason)
    except TimeoutError:
        return _late(seconds)
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return "what answers there is none"
    said = told.get("response") if isinstance(told, dict) else None
    return None if isinstance(said, dict) and "paused" in said else "what answers there is none"


def give_back(url: str, worker: str) -> None:
    """Tell the central scheduler that a command which is stopped runs nothing any more.

    For a minute it would keep from every other command what this one had begun. Luigi has no word for it, but a task
    that says while it runs what else it needs is pending from then on. A scheduler that is gone is not told.

    Args:
        url: of the scheduler.
        worker: the name by which it knows the command.
    """
    central: Any = RemoteScheduler(url, connect_timeout=get_config().getfloat("core", "rpc-connect-timeout", 5.0))
    central._rpc_retry_attempts = 1  # who stops a command does not wait for a scheduler that is gone
    with contextlib.suppress(*UNHEARD, AttributeError):
        for name, task in central.task_list(status=RUNNING, limit=False).items():
            if task["worker_running"] == worker:
                more = {"worker": worker, "task_id": name, "status": PENDING, "priority": task["priority"]}
                more |= {"resources": task["resources"], "accepts_messages": None}
                needs = central.dep_graph(task_id=name)[name]["deps"]
                central.add_task(**more, new_deps=needs or [name])
                central.add_task(**more, deps=needs)


def go_on_without(terminal: Terminal) -> None:
    """Start the same command again with the local scheduler; what is done stays done, and nothing else is lost."""
    terminal.say("the central scheduler does not answer any more: going on with the local one")
    for child in multiprocessing.active_children():
        child.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "--local-scheduler"])  # noqa: S606 - ourselves
