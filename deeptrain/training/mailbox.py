"""How any process of the same user talks to a running training, without a scheduler: files in its `live/mailbox/`.

`ID.message` holds one line of text, `ID.answer` the line it is answered with; ID is 32 hexadecimal digits. Both appear
by a rename, so nobody sees half of one. Who takes a message removes it, and so does a sender who gives up: whoever
comes first decides whether it counts. `send` is all that a sender needs:

    from deeptrain.training import mailbox
    print(mailbox.send(Path("runs/digits/training-1a70f35f24d7ea34"), "status"))

A message is for the process that trains when it is sent. Whoever begins to train sweeps what lies there, unread. While
nothing is being trained (between two tasks, or in a notebook) messages wait for a minute. A message counts if it is a
file of this user, no link, of at most 1 KiB of UTF-8.
"""

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deeptrain import files
from deeptrain.errors import ArtifactError, MessageError
from deeptrain.store import locks
from deeptrain.training import messages

NAME = "mailbox"
FRESH_SECONDS = 60.0
"""How old a message or an answer gets that nobody takes."""

MOST_BYTES = 1 << 10
MOST_ANSWER_BYTES = 8 << 10
MOST_AT_ONCE = 32
LOOK_SECONDS = 0.05
"""Between two looks of a sender."""

BETWEEN_SECONDS = 1.0
"""How long the lock of a training that goes on may be free."""

_FILE = re.compile(r"[0-9a-f]{32}\.(message|answer)", re.ASCII)
_HIDDEN = re.compile(r"\.[0-9a-f]{32}\.(message|answer)\.[0-9]{1,10}\.[0-9a-f]{8}", re.ASCII)


def send(training: Path, text: str, wait_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> str:
    """Say something to the process that trains, and return its answer, one line; a refusal is an answer, too.

    Args:
        training: the training's directory, `runs/NAME/training-IDENTITY`, or a session's, `runs/NAME/sessions/SESSION`.
        text: one of `messages.WORDS`, such as "pause", "status", "lr 1e-4".
        wait_seconds: how long to wait for the answer. A training answers within half a second or an iteration, but
            writes the checkpoint that is asked for first, and takes "lr" when a validation that runs is over.
        clock: seconds from any origin.

    Raises:
        MessageError: for a text that is no message; when nobody trains there, by the training's lock; when it is not
            answered in time, saying whether it was taken.
    """
    messages.parse(text)
    there = _Presence(locks.path_of(training.parent, training), clock)
    unheard = MessageError(f"{training}: nobody is training there on this machine, so {text.strip()!r} reaches nobody")
    if there.is_over():
        raise unheard
    box = Mailbox(training / "live")
    name = os.urandom(16).hex()
    sent, answer = box.directory / f"{name}.message", box.directory / f"{name}.answer"
    deadline = clock() + wait_seconds
    try:
        box.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_loose(sent, text.strip().encode())
        while True:
            ended = there.is_over()  # before the look below: it may answer and end at once
            said = _read(answer, MOST_ANSWER_BYTES)
            if said is not None:
                return said
            if ended:
                ending = MessageError(f"{training}: training ended before it answered {text.strip()!r}")
                raise ending if there.was_seen else unheard
            if clock() >= deadline:
                raise MessageError(_unanswered(training, text.strip(), wait_seconds, sent))
            time.sleep(LOOK_SECONDS)
    except OSError as error:
        raise MessageError(f"{box.directory}: cannot be written: {error.strerror}") from error
    finally:
        for path in (sent, answer):
            with contextlib.suppress(OSError):
                path.unlink()


class _Presence:
    """Whether somebody trains: under a central scheduler the lock is free for a moment between two epochs.

    Attributes:
        was_seen: whether somebody had the lock at one of the looks.
    """

    def __init__(self, lock: Path, clock: Callable[[], float]) -> None:
        self.was_seen = False
        self._lock, self._clock = lock, clock
        self._free_since: float | None = None

    def is_over(self) -> bool:
        """Look: whether who had the lock is gone, or has been without it for longer than between two epochs."""
        if locks.holder(self._lock) is not None:
            self.was_seen, self._free_since = True, None
            return False
        if self._free_since is None:
            self._free_since = self._clock()
        return self._clock() - self._free_since >= BETWEEN_SECONDS or not locks.may_be_taken_again(self._lock)


def _unanswered(training: Path, text: str, seconds: float, sent: Path) -> str:
    try:
        sent.unlink()
    except FileNotFoundError:
        return (
            f"{training}: {text!r} was taken but not answered within {seconds:g} s; it acts when training comes to it"
        )
    return (
        f"{training}: nobody took {text!r} within {seconds:g} s, and it is withdrawn: nothing is trained at the moment"
    )


class Mailbox:
    """The side of the training: takes messages, puts answers. Who holds the training's lock reads it."""

    def __init__(self, live: Path, now: Callable[[], float] = time.time) -> None:
        """Name the `live/` of a training; nothing is touched.

        Args:
            live: outside all artifacts.
            now: seconds since 1970, as the times of files.
        """
        self.directory = live / NAME
        self._now = now

    def sweep(self, age_seconds: float = 0.0) -> None:
        """Remove what lies there and is older, unread: all by default."""
        for entry in self._entries():
            with contextlib.suppress(OSError):
                if age_seconds <= 0 or not self._is_fresh(entry.stat(follow_symlinks=False), age_seconds):
                    Path(entry.path).unlink()

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Fresh messages, the oldest first: the name of each, and its text. They stay where they are.

        What is no message, too large, or another user's, is no message; `sweep` removes it.
        """
        found = []
        for entry in self._entries():
            with contextlib.suppress(OSError):
                if entry.name.endswith(".message") and not entry.name.startswith("."):
                    status = entry.stat(follow_symlinks=False)
                    if self._is_fresh(status, FRESH_SECONDS) and status.st_uid == os.geteuid():
                        found.append((status.st_mtime_ns, entry.name))
        for _, name in sorted(found)[:MOST_AT_ONCE]:
            text = _read(self.directory / name, MOST_BYTES)
            if text is not None:
                yield name.removesuffix(".message"), text

    def take(self, name: str) -> bool:
        """Take a message away; whether it was still there: a sender may have given up meanwhile."""
        try:
            (self.directory / f"{name}.message").unlink()
        except OSError:
            return False
        return True

    def answer(self, name: str, text: str) -> None:
        """Put the answer to a message, one line; a disk that fails loses it."""
        line = " ".join(text.split()).encode("utf-8", "replace")[:MOST_ANSWER_BYTES]
        with contextlib.suppress(OSError):
            files.write_loose(self.directory / f"{name}.answer", line)

    def _entries(self) -> list["os.DirEntry[str]"]:
        try:
            if not stat.S_ISDIR(os.lstat(self.directory).st_mode):  # no link is followed: the store may be a stranger's
                return []
            with os.scandir(self.directory) as entries:
                return [entry for entry in entries if _FILE.fullmatch(entry.name) or _HIDDEN.fullmatch(entry.name)]
        except OSError:
            return []

    def _is_fresh(self, status: os.stat_result, seconds: float) -> bool:
        return abs(self._now() - status.st_mtime) < seconds


def _read(path: Path, most: int) -> str | None:
    """The text of a small file of this user; None where there is none."""
    try:
        data, status = files.read_with_status(path, most)
    except ArtifactError:
        return None
    return data.decode("utf-8", "replace") if status.st_uid == os.geteuid() else None
