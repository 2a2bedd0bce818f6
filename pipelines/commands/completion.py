"""`python -m pipelines completion`: a script by which a shell completes our commands, their options and tasks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deeptrain.errors import SettingsError
from pipelines import listing

if TYPE_CHECKING:
    import luigi

LUIGI = ("--module", "--local-scheduler", "--scheduler-host", "--scheduler-port", "--scheduler-url", "--workers")
"""Options of `luigi` itself that are offered."""
FLAGS = ("--local-scheduler", "--debug")
"""Those that take no value."""

OF_PYTHON = """
# `python -m pipelines ...` is completed as a command of its own; files are offered for everything else.
_deeptrain_of_python() {
  if [[ ${COMP_WORDS[1]-} == -m && ${COMP_WORDS[2]-} == pipelines && $COMP_CWORD -gt 2 ]]; then
    COMP_WORDS=(pipelines "${COMP_WORDS[@]:3}")
    COMP_CWORD=$((COMP_CWORD - 2))
    _shtab_pipelines
  fi
}
complete -o bashdefault -o default -F _deeptrain_of_python python python3
"""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "completion",
        help="write a script for the completion of commands in bash or zsh",
        description="Write a script by which bash 4 or newer completes `python -m pipelines` and `luigi --module "
        "pipelines`: commands, tasks, options and files. It is written once; nothing of ours runs when Tab is pressed. "
        "zsh takes the same script after `autoload -U +X bashcompinit && bashcompinit`. Needs the package shtab: "
        "pip install shtab.",
        epilog="example: python -m pipelines completion > ~/.deeptrain-completion; then in ~/.bashrc: "
        "source ~/.deeptrain-completion",
    )
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Write the script to the standard output.

    Raises:
        SettingsError: when shtab is not installed.
    """
    listing.write(script(asked.parser).splitlines())


def script(parser: argparse.ArgumentParser) -> str:
    """The script for bash.

    Args:
        parser: of `python -m pipelines`; changed.

    Raises:
        SettingsError: when shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise SettingsError("completion needs the package shtab: pip install shtab") from error
    import tasks
    from pipelines.commands import plan

    parser.prog = "pipelines"
    waiting = [parser]
    while waiting:
        for action in waiting.pop()._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            if action.dest == "task":
                action.choices = plan.names()
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    ours = shtab.complete(parser, "bash")
    luigis = shtab.complete(_of_luigi({name: getattr(tasks, name) for name in tasks.__all__}), "bash")
    return f"{ours}\n{luigis}\n{OF_PYTHON}"


def _of_luigi(kinds: "dict[str, type[luigi.Task]]") -> argparse.ArgumentParser:
    """The command line of `luigi` as far as it is ours, for a script that completes it."""
    parser = argparse.ArgumentParser("luigi", add_help=False)
    _add(parser, LUIGI)
    named = parser.add_subparsers()
    for name, kind in kinds.items():
        _add(named.add_parser(name, help=name), [f"--{key.replace('_', '-')}" for key, _ in kind.get_params()])
    return parser


def _add(parser: argparse.ArgumentParser, options: "tuple[str, ...] | list[str]") -> None:
    import shtab

    for option in options:
        if option in FLAGS:
            parser.add_argument(option, action="store_true")
        else:
            action = parser.add_argument(option, choices={"--module": ["pipelines"]}.get(option))
            if option in ("--experiment", "--store", "--path"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
