"""Estimators of scikit-learn as learners: cut at any iteration, restored without pickle, the same bits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC

from deeptrain.errors import TrainingError
from deeptrain.metrics.metric import Kind
from deeptrain.training import arrays
from deeptrain.training.sklearn_learner import SklearnLearner

ITERATIONS = 6

ESTIMATORS: dict[str, tuple[Callable[[], Any], Kind]] = {
    "SGDClassifier, hinge": (lambda: SGDClassifier(random_state=3), "classes"),
    "SGDClassifier, log": (lambda: SGDClassifier(loss="log_loss", random_state=3, average=True), "binary"),
    "SGDRegressor": (lambda: SGDRegressor(random_state=3, learning_rate="adaptive"), "values"),
    "Perceptron": (lambda: Perceptron(random_state=3), "binary"),
    "MLPClassifier": (lambda: MLPClassifier(hidden_layer_sizes=(8,), random_state=3), "classes"),
    "MLPClassifier, sgd": (lambda: MLPClassifier(hidden_layer_sizes=(8,), solver="sgd", random_state=3), "binary"),
    "MLPRegressor": (lambda: MLPRegressor(hidden_layer_sizes=(8,), random_state=3), "values"),
    "GaussianNB": (GaussianNB, "classes"),
}


def batches(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.Philox(2))
    x = rng.normal(size=(ITERATIONS, 16, 2, 3)).astype(np.float32)
    many = {"binary": 2, "classes": 3, "values": 1}[kind]
    y = rng.normal(size=(ITERATIONS, 16)) if kind == "values" else rng.integers(0, many, (ITERATIONS, 16))
    return x, y


def make(name: str) -> SklearnLearner:
    build, kind = ESTIMATORS[name]
    return SklearnLearner(build(), kind, 3)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_cut_at_any_iteration_and_restored_ends_in_the_same_bits(name: str) -> None:
    x, y = batches(ESTIMATORS[name][1])
    whole = make(name)
    kept, losses = [arrays.encode(whole.variables())], []
    for number in range(ITERATIONS):
        losses.append(whole.fit(x[number : number + 1], y[number : number + 1]).losses)
        kept.append(arrays.encode(whole.variables()))
    assert np.isfinite(np.concatenate(losses)).all()
    cut = make(name)
    for number in range(ITERATIONS):
        cut.restore(arrays.decode(kept[number], __file__))  # type: ignore[arg-type]
        fitted = cut.fit(x[number:], y[number:])
        np.testing.assert_array_equal(fitted.losses, np.concatenate(losses[number:]))
        assert arrays.encode(cut.variables()) == kept[-1]
        np.testing.assert_array_equal(cut.predict(x[0]), whole.predict(x[0]))


def test_losses_are_those_before_the_update_and_judging_changes_nothing() -> None:
    x, y = batches("binary")
    made = make("SGDClassifier, log")
    assert made.fit(x[:1], y[:1]).losses[0] == pytest.approx(np.log(2))
    before = arrays.encode(made.variables())
    loss, _ = made.evaluate(x[1], y[1])
    assert arrays.encode(made.variables()) == before
    assert made.fit(x[1:2], y[1:2]).losses[0] == np.float32(loss)


def test_the_size_of_a_state_does_not_grow_with_the_iterations() -> None:
    x, y = batches("classes")
    made = make("MLPClassifier")
    sizes = {len(arrays.encode(made.variables())) for _ in range(5) if made.fit(x, y)}
    assert len(sizes) == 1


def test_the_learning_rate_is_set_between_iterations() -> None:
    x, y = batches("classes")
    for name in ("SGDClassifier, hinge", "MLPClassifier"):
        made = make(name)
        made.fit(x, y)
        made.learning_rate = 0.25
        assert made.learning_rate == 0.25


def test_samples_that_weigh_nothing_count_for_nothing() -> None:
    x, y = batches("binary")
    weights = np.ones((ITERATIONS, 16), np.float32)
    weights[:, 8:] = 0
    other = np.where(weights > 0, y, 1 - y)
    losses = [make("SGDClassifier, log").fit(x, labels, weights=weights).losses for labels in (y, other)]
    np.testing.assert_array_equal(losses[0], losses[1])


def test_what_an_estimator_refuses_is_told_with_its_name() -> None:
    x, y = batches("binary")
    with pytest.raises(TrainingError, match=r"SGDClassifier.partial_fit: ValueError: Input X contains NaN"):
        make("SGDClassifier, log").fit(np.full_like(x, np.nan), y)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LinearSVC(), "LinearSVC has no partial_fit"),
        (SGDClassifier(), "SGDClassifier: random_state must be a whole number, got None"),
        (SGDClassifier(random_state=1, average=True), "average must be False for several classes, got True"),
        (MLPClassifier(random_state=1, early_stopping=True), "early_stopping must be False"),
        (SGDRegressor(random_state=1).partial_fit([[0.0]], [1.0]), "SGDRegressor was fit already"),
    ],
)
def test_what_could_not_go_on_exactly_is_refused_by_name(estimator: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        SklearnLearner(estimator, "classes")


def test_what_an_estimator_keeps_and_numbers_cannot_bring_back_is_named() -> None:
    made = make("SGDClassifier, log")
    x, y = batches("binary")
    made.fit(x, y)
    made.estimator.memory_ = {"a": 1}
    with pytest.raises(TrainingError, match=r"SGDClassifier.memory_ is a dict, which no checkpoint can bring back"):
        made.variables()


def test_a_state_of_another_estimator_is_refused() -> None:
    x, y = batches("binary")
    one, other = make("SGDClassifier, log"), make("Perceptron")
    one.fit(x, y)
    other.fit(x, y)
    state = one.variables()
    with pytest.raises(TrainingError, match="of another estimator"):
        make("MLPClassifier").restore(state)
    with pytest.raises(TrainingError, match=r"coef_ is float64\[1, 6\], the state has float64\[1, 5\]"):
        other.restore({**other.variables(), "coef_": np.zeros((1, 5))})
