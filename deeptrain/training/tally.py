"""What an epoch's batches add up to: the mean loss and the confusion counts, in a few numbers that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deeptrain.errors import ArtifactError
from deeptrain.metrics.metric import Kind, Metric


@dataclass(frozen=True)
class Tally:
    """Sums over the iterations of an epoch so far.

    Attributes:
        loss: sum of each iteration's loss times the labels it is a mean over, float64.
        samples: how many labels were fit: one a sample, window or step, padding not counted.
        counts: (tp, fp, fn, tn) at the threshold; for several classes (right, wrong, 0, 0).
    """

    loss: float = 0.0
    samples: int = 0
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)

    def plus(
        self,
        losses: np.ndarray,
        labels: np.ndarray,
        probabilities: np.ndarray,
        kind: Kind,
        real: np.ndarray | None = None,
        threshold: float = 0.5,
    ) -> "Tally":
        """The tally after a group of iterations.

        Args:
            losses: (iterations,).
            labels: (iterations, batch, ...).
            probabilities: (iterations, batch, ...), the outputs as probabilities or values.
            kind: of the task.
            real: (iterations, batch, ...) bool, False for padding, which counts for nothing; by default all is real.
            threshold: probability above which a sample counts as positive.
        """
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

    def results(self, metrics: Sequence[Metric]) -> dict[str, float]:
        """The mean loss, and the metrics that are made of counts."""
        found = {"loss": self.loss / self.samples if self.samples else float("nan")}
        if any(self.counts):
            for metric in metrics:
                if metric.from_counts is not None:
                    found[metric.name] = float(metric.from_counts(*self.counts))
        return found

    def plain(self) -> dict[str, Any]:
        """The tally as JSON holds it; floats survive exactly."""
        return {"loss": self.loss, "samples": self.samples, "counts": list(self.counts)}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Tally":
        """The tally that JSON held.

        Raises:
            ArtifactError: when it is none.
        """
        try:
            tp, fp, fn, tn = (int(count) for count in value["counts"])
            return cls(float(value["loss"]), int(value["samples"]), (tp, fp, fn, tn))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"a tally holds loss, samples and four counts, got {value!r:.200}") from error
