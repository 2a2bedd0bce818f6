"""Outputs and gradients over a data set beside a compiled forward, and a forward and backward, pass of the same."""

import sys
import time
from statistics import median

import numpy as np

from deeptrain.introspection import gradients_over, outputs_over, statistics
from deeptrain.training import runtime
from tests.benchmarks.side_by_side import bar, measured, show

BATCHES = 20


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
            forward(tf.convert_to_tensor(x))[0].numpy()

    def backwards():
        for x, y in data:
            backward(tf.convert_to_tensor(x), tf.convert_to_tensor(y))[0].numpy()

    return model, data, forwards, backwards


def beside_a_pass(kind, over, limit):
    model, data, forwards, backwards = made(kind)
    base = forwards if over is outputs_over else backwards
    many = data * 5
    contestants = {
        "sums and norms": lambda: over(model, many, statistics=False),
        "with statistics": lambda: over(model, many),
        "compiled pass": lambda: [base() for _ in range(5)],
    }
    what = "forward" if over is outputs_over else "forward and backward"
    begun = time.perf_counter()
    over(model, data[:1])
    traced = time.perf_counter() - begun
    # Each is traced in the round that warms up: of a model that is as it was nothing is traced again.
    clock, cpu = measured_twice(contestants, 9)
    for unit, seconds in (("clock", clock), ("CPU", cpu)):
        show(f"{kind.__name__}: {5 * BATCHES} batches, {unit}, beside a {what} pass", seconds)
        bar(f"{over.__name__}, {unit}", seconds["sums and norms"] / seconds["compiled pass"], limit)
    sys.stdout.write(f"  the first call with one batch, traced: {traced:.2f} s\n")


def measured_twice(contestants, rounds):
    """Median seconds of the clock and of the processor, of rounds in turn after one to warm up."""
    found = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            clock, cpu = time.perf_counter(), time.process_time()
            run()
            if number:
                found[name].append((time.perf_counter() - clock, time.process_time() - cpu))
    return [{name: median(one[at] for one in each) for name, each in found.items()} for at in (0, 1)]


def test_outputs_over_a_data_set_beside_a_forward_pass():
    runtime.start(2, False)
    for kind in (dense, convolutional, recurrent):
        beside_a_pass(kind, outputs_over, 1.1)


def test_gradients_over_a_data_set_beside_a_forward_and_backward_pass():
    runtime.start(2, False)
    for kind in (dense, convolutional, recurrent):
        beside_a_pass(kind, gradients_over, 1.3)


def test_statistics_of_an_array():
    values = np.random.Generator(np.random.Philox(1)).normal(size=10**7).astype(np.float32)
    show(
        "10,000,000 numbers",
        measured({"statistics": lambda: statistics({"one": values}), "numpy.sort": lambda: np.sort(values)}, 3),
    )
    sys.stdout.write("\n")
