"""`python -m pipelines COMMAND`: what is done before a run, and with a finished one."""

import argparse
import sys

from deeptrain.errors import DeeptrainError
from pipelines.cells import printable
from pipelines.commands import (
    clean,
    compare,
    completion,
    export,
    find_rate,
    graph,
    new,
    plan,
    predict,
    reproduce,
    status,
    ui,
    verify,
)

COMMANDS = (new, plan, status, ui, verify, graph, find_rate, reproduce, compare, predict, export, clean, completion)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a mistake told in a line, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="Before a run, and with a finished one.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    parser.set_defaults(parser=parser)
    asked = parser.parse_args(arguments)
    try:
        asked.run(asked)
    except DeeptrainError as error:
        if asked.debug:
            raise
        sys.stderr.write("".join(f"deeptrain: {printable(line)}\n" for line in str(error).splitlines()))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
