"""Log records as a user reads them: single lines, no traceback for what a text explains."""

import contextlib
import errno
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from deeptrain.errors import LACKS, DeeptrainError, Interrupted, without_secrets

LOGGERS = ("luigi", "luigi-interface", "deeptrain", "py.warnings")
LACKS_OF_MEMORY = frozenset({"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"})
"""Of Python and NumPy, TensorFlow, and PyTorch."""
REFUSALS = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EIO: "look after the disk",
    **LACKS,
}
"""What the system says no with, whoever asked, and what helps."""
REFUSAL = re.compile(r"\[Errno (?P<number>\d+)\] ")
LUIGI_MISTAKES = frozenset({"luigi.parameter.ParameterException", "luigi.task_register.TaskClassException"})
PLANNING = re.compile(r"Will not run .* due to error in \w+\(\) method:\n(?P<trace>.*)", re.DOTALL)
WARNING = re.compile(r"(?P<file>.+?):(?P<line>\d+): (?P<kind>\w+): (?P<text>.*)", re.DOTALL)
TEXT_LENGTH = 300


class LogLines(logging.Handler):
    """Writes warnings and errors as lines; an error that was already told is not told again.

    A record with an exception is told by `explain`. Two records of one error, as Luigi writes them when a task fails
    and again when the run ends, give the same lines, and the second is dropped.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        debug: bool = False,
        understood: Callable[[BaseException], BaseException] = lambda error: error,
        following: Callable[[BaseException], str | None] = lambda _: None,
    ) -> None:
        """Write nothing yet.

        Args:
            write: takes one line without its end, such as `Terminal.complain`.
            debug: whether the unexpected is told with its traceback, and what is less than a warning at all.
            understood: gives for an error the one to tell of.
            following: gives for that one the command to type next, if one helps.
        """
        super().__init__(logging.DEBUG if debug else logging.WARNING)
        self._write = write
        self._debug = debug
        self._understood = understood
        self._following = following
        self._told: set[tuple[str, ...]] = set()

    @property
    def failed(self) -> bool:
        """Whether an error was told."""
        return bool(self._told)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the lines of a record."""
        try:
            lines = tuple(self._lines(record))
            # What a plan meets Luigi logs as a warning, once for each task that it keeps from running.
            if record.levelno >= logging.ERROR or PLANNING.fullmatch(record.getMessage()):
                if lines in self._told:
                    return
                self._told.add(lines)
            for line in lines:
                self._write(without_secrets(line))
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)

    def tell(self, error: BaseException) -> None:
        """Write an error that no logger has seen, such as one that ends the program."""
        information = (type(error), error, error.__traceback__)
        self.handle(logging.LogRecord("deeptrain", logging.ERROR, "", 0, "", None, information))

    def _lines(self, record: logging.LogRecord) -> Iterator[str]:
        source = "luigi" if record.name.startswith("luigi") else record.name
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.levelno >= logging.ERROR:
            # Luigi's own words name the worker and the task's parameters, which say nothing about the mistake.
            said = "" if source == "luigi" else _first_line(record.getMessage())
            error = self._understood(error)
            lines = explain(error, debug=self._debug)
            expected = _expected(error)
            yield from lines if expected is not None or not said else [f"deeptrain: {said}", *lines]
            following = None if expected is None else self._following(expected)
            if following is not None:
                yield f"deeptrain: next: {following}"
            return
        text = record.getMessage()
        planning = PLANNING.fullmatch(text)
        if planning is not None:
            yield from _planning(planning["trace"], debug=self._debug)
            return
        if record.name == "py.warnings":
            yield _warning(text)
            return
        level = "" if record.levelno >= logging.ERROR else f"{record.levelname.lower()}: "
        behind = f" ({type(error).__name__}: {_first_line(str(error))})" if error is not None else ""
        lines = [line for line in text.splitlines() if line.strip()] or [""]
        lines[-1] += behind
        yield from (f"{source}: {level}{line}" for line in lines)
        if error is not None and self._debug:
            yield from _traceback(error)


def explain(error: BaseException, *, debug: bool = False) -> list[str]:
    """An error as lines that begin with "deeptrain: ".

    - A `DeeptrainError`, a stop on a signal, or what one of them caused (`raise ... from`): its text and nothing else.
    - A mistake in Luigi's parameters or task names: one line.
    - A lack of memory, the device's too: what needs less of it.
    - A full or failing disk, or too many open files, where that is no error of ours already: what the system said.
    - Anything else: one line with its type, the place where it was raised and its text; with `debug` the traceback.
    """
    expected = _expected(error)
    if expected is not None:
        lines = [line for line in str(expected).splitlines() if line.strip()] or [type(expected).__name__]
        lines = [" ".join(lines)] if _is_luigis(expected) else lines
        return [*(f"deeptrain: {line}" for line in lines), *(_traceback(error) if debug else [])]
    if debug:
        return _traceback(error)
    if _is_lack_of_memory(error):
        told = _first_line(str(error)) or type(error).__name__
        return [
            f"deeptrain: there was not memory enough: {told}; what is done stays: run again with more of it, or with a "
            "smaller training.batch_size or training.superbatch_bytes"
        ]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    text = _first_line(str(error))
    return [_not_ours(type(error).__name__, place, text)]


def attach(handler: logging.Handler) -> Callable[[], None]:
    """Let the handler alone tell what Luigi, deeptrain and Python's warnings log; returns what undoes it."""
    before = []
    for name in LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.handlers[:], logger.propagate))
        logger.handlers[:] = [handler]
        logger.propagate = False
    logging.captureWarnings(capture=True)

    def detach() -> None:
        logging.captureWarnings(capture=False)
        for logger, handlers, propagate in before:
            logger.handlers[:] = handlers
            logger.propagate = propagate

    return detach


def _expected(error: BaseException) -> BaseException | None:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, DeeptrainError | Interrupted) or _is_luigis(cause):
            return cause
        seen.add(id(cause))
        cause = cause.__cause__
    return None


def _is_lack_of_memory(error: BaseException) -> bool:
    # By name, so that no library is imported here.
    return any(kind.__name__ in LACKS_OF_MEMORY for kind in type(error).__mro__)


def _is_luigis(error: BaseException) -> bool:
    # By name, so that commands which need no Luigi do not import it here.
    return any(f"{kind.__module__}.{kind.__qualname__}" in LUIGI_MISTAKES for kind in type(error).__mro__)


def _planning(trace: str, *, debug: bool) -> list[str]:
    # What a plan meets in complete() or requires() Luigi gives as a text, with the error in its last lines.
    if debug:
        return trace.rstrip().splitlines()
    lines = trace.rstrip().splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith((" ", "Traceback "))), default=-1) + 1
    kind, _, text = "\n".join(lines[last:]).partition(": ")
    if kind.startswith(f"{DeeptrainError.__module__}."):
        return [f"deeptrain: {line}" for line in text.splitlines()]
    return [_not_ours(kind.rpartition(".")[2], " while planning", _first_line(text))]


def _not_ours(kind: str, place: str, text: str) -> str:
    """A line about an error that nobody raised for people to read."""
    number = REFUSAL.match(text)
    helps = None if number is None else REFUSALS.get(int(number["number"]))
    if helps is not None:
        told = f"the system refused what it was asked{place}: {text}"
        return f"deeptrain: {told}; {helps}, then run again: what is done stays"
    told = f"unexpected {kind}{place}{': ' + text if text else ''}"
    return f"deeptrain: {told} (run again with --debug for the traceback)"


def _warning(text: str) -> str:
    found = WARNING.match(text)
    if found is None:
        return f"warning: {_first_line(text)}"
    # The line of the source, which Python puts below a warning, says nothing to a user.
    where = f"{found['kind']}, {_short(found['file'])}:{found['line']}"
    return f"warning: {_first_line(found['text'])} ({where})"


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= TEXT_LENGTH else f"{line[:TEXT_LENGTH]} ..."


def _short(filename: str) -> str:
    path = Path(filename)
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return "/".join(path.parts[-2:]) if path.is_absolute() else filename


def _traceback(error: BaseException) -> list[str]:
    return "".join(traceback.format_exception(error)).rstrip().splitlines()
