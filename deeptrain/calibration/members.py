"""Which models make an ensemble, and what each counts for: the weighted mean of their predictions.

The ways to choose are files of their own: `greedy_selection`, `convex_weights`, `every_subset`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain.calibration import convex_weights, diversity, every_subset, greedy_selection
from deeptrain.calibration import folds as dealing
from deeptrain.calibration.diversity import Diversity
from deeptrain.calibration.members_settings import CONVEX, METRICS, MOST_EXACT, Method
from deeptrain.calibration.record import Record
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import checks, names
from deeptrain.metrics.checks import Integers, Scores
from deeptrain.metrics.metric import Kind, Metric


@dataclass(frozen=True)
class Member(Record):
    """One model: its name, what it counts for in the ensemble, and its value alone on the same samples."""

    name: str
    weight: float
    value: float


@dataclass(frozen=True)
class Members(Record):
    """An ensemble, and what is known about it.

    Attributes:
        method: how it was chosen.
        metric: name of the metric that was made best; of a decision it is taken at 0.5.
        members: all that were to choose from, in the order given; those with weight 0 are not in it.
        value: the metric of the ensemble on the samples it was chosen on; see `cross_fitted`.
        cross_fitted: the metric when what is said of each fold is by the ensemble chosen on the others; nan where a
            class has a single sample, or the metric is undefined without a fold.
        alike: the metric when all members count alike, which chooses nothing.
        gap: how far the value is from the best that any weights reach, at most; nan where nothing proves it.
        certified: whether the choice is proven to be the best there is of its kind.
        path: the value after each of the greedy additions; empty for other methods.
        samples: how many were looked at.
        diversity: how differently the members err; its last three for the weights chosen.
        warnings: sentences a user should read before using the ensemble.
    """

    method: Method
    metric: str
    members: tuple[Member, ...]
    value: float
    cross_fitted: float
    alike: float
    gap: float
    certified: bool
    path: tuple[float, ...]
    samples: int
    diversity: Diversity
    warnings: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check what a reader relies on."""
        weights = [member.weight for member in self.members]
        if len(weights) < 2 or min(weights) < 0 or not math.isclose(sum(weights), 1, abs_tol=1e-9):
            raise ValueError(f"weights must be at least 0 and 1 in sum, of at least 2 members, got {weights}")

    @property
    def weights(self) -> dict[str, float]:
        """By name, of the members that count."""
        return {member.name: member.weight for member in self.members if member.weight > 0}

    @property
    def best(self) -> Member:
        """The member that is best alone; of equal ones the first."""
        return _best(self.members, names.get(self.metric))


def choose(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    kind: Kind,
    method: Method = "greedy",
    metric: str | None = None,
    *,
    rounds: int = 50,
    folds: int = 5,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Members:
    """The members of an ensemble and their weights, chosen on some samples.

    greedy: members are added one by one, also again; any metric, never worse than the best member. convex: the weights
    with the least log loss or squared error there are. exact: the best subset whose members count alike, of all there
    are; any metric. The order of the samples does not matter, to the last bit.

    Args:
        labels: binary: (n,) of 0 and 1; classes: (n,) class numbers; values: (n,) or (n, ...) numbers.
        predictions: of each member by its name, at least two; binary: (n,) probabilities; classes: (n, classes)
            probabilities; values: shaped as the labels.
        kind: of the task.
        method: how.
        metric: name of a metric that fits the kind; by default log_loss, or mean_squared_error for values.
        rounds: of the greedy additions.
        folds: parts of the cross-fitting, at least 2.
        seed: decides which sample falls into which part.
        weights: (n,) what each sample counts for in what is made best; one of weight 0 is as if it were not there. In
            `diversity` all count alike.

    Raises:
        DataError: when labels, predictions or weights are not that, told with the member's name, or the metric is
            undefined.
        SettingsError: for an unknown metric or one that does not fit; too many members for every subset of them.
    """
    measure = _measure(metric, kind, method)
    if len(predictions) < 2:
        raise DataError(f"an ensemble needs at least 2 members, got {len(predictions)} ({', '.join(predictions)})")
    if method == "exact" and len(predictions) > MOST_EXACT:
        raise SettingsError(
            f"every subset is looked at of {MOST_EXACT} members at most, got {len(predictions)}; choose greedily"
        )
    problem = _Problem.of(labels, predictions, kind, measure, method, rounds, weights)
    each = np.eye(len(predictions))
    alone = [problem.value(one) for one in each]
    solution = problem.solved()
    if solution is None:
        raise DataError(
            f"{measure.name} is undefined for every member on these {len(problem.labels)} samples; "
            f"they lack a class, or take another metric"
        )
    found, gap, path = solution
    members = tuple(map(Member, predictions, found.tolist(), alone))
    value, cross_fitted = problem.value(found), problem.cross_fitted(folds, seed)
    return Members(
        method=method,
        metric=measure.name,
        members=members,
        value=value,
        cross_fitted=cross_fitted,
        alike=problem.value(each.mean(axis=0)),
        gap=gap,
        certified=method == "exact" or gap <= convex_weights.GAP,
        path=path,
        samples=len(problem.labels),
        diversity=diversity.measure(problem.errors(), problem.right(), found),
        warnings=tuple(_warnings(members, measure, cross_fitted)),
    )


def combine(predictions: Mapping[str, ArrayLike], weights: Mapping[str, float], kind: Kind) -> Scores:
    """The ensemble's predictions, float64, shaped as each member's.

    Args:
        predictions: of each member by its name, all of one shape; those without a weight are not looked at.
        weights: by name, 1 in sum.
        kind: of the task; probabilities stay within [0, 1], which rounding might leave.

    Raises:
        DataError: when a member has no predictions, or other shapes.
    """
    missing = [name for name in weights if name not in predictions]
    if missing:
        raise DataError(f"member {missing[0]!r}: no predictions; there are those of {', '.join(predictions)}")
    chosen = {name: np.asarray(predictions[name], np.float64) for name in weights}
    _one_shape(chosen)
    return _mean(np.stack(list(chosen.values())), np.array(list(weights.values())), kind)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Clean arrays, and how an ensemble is sought in them.

    Attributes:
        labels: (n, ...).
        predictions: (members, n, ...) float64.
        each: (n,) float64, what each sample counts for; None where all count alike.
    """

    labels: NDArray[Any]
    predictions: Scores
    kind: Kind
    metric: Metric
    method: Method
    rounds: int
    classes: Integers = field(repr=False)
    each: Scores | None = field(repr=False)

    @classmethod
    def of(
        cls,
        labels: ArrayLike,
        given: Mapping[str, ArrayLike],
        kind: Kind,
        metric: Metric,
        method: Method,
        rounds: int,
        weights: ArrayLike | None,
    ) -> "_Problem":
        cleaned = {name: _clean(name, labels, one, kind) for name, one in given.items()}
        _one_shape({name: values for name, (_, values) in cleaned.items()})
        truth = next(iter(cleaned.values()))[0]
        predictions = np.stack([values for _, values in cleaned.values()])
        each = checks.weights(weights, len(truth))
        if each is not None:
            some = each > 0
            truth, predictions, each = truth[some], predictions[:, some], checks.unequal(each[some])
        order = _order(truth, predictions if each is None else [*predictions, each])
        truth, predictions, each = truth[order], predictions[:, order], None if each is None else each[order]
        classes = np.zeros(len(truth), np.int64) if kind == "values" else truth.astype(np.int64)
        return cls(truth, predictions, kind, metric, method, rounds, classes, each)

    def value(self, weights: Scores) -> float:
        return self.metric(self.labels, _mean(self.predictions, weights, self.kind), self.each)

    def worth(self, weights: Scores) -> float:
        """The value so that more is better, and undefined worst."""
        value = self.value(weights)
        return -math.inf if math.isnan(value) else value if self.metric.maximize else -value

    def solved(self) -> tuple[Scores, float, tuple[float, ...]] | None:
        """Weights, gap and path; None where the metric is undefined for every member."""
        members = len(self.predictions)
        gap = math.nan
        path: tuple[float, ...] = ()
        if self.method == "greedy":
            weights, path = greedy_selection.choose(self.worth, members, self.rounds)
            path = path if self.metric.maximize else tuple(-value for value in path)
        elif self.method == "exact":
            weights = every_subset.choose(self.worth, members)
        elif self.metric.name == "log_loss":
            weights, gap = convex_weights.of_log_loss(self.given(), self.each)
        else:
            errors = self.errors()
            if self.each is not None:  # the weighted mean of squares is the mean of squares of these
                errors = errors * np.sqrt(self.each / self.each.mean()).reshape(-1, *[1] * (errors.ndim - 2))
            weights, gap = convex_weights.of_squared_error(errors.reshape(members, -1))
        return None if self.worth(weights) == -math.inf else (weights, gap, path)

    def cross_fitted(self, folds: int, seed: int) -> float:
        counts = np.bincount(self.classes)
        if counts[counts > 0].min() < 2:
            return math.nan
        fold = dealing.dealt(self.classes, folds, seed)
        said = np.empty_like(self.predictions[0])
        for held_out in (fold == number for number in range(min(folds, len(self.labels)))):
            solution = self._rows(~held_out).solved()
            if solution is None:
                return math.nan
            said[held_out] = _mean(self.predictions[:, held_out], solution[0], self.kind)
        return self.metric(self.labels, said, self.each)

    def _rows(self, rows: NDArray[np.bool_]) -> "_Problem":
        labels, predictions, classes = self.labels[rows], self.predictions[:, rows], self.classes[rows]
        each = None if self.each is None else self.each[rows]
        return _Problem(labels, predictions, self.kind, self.metric, self.method, self.rounds, classes, each)

    def given(self) -> Scores:
        """(members, n) the probability given to what was true."""
        if self.kind == "binary":
            return np.where(self.labels, self.predictions, 1 - self.predictions)
        return np.asarray(self.predictions[:, np.arange(len(self.labels)), self.labels])

    def errors(self) -> Scores:
        """(members, n, ...) prediction minus truth."""
        if self.kind == "classes":
            return np.asarray(self.predictions - (self.labels[:, None] == np.arange(self.predictions.shape[2])))
        return np.asarray(self.predictions - self.labels)

    def right(self) -> NDArray[np.bool_] | None:
        """(members, n) whether each decision is right."""
        if self.kind == "values":
            return None
        said = self.predictions > 0.5 if self.kind == "binary" else self.predictions.argmax(axis=2)
        return np.asarray(said == self.labels)


def _measure(metric: str | None, kind: Kind, method: Method) -> Metric:
    measure = names.get(METRICS[kind] if metric is None else metric)
    if kind not in measure.kinds:
        raise SettingsError(f"metric {measure.name} does not fit {kind}; those that do: {names.fitting(kind)}")
    if method == "convex" and measure.name not in CONVEX:
        raise SettingsError(f"convex weights are found for {', '.join(CONVEX)}, got {measure.name}; choose greedily")
    return measure


def _clean(name: str, labels: ArrayLike, given: ArrayLike, kind: Kind) -> tuple[NDArray[Any], Scores]:
    try:
        if kind == "binary":
            return checks.binary(labels, given, "predictions")
        if kind == "values":
            return checks.values(labels, given)
        truth, values = checks.classes(labels, given)
        checks.probabilities(values)
    except DataError as error:
        raise DataError(f"member {name!r}: {error}") from error
    return truth, values


def _one_shape(predictions: Mapping[str, Scores]) -> None:
    first, its = next(iter(predictions.items()))
    for name, one in predictions.items():
        if one.shape != its.shape:
            raise DataError(f"members must predict in one shape: {first!r} has {its.shape}, {name!r} has {one.shape}")


def _order(labels: NDArray[Any], predictions: Iterable[Scores]) -> Integers:
    """One order of the samples for all orders they may come in: sums do not then depend on it in their last bits."""
    rows = np.hstack([np.asarray(labels, np.float64).reshape(len(labels), -1), *(
        one.reshape(len(labels), -1) for one in predictions
    )])  # fmt: skip
    return np.argsort(rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0], kind="stable")


def _mean(predictions: Scores, weights: Scores, kind: Kind) -> Scores:
    """The weighted mean of predictions (members, ...), added in the order of the members."""
    total = np.zeros(predictions.shape[1:])
    for weight, one in zip(weights, predictions, strict=True):
        if weight:
            total += weight * one
    return total if kind == "values" else np.clip(total, 0, 1, out=total)


def _best(members: tuple[Member, ...], metric: Metric) -> Member:
    defined = [member for member in members if not math.isnan(member.value)] or members
    return (max if metric.maximize else min)(defined, key=lambda member: member.value)


def _warnings(members: tuple[Member, ...], metric: Metric, cross_fitted: float) -> Iterator[str]:
    chosen = [member for member in members if member.weight > 0]
    best = _best(members, metric)
    if len(chosen) == 1:
        yield f"The ensemble is {chosen[0].name} alone: no other member helps it."
    elif (cross_fitted < best.value) if metric.maximize else (cross_fitted > best.value):
        yield (
            f"Cross-fitted {metric.name} {cross_fitted:.4f} is worse than the {best.value:.4f} of {best.name} alone: "
            f"on samples it has not seen this ensemble does not pay."
        )
