"""A user's mistakes in a command as errors of ours, and what to type next."""

import argparse
import contextlib
import re
import shlex
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from luigi.task_register import TaskClassNotFoundException

from deeptrain.errors import DataError, SettingsError, UserCodeError, did_you_mean, nearest
from deeptrain.settings import nearest_toml

UNPARSED = re.compile(r".*: Error when parsing the default value of '(?P<name>\w+)'")


class MistypedError(SettingsError):
    """A word of the command is none that it knows.

    Attributes:
        mended: the command as it was meant; None where that is not known.
    """

    def __init__(self, text: str, mended: str | None = None) -> None:
        """Keep both."""
        super().__init__(text, mended)
        self.mended = mended

    def __str__(self) -> str:
        """The text alone."""
        return str(self.args[0])


def wrong_arguments(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """What argparse does with arguments it cannot use, as an error of ours in the place of its usage and exit code 2.

    Raises:
        MistypedError: always.
    """
    options = {name: action for action in parser._actions for name in action.option_strings if name.islower()}
    _, _, rest = message.partition("unrecognized arguments: ")
    wrong = next((word for word in sys.argv[1:] if rest and (rest == word or rest.startswith(f"{word} "))), "")
    if not wrong:
        raise MistypedError(message)
    if not wrong.startswith("-"):
        raise MistypedError(f"{wrong}: expected one task and its options, got another word")
    name, _, _ = wrong.partition("=")
    shown = [option for option, action in options.items() if action.help != argparse.SUPPRESS]
    near = nearest(name, options)[:1]
    raise MistypedError(f"{name}: no such option; {did_you_mean(name, near or shown)}", _mended(wrong, name, near))


def death(exit_code: int) -> str:
    """How a process ended that said nothing itself, by its exit code, which is a signal's number when negative."""
    if exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"signal {-exit_code}"
    return f"its process died by {name}" + (" (out of memory, perhaps)" if -exit_code == signal.SIGKILL else "")


def check_task_is_named() -> None:
    """Refuse a command of options alone, which Luigi would end with a code of its own.

    Raises:
        MistypedError: with the command that runs the main job.
    """
    words = sys.argv[1:]
    named = [word for before, word in zip(["", *words], words, strict=False) if before != "--module"]
    if not {"--help", "--help-all"}.intersection(words) and all(word.startswith("-") for word in named):
        begin = words.index("--module") + 2 if "--module" in words else len(words)
        raise MistypedError("no task was named", _luigi([*words[:begin], "TrainModel", *words[begin:]]))


def understood(error: BaseException, known: Collection[str]) -> BaseException:
    """The error, or what it means where Luigi's words for it do not say.

    Args:
        error: any.
        known: the tasks there are.
    """
    found = re.match(r"No task (\S+)\.", str(error)) if isinstance(error, TaskClassNotFoundException) else None
    if found is not None:
        name = found[1]
        task = next((word for word in sys.argv[1:] if word in known), None)
        if task is not None:
            words = [word for word in sys.argv[1:] if word != task]
            begin = words.index("--module") + 2 if "--module" in words else 0
            moved = _luigi([*words[:begin], task, *words[begin:]])
            return MistypedError(f"{name}: no such task; the options of {task} stand behind it", moved)
        near = nearest(name, known)[:1]
        mended = _mended(name, name, near or ["TrainModel"])
        return MistypedError(f"{name}: no such task; {did_you_mean(name, near or known)}", mended)
    unparsed = UNPARSED.fullmatch(str(error)) if isinstance(error, ValueError) else None
    if unparsed is not None and error.__cause__ is not None:
        return MistypedError(f"--{unparsed['name'].replace('_', '-')}: {error.__cause__}")
    return error


def next_command(error: BaseException, experiment: Path) -> str | None:
    """The command to type next, once a mistake that was found before anything ran is mended; None where none helps.

    Args:
        error: the mistake.
        experiment: the file of the command that was not told of another.
    """
    if isinstance(error, MistypedError) and error.mended is not None:
        return error.mended
    if isinstance(error, SettingsError) and (isinstance(error, MistypedError) or str(error).startswith("--")):
        return _luigi([*_before_options(), "--help"])
    if isinstance(error, SettingsError | DataError | UserCodeError):
        named = _value("--experiment") or str(experiment)
        if not Path(named).exists():
            near = nearest_toml(Path(named))
            if near is None:
                return "python -m pipelines new --help"
            return _luigi([word.replace(named, str(near)) for word in sys.argv[1:]])
        store = _value("--store")
        more = ["--store", store] if store else []
        return shlex.join(["python", "-m", "pipelines", "plan", named, *more])
    return None


def _mended(wrong: str, name: str, near: list[str]) -> str | None:
    if not near:
        return None
    return _luigi([word.replace(name, near[0], 1) if word == wrong else word for word in sys.argv[1:]])


def _luigi(arguments: list[str]) -> str:
    program = ["luigi"] if Path(sys.argv[0]).stem == "luigi" else ["python", "-m", "luigi"]
    return shlex.join([*program, *arguments])


def _before_options() -> list[str]:
    """`--module pipelines TASK`, as far as it was said."""
    words = sys.argv[1:]
    with contextlib.suppress(ValueError):
        return words[: words.index("--module") + 3]
    return words[:1]


def _value(option: str) -> str | None:
    words = sys.argv[1:]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None
