"""Each map against scikit-learn and brute force, and the laws all of them keep."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from deeptrain.calibration.maps import logistic, methods
from deeptrain.calibration.maps.score_map import LEAST, log_odds, softmax, targets
from deeptrain.calibration.probabilities import applicable
from deeptrain.errors import ArtifactError


def two_classes(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores that are three times too sure and shifted."""
    generator = np.random.Generator(np.random.Philox(seed))
    true = generator.normal(-1, 1.5, samples)
    labels = (generator.random(samples) < 1 / (1 + np.exp(-true))).astype(np.int64)
    return labels, 1 / (1 + np.exp(-(3 * true + 1)))


def several(samples: int, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers, and outputs that are twice too sure and favour a class."""
    generator = np.random.Generator(np.random.Philox(seed))
    logits = 1.5 * generator.normal(size=(samples, classes))
    labels = (softmax(logits).cumsum(axis=1) > generator.random((samples, 1))).argmax(axis=1)
    return labels, softmax(2 * logits + np.arange(classes) / 4)


class Says(ClassifierMixin, BaseEstimator):
    """Its samples are its decisions: what `CalibratedClassifierCV` is to calibrate."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Says":  # noqa: ARG002 - the interface
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x[:, 0] if len(self.classes_) == 2 else x

    def predict(self, x: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the interface
        raise AssertionError("decisions are what is calibrated")


def by_scikit(method: str, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    x = logits[:, None] if logits.ndim == 1 else logits
    made = CalibratedClassifierCV(FrozenEstimator(Says().fit(x, labels)), method=method, ensemble=False)
    found = made.fit(x, labels).predict_proba(x)
    return found[:, 1] if logits.ndim == 1 else found


def loss(target: np.ndarray, said: np.ndarray) -> float:
    if said.ndim == 1:
        target, said = np.column_stack([1 - target, target]), np.column_stack([1 - said, said])
    return float(-np.mean(np.sum(target * np.log(said), axis=1)))


def test_a_temperature_is_scikit_learns() -> None:
    labels, scores = two_classes(800)
    found = methods.fit("temperature", scores, labels.astype(float))
    theirs = by_scikit("temperature", labels, log_odds(scores))
    assert loss(labels, found.apply(scores)) == pytest.approx(loss(labels, theirs), abs=1e-9)
    np.testing.assert_allclose(found.apply(scores), theirs, atol=1e-6)  # how exactly they minimise
    classes, outputs = several(800)
    exact = np.eye(4)[classes]
    found = methods.fit("temperature", outputs, exact)
    theirs = by_scikit("temperature", classes, np.log(np.clip(outputs, LEAST, 1)))
    assert loss(exact, found.apply(outputs)) == pytest.approx(loss(exact, theirs), abs=1e-9)
    np.testing.assert_allclose(found.apply(outputs), theirs, atol=1e-6)


def test_platts_line_is_scikit_learns() -> None:
    labels, scores = two_classes(800)
    target = targets(labels, 2)[:, 1]
    ours = methods.fit("platt", scores, target).apply(scores)
    theirs = by_scikit("sigmoid", labels, log_odds(scores))
    assert loss(target, ours) <= loss(target, theirs) + 1e-15
    assert loss(target, ours) == pytest.approx(loss(target, theirs), abs=1e-9)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)  # they stop at a gradient of 1e-6


@pytest.mark.parametrize("samples", [1, 2, 5, 400])
@pytest.mark.parametrize("digits", [1, 16])
def test_an_isotonic_curve_is_scikit_learns(samples: int, digits: int) -> None:
    labels, scores = two_classes(samples)
    scores = scores.round(digits)
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, labels)
    asked = np.linspace(0, 1, 1001)
    found = methods.fit("isotonic", scores, labels.astype(float))
    np.testing.assert_allclose(found.apply(asked), theirs.predict(asked), rtol=0, atol=1e-9)


def test_isotonic_of_several_classes_is_scikit_learns() -> None:
    classes, outputs = several(500)
    found = methods.fit("isotonic", outputs, np.eye(4)[classes])
    np.testing.assert_allclose(found.apply(outputs), by_scikit("isotonic", classes, outputs), rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40))
def test_no_other_slopes_and_intercept_are_better(seed: int, samples: int) -> None:
    generator = np.random.Generator(np.random.Philox(seed))
    features = generator.normal(size=(samples, 2))
    target = generator.uniform(0.05, 0.95, samples)
    slopes, intercept = logistic.fit(features, target)

    def worth(point: np.ndarray) -> float:
        values = features @ point[:2] + point[2]
        return float(np.mean(np.logaddexp(0, values) - target * values))

    assert min(slopes) >= 0
    bounds = [(0, None), (0, None), (None, None)]
    best = minimize(worth, np.zeros(3), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15}).fun
    assert worth(np.array([*slopes, intercept])) <= best + 1e-12


@pytest.mark.parametrize("name", applicable(classes=True))
def test_a_vector_of_temperatures_and_the_others_lower_the_loss_on_fresh_data(name: str) -> None:
    classes, outputs = several(1500)
    fresh, said = several(3000, seed=1)
    found = methods.fit(name, outputs, targets(classes, 4)).apply(said)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    before = loss(np.eye(4)[fresh], said)
    assert (loss(np.eye(4)[fresh], found) < before - 0.1) == (name != "none")


AWKWARD = st.one_of(st.just(0.0), st.just(1.0), st.just(5e-324), st.floats(0, 1), st.sampled_from([0.25, 1 - 2.0**-24]))


@pytest.mark.parametrize("name", applicable(classes=False))
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(AWKWARD, st.integers(0, 1)), min_size=1, max_size=30))
def test_whatever_the_scores_a_map_is_finite_never_falls_and_comes_back_from_json(name: str, samples: list) -> None:
    scores, labels = (np.array(column) for column in zip(*samples, strict=True))
    found = methods.fit(name, scores, targets(labels, 2)[:, 1])
    asked = np.unique(np.concatenate([scores, np.linspace(0, 1, 101)]))
    given = found.apply(asked)
    assert ((given >= 0) & (given <= 1)).all()
    assert (np.diff(given) >= 0).all()
    again = methods.restored(json.loads(json.dumps(methods.plain(found))))
    assert again.apply(asked).tobytes() == given.tobytes()
    assert methods.plain(again) == methods.plain(found)


@pytest.mark.parametrize("name", applicable(classes=True))
def test_a_class_without_samples_and_a_single_sample_have_finite_maps(name: str) -> None:
    classes, outputs = several(60, classes=5)
    classes[classes == 3] = 0
    for held in (slice(None), slice(0, 1)):
        found = methods.fit(name, outputs[held], targets(classes[held], 5))
        given = found.apply(np.concatenate([outputs, np.eye(5)]))
        assert np.isfinite(given).all()
        np.testing.assert_allclose(given.sum(axis=1), 1)
        again = methods.restored(json.loads(json.dumps(methods.plain(found))))
        assert again.apply(outputs).tobytes() == found.apply(outputs).tobytes()


def test_separable_samples_are_as_sure_as_one_more_of_each_allows() -> None:
    labels = np.arange(20) >= 10
    scores = np.where(labels, 0.9, 0.1)
    target = targets(labels.astype(np.int64), 2)[:, 1]
    for name in ("temperature", "platt", "beta", "isotonic"):
        np.testing.assert_allclose(methods.fit(name, scores, target).apply(scores), np.where(labels, 11, 1) / 12)
    assert methods.fit("temperature", scores, labels.astype(float)).apply(scores).round(9).tolist() == labels.tolist()


def test_scores_that_say_the_contrary_are_not_turned_round() -> None:
    labels, scores = two_classes(500)
    target = targets(labels, 2)[:, 1]
    for name in ("platt", "beta", "isotonic"):
        given = methods.fit(name, 1 - scores, target).apply(scores)
        np.testing.assert_allclose(given, target.mean(), atol=1e-9)
    assert np.ptp(methods.fit("temperature", 1 - scores, target).apply(scores)) < 2e-5


def test_targets_of_two_classes_are_platts() -> None:
    np.testing.assert_allclose(targets(np.array([0, 0, 0, 1]), 2)[:, 1], [1 / 5, 1 / 5, 1 / 5, 2 / 3])
    np.testing.assert_allclose(targets(np.array([2, 0, 2]), 3).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"^a map to probabilities must name its method, one of none, temperature, vector, platt, beta, isot"),
        ({"method": "os.system"}, r"^a map to probabilities must name its method, "),
        ({"method": "platt", "slope": -1.0, "intercept": 0.0}, r"^platt cannot be read back: slope must be at least 0"),
        ({"method": "platt", "slope": "nan", "intercept": 0.0}, r"^platt cannot be read back: slope must be at least"),
        ({"method": "platt", "slope": 1.0}, r"^platt cannot be read back: Object missing required field intercept"),
        ({"method": "beta", "a": 1.0, "b": 1.0, "c": 0.0, "run": 1}, r"^beta has an unknown field 'run'"),
        ({"method": "isotonic", "scores": [0.2, 0.1], "probabilities": [0.1, 0.2]}, r"^isotonic cannot be read back: "),
        (
            {"method": "temperature", "temperature": 0.0},
            r"^temperature cannot be read back: temperature must be b",
        ),
        ({"method": "vector", "slopes": [1.0], "shifts": []}, r"^vectortemperature cannot be read back: slopes must"),
        ({"method": "vector", "each": [{}]}, r"^vectortemperature has an unknown field 'each'"),
        ({"method": "platt", "each": []}, r"^platt has an unknown field 'each'"),
    ],
)
def test_what_is_no_map_is_told_when_it_is_read(value: object, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        methods.restored(value)


@pytest.mark.parametrize(
    ("made", "name"), [(made, name) for made in (two_classes, several) for name in applicable(made is several)]
)
def test_a_sample_of_weight_two_counts_as_two_in_every_map(made, name: str) -> None:
    labels, outputs = made(200)
    wanted = targets(labels, outputs.shape[1]) if outputs.ndim == 2 else targets(labels, 2)[:, 1]
    weights = np.random.Generator(np.random.Philox(5)).integers(1, 4, 200)
    each = np.repeat(np.arange(200), weights)
    weighed = methods.fit(name, outputs, wanted, weights / weights.mean())
    repeated = methods.fit(name, outputs[each], wanted[each])
    assert weighed.apply(outputs) == pytest.approx(repeated.apply(outputs), abs=1e-6 if name == "vector" else 1e-9)
    assert methods.fit(name, outputs, wanted, np.ones(200)).plain() == methods.fit(name, outputs, wanted).plain()


def test_weighted_maps_are_scikit_learns() -> None:
    labels, scores = two_classes(300)
    weights = np.random.Generator(np.random.Philox(6)).random(300) + 0.1
    weights /= weights.mean()
    curve = IsotonicRegression(out_of_bounds="clip").fit(scores, labels, sample_weight=weights)
    assert methods.fit("isotonic", scores, labels, weights).apply(scores) == pytest.approx(
        curve.predict(scores), abs=1e-9
    )
    wanted = targets(labels, 2, weights)[:, 1]
    sums = np.bincount(labels, weights)
    assert wanted == pytest.approx(np.where(labels, (sums[1] + 1) / (sums[1] + 2), 1 / (sums[0] + 2)), abs=1e-12)
    found = methods.fit("platt", scores, wanted, weights)
    line = minimize(
        lambda at: np.mean(
            weights * (np.logaddexp(0, at[0] * log_odds(scores) + at[1]) - wanted * (at[0] * log_odds(scores) + at[1]))
        ),
        [1.0, 0.0],
        tol=1e-12,
    ).x
    assert (found.slope, found.intercept) == pytest.approx(line, abs=1e-5)
