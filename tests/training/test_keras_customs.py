"""What users change of a training: whatever it is, stopping at any iteration and going on changes nothing."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import TrainingError
from deeptrain.training import arrays, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.keras_step import Given
from tests.training.test_keras_learner import assert_same, convolutional, copied, data, plain, stateful

ITERATIONS = 7


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


def own_train_step() -> Any:
    """A subclassed model with a step of its own, noise in it, and a metric that it tells."""
    import keras

    class Noisy(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="noisy")
            self.flatten = keras.layers.Flatten()
            self.drop = keras.layers.Dropout(0.3)
            self.dense = keras.layers.Dense(1, activation="sigmoid")
            self.right = keras.metrics.BinaryAccuracy(name="right")

        def call(self, x: Any, training: bool = False) -> Any:
            return self.dense(self.drop(self.flatten(x), training=training))

        def train_step(self, given: Any) -> Any:
            import tensorflow as tf

            x, y = given
            with tf.GradientTape() as tape:
                said = self(x, training=True)
                loss = self.compute_loss(x=x, y=y, y_pred=said)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply([2 * one for one in gradients], self.trainable_variables)
            self.right.update_state(y, said)
            return {"loss": loss, "right": self.right.result()}

    model = Noisy()
    model(keras.KerasTensor((None, 6, 6, 1)))
    return model


def half_precision() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((6, 6, 1))
    x = layers.Dropout(0.3)(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", dtype="float32")(layers.Flatten()(x)))


def own_fit(model: Any, optimizer: Any, loss: Any, batch: Given, factor: float = 1.0) -> Any:
    """Mixes every sample with the one before it; tells the gradients' norm."""
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model((batch.x + tf.roll(batch.x, 1, 0)) / 2, training=True)
        found = factor * loss(batch.y, outputs, sample_weight=batch.weights)
    gradients = tape.gradient(found, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return {"loss": found, "norm": keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradients[0]))), "outputs": outputs}


def adam(**arguments: Any) -> Callable[[], Any]:
    import keras

    return lambda: keras.optimizers.Adam(**{"learning_rate": 1e-2, **arguments})


def scheduled() -> Any:
    import keras

    return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10), momentum=0.9)


def decaying() -> Any:
    import keras

    return keras.optimizers.AdamW(1e-2, weight_decay=0.1, use_ema=True, gradient_accumulation_steps=2)


def scaled() -> Any:
    """Loss scaling that overflows at once, so that updates are skipped and the scale moves both ways."""
    import keras

    inner = keras.optimizers.Adam(1e-2, use_ema=True, gradient_accumulation_steps=3)
    return keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**19, dynamic_growth_steps=2)


def make(
    build: Callable[[], Any], optimizer: Callable[[], Any], seed: int = 7, *, loss: Any = None, **options: Any
) -> KerasLearner:
    import keras

    with fresh_names_and_seeds(seed, options.get("precision", "float32")):
        given = loss or keras.losses.BinaryCrossentropy()
        return KerasLearner(build(), optimizer(), given, "binary", **options)


CUSTOMS: dict[str, Callable[[int], KerasLearner]] = {
    "own train step": lambda seed: make(own_train_step, adam(), seed),
    "own train step under XLA": lambda seed: make(own_train_step, adam(), seed, jit=True),
    "own fit": lambda seed: make(convolutional, adam(), seed, fit=own_fit),
    "accumulation": lambda seed: make(convolutional, adam(gradient_accumulation_steps=3), seed),
    "clipping by norm": lambda seed: make(convolutional, adam(clipnorm=0.1), seed),
    "clipping by the norm of all": lambda seed: make(convolutional, adam(global_clipnorm=0.1), seed),
    "clipping by value": lambda seed: make(convolutional, adam(clipvalue=0.01), seed),
    "schedule": lambda seed: make(convolutional, scheduled, seed),
    "moving averages": lambda seed: make(stateful, adam(use_ema=True, ema_momentum=0.5), seed),
    "decay, averages, accumulation": lambda seed: make(convolutional, decaying, seed),
    "half precision, averaged, in parts": lambda seed: make(half_precision, scaled, seed, precision="mixed_float16"),
    "brain floats": lambda seed: make(half_precision, adam(), seed, precision="mixed_bfloat16"),
    "XLA": lambda seed: make(convolutional, adam(), seed, jit=True),
}


def fit(made: KerasLearner, first: int, last: int) -> dict[str, np.ndarray]:
    x, y = data(ITERATIONS)
    fitted = made.fit(x[first:last], y[first:last])
    return {"loss": fitted.losses, **fitted.metrics}


@pytest.mark.parametrize("custom", CUSTOMS)
def test_a_learner_cut_at_any_iteration_and_restored_ends_in_the_same_bits(custom: str) -> None:
    whole, cut = CUSTOMS[custom](7), CUSTOMS[custom](99)
    kept = [arrays.encode(whole.variables())]
    singles = []
    for number in range(ITERATIONS):
        singles.append(fit(whole, number, number + 1))
        kept.append(arrays.encode(whole.variables()))
    expected = copied(whole)
    for number in range(ITERATIONS):
        cut.restore(arrays.decode(kept[number], __file__))  # type: ignore[arg-type]
        told = fit(cut, number, ITERATIONS)  # the rest in one call
        assert_same(expected, copied(cut))
        for name, values in told.items():
            np.testing.assert_array_equal(values, np.concatenate([one[name] for one in singles[number:]]))


def test_a_restored_learner_that_lacks_one_kind_of_state_would_be_noticed() -> None:
    """The test above is worth something: without the accumulated gradients the weights differ."""
    whole, cut = CUSTOMS["accumulation"](7), CUSTOMS["accumulation"](99)
    fit(whole, 0, 2)
    state = copied(whole)
    cut.restore({name: np.zeros_like(v) if "accumulator" in name else v for name, v in state.items()})
    for made in (whole, cut):
        fit(made, 2, ITERATIONS)
    with pytest.raises(AssertionError):
        assert_same(copied(whole), copied(cut))


def test_loss_scaling_moves_and_skips_updates_that_are_not_finite() -> None:
    made = CUSTOMS["half precision, averaged, in parts"](7)
    scale = next(name for name in made.variables() if name.endswith("dynamic_scale"))
    seen = []
    for number in range(ITERATIONS):
        fit(made, number, number + 1)
        seen.append(float(made.variables()[scale]))
    assert min(seen) < 2.0**19
    assert any(later > earlier for earlier, later in itertools.pairwise(seen))
    assert made.fit(*data(1)).outputs.dtype == np.float32  # type: ignore[union-attr]


def test_what_a_train_step_tells_is_of_each_iteration_alone() -> None:
    x, y = data(3)
    told = make(own_train_step, adam()).fit(x, y)
    assert told.outputs is None
    assert told.losses.dtype == np.float32
    assert list(told.metrics) == ["right"]
    eighths = told.metrics["right"] * 8
    np.testing.assert_array_equal(eighths, eighths.round())  # right ones of 8, never a mean over 16 or 24


def test_an_own_fit_is_given_weights_and_arguments_and_may_tell_outputs() -> None:
    x, y = data(2)
    weights = np.full((2, 8), 0.5, np.float32)
    single = make(plain, adam(), fit=own_fit).fit(x, y)
    weighted = make(plain, adam(), fit=own_fit).fit(x, y, weights=weights)
    factored = make(plain, adam(), fit=functools.partial(own_fit, factor=0.5)).fit(x, y)
    np.testing.assert_allclose(weighted.losses[0], single.losses[0] / 2, rtol=1e-6)
    np.testing.assert_allclose(factored.losses[0], single.losses[0] / 2, rtol=1e-6)
    assert single.metrics["norm"].shape == (2,)
    first = (x[0] + np.roll(x[0], 1, 0)) / 2
    np.testing.assert_allclose(single.outputs[0], make(plain, adam()).predict(first), rtol=1e-5)  # type: ignore[index]


def test_an_own_evaluate_judges() -> None:
    def evaluate(model: Any, loss: Any, batch: Given) -> Any:
        outputs = 1 - model(batch.x, training=False)
        return loss(batch.y, outputs), outputs

    x, y = data(1)
    made, usual = make(plain, adam(), evaluate=evaluate), make(plain, adam())
    loss, outputs = made.evaluate(x[0], 1 - y[0])
    expected, normal = usual.evaluate(x[0], y[0])
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(outputs, 1 - np.asarray(normal), rtol=1e-6)


def test_a_test_step_of_the_models_own_tells_the_loss_it_is_judged_by() -> None:
    import keras

    class Judged(keras.Sequential):
        def test_step(self, given: Any) -> Any:
            return {"loss": keras.ops.mean(self(given[0])) + 5.0}

    def build() -> Any:
        return Judged([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])

    x, y = data(1)
    made = make(build, adam())
    loss, outputs = made.evaluate(x[0], y[0])
    assert loss == pytest.approx(5 + np.mean(outputs), rel=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda loss, _: {"cost": loss}, "must return a mapping in which the loss is called loss, got cost"),
        (lambda loss, x: {"loss": loss, "all": x}, "all must be one number an iteration, got <tf.Tensor"),
        (lambda *_: None, "own: loss must be one number an iteration, got None"),
    ],
)
def test_what_a_step_may_return_is_said(returned: Callable[..., Any], message: str) -> None:
    def own(model: Any, optimizer: Any, loss: Any, batch: Given) -> Any:  # noqa: ARG001
        return returned(loss(batch.y, model(batch.x)), batch.x)

    x, y = data(1)
    with pytest.raises(TrainingError, match=message):
        make(plain, adam(), fit=own).fit(x, y)


def test_moving_averages_judge_and_predict_and_change_no_training() -> None:
    x, y = data(ITERATIONS)
    averaging, without = make(convolutional, adam(use_ema=True, ema_momentum=0.5)), make(convolutional, adam())
    np.testing.assert_array_equal(averaging.predict(x[0]), without.predict(x[0]))  # before there are averages
    for number in range(ITERATIONS):
        averaging.fit(x[number : number + 1], y[number : number + 1])
        averaging.evaluate(x[0], y[0])
    without.fit(x, y)
    raw, state = copied(without), copied(averaging)
    assert_same(raw, {name: value for name, value in state.items() if not name.startswith("average/")})
    finished = make(convolutional, adam())
    finished.restore_weights(state)  # what a predictor or an export is made of
    np.testing.assert_array_equal(averaging.predict(x[0]), finished.predict(x[0]))
    assert averaging.evaluate(x[0], y[0])[0] == finished.evaluate(x[0], y[0])[0]
    assert not np.array_equal(averaging.predict(x[0]), without.predict(x[0]))


def test_averages_leave_recurrent_states_to_the_series_being_followed() -> None:
    x, y = data(3)
    averaging, finished = make(stateful, adam(use_ema=True, ema_momentum=0.5)), make(stateful, adam())
    averaging.fit(x, y)
    finished.restore_weights(averaging.variables())
    said = []
    for made in (averaging, finished):
        with made.sequence():
            said.append([made.predict(part) for part in x])
    np.testing.assert_array_equal(said[0], said[1])


def test_the_learning_rate_is_set_between_iterations_exactly_with_and_without_a_schedule() -> None:
    for optimizer in (adam(), scheduled):
        whole, cut = make(plain, optimizer), make(plain, optimizer, 99)
        fit(whole, 0, 2)
        followed = whole.learning_rate
        whole.learning_rate = 1e-3
        assert whole.learning_rate == pytest.approx(1e-3)
        kept = copied(whole)
        fit(whole, 2, 4)
        cut.restore(kept)
        assert cut.learning_rate == whole.learning_rate
        assert cut.schedule_overridden == whole.schedule_overridden == (optimizer is scheduled)
        fit(cut, 2, 4)
        assert_same(copied(whole), copied(cut))
        assert followed != pytest.approx(1e-3)


def test_a_schedule_goes_on_where_the_rate_set_by_hand_ends(caplog: pytest.LogCaptureFixture) -> None:
    made, never = make(plain, scheduled), make(plain, scheduled)
    caplog.set_level("INFO", "deeptrain")
    made.learning_rate = 0.5
    assert "the learning rate is 0.5 from now on, and CosineDecay no longer counts" in caplog.text
    fit(made, 0, 2)
    fit(never, 0, 2)
    assert not np.array_equal(
        copied(made)["model/0000/sequential/dense/kernel"], never.variables()["model/0000/sequential/dense/kernel"]
    )
    made.set_learning_rate(None)
    assert made.learning_rate == never.learning_rate
    made.restore(copied(never))
    for one in (made, never):
        fit(one, 2, ITERATIONS)
    assert_same(copied(made), copied(never))


@pytest.mark.parametrize("jit", [False, True])
def test_a_change_in_the_middle_is_exact_wherever_training_is_cut(jit: bool) -> None:
    import keras

    def change(made: KerasLearner) -> None:
        made.change(
            loss=keras.losses.MeanSquaredError(),
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
            learning_rate=0.05,
            frozen=["conv*", "*batch_normalization"],
        )

    whole, cut = make(convolutional, adam(), jit=jit), make(convolutional, adam(), 99, jit=jit)
    fit(whole, 0, 3)
    change(whole)
    change(cut)
    before = copied(whole)
    assert any("sgd" in name for name in before)
    assert not any("adam" in name for name in before)
    kept = []
    for number in range(3, ITERATIONS):
        kept.append(copied(whole))
        fit(whole, number, number + 1)
    for number, state in enumerate(kept, start=3):
        cut.restore(state)
        fit(cut, number, ITERATIONS)
        assert_same(copied(whole), copied(cut))
    for name, value in copied(whole).items():
        frozen = "conv2d/" in name or "batch_normalization/" in name
        if name.startswith("model/"):
            assert np.array_equal(value, before[name]) == frozen, name
    assert whole.learning_rate == pytest.approx(0.05)


def test_freezing_and_setting_free_keeps_the_optimizers_memory_and_every_name() -> None:
    made = make(convolutional, adam())
    fit(made, 0, 2)
    names = list(made.variables())
    made.change(frozen=["dense"])
    kernel = next(name for name in names if name.endswith("dense/kernel") and name.startswith("model/"))
    before = copied(made)
    fit(made, 2, 4)
    np.testing.assert_array_equal(before[kernel], made.variables()[kernel])
    made.change(frozen=())
    fit(made, 4, 6)
    assert not np.array_equal(before[kernel], made.variables()[kernel])
    assert list(made.variables()) == names


def test_layers_that_the_builder_froze_stay_frozen() -> None:
    import keras

    def build() -> Any:
        frozen = keras.layers.Dense(4, trainable=False, name="kept")
        dense = keras.layers.Dense(1, name="head")
        return keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), frozen, dense])

    made = make(build, adam(), loss=keras.losses.MeanSquaredError())
    made.change(frozen=())
    before = copied(made)
    fit(made, 0, 2)
    changed = {name for name, value in copied(made).items() if not np.array_equal(value, before[name])}
    assert {name for name in changed if name.startswith("model/")} == {
        "model/0002/sequential/head/kernel",
        "model/0003/sequential/head/bias",
    }


def test_a_pattern_that_fits_nothing_and_one_that_leaves_nothing_are_refused() -> None:
    made = make(convolutional, adam())
    with pytest.raises(TrainingError, match=r"no layer of sequential is called conv3d; did you mean .*conv2d"):
        made.change(frozen=["conv3d"])
    with pytest.raises(TrainingError, match=r"nothing of sequential is left to train when \* are frozen"):
        made.change(frozen=["*"])
