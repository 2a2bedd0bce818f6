"""Carries messages from a training's mailbox to it, and its answers back, without the training thread noticing."""

import contextlib
import functools
import logging
import threading
import weakref
from concurrent.futures import Future
from typing import Protocol

from deeptrain.errors import MessageError, in_one_line
from deeptrain.training import messages
from deeptrain.training.mailbox import FRESH_SECONDS, Mailbox

log = logging.getLogger("deeptrain")

SWEEP_EVERY = 40
"""Looks between two sweeps of what nobody takes."""


class Addressee(Protocol):
    """Who is spoken to."""

    driving: bool

    def ask(self, text: str, /) -> "Future[str]":
        """Take a message; its answer comes when it was acted on."""


class Postman:
    """A daemon thread that looks into the mailbox four times a second; it does not keep whom it serves alive."""

    def __init__(self, mailbox: Mailbox, addressee: Addressee, every_seconds: float = 0.25) -> None:
        """Begin to serve.

        Args:
            mailbox: what is looked into.
            addressee: asked from the thread; messages for it wait while it is not `driving`.
            every_seconds: between two looks.
        """
        self._mailbox = mailbox
        self._addressee = weakref.ref(addressee)
        self._every = every_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="messages", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._closing.set()
        self._thread.join(1.0)

    def _serve(self) -> None:
        looks, told = 0, False
        while not self._closing.wait(self._every):
            addressee = self._addressee()
            if addressee is None:
                return
            try:
                self._look(addressee)
                looks += 1
                if looks % SWEEP_EVERY == 0:
                    self._mailbox.sweep(FRESH_SECONDS)
            except Exception as error:  # noqa: BLE001 - no failure of a message may reach the training
                if not told:
                    log.warning("messages may go unanswered; training goes on: %s", in_one_line(error))
                told = True
            del addressee

    def _look(self, addressee: Addressee) -> None:
        for name, text in self._mailbox.waiting():
            try:
                message = messages.parse(text)
            except MessageError as error:
                if self._mailbox.take(name):
                    self._mailbox.answer(name, str(error))
                continue
            if (addressee.driving or message.word in messages.AT_ONCE) and self._mailbox.take(name):
                # Not waited for: whoever trains puts the answer when it is known, even if it is the last it does.
                addressee.ask(text).add_done_callback(functools.partial(self._put, name))

    def _put(self, name: str, done: "Future[str]") -> None:
        with contextlib.suppress(Exception):
            self._mailbox.answer(name, done.result())
