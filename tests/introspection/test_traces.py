"""Compiled functions that are used again: a model that was changed is seen as it is now, and nothing is kept alive."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deeptrain.introspection import gradients, gradients_over, outputs, outputs_over

RNG = np.random.Generator(np.random.Philox(11))
DATA = [
    (RNG.normal(size=(size, 4)).astype(np.float32), RNG.normal(size=(size, 1)).astype(np.float32)) for size in (5, 3)
]


class Seen:
    """A model with a layer of one's own that tells when it is called in Python."""

    def __init__(self) -> None:
        """Build and compile it."""
        import keras
        from keras import layers

        calls = self.calls = []

        class Own(layers.Layer):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(name="own")
                self.factor = 2.0
                self.factors = {"more": [1.0]}

            def call(self, x: Any) -> Any:
                calls.append(1)
                return x * self.factor * self.factors["more"][0]

        self.model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(3, "tanh", name="hidden", kernel_regularizer=keras.regularizers.L2(0.1)),
                Own(),
                layers.Dropout(0.5, name="drop", seed=3),
                layers.Dense(1, name="said"),
            ]
        )
        self.model.compile("sgd", keras.losses.Huber(1.0))
        self.calls.clear()


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


def pull_weights(model: Any) -> None:
    model.set_weights([one + 0.5 for one in model.get_weights()])


def other_loss(model: Any) -> None:
    model.compile("sgd", "mean_squared_error")


def changed_loss(model: Any) -> None:
    model.loss._fn_kwargs["delta"] = 0.01


def patched(model: Any) -> None:
    layer = model.get_layer("hidden")
    before = layer.call
    vars(layer)["call"] = lambda x, **named: before(x, **named) + 1.0


CHANGES: dict[str, Callable[[Any], object]] = {
    "weights": pull_weights,
    "an activation": lambda model: setattr(model.get_layer("hidden"), "activation", abs),
    "a regulariser": lambda model: setattr(model.get_layer("hidden").kernel_regularizer, "l2", 0.7),
    "an attribute": lambda model: setattr(model.get_layer("own"), "factor", 5.0),
    "an attribute within one": lambda model: model.get_layer("own").factors.update({"more": [3.0]}),
    "a frozen layer": lambda model: setattr(model.get_layer("hidden"), "trainable", False),
    "a loss that has changed": changed_loss,
    "a loss": other_loss,
    "a method": patched,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_was_changed_is_traced_anew(change: str) -> None:
    model = Seen().model
    gradients_over(model, DATA)
    outputs_over(model, DATA)
    CHANGES[change](model)
    given, by_weights = outputs_over(model, DATA).sums, gradients_over(model, DATA).sums
    expected = [outputs(model, x) for x, _ in DATA]
    for name, total in given.items():
        np.testing.assert_allclose(total, sum(one[name].sum(0) for one in expected), rtol=1e-5, atol=1e-5)
    each = [gradients(model, x, y) for x, y in DATA]
    assert list(by_weights) == list(each[0])
    for name, total in by_weights.items():
        np.testing.assert_allclose(total, sum(one[name] for one in each), rtol=1e-5, atol=1e-5)


def test_a_model_that_is_as_it_was_is_traced_once_for_each_question(seen: Seen) -> None:
    def asked() -> list[Any]:
        return [
            outputs_over(seen.model, DATA, ["own", "said"]),
            outputs_over(seen.model, DATA, "own"),
            outputs_over(seen.model, DATA, ["own", "drop"], training=True),
            gradients_over(seen.model, DATA),
            gradients_over(seen.model, DATA, penalties=False),
            gradients_over(seen.model, DATA, loss="mean_squared_error"),
        ]

    first, traced = asked(), len(seen.calls)
    assert traced >= 6
    again = asked()
    assert len(seen.calls) == traced
    for one, other in zip(first, again, strict=True):
        assert {name: total.tobytes() for name, total in one.sums.items()} == {
            name: total.tobytes() for name, total in other.sums.items()
        }
    assert not np.allclose(first[3].losses, first[4].losses)
    assert not np.allclose(first[4].losses, first[5].losses)


def test_what_was_traced_for_other_batches_changes_no_bit(seen: Seen) -> None:
    fresh = Seen()
    fresh.model.set_weights(seen.model.get_weights())
    gradients_over(seen.model, DATA, by="outputs")
    after, alone = (gradients_over(one.model, DATA[1:], by="outputs") for one in (seen, fresh))
    assert {name: one.tobytes() for name, one in after.sums.items()} == {
        name: one.tobytes() for name, one in alone.sums.items()
    }


def test_a_layer_that_draws_from_the_global_generator_draws_the_same_again() -> None:
    import keras

    class Noisy(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return self.said(x + keras.random.normal(keras.ops.shape(x)))

        def build(self, shape: Any) -> None:
            self.said = keras.layers.Dense(1, name="said")
            self.said.build(shape)

    model = Noisy()
    model(DATA[0][0])
    first, again = (outputs_over(model, [DATA[0]] * 2).norms["said"] for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert first[0] != first[1]


def test_a_model_that_is_let_go_of_is_freed() -> None:
    one = Seen()
    gradients_over(one.model, DATA)
    outputs_over(one.model, DATA)
    gone = weakref.ref(one.model)
    del one
    gc.collect()
    assert gone() is None
