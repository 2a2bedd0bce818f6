"""What may be said to a running training in one line of text, and what it says of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deeptrain.errors import MessageError, did_you_mean, printable
from deeptrain.training.progress import Progress, in_digits, in_hours

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "pause": "write a checkpoint, then wait and hold everything until resume",
        "resume": "go on",
        "checkpoint": "write a checkpoint and go on",
        "stop": "write a checkpoint and end the command; the same command goes on from there",
        "stop-after-epoch": "end the command when this epoch is done; the same command goes on behind it",
        "status": "tell where training stands",
        "lr": "lr 1e-4: another learning rate from the next iteration on, recorded as a change by hand",
        "help": "tell these words",
    }
)
"""Each word, and what it asks for."""

AT_ONCE = frozenset({"status", "help"})
"""Words that ask nothing of the training thread."""

LONGEST = 200
"""Characters of a message."""

LEAST, MOST = 1.2e-38, 3.4e38
"""Learning rates that a number of 32 bits holds in full."""

_NUMBER = re.compile(r"[+]?([0-9]{1,40}[.]?[0-9]{0,40}|[.][0-9]{1,40})(e[+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Message:
    """What is asked.

    Attributes:
        word: one of `WORDS`.
        value: the learning rate of "lr", None of the others.
    """

    word: str
    value: float | None = None


def parse(text: str) -> Message:
    """What a line of text asks for; capitals and spaces around it do not count.

    Raises:
        MessageError: when it is no message, naming the nearest.
    """
    if len(text) > LONGEST:
        raise MessageError(f"a message has at most {LONGEST} characters, got {len(text):,}")
    word, *arguments = text.lower().split() or [""]
    if word not in WORDS:
        raise MessageError(f"unknown message {printable(text.strip())!r:.80}; {did_you_mean(word, WORDS)}")
    if word == "lr":
        return Message(word, _rate(arguments))
    if arguments:
        raise MessageError(f"{word} stands alone, got {printable(text.strip())!r:.80}")
    return Message(word)


def _rate(arguments: list[str]) -> float:
    told = " ".join(arguments)
    value = float(told) if _NUMBER.fullmatch(told) else 0.0
    if not LEAST <= value <= MOST:
        raise MessageError(
            f"lr: expected one number above 0, such as lr 1e-4, got {printable(told)!r:.60}"
            if not value
            else f"lr: expected a number from {LEAST:g} to {MOST:g}, got {told:.60}"
        )
    return value


def told() -> str:
    """All messages with what each asks for, in a line."""
    return "; ".join(f"{word}: {what}" for word, what in WORDS.items())


def at_once(text: str, progress: Progress | None) -> str:
    """What a word of `AT_ONCE` is answered with."""
    return told() if parse(text).word == "help" else status(progress)


def status(progress: Progress | None) -> str:
    """Where a training stands, in a line.

    Args:
        progress: the newest; None before there was one.
    """
    if progress is None:
        return "data and model are being made ready"
    parts = ["paused"] if progress.phase == "paused" else []
    parts.append(f"epoch {progress.epoch} of {progress.epochs}")
    if progress.iterations:
        parts.append(f"iteration {progress.iteration:,} of {progress.iterations:,}")
    if progress.phase in BUSY:
        parts.append(BUSY[progress.phase])
    elif progress.batch:
        parts.append(f"set {printable(progress.batch)}")
    if progress.loss is not None:
        parts.append(f"loss {in_digits(progress.loss)}")
    key = "validation loss" if progress.key_metric == "loss" else printable(progress.key_metric)
    if progress.key_metric in progress.metrics:
        parts.append(f"{key} {in_digits(progress.metrics[progress.key_metric])}")
    if progress.best is not None:
        parts.append(f"best {key} {in_digits(progress.best)} in epoch {progress.best_epoch}")
    if progress.seconds_left_run is not None and progress.phase not in ("done", "paused"):
        parts.append(f"{in_hours(progress.seconds_left_run)} left in all")
    return ", ".join(parts)


BUSY = {"build": "building the model", "validate": "validating", "checkpoint": "saving a checkpoint", "done": "done"}
