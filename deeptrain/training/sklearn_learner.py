"""A scikit-learn estimator with `partial_fit` as a learner: every number it keeps is a variable by name."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError, in_one_line
from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind
from deeptrain.training.learner import Fitted

_HISTORIES = frozenset({"loss_curve_"})
"""What grows by a number an iteration and is never read: it is emptied, our own histories keep it."""


class SklearnLearner:
    """An estimator, fit a batch at a time by its `partial_fit`.

    The outputs are `predict_proba`, else `decision_function` (logits), else `predict`; before the first iteration they
    are the same for every class, or 0. The loss is the mean log loss of probabilities, hinge loss of decisions, or
    squared error of values, before the update, whatever the estimator itself minimises.

    What the estimator keeps (attributes that are no parameters) is read and set by name: arrays, numbers, lists of
    them, generators, and objects of scikit-learn that hold such. Estimators that keep anything else, or that draw from
    NumPy's global generator, are refused by name. The same versions of scikit-learn are needed to go on exactly.
    """

    def __init__(self, estimator: Any, kind: Kind, classes: int = 2) -> None:
        """Take an estimator that was never fit.

        Args:
            estimator: such as `SGDClassifier(random_state=1)`; its parameters are the caller's to give again.
            kind: of the task.
            classes: how many there are, for `kind` "classes".

        Raises:
            TrainingError: when it has no `partial_fit`, was fit already, or has no seed.
        """
        from sklearn.base import clone

        name = type(estimator).__name__
        if not hasattr(estimator, "partial_fit"):
            raise TrainingError(f"{name} has no partial_fit, so it cannot be fit batch by batch")
        parameters = estimator.get_params(deep=False)
        seed = parameters.get("random_state", 0)
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TrainingError(
                f"{name}: random_state must be a whole number, got {seed!r}: it could not go on exactly"
            )
        if parameters.get("early_stopping"):
            raise TrainingError(f"{name}: early_stopping must be False; the trainer validates and stops")
        if parameters.get("average") and kind == "classes":
            # Its intercepts and their averages are one array then, which no state by names can tell.
            raise TrainingError(f"{name}: average must be False for several classes, got {parameters['average']}")
        self.estimator = estimator
        self.kind: Kind = kind
        self._classes = np.arange(2 if kind == "binary" else classes)
        self._parameters = frozenset(vars(clone(estimator)))  # and what follows from them
        if set(vars(estimator)) - self._parameters:
            raise TrainingError(f"{name} was fit already: give one that was not, and restore its variables")

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,  # noqa: ARG002 - nothing recurrent is here
    ) -> Fitted:
        """Fit batches one after the other: see `Learner.fit`.

        Raises:
            TrainingError: for masks, several inputs, and what the estimator refuses.
        """
        losses, outputs = [], []
        xs, ys = _one(x), _one(y)
        for number in range(len(xs)):
            weight = None if weights is None else weights[number]
            loss, said = self.evaluate(xs[number], ys[number], weights=weight, mask=mask)
            losses.append(loss)
            outputs.append(np.asarray(said))
            self._fit_one(self.estimator, xs[number], ys[number], weight)
        return Fitted(np.asarray(losses, np.float32), np.stack(outputs))

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float, Arrays]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        outputs = np.asarray(self.predict(x, mask=mask))
        return float(np.average(self._losses(outputs, _one(y)), weights=weights)), outputs

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Outputs for a batch: see `Learner.predict`."""
        if mask is not None:
            raise TrainingError(f"{type(self.estimator).__name__} knows no padding: give it whole samples")
        rows = _flat(_one(x))
        if self.kind == "values":
            return self.estimator.predict(rows) if self._fitted else np.zeros(len(rows))
        many = len(self._classes)
        if hasattr(self.estimator, "predict_proba"):
            said = self.estimator.predict_proba(rows) if self._fitted else np.full((len(rows), many), 1 / many)
            return said[:, 1] if self.kind == "binary" else said
        shape = (len(rows), many) if many > 2 else (len(rows),)
        return self.estimator.decision_function(rows) if self._fitted else np.zeros(shape)

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        """Nothing to follow: see `Learner.sequence`."""
        yield

    def variables(self) -> dict[str, np.ndarray]:
        """Every number that the estimator keeps, by name; nothing before the first iteration."""
        kept = {key: value for key, value in vars(self.estimator).items() if key not in self._parameters}
        found: dict[str, np.ndarray] = {}
        for key, value in kept.items():
            if key not in _HISTORIES:
                found.update(_numbers(value, key, type(self.estimator).__name__))
        return {name: np.array(found[name]) for name in sorted(found)}

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`."""
        from sklearn.base import clone

        made = clone(self.estimator)
        if variables:
            if "n_features_in_" not in variables:
                raise TrainingError(f"the state is of no {type(made).__name__}: it lacks n_features_in_")
            # A first batch of zeros makes every attribute there is; then each is set.
            columns = int(variables["n_features_in_"])
            self._fit_one(made, np.zeros((len(self._classes), columns)), self._classes[:], None)
        fresh = SklearnLearner(clone(self.estimator), self.kind, len(self._classes))
        fresh.estimator = made
        there = fresh.variables()
        if there.keys() != variables.keys():
            missing, extra = sorted(there.keys() - variables.keys()), sorted(variables.keys() - there.keys())
            raise TrainingError(
                f"the state is of another estimator than {type(made).__name__}: it lacks "
                f"{', '.join(missing[:3]) or 'nothing'} and has {', '.join(extra[:3]) or 'nothing'} too many"
            )
        for name, value in there.items():
            got = variables[name]
            if (value.shape, value.dtype) != (got.shape, got.dtype):
                raise TrainingError(
                    f"the state is of another estimator: {name} is {value.dtype}{list(value.shape)}, "
                    f"the state has {got.dtype}{list(got.shape)}"
                )
        for key, value in list(vars(made).items()):
            if key not in self._parameters:
                setattr(made, key, [] if key in _HISTORIES else _with_numbers(value, key, variables))
        for key in set(vars(self.estimator)) - self._parameters:
            delattr(self.estimator, key)
        vars(self.estimator).update({k: v for k, v in vars(made).items() if k not in self._parameters})

    @property
    def learning_rate(self) -> float:
        """The rate its parameters name: `eta0` or `learning_rate_init`; NaN if it has none."""
        name = self._rate
        return float(getattr(self.estimator, name)) if name else float("nan")

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        name = self._rate
        if name is None:
            raise TrainingError(f"{type(self.estimator).__name__} has no learning rate to set")
        setattr(self.estimator, name, value)
        optimizer = getattr(self.estimator, "_optimizer", None)
        if optimizer is not None:
            optimizer.learning_rate_init = optimizer.learning_rate = value

    @property
    def _rate(self) -> str | None:
        return next((name for name in ("eta0", "learning_rate_init") if name in self._parameters), None)

    @property
    def _fitted(self) -> bool:
        return hasattr(self.estimator, "n_features_in_")

    def _fit_one(self, estimator: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        more: dict[str, Any] = {} if self.kind == "values" else {"classes": self._classes}
        if weights is not None:
            more["sample_weight"] = weights
        labels = y if self.kind == "values" else y.astype(np.int64)
        try:
            estimator.partial_fit(_flat(x), labels.reshape(len(x)), **more)
        except (TypeError, ValueError) as error:
            raise TrainingError(f"{type(estimator).__name__}.partial_fit: {in_one_line(error)}") from error
        for name in _HISTORIES & vars(estimator).keys():
            setattr(estimator, name, [])

    def _losses(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        labels = y.reshape(len(y))
        if self.kind == "values":
            return np.asarray((outputs - labels) ** 2)
        if not hasattr(self.estimator, "predict_proba"):
            if outputs.ndim == 1:
                return np.asarray(np.maximum(0, 1 - np.where(labels > 0, 1, -1) * outputs))
            signs = np.where(np.arange(outputs.shape[1]) == labels[:, None], 1, -1)
            return np.asarray(np.maximum(0, 1 - signs * outputs).mean(axis=1))
        right = np.where(labels > 0, outputs, 1 - outputs) if outputs.ndim == 1 else outputs[np.arange(len(y)), labels]
        return np.asarray(-np.log(np.maximum(right, np.finfo(np.float64).tiny)))


def _numbers(value: Any, name: str, owner: str) -> Iterator[tuple[str, np.ndarray]]:
    """The numbers in what an estimator keeps, by name; text and None belong to its parameters' consequences.

    Raises:
        TrainingError: for what numbers could not bring back.
    """
    if value is None or isinstance(value, str):
        return
    if isinstance(value, np.random.RandomState):
        _, key, place, *normal = value.get_state(legacy=True)
        yield f"{name}/key", np.asarray(key)
        yield f"{name}/place", np.asarray([place, normal[0]], np.int64)
        yield f"{name}/normal", np.asarray(normal[1], np.float64)
    elif isinstance(value, bool | int | float | np.generic):
        yield name, np.asarray(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        yield name, value
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _numbers(one, f"{name}/{number}", owner)
    elif type(value).__module__.startswith("sklearn."):
        for key, one in getattr(value, "__dict__", {}).items():
            yield from _numbers(one, f"{name}/{key}", owner)
    else:
        raise TrainingError(
            f"{owner}.{name} is a {type(value).__name__}, which no checkpoint can bring back exactly without pickle"
        )


def _with_numbers(value: Any, name: str, numbers: Mapping[str, np.ndarray]) -> Any:
    """The same with the numbers of a state in it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, np.random.RandomState):
        place, cached = map(int, numbers[f"{name}/place"])
        made = np.random.RandomState()
        made.set_state(("MT19937", numbers[f"{name}/key"], place, cached, float(numbers[f"{name}/normal"])))
        return made
    if isinstance(value, bool | int | float):
        return type(value)(numbers[name])
    if isinstance(value, np.generic):
        return value.dtype.type(numbers[name])
    if isinstance(value, np.ndarray):
        return np.array(numbers[name], order="F" if value.flags.f_contiguous and value.ndim > 1 else "C")
    if isinstance(value, list | tuple):
        return type(value)(_with_numbers(one, f"{name}/{number}", numbers) for number, one in enumerate(value))
    for key, one in getattr(value, "__dict__", {}).items():
        setattr(value, key, _with_numbers(one, f"{name}/{key}", numbers))
    return value


def _one(given: Arrays) -> np.ndarray:
    if isinstance(given, Mapping):
        raise TrainingError(f"an estimator takes one input and one label, got {', '.join(given)}")
    return given


def _flat(x: np.ndarray) -> np.ndarray:
    """Samples as rows of float64: estimators keep their weights in the dtype of the first batch."""
    return x.reshape(len(x), -1).astype(np.float64)
