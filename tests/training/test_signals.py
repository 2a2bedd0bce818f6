"""Signals at every point of a training act between two iterations; nothing is fit or judged twice, or left out."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deeptrain import files
from deeptrain.errors import Interrupted
from deeptrain.training import Every, Trainer
from deeptrain.training.callbacks.callback import STAGES
from deeptrain.training.journal import Journal
from tests.memory_journal import MemoryJournal
from tests.training.test_written_edges import run_in, windowed

VALIDATE = Every(iterations=4, epochs=1)
STOPPING = (signal.SIGINT, signal.SIGTERM)


class Sending:
    """Sends its process a signal when it is told of something for the n-th time, and keeps nothing."""

    def __init__(self, at: int, number: int) -> None:
        self.told, self.at, self.number = 0, at, number
        self.stage = ""
        for stage in sorted({*STAGES} - {"save", "pause", "resume", "load", "exception"}):
            setattr(self, stage, self._tell(stage))

    def _tell(self, stage: str) -> Callable[..., None]:
        def tell(*_: Any) -> None:
            self.told += 1
            if self.told == self.at:
                self.stage = stage
                os.kill(os.getpid(), self.number)

        return tell


def came_to(trainer: Trainer) -> list[Any]:
    weights = trainer.learner.variables()["weights"].tolist()
    rows = trainer.history()
    where = [rows.iteration.tolist(), rows.batch.tolist(), rows.window.tolist(), rows.loss.tolist()]
    return [weights, where, [one.plain() for one in trainer.results], trainer.state.kept.validations]


@pytest.mark.parametrize("number", [*STOPPING, signal.SIGUSR2])
def test_a_signal_at_any_point_loses_and_repeats_nothing(number: int) -> None:
    """After SIGINT it goes on in the same process, after SIGTERM in another; SIGUSR2 only saves."""
    counting = Sending(0, 0)
    whole, _ = windowed(validate=VALIDATE, callbacks={"sending": counting})
    whole.train()
    expected = came_to(whole)
    assert expected[1][0] == list(range(12))
    for at in range(2, counting.told + 1):  # the first is of being made, when no handler stands yet
        sending, journal = Sending(at, number), MemoryJournal()
        trainer, _ = windowed(validate=VALIDATE, callbacks={"sending": sending}, journal=journal)
        if number in STOPPING:
            with pytest.raises(Interrupted) as stopped:
                trainer.train()
            assert stopped.value.signal_number == number
        if number == signal.SIGTERM:
            trainer.close()
            trainer, _ = windowed(validate=VALIDATE, callbacks={"sending": Sending(0, 0)}, journal=journal)
        trainer.train()
        assert journal.unfinished is not None or sending.stage == "end"
        assert came_to(trainer) == expected, sending.stage
        trainer.close()


def test_sigusr1_stops_when_the_epoch_is_done_and_changes_nothing() -> None:
    whole, _ = windowed(validate=VALIDATE, callbacks={"sending": Sending(0, 0)})
    whole.train()
    for at in range(2, 40, 3):
        journal = MemoryJournal()
        trainer, _ = windowed(validate=VALIDATE, callbacks={"sending": Sending(at, signal.SIGUSR1)}, journal=journal)
        with pytest.raises(Interrupted, match=r"^stopped after epoch 1 of 2; a checkpoint holds") as stopped:
            trainer.train()
        assert stopped.value.signal_number == signal.SIGUSR1
        assert len(journal.epochs) == 1
        trainer.train()
        assert came_to(trainer) == came_to(whole)
        trainer.close()


def test_a_second_stop_while_the_checkpoint_is_written_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three more of them, one at each directory that is synced: the checkpoint is whole, and no stop is left over."""
    whole, _ = windowed()
    whole.train()
    expected = came_to(whole)
    trainer, _ = windowed(journal=Journal(run_in(tmp_path)))
    sync, sent = files.sync_directory, [0]

    def impatient(directory: Path) -> None:
        if sent[0] < 3:
            sent[0] += 1
            os.kill(os.getpid(), signal.SIGINT)
        sync(directory)

    trainer.step(4)
    monkeypatch.setattr(files, "sync_directory", impatient)
    trainer.interrupt()
    with pytest.raises(Interrupted, match="stopped in epoch 1 after 4 of 6 iterations; a checkpoint holds everything"):
        trainer.train()
    assert sent == [3]
    (checkpoint,) = tmp_path.glob("training-*/unfinished/*")
    assert checkpoint.name == "00001.0000000004"
    assert came_to(trainer)[1][0] == [0, 1, 2, 3]
    trainer.train()
    assert came_to(trainer) == expected
    trainer.close()
