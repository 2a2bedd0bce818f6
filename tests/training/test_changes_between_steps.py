"""Between two steps of a script anything may be changed: data, batch size, epochs, callbacks, rate, threshold."""

from typing import Any

import numpy as np
import pytest

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.loading.batches import Batches
from deeptrain.training import Trainer, on
from tests import shard_files
from tests.numpy_learner import NumpyLearner


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    directory, rng = tmp_path_factory.mktemp("splits"), np.random.Generator(np.random.Philox(2))
    x = [rng.normal(size=(count, 2)).astype(np.float32) for count in (40, 24)]
    return [
        shard_files.split(directory / str(number), one, (one[:, 0] > 0).astype(np.uint8), kind="binary")
        for number, one in enumerate(x)
    ]


def trainer(splits: list[Any], **options: Any) -> Trainer:
    return Trainer(NumpyLearner(), Batches(splits[0], 8, seed=1, order="samples"), Batches(splits[1], 8), **options)


def test_other_data_in_batches_of_another_size_are_fit_from_the_next_epoch_on(splits: list[Any]) -> None:
    made = trainer(splits, epochs=2)
    made.step(2)
    made.change(data=Batches(splits[1], 7))
    before = made.train_data
    made.step()
    assert made.train_data is before
    made.train()
    assert made.history().samples.tolist() == [8, 8, 8, 8, 8, 7, 7, 7, 3]
    np.testing.assert_array_equal(made.replay(5).x[0], splits[1].take(np.arange(7)))


def test_it_is_the_training_that_a_phase_with_that_data_gives(splits: list[Any]) -> None:
    from deeptrain.loading.batch_feed import BatchFeed
    from deeptrain.training import Phase

    by_hand, by_phase = (
        trainer(splits, epochs=3, phases=phases)
        for phases in ([], [Phase(epoch=2, data=BatchFeed(Batches(splits[1], 7)))])
    )
    by_hand.step(3)
    by_hand.change(data=Batches(splits[1], 7))
    for made in (by_hand, by_phase):
        made.train()
    expected = by_phase.learner.variables()
    for name, value in by_hand.learner.variables().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert by_hand.history().loss.tobytes() == by_phase.history().loss.tobytes()


def test_fewer_and_more_epochs_may_be_asked_for_at_any_time(splits: list[Any]) -> None:
    made = trainer(splits, epochs=5)
    made.step(2)
    made.epochs = 1
    made.train()
    assert (made.position.epoch, len(made.results)) == (2, 1)
    made.epochs = 3
    made.train()
    whole = trainer(splits, epochs=3)
    whole.train()
    np.testing.assert_array_equal(made.learner.variables()["weights"], whole.learner.variables()["weights"])


def test_stopping_by_hand_ends_with_the_epoch(splits: list[Any]) -> None:
    made, told = trainer(splits, epochs=4), []
    made.callbacks = [on("end")(lambda trainer: told.append(trainer.state.stopped))]
    made.step(2)
    made.stop("enough")
    made.train()
    assert (len(made.results), made.state.stopped, told) == (1, "enough", ["enough"])


@pytest.mark.parametrize("what", ["loss", "frozen", "optimizer"])
def test_what_a_learner_cannot_change_is_told(what: str, splits: list[Any]) -> None:
    with pytest.raises(TrainingError, match=f"^NumpyLearner cannot change its {what} while it is trained"):
        trainer(splits).change(**{what: dict})


def test_a_change_to_what_cannot_be_is_refused_at_once_and_nothing_is_lost(splits: list[Any]) -> None:
    made = trainer(splits, epochs=2)
    made.step()
    with pytest.raises(SettingsError, match="data: expected Batches, or a feed of them, got int"):
        made.change(data=5)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"optimizer: expected a function that makes one, .*, got 'sgd'"):
        made.change(optimizer="sgd")  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="losses_by_set: expected epochs from 1 to 0, got 1"):
        made.losses_by_set([1])
    assert made.train().epoch == 3
    assert made.losses_by_set([2]).losses.shape == made.losses_by_set([1]).losses.shape


def test_a_callback_that_trains_is_told_that_it_may_not(splits: list[Any]) -> None:
    nested = on("iteration_end")(lambda trainer: trainer.step())
    with pytest.raises(TrainingError, match="a callback may call neither train nor step"):
        trainer(splits, callbacks=[nested]).train()
