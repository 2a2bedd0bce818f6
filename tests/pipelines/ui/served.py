"""The server in a thread of the test, and requests to it as a browser, a worker or a stranger would send them."""

import asyncio
import contextlib
import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.ui import server
from tests.pipelines.command import PATIENCE


class Answer(NamedTuple):
    """What the server sent."""

    status: int
    headers: Mapping[str, str]
    text: str


class Served(NamedTuple):
    """A server that answers.

    Attributes:
        url: "http://127.0.0.1:PORT/".
    """

    url: str

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").rstrip("/")

    @property
    def token(self) -> str:
        found = re.search('<meta name="token" content="([^"]+)">', self.ask("/").text)
        assert found
        return found[1]

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; `Sec_Fetch_Site="none"` is a header of that name with hyphens, `Host` another host."""
        named = {"Host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body, named)
            with connection.getresponse() as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        finally:
            connection.close()

    @property
    def own(self) -> dict[str, str]:
        """What a page of the server sends when it changes something."""
        return {"Origin": self.url.rstrip("/"), "X_Deeptrain_Token": self.token}

    def say(self, place: str, text: Any, **headers: str) -> Answer:
        """Send a message to a training as its page does."""
        return self.ask(f"/runs/{place}/messages", "POST", json.dumps({"text": text}).encode(), **(self.own | headers))

    def start(self, experiment: str, **headers: str) -> Answer:
        """Start a run as the list does."""
        return self.ask("/start", "POST", json.dumps({"text": experiment}).encode(), **(self.own | headers))


@contextlib.contextmanager
def serving(store: Path, port: int = 0, experiments: Path | None = None) -> Iterator[Served]:
    """A server of a store, within the block."""
    started, ended = threading.Event(), threading.Event()
    told: list[str] = []

    async def serve() -> None:
        async with server.serving(store, server.bind(port), experiments) as url:
            told.append(url)
            started.set()
            while not ended.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        while not started.wait(0.01):
            assert thread.is_alive(), "the server did not begin"
        yield Served(told[0])
    finally:
        ended.set()
        thread.join(PATIENCE)
