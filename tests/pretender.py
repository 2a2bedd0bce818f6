"""A web server that is no scheduler, or is one for a while: each path, and each moment, has its own way to answer."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs

from luigi.scheduler import RPC_METHODS, Scheduler

ANSWERS = {
    "page": (200, b"<html>welcome</html>"),
    "missing": (404, b"no"),
    "broken": (500, b"no"),
    "garbage": (200, b'{"response": '),
    "other": (200, b'{"response": [1]}'),
    "number": (200, b"7"),
    "binary": (200, b"\xff\x00"),
    "nested": (200, b"[" * 4000),
}
"""What is answered there; under "held" nothing is, under "drip" a letter now and then, under "closed" nothing ever."""


class Pretender:
    """Answers as Luigi's scheduler does, or as the first word of the path says, or as `manner` does meanwhile.

    Attributes:
        manner: one of `ANSWERS`, "held", "drip", "closed"; "" for a scheduler.
        slow: methods that are not answered until `over`.
        asked: the methods of the scheduler that were asked for.
        known: the header by which the last one who asked made himself known; None where he did not.
        over: ends what is held.
    """

    def __init__(self) -> None:
        """A scheduler that nobody has asked yet."""
        self.scheduler = Scheduler()
        self.manner = ""
        self.slow: frozenset[str] = frozenset()
        self.asked: list[str] = []
        self.known: str | None = None
        self.over = threading.Event()
        self.url = ""
        self.lock = threading.Lock()

    def answer(self, path: str, data: bytes) -> tuple[int, bytes]:
        """What a scheduler answers."""
        name = path.rpartition("/")[2]
        self.asked.append(name)
        if name in self.slow:
            self.over.wait()
        with self.lock:
            arguments = json.loads(parse_qs(data.decode())["data"][0])
            found: Any = getattr(self.scheduler, name)(**arguments) if name in RPC_METHODS else None
        return 200, json.dumps({"response": found}).encode()


@contextlib.contextmanager
def pretending() -> Iterator[Pretender]:
    """A server on a free port of 127.0.0.1 within the block."""
    pretender = Pretender()

    class Handler(_Handler):
        of = pretender

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        pretender.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield pretender
        finally:
            pretender.over.set()
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    of: ClassVar[Pretender]

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.of.known = self.headers.get("Authorization")
        manner = self.of.manner or self.path.split("/")[1].removesuffix("api")
        with contextlib.suppress(OSError):
            if manner == "closed":
                self.connection.close()
            elif manner == "held":
                self.of.over.wait()
            elif manner == "drip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
                while not self.of.over.wait(0.05):
                    self.wfile.write(b" ")
            else:
                status, said = ANSWERS[manner] if manner else self.of.answer(self.path, data)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nothing."""
