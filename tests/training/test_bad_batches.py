"""Bad input to a learner: said by name, rule and value before a weight is spoiled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import BatchError, TrainingError, UserCodeError
from deeptrain.settings import Use
from deeptrain.training import building, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from tests.training.test_keras_customs import adam, make
from tests.training.test_keras_learner import assert_same, copied, data, plain, several


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    runtime.start(1, True)


def classes() -> Any:
    import keras

    inputs = keras.Input((6, 6, 1))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs)))


def many_classed(loss: Any = None) -> KerasLearner:
    import keras

    with fresh_names_and_seeds(1):
        given = loss or keras.losses.SparseCategoricalCrossentropy()
        return KerasLearner(classes(), keras.optimizers.SGD(), given, "classes")


@pytest.mark.parametrize("wrong", [3, -1, 255])
def test_a_class_number_that_the_model_has_no_output_for_is_told(wrong: int) -> None:
    made = many_classed()
    x, _ = data(4)
    y = np.zeros((4, 8), np.int64)
    y[2, 5] = wrong
    before = copied(made)
    with pytest.raises(BatchError, match=rf"class numbers from 0 to 2, .* got {wrong} for sample 5") as caught:
        made.fit(x, y)
    assert caught.value.iteration == 2
    assert_same(before, copied(made))


def test_a_class_that_the_loss_ignores_and_labels_that_weigh_nothing_may_be_anything() -> None:
    import keras

    x, _ = data(1)
    y = np.full((1, 8), 7)
    made = many_classed(keras.losses.SparseCategoricalCrossentropy(ignore_class=7))
    y[0, 0] = 1
    made.fit(x, y)
    weights = np.zeros((1, 8), np.float32)
    weights[0, 0] = 8
    with pytest.raises(BatchError, match="got 7 for sample 1"):
        many_classed().fit(x, y)
    made = make(plain, adam())
    made.fit(x, y, weights=weights)


@pytest.mark.parametrize(
    ("loss", "label", "message"),
    [
        ("BinaryCrossentropy", 2, r"labels must be between 0 and 1, for the loss BinaryCrossentropy: got 2.0 for sam"),
        ("Poisson", -1, r"labels must be at least 0, for the loss Poisson: got -1.0 for sample 3"),
        ("BinaryCrossentropy", np.nan, r"labels must be between 0 and 1, .* got nan"),
    ],
)
def test_labels_out_of_the_range_of_their_loss_are_told(loss: str, label: float, message: str) -> None:
    import keras

    x, y = data(2)
    given = y.astype(np.float64)
    given[1, 3] = label
    with pytest.raises(BatchError, match=message):
        make(plain, adam(), loss=getattr(keras.losses, loss)()).fit(x, given)


def test_a_nan_in_the_first_batch_is_told_before_any_weight_is_spoiled() -> None:
    made = make(plain, adam())
    x, y = data(3)
    x[1, 4, 2, 3, 0] = np.nan
    before = copied(made)
    with pytest.raises(BatchError, match=r"holds nan in x, sample 4 \(counted from 0\), place \[2, 3, 0\]") as caught:
        made.fit(x, y)
    assert caught.value.iteration == 1
    assert_same(before, copied(made))


def test_a_nan_in_a_later_batch_is_named_when_it_has_spoiled_a_loss() -> None:
    made = make(plain, adam())
    x, y = data(3)
    made.fit(x, y)
    x[2, 0] = np.inf
    with pytest.raises(BatchError, match=r"the batch holds inf in x, sample 0") as caught:
        made.fit(x, y)
    assert caught.value.iteration == 2


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 6), (6, 6, 3)])
def test_a_batch_of_another_shape_is_told(shape: tuple[int, ...]) -> None:
    y = np.zeros((2, 8))
    got = rf"\[8, {', '.join(map(str, shape))}\]"
    message = rf"sequential takes x of shape \[None, 6, 6, 1\], got a batch of shape {got}"
    with pytest.raises(BatchError, match=message):
        make(plain, adam()).fit(np.zeros((2, 8, *shape), np.float32), y)
    made = make(plain, adam())
    made.fit(*data(1))
    with pytest.raises(BatchError, match=message):
        made.fit(np.zeros((2, 8, *shape), np.float32), y)


def test_inputs_by_other_names_and_parts_of_other_lengths_are_told() -> None:
    import keras

    with fresh_names_and_seeds(1):
        made = KerasLearner(several(), keras.optimizers.SGD(), keras.losses.MeanSquaredError(), "values")
    x = {"left": np.zeros((1, 4, 3), np.float32), "write": np.zeros((1, 4, 5, 2), np.float32)}
    with pytest.raises(BatchError, match="takes the inputs left, right, the batch has left, write"):
        made.fit(x, {"yes": np.zeros((1, 4, 1)), "which": np.zeros((1, 4, 3))})
    x, y = data(1)
    with pytest.raises(BatchError, match=r"all parts of a batch must have as many samples, got x 8, y 7"):
        make(plain, adam()).fit(x, y[:, :7])


def test_a_model_that_is_not_built_or_not_compiled_is_told() -> None:
    import keras

    unbuilt = keras.Sequential([keras.layers.Dense(1)], name="new")
    with pytest.raises(TrainingError, match=r"the model new is not built, so it has no weights yet: give it a keras.I"):
        make(lambda: unbuilt, adam())
    with pytest.raises(TrainingError, match="is not compiled: call its compile"):
        KerasLearner.of(plain(), "binary")


def test_a_model_that_its_owner_compiled_is_taken_as_it_is() -> None:
    with fresh_names_and_seeds(7):
        model = plain()
        model.compile(adam()(), "binary_crossentropy")
        mine = KerasLearner.of(model, "binary")
    usual = make(plain, adam())
    x, y = data(3)
    np.testing.assert_allclose(mine.fit(x, y).losses, usual.fit(x, y).losses, rtol=1e-6)


def test_a_state_of_another_optimizer_is_told_apart_from_one_of_another_model() -> None:
    import keras

    made, other = make(plain, adam()), make(plain, lambda: keras.optimizers.SGD())
    before = copied(made)
    with pytest.raises(TrainingError, match=r"the state is of another optimizer: it lacks optimizer/0000/adam/iterat"):
        made.restore(other.variables())
    assert_same(before, copied(made))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("binary_crossentropi", r"did you mean BinaryCrossentropy\?"),
        ("squared_hing", "did you mean SquaredHinge"),
        ("xyz", "known: BinaryCrossentropy, .* Your own is named module:name"),
    ],
)
def test_a_loss_that_does_not_exist_is_told_with_those_near_it(name: str, message: str) -> None:
    with pytest.raises(UserCodeError, match=message):
        building.loss(name, "probabilities", "binary", None)


LOSSES = """
import keras

LIMIT = 2


def plain(y_true, y_pred, gamma=2.0):
    return keras.ops.mean((y_true - y_pred) ** gamma, axis=-1)


def factory(gamma=2.0):
    return lambda y_true, y_pred: plain(y_true, y_pred, gamma)


class Own(keras.losses.Loss):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def call(self, y_true, y_pred):
        return plain(y_true, y_pred, self.gamma)


instance = Own()


def nothing():
    return None


def one(gamma):
    return factory(gamma)
"""


@pytest.mark.parametrize("name", ["plain", "factory", "Own", "instance", "one"])
def test_a_loss_of_ones_own_is_a_function_or_what_makes_one_with_and_without_arguments(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "losses.py").write_text(LOSSES)
    y, outputs = np.array([[1.0], [0.0]], np.float32), np.array([[0.5], [0.25]], np.float32)
    given = {"gamma": 3.0} if name == "one" else {}
    found = building.loss(Use(use=f"losses:{name}", arguments=given), "probabilities", "binary", tmp_path)
    assert np.mean(found(y, outputs)) == pytest.approx(np.mean((y - outputs) ** given.get("gamma", 2.0)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("LIMIT", r"losses:LIMIT: must be a loss, a function of \(y_true, y_pred\), or make one, got 2"),
        ("nothing", r"losses:nothing: must be a loss, a function of \(y_true, y_pred\), or make one, got None"),
        ("one", r"losses:one: raised TypeError: one\(\) missing 1 required positional argument: 'gamma'"),
    ],
)
def test_what_is_no_loss_and_makes_none_is_told(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text(LOSSES)
    with pytest.raises(UserCodeError, match=message):
        building.loss(f"losses:{name}", "probabilities", "binary", tmp_path)


def test_a_step_that_fails_is_told_with_model_and_shapes() -> None:
    def failing(*_: Any) -> Any:
        raise ValueError("no such thing")

    message = (
        r"sequential: a step cannot be traced for a batch of x \[8, 6, 6, 1\], y \[8, 1\]: ValueError: no such thing"
    )
    fitting: Callable[..., Any] = failing
    with pytest.raises(TrainingError, match=message):
        make(plain, adam(), fit=fitting).fit(*data(1))
