"""Processes that are gone in the middle of a training, one after the other."""

from pathlib import Path
from typing import Any

from deeptrain.training import Trainer
from deeptrain.training.progress import Progress
from tests.conftest import one_by_one


class Killed(Exception):
    """The process is gone: nothing more is written."""


def trained(file: Path, store: Path, **given: Any) -> Trainer:
    """What a training comes to, on from where it stands, whose trainer is closed."""
    trainer = Trainer.from_experiment(file, store=store, **given)
    trainer.train()
    trainer.close()
    return trainer


def killed_after_each(groups: int, file: Path, store: Path) -> int:
    """Train to the end, saved after each group of one iteration and killed after every so many of them.

    Each time a new trainer with a new model goes on, so what a checkpoint does not hold is lost as often.

    Returns:
        How many trainers it took.
    """
    for number in range(1, 1000):
        left = groups

        def watch(progress: Progress) -> None:
            nonlocal left
            left -= progress.phase in {"fit", "validate"}
            if not left:
                raise Killed

        settings = {"training.autosave_seconds": 1e-9}
        trainer = Trainer.from_experiment(file, store=store, settings=settings, watch=watch)
        one_by_one(trainer)
        try:
            trainer.train()
        except Killed:
            continue
        finally:
            trainer.close()
        return number
    raise AssertionError("it gets no further")
