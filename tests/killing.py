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


def killed_after_each(steps: int, file: Path, store: Path) -> int:
    """Train to the end, saved after each step and killed in the one that follows on every so many.

    A step is an iteration, a validation, or writing an epoch. Each time a new trainer with a new model goes on, so what
    a checkpoint does not hold is lost as often.

    Returns:
        How many trainers it took.
    """
    for number in range(1, 1000):
        done = 0

        def watch(progress: Progress) -> None:
            nonlocal done
            done += progress.phase in {"fit", "checkpoint"}
            if done > steps:
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
