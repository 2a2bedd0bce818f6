"""The health of a model as a table."""

from typing import Any

import numpy as np
import pytest

from deeptrain.introspection import gradients, health_table
from deeptrain.introspection.health import Rules
from deeptrain.training import runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from tests.numpy_learner import NumpyLearner


@pytest.fixture(scope="module")
def model() -> Any:
    import keras
    from keras import layers

    runtime.start(1, True)
    with fresh_names_and_seeds(5):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(3, name="first", bias_initializer="ones"),
                layers.Dense(2, name="second", bias_initializer="ones"),
                layers.Dense(1, name="third", bias_initializer="ones"),
            ]
        )
        model.compile("adam", "mean_squared_error")
    return model


def test_a_verdict_of_each_layer_and_what_to_try(model: Any) -> None:
    kernel = np.full((3, 2), 0.5, np.float32)
    kernel[0] = np.nan, 0
    model.get_layer("second").set_weights([kernel, np.array([0, 50], np.float32)])
    table = health_table(model, rules=Rules(large=10))
    assert [row.layer for row in table.rows] == ["first", "second", "third"]
    assert [row.verdict for row in table.rows] == [
        "healthy",
        "12.5 % of its weights are NaN; 12.5 % of its weights are below 1e-07; 12.5 % of its weights are above 10",
        "healthy",
    ]
    assert [one.kind for one in table.findings] == ["nan", "dead", "large"]
    lines = str(table).splitlines()
    assert lines[0].split() == ["layer", "numbers", "rms", "NaN", "inf", "dead", "large", "gradients", "verdict"]
    assert lines[1].startswith("first        15  ")
    assert lines[1].endswith("  healthy")
    assert "12.5 %" in lines[2]
    assert lines[3].startswith("        try a lower learning rate, gradient clipping, or a look at the data")
    assert repr(table) == str(table)


def test_gradients_are_those_given_or_what_the_optimizer_keeps(model: Any) -> None:
    model.get_layer("second").set_weights([np.full((3, 2), 0.5), np.ones(2)])
    model.get_layer("third").set_weights([np.zeros((2, 1)), np.ones(1)])
    x, y = np.ones((3, 4), np.float32), np.zeros(3, np.float32)
    table = health_table(model, gradients=gradients(model, x, y))
    verdicts = {row.layer: row.verdict for row in table.rows}
    assert verdicts["first"] == "no gradient has come to its kernel, bias"
    assert verdicts["second"] == "no gradient has come to its kernel, bias"
    assert verdicts["third"].startswith("66.7 % of its weights are below 1e-07")
    model.train_on_batch(x, y)
    kept = {row.layer: row.numbers for row in health_table(model).rows}
    assert list(kept) == ["first", "second", "third"]
    assert kept["third"].gradients.rms > 0
    assert kept["first"].unreached == ("kernel", "bias")


def test_any_learner_has_one() -> None:
    assert [row.layer for row in health_table(NumpyLearner()).rows]


def test_a_new_model_is_healthy_and_so_is_one_in_mixed_precision() -> None:
    import keras
    from keras import layers

    with fresh_names_and_seeds(5):
        stack = [
            layers.Bidirectional(layers.GRU(3, name="gru")),
            layers.BatchNormalization(name="norm"),
            layers.Dense(1),
        ]
        model = keras.Sequential([keras.Input((4, 2)), *stack])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    model.compile(optimizer, "mean_squared_error")
    optimizer.build(model.trainable_variables)
    model.get_layer("norm").moving_variance.assign([1e6] * 6)
    assert health_table(model).findings == ()
    x = np.random.Generator(np.random.Philox(1)).normal(size=(8, 4, 2)).astype(np.float32)
    model.train_on_batch(x, x[:, 0, 0])
    rows = {row.layer: row for row in health_table(model).rows}
    assert [row.findings for row in rows.values()] == [()] * 4
    assert all(row.numbers.gradients.size == 2 * row.numbers.weights.size for row in rows.values())
    model.get_layer("norm").moving_mean.assign([np.nan] * 6)
    (found,) = health_table(model).findings
    assert str(found).startswith("norm: 50 % of its states are NaN; try a lower learning rate")
