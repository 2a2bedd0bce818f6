"""The server: Luigi's application and our pages behind one guard, on the loopback address and on no other."""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import luigi.server
from luigi.configuration import get_config
from luigi.scheduler import Scheduler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, StaticFileHandler

from deeptrain.errors import ArtifactError, DataError
from deeptrain.report import templates
from pipelines.ui import guard, pages, scheduler_page, scheduler_state
from pipelines.ui.headers import SafeHeaders
from pipelines.ui.kept_files import ADDRESS, STATE, KeptFile
from pipelines.ui.listeners import listener
from pipelines.ui.pages import Desk
from pipelines.ui.runs import Runs
from pipelines.ui.starting import Starter
from pipelines.ui.words import Start, Words

log = logging.getLogger("deeptrain")

HOST = "127.0.0.1"
OURS = Path(__file__).parent
LUIGIS = ("/api/", "/static/", "/metrics")
"""Where Luigi's own handlers answer: workers and its page ask there."""

CHANGED = frozenset({scheduler_page.PATH, scheduler_page.STYLE})
"""But for these files of Luigi's, which we change."""

MOST_BODY_BYTES = 16 << 20
POSTMEN = 8
PRUNE_SECONDS = 60.0
PATIENCE_SECONDS = 2.0
"""For what is being answered when the server ends."""
KEEP_SECONDS = 5.0
"""Between two looks whether there is something new to keep of the scheduler."""
DONE_SECONDS = "86400"
"""How long a task that has ended stays on Luigi's page, unless the user's configuration says otherwise."""


class Guarded(Router):
    """Answers what the guard lets through: Luigi's paths by Luigi's handlers, all others by ours."""

    def __init__(self, desk: Desk, scheduler: Scheduler) -> None:
        """Nothing is bound yet.

        Args:
            desk: what our pages share.
            scheduler: that workers and Luigi's page ask.
        """
        self._desk = desk
        self._ours = _ours(desk)
        self._luigis = luigi.server.app(scheduler)
        self._luigis.add_transform(SafeHeaders)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate:
        """Who answers a request."""
        refusal = guard.refusal(request, self._desk.token)
        if refusal is not None:
            return self._ours.get_handler_delegate(request, pages.Refused, {"desk": self._desk, "refusal": refusal})
        if request.path.startswith(LUIGIS) and request.path not in CHANGED:
            return cast(HTTPMessageDelegate, self._luigis.find_handler(request))
        return cast(HTTPMessageDelegate, self._ours.find_handler(request))


def _ours(desk: Desk) -> Application:
    training = r"/runs/([^/]+(?:/sessions)?)/([^/]+)"
    shared = {"desk": desk}
    application = Application(
        [
            (r"/", pages.List, shared),
            (training, pages.Training, shared),
            (f"{training}/messages", Words, shared),
            (r"/start", Start, shared),
            (r"/compare", pages.Compare, shared),
            (r"/files/(.+)", pages.StoreFile, shared),
            (r"/scheduler", pages.ToScheduler),
            (scheduler_page.PATH, scheduler_page.SchedulerPage, {"token": desk.token}),
            (scheduler_page.STYLE, scheduler_page.SchedulerStyle),
            (r"/ui/((?:graph|samples)\.css)", StaticFileHandler, {"path": str(templates.DIRECTORY)}),
            (r"/ui/([a-z]+\.(?:js|css))", StaticFileHandler, {"path": str(OURS / "static")}),
        ],
        default_handler_class=pages.Missing,
        default_handler_args=shared,
    )
    application.add_transform(SafeHeaders)
    return application


def bind(port: int) -> list[socket.socket]:
    """Listen on a port of the loopback address; 0 takes a free one.

    Raises:
        DataError: when it is taken, saying by whom, or may not be listened on.
    """
    listening = socket.socket(socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a server that has just ended
        listening.setblocking(False)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            who = listener(port) or "another program"
            raise DataError(
                f"port {port} of {HOST} is taken by {who}; end it, or choose another with --port"
            ) from error
        raise DataError(f"port {port} of {HOST} cannot be listened on: {error.strerror}; --port names one") from error
    return [listening]


@contextlib.asynccontextmanager
async def serving(store: Path, sockets: list[socket.socket], experiments: Path | None = None) -> AsyncIterator[str]:
    """Answer requests within the block; gives the address.

    Args:
        store: the directory of runs.
        sockets: see `bind`; they are closed in the end.
        experiments: the directory whose experiments may be started from the page; None starts none.
    """
    port = sockets[0].getsockname()[1]
    url = f"http://{HOST}:{port}/"
    scheduler = new_scheduler()
    state, address = KeptFile(store, STATE), KeptFile(store, ADDRESS)
    starter = None if experiments is None else Starter(experiments, store, url)
    _restore(scheduler, state)
    with (
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "draw") as drawer,
        ThreadPoolExecutor(POSTMEN, "post") as postmen,
    ):
        desk = Desk(
            runs=Runs(store),
            reader=reader,
            drawer=drawer,
            postmen=postmen,
            templates=templates.environment(OURS / "templates"),
            token=secrets.token_urlsafe(32),
            command=_command(port, store),
            starter=starter,
        )
        reader.submit(desk.runs.listed)  # what takes long the first time is done when somebody looks
        server = HTTPServer(Guarded(desk, scheduler), max_buffer_size=MOST_BODY_BYTES)
        server.add_sockets(sockets)
        address.write({"url": url, "pid": os.getpid()})

        def keep() -> None:
            state.write(scheduler_state.plain(scheduler))

        repeated = [
            asyncio.create_task(_every(PRUNE_SECONDS, scheduler.prune)),
            asyncio.create_task(_every(KEEP_SECONDS, keep)),
        ]
        try:
            yield url
        finally:
            for task in repeated:
                task.cancel()
            server.stop()
            await server.close_all_connections()
            begun = asyncio.all_tasks() - {asyncio.current_task(), *repeated}
            if begun:
                await asyncio.wait(begun, timeout=PATIENCE_SECONDS)
            keep()
            address.remove()
            if starter is not None:
                starter.close()


async def serve(
    store: Path, sockets: list[socket.socket], experiments: Path, ready: Callable[[str], None]
) -> int | None:
    """Answer requests until a signal ends this process; the number of SIGTERM or SIGINT, which leave by the front door.

    Args:
        store: the directory of runs.
        sockets: see `bind`.
        experiments: the directory whose experiments may be started from the page.
        ready: told the address once it answers.
    """
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[int] = loop.create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _answer, asked, number)
    async with serving(store, sockets, experiments) as url:
        ready(url)
        return await asked


def _answer(asked: "asyncio.Future[int]", number: int) -> None:
    if not asked.done():
        asked.set_result(number)


def new_scheduler() -> Scheduler:
    """Luigi's scheduler with the user's settings; it keeps no pickle, see `scheduler_state`."""
    config = get_config()
    if not config.has_option("scheduler", "remove_delay"):
        config.set("scheduler", "remove_delay", DONE_SECONDS)
    return Scheduler(state_path=os.devnull)


def _restore(scheduler: Scheduler, state: KeptFile) -> None:
    try:
        kept = state.read()
        if kept is not None:
            scheduler_state.restore(scheduler, kept)
    except ArtifactError as error:
        log.warning("%s: the scheduler begins anew: %s", state.path, error)


def _command(port: int, store: Path) -> str:
    """How a run is started whose tasks are on Luigi's page here."""
    where = "" if port == 8082 else f" --scheduler-port {port}"
    return f"luigi --module pipelines TrainModel --experiment FILE.toml --store {store}{where}"


async def _every(seconds: float, act: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(seconds)
        act()
