"""Several batches in one call come to what they come to one by one, whatever is in them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import IntrospectionError
from deeptrain.introspection import gradients_over, grouped, outputs_over
from deeptrain.introspection.dataset import OverData
from deeptrain.introspection.grouped import MOST, MOST_BYTES, Form
from deeptrain.training import runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds

RNG = np.random.Generator(np.random.Philox(11))
SIZES = (5,) * (MOST + 1) + (3,) + (5,) * (2 * MOST + 4) + (2,)
"""Of batches: a whole group, one that is cut short by another form, and what is left over."""


def batches(*shape: int) -> list[Any]:
    return [
        (
            RNG.normal(size=(size, *shape)).astype(np.float32),
            RNG.integers(0, 2, (size, 1)).astype(np.float32),
            RNG.random(size).astype(np.float32),
        )
        for size in SIZES
    ]


def compiled(*layers: Any, inputs: Any) -> Any:
    import keras

    model = keras.Sequential([inputs, *layers, keras.layers.Dense(1, "sigmoid", name="said", dtype="float32")])
    model.compile("sgd", "binary_crossentropy")
    return model


def dense() -> tuple[Any, list[Any]]:
    import keras
    from keras import layers

    return compiled(
        layers.Dense(6, "relu", kernel_regularizer="l2"), layers.Dropout(0.5), layers.BatchNormalization(),
        inputs=keras.Input((4,)),
    ), batches(4)  # fmt: skip


def half() -> tuple[Any, list[Any]]:
    import keras
    from keras import layers

    return compiled(layers.Dense(6, "relu", dtype="mixed_float16"), inputs=keras.Input((4,))), batches(4)


def stateful() -> tuple[Any, list[Any]]:
    import keras
    from keras import layers

    data = [(x, y, weights) for x, y, weights in batches(6, 2) if len(x) == 5]
    return compiled(layers.LSTM(3, stateful=True), inputs=keras.Input(batch_shape=(5, 6, 2))), data


def whole_numbers() -> tuple[Any, list[Any]]:
    import keras
    from keras import layers

    told = layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0], name="bins")
    return compiled(told, layers.Embedding(4, 3), layers.Flatten(), inputs=keras.Input((4,))), batches(4)


def of_two_inputs() -> tuple[Any, list[Any]]:
    import keras
    from keras import layers

    given = {name: keras.Input((2,), name=name) for name in ("left", "right")}
    said = layers.Dense(1, "sigmoid", name="said")(layers.Concatenate()(list(given.values())))
    model = keras.Model(given, said)
    model.compile("sgd", "binary_crossentropy")
    return model, [({"left": x[:, :2], "right": x[:, 2:]}, y, weights) for x, y, weights in batches(4)]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each group, whether it could be looked at in one call, and had numbers that can be summed there."""
    runtime.start(1, True)
    made: list[bool] = []
    tried = grouped.tried

    def seen(*given: Any) -> Any:
        found = tried(*given)
        made.append(found is not None and found.right)
        return found

    monkeypatch.setattr(grouped, "tried", seen)
    return made


def close(one: OverData, other: OverData) -> None:
    assert (one.batches, one.samples) == (other.batches, other.samples)
    assert list(one.sums) == list(other.sums)
    for name, total in other.sums.items():
        np.testing.assert_allclose(one.sums[name], total, rtol=1e-4, atol=1e-5 * np.abs(total).max(initial=1e-3))
    assert list(one.norms) == list(other.norms)
    for name, norms in other.norms.items():
        np.testing.assert_allclose(one.norms[name], norms, rtol=1e-5)
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-6)


@pytest.mark.parametrize("made", [dense, half, stateful, whole_numbers, of_two_inputs])
@pytest.mark.parametrize("training", [False, True])
def test_sums_and_norms_are_those_of_each_batch_by_itself(
    made: Callable[[], tuple[Any, list[Any]]], training: bool, calls: list[bool]
) -> None:
    with fresh_names_and_seeds(5):
        model, data = made()
        before = [one.numpy().tobytes() for one in model.variables]
        for over, named in ((outputs_over, {}), (gradients_over, {}), (gradients_over, {"by": "outputs"})):
            calls.clear()
            told = over(model, data, training=training, statistics=False, **named)
            assert calls == [True] * len(calls)
            assert len(calls) >= 2
            close(told, over(model, data, training=training, **named))
    assert [one.numpy().tobytes() for one in model.variables] == before


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e25, 1e-17, 0.0])
def test_numbers_whose_squares_are_no_ordinary_ones_are_as_they_are_one_by_one(
    number: float, calls: list[bool]
) -> None:
    import keras

    with fresh_names_and_seeds(5):
        given = keras.Input((4,))
        model = keras.Model(given, keras.layers.Flatten(name="same")(given))
        data = [x for x, _, _ in batches(4)]
        for broken in (3, 2 * MOST):
            data[broken][0, 1:] = 0
            data[broken][1:] = 0
            data[broken][0, 0] = number
        told, each = (outputs_over(model, data, statistics=one) for one in (False, True))
    assert calls == [*[number == 0] * 2, True]
    close(told, each)
    assert told.norms["same"][3] == pytest.approx(number, nan_ok=True)


def test_what_no_loop_can_do_is_looked_at_batch_by_batch(calls: list[bool]) -> None:
    import keras
    import tensorflow as tf

    class Positive(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return tf.boolean_mask(x, x[:, 0] > 0)  # as many samples as there are

    with fresh_names_and_seeds(5):
        model = compiled(Positive(name="positive"), inputs=keras.Input((4,)))
        data = [x for x, _, _ in batches(4)]
        told, each = (outputs_over(model, data, statistics=one) for one in (False, True))
    assert calls == [False]
    close(told, each)


def test_the_error_of_a_batch_is_told_as_it_is(calls: list[bool]) -> None:
    model, data = dense()
    data[4] = (data[4][0][:, :3], *data[4][1:])
    with pytest.raises(IntrospectionError, match=r"takes x of shape \[None, 4\], got a batch of shape \[5, 3\]"):
        gradients_over(model, data, statistics=False)
    assert calls == []


def test_what_goes_into_a_call_is_bounded() -> None:
    assert Form((), 10).together == Form((), MOST_BYTES // MOST).together == MOST
    assert Form((), MOST_BYTES // 3).together == 3
    assert Form((), 10 * MOST_BYTES).together == 1
