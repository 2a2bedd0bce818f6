"""What an epoch's batches add up to: the mean loss and the confusion counts, in a few numbers that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deeptrain.errors import ArtifactError
from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind, Metric
from deeptrain.metrics.of_output import MetricOfOutput
from deeptrain.training.outputs import kinds


@dataclass(frozen=True)
class Tally:
    """Sums over the iterations of an epoch so far.

    Attributes:
        loss: sum of each iteration's loss times the labels it is a mean over, float64.
        samples: how many labels were fit: one a sample, window or step, padding not counted.
        counts: (tp, fp, fn, tn) at the threshold; for several classes (right, wrong, 0, 0).
        outputs: of several outputs the same of each, by name.
    """

    loss: float = 0.0
    samples: int = 0
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    outputs: Mapping[str, "Tally"] = field(default_factory=dict)

    def plus(
        self,
        losses: Arrays,
        labels: Arrays,
        probabilities: Arrays,
        kind: Kind | Mapping[str, Kind],
        real: np.ndarray | None = None,
        threshold: float = 0.5,
    ) -> "Tally":
        """The tally after a group of iterations.

        Args:
            losses: (iterations,); of several outputs as `Learner.fit` names them.
            labels: (iterations, batch, ...), by output where there are several.
            probabilities: (iterations, batch, ...), the outputs as probabilities or values, likewise.
            kind: of the task, likewise.
            real: (iterations, batch, ...) bool, False for padding, which counts for nothing; by default all is real.
            threshold: probability above which a sample counts as positive.
        """
        if not isinstance(losses, Mapping):
            return self._plus(losses, labels, probabilities, kind, real, threshold)  # type: ignore[arg-type]
        kind = kinds(kind, labels)
        if not isinstance(labels, Mapping) or not isinstance(probabilities, Mapping) or not isinstance(kind, Mapping):
            raise TypeError("losses by output need labels and probabilities by output")
        outputs = {
            name: self.outputs.get(name, Tally())._plus(
                losses[f"{name}.loss"], labels[name], probabilities[name], kind[name], real, threshold
            )
            for name in sorted(labels)
        }
        first = labels[next(iter(outputs))]
        return replace(self._plus(losses["loss"], first, first, "values", real, threshold), outputs=outputs)

    def _plus(
        self,
        losses: np.ndarray,
        labels: np.ndarray,
        probabilities: np.ndarray,
        kind: Kind,
        real: np.ndarray | None,
        threshold: float,
    ) -> "Tally":
        whole = np.full(len(losses), labels.shape[1])
        batches = whole if real is None else real.reshape(len(real), -1).sum(axis=1)
        # One addition an iteration: a sum over the group would depend on how iterations were grouped.
        loss = self.loss
        for value, batch in zip(losses, batches, strict=True):
            loss += float(value) * int(batch)
        counts = self.counts
        if kind != "values" and real is not None:
            labels, probabilities = labels[real], probabilities[real]
        if kind == "binary":
            truth = labels.reshape(-1) > 0.5
            positive = probabilities.reshape(-1) > threshold
            tp, fp, fn = (int(np.sum(part)) for part in (truth & positive, ~truth & positive, truth & ~positive))
            new = (tp, fp, fn, truth.size - tp - fp - fn)
            counts = tuple(old + more for old, more in zip(counts, new, strict=True))  # type: ignore[assignment]
        elif kind == "classes":
            right = int(np.sum(probabilities.argmax(-1).reshape(-1) == labels.reshape(-1)))
            counts = (counts[0] + right, counts[1] + labels.size - right, 0, 0)
        return Tally(loss, self.samples + int(batches.sum()), counts)

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
            tp, fp, fn, tn = (int(count) for count in value["counts"])
            outputs = {str(name): cls.from_plain(one) for name, one in value.get("outputs", {}).items()}
            return cls(float(value["loss"]), int(value["samples"]), (tp, fp, fn, tn), outputs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"a tally holds loss, samples and four counts, got {value!r:.200}") from error
