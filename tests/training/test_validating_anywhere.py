"""Law 6: validating and looking at any moment change no byte of training, shown at every iteration there is.

The model has all that a validation could disturb: recurrent states that go on from window to window, dropout, gradients
that are accumulated over iterations, averages that take the weights' place while it is judged, metrics of its own, and
preprocessors that remember what they have seen.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from deeptrain.loading.batches import Batches
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics import names
from deeptrain.training import Every, Trainer, arrays, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.keras_variables import averages_of
from tests.conftest import one_by_one
from tests.memory_split import MemorySplit, series
from tests.training.test_windowed_resume import LENGTHS, SETTINGS, RunningMean, stateful

EPOCHS = 2


@functools.cache
def compiled() -> tuple[KerasLearner, bytes]:
    import keras

    runtime.start(1, True)
    with fresh_names_and_seeds(4):
        model = stateful()
        model.compile(weighted_metrics=[keras.metrics.BinaryAccuracy(name="right")])
        optimizer = keras.optimizers.Adam(
            1e-2, gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.8, clipnorm=1.0
        )
        made = KerasLearner(model, optimizer, keras.losses.BinaryCrossentropy(), "binary")
    return made, arrays.encode(made.variables())


def trainer(**options: Any) -> Trainer:
    """As a new process has it; compiled once, since that is most of the time."""
    learner, initial = compiled()
    learner.restore(arrays.decode(initial, "initial"))  # type: ignore[arg-type]
    labels = np.arange(len(LENGTHS)) % 2
    train: Any = MemorySplit(series(LENGTHS, seed=1), labels)
    val: Any = MemorySplit(series([6, 8, 4, 9], seed=2), labels, name="val")
    preprocessor = RunningMean()
    feeds = [
        WindowFeed(
            Batches(split, 3, seed=5, order="samples" if split is train else "none"),
            SETTINGS,
            3,
            preprocessors=[preprocessor],
            augment=split is train,
            training=split is train,
        )
        for split in (train, val)
    ]
    made = Trainer(learner, *feeds, epochs=EPOCHS, metrics=[names.get("accuracy")], kind="binary", **options)
    one_by_one(made)
    return made


def trained(look: Callable[[Trainer], object], **options: Any) -> tuple[list[bytes], dict[str, Any], Any]:
    """The bytes of all variables behind every iteration, what is kept at the end, and the losses."""
    made, states = trainer(**options), []
    while made.position.epoch <= EPOCHS:
        look(made)
        made.step()
        states.append(arrays.encode(made.learner.variables()))
    look(made)
    kept = made.state.kept.plain()
    return states, {name: kept[name] for name in ("position", "preprocessors", "tally", "batches")}, made.history().loss


@pytest.fixture(scope="module")
def undisturbed() -> tuple[list[bytes], dict[str, Any], Any]:
    found = trained(lambda _: None)
    assert len(set(found[0])) == len(found[0]) - 1 > 8, "every step but the last, which ends the epoch, is an iteration"
    return found


def same(found: tuple[list[bytes], dict[str, Any], Any], expected: tuple[list[bytes], dict[str, Any], Any]) -> bool:
    assert len(found[0]) == len(expected[0])
    return found[:2] == expected[:2] and found[2].tobytes() == expected[2].tobytes()


def validated(made: Trainer) -> None:
    before, kept = arrays.encode(made.learner.variables()), made.state.kept.plain()
    once, again = made.validate(), made.validate()
    assert once == again
    assert {"loss", "accuracy", "right"} == once.keys()
    assert arrays.encode(made.learner.variables()) == before
    assert made.state.kept.plain() == kept


def looked_at(made: Trainer) -> None:
    assert str(made)
    if made.position.iteration:
        made.replay(made.position.iteration // 2)
        made.replay(made.position.iteration - 1)
    assert made.state.sets


def test_validating_by_hand_before_every_iteration_changes_no_byte(undisturbed: Any) -> None:
    assert same(trained(validated), undisturbed)


def test_looking_at_everything_before_every_iteration_changes_no_byte(undisturbed: Any) -> None:
    assert same(trained(looked_at), undisturbed)


def test_validations_that_are_due_after_every_iteration_change_no_byte(undisturbed: Any) -> None:
    assert same(trained(lambda _: None, validate=Every(iterations=1, epochs=1)), undisturbed)
    assert same(trained(lambda _: None, validate=Every(epochs=EPOCHS + 1)), undisturbed)


@pytest.mark.parametrize("broken", ["recurrent states", "averages", "metrics", "preprocessors"])
def test_what_a_validation_leaves_behind_would_be_noticed(
    broken: str, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative controls: the law broken on purpose, once for each thing that is to be put back."""
    evaluate = KerasLearner.evaluate

    @contextlib.contextmanager
    def states_stay(learner: KerasLearner) -> Iterator[None]:
        learner._following = True
        yield
        learner._following = False

    @contextlib.contextmanager
    def metrics_stay(learner: KerasLearner) -> Iterator[Callable[[], Any]]:
        learner.reset_metrics()
        yield learner.metrics

    def averages_stay(learner: KerasLearner, *batch: Any, **options: Any) -> Any:
        found = evaluate(learner, *batch, **options)
        for variable, average in zip(learner.model.trainable_variables, averages_of(learner.optimizer), strict=True):
            variable.assign(average.value)
        return found

    thing, name, instead = {
        "recurrent states": (KerasLearner, "sequence", states_stay),
        "averages": (KerasLearner, "evaluate", averages_stay),
        "metrics": (KerasLearner, "measuring", metrics_stay),
        "preprocessors": (RunningMean, "restore", lambda *_: None),
    }[broken]
    monkeypatch.setattr(thing, name, instead)
    assert not same(trained(lambda made: made.validate()), undisturbed)
