"""The scheduler of a command: the central one as long as it answers, the local one otherwise."""

import argparse
import contextlib
import http.client
import ipaddress
import json
import logging
import multiprocessing
import os
import queue
import sys
import threading
import traceback
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

import urllib3
from luigi import rpc
from luigi.configuration import get_config
from luigi.rpc import RemoteScheduler, RequestsFetcher, RPCError, URLLibFetcher
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


class Fetcher(RequestsFetcher):
    """Asks a scheduler of this machine directly: Luigi's own spends more on a call than the scheduler on the answer."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        super().__init__()
        self.raises: tuple[type[Exception], ...] = (self.raises, urllib3.exceptions.HTTPError)  # type: ignore[assignment]
        self._pool = urllib3.PoolManager(retries=False)

    def __getstate__(self) -> dict[str, Any]:
        """All but the connections: Luigi hands a message on with the scheduler that it came from."""
        return {name: value for name, value in vars(self).items() if name != "_pool"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Ask on connections of its own."""
        vars(self).update(state, _pool=urllib3.PoolManager(retries=False))

    def check_pid(self) -> None:
        """Share no connection with the process that began this one."""
        if os.getpid() != self.process_id:
            self._pool = urllib3.PoolManager(retries=False)
        super().check_pid()

    def fetch(self, full_url: str, body: dict[str, str], timeout: float) -> str:
        """What a scheduler answers."""
        if not _is_here(full_url):
            answer: str = super().fetch(full_url, body, timeout)
            return answer
        self.check_pid()
        url = urlsplit(full_url)
        known = f"{url.username}:{url.password or ''}" if url.username else None
        headers = {**urllib3.make_headers(basic_auth=known), "Content-Type": "application/x-www-form-urlencoded"}
        bare = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        given = self._pool.request("POST", bare, body=urlencode(body), headers=headers, timeout=timeout)
        if given.status != HTTPStatus.OK:
            raise urllib3.exceptions.HTTPError(f"{bare}: HTTP {given.status}")
        return given.data.decode()

    def close(self) -> None:
        """Ask nothing any more."""
        self._pool.clear()
        super().close()


def ask_directly() -> None:
    """Let Luigi ask a scheduler of this machine without a proxy."""
    rpc.RequestsFetcher = Fetcher  # type: ignore[misc]  # a class that others look up there


def _is_here(url: str) -> bool:
    """Whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        proxies = ProxyHandler({} if _is_here(url) else None)
        with build_opener(proxies).open(request, timeout=seconds) as answer:
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
    central = _at(url)
    with contextlib.suppress(*UNHEARD, AttributeError):
        for name, task in central.task_list(status=RUNNING, limit=False).items():
            if task["worker_running"] == worker:
                more = {"worker": worker, "task_id": name, "status": PENDING, "priority": task["priority"]}
                more |= {"resources": task["resources"], "accepts_messages": None}
                needs = central.dep_graph(task_id=name)[name]["deps"]
                central.add_task(**more, new_deps=needs or [name])
                central.add_task(**more, deps=needs)


def given_to_another(url: str, worker: str) -> str | None:
    """What keeps a command from going on, in words: a task of its own that another one has; None where there is none.

    Args:
        url: of the scheduler.
        worker: the name by which it knows the command.
    """
    central = _at(url)
    with contextlib.suppress(*UNHEARD, AttributeError):
        for task in central.task_list(status=RUNNING, limit=False).values():
            if worker in task["workers"] and worker != task["worker_running"]:
                known = {one["name"]: one for one in central.worker_list(include_running=False)}
                name, other = (task["name"], task["params"].get("number", "")), known[task["worker_running"]]
                return (
                    f"the central scheduler has given {' '.join(name).rstrip()} to process {other['pid']} on "
                    f"{other['host']}; run the same command again when that has ended, two minutes later if it was "
                    "killed, or let it wait by --worker-keep-alive"
                )
    return None


def has_forgotten(url: str, task: str) -> bool:
    """Whether a scheduler does not know a task that it was told of: it was killed, begun again, and asks for nothing.

    Args:
        url: of the scheduler.
        task: its identity.
    """
    with contextlib.suppress(*UNHEARD, AttributeError):
        return not _at(url).task_search(task_str=task)
    return False


def _at(url: str) -> Any:
    central = RemoteScheduler(url, connect_timeout=get_config().getfloat("core", "rpc-connect-timeout", 5.0))
    central._rpc_retry_attempts = 1  # a command that ends does not wait for a scheduler that is gone
    return central


def go_on_without(terminal: Terminal) -> None:
    """Start the same command again with the local scheduler; what is done stays done, and nothing else is lost."""
    terminal.say("the central scheduler does not answer any more: going on with the local one")
    _again("--local-scheduler")


def go_on_with(terminal: Terminal) -> None:
    """Start the same command again, so that a scheduler that has forgotten its tasks is told of them."""
    terminal.say("the central scheduler was begun anew and has forgotten the tasks: going on")
    _again()


def _again(*more: str) -> None:
    for child in multiprocessing.active_children():
        child.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], *more])  # noqa: S606 - ourselves
