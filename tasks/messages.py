"""Messages of Luigi's central scheduler (the paper plane on its page) to the training that runs, and their answers."""

import contextlib
import html
import http.client
import json
import queue
import re
import textwrap
import threading
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

    All calls of the scheduler are made in a thread of their own, the first, about the page, after 0.2 s: a task that is
    done by then costs the scheduler nothing. The block ends when the scheduler has heard the last answers, or Luigi's
    own patience with it is over.

    Args:
        task: that runs; Luigi has given it the way to its scheduler.
        page: the address of the page about the training.
        hear: takes what is said.
    """
    reporter, said = _reporter(task), getattr(task, "scheduler_messages", None)
    if said is None or not central(task):
        yield
        return
    over = threading.Event()
    serving = Serving(said, hear, over)

    def serve() -> None:
        # Nobody follows the link of a task that is over by then, and a call costs it and the scheduler milliseconds.
        if not over.wait(LOOK_SECONDS):
            with contextlib.suppress(*UNHEARD):
                register(task, reporter, page())
        serving.run()

    thread = threading.Thread(target=serve, name="messages of the scheduler", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # A call under way must not arrive when the task has another state already.
        thread.join()


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
    """Hands the messages of one task on, and sends the answers."""

    def __init__(self, said: Any, hear: Hear, over: threading.Event) -> None:
        """Of a queue of Luigi's messages, until it is over."""
        self._said = said
        self._hear = hear
        self._over = over
        self._waiting: list[Any] = []
        self._heard: list[tuple[Any, Future[str]]] = []

    def run(self) -> None:
        """Serve."""
        ended = False
        while not ended:
            ended = self._over.wait(LOOK_SECONDS)  # which is noticed at once, a wait for a message would not be
            with contextlib.suppress(queue.Empty):
                while True:
                    self._waiting.append(self._said.get_nowait())
            self._look()
        for message in self._waiting:
            _respond(message, "was not done: nothing was trained at that moment; say it again")
        for message, _ in self._heard:
            _respond(message, "was taken; it is done when training comes to it")

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
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
