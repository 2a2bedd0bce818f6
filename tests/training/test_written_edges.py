"""Where looking, changing by hand and several writers meet what is written: a NumPy learner and a journal on disk."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import Interrupted, SettingsError, TrainingError
from deeptrain.loading.batches import Batches
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.store import artifact, sweep
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import Every, Phase, Trainer
from deeptrain.training.journal import Journal
from deeptrain.training.run import TrainingRun
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.memory_split import MemorySplit, series
from tests.numpy_learner import NumpyLearner
from tests.training.test_windowed_resume import RunningMean

PHASED = {"phases": [{"epoch": 3, "learning_rate": 0.01}]}


def run_in(store: Path, training: dict[str, Any] | None = None) -> TrainingRun:
    shards = Specification("shards", 1, store, {"of": "a test"})
    if not Checker().complete(shards):
        with artifact.writing(shards, {}) as writer:
            writer.write("data", b"x")
    return TrainingRun(store, {"training": training or {}}, shards, None, {}, Checker())


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Batches, Batches]:
    def split(name: str, samples: int) -> Any:
        x = np.random.Generator(np.random.Philox(samples)).normal(size=(samples, 2)).astype(np.float32)
        labels = (np.arange(samples) % 2).astype(np.uint8)
        return shard_files.split(tmp_path_factory.mktemp(name), x, labels, kind="binary")

    return Batches(split("train", 14), 3, seed=1, order="samples"), Batches(split("val", 6), 3)


@pytest.fixture
def written(tmp_path: Path, batches: tuple[Batches, Batches]) -> Callable[..., Trainer]:
    """Makes a trainer of five iterations an epoch; without a store, of nothing that is written."""

    def make(
        store: str | None = "runs", training: dict[str, Any] | None = None, run: Any = None, **changes: Any
    ) -> Trainer:
        journal = None if store is None else Journal(run or run_in(tmp_path / store, training))
        return Trainer(NumpyLearner(), *batches, **{"epochs": 3, "journal": journal, **changes})

    return make


def weights(trainer: Trainer) -> list[float]:
    return [float(one) for one in trainer.learner.variables()["weights"]]


def windowed(**changes: Any) -> tuple[Trainer, RunningMean]:
    """Windows of series, and a preprocessor that remembers what it saw."""
    labels, memory = np.arange(4) % 2, RunningMean()
    splits = [
        MemorySplit(series([9, 9, 9, 9], seed=1), labels),
        MemorySplit(series([6, 8, 4, 9], seed=2), labels, name="val"),
    ]
    settings = WindowSettings(size=3, remainder="drop")
    feeds = [
        WindowFeed(
            Batches(split, 2, seed=5, order="samples" if fit else "none"),  # type: ignore[arg-type]
            settings,
            2,
            preprocessors=[memory],
            augment=fit,
            training=fit,
        )
        for split, fit in zip(splits, (True, False), strict=True)
    ]
    return Trainer(NumpyLearner(), *feeds, **{"kind": "binary", "epochs": 2, **changes}), memory


@pytest.mark.parametrize(
    "look",
    [
        lambda trainer: (trainer.step(1), trainer.validate()),
        lambda trainer: (trainer.step(3), trainer.replay(0)),
        lambda trainer: (trainer.step(1), trainer.replay(0)),
        lambda trainer: (trainer.step(4), trainer.replay(1), str(trainer)),
    ],
    ids=["validate", "replay between batches", "replay within a batch", "replay an earlier batch"],
)
def test_looking_in_the_middle_of_a_series_changes_nothing_that_a_preprocessor_remembers(
    look: Callable[[Trainer], Any],
) -> None:
    undisturbed, memory = windowed()
    undisturbed.train()
    looked, its_memory = windowed()
    look(looked)
    looked.train()
    assert weights(looked) == weights(undisturbed)
    assert its_memory.state() == memory.state()


def test_validating_at_every_window_changes_nothing_that_a_preprocessor_remembers() -> None:
    undisturbed, _ = windowed()
    undisturbed.train()
    often, _ = windowed(validate=Every(iterations=1))
    often.train()
    assert weights(often) == weights(undisturbed)


@pytest.mark.parametrize("cut", range(9, 16))
def test_a_batch_of_windows_that_comes_again_goes_on_exactly_wherever_it_is_cut(cut: int) -> None:
    """The first batch of an epoch with which a phase begins; its preprocessor remembers that it saw it twice."""

    def repeated(until: int, **changes: Any) -> tuple[Trainer, RunningMean]:
        trainer, memory = windowed(phases=[Phase(epoch=2, learning_rate=0.01)], **changes)
        trainer.step(batches=3)
        trainer.repeat()
        trainer.step(until - trainer.position.iteration)
        return trainer, memory

    undisturbed, memory = repeated(15)
    undisturbed.train()
    journal = MemoryJournal()
    repeated(cut, journal=journal, autosave=Every(iterations=1))[0].close()
    trainer, its_memory = windowed(phases=[Phase(epoch=2, learning_rate=0.01)], journal=journal)
    assert trainer.position.iteration == cut
    trainer.train()
    assert trainer.history().batch.tolist() == [0] * 3 + [1] * 3 + [0] * 6 + [1] * 3
    assert weights(trainer) == weights(undisturbed)
    assert its_memory.state() == memory.state()
    assert [one.plain() for one in trainer.results] == [one.plain() for one in undisturbed.results]


def test_changes_by_hand_act_once_wherever_training_is_cut_between_and_behind_them(
    batches: tuple[Batches, Batches],
) -> None:
    """At every iteration, with changes that were made before the cut and others that come after it."""
    changes: dict[int, Callable[[Trainer], Any]] = {
        2: lambda trainer: trainer.change(learning_rate=0.05),
        3: lambda trainer: trainer.repeat(2),
        6: lambda trainer: trainer.skip(),
        8: lambda trainer: trainer.change(threshold=0.25),
        9: lambda trainer: (setattr(trainer.learner, "learning_rate", 0.5), trainer.step(0)),  # seen when it goes on
    }

    def trained(cut: int) -> tuple[Any, ...]:
        journal = MemoryJournal()

        def new() -> Trainer:
            validate, each = Every(iterations=4, epochs=1), Every(iterations=1)
            given: Any = {"journal": journal, "validate": validate, "autosave": each, "metrics": ["f1_score"]}
            return Trainer(NumpyLearner(), *batches, epochs=3, **given)

        trainer = new()
        for iteration in range(13):
            if iteration in changes:
                changes[iteration](trainer)
            if iteration == cut:
                trainer.close()
                trainer = new()
                assert trainer.position.iteration == cut
            trainer.step()
        trainer.train()
        trainer.close()
        rows = trainer.history()
        came = [one.plain() for one in trainer.results], trainer.state.kept.plain()
        return weights(trainer), rows.batch.tolist(), rows.loss.tolist(), came, trainer.interventions

    whole = trained(-1)
    assert [one.key for one in whole[-1]] == ["learning_rate", "repeat", "skip", "threshold", "learning_rate"]
    assert whole[1] == [0, 1, 2, 1, 2, 3, *range(5), *range(5)]
    for cut in range(1, 13):
        assert trained(cut) == whole, cut


def test_where_the_first_batch_comes_again_a_checkpoint_is_written_and_its_phase_has_begun(
    written: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[Any] = []
    # What no checkpoint holds: a learner that is restored must have gone through it.
    monkeypatch.setattr(NumpyLearner, "change", lambda _, **given: frozen.append(given["frozen"]), raising=False)
    phases = [Phase(epoch=1, frozen=["weights"])]
    trainer = written(phases=phases)
    trainer.step()
    trainer.repeat()
    trainer.pause()
    trainer.train()
    trainer.close()
    again = written(phases=phases)
    assert (again.position.iteration, again.position.batch) == (1, 0)
    again.step()
    assert frozen == [["weights"]] * 2
    again.close()


def test_a_batch_skipped_where_a_phase_begins_leaves_the_phase(written: Callable[..., Trainer]) -> None:
    def phases() -> list[Phase]:
        return [Phase(epoch=2, learning_rate=0.001)]

    stayed = written("stayed", phases=phases())
    stayed.step(epochs=1)
    stayed.skip()
    stayed.train()
    stayed.close()
    gone = written("gone", phases=phases())
    gone.step(epochs=1)
    gone.skip()
    gone.step()
    gone.close()
    gone = written("gone", phases=phases())
    gone.train()
    gone.close()
    assert weights(gone) == weights(stayed)
    assert [one.learning_rate for one in stayed.results] == [0.1, 0.001, 0.001]


def test_a_rate_changed_by_hand_where_a_phase_begins_goes_before_the_phases(written: Callable[..., Trainer]) -> None:
    trainer = written(None, phases=[Phase(epoch=2, learning_rate=0.001)])
    trainer.step(epochs=1)
    trainer.change(learning_rate=0.5)
    trainer.step()
    assert trainer.learner.learning_rate == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": -1.0}, r"learning_rate: expected a finite number above 0, got -1\.0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a finite number above 0, got nan"),
        ({"threshold": 7.0}, r"threshold: expected a number from 0 to 1, got 7\.0"),
        ({"threshold": "0.5"}, r"threshold: expected a number, got '0\.5'"),
        ({"learning_rate": 0.1, "threshold": 7.0}, r"threshold: expected a number from 0 to 1, got 7\.0"),
    ],
)
def test_a_wrong_value_by_hand_is_refused_before_it_is_written(
    change: dict[str, Any], message: str, written: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = written()
    with pytest.raises(SettingsError, match=message):
        trainer.change(**change)
    trainer.close()
    assert not list((tmp_path / "runs").rglob("interventions.json"))


def test_moves_by_hand_that_wait_for_a_validation_count(written: Callable[..., Trainer]) -> None:
    trainer = written(None, validate=Every(iterations=2))
    trainer.step(2)
    trainer.repeat(2)
    with pytest.raises(TrainingError, match="repeat: expected 1 to the 0 batches fit"):
        trainer.repeat(2)
    trainer.skip(5)
    with pytest.raises(TrainingError, match="skip: expected 1 to the 0 batches left"):
        trainer.skip()


def test_an_epoch_that_is_done_is_changed_by_nobody(written: Callable[..., Trainer]) -> None:
    trainer = written(epochs=4)
    trainer.train()
    trainer.close()
    trainer = written(epochs=2)
    trainer.epochs = 4
    with pytest.raises(TrainingError, match="learning_rate: epoch 2 is done and stays as it is"):
        trainer.change(learning_rate=0.01)
    before = trainer.newest
    trainer.train()
    assert trainer.newest is before
    assert trainer.position.epoch == 5
    trainer.close()


def test_what_another_wrote_since_the_plan_is_read_with_the_lock(
    written: Callable[..., Trainer], tmp_path: Path
) -> None:
    planned = run_in(tmp_path / "runs")
    assert (planned.interventions, planned.done()) == ((), 0)
    trainer = written()
    trainer.step(2)
    trainer.change(learning_rate=0.02)
    trainer.train(2)
    trainer.close()
    late = written(run=planned)
    assert late.position.epoch == 3
    assert [one.key for one in late.interventions] == ["learning_rate"]
    late.close()


def test_rebuilding_an_early_epoch_keeps_the_checkpoint_of_a_later_one(
    written: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = written(epochs=5)
    trainer.train(3)
    trainer.step(2)
    trainer.pause()
    trainer.train()
    trainer.close()
    (directory,) = (tmp_path / "runs").glob("training-*")
    shutil.rmtree(directory / "states" / "0001", ignore_errors=True)
    before = {path.name for path in directory.glob("unfinished/*")}
    assert len(before) == 1
    trainer = written(epochs=1)
    trainer.step(2)
    trainer.save_soon()
    trainer.train()
    trainer.close()
    assert before <= {path.name for path in directory.glob("unfinished/*")}


def test_a_checkpoint_that_cannot_be_written_in_the_background_ends_training_with_the_reason(
    written: Callable[..., Trainer], tmp_path: Path
) -> None:
    trainer = written(autosave=Every(iterations=1))
    (directory,) = (tmp_path / "runs").glob("training-*")
    (directory / "unfinished").write_text("not a directory")
    with pytest.raises(OSError, match="unfinished"):
        trainer.train()
    with pytest.raises(TrainingError, match="this trainer failed"):
        trainer.train()


def test_a_closed_trainer_writes_no_more(written: Callable[..., Trainer]) -> None:
    trainer = written()
    trainer.step()
    trainer.close()
    for forbidden in (trainer.train, lambda: trainer.change(learning_rate=0.1)):
        with pytest.raises(TrainingError, match="this trainer was closed, and another may write its training"):
            forbidden()


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(written: Callable[..., Trainer]) -> None:
    trainer = written()
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        trainer.close()
        written().close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_rate_set_before_the_first_iteration_is_written_down(written: Callable[..., Trainer]) -> None:
    trainer = written()
    trainer.learner.learning_rate = 0.5
    trainer.step()
    assert [(one.iteration, one.key, one.value) for one in trainer.interventions] == [(0, "learning_rate", 0.5)]
    with pytest.raises(TrainingError, match=r"^stop cannot be changed by hand"):
        trainer.stop("enough")
    trainer.close()


def test_epochs_before_a_phase_are_taken_over_either_way(
    written: Callable[..., Trainer], caplog: pytest.LogCaptureFixture
) -> None:
    """Of a training that has not come further, or is in its first epoch, nothing is to be told."""
    for training in (PHASED, {"other": True}):
        trainer = written(training=training)
        trainer.train(2) if training is PHASED else trainer.step()
        trainer.close()
    trainer = written()
    assert trainer.position.epoch == 3
    trainer.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_stop_asked_for_at_the_very_end_is_not_lost(written: Callable[..., Trainer]) -> None:
    class End:
        def end(self, _: Trainer) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    trainer = written(None, callbacks=[End()])
    with pytest.raises(Interrupted):
        trainer.train()
    assert trainer.position.epoch == 4


def test_frequencies_that_wait_for_what_they_set_off_are_refused(written: Callable[..., Trainer]) -> None:
    for changes in ({"validate": Every(validations=1)}, {"autosave": Every(validations=1)}):
        with pytest.raises(SettingsError, match="expected another frequency than validations"):
            written(None, **changes)


def test_litter_of_sessions_and_of_changes_by_hand_is_swept(written: Callable[..., Trainer], tmp_path: Path) -> None:
    trainer = written()
    trainer.step()
    trainer.close()
    (directory,) = (tmp_path / "runs").glob("training-*")
    changes = directory / ".interventions.json.123.abcdef01"
    changes.write_text("x")
    state = tmp_path / "runs" / "sessions" / "x" / "states" / ".0004.123.abcdef01"
    state.mkdir(parents=True)
    assert set(sweep.sweep(tmp_path / "runs")) == {changes, state}
    with pytest.raises(SettingsError, match="a session's name has letters"):
        run_in(tmp_path / "runs").session("live", 1)
