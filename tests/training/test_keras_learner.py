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
    losses = np.concatenate([single.fit(x[i : i + 1], y[i : i + 1]).losses for i in range(12)])
    groups = [fused.fit(x[a:b], y[a:b]) for a, b in [(0, 5), (5, 6), (6, 12)]]
    np.testing.assert_array_equal(losses, np.concatenate([group.losses for group in groups]))
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


def test_a_sample_that_weighs_nothing_is_as_if_it_were_not_there() -> None:
    """Half a batch with weight 0 and the rest with weight 2: the mean over what is left, in the loss and the step."""
    x, y = data(1)
    weights = np.where(np.arange(8) < 4, 2.0, 0.0).astype(np.float32)
    whole, half = learner(plain), learner(plain)
    loss = whole.fit(x, y, weights=weights[None]).losses
    expected = half.fit(x[:, :4], y[:, :4]).losses
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    for name, value in copied(half).items():
        np.testing.assert_allclose(whole.variables()[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    told, _ = whole.evaluate(x[0], y[0], weights=weights)
    assert told == pytest.approx(whole.evaluate(x[0, :4], y[0, :4])[0], rel=1e-6)


def plain() -> Any:
    import keras

    return keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    )


def test_fused_iterations_with_weights_give_the_bytes_of_single_ones() -> None:
    x, y = data(7)
    weights = np.random.Generator(np.random.Philox(3)).random((7, 8)).astype(np.float32)
    single, fused = learner(), learner()
    losses = [single.fit(x[i : i + 1], y[i : i + 1], weights=weights[i : i + 1]).losses for i in range(7)]
    np.testing.assert_array_equal(np.concatenate(losses), fused.fit(x, y, weights=weights).losses)
    assert_same(copied(single), copied(fused))


def steps() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((5, 2))
    outputs = layers.Dense(1, activation="sigmoid")(layers.LSTM(4, return_sequences=True)(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("labelled", ["series", "steps"])
def test_steps_that_are_padding_change_neither_loss_nor_weights(labelled: str) -> None:
    import keras

    def series_model() -> Any:
        inputs = keras.Input((5, 2))
        return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(keras.layers.LSTM(4)(inputs)))

    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(1, 3, 5, 2)).astype(np.float32)
    mask = np.arange(5) < np.array([5, 2, 4])[:, None]
    y = rng.integers(0, 2, (1, 3, 5) if labelled == "steps" else (1, 3))
    weights = (mask * np.float32(15 / 11))[None] if labelled == "steps" else None
    results = []
    for filling in (0.0, 9.0):
        filled = np.where(mask[None, ..., None], x, np.float32(filling))
        made = learner(steps if labelled == "steps" else series_model)
        loss = made.fit(filled, y, weights=weights, mask=mask[None]).losses
        results.append((loss, copied(made)))
        if labelled == "steps":
            outputs = np.asarray(made.predict(filled[0], mask=mask))[..., 0]
            told, _ = made.evaluate(filled[0], y[0], weights=weights[0], mask=mask)  # type: ignore[index]
            real, said = y[0][mask], outputs[mask].astype(np.float64)
            expected = -np.mean(real * np.log(said) + (1 - real) * np.log(1 - said))
            assert told == pytest.approx(expected, rel=1e-5)  # the mean over what is real, counted once
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert_same(results[0][1], results[1][1])


def test_a_model_that_takes_no_mask_is_refused_when_there_is_padding() -> None:
    import keras

    class Blind(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="blind")
            self.lstm = keras.layers.LSTM(1)

        def build(self, shape: Any) -> None:
            self.lstm.build(shape)

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], 1)

        def call(self, x: Any) -> Any:
            return self.lstm(x)

    def build() -> Any:
        made = Blind()
        made.build((None, 5, 2))
        return made

    x, mask = np.zeros((1, 3, 5, 2), np.float32), np.ones((1, 3, 5), bool)
    with pytest.raises(TrainingError, match=r"blind: its call takes no mask, .* or set training.windows.remainder"):
        learner(build).fit(x, np.zeros((1, 3)), mask=mask)


def several() -> Any:
    import keras
    from keras import layers

    left, right = keras.Input((3,), name="left"), keras.Input((5, 2), name="right")
    joined = layers.Concatenate()([left, layers.LSTM(4)(right)])
    outputs = {"yes": layers.Dense(1, activation="sigmoid")(joined), "which": layers.Dense(3, "softmax")(joined)}
    return keras.Model({"left": left, "right": right}, outputs)


def test_several_inputs_and_outputs_go_by_name_and_fuse_and_resume_exactly() -> None:
    import keras

    rng = np.random.Generator(np.random.Philox(3))
    x = {
        name: rng.normal(size=(6, 4, *shape)).astype(np.float32) for name, shape in (("left", (3,)), ("right", (5, 2)))
    }
    y = {"yes": rng.integers(0, 2, (6, 4)), "which": rng.integers(0, 3, (6, 4))}
    mask = {"right": np.broadcast_to(np.arange(5) < 3, (6, 4, 5))}

    def make() -> KerasLearner:
        losses = {"yes": keras.losses.BinaryCrossentropy(), "which": keras.losses.SparseCategoricalCrossentropy()}
        with fresh_names_and_seeds(7):
            return KerasLearner(several(), keras.optimizers.Adam(1e-2), losses, "classes")

    def part(arrays: dict[str, np.ndarray], first: int, last: int) -> dict[str, np.ndarray]:
        return {name: array[first:last] for name, array in arrays.items()}

    single, fused = make(), make()
    single_fits = [single.fit(part(x, i, i + 1), part(y, i, i + 1), mask=part(mask, i, i + 1)) for i in range(6)]
    both = fused.fit(x, y, mask=mask)
    np.testing.assert_array_equal(np.concatenate([one.losses for one in single_fits]), both.losses)
    assert set(both.metrics) == {"which.loss", "yes.loss"}
    for name, told in both.metrics.items():
        np.testing.assert_array_equal(np.concatenate([one.metrics[name] for one in single_fits]), told)
    np.testing.assert_allclose(both.metrics["which.loss"] + both.metrics["yes.loss"], both.losses, rtol=1e-6)
    assert isinstance(both.outputs, dict)
    assert {name: value.shape for name, value in both.outputs.items()} == {"yes": (6, 4, 1), "which": (6, 4, 3)}
    assert_same(copied(single), copied(fused))
    first = {name: array[0] for name, array in x.items()}
    loss, judged = fused.evaluate(first, {name: array[0] for name, array in y.items()})
    assert loss["loss"] == pytest.approx(loss["which.loss"] + loss["yes.loss"])
    np.testing.assert_array_equal(judged["which"], fused.predict(first)["which"])
    assert_same(copied(single), copied(fused))
