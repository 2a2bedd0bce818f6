"""What an epoch's batches add up to: the mean loss and the confusion counts, in a few numbers that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deeptrain.errors import MISSHAPEN, ArtifactError
from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training.outputs import kinds

Counts = Mapping[str, np.ndarray]
"""By output, "" for an only one, (iterations, 4): (tp, fp, fn, tn); for several classes (right, wrong, 0, 0).

int64, or float64 where samples have weights of their own.
"""

NONE = np.zeros((0, 4), np.int64)


def confusion(
    labels: Arrays,
    probabilities: Arrays,
    kind: Kind | Mapping[str, Kind],
    real: np.ndarray | None = None,
    threshold: float = 0.5,
    weights: np.ndarray | None = None,
) -> Counts:
    """What was right and wrong in each iteration; nothing of outputs that are values.

    Args:
        labels: (iterations, batch, ...), by output where there are several.
        probabilities: (iterations, batch, ...), the outputs as probabilities or values, likewise.
        kind: of the task, likewise.
        real: (iterations, batch, ...) bool, False for padding, which counts for nothing; by default all is real.
        threshold: probability above which a sample counts as positive.
        weights: (iterations, batch) what each sample counts for; by default all count alike.
    """
    told = kinds(kind, labels)
    if isinstance(labels, Mapping) and isinstance(probabilities, Mapping) and isinstance(told, Mapping):
        found = {
            name: _counted(labels[name], probabilities[name], told[name], real, threshold, weights) for name in labels
        }
    else:
        found = {"": _counted(labels, probabilities, told, real, threshold, weights)}  # type: ignore[arg-type]
    return {name: counts for name, counts in found.items() if counts is not None}


def _counted(
    labels: np.ndarray,
    probabilities: np.ndarray,
    kind: Kind,
    real: np.ndarray | None,
    threshold: float,
    weights: np.ndarray | None,
) -> np.ndarray | None:
    if kind == "values":
        return None
    rows = len(labels)
    counted = np.ones(labels.shape, bool) if real is None else np.broadcast_to(real, labels.shape)
    if kind == "classes":
        right = (probabilities.argmax(-1) == labels) & counted
        parts = [right, ~right & counted]
    else:
        truth, positive = labels > 0.5, probabilities.reshape(labels.shape) > threshold
        parts = [truth & positive, ~truth & positive, truth & ~positive, ~truth & ~positive]
        parts = [part & counted for part in parts]
    if weights is None:
        sums = [part.reshape(rows, -1).sum(axis=1) for part in parts]
    else:
        each = weights.astype(np.float64).reshape(weights.shape + (1,) * (labels.ndim - weights.ndim))
        # Each iteration by itself: its sum must not depend on how iterations were grouped.
        sums = [np.array([(one * its).sum() for one, its in zip(part, each, strict=True)]) for part in parts]
    return np.stack([*sums, *[np.zeros_like(sums[0])] * (4 - len(sums))], axis=1)


def by_iteration(counts: Counts, metrics: Sequence[Metric | MetricOfOutput]) -> dict[str, np.ndarray]:
    """The metrics that are made of counts, in each iteration: (iterations,) float32 by name."""
    found = {}
    for metric in metrics:
        output, own = (metric.output, metric.metric) if isinstance(metric, MetricOfOutput) else ("", metric)
        if output in counts and own.from_counts is not None:
            found[metric.name] = np.asarray(own.from_counts(*counts[output].T), np.float32)
    return found


def _samples(labels: Arrays, real: np.ndarray | None) -> np.ndarray:
    """Labels of each iteration that count."""
    if real is not None:
        return np.asarray(real.reshape(len(real), -1).sum(axis=1))
    first: np.ndarray = next(iter(labels.values())) if isinstance(labels, Mapping) else labels
    return np.full(len(first), first.shape[1])


@dataclass(frozen=True)
class Tally:
    """Sums over the iterations of an epoch so far.

    Attributes:
        loss: sum of each iteration's loss times the labels it is a mean over, float64.
        samples: how many labels were fit: one a sample, window or step, padding not counted.
        counts: (tp, fp, fn, tn) at the threshold; for several classes (right, wrong, 0, 0); sums of weights where
            samples have weights of their own.
        outputs: of several outputs the same of each, by name.
    """

    loss: float = 0.0
    samples: int = 0
    counts: tuple[float, float, float, float] = (0, 0, 0, 0)
    outputs: Mapping[str, "Tally"] = field(default_factory=dict)

    def plus(self, losses: Arrays, counts: "Counts", labels: Arrays, real: np.ndarray | None = None) -> "Tally":
        """The tally after a group of iterations.

        Args:
            losses: (iterations,); of several outputs as `Learner.fit` names them.
            counts: of each iteration, see `confusion`.
            labels: (iterations, batch, ...), by output where there are several.
            real: (iterations, batch, ...) bool, False for padding, which counts for nothing; by default all is real.
        """
        if not isinstance(losses, Mapping):
            return self._plus(losses, counts.get("", NONE), _samples(labels, real))
        samples = _samples(labels, real)
        outputs = {
            name: self.outputs.get(name, Tally())._plus(losses[f"{name}.loss"], counts.get(name, NONE), samples)
            for name in sorted(labels)
        }
        return replace(self._plus(losses["loss"], NONE, samples), outputs=outputs)

    def _plus(self, losses: np.ndarray, counts: np.ndarray, samples: np.ndarray) -> "Tally":
        # One addition an iteration: a sum over the group would depend on how iterations were grouped.
        loss = self.loss
        for value, batch in zip(losses, samples, strict=True):
            loss += float(value) * int(batch)
        tp, fp, fn, tn = (_summed(old, more) for old, more in zip(self.counts, counts.T, strict=True))
        return Tally(loss, self.samples + int(samples.sum()), (tp, fp, fn, tn))

    def results(self, metrics: Sequence[Metric | MetricOfOutput]) -> dict[str, float]:
        """The mean loss, and the metrics that are made of counts; of several outputs the mean loss of each, too."""
        found = {"loss": self.loss / self.samples if self.samples else float("nan")}
        if self.outputs:
            of_output = [metric for metric in metrics if isinstance(metric, MetricOfOutput)]
            for name, tally in self.outputs.items():
                told = tally.results([metric.metric for metric in of_output if metric.output == name])
                found |= {f"{name}.{metric}": value for metric, value in told.items()}
            return found
        if any(self.counts):
            for metric in metrics:
                if isinstance(metric, Metric) and metric.from_counts is not None:
                    found[metric.name] = float(metric.from_counts(*self.counts))
        return found

    def plain(self) -> dict[str, Any]:
        """The tally as JSON holds it; floats survive exactly."""
        told: dict[str, Any] = {"loss": self.loss, "samples": self.samples, "counts": list(self.counts)}
        if self.outputs:
            told["outputs"] = {name: tally.plain() for name, tally in self.outputs.items()}
        return told

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Tally":
        """The tally that JSON held.

        Raises:
            ArtifactError: when it is none.
        """
        try:
            tp, fp, fn, tn = (count if isinstance(count, int) else float(count) for count in value["counts"])
            outputs = {str(name): cls.from_plain(one) for name, one in value.get("outputs", {}).items()}
            return cls(float(value["loss"]), int(value["samples"]), (tp, fp, fn, tn), outputs)
        except MISSHAPEN as error:
            raise ArtifactError(f"a tally holds loss, samples and four counts, got {value!r:.200}") from error


def _summed(begun: float, counts: np.ndarray) -> float:
    """One addition an iteration where counts are sums of weights; whole numbers add up in any order."""
    if counts.dtype.kind != "f":
        return begun + int(counts.sum())
    for count in counts.tolist():
        begun += count
    return begun
