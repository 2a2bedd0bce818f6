"""What an iteration costs beside Keras' own loops: the real trainer, every iteration's loss recorded.

The data is in memory for all. A round of each contestant is one epoch, taken in turn; the first is not counted.
"""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.training import Trainer
from tests.benchmarks.side_by_side import measured, show

CLASSES = 10
BATCH = 32

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
deterministic = false
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
    file.write_text(TOML.format(train=samples, builder=builder))
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
    """A `tf.function` over `fused` batches a call that reads no metrics."""
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

    def epoch() -> None:
        for group, labels in zip(xs, ys, strict=True):
            steps(tf.constant(group), tf.constant(labels))

    return epoch


@pytest.mark.parametrize(
    ("builder", "shape", "iterations"),
    [("mlp", (16,), 2048), ("convolutional", (20, 20, 1), 192), ("recurrent", (24, 8), 192)],
)
def test_iterations(builder: str, shape: tuple[int, ...], iterations: int, tmp_path: Path) -> None:
    import keras

    trainer, x, y = experiment(tmp_path, builder, shape, iterations)
    model = trainer.learner.model  # type: ignore[attr-defined]

    def fit(of: Any, callbacks: Any = ()) -> None:
        of.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=list(callbacks))

    plain, fused, single = compiled(model), compiled(model, steps_per_execution=32), compiled(model)

    def one_by_one() -> None:
        for at in range(0, len(x), BATCH):
            single.train_on_batch(x[at : at + BATCH], y[at : at + BATCH])

    keras.utils.set_random_seed(1)
    contestants: dict[str, Callable[[], object]] = {
        "deeptrain": lambda: an_epoch(trainer),
        "tf.function by hand, 32 a call, no metrics": by_hand(model, x, y, 32),
        "fit(steps_per_execution=32)": lambda: fit(fused),
        "train_on_batch": one_by_one,
        "fit": lambda: fit(plain),
    }
    seconds = measured(contestants, rounds=5)
    show(f"{builder}: an iteration", {name: one / iterations for name, one in seconds.items()}, "us", 1e6)
