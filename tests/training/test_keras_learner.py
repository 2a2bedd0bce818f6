"""The Keras learner: fused iterations, every variable there is, and no leak into or out of the process."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import TrainingError
from deeptrain.training import arrays, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


def data(groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.normal(size=(groups, 8, 6, 6, 1)).astype(np.float32), rng.integers(0, 2, (groups, 8)).astype(np.uint8)


def convolutional() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def stateful() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(8, 6, 6, 1))
    x = layers.Reshape((6, 6))(inputs)
    x = layers.LSTM(5, stateful=True, dropout=0.2, recurrent_dropout=0.2)(x)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.GaussianNoise(0.1)(x)))


def learner(build: Callable[[], Any] = convolutional, seed: int = 7, **adam: Any) -> KerasLearner:
    import keras

    with fresh_names_and_seeds(seed):
        optimizer = keras.optimizers.Adam(1e-2, **adam)
        return KerasLearner(build(), optimizer, keras.losses.BinaryCrossentropy(), "binary")


def copied(made: KerasLearner) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in made.variables().items()}


def assert_same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert list(one) == list(two)
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


@pytest.mark.parametrize("build", [convolutional, stateful])
@pytest.mark.parametrize("adam", [{}, {"use_ema": True, "ema_overwrite_frequency": 3}, {"clipnorm": 0.5}])
def test_fused_iterations_give_the_bytes_of_single_ones(build: Callable[[], Any], adam: dict[str, Any]) -> None:
    x, y = data(12)
    single, fused = learner(build, **adam), learner(build, **adam)
    losses = np.concatenate([single.fit(x[i : i + 1], y[i : i + 1])[0] for i in range(12)])
    groups = [fused.fit(x[a:b], y[a:b]) for a, b in [(0, 5), (5, 6), (6, 12)]]
    np.testing.assert_array_equal(losses, np.concatenate([group[0] for group in groups]))
    assert_same(copied(single), copied(fused))


@pytest.mark.parametrize("build", [convolutional, stateful])
def test_restoring_into_a_fresh_learner_goes_on_exactly(build: Callable[[], Any]) -> None:
    x, y = data(9)
    first = learner(build)
    first.fit(x[:4], y[:4])
    kept = copied(first)
    second = learner(build, seed=99)
    second.restore(arrays.decode(arrays.encode(kept), __file__))  # type: ignore[arg-type]
    for made in (first, second):
        made.fit(x[4:], y[4:])
    assert_same(copied(first), copied(second))


def test_every_kind_of_state_is_among_the_variables() -> None:
    groups = {name.split("/")[0] for name in learner(stateful).variables()}
    assert groups == {"model", "seeds", "optimizer", "recurrent"}


@pytest.mark.parametrize("build", [convolutional, stateful])
def test_evaluating_and_predicting_change_nothing(build: Callable[[], Any]) -> None:
    x, y = data(3)
    made = learner(build)
    made.fit(x, y)
    before = copied(made)
    made.evaluate(x[0], y[0])
    made.predict(x[1])
    assert_same(before, copied(made))


def test_a_snapshot_does_not_change_when_training_goes_on() -> None:
    x, y = data(6)
    made = learner()
    made.fit(x[:3], y[:3])
    snapshot = made.variables()
    expected = {name: np.array(value) for name, value in snapshot.items()}
    made.fit(x[3:], y[3:])
    assert_same(snapshot, expected)


def test_building_leaves_the_users_generators_and_names_alone() -> None:
    import keras

    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    name = keras.layers.Dense(1).name
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    one, two = learner(), learner()
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    assert list(one.variables()) == list(two.variables())
    assert keras.layers.Dense(1).name == f"dense_{int(name.split('_')[1]) + 1}" if "_" in name else "dense_1"


def test_a_state_of_another_model_is_refused_before_anything_is_set() -> None:
    made = learner()
    before = copied(made)
    lacking = {name: value for name, value in before.items() if "kernel" not in name}
    with pytest.raises(TrainingError, match=r"the state is of another model: it lacks model/0000/.*kernel"):
        made.restore(lacking)
    name = next(name for name in before if name.endswith("conv2d/kernel"))
    with pytest.raises(TrainingError, match=r"conv2d/kernel is float32\[3, 3, 1, 4\], the state has float32\[2, 2\]"):
        made.restore({**before, name: np.zeros((2, 2), np.float32)})
    assert_same(before, copied(made))


def test_randomness_that_no_checkpoint_can_hold_is_refused() -> None:
    import keras
    import tensorflow as tf

    class Hidden(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

    def build() -> Any:
        return keras.Sequential([keras.Input((6, 6, 1)), Hidden(), keras.layers.Flatten(), keras.layers.Dense(1)])

    x, y = data(1)
    with pytest.raises(TrainingError, match=r"no checkpoint can hold \(RandomStandardNormal\): use keras\.random"):
        learner(build).fit(x, y)


def test_the_same_arrays_give_the_same_bytes_whatever_their_order() -> None:
    kept = copied(learner())
    assert arrays.encode(kept) == arrays.encode(dict(reversed(kept.items())))


def test_threads_cannot_change_within_a_process() -> None:
    with pytest.raises(TrainingError, match=r"runs TensorFlow with threads = 1, .* asks for 3 and True: use a fresh"):
        runtime.start(3, True)


def counting() -> Any:
    import keras

    class Counter(keras.layers.Layer):
        """Counts how often it is called, in training or not."""

        def build(self, _: Any) -> None:
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

        def call(self, x: Any) -> Any:
            self.calls.assign_add(1.0)
            return x + 0.001 * self.calls

    return keras.Sequential(
        [keras.Input((6, 6, 1)), Counter(), keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    )


def test_a_layer_that_moves_in_every_call_is_put_back_after_evaluating() -> None:
    x, y = data(3)
    made = learner(counting)
    made.fit(x, y)
    before = copied(made)
    assert next(value for name, value in before.items() if name.endswith("calls")) == 3
    made.evaluate(x[0], y[0])
    made.predict(x[1])
    assert_same(before, copied(made))


def test_a_variable_that_no_checkpoint_holds_is_refused() -> None:
    import keras

    class NoisyLoss(keras.losses.Loss):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(3)

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.ops.mean((y_true - y_pred + keras.random.normal((), seed=self.seeds)) ** 2)

    with fresh_names_and_seeds(1):
        made = KerasLearner(convolutional(), keras.optimizers.SGD(), NoisyLoss(), "binary")
    x, y = data(1)
    with pytest.raises(TrainingError, match=r"depends on variables that no checkpoint holds \(seed_generator"):
        made.fit(x, y)


def test_the_configuration_of_the_session_is_in_no_model() -> None:
    import keras

    expected = copied(learner())
    kept = keras.config.floatx(), keras.config.epsilon()
    keras.config.set_floatx("float64")
    keras.config.set_epsilon(1e-2)
    try:
        assert_same(expected, copied(learner()))
        assert (keras.config.floatx(), keras.config.epsilon()) == ("float64", 1e-2)
    finally:
        keras.config.set_floatx(kept[0])
        keras.config.set_epsilon(kept[1])
