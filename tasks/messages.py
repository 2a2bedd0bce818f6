"""Messages of Luigi's central scheduler (the paper plane on its page) to the training that runs, and their answers."""

import contextlib
import functools
import html
import http.client
import json
import os
import queue
import re
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import luigi
from luigi.rpc import RemoteScheduler, RPCError
from luigi.task_status import RUNNING

from deeptrain.errors import MISSHAPEN, MessageError

UI = ".ui.json"
"""In the store, while a page of ours is served for it: {"url": "http://127.0.0.1:PORT/"}."""

_OURS = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}/", re.ASCII)

UNHEARD = (RPCError, OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
"""What Luigi raises where its scheduler is gone, or somebody else answers in its place."""

COLUMNS = 66
"""Of a status and of an answer on Luigi's page."""

LOOK_SECONDS = 0.2
"""Between two looks at what was said, and at what is not answered yet."""

Hear = Callable[[str], "Future[str] | None"]
"""Takes a message; None where nothing is trained at this moment. Raises `MessageError`."""


def central(task: luigi.Task) -> bool:
    """Whether a running task was given by a central scheduler, which may give others elsewhere."""
    return isinstance(getattr(_reporter(task), "_scheduler", None), RemoteScheduler)


def _reporter(task: luigi.Task) -> Any:
    """Luigi's way from a running task to its scheduler; None for a task that is run by itself."""
    return getattr(task.set_tracking_url, "__self__", None)


@contextlib.contextmanager
def answered(task: luigi.Task, page: Callable[[], str], hear: Hear) -> Iterator[None]:
    """Let a running task be spoken to within the block; without a central scheduler nothing is done.

    All calls of the scheduler are made in a thread that serves every task of the process, the first, about the page,
    after 0.2 s: a task that is done by then costs the scheduler nothing. The block ends when the scheduler has heard
    the last answers, or Luigi's own patience with it is over.

    Args:
        task: that runs; Luigi has given it the way to its scheduler.
        page: the address of the page about the training.
        hear: takes what is said.
    """
    reporter, said = _reporter(task), getattr(task, "scheduler_messages", None)
    if said is None or not central(task):
        yield
        return
    with listener(os.getpid()).serving(Serving(said, hear, lambda: register(task, reporter, page()))):
        yield


def register(task: luigi.Task, reporter: Any, page: str) -> None:
    """Tell the scheduler the page of a running task, and once more that it can be spoken to.

    Luigi's own `set_tracking_url` would take away that, its resources and its retries; a retry takes away the first.
    """
    reporter._scheduler.add_task(
        worker=reporter._worker_id,
        task_id=task.task_id,
        status=RUNNING,
        tracking_url=page,
        accepts_messages=task.accepts_messages,
        priority=task.priority,
        resources=task.process_resources(),
        retry_policy_dict={
            "retry_count": task.retry_count,
            "disable_hard_timeout": task.disable_hard_timeout,
            "disable_window": task.disable_window,
        },
    )


class Serving:
    """Tells the scheduler the page of one task, hands the messages for it on, and sends the answers."""

    def __init__(self, said: Any, hear: Hear, introduce: Callable[[], None]) -> None:
        """Of a queue of Luigi's messages; `introduce` tells the page."""
        self._said = said
        self._hear = hear
        self._introduce: Callable[[], None] | None = introduce
        self._waiting: list[Any] = []
        self._heard: list[tuple[Any, Future[str]]] = []

    @property
    def silent(self) -> bool:
        """Whether nothing was said that is not answered."""
        return not self._waiting and not self._heard and self._said.empty()

    def look(self) -> None:
        """Take what was said, and answer what was done."""
        if self._introduce is not None:
            introduce, self._introduce = self._introduce, None
            with contextlib.suppress(*UNHEARD):
                introduce()
        self._answer()

    def end(self) -> None:
        """Answer everything: the task is over."""
        self._answer()
        for message in self._waiting:
            _respond(message, "was not done: nothing was trained at that moment; say it again")
        for message, _ in self._heard:
            _respond(message, "was taken; it is done when training comes to it")

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._said.get_nowait())
        for message in waiting:
            try:
                answer = self._hear(str(message.content))
            except MessageError as error:
                _respond(message, str(error))
                continue
            if answer is None:
                self._waiting.append(message)
            else:
                self._heard.append((message, answer))
        heard, self._heard = self._heard, []
        for message, answer in heard:
            if answer.done():
                _respond(message, answer.result())
            else:
                self._heard.append((message, answer))


class Listener:
    """The thread of a process in which the scheduler is asked about messages: one for all tasks, which may be short."""

    def __init__(self, every_seconds: float = LOOK_SECONDS) -> None:
        """Nothing is served yet; between two looks are so many seconds."""
        self._every = every_seconds
        # Held while the scheduler is called: no call under way arrives when the task has another state already.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._served: Serving | None = None
        self._since = 0.0
        self._over = False

    @contextlib.contextmanager
    def serving(self, served: Serving) -> Iterator[None]:
        """Serve a task within the block."""
        with self._changed:
            self._served, self._since, self._over = served, time.monotonic(), False
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="messages of the scheduler", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                if served.silent:
                    self._served = None
                self._over = True
                while self._served is not None and self._thread.is_alive():
                    self._changed.notify()
                    self._changed.wait(self._every)

    def _run(self) -> None:
        with self._changed:
            while True:
                self._changed.wait(self._every)
                served = self._served
                if served is None:
                    continue
                if self._over:
                    self._served = None
                    served.end()
                    self._changed.notify()
                # Nobody follows the link of a task that is soon over, and a call costs it and the scheduler something.
                elif time.monotonic() - self._since >= self._every:
                    served.look()


@functools.cache
def listener(process: int) -> Listener:  # noqa: ARG001 - a forked one has no thread of its parent's
    """The one of a process."""
    return Listener()


def _respond(message: Any, answer: str) -> None:
    """Send an answer, which Luigi's page shows as HTML; a scheduler that is gone does not get it."""
    with contextlib.suppress(*UNHEARD):
        message.respond(as_html(answer))


def as_html(text: str) -> str:
    """A text for Luigi's page, which shows HTML as it is, in a frame of 66 columns that does not break lines itself."""
    lines = (part for line in text.splitlines() for part in textwrap.wrap(line, COLUMNS, break_on_hyphens=False))
    return html.escape("\n".join(lines))


def page_of(training: Path) -> str:
    """The address of the page about a training: of the server that runs for its store, or else of its file."""
    store = training.parent.parent
    with contextlib.suppress(OSError, *MISSHAPEN), (store / UI).open("rb") as file:
        url = json.loads(file.read(1000))["url"]
        if _OURS.fullmatch(url):
            return f"{url}runs/{training.parent.name}/{training.name}"
    return (training.resolve() / "live" / "index.html").as_uri()
