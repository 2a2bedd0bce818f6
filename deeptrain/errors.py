"""Errors a user can read: one line that names the thing, the rule and the value, and says what to do."""

import difflib
import errno
import re
from collections.abc import Collection
from pathlib import Path

NEAR, NEARLY = 0.6, 0.09
"""How alike two names are, from 0 to 1, for one to be told for the other; and how much less another one may be."""

_USER = re.compile(r"://[^/?#@\s\"']*(?:@[^/?#@\s\"']*)*@")

LONGEST = 60
"""Characters of a name within a message."""


def printable(text: str) -> str:
    """The text on one line, with what a terminal would obey instead of print, such as a line end, as its code."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def without_secrets(text: str) -> str:
    """The text with "***" for whatever stands before the "@" of an address, http://NAME:PASSWORD@HOST: for logs."""
    return _USER.sub("://***@", text)


def said(error: BaseException, length: int = 160) -> str:
    """The text of somebody else's error, on one line, to be told within one of ours."""
    text = " ".join(str(error).split())
    return printable(text if len(text) <= length else f"{text[:length]} ...")


def in_one_line(error: BaseException, length: int = 300) -> str:
    """Type and text of somebody else's error, on one line, to be told within one of ours."""
    return f"{type(error).__name__}: {said(error, length)}"


def did_you_mean(asked: str, known: Collection[str], otherwise: str | None = None) -> str:
    """The end of a message about an unknown name: the nearest there is, and others that are nearly as near.

    Args:
        asked: the unknown name; case, "_" and the like do not count.
        known: the names there are; of those that differ in nothing else the first is told.
        otherwise: what is said where none is near; by default the first twelve there are.
    """
    if near := nearest(asked, known):
        return f"did you mean {', '.join(map(_told, near))}?"
    some = ", ".join(map(_told, list(known)[:12])) or "none"
    return f"there are {some}{' ...' if len(known) > 12 else ''}" if otherwise is None else otherwise


def nearest(asked: str, known: Collection[str]) -> list[str]:
    """The names that are near an unknown one, at most three, the nearest first; of others only those nearly as near."""
    spelled: dict[str, str] = {}
    for name in known:
        spelled.setdefault(_bare(name), name)
    bare = _bare(asked)
    near = [(difflib.SequenceMatcher(None, bare, one).ratio(), one) for one in spelled]
    found = sorted((one for one in near if one[0] >= NEAR), key=lambda one: -one[0])[:3]
    return [spelled[name] for ratio, name in found if ratio >= found[0][0] - NEARLY]


def _bare(name: str) -> str:
    """What is left of a name without what spellings differ in."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _told(name: str) -> str:
    """A name among others, in quotes where it could not be told from the text around it, never long."""
    plain = name.isprintable() and not set(name) & set(" ,;?'\"")
    text = name if plain and name else repr(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


LACKS = {
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
    errno.ENOMEM: "free memory",
}
"""What the system may lack, and what helps."""

MISSHAPEN = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What Python raises where a value that was read, such as JSON's, is not what it should be."""


class DeeptrainError(Exception):
    """A mistake or a damage that its text explains completely; commands print the text and no traceback.

    Names in it may be a stranger's: what a terminal would obey instead of print is written as its code. What a kind of
    error knows beside its text is an argument, too, so that another process can send the exception here.
    """

    def __str__(self) -> str:
        """The text alone, in lines that can be printed."""
        text = str(self.args[0]) if self.args else ""
        return "\n".join(map(printable, text.split("\n")))


class SettingsError(DeeptrainError):
    """An experiment's TOML file or an override breaks a rule; the text has one line a mistake."""


class CodeChangeError(DeeptrainError):
    """Code changed, nothing else, and what it made was dear: a person has to say what is to be done."""


class DataError(DeeptrainError):
    """Raw data or shards are missing, damaged, or not what the settings say."""


class ArtifactError(DeeptrainError):
    """An artifact in the store is missing, incomplete, damaged or from another version."""


class LackingError(DeeptrainError):
    """The system lacks what it takes to read a file, such as memory: that says nothing of the file, which stays."""


def unreadable(path: Path, error: OSError, otherwise: DeeptrainError) -> DeeptrainError:
    """What to raise of a file that cannot be read: `otherwise`, unless the system lacks what it takes."""
    helps = LACKS.get(error.errno or 0)
    if helps is None:
        return otherwise
    return LackingError(f"{path}: cannot be read: {error.strerror}; {helps}, then run again")


class UntrustedError(DeeptrainError):
    """A key is given, and an artifact is not signed by it: nothing of it is used, and it stays as it is."""

    def __str__(self) -> str:
        """What was found, and what can be done."""
        cure = "`python -m pipelines verify --sign` signs what is whole; if not, move it away, and it is made again"
        return f"{super().__str__()}; if you trust it, {cure}"


class WriteError(ArtifactError, OSError):
    """What was to be written could not be: the disk is full, damaged, or not to be written to.

    It is an `OSError`, too, since whoever lets go what cannot be written lets go this; `errno` and `strerror` are what
    the system said.
    """

    def __init__(self, message: str, said: OSError | None = None) -> None:
        """Keep the message to print, and what the system said."""
        super().__init__(message, said)
        self.errno, self.strerror = (None, None) if said is None else (said.errno, said.strerror)


class AlteredError(ArtifactError):
    """A file of an artifact does not have the recorded bytes.

    Attributes:
        directory: the artifact.
    """

    def __init__(self, message: str, directory: Path) -> None:
        """Keep the message to print and the artifact to set aside."""
        super().__init__(message, directory)
        self.directory = directory


class NewerError(ArtifactError):
    """An artifact is whole, and was written by a newer version: this one neither reads it nor makes it again."""


class LockedError(DeeptrainError):
    """Another process is writing the same artifact.

    Attributes:
        process: its number, None where the lock does not say.
    """

    def __init__(self, message: str, process: int | None = None) -> None:
        """Keep the message to print and who has to be waited for."""
        super().__init__(message, process)
        self.process = process


class MessageError(DeeptrainError):
    """A message to a running training cannot be understood, or nobody is there to answer it."""


class UserCodeError(DeeptrainError):
    """Code that an experiment names cannot be found, fails, or returns the wrong thing."""


class TrainingError(DeeptrainError):
    """Training cannot go on: its loss is not finite, or a checkpoint does not fit the model."""


class IntrospectionError(DeeptrainError):
    """What is asked of a model cannot be told: no layer has the name, the model is not built, the data does not fit."""


class UnhealthyError(TrainingError):
    """Loss, outputs or a variable are not finite, or weights explode.

    Attributes:
        what: what was found, where.
    """

    def __init__(self, what: str, why: str = "") -> None:
        """Keep what was found.

        Args:
            what: in words.
            why: nothing was done about it, in words.
        """
        super().__init__(what, why)
        self.what = what

    def __str__(self) -> str:
        """What was found, what comes of it, and what may help."""
        why = self.args[1] and f"; {self.args[1]}"
        return (
            f"{super().__str__()}: training stops and the last good checkpoint stays{why}; "
            "a lower learning rate or gradient clipping may help"
        )


class BatchError(TrainingError):
    """A batch cannot be fit: its shape, its labels or its numbers are not what model and loss take.

    Attributes:
        iteration: which of the iterations that were to be fit in one call, from 0; who knows the data can name it.
    """

    def __init__(self, message: str, iteration: int = 0) -> None:
        """Keep the message to print and the iteration."""
        super().__init__(message, iteration)
        self.iteration = iteration


class Interrupted(KeyboardInterrupt):
    """Training stopped on a signal after writing its checkpoint.

    A `KeyboardInterrupt`, so that Luigi ends the run instead of counting a failed task.

    Attributes:
        signal_number: what asked for the stop, for the exit code 128 + number.
        by_message: whether it was no signal, so that the processes of the command beside this one heard nothing of it.
    """

    def __init__(self, message: str, signal_number: int, *, by_message: bool = False) -> None:
        """Keep the message to print and what asked for the stop."""
        super().__init__(message)
        self.signal_number = signal_number
        self.by_message = by_message
