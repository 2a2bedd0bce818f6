"""What a Keras learner keeps on JAX and PyTorch; `test_backend_learner.py` runs it in a process for each."""

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from deeptrain.errors import BatchError, Interrupted, IntrospectionError, TrainingError
from deeptrain.loading.batches import Batches
from deeptrain.shards.reading import Split
from deeptrain.training import Trainer, arrays
from deeptrain.training.backend_learner import BackendLearner
from deeptrain.training.callbacks.layer_histograms import LayerHistograms
from deeptrain.training.callbacks.watch import Watch
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.phases import Phase
from deeptrain.training.progress import Progress
from tests import shard_files
from tests.conftest import one_by_one

ITERATIONS = 7


def data(groups: int = ITERATIONS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(0))
    return rng.normal(size=(groups, 8, 6, 6, 1)).astype(np.float32), rng.integers(0, 2, (groups, 8)).astype(np.uint8)


def convolutional() -> Any:
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def stateful() -> Any:
    inputs = keras.Input(batch_shape=(8, 6, 6, 1))
    x = layers.LSTM(5, stateful=True, dropout=0.2, recurrent_dropout=0.2)(layers.Reshape((6, 6))(inputs))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.GaussianNoise(0.1)(x)))


def small() -> Any:
    return keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dropout(0.3), layers.Dense(1, activation="sigmoid")]
    )


def loud() -> Any:
    """Its gradients overflow in half precision, so the scale of the loss falls as it is trained."""
    return keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Rescaling(20.0), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )


def learner(
    build: Callable[[], Any] = small, seed: int = 7, rate: Any = 1e-2, precision: str = "float32", **adam: Any
) -> BackendLearner:
    with fresh_names_and_seeds(seed, precision):
        made = keras.optimizers.Adam(rate() if callable(rate) else rate, **adam)
        return BackendLearner(build(), made, keras.losses.BinaryCrossentropy(), "binary", precision=precision)


MODELS: dict[str, Callable[..., BackendLearner]] = {
    "convolutional": lambda seed=7: learner(convolutional, seed, clipnorm=0.5),
    "stateful": lambda seed=7: learner(stateful, seed),
    "averaged": lambda seed=7: learner(small, seed, use_ema=True, ema_overwrite_frequency=3),
    "accumulating": lambda seed=7: learner(small, seed, gradient_accumulation_steps=3),
    "averaged and accumulating": lambda seed=7: learner(
        small, seed, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2
    ),
    "in half precision": lambda seed=7: learner(loud, seed, precision="mixed_float16"),
}


def assert_same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert list(one) == list(two)
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_fused_cut_and_restored_anywhere_it_ends_in_the_bytes_of_single_iterations(name: str) -> None:
    """The groups that go on are of every size there is; judging in between changes nothing."""
    x, y = data()
    begins = np.arange(ITERATIONS) % 4 == 0
    single = MODELS[name]()
    kept, losses, outputs = [arrays.encode(single.variables())], [], []
    for number in range(ITERATIONS):
        one = slice(number, number + 1)
        fitted = single.fit(x[one], y[one], begins=begins[one])
        losses.append(fitted.losses)
        outputs.append(fitted.outputs)
        kept.append(arrays.encode(single.variables()))
        single.evaluate(x[0], y[0])
        single.predict(x[1])
        assert arrays.encode(single.variables()) == kept[-1]
    assert len(set(kept)) == ITERATIONS + 1
    other = MODELS[name](seed=99)
    for number in range(ITERATIONS):
        other.restore(arrays.decode(kept[number], __file__))  # type: ignore[arg-type]
        fitted = other.fit(x[number:], y[number:], begins=begins[number:])
        np.testing.assert_array_equal(fitted.losses, np.concatenate(losses[number:]))
        np.testing.assert_array_equal(fitted.outputs, np.concatenate(outputs[number:]))
        assert arrays.encode(other.variables()) == kept[-1]
        np.testing.assert_array_equal(other.predict(x[0]), single.predict(x[0]))


def test_a_loss_is_scaled_less_until_no_gradient_overflows() -> None:
    x, y = data(1)
    made = MODELS["in half precision"]()
    (scale,) = (name for name in made.variables() if name.endswith("dynamic_scale"))
    scales = [float(made.variables()[scale])]
    for _ in range(12):
        made.fit(x, y)
        scales.append(float(made.variables()[scale]))
    assert scales[0] > scales[-1] == scales[-2], scales


def test_every_kind_of_state_is_among_the_variables() -> None:
    made = MODELS["stateful"]()
    assert {name.split("/")[0] for name in made.variables()} == {"model", "seeds", "optimizer", "recurrent"}
    before = made.variables()
    with made.sequence():
        first, second = made.predict(data()[0][0]), made.predict(data()[0][0])
        assert not np.array_equal(first, second)
    assert_same(before, made.variables())


def test_a_snapshot_does_not_change_when_training_goes_on() -> None:
    x, y = data()
    made = learner()
    snapshot = made.variables()
    expected = {name: np.array(value) for name, value in snapshot.items()}
    made.fit(x, y)
    assert_same(snapshot, expected)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Split]:
    """44 samples to fit, so that the last batch is smaller, and 32 to judge."""
    x, y = (part.reshape(-1, *part.shape[2:]) for part in data(10))
    place = tmp_path_factory.mktemp("samples")
    places = {"train": slice(0, 44), "val": slice(48, 80)}
    return [shard_files.split(place / name, x[one], y[one], kind="binary") for name, one in places.items()]


def test_a_trainer_that_is_stopped_at_every_iteration_ends_as_one_that_ran(splits: list[Split]) -> None:
    options: dict[str, Any] = {"epochs": 3, "kind": "binary", "metrics": ["f1_score"]}
    train, val = Batches(splits[0], 8, seed=1, order="samples"), Batches(splits[1], 8)
    watch, histograms = Watch(["weights", "optimizer", "updates", "outputs"]), LayerHistograms(["weights", "outputs"])
    whole = Trainer(learner(), train, val, callbacks=[watch, histograms], **options)
    whole.train()
    assert set(watch.rows()["quantity"].to_pylist()) == {"weights", "optimizer", "updates", "outputs"}
    assert histograms.numbers["outputs"].keys() == {"flatten", "dropout", "dense"}
    stopped: Trainer

    def watch(progress: Progress) -> None:
        if progress.phase == "fit":
            stopped.interrupt()

    two = itertools.cycle([learner(seed=1), learner(seed=2)])
    stopped = Trainer(learner(), train, val, watch=watch, **options)
    one_by_one(stopped)
    stops = 0
    while stopped.position.epoch <= 3:
        try:
            stopped.train()
        except Interrupted:
            stops += 1
            stopped.validate()
            kept = {name: np.array(value) for name, value in stopped.learner.variables().items()}
            stopped.learner = next(two)
            stopped.learner.restore(kept)
    assert stops >= 3 * 5
    assert_same(whole.learner.variables(), stopped.learner.variables())
    assert [result.train for result in stopped.results] == [result.train for result in whole.results]
    assert [result.validation for result in stopped.results] == [result.validation for result in whole.results]
    assert str(whole)


def test_a_rate_set_over_a_schedule_is_in_the_state_and_ends_with_it() -> None:
    x, y = data(4)
    made = learner(rate=lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    made.fit(x[:2], y[:2])
    assert made.learning_rate == pytest.approx(0.05)
    made.learning_rate = 0.25
    kept = {name: np.array(value) for name, value in made.variables().items()}
    made.fit(x[2:], y[2:])
    expected = {name: np.array(value) for name, value in made.variables().items()}
    other = learner(rate=lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    other.restore(kept)
    assert other.learning_rate == 0.25
    other.fit(x[2:], y[2:])
    assert_same(other.variables(), expected)
    before = {name: np.array(value) for name, value in made.variables().items() if name.startswith("model/")}
    made.learning_rate = 0.0
    made.fit(x[2:], y[2:])
    assert_same(before, {name: value for name, value in made.variables().items() if name in before})


def test_several_inputs_and_outputs_go_by_name_and_padding_counts_for_nothing() -> None:
    def build() -> Any:
        inputs = {"a": keras.Input((5, 2), name="a"), "b": keras.Input((3,), name="b")}
        joined = layers.Concatenate()([layers.GRU(4)(inputs["a"]), inputs["b"]])
        return keras.Model(inputs, {"sick": layers.Dense(3)(joined), "cost": layers.Dense(1)(joined)})

    with fresh_names_and_seeds(3):
        losses = {
            "sick": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "cost": keras.losses.MeanSquaredError(),
        }
        made = BackendLearner(
            build(),
            keras.optimizers.SGD(0.1),
            losses,
            {"sick": "classes", "cost": "values"},
            loss_weights={"cost": 2.0},
        )
    rng = np.random.Generator(np.random.Philox(4))
    x = {name: rng.normal(size=(2, 4, *shape)).astype(np.float32) for name, shape in {"a": (5, 2), "b": (3,)}.items()}
    y = {"sick": rng.integers(0, 3, (2, 4)).astype(np.uint8), "cost": rng.normal(size=(2, 4)).astype(np.float32)}
    mask = {"a": np.broadcast_to(np.arange(5) < 3, (2, 4, 5))}
    padded = {**x, "a": np.where(mask["a"][..., None], x["a"], 99).astype(np.float32)}

    def first(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: part[0] for name, part in parts.items()}

    told = [made.evaluate(first(one), first(y), mask=first(mask)) for one in (x, padded)]
    assert told[0][0] == told[1][0]
    fitted = made.fit(padded, y, mask=mask)
    assert sorted(fitted.metrics) == ["cost.loss", "sick.loss"]
    np.testing.assert_allclose(fitted.losses, fitted.metrics["sick.loss"] + 2 * fitted.metrics["cost.loss"], rtol=1e-6)
    assert fitted.losses[0] == pytest.approx(told[0][0]["loss"], rel=1e-6)  # type: ignore[index]


def test_what_could_do_harm_is_told_before_it_does() -> None:
    x, y = data(2)
    made = learner()
    before = {name: np.array(value) for name, value in made.variables().items()}
    with pytest.raises(BatchError, match=r"takes x of shape \[None, 6, 6, 1\], got a batch of shape \[8, 5, 6, 1\]"):
        made.fit(x[:, :, :5], y)
    with pytest.raises(BatchError, match="labels must be between 0 and 1, for the loss BinaryCrossentropy: got 5"):
        made.fit(x, y + 5)
    with pytest.raises(BatchError, match="the batch holds nan in x, sample 0"):
        made.fit(np.full_like(x, np.nan), y)
    lacking = {name: value for name, value in before.items() if "kernel" not in name}
    with pytest.raises(TrainingError, match=r"the state is of another model: it lacks model/0000/.*kernel"):
        made.restore(lacking)
    assert_same(before, made.variables())


def test_what_cannot_be_done_exactly_is_refused() -> None:
    class Own(keras.Model):
        def train_step(self, given: Any) -> Any:
            raise NotImplementedError

    class Hidden(layers.Layer):
        def call(self, x: Any) -> Any:
            STRAY.assign(STRAY + 1)
            return x * STRAY

    def with_own_step() -> Any:
        inputs = keras.Input((6, 6, 1))
        return Own(inputs, layers.Dense(1)(layers.Flatten()(inputs)))

    def with_own_metrics() -> Any:
        made = small()
        made.compile(metrics=["accuracy"])
        return made

    def with_hidden_state() -> Any:
        return keras.Sequential([keras.Input((6, 6, 1)), Hidden(), layers.Flatten(), layers.Dense(1)])

    with pytest.raises(TrainingError, match="a train_step or test_step of its own is run on TensorFlow only"):
        learner(with_own_step)
    with pytest.raises(TrainingError, match=r"metrics of its own .* are computed on TensorFlow only; name them in"):
        learner(with_own_metrics)
    with pytest.raises(TrainingError, match=r"KerasLearner needs Keras on tensorflow, .*: take BackendLearner, or set"):
        KerasLearner(small(), keras.optimizers.SGD(), "mse", "binary")
    with pytest.raises(TrainingError, match="BackendLearner cannot change its loss, frozen while it is trained"):
        Phase(epoch=1, loss="mse", frozen=["dense"]).change(learner(small))
    made = learner(with_hidden_state)
    with pytest.raises(TrainingError, match="training changes variables that no checkpoint holds"):
        made.fit(*data(1))


@pytest.mark.parametrize("callback", [Watch(), LayerHistograms(["gradients"])])
def test_gradients_of_layers_are_refused_before_training(callback: Any, splits: list[Split]) -> None:
    with pytest.raises(IntrospectionError, match="gradients are known of Keras models on TensorFlow, sequential is on"):
        Trainer(learner(), Batches(splits[0], 8), callbacks=[callback])
    Trainer(learner(), Batches(splits[0], 8), callbacks=[type(callback)(["weights", "outputs"])])


def test_each_iteration_draws_anew_and_nobody_else_notices() -> None:
    x, y = data(1)
    x, y = np.repeat(x, 3, 0), np.repeat(y, 3, 0)
    made = learner(rate=0.0)
    with fresh_names_and_seeds(5):
        expected = float(keras.random.normal(()))
    with fresh_names_and_seeds(5):
        outputs = made.fit(x, y).outputs
        assert float(keras.random.normal(())) == expected
    assert isinstance(outputs, np.ndarray)
    assert len({one.tobytes() for one in outputs}) == 3


@pytest.mark.skipif(keras.config.backend() != "torch", reason="modules of PyTorch are layers on PyTorch only")
def test_modules_of_pytorch_draw_what_a_checkpoint_holds_and_buffers_are_refused() -> None:
    import torch

    def build(module: Any) -> Any:
        inputs = keras.Input((6, 6, 1))
        return keras.Model(
            inputs, layers.Dense(1)(layers.TorchModuleWrapper(module, output_shape=(None, 5))(layers.Flatten()(inputs)))
        )

    x, y = data(3)
    torch.random.manual_seed(1)
    whole, cut = (
        learner(lambda: build(torch.nn.Sequential(torch.nn.Linear(36, 5), torch.nn.Dropout(0.5)))) for _ in range(2)
    )
    assert_same(whole.variables(), cut.variables())
    whole.fit(x, y)
    torch.random.manual_seed(2)
    for number in range(3):
        cut.fit(x[number : number + 1], y[number : number + 1])
    assert_same(whole.variables(), cut.variables())
    with pytest.raises(
        TrainingError, match=r"its buffers .*running_mean.* are of modules of PyTorch, and no checkpoint"
    ):
        learner(lambda: build(torch.nn.BatchNorm1d(36)))


STRAY = keras.Variable(1.0, trainable=False)


def test_nothing_of_this_needs_tensorflow() -> None:
    assert keras.config.backend() == os.environ["KERAS_BACKEND"]
    assert "tensorflow" not in sys.modules
