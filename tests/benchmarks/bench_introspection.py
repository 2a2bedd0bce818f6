"""Outputs and gradients over a data set beside a compiled forward, and a forward and backward, pass of the same."""

import sys

import numpy as np

from deeptrain.introspection import gradients_over, outputs_over, statistics
from deeptrain.training import runtime
from tests.benchmarks.side_by_side import measured, show

BATCHES = 20


def dense():
    import keras

    x = (64, 256)
    return [keras.layers.Dense(512, "relu") for _ in range(3)], x


def convolutional():
    import keras

    return [keras.layers.Conv2D(32, 3, padding="same", activation="relu") for _ in range(3)] + [
        keras.layers.GlobalAveragePooling2D()
    ], (32, 28, 28, 8)


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


def traced_once(kind, over, bar):
    model, data, forwards, backwards = made(kind)
    base = forwards if over is outputs_over else backwards
    many = data * 10  # so that tracing, once a call, is small as it is over a data set
    name = f"{over.__name__} (bar: {bar})"
    contestants = {
        name: lambda: over(model, many),
        "compiled pass": lambda: [base() for _ in range(10)],
    }
    what = "forward" if over is outputs_over else "forward and backward"
    show(f"{kind.__name__}: {10 * BATCHES} batches, beside a {what} pass", measured(contestants, 5))


def test_outputs_over_a_data_set_beside_a_forward_pass():
    runtime.start(2, False)
    for kind in (dense, convolutional, recurrent):
        traced_once(kind, outputs_over, 1.1)


def test_gradients_over_a_data_set_beside_a_forward_and_backward_pass():
    runtime.start(2, False)
    for kind in (dense, convolutional, recurrent):
        traced_once(kind, gradients_over, 1.3)


def test_statistics_of_an_array():
    values = np.random.Generator(np.random.Philox(1)).normal(size=10**7).astype(np.float32)
    show(
        "10,000,000 numbers",
        measured({"statistics": lambda: statistics({"one": values}), "numpy.sort": lambda: np.sort(values)}, 3),
    )
    sys.stdout.write("\n")
