"""Keras callbacks work unchanged, and a training with them that is cut anywhere ends as one that was not."""

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain import files
from deeptrain.errors import UserCodeError
from deeptrain.loading.batches import Batches
from deeptrain.training import Every, Trainer, on, runtime
from deeptrain.training.callbacks.naming import callbacks as from_experiment
from deeptrain.training.callbacks.naming import named
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.settings import CallbackUse
from tests import shard_files
from tests.memory_journal import MemoryJournal
from tests.numpy_learner import NumpyLearner

# Keras reads a learning rate in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

LABELS = np.array([0, 1, 0, 1, 1, 0, 1, 0], np.uint8)
BATCHES = 4
EPOCHS = 5


@pytest.fixture(autouse=True, scope="module")
def tensorflow() -> None:
    runtime.start(1, True)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    rng = np.random.Generator(np.random.Philox(1))
    directory = tmp_path_factory.mktemp("splits")
    return [
        shard_files.split(directory / name, rng.normal(size=(len(y), 2)).astype(np.float32), y, kind="binary")
        for name, y in (("train", LABELS), ("val", LABELS[:5]))
    ]


@functools.cache
def compiled() -> tuple[KerasLearner, dict[str, np.ndarray]]:
    import keras

    with fresh_names_and_seeds(4):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
        made = KerasLearner(model, keras.optimizers.SGD(0.5), keras.losses.BinaryCrossentropy(), "binary")
    return made, {name: np.array(value) for name, value in made.variables().items()}


class Journal(MemoryJournal):
    def save(self, checkpoint: Any) -> None:
        super().save(_copied(checkpoint))

    def publish(self, checkpoint: Any, results: Any) -> bool:
        return super().publish(_copied(checkpoint), results)


def _copied(checkpoint: Any) -> Any:
    """TensorFlow's variables are views."""
    variables = {name: np.array(value) for name, value in checkpoint.variables.items()}
    return type(checkpoint)(checkpoint.state, variables, checkpoint.history)


def trainer(splits: list[Any], callbacks: Any, **arguments: Any) -> Trainer:
    """As a new process has it: all variables as they were made. Compiled once, since that is most of the time."""
    learner, initial = compiled()
    learner.restore(initial)
    learner.model.stop_training = False
    data = [Batches(splits[0], 2, seed=1, order="samples"), Batches(splits[1], 3)]
    given = {"epochs": EPOCHS, "metrics": ["accuracy", "f1_score"], **arguments}
    return Trainer(learner, *data, callbacks=callbacks, **given)


def all_kinds() -> dict[str, Any]:
    """A schedule, a plateau, a stop, a log, and a user's own with everything that a checkpoint can keep."""
    import keras

    class Own(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seen: dict[int, float] = {}
            self.losses: list[Any] = []
            self.pair = (0, np.float32(0.1))
            self.given = np.arange(3)

        def on_train_begin(self, _: Any = None) -> None:
            self.begun = 0

        def on_epoch_begin(self, epoch: int, _: Any = None) -> None:
            self.begun += 1
            self.seen[epoch] = float("nan")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"])
            self.pair = (batch, np.float32(self.pair[1] * 1.1))

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"] * batch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen[epoch] = logs["val_accuracy"] + self.given.sum()

    return {
        "schedule": keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * (0.5 if epoch == 1 else 1.0)),
        "plateau": keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.3, cooldown=1, min_delta=0.02),
        "stopping": keras.callbacks.EarlyStopping("val_accuracy", patience=3, start_from_epoch=1),
        "own": Own(),
        "csv": keras.callbacks.CSVLogger("logs/epochs.csv"),
    }


def ended(made: Trainer) -> bytes:
    results = [one.plain() for one in made.results]
    return files.canonical_json([made.learner.variables(), results, made.state.kept.plain()])


@pytest.fixture(scope="module")
def undisturbed(splits: list[Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    live = tmp_path_factory.mktemp("live")
    made = trainer(splits, all_kinds(), journal=Journal(live))
    made.train()
    return ended(made), (live / "logs/epochs.csv").read_text()


def test_logs_are_those_of_the_epoch_and_its_validation(splits: list[Any], undisturbed: tuple[bytes, str]) -> None:
    made = trainer(splits, all_kinds(), journal=Journal())
    made.step(epochs=1)
    header, first, *_ = undisturbed[1].splitlines()
    row = dict(zip(header.split(","), map(float, first.split(",")), strict=True))
    results = made.results[0]
    assert row == {
        "epoch": 0,
        **results.train,
        **{f"val_{name}": value for name, value in results.validation.items()},
        "learning_rate": results.learning_rate,
    }
    assert set(row) >= {"loss", "accuracy", "val_loss", "val_f1_score"}


@pytest.mark.parametrize("kill", [False, True])
def test_a_training_with_keras_callbacks_that_is_cut_anywhere_ends_as_one_that_was_not(
    kill: bool, splits: list[Any], undisturbed: tuple[bytes, str], tmp_path: Path
) -> None:
    for cut in range(1, EPOCHS * BATCHES + 1):
        journal = Journal(tmp_path / f"{kill}{cut}")

        def stop(made: Trainer) -> None:
            if kill:
                raise KeyError
            made.pause()

        here = on(Every(when=lambda state, cut=cut: state.iteration == cut))(stop)
        first = trainer(splits, {**all_kinds(), "cutter": here}, journal=journal, autosave=Every(iterations=1))
        if kill:
            with pytest.raises(UserCodeError, match=r"cutter: act\(\) failed"):
                first.train()
        else:
            first.train()
        second = trainer(splits, all_kinds(), journal=journal)
        second.train()
        assert ended(second) == undisturbed[0]
        assert (journal.live / "logs/epochs.csv").read_text() == undisturbed[1]


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_row_that_was_written_before_the_process_died_is_not_written_twice(
    epoch: int, splits: list[Any], undisturbed: tuple[bytes, str], tmp_path: Path
) -> None:
    def die(_: Trainer, results: Any) -> None:
        if results.epoch == epoch:
            raise KeyError

    journal = Journal(tmp_path)
    with pytest.raises(UserCodeError, match=r"cutter: epoch_end\(\) failed"):
        trainer(splits, {**all_kinds(), "cutter": on("epoch_end")(die)}, journal=journal).train()
    assert len((tmp_path / "logs/epochs.csv").read_text().splitlines()) == 1 + epoch
    second = trainer(splits, all_kinds(), journal=journal)
    second.train()
    assert ended(second) == undisturbed[0]
    assert (tmp_path / "logs/epochs.csv").read_text() == undisturbed[1]


def test_training_on_for_more_epochs_is_as_having_asked_for_them(
    splits: list[Any], undisturbed: tuple[bytes, str], tmp_path: Path
) -> None:
    made = trainer(splits, all_kinds(), journal=Journal(tmp_path), epochs=2)
    made.train()
    made.epochs = EPOCHS
    made.train()
    assert ended(made) == undisturbed[0]
    assert (tmp_path / "logs/epochs.csv").read_text() == undisturbed[1]


def test_a_plateau_lowers_the_rate_as_in_model_fit(splits: list[Any]) -> None:
    import keras

    def plateau() -> Any:
        return keras.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.3, min_delta=0.05)

    made = trainer(splits, [plateau()], validate=Every(epochs=99))
    made.train()
    rates = [results.learning_rate for results in made.results]
    x, y = splits[0].take(np.arange(8)), LABELS[:, None].astype(np.float32)
    learner, initial = compiled()
    learner.restore(initial)
    order = [Batches(splits[0], 8, seed=1, order="samples").indices(epoch, 0) for epoch in range(1, EPOCHS + 1)]
    callback, found = plateau(), []
    callback.set_model(learner.model)
    callback.on_train_begin()
    for epoch, indices in enumerate(order):
        logs = learner.model.fit(x[indices], y[indices], batch_size=2, shuffle=False, verbose=0).history
        callback.on_epoch_end(epoch, {"loss": logs["loss"][0]})
        found.append(learner.learning_rate)
    assert rates == pytest.approx(found)
    assert min(rates) < 0.5


def test_only_a_callback_with_batch_hooks_keeps_iterations_apart() -> None:
    import keras

    quiet = [keras.callbacks.TerminateOnNaN(), keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)]
    for callback in (keras.callbacks.EarlyStopping(), keras.callbacks.CSVLogger("x")):
        assert not hasattr(named([callback])[type(callback).__name__], "iteration_end")
    for callback in quiet:
        assert hasattr(named([callback])[type(callback).__name__], "iteration_end")


def test_stop_training_ends_with_the_epoch_and_stays_so(splits: list[Any]) -> None:
    import keras

    journal = Journal()
    for _ in range(2):
        stops = keras.callbacks.LambdaCallback()
        stops.on_train_batch_end = lambda batch, _: setattr(stops.model, "stop_training", batch == 1)  # noqa: B023
        made = trainer(splits, {"stops": stops}, journal=journal)
        made.train()
        assert made.state.stopped == "stops asked for it"
        assert made.state.iteration == BATCHES


def test_tensorboard_writes_beside_the_artifacts(splits: list[Any], tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    pytest.importorskip("tensorboard")
    journal = Journal(tmp_path)
    for epochs in (2, 3):
        board = keras.callbacks.TensorBoard("board", histogram_freq=1, update_freq=1)
        made = trainer(splits, [board], journal=journal, epochs=epochs)
        made.train()
    found: dict[str, list[int]] = {}
    for file in sorted((tmp_path / "board/train").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    assert found["epoch_loss"] == [0, 1, 2]
    assert found["batch_loss"] == list(range(1, 3 * BATCHES + 1))
    assert (tmp_path / "board/validation").is_dir()
    assert not hasattr(named([keras.callbacks.TensorBoard()])["TensorBoard"], "iteration_end")


def test_tensorboard_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserCodeError, match=r"keras.callbacks.TensorBoard needs the package tensorboard; install it"):
        from_experiment(["TensorBoard"], None)


def test_a_disk_that_fails_is_told_once_and_disturbs_nothing(
    splits: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import keras

    (tmp_path / "logs").write_text("a file, no directory")
    made = trainer(splits, [keras.callbacks.CSVLogger("logs/log.csv")], journal=Journal(tmp_path), epochs=2)
    made.train()
    assert made.state.epoch == 3
    assert caplog.text.count("CSVLogger: its log is not written any more: WriteError") == 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ModelCheckpoint", {"filepath": "a.keras"}, "keras.callbacks.ModelCheckpoint has no place here: checkpoints"),
        ("BackupAndRestore", {"backup_dir": "a"}, "every training.autosave_seconds"),
        ("SwapEMAWeights", {}, "it exchanges the weights while validating"),
        ("History", {}, "trainer.results holds it"),
        ("EarlyStopping", {"restore_best_weights": True}, "restore_best_weights keeps weights where no checkpoint"),
    ],
)
def test_what_makes_no_sense_here_is_refused_with_the_reason(name: str, arguments: Any, message: str) -> None:
    with pytest.raises(UserCodeError, match=f"{name}: .*{message}"):
        from_experiment([CallbackUse(use=name, arguments=arguments)], None)


def test_an_experiment_names_keras_callbacks_by_their_classes() -> None:
    uses = [
        CallbackUse(use="ReduceLROnPlateau", arguments={"patience": 7}),
        CallbackUse(use="keras.callbacks:CSVLogger", arguments={"filename": "a.csv"}),
        "TerminateOnNaN",
    ]
    found = from_experiment(uses, None)
    assert list(found) == ["ReduceLROnPlateau", "keras.callbacks:CSVLogger", "TerminateOnNaN"]
    assert found["ReduceLROnPlateau"].callback.patience == 7
    with pytest.raises(
        UserCodeError, match=r"callback ReduceOnPlateau: neither ready-made .* nor a class of keras.cal"
    ):
        from_experiment(["ReduceOnPlateau"], None)


def test_what_no_checkpoint_can_hold_is_told_by_name(splits: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    import keras

    class Box:
        """Something of the user's."""

    class Collects(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.box = Box()
            self.outputs = None

        def on_epoch_end(self, *_: Any) -> None:
            self.outputs = [np.zeros(3)]

    with pytest.raises(UserCodeError, match="Collects: no checkpoint can hold its outputs, a list, which changed whil"):
        trainer(splits, [Collects()]).train()
    assert "Collects: no checkpoint holds its box (a Box): if training depends on what changes" in caplog.text

    class Changes(keras.callbacks.Callback):
        counts = np.zeros(2)

        def __init__(self) -> None:
            super().__init__()
            self.counts = np.zeros(2)

        def on_epoch_end(self, *_: Any) -> None:
            self.counts += 1

    with pytest.raises(UserCodeError, match="Changes: no checkpoint can hold its counts, a ndarray, which changed"):
        trainer(splits, [Changes()]).train()


def test_a_keras_callback_with_state_and_restore_is_asked_for_them(splits: list[Any]) -> None:
    import keras

    class Sums(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.sums = np.zeros(2)

        def on_epoch_end(self, epoch: int, _: Any = None) -> None:
            self.sums += [1, epoch]

        def state(self) -> dict[str, Any]:
            return {"sums": self.sums.tolist()}

        def restore(self, state: Any) -> None:
            self.sums = np.array(state["sums"])

    journal = Journal()
    for epochs in (2, 4):
        callback = Sums()
        trainer(splits, [callback], journal=journal, epochs=epochs).train()
    assert callback.sums.tolist() == [4.0, 6.0]


def test_a_keras_callback_needs_a_keras_model(splits: list[Any]) -> None:
    import keras

    data = [Batches(splits[0], 2), Batches(splits[1], 3)]
    made = Trainer(NumpyLearner(), *data, callbacks=[keras.callbacks.EarlyStopping()])
    with pytest.raises(
        UserCodeError, match=r"EarlyStopping: a Keras callback needs a learner whose model is a keras.M"
    ):
        made.train()
