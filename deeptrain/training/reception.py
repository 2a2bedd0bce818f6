"""How a training is reached while it runs: by signals, and by messages from its mailbox or another thread."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from deeptrain.training import messages, signals
from deeptrain.training.journal import Journal
from deeptrain.training.mailbox import Mailbox
from deeptrain.training.postman import Addressee, Postman
from deeptrain.training.progress import Progress
from deeptrain.training.requests import Requests


class Reception:
    """Takes what is said to a training, and makes requests of it, which are answered between two groups."""

    def __init__(self, journal: Journal | None, requests: Requests) -> None:
        """Nobody is heard yet.

        Args:
            journal: of a training that is written, beside which its mailbox lies.
            requests: what is made of signals and messages.
        """
        self._mailbox = None if journal is None or journal.live is None else Mailbox(journal.live)
        self._postman: Postman | None = None
        self._requests = requests

    def sweep(self) -> None:
        """Throw away what lies in the mailbox: messages are for whoever trained when they were sent."""
        if self._mailbox is not None:
            self._mailbox.sweep()

    @contextlib.contextmanager
    def open(self, addressee: Addressee) -> Iterator[None]:
        """Take signals within the block, and messages from then on.

        Args:
            addressee: asked what lies in the mailbox; not kept.
        """
        if self._mailbox is not None and self._postman is None:
            self._postman = Postman(self._mailbox, addressee)
        requests = self._requests
        with signals.handled(requests.interrupt, requests.save, requests.interrupt_after_epoch):
            yield

    def ask(self, text: str, progress: Callable[[], Progress]) -> "Future[str]":
        """Take a message, from any thread; its answer comes when it was acted on, at once where nothing is to be done.

        Args:
            text: the message.
            progress: tells where training stands.

        Raises:
            MessageError: for a text that is none.
        """
        message = messages.parse(text)
        if message.word not in messages.AT_ONCE:
            return self._requests.ask(message)
        said: Future[str] = Future()
        said.set_result(messages.at_once(text, progress()))
        return said

    def close(self) -> None:
        """Nobody is heard any more: what was asked and not done is answered so."""
        self._requests.give_up()
        if self._postman is not None:
            self._postman.close()
