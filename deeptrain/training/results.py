"""What an epoch came to: the metrics of its training and its validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deeptrain.errors import MISSHAPEN, ArtifactError, in_one_line


@dataclass(frozen=True)
class Validation:
    """The metrics over the whole validation split, within an epoch.

    Attributes:
        iteration: iterations fit before it since the training began.
        metrics: loss and all metrics.
    """

    iteration: int
    metrics: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        """The validation as JSON holds it."""
        return {"iteration": self.iteration, "metrics": dict(self.metrics)}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Validation":
        """The validation that JSON held; "nan" and "inf" become numbers again."""
        return cls(int(value["iteration"]), {str(name): float(one) for name, one in value["metrics"].items()})


@dataclass(frozen=True, slots=True)
class Results:
    """The end of one epoch.

    Attributes:
        epoch: its number, from 1.
        iterations: iterations fit since the training began.
        train: loss and count metrics over the epoch's batches, as they were fit.
        validation: loss and all metrics over the whole validation split at the epoch's end; empty without one.
        learning_rate: of the next iteration.
        key_value: the key metric.
        is_best: whether it is the best so far.
        stopped: why training ends here, or None.
        within: the validations before the epoch's end.
    """

    epoch: int
    iterations: int
    train: Mapping[str, float]
    validation: Mapping[str, float]
    learning_rate: float
    key_value: float
    is_best: bool
    stopped: str | None = None
    within: tuple[Validation, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The results as JSON holds them."""
        return {
            "epoch": self.epoch,
            "iterations": self.iterations,
            "train": dict(self.train),
            "validation": dict(self.validation),
            "learning_rate": self.learning_rate,
            "key_value": self.key_value,
            "best": self.is_best,
            "stopped": self.stopped,
            "within": [one.plain() for one in self.within],
        }

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "Results":
        """The results that JSON held; "nan" and "inf" become numbers again.

        Raises:
            ArtifactError: when they are none.
        """
        try:
            return cls(
                epoch=int(value["epoch"]),
                iterations=int(value["iterations"]),
                train={str(name): float(number) for name, number in value["train"].items()},
                validation={str(name): float(number) for name, number in value["validation"].items()},
                learning_rate=float(value["learning_rate"]),
                key_value=float(value["key_value"]),
                is_best=bool(value["best"]),
                stopped=None if value["stopped"] is None else str(value["stopped"]),
                within=tuple(Validation.from_plain(one) for one in value["within"]),
            )
        except MISSHAPEN as error:
            raise ArtifactError(f"not the results of an epoch: {in_one_line(error)}") from error
