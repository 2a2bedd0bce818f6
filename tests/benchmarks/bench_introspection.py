"""Outputs and gradients over a data set beside a compiled forward, and a forward and backward, pass of the same."""

import sys
import time

import numpy as np
import pytest

from deeptrain.introspection import gradients_over, outputs_over, statistics
from deeptrain.training import runtime
from tests.benchmarks.side_by_side import at_most, measured, of_processes, rounds_of, show, show_rounds

BATCHES, TIMES = 20, 15
"""Those that differ, and how often they come: what a call costs beside its batches is told apart."""

PASS = "compiled pass"


def dense():
    import keras

    x = (64, 256)
    return [keras.layers.Dense(512, "relu") for _ in range(3)], x


def convolutional():
    import keras

    return [keras.layers.Conv2D(32, 3, padding="same", activation="relu") for _ in range(3)] + [
        keras.layers.GlobalAveragePooling2D()
    ], (32, 20, 20, 8)


def recurrent():
    import keras

    return [keras.layers.LSTM(64, return_sequences=True), keras.layers.LSTM(64)], (32, 50, 16)


def made(kind):
    """A compiled model, its data, and a forward and a backward pass over it as TensorFlow compiles them."""
    import keras
    import tensorflow as tf

    layers, shape = kind()
    model = keras.Sequential([keras.Input(shape[1:]), *layers, keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    generator = np.random.Generator(np.random.Philox(1))
    data = [
        (generator.normal(size=shape).astype(np.float32), generator.random((shape[0], 1)).round().astype(np.float32))
        for _ in range(BATCHES)
    ]

    @tf.function(autograph=False)
    def forward(x):
        return model(x, training=False)

    @tf.function(autograph=False)
    def backward(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=False), training=False)
        return loss, tape.gradient(loss, [one.value for one in model.trainable_variables])

    def forwards():
        for x, _ in data:
            forward(tf.convert_to_tensor(x)).numpy()

    def backwards():
        for x, y in data:
            backward(tf.convert_to_tensor(x), tf.convert_to_tensor(y))[0].numpy()

    return model, data, forwards, backwards


def beside_a_pass(kind, over):
    """Rounds of ours and of the pass, in this process."""
    runtime.start(2, False)
    model, data, forwards, backwards = made(kind)
    base = forwards if over is outputs_over else backwards
    many = data * TIMES
    # Each is traced in the round that warms up: of a model that is as it was nothing is traced again.
    contestants = {
        "sums and norms": lambda: over(model, many, statistics=False),
        "with statistics": lambda: over(model, many),
        PASS: lambda: [base() for _ in range(TIMES)],
    }
    return rounds_of(contestants, 3)


@pytest.mark.parametrize("kind", [dense, convolutional, recurrent])
@pytest.mark.parametrize(
    ("over", "what", "limit"), [(outputs_over, "forward", 1.1), (gradients_over, "forward and backward", 1.3)]
)
def test_a_data_set_beside_a_pass_over_it(over, what, limit, kind):
    told = of_processes(beside_a_pass, kind, over)
    show_rounds(f"{over.__name__}, {kind.__name__}: {TIMES * BATCHES} batches, beside a {what} pass", told)
    at_most(told, {PASS: limit})


def test_what_a_call_costs_beside_its_batches():
    """The first one traces the function."""
    runtime.start(2, False)
    for kind in (dense, convolutional, recurrent):
        model, data, *_ = made(kind)
        for over in (outputs_over, gradients_over):
            begun = time.perf_counter()
            over(model, data[:1])
            sys.stdout.write(
                f"  {over.__name__}, {kind.__name__}, the first batch: {time.perf_counter() - begun:.2f} s\n"
            )


def test_statistics_of_an_array():
    values = np.random.Generator(np.random.Philox(1)).normal(size=10**7).astype(np.float32)
    show(
        "10,000,000 numbers",
        measured({"statistics": lambda: statistics({"one": values}), "numpy.sort": lambda: np.sort(values)}, 3),
    )
    sys.stdout.write("\n")
