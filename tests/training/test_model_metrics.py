"""Metrics that a Keras model computes itself: told of iterations, epochs and validations, and resumed exactly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import SettingsError, TrainingError
from deeptrain.training import Trainer, arrays, on, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.learner import Fitted
from tests.conftest import BUILDER, TOML
from tests.training.test_keras_learner import assert_same, convolutional, copied, data

ITERATIONS = 6


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


def compiled() -> Any:
    """The area under the curve is no mean over batches."""
    import keras

    model = convolutional()
    auc = keras.metrics.AUC(num_thresholds=9, name="area")
    model.compile(metrics=["accuracy", auc], weighted_metrics=[keras.metrics.MeanSquaredError(name="squared")])
    return model


def computing() -> Any:
    """A subclass with metrics of its own, one of which no object tells."""
    import keras

    class Own(keras.Model):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.right = keras.metrics.BinaryAccuracy(name="right")

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            found = super().compute_metrics(x, y, y_pred, sample_weight)
            self.right.update_state(y, y_pred)
            return {**found, "right": self.right.result(), "wrong": 1.0 - self.right.result()}

    inputs = keras.Input((6, 6, 1))
    return Own(inputs=inputs, outputs=keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(inputs)))


def make(build: Callable[[], Any] = compiled, *, jit: bool = False, **adam: Any) -> KerasLearner:
    import keras

    with fresh_names_and_seeds(7):
        optimizer = keras.optimizers.Adam(1e-2, **adam)
        return KerasLearner(build(), optimizer, keras.losses.BinaryCrossentropy(), "binary", jit=jit)


def area(labels: np.ndarray, outputs: np.ndarray) -> float:
    import keras

    metric = keras.metrics.AUC(num_thresholds=9)
    metric.update_state(labels.reshape(-1), outputs.reshape(-1))
    return float(metric.result())


def fit(made: KerasLearner, first: int = 0, last: int = ITERATIONS) -> Fitted:
    x, y = data(ITERATIONS)
    return made.fit(x[first:last], y[first:last])


@pytest.mark.parametrize(
    ("build", "options"),
    [(compiled, {}), (compiled, {"jit": True}), (computing, {"use_ema": True})],
    ids=["compiled", "under XLA", "computed, and averages"],
)
def test_cut_at_any_iteration_they_tell_the_same(build: Callable[[], Any], options: dict[str, Any]) -> None:
    whole, begun, going_on = (make(build, **options) for _ in range(3))
    told = fit(whole).metrics
    assert set(told) == set(whole.metric_names) == set(whole.metrics())
    for cut in range(1, ITERATIONS):  # one goes on by itself, the other is restored each time
        before = fit(begun, cut - 1, cut).metrics
        going_on.restore(arrays.decode(arrays.encode(begun.variables()), Path("state")))
        after = fit(going_on, cut).metrics
        assert_same(copied(whole), copied(going_on))
        assert going_on.metrics() == whole.metrics()
        for name in told:
            np.testing.assert_array_equal(np.concatenate([before[name], after[name]]), told[name][cut - 1 :])


def test_an_iteration_is_told_by_itself_and_an_epoch_as_one() -> None:
    made = make()
    _, y = data(ITERATIONS)
    fitted = fit(made)
    assert made.metric_names == ("accuracy", "area", "squared")
    outputs: Any = fitted.outputs
    each = [area(labels, said) for labels, said in zip(y, outputs, strict=True)]
    np.testing.assert_allclose(fitted.metrics["area"], each, rtol=1e-6)
    assert made.metrics()["area"] == pytest.approx(area(y, outputs), rel=1e-6)
    assert made.metrics()["area"] != pytest.approx(np.mean(each), rel=1e-3), "a mean over batches would be another"
    made.reset_metrics()
    assert set(made.metrics().values()) == {0.0}
    again = fit(made)
    assert made.metrics()["area"] == pytest.approx(area(y, np.asarray(again.outputs)), rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"use_ema": True}], ids=["plain", "averages"])
def test_a_validation_adds_up_its_batches_and_leaves_training_as_it_was(options: dict[str, Any]) -> None:
    made = make(**options)
    x, y = data(ITERATIONS, seed=1)
    fit(made, 0, 3)
    before, epoch = copied(made), made.metrics()
    with made.measuring() as told:
        outputs = [made.evaluate(x[at], y[at])[1] for at in range(ITERATIONS)]
        assert told()["area"] == pytest.approx(area(y, np.stack([np.asarray(one) for one in outputs])), rel=1e-6)
        assert_same(before, copied(made))  # what a checkpoint in the middle of a validation holds
    assert_same(before, copied(made))
    made.evaluate(x[0], y[0])
    assert (made.metrics(), set(told())) == (epoch, set(epoch))


def test_metrics_go_on_when_the_loss_is_changed_by_hand() -> None:
    import keras

    whole, changed = make(), make()
    fit(whole), fit(changed, 0, 3)
    changed.change(loss=keras.losses.BinaryCrossentropy(label_smoothing=0.0))
    fit(changed, 3)
    assert_same(copied(whole), copied(changed))


def test_padding_is_counted_by_no_metric_that_is_given_no_weights() -> None:
    import keras

    x, y = data(1)
    weights = np.array([[1, 1, 1, 1, 1, 1, 1, 0]], np.float32)
    with pytest.raises(TrainingError, match=r"compile\(metrics=...\) would count samples of weight 0"):
        make().fit(x, y, weights=weights)

    def weighted() -> Any:
        model = convolutional()
        model.compile(weighted_metrics=[keras.metrics.BinaryAccuracy(name="right")])
        return model

    made = make(weighted)
    fitted = made.fit(x, y, weights=weights)
    outputs: Any = fitted.outputs
    right = ((outputs[0, :7, 0] > 0.5) == (y[0, :7] > 0.5)).mean()
    assert fitted.metrics["right"][0] == pytest.approx(right)


def test_a_metric_that_tells_several_numbers_is_refused() -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(metrics=[keras.metrics.F1Score(average=None, name="each")])
    with pytest.raises(TrainingError, match="its metric each must tell one number"):
        KerasLearner(model, keras.optimizers.SGD(), keras.losses.CategoricalCrossentropy(), "values")


COMPILED = (
    BUILDER
    + """

def compiled(data):
    import keras

    model = build(data)
    model.compile(metrics=[keras.metrics.AUC(num_thresholds=9, name="area")])
    return model
"""
)
OF_MODEL = TOML.replace("my_model:build", "my_model:compiled")


def test_a_training_tells_them_and_stopping_changes_nothing(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=OF_MODEL, builder=COMPILED)
    whole = Trainer.from_experiment(file)
    fitted: dict[int, list[tuple[Any, Any]]] = {}

    @on("iteration_end")
    def keep(trainer: Trainer) -> None:
        newest = trainer.newest
        assert newest is not None
        fitted.setdefault(newest.at.epoch, []).append((newest.group.y[0], newest.fitted.outputs[0]))

    whole.callbacks = [keep]
    whole.train()
    cut = Trainer.from_experiment(file, store=file.parent / "runs")
    for step in (3, 2):  # of the 5 iterations of an epoch: in its middle, and at its very end
        cut.step(step)
        cut.validate()
        cut.close()
        cut = Trainer.from_experiment(file, store=file.parent / "runs")
    cut.train()
    assert [one.plain() for one in cut.results] == [one.plain() for one in whole.results]
    assert cut.history().metrics["area"].tobytes() == whole.history().metrics["area"].tobytes()
    assert_same(copied(cut.learner), copied(whole.learner))  # type: ignore[arg-type]
    for results in whole.results:  # of the epoch's own iterations, as they were fit
        y, outputs = (np.concatenate(parts) for parts in zip(*fitted[results.epoch], strict=True))
        assert results.train["area"] == pytest.approx(area(y, outputs), rel=1e-6)
    validated = whole.validated
    assert validated is not None
    assert validated.metrics["area"] == pytest.approx(area(validated.labels, validated.outputs), rel=1e-6)
    cut.close()


def test_a_metric_of_the_same_name_is_refused(make_experiment: Callable[..., Path]) -> None:
    file = make_experiment(toml=OF_MODEL, builder=COMPILED.replace('"area"', '"f1_score"'))
    with pytest.raises(SettingsError, match="metric f1_score: has the name of one that the model computes itself"):
        Trainer.from_experiment(file)


def test_one_of_them_tells_the_best_epoch_where_it_is_said_which_way(make_experiment: Callable[..., Path]) -> None:
    file, values, best = make_experiment(toml=OF_MODEL, builder=COMPILED), {}, {}
    for maximize in (True, False):
        settings = {"training.key_metric": "area", "training.maximize": maximize}
        trainer = Trainer.from_experiment(file, settings=settings)
        trainer.train()
        assert (trainer.key_metric, trainer.maximize) == ("area", maximize)
        values[maximize] = [results.key_value for results in trainer.results]
        assert values[maximize] == [results.validation["area"] for results in trainer.results]
        assert trainer.state.best is not None
        best[maximize] = trainer.state.best.epoch
    assert values[True] == values[False]
    assert best == {True: int(np.argmax(values[True])) + 1, False: int(np.argmin(values[True])) + 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"key_metric": "area"},
            r"training.key_metric: expected loss or one of metrics \(f1_score, accuracy\); one that",
        ),
        (
            {"key_metric": "f1_score", "maximize": True},
            "training.maximize: f1_score tells itself whether more of it is",
        ),
        ({"key_metric": "aera", "maximize": True}, r"key_metric aera: maximize is said only of .* itself \(area\)"),
    ],
)
def test_a_key_metric_of_the_model_that_cannot_be_is_told(
    settings: dict[str, Any], message: str, make_experiment: Callable[..., Path]
) -> None:
    file = make_experiment(toml=OF_MODEL, builder=COMPILED)
    with pytest.raises(SettingsError, match=message):
        Trainer.from_experiment(file, settings={f"training.{key}": value for key, value in settings.items()})


def test_without_a_direction_the_models_own_metric_is_no_key_metric(make_experiment: Callable[..., Path]) -> None:
    made = Trainer.from_experiment(make_experiment(toml=OF_MODEL, builder=COMPILED))
    with pytest.raises(SettingsError, match="key_metric area: the model computes it, so say whether more is better"):
        Trainer(made.learner, made.train_data, made.val_data, key_metric="area")
