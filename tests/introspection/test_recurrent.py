"""Recurrent layers: gates, states and gradients along time, as a computation by hand has them."""

from typing import Any

import numpy as np
import pytest

from deeptrain.errors import IntrospectionError
from deeptrain.introspection import gradients, outputs, recurrent, weights
from deeptrain.training import runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from tests.introspection import by_hand

RNG = np.random.Generator(np.random.Philox(3))
X = RNG.normal(size=(5, 6, 4)).astype(np.float32)
Y = RNG.normal(size=(5, 3)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def tensorflow() -> None:
    """As all tests of a process start it: it cannot be started twice in different ways."""
    runtime.start(1, True)


def made(*layers: Any, loss: str = "mean_squared_error") -> Any:
    import keras

    with fresh_names_and_seeds(5):
        model = keras.Sequential([keras.Input((6, 4)), *layers], name="model")
        model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("backwards", [False, True])
def test_states_and_gradients_of_an_lstm_are_those_of_a_computation_by_hand(backwards: bool) -> None:
    from keras import layers

    model = made(layers.LSTM(3, name="memory", go_backwards=backwards))
    kernel, again, bias = weights(model).values()
    last = outputs(model, X)["memory"]
    ordered = X[:, ::-1] if backwards else X
    states, by_states, by_weights = by_hand.lstm(kernel, again, bias, ordered, 2 * (last - Y) / Y.size)
    if backwards:
        states, by_states = states[:, ::-1], by_states[:, ::-1]
    np.testing.assert_allclose(recurrent.states(model, X)["memory"], states, rtol=1e-4, atol=1e-6)
    found = recurrent.state_gradients(model, X, Y)
    assert list(found) == ["memory"]
    np.testing.assert_allclose(found["memory"], by_states, rtol=1e-4, atol=1e-7)
    for value, expected in zip(gradients(model, X, Y).values(), by_weights, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)


def test_weights_and_gradients_are_taken_apart_by_gate() -> None:
    from keras import layers

    model = made(layers.LSTM(3, name="memory"))
    (found,) = recurrent.gates(model).values()
    kernel = weights(model)["memory/lstm_cell/kernel"]
    assert list(found) == ["kernel", "recurrent_kernel", "bias"]
    assert list(found["kernel"]) == ["input", "forget", "cell", "output"]
    for number, gate in enumerate(found["kernel"].values()):
        assert np.array_equal(gate, kernel[:, 3 * number : 3 * number + 3])
    assert found["bias"]["forget"].tolist() == [1, 1, 1]  # as Keras begins, by which the order is known
    by_gate = recurrent.gates(model, gradients(model, X, Y))["memory"]["recurrent_kernel"]
    whole = gradients(model, X, Y)["memory/lstm_cell/recurrent_kernel"]
    assert np.array_equal(np.concatenate([*by_gate.values()], axis=1), whole)


def test_every_kind_of_recurrent_layer_is_known() -> None:
    from keras import layers

    cells = [layers.LSTMCell(3, name="first"), layers.GRUCell(2, name="second")]
    model = made(
        layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.3, name="lstm"), name="both"),
        layers.GRU(4, return_sequences=True, name="after"),
        layers.GRU(2, return_sequences=True, reset_after=False, name="before"),
        layers.RNN(cells, return_sequences=True, name="two"),
        layers.SimpleRNN(3, name="simple"),
    )
    found = recurrent.gates(model)
    assert {name: list(kinds) for name, kinds in found.items()} == {
        "both/forward_lstm": ["kernel", "recurrent_kernel", "bias"],
        "both/backward_lstm": ["kernel", "recurrent_kernel", "bias"],
        "after": ["kernel", "recurrent_kernel", "input_bias", "recurrent_bias"],
        "before": ["kernel", "recurrent_kernel", "bias"],
        "two/stacked_rnn_cells/first": ["kernel", "recurrent_kernel", "bias"],
        "two/stacked_rnn_cells/second": ["kernel", "recurrent_kernel", "input_bias", "recurrent_bias"],
        "simple": ["kernel", "recurrent_kernel", "bias"],
    }
    assert {name: one.shape for name, one in found["after"]["recurrent_bias"].items()} == {
        "update": (4,),
        "reset": (4,),
        "candidate": (4,),
    }
    assert list(found["simple"]["kernel"]) == ["hidden"]
    assert list(recurrent.gates(model, select="both")) == ["both/forward_lstm", "both/backward_lstm"]
    before = [one.numpy().tobytes() for one in model.variables]
    seen, given = recurrent.states(model, X), outputs(model, X)
    sizes = {"both/forward_lstm": 3, "both/backward_lstm": 3, "after": 4, "before": 2, "two": 2, "simple": 3}
    assert {name: value.shape for name, value in seen.items()} == {name: (5, 6, size) for name, size in sizes.items()}
    assert np.array_equal(seen["both/backward_lstm"][:, ::-1], given["both/backward_lstm"])
    assert np.array_equal(seen["two"], given["two"])
    assert np.array_equal(seen["simple"][:, -1], given["simple"])
    along = recurrent.state_gradients(model, X, Y, training=True)
    assert {name: value.shape for name, value in along.items()} == {name: one.shape for name, one in seen.items()}
    by_outputs = gradients(model, X, Y, by="outputs", training=True)
    np.testing.assert_allclose(along["simple"][:, -1], by_outputs["simple"], rtol=1e-5)
    assert not np.allclose(along["after"][:, 0], by_outputs["after"][:, 0])  # later steps see the state too
    assert [one.numpy().tobytes() for one in model.variables] == before


def test_within_time_distributed_each_step_has_the_states_and_gradients_of_a_sequence_of_its_own() -> None:
    import keras
    from keras import layers

    with fresh_names_and_seeds(5):
        memory = layers.Bidirectional(layers.LSTM(3, name="memory"), name="both", merge_mode="sum")
        each = layers.TimeDistributed(memory, name="each")
        model = keras.Sequential([keras.Input((2, 6, 4)), each], name="model")
    model.compile("sgd", "mean_squared_error")
    x, y = np.stack([X, 2 * X], 1), np.stack([Y, -Y], 1)
    with fresh_names_and_seeds(5):
        alone = keras.Sequential([keras.Input((6, 4)), memory], name="alone")
    alone.compile("sgd", "mean_squared_error")
    kinds = ("forward", "backward")
    assert list(recurrent.gates(model)) == [f"each/both/{kind}_memory" for kind in kinds]
    states, along = recurrent.states(model, x), recurrent.state_gradients(model, x, y)
    assert list(states) == list(along) == list(recurrent.gates(model))
    for step in range(2):
        own = recurrent.states(alone, x[:, step]), recurrent.state_gradients(alone, x[:, step], y[:, step])
        for kind in kinds:
            name = f"{kind}_memory"
            np.testing.assert_allclose(states[f"each/both/{name}"][:, step], own[0][f"both/{name}"], rtol=1e-5)
            of_both = along[f"each/both/{name}"][:, step]  # the mean is over twice as many labels
            np.testing.assert_allclose(2 * of_both, own[1][f"both/{name}"], rtol=1e-4, atol=1e-7)


def test_a_recurrent_layer_that_is_called_twice_has_both() -> None:
    import keras
    from keras import layers

    with fresh_names_and_seeds(5):
        one, two = keras.Input((6, 4), name="one"), keras.Input((6, 4), name="two")
        memory = layers.GRU(3, name="memory")
        model = keras.Model({"one": one, "two": two}, layers.Add(name="sum")([memory(one), memory(two)]), name="model")
    model.compile("sgd", "mean_squared_error")
    given = {"one": X, "two": X[::-1]}
    found, seen = recurrent.states(model, given), outputs(model, given)
    along, by_outputs = recurrent.state_gradients(model, given, Y), gradients(model, given, Y, by="outputs")
    assert list(found) == list(along) == ["memory", "memory@2"]
    for name, states in found.items():
        assert np.array_equal(states[:, -1], seen[name])
        np.testing.assert_allclose(along[name][:, -1], by_outputs[name], rtol=1e-5)


def test_what_is_not_recurrent_is_refused() -> None:
    from keras import layers

    model = made(layers.Flatten(name="flat"), layers.Dense(3, name="dense"))
    with pytest.raises(IntrospectionError, match="no layer of model that is chosen has gates; these have: LSTM"):
        recurrent.gates(model, select="dense")
    with pytest.raises(IntrospectionError, match="no layer of model that is chosen is recurrent"):
        recurrent.state_gradients(model, X, Y)


def test_an_error_within_a_layer_is_told_without_what_keras_says_around_it() -> None:
    import keras
    from keras import layers

    images = keras.Sequential([keras.Input((2, 4, 4, 1)), layers.ConvLSTM2D(2, 3, name="memory"), layers.Flatten()])
    images.compile("sgd", "mean_squared_error")
    told = r"^memory: gradients along time are of layers over \(batch, time, features\), got 5 axes$"
    with pytest.raises(IntrospectionError, match=told):
        recurrent.state_gradients(images, np.zeros((1, 2, 4, 4, 1), np.float32), np.zeros((1, 8), np.float32))
