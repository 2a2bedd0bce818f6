"""A journal in memory, with what the trainer asks of one: a disk would make thousands of cuts slow."""

import json
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.training.history import History
from deeptrain.training.journal import Checkpoint
from deeptrain.training.results import Results
from deeptrain.training.state import TrainState


class Run:
    """Where changes by hand are written down."""

    base = None

    def __init__(self) -> None:
        self.interventions: list[Any] = []

    def intervene(self, intervention: Any) -> None:
        self.interventions.append(intervention)


class MemoryJournal:
    """Keeps checkpoints as a disk does: what is no JSON does not survive, and nothing is shared with the trainer."""

    def __init__(self, live: Path | None = None) -> None:
        self.live = live
        self.run = Run()
        self.epochs: list[tuple[Any, Any, Checkpoint]] = []
        self.unfinished: Any = None

    def open(self) -> None: ...

    def close(self) -> None: ...

    def done(self) -> int:
        return len(self.epochs)

    def at_end_of(self, number: int) -> Checkpoint:
        return _again(*self.epochs[number - 1][1:], History.empty())

    def history(self, number: int) -> History:
        return self.epochs[number - 1][2].history

    def results(self, until: int) -> list[Results]:
        return [Results.from_plain(results) for results, _, _ in self.epochs[:until]]

    def beginning_is_there(self, epoch: int) -> bool:
        return epoch <= self.done() + 1

    def resume(self, until: int, *, anew: bool = False) -> Checkpoint | None:  # noqa: ARG002 - states are all kept
        done = min(until, self.done())
        if self.unfinished is not None and self.unfinished[0]["position"]["epoch"] == done + 1 <= until:
            return _again(*self.unfinished, self.unfinished[1].history)
        return self.at_end_of(done) if done else None

    def save(self, checkpoint: Checkpoint) -> None:
        self.unfinished = _plain(checkpoint.state.plain()), checkpoint

    def publish(self, checkpoint: Checkpoint, results: Results) -> bool:
        self.epochs.append((_plain(results.plain()), _plain(checkpoint.state.plain()), checkpoint))
        return True


def _plain(value: Any) -> Any:
    return json.loads(files.canonical_json(value))


def _again(state: Any, checkpoint: Checkpoint, history: History) -> Checkpoint:
    return Checkpoint(TrainState.from_plain(state), checkpoint.variables, history)
