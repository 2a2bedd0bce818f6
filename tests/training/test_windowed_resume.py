"""Laws 5 and 6 on windows of sequences: every cut, in the middle of a batch's windows too, gives the same bytes."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.calibration import optimum, subset
from deeptrain.errors import Interrupted
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.settings import LinearWeights, WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.metrics import names
from deeptrain.store import artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import Every, Trainer, on, runtime
from deeptrain.training.callbacks.best_subset import BestSubset
from deeptrain.training.callbacks.dynamic_threshold import DynamicThreshold
from deeptrain.training.journal import Journal
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.progress import Progress
from deeptrain.training.run import TrainingRun
from tests.conftest import one_by_one, tree
from tests.memory_split import MemorySplit, series

LENGTHS = [9, 5, 7, 4]
"""In batches of 3, with windows of 4 every 3 steps: 2 batches, the last one with two rows of padding."""

SETTINGS = WindowSettings(size=4, slide=3, start_increments=(0, 1), weights=LinearWeights(first=0.5, last=1.5))
EPOCHS = 2


class RunningMean:
    """A preprocessor that remembers: takes away the mean of all it has seen in training."""

    def __init__(self) -> None:
        self.seen = 0
        self.total = 0.0

    def process(self, batch: Any, rng: np.random.Generator | None) -> Any:
        import dataclasses

        self.seen += batch.x.size  # also when validating: the trainer must not let it stay
        self.total += float(batch.x.sum())
        noise = 0.0 if rng is None else 0.1 * rng.standard_normal(batch.x.shape)
        return dataclasses.replace(batch, x=(batch.x - self.total / self.seen + noise).astype(np.float32))

    def state(self) -> Mapping[str, Any]:
        return {"seen": self.seen, "total": self.total}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen, self.total = state["seen"], state["total"]


def stateful() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(3, 4, 2))
    x = layers.LSTM(5, stateful=True, dropout=0.2, recurrent_dropout=0.2)(inputs)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.3)(x)))


def learner() -> KerasLearner:
    """As a new process has it: all variables as they were made. Compiled once, since that is most of the time."""
    made, initial = compiled()
    made.restore(initial)
    return made


@functools.cache
def compiled() -> tuple[KerasLearner, dict[str, np.ndarray]]:
    made = fresh()
    return made, {name: np.array(value) for name, value in made.variables().items()}


def fresh() -> KerasLearner:
    import keras

    runtime.start(1, True)
    with fresh_names_and_seeds(4):
        return KerasLearner(stateful(), keras.optimizers.Adam(1e-2), keras.losses.BinaryCrossentropy(), "binary")


def trainer(store: Path, watch: Callable[[Progress], None] | None = None, autosave: float = 60.0) -> Trainer:
    """A trainer of seven series that goes on where the one before it was cut."""
    shards = Specification("shards", 1, store, {"of": "a test"})
    checker = Checker()
    if not checker.complete(shards):
        with artifact.writing(shards, {}) as writer:
            writer.write("data", b"in memory")
        checker.forget()
    run = TrainingRun(store, {"training": {}}, shards, None, {}, checker)
    labels = np.arange(len(LENGTHS)) % 2
    splits: list[Any] = [
        MemorySplit(series(LENGTHS, seed=1), labels, weights=np.linspace(0.5, 2, len(LENGTHS)).astype(np.float32)),
        MemorySplit(series([6, 8, 4, 9], seed=2), labels, name="val"),
    ]
    preprocessor = RunningMean()
    train, val = (
        WindowFeed(
            Batches(split, 3, seed=5, order="samples" if training else "none"),
            SETTINGS,
            3,
            preprocessors=[preprocessor],
            augment=training,
            training=training,
            class_weights=np.array([1, 2], np.float32) if training else None,
        )
        for split, training in zip(splits, (True, False), strict=True)
    )
    return Trainer(
        learner(),
        train,
        val,
        epochs=EPOCHS,
        metrics=[names.get("accuracy")],
        journal=Journal(run),
        watch=watch,
        autosave=Every(seconds=autosave),
        kind="binary",
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """The bytes of a run that was never cut, and how many iterations it took."""
    store = tmp_path_factory.mktemp("undisturbed")
    made = trainer(store)
    made.train()
    made.close()
    return tree(store), made.position.iteration


class Cut(Exception):
    """The process is gone: nothing more is written."""


def test_every_cut_in_the_middle_of_a_batchs_windows_gives_the_same_bytes(
    tmp_path: Path, undisturbed: tuple[dict[str, bytes], int]
) -> None:
    expected, iterations = undisturbed
    assert iterations > 2 * 2 * EPOCHS
    for cut in range(1, iterations + EPOCHS + 1):
        store, seen = tmp_path / str(cut), 0

        def watch(progress: Progress, cut: int = cut) -> None:
            nonlocal seen
            seen += progress.phase in {"fit", "validate"}
            if seen == cut:
                raise Cut

        first = trainer(store, watch, autosave=1e-9)
        one_by_one(first)
        with pytest.raises(Cut):
            first.train()
        first.close()
        second = trainer(store)
        assert second.position.iteration <= iterations
        second.train()
        second.close()
        assert tree(store) == expected, f"cut after {cut} groups"


@pytest.mark.parametrize("iteration", [1, 4])
def test_an_interrupted_window_goes_on_in_the_same_process_and_in_another(
    iteration: int, tmp_path: Path, undisturbed: tuple[dict[str, bytes], int]
) -> None:
    made: Trainer

    def watch(progress: Progress) -> None:
        if progress.iteration == iteration:
            made.interrupt()

    made = trainer(tmp_path, watch)
    one_by_one(made)
    with pytest.raises(Interrupted, match=rf"stopped in epoch 1 after {iteration} of \d+ iterations"):
        made.train()
    with pytest.raises(Interrupted, match=rf"stopped in epoch 2 after {iteration} of \d+ iterations"):
        made.train()
    made.close()
    compiled.cache_clear()  # nothing of this process is left
    again = trainer(tmp_path)
    assert (again.position.epoch, again.state.iterations_done) == (2, iteration)
    again.train()
    again.close()
    assert tree(tmp_path) == undisturbed[0]


@pytest.mark.parametrize("size", [2, 100])
def test_how_many_windows_are_fused_changes_no_byte(
    size: int, tmp_path: Path, undisturbed: tuple[dict[str, bytes], int]
) -> None:
    made = trainer(tmp_path)
    one_by_one(made, size)
    made.train()
    made.close()
    assert tree(tmp_path) == undisturbed[0]


def test_a_preprocessor_that_was_forgotten_would_be_noticed(
    tmp_path: Path, undisturbed: tuple[dict[str, bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: law 6 broken on purpose by not restoring what the preprocessor keeps."""
    made = trainer(tmp_path)
    made.train(1)
    made.close()
    monkeypatch.setattr(RunningMean, "restore", lambda *_: None)
    made = trainer(tmp_path)
    made.train()
    made.close()
    assert tree(tmp_path) != undisturbed[0]


def test_validating_changes_no_byte_of_training_on_windows(tmp_path: Path) -> None:
    found = []
    for validated in (True, False):
        made = trainer(tmp_path / str(validated))
        made.val_data = made.val_data if validated else None
        made.train()
        made.close()
        found.append({name: np.array(value) for name, value in made.learner.variables().items()})
        found[-1] |= {key: np.array(value) for key, value in made.state.preprocessors["0:RunningMean"].items()}
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name], err_msg=name)


def test_states_go_on_from_window_to_window_and_begin_anew_with_a_batch_of_sequences() -> None:
    """Fed in windows, an LSTM says at the end of a series what it says when it is fed the series whole."""
    import keras
    from keras import layers

    runtime.start(1, True)
    sequences = series([8, 8, 8], seed=7)
    split: Any = MemorySplit(sequences, np.zeros(3))

    def model(size: int) -> KerasLearner:
        with fresh_names_and_seeds(4):
            inputs = keras.Input(batch_shape=(3, size, 2))
            outputs = layers.Dense(1)(layers.LSTM(5, stateful=True)(inputs))
            return KerasLearner(
                keras.Model(inputs, outputs), keras.optimizers.SGD(0.0), keras.losses.MeanSquaredError(), "values"
            )

    whole = model(8)
    with whole.sequence():
        expected = np.asarray(whole.predict(np.stack(sequences)))
    made = model(2)
    data = WindowFeed(Batches(split, 3), WindowSettings(size=2), 3)
    for _ in range(2):
        with made.sequence():
            found = [np.asarray(made.predict(group.x[0], mask=group.mask[0])) for group in data.judged(0)]
        np.testing.assert_allclose(found[-1], expected, rtol=1e-5)
    begin = Position()
    group = data.group(begin, 4)
    for _ in range(2):  # the second time from the states that the first left behind
        outputs = made.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins).outputs
        np.testing.assert_allclose(np.asarray(outputs)[-1], expected, rtol=1e-5)
    assert data.after(begin, 4) == Position(1, 1, 4, 0)


def test_histories_tell_window_and_real_samples(tmp_path: Path) -> None:
    from deeptrain.training import history

    made = trainer(tmp_path)
    made.train()
    made.close()
    found = next(iter(tmp_path.glob("training-*/epochs/0001/history.parquet")))
    rows = history.decode(found.read_bytes(), found)
    assert rows.iteration.tolist() == list(range(len(rows)))
    assert rows.window.tolist() == [w for b in range(2) for w in range(int((rows.batch == b).sum()))]
    begun = rows.samples[rows.window == 0].tolist()
    assert begun == [3, 1]
    mean = np.average(rows.loss.astype(np.float64), weights=rows.samples)
    assert made.results[0].train["loss"] == pytest.approx(mean, rel=1e-12)
    assert made.results[0].validation.keys() == {"loss", "accuracy"}


def test_the_threshold_and_the_best_sets_are_of_one_output_a_series_the_mean_of_its_weighted_windows() -> None:
    settings = WindowSettings(size=4, slide=2, prediction_weights=LinearWeights(first=1.0, last=3.0))
    lengths = [6, 8, 4, 9]
    splits = [MemorySplit(series(lengths, seed=seed), np.arange(4) % 2) for seed in (1, 2)]
    train, val = (
        WindowFeed(Batches(split, 3), settings, 3, training=training)
        for split, training in zip(splits, (True, False), strict=True)
    )
    said: dict[int, list[np.ndarray]] = {}

    @on("validation_iteration_end")
    def note(trainer: Trainer) -> None:
        assert trainer.judged is not None
        said.setdefault(trainer.judged.number, []).append(np.asarray(trainer.judged.outputs))

    threshold, sets = DynamicThreshold("f1_score"), BestSubset(2, "f1_score")
    made = Trainer(
        learner(), train, val, metrics=[names.get("f1_score")], callbacks=[note, threshold, sets], kind="binary"
    )
    made.train()
    expected = []
    for number, length in enumerate(lengths):
        windows = np.array([one[number % 3, 0] for one in said[number // 3]][: 1 + -(-(length - 4) // 2)])
        expected.append(np.average(windows, weights=np.linspace(1, 3, len(windows))))
    assert made.validated is not None
    outputs = made.validated.outputs
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    assert made.threshold == optimum.of(splits[1].labels, outputs, "f1_score").value
    best = subset.best(splits[1].labels, outputs, splits[1].sets, 2, "f1_score", made.threshold)
    assert (sets.sets, sets.value) == (list(best.sets), best.value)
