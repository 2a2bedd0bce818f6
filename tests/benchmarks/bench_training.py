"""What an iteration costs beside Keras' own loops: the real trainer, every iteration's loss recorded.

The data is in memory for all, of the trainer as it keeps a split of its own shards. A round of each contestant is one
epoch, taken in turn, backwards in every other round; the first is not counted. A ratio is the median over the rounds of
what both took in the same one, so that neighbours who come and go hit both: within a round they move it by a tenth, and
where its memory happens to lie moves a process by a twentieth, so a bar of some hundredths is held to many rounds of
several processes. Seconds of the processor stand beside those of the clock: on a machine that others use too they are
the fairer ones.

The loops by hand look at nothing in between; one calls TensorFlow for each iteration, one for 32, whatever they take;
the trainer fits as many as take 80 ms, records each, and may be stopped behind them.
"""

import os
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.loading.position import Position
from deeptrain.training import Every, Trainer
from deeptrain.training.callbacks.watch import Watch
from tests.benchmarks.side_by_side import Told, at_most, bar, of_processes, rounds_of, show_rounds
from tests.conftest import one_by_one

CLASSES = 10
BATCH = 32
DETERMINISTIC = os.environ.get("DETERMINISTIC") == "1"
"""Of TensorFlow's operations, for the whole process and so for every contestant; Keras turns its XLA off then."""

HAND = "tf.function by hand, 32 a call, no metrics"
ONE_BY_HAND = "tf.function by hand, one a call, no metrics"
FUSED = "fit(steps_per_execution=32)"
ORIGINAL_SECONDS = 3.2e-3
"""Of the processor, for the original DeepTrain's call of an iteration of the MLP without its bookkeeping."""

BUILDER = """
def mlp(data):
    import keras
    from keras import layers

    return keras.Sequential(
        [keras.Input(data.shape), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")]
    )


def convolutional(data):
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def recurrent(data):
    import keras
    from keras import layers

    return keras.Sequential([keras.Input(data.shape), layers.LSTM(32), layers.Dense(10, activation="softmax")])
"""

TOML = """
[experiment]
name = "bench"

[data]
path = "raw"
labels = {{ kind = "classes" }}
splits = {{ train = {train}, val = 32 }}
samples_per_set = 32

[model]
builder = "my_model:{builder}"

[training]
epochs = 100000
order = "none"
deterministic = {deterministic}
autosave_seconds = 3600
"""


def experiment(directory: Path, builder: str, shape: tuple[int, ...], iterations: int) -> tuple[Trainer, Any, Any]:
    """The trainer of a task of random numbers, and the numbers."""
    samples = iterations * BATCH
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.standard_normal((samples + 32, *shape), np.float32)
    y = rng.integers(0, CLASSES, samples + 32)
    y[:CLASSES] = y[-CLASSES:] = np.arange(CLASSES)
    (directory / "raw").mkdir(parents=True)
    np.save(directory / "raw" / "x.npy", x)
    np.save(directory / "raw" / "labels.npy", y)
    (directory / "my_model.py").write_text(textwrap.dedent(BUILDER))
    file = directory / "bench.toml"
    file.write_text(TOML.format(train=samples, builder=builder, deterministic=str(DETERMINISTIC).lower()))
    trainer = Trainer.from_experiment(file)
    trainer.val_data = None  # the peers validate nothing either
    return trainer, x[:samples], y[:samples].astype(np.int32)


def an_epoch(trainer: Trainer) -> None:
    trainer.train(trainer.position.epoch)


def compiled(model: Any, **options: Any) -> Any:
    import keras

    clone = keras.models.clone_model(model)
    clone.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(), **options)
    return clone


def by_hand(model: Any, x: Any, y: Any, fused: int) -> Callable[[], None]:
    """A `tf.function` over `fused` batches a call that reads no metrics; its data is tensors before the clock runs."""
    import keras
    import tensorflow as tf

    clone = keras.models.clone_model(model)
    optimizer, loss = keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy()
    optimizer.build(clone.trainable_variables)

    @tf.function(autograph=False)
    def steps(xs: Any, ys: Any) -> None:
        def body(index: Any) -> Any:
            with tf.GradientTape() as tape:
                found = loss(ys[index], clone(xs[index], training=True))
            optimizer.apply(tape.gradient(found, clone.trainable_variables), clone.trainable_variables)
            return index + 1

        tf.while_loop(lambda index: index < fused, body, [0], parallel_iterations=1)

    xs, ys = x.reshape(-1, fused, BATCH, *x.shape[1:]), y.reshape(-1, fused, BATCH)
    groups = [(tf.constant(group), tf.constant(labels)) for group, labels in zip(xs, ys, strict=True)]

    def epoch() -> None:
        for group in groups:
            steps(*group)

    return epoch


def beside(title: str, contestants: Mapping[str, Callable[[], object]], iterations: int, rounds: int = 5) -> Told:
    """Rounds of contestants, of so many iterations each, and their tables in microseconds an iteration."""
    told = rounds_of(contestants, rounds, iterations)
    show_rounds(title, told, "us", 1e6)
    return told


def one_at_a_time(trainer: Trainer) -> list[float]:
    """Let a trainer stop at every iteration, and somebody look at its loss."""
    seen: list[float] = []
    one_by_one(trainer)
    trainer._loop.display.watch = lambda progress: seen.append(progress.loss or 0.0)
    return seen


@pytest.mark.parametrize(
    ("builder", "shape", "iterations"),
    [("mlp", (16,), 2048), ("convolutional", (20, 20, 1), 192), ("recurrent", (24, 8), 192)],
)
def test_iterations_in_a_row(builder: str, shape: tuple[int, ...], iterations: int, tmp_path: Path) -> None:
    trainer, x, y = experiment(tmp_path, builder, shape, iterations)
    model = trainer.learner.model  # type: ignore[attr-defined]
    plain, fused = compiled(model), compiled(model, steps_per_execution=32)

    def fit(of: Any) -> None:
        of.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    contestants: dict[str, Callable[[], object]] = {
        "deeptrain": lambda: an_epoch(trainer),
        HAND: by_hand(model, x, y, 32),
        FUSED: lambda: fit(fused),
        "fit": lambda: fit(plain),
    }
    title = f"{builder}{', deterministic' if DETERMINISTIC else ''}: an iteration"
    told = beside(title, contestants, iterations)
    if builder == "mlp":
        at_most(told, {"fit": 1 / 8, FUSED: 1.0})
        share = float(np.median(told["processor"]["deeptrain"])) / ORIGINAL_SECONDS
        bar("deeptrain, of the original's call alone, processor", share, 0.1)
        return
    at_most(told, {"fit": 1.03, FUSED: 1.03})
    told = of_processes(beside_hand, builder, shape, iterations)
    show_rounds(f"{title}, rounds of several processes", told, "us", 1e6)
    at_most(told, {ONE_BY_HAND: 1.03, HAND: 1.03})


def beside_hand(builder: str, shape: tuple[int, ...], iterations: int) -> Told:
    """Rounds of the trainer and of both loops by hand, in this process."""
    with tempfile.TemporaryDirectory() as directory:
        trainer, x, y = experiment(Path(directory), builder, shape, iterations)
        model = trainer.learner.model  # type: ignore[attr-defined]
        contestants = {
            "deeptrain": lambda: an_epoch(trainer),
            ONE_BY_HAND: by_hand(model, x, y, 1),
            HAND: by_hand(model, x, y, 32),
        }
        return rounds_of(contestants, 9, iterations)


def test_something_done_at_every_iteration(tmp_path: Path) -> None:
    trainer, x, y = experiment(tmp_path, "mlp", (16,), 256)
    one_at_a_time(trainer)
    single = compiled(trainer.learner.model)  # type: ignore[attr-defined]

    def one_by_one() -> None:
        for at in range(0, len(x), BATCH):
            single.train_on_batch(x[at : at + BATCH], y[at : at + BATCH])

    told = beside(
        "mlp, a callback at every iteration",
        {"deeptrain": lambda: an_epoch(trainer), "train_on_batch": one_by_one},
        256,
    )
    at_most(told, {"train_on_batch": 1.0})


def test_the_ten_millionth_iteration(tmp_path: Path) -> None:
    """Where training stands is a value: a trainer with 9,766 epochs behind it costs what one costs that has begun.

    One trainer stands here and there in turn: of two, the same code differs by where their memory happens to lie.
    """
    iterations = 1024
    trainer, *_ = experiment(tmp_path, "mlp", (16,), iterations)
    loop, record = trainer._loop, trainer._loop.record  # nothing public can pretend that so much was trained
    an_epoch(trainer)
    (first,) = record.results

    def behind(epochs: int) -> Callable[[], None]:
        record.results, record.curves = (), {}
        record._remember([replace(first, epoch=1 + one, iterations=iterations * (1 + one)) for one in range(epochs)])
        kept = record.results, record.curves, Position(epoch=1 + epochs, iteration=iterations * epochs)

        def run() -> None:
            record.results, record.curves, at = kept
            record.kept = record.kept.with_(position=at)
            loop.epochs.begin_anew()
            an_epoch(trainer)

        return run

    contestants = {"from iteration 10,000,384": behind(9_766), "from iteration 1,024": behind(1)}
    told = beside("mlp: an iteration", contestants, iterations, rounds=101)
    at_most(told, {"from iteration 1,024": 1.05})


def test_watching_that_is_off(tmp_path: Path) -> None:
    """One trainer with a `Watch` that has not to look yet, without one, and with one that looks now and then."""
    iterations = 1024
    trainer, *_ = experiment(tmp_path, "mlp", (16,), iterations)

    def watched(callbacks: list[Watch]) -> Callable[[], None]:
        def run() -> None:
            trainer.callbacks = callbacks
            an_epoch(trainer)

        return run

    contestants = {
        "a Watch that does not look": watched([Watch(every=Every(iterations=1 << 40))]),
        "one that looks every 256 iterations": watched([Watch(every=Every(iterations=256))]),
        "none": watched([]),
    }
    told = beside("mlp, watched: an iteration", contestants, iterations, rounds=51)
    at_most(told, {"none": 1.02})
