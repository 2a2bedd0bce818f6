"""A group of iterations that is fit in one call: its losses and outputs, its rows of history, its share of the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deeptrain.errors import BatchError, TrainingError, UnhealthyError
from deeptrain.loading.arrays import Arrays
from deeptrain.loading.feed import Feed, Group
from deeptrain.loading.position import Position
from deeptrain.metrics.metric import Kind
from deeptrain.training import tally as tallies
from deeptrain.training.history import History
from deeptrain.training.learner import Fitted, Learner
from deeptrain.training.metric_choice import AnyMetric
from deeptrain.training.outputs import OutputKind, interpret
from deeptrain.training.tally import Tally


@dataclass(frozen=True)
class FittedGroup:
    """Iterations that were fit in one call; one, where a callback acts at every iteration.

    Attributes:
        at: the position of the first of them.
        last: the position of the last of them.
        group: inputs and labels, (iterations, batch, ...).
        fitted: losses, (iterations,) float32, and outputs, (iterations, batch, ...).
    """

    at: Position
    last: Position
    group: Group
    fitted: Fitted


def fit(learner: Learner, data: Feed, group: Group, at: Position) -> FittedGroup:
    """Fit the group that is at a position of the data.

    Raises:
        TrainingError: when the learner refuses a batch, naming it.
        UnhealthyError: when a loss is not finite, naming the iteration.
    """
    try:
        fitted = learner.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins)
    except BatchError as error:
        raise TrainingError(f"{_place(data, at, error.iteration)}: {error}") from error
    bad = np.flatnonzero(~np.isfinite(fitted.losses))
    if len(bad):
        raise UnhealthyError(f"the loss became {fitted.losses[bad[0]]} in {_place(data, at, int(bad[0]))}")
    # Now: once the batch is left, the way to its last iteration would lead through preprocessors that went on.
    return FittedGroup(at, _behind(data, at, len(group) - 1), group, fitted)


def tallied(
    newest: FittedGroup,
    before: Tally,
    kind: Kind | Mapping[str, Kind],
    outputs: OutputKind,
    metrics: Sequence[AnyMetric],
    threshold: float,
) -> tuple[Tally, dict[str, np.ndarray]]:
    """The epoch's sums behind a group, and the metrics of each of its iterations.

    Args:
        newest: the group.
        before: the sums before it.
        kind: of the task, by output where there are several.
        outputs: what the model's outputs are.
        metrics: those of counts are told of each iteration.
        threshold: above which probability a sample counts as positive.
    """
    group, fitted = newest.group, newest.fitted
    y, losses = group.y, fitted.losses
    by_output: Arrays = losses
    if isinstance(y, Mapping) and all(f"{name}.loss" in fitted.metrics for name in y):
        by_output = {"loss": losses, **fitted.metrics}
    counts: tallies.Counts = {}
    if fitted.outputs is not None and isinstance(fitted.outputs, Mapping) == isinstance(by_output, Mapping):
        # Otherwise a step of the user's own told no outputs, or no loss of each.
        said = interpret(fitted.outputs, kind, outputs)
        counts = tallies.confusion(y, said, kind, group.real, threshold, group.counts_as)
    return before.plus(by_output, counts, y, group.real), {**fitted.metrics, **tallies.by_iteration(counts, metrics)}


def rows(newest: FittedGroup, metrics: Mapping[str, np.ndarray], *, in_parts: bool) -> History:
    """The history of a group, one row an iteration.

    Args:
        newest: the group.
        metrics: by name, (iterations,) float32.
        in_parts: whether the data feeds a batch in several iterations.
    """
    at, steps = newest.at, np.arange(len(newest.group), dtype=np.int64)
    windows = at.window + steps if in_parts else np.zeros_like(steps)
    batches = np.full_like(steps, at.batch) if in_parts else at.batch + steps
    losses = newest.fitted.losses.astype(np.float32)
    return History(at.iteration + steps, batches, windows, newest.group.counted, losses, metrics)


def _behind(data: Feed, at: Position, iterations: int) -> Position:
    return data.after(at, iterations) if iterations else at


def _place(data: Feed, at: Position, iterations: int) -> str:
    """An iteration in words."""
    at = _behind(data, at, iterations)
    name, sets = data.name(at), ", ".join(map(str, data.sets(at)[:8]))
    return f"epoch {at.epoch}, iteration {at.iteration} (counted from 0), batch {name}, sets {sets}"
