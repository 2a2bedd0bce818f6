"""`python -m pipelines ui`: the page, with Luigi's scheduler in it."""

import argparse
import sys
from pathlib import Path

from deeptrain.errors import SettingsError
from pipelines import listing

PORT = 8082
"""Luigi's own: a run finds this scheduler without being told."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "ui",
        help="serve the page: runs of a store, and Luigi's scheduler",
        description="Serve a page on this machine alone: the runs of a store with their curves, a running training "
        "with buttons to pause and stop it, a button that starts the experiments of this directory, and Luigi's "
        "scheduler for runs that are started while it is there. Ctrl-C ends it; trainings go on without it.",
        epilog="example: python -m pipelines ui --store runs --port 8082",
    )
    parser.add_argument("--store", metavar="DIR", type=Path, help="the directory of runs (default: runs)")
    parser.add_argument(
        "--port", metavar="N", type=int, default=PORT, help=f"where it listens (default: {PORT}; 0 takes a free one)"
    )
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        DeeptrainError: when the port is taken, or the store cannot be one.
        KeyboardInterrupt: on Ctrl-C.
        SystemExit: on SIGTERM, with its exit code.
    """
    import asyncio
    import signal

    from deeptrain import files, lineage
    from pipelines.ui import server

    store = Path(lineage.STORE) if asked.store is None else asked.store
    if not 0 <= asked.port <= 65535:
        raise SettingsError(f"--port must be between 0 and 65535, got {asked.port}")
    if any(store.glob("training-*")):
        raise SettingsError(f"--store {store}: is a run; name the directory of runs, {store.parent}")
    sockets = server.bind(asked.port)
    files.make_directories(store)
    number = asyncio.run(server.serve(store, sockets, Path(), lambda url: _say(url, store)))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + (number or 0))


def _say(url: str, store: Path) -> None:
    listing.write([f"{url}   the runs in {store}, and the scheduler; Ctrl-C ends it"])
