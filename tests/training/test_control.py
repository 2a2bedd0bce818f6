"""Control of a trainer from a script: step, look, validate, pause, replay, open any epoch, go on in a session."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import ArtifactError, Interrupted, SettingsError, TrainingError
from deeptrain.training import Every, Trainer, on
from deeptrain.training.standing import Standing
from tests.conftest import TOML, tree

VALIDATING = TOML.replace("epochs = 3", "epochs = 3\nvalidate = { iterations = 3, epochs = 1 }")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import write_experiment

    directory = tmp_path_factory.mktemp("undisturbed")
    trainer = Trainer.from_experiment(write_experiment(directory, toml=VALIDATING), store=directory / "runs")
    trainer.train()
    trainer.close()
    return directory


def test_stepping_by_hand_and_looking_at_everything_ends_in_the_same_bytes(
    undisturbed: Path, make_experiment: Callable[..., Path]
) -> None:
    """By iterations, batches, epochs and conditions, validating, printing and replaying in between."""
    file = make_experiment(toml=VALIDATING)
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    steps: list[Callable[[], Standing]] = [
        trainer.step,
        lambda: trainer.step(2),
        lambda: trainer.step(batches=3),
        lambda: trainer.step(until=lambda state: state.iteration == 8),
        lambda: trainer.step(epochs=1),
    ]
    reached = []
    for step in steps:
        reached.append((step().epoch, trainer.position.batch, trainer.state.iteration))
        assert trainer.validate()["loss"] > 0
        assert len(str(trainer).splitlines()) <= 24
        np.testing.assert_array_equal(trainer.replay(0).x, trainer.replay(0).x)
    assert reached == [(1, 1, 1), (1, 3, 3), (2, 1, 6), (2, 3, 8), (3, 0, 10)]
    trainer.train()
    trainer.close()
    assert tree(file.parent / "runs") == tree(undisturbed / "runs")


def test_the_state_tells_everything(undisturbed: Path) -> None:
    trainer = Trainer.from_experiment(undisturbed / "tiny.toml")
    trainer.step(7)
    state = trainer.state
    assert (state.epoch, state.epochs, state.iteration, state.iterations_done) == (2, 3, 7, 2)
    assert (state.iterations_in_epoch, state.iterations_left, state.batch, state.batches) == (5, 3, 2, 5)
    assert state.history.iteration.tolist() == [5, 6]
    assert trainer.history().iteration.tolist() == list(range(7))
    assert state.loss == state.history.loss[-1]
    assert state.running_loss == pytest.approx(np.average(state.history.loss.astype(float)))
    assert [one.iteration for one in state.validations] == [3, 5, 6]
    assert state.validation == state.validations[-1].metrics
    assert state.best is not None
    assert state.best.epoch == 1
    assert state.sets == trainer.train_data.sets(state.fitting)
    assert state.name == trainer.train_data.name(state.fitting)
    assert state.seconds_left is not None
    assert state.saved is None
    text = str(trainer)
    assert repr(trainer) == repr(trainer.state) == text  # what a notebook shows
    assert "in epoch 2 of 3, 2 of 5 iterations fit, 7 in all" in text
    assert "nothing is written: a crash costs everything" in text
    trainer.step()
    assert state.iteration == 7
    assert state.history.iteration.tolist() == [5, 6]


def test_pausing_in_a_callback_and_training_on_changes_nothing(
    undisturbed: Path, make_experiment: Callable[..., Path]
) -> None:
    @on("validation_batch_end")
    def pause(trainer: Trainer) -> None:
        if trainer.position.iteration == 6 and not paused:
            paused.append(trainer.position)
            trainer.pause()

    paused: list[object] = []
    file = make_experiment(toml=VALIDATING)
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    trainer.callbacks = {**trainer.callbacks, "pause": pause}
    assert trainer.train().paused
    assert trainer.state.iteration == 6
    assert "paused in epoch 2" in str(trainer)
    trainer.close()
    again = Trainer.from_experiment(file, store=file.parent / "runs")
    assert not again.train().paused
    again.close()
    assert tree(file.parent / "runs") == tree(undisturbed / "runs")


def test_an_interruption_while_nothing_is_written_says_so(undisturbed: Path) -> None:
    trainer = Trainer.from_experiment(undisturbed / "tiny.toml")
    trainer.interrupt()
    with pytest.raises(Interrupted, match="nothing is on disk: call train"):
        trainer.step(2)


def test_any_kept_epoch_opens_to_look_at_and_is_never_written_to(undisturbed: Path) -> None:
    file, store = undisturbed / "tiny.toml", undisturbed / "runs"
    before = tree(store)
    trainer = Trainer.open(file, 2, store=store)
    assert (trainer.state.epoch, trainer.state.iteration, len(trainer.results)) == (3, 10, 2)
    assert trainer.history().iteration.tolist() == list(range(10))
    trainer.change(learning_rate=0.5)
    trainer.step()
    trainer.close()
    assert tree(store) == before
    with pytest.raises(ArtifactError, match="expected an epoch from 1 to 3, which are done, got 4"):
        Trainer.open(file, 4, store=store)


def test_an_opened_epoch_trains_on_to_the_same_weights(undisturbed: Path) -> None:
    file, store = undisturbed / "tiny.toml", undisturbed / "runs"
    trainer, last = Trainer.open(file, 2, store=store), Trainer.open(file, 3, store=store)
    trainer.train()
    expected = last.learner.variables()
    for name, value in trainer.learner.variables().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_session_goes_on_by_itself_and_no_task_reads_it(undisturbed: Path) -> None:
    file, store = undisturbed / "tiny.toml", undisturbed / "runs"
    before = tree(store)
    trainer = Trainer.open(file, 2, store=store, session="warmer")
    trainer.callbacks = []
    trainer.change(learning_rate=0.5)
    trainer.train()
    trainer.close()
    after = tree(store)
    assert {name: data for name, data in after.items() if name in before} == before
    added = after.keys() - before.keys()
    assert added
    assert all(name.startswith("tiny/sessions/warmer/") for name in added)
    again = Trainer.open(file, 2, store=store, session="warmer")
    assert again.state.iteration == 15
    again.close()
    with pytest.raises(SettingsError, match="a session's name has letters, digits"):
        Trainer.open(file, 2, store=store, session="../x")


def test_asking_for_two_things_at_once_is_refused(undisturbed: Path) -> None:
    trainer = Trainer.from_experiment(undisturbed / "tiny.toml")
    with pytest.raises(SettingsError, match="step: expected one of iterations, batches, epochs and until"):
        trainer.step(2, batches=1)
    with pytest.raises(SettingsError, match=r"step: iterations must be an integer of at least 0, got 1\.5"):
        trainer.step(1.5)
    with pytest.raises(SettingsError, match="train: until must be an integer of at least 0, got 'a'"):
        trainer.train("a")
    with pytest.raises(SettingsError, match="epochs must be an integer of at least 0, got '3'"):
        Trainer(trainer.learner, trainer.train_data, epochs="3")
    with pytest.raises(SettingsError, match=r"epochs must be an integer of at least 0, got 2\.5"):
        trainer.epochs = 2.5
    with pytest.raises(SettingsError, match="open: epoch must be an integer of at least 0, got '2'"):
        Trainer.open(undisturbed / "tiny.toml", "2", store=undisturbed / "runs")
    with pytest.raises(ArtifactError, match="no epoch of this training is done, so epoch 2 is not"):
        Trainer.open(undisturbed / "tiny.toml", 2, store=undisturbed / "nothing")
    with pytest.raises(SettingsError, match="validate: a clock would make two runs differ"):
        Trainer(trainer.learner, trainer.train_data, validate=Every(seconds=1))
    with pytest.raises(TrainingError, match="replay: expected an iteration from 0 to -1, got 3"):
        trainer.replay(3)
    with pytest.raises(TrainingError, match="validate: this trainer has no validation data"):
        Trainer(trainer.learner, trainer.train_data).validate()
    with pytest.raises(SettingsError, match="unknown metric 'f1_scor'; did you mean f1_score"):
        Trainer(trainer.learner, trainer.train_data, key_metric="f1_scor")
