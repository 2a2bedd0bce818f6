"""Weights, outputs and gradients: those of a computation by hand, of any kind of model, which they leave as it was."""

from typing import Any

import numpy as np
import pytest

from deeptrain.errors import IntrospectionError
from deeptrain.introspection import gradients, outputs, weight_penalties, weights
from deeptrain.training import runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from tests.introspection import by_hand
from tests.numpy_learner import NumpyLearner

RNG = np.random.Generator(np.random.Philox(7))
X = RNG.normal(size=(6, 4)).astype(np.float32)
Y = RNG.normal(size=6).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def tensorflow() -> None:
    """As all tests of a process start it: it cannot be started twice in different ways."""
    runtime.start(1, True)


@pytest.fixture(scope="module")
def plain(tensorflow: None) -> Any:  # noqa: ARG001
    import keras
    from keras import layers

    with fresh_names_and_seeds(5):
        return small(keras, layers)


def small(keras: Any, layers: Any) -> Any:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, "tanh", name="hidden", kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.Dense(1, name="said"),
        ]
    )
    model.compile("adam", "mean_squared_error")
    return model


@pytest.fixture(scope="module")
def everything(tensorflow: None) -> Any:  # noqa: ARG001
    import keras
    from keras import layers

    with fresh_names_and_seeds(5):
        return great(keras, layers)


def great(keras: Any, layers: Any) -> Any:
    """Two inputs, two outputs, a nested model used twice, random and recurrent layers with states."""
    inside = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="dense"), layers.BatchNormalization(name="norm")]
    )
    inside.name = "inside"
    one, two = keras.Input(batch_shape=(6, 4), name="one"), keras.Input(batch_shape=(6, 5, 4), name="two")
    both = layers.Dropout(0.5, name="drop")(inside(inside(one)))
    line, *state = layers.LSTM(3, stateful=True, return_state=True, dropout=0.3, name="memory")(two)
    joined = layers.Concatenate(name="joined")([both, line, state[0]])
    yes, many = layers.Dense(1, "sigmoid", name="dense")(joined), layers.Dense(3, "softmax", name="many")(joined)
    model = keras.Model({"one": one, "two": two}, {"yes": yes, "many": many})
    losses = {"yes": "binary_crossentropy", "many": "sparse_categorical_crossentropy"}
    model.compile("adam", losses, metrics={"yes": ["accuracy"]}, run_eagerly=True)
    model.train_on_batch(*batch())
    return model


def batch() -> tuple[Any, Any]:
    two = np.random.Generator(np.random.Philox(8)).normal(size=(6, 5, 4)).astype(np.float32)
    return {"one": X, "two": two}, {"yes": np.array([0, 1, 1, 0, 1, 0]), "many": np.array([0, 1, 2, 0, 1, 2])}


def test_values_are_those_of_a_computation_by_hand(plain: Any) -> None:
    held = weights(plain)
    assert list(held) == ["hidden/kernel", "hidden/bias", "said/kernel", "said/bias"]
    by_sample = RNG.random(6).astype(np.float32)
    for penalties in (True, False):
        expected = by_hand.dense([*held.values()], X, Y[:, None], by_sample, 0.1 if penalties else 0.0)
        seen = outputs(plain, X)
        np.testing.assert_allclose(seen["hidden"], expected["hidden"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen["said"], expected["said"], rtol=1e-5, atol=1e-6)
        found = gradients(plain, X, Y, weights=by_sample, penalties=penalties)
        for name, value in zip(held, expected["by_weights"], strict=True):
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
        found = gradients(plain, X, Y, by="outputs", weights=by_sample, penalties=penalties)
        assert list(found) == ["hidden", "said"]
        np.testing.assert_allclose(found["hidden"], expected["by_hidden"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found["said"], expected["by_said"], rtol=1e-4, atol=1e-6)


def test_a_loss_of_ones_own_and_class_weights_are_taken(plain: Any) -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    by_class = np.array([1.0, 5.0, 0.5], np.float32)[labels]
    found = gradients(plain, X, labels, class_weights={1: 5.0, 2: 0.5})
    expected = gradients(plain, X, labels, weights=by_class)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    doubled = gradients(plain, X, labels, class_weights={1: 5.0, 2: 0.5}, weights=np.full(6, 2.0), penalties=False)
    once = gradients(plain, X, labels, weights=2 * by_class, penalties=False)
    assert all(np.array_equal(doubled[name], once[name]) for name in once)
    said = outputs(plain, X)["said"][:, 0]
    found = gradients(plain, X, Y, "said", by="outputs", loss="mae")["said"]
    np.testing.assert_allclose(found[:, 0], np.sign(said - Y) / 6, rtol=1e-6)
    assert weight_penalties(plain) == {
        "hidden/kernel": pytest.approx(0.1 * (weights(plain)["hidden/kernel"] ** 2).sum(), rel=1e-5)
    }


def test_in_training_mode_layers_act_as_in_training(everything: Any) -> None:
    x, _ = batch()
    seen, trained = outputs(everything, x), outputs(everything, x, training=True)
    assert np.array_equal(seen["drop"], seen["inside@2"])
    assert (trained["drop"] == 0).any()
    np.testing.assert_allclose(trained["inside"].mean(0), 0, atol=1e-2)
    assert np.array_equal(trained["drop"], outputs(everything, x, training=True)["drop"])


def test_nested_shared_and_several_outputs_have_names_in_the_order_of_calls(everything: Any) -> None:
    x, y = batch()
    names = ["memory", "memory:1", "memory:2", "inside/dense", "inside/norm", "inside"]
    again = ["inside/dense@2", "inside/norm@2", "inside@2"]
    seen = outputs(everything, x)
    assert set(seen) == {*names, *again, "drop", "joined", "dense", "many"}
    assert list(seen).index("inside/dense") < list(seen).index("inside") < list(seen).index("inside@2")
    assert seen["memory"].shape == (6, 3)
    found = gradients(everything, x, y)
    assert set(found) == {name for name in weights(everything) if "moving" not in name}
    assert all(found[name].shape == value.shape for name, value in weights(everything).items() if name in found)
    by_outputs = gradients(everything, x, y, by="outputs")
    assert {name: value.shape for name, value in by_outputs.items()} == {n: v.shape for n, v in seen.items()}
    assert not by_outputs["memory:2"].any()  # the loss does not depend on it


def test_nothing_of_the_model_changes(everything: Any) -> None:
    def held() -> list[bytes]:
        layer = everything.get_layer("memory")
        variables = [*everything.variables, *everything.metrics_variables, *everything.optimizer.variables]
        return [one.numpy().tobytes() for one in [*variables, *layer.states]]

    x, y = batch()
    before, python, numpy = held(), np.random.get_state()[1].tobytes(), dict(vars(everything.get_layer("drop")))  # noqa: NPY002
    for training in (False, True):
        outputs(everything, x, training=training)
        gradients(everything, x, y, training=training)
        gradients(everything, x, y, by="outputs", training=training)
    with pytest.raises(IntrospectionError):
        outputs(everything, {"one": X, "two": X}, training=True)
    assert held() == before
    assert vars(everything.get_layer("drop")) == numpy
    assert np.random.get_state()[1].tobytes() == python  # noqa: NPY002


def test_a_subclassed_model_is_looked_into_as_well() -> None:
    import keras
    from keras import layers

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.blocks = [layers.Dense(4, name="block"), layers.Dense(4, name="block")]
            self.last = layers.Dense(1, name="last")

        def call(self, x):  # type: ignore[no-untyped-def]
            for block in self.blocks:
                x = block(x) + x
            return self.last(x)

    model = Net()
    with pytest.raises(IntrospectionError, match="the model net is not built, so it has no weights yet: give it"):
        weights(model)
    model(X)
    names = ["block/kernel", "block/bias", "block#2/kernel", "block#2/bias", "last/kernel", "last/bias"]
    assert list(weights(model)) == names
    assert list(outputs(model, X)) == ["block", "block#2", "last"]
    with pytest.raises(IntrospectionError, match="the model net is not compiled, so it has no loss: compile it, or"):
        gradients(model, X, Y)
    found = gradients(model, X, Y, by="outputs", loss="mean_squared_error")
    np.testing.assert_allclose(found["last"][:, 0], 2 * (outputs(model, X)["last"][:, 0] - Y) / 6, rtol=1e-5)


def test_layers_are_chosen_by_name_pattern_or_index(everything: Any) -> None:
    def names(select: Any) -> list[str]:
        return list(weights(everything, select))

    assert names("many") == names(["many"]) == ["many/kernel", "many/bias"]
    assert names("inside/dense") == ["inside/dense/kernel", "inside/dense/bias"]
    assert names("inside/n*") == names("norm") == [f"inside/norm/{one}" for one in NORM]
    assert names("*kernel") == ["inside/dense/kernel", *CELL, "many/kernel", "dense/kernel"]
    assert names("memory") == names("lstm_cell") == [*CELL, "memory/lstm_cell/bias"]
    index = [layer.name for layer in everything.layers].index("many")
    assert names(index) == names(index - len(everything.layers)) == names("many")
    assert names([index, "dense/bias", "many"]) == ["many/kernel", "many/bias", "dense/bias"]
    assert list(outputs(everything, batch()[0], ["drop", "many"])) == ["drop", "many"]


NORM = ("gamma", "beta", "moving_mean", "moving_variance")
CELL = ["memory/lstm_cell/kernel", "memory/lstm_cell/recurrent_kernel"]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("dens", "no layer or weight of functional.* is called dens; did you mean dense"),
        ("xyz", "no layer or weight of functional.* is called xyz; there are inside, inside/dense"),
        ("q*", r"no layer or weight of functional.* is called q\*; there are"),
        (99, r"functional.* has the layers 0 to \d+, got 99"),
        ("drop", "drop of functional.* has no weights"),
        ([1.5], r"layers are chosen by name, pattern or index, got 1\.5"),
    ],
)
def test_what_matches_nothing_is_refused(everything: Any, select: Any, message: str) -> None:
    with pytest.raises(IntrospectionError, match=message):
        weights(everything, select)


def test_a_name_that_several_have_is_refused() -> None:
    import keras
    from keras import layers

    def inside(name: str) -> Any:
        return keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense")], name=name)

    model = keras.Sequential([keras.Input((4,)), inside("one"), inside("two")], name="both")
    told = r"several of both are called dense: one/dense, two/dense; name one of them in full, or take them all by the "
    with pytest.raises(IntrospectionError, match=told + r"pattern \*dense"):
        outputs(model, X, "dense")
    assert list(outputs(model, X, "*/dense")) == ["one/dense", "two/dense"]


def test_what_has_no_output_or_no_trained_weight_is_refused(everything: Any) -> None:
    x, y = batch()
    with pytest.raises(IntrospectionError, match=r"lstm_cell of .* is called once a step, by a recurrent"):
        outputs(everything, x, "lstm_cell")
    with pytest.raises(IntrospectionError, match=r"inside/norm/moving_mean of .* has no weights that are trained"):
        gradients(everything, x, y, "inside/norm/moving_mean")
    with pytest.raises(IntrospectionError, match="gradients are by weights or by outputs, got 'inputs'"):
        gradients(everything, x, y, by="inputs")  # type: ignore[arg-type]
    with pytest.raises(IntrospectionError, match="class weights are of models with one output"):
        gradients(everything, x, y, class_weights={0: 2.0})


def test_data_of_another_shape_is_refused(plain: Any, everything: Any) -> None:
    with pytest.raises(IntrospectionError, match=r"takes x of shape \[None, 4\], got a batch of shape \[6, 3\]"):
        outputs(plain, X[:, :3])
    with pytest.raises(IntrospectionError, match=r"takes no batch of one of shape \[6, 4\], two of shape \[6, 4\]: "):
        outputs(everything, {"one": X, "two": X})
    with pytest.raises(IntrospectionError, match=r"there is no loss of labels of shape \[4, 7\] and outputs of shape"):
        gradients(plain, X, np.zeros((4, 7)))
    with pytest.raises(IntrospectionError, match="takes no batch of lists of 24 numbers, which are no array: "):
        outputs(plain, X.tolist())
    x, y = batch()
    name = next(iter(y))
    with pytest.raises(IntrospectionError, match=f"there is no loss of labels of .*{name}: none.* and outputs of"):
        gradients(everything, x, {other: labels for other, labels in y.items() if other != name})


def test_what_is_not_finite_is_shown_as_it_is(plain: Any) -> None:
    x = X.copy()
    x[2, 1] = np.nan
    assert np.isnan(outputs(plain, x)["said"][:, 0]).tolist() == [False, False, True, False, False, False]
    assert np.isnan(gradients(plain, x, Y)["hidden/kernel"]).any()


def test_weights_of_any_learner_are_known() -> None:
    assert list(weights(NumpyLearner())) == list(weights(NumpyLearner(), "*"))
    assert list(weights(NumpyLearner(), "weig*")) == ["weights"]
    with pytest.raises(IntrospectionError, match="no variable of NumpyLearner is called weight; did you mean weights"):
        weights(NumpyLearner(), "weight")
    with pytest.raises(IntrospectionError, match="layers are those of a Keras model or its learner, got Num"):
        outputs(NumpyLearner(), X)
