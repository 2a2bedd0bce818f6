"""What the trainer knows now, beside the learner's variables: a value that can be printed and written."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from deeptrain.errors import MISSHAPEN, ArtifactError, in_one_line
from deeptrain.loading.position import Position
from deeptrain.training.results import Validation
from deeptrain.training.tally import Tally


@dataclass(frozen=True)
class Best:
    """The best value of the key metric so far, and the epoch that reached it."""

    epoch: int
    value: float


def best_of(before: Best | None, epoch: int, value: float, *, maximize: bool) -> Best | None:
    """The better of the best epoch so far and another one: the earlier of equals; one without a number is none."""
    if math.isnan(value) or (before is not None and not (value > before.value if maximize else value < before.value)):
        return before
    return Best(epoch, value)


@dataclass(frozen=True)
class RollBack:
    """An epoch that was begun anew with a lower learning rate, and why."""

    epoch: int
    reason: str


@dataclass(frozen=True)
class TrainState:
    """Where training stands; with the learner's variables it is everything a run needs to go on.

    Attributes:
        position: the next iteration to be fit.
        tally: sums over this epoch's iterations so far.
        batches: fit to their end since the training began.
        validations: how often the whole validation split was judged.
        validated: the iteration before which it was judged last, None before the first time.
        within: the validations of this epoch so far.
        threshold: above which probability a sample counts as positive in the metrics of training and validation.
        interventions: how many changes by hand have acted.
        best: the best epoch so far, None before the first has ended.
        stopping: why training ends with this epoch, None while it goes on.
        stopped: why training ended before the epochs asked for, None while it has not.
        roll_backs: epochs that were begun anew, in order.
        magnitudes: of each layer when its health was looked at last, where training is stopped or rolled back by it.
        callbacks: what each callback keeps, by its name.
        preprocessors: what each preprocessor that keeps something keeps, by its place and kind ("0:Mean"); one that
            came with a phase by the epoch of that, too ("5/0:Mean").
        preprocessors_before: what those of its data kept when the batch of the newest iteration began.
    """

    position: Position = field(default_factory=Position)
    tally: Tally = field(default_factory=Tally)
    batches: int = 0
    validations: int = 0
    validated: int | None = None
    within: tuple[Validation, ...] = ()
    threshold: float = 0.5
    interventions: int = 0
    best: Best | None = None
    stopping: str | None = None
    stopped: str | None = None
    roll_backs: tuple[RollBack, ...] = ()
    magnitudes: Mapping[str, list[float]] | None = None
    callbacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preprocessors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preprocessors_before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def with_(self, **changes: Any) -> Self:
        """The state with some fields changed."""
        return replace(self, **changes)

    def plain(self) -> dict[str, Any]:
        """The state as JSON holds it."""
        return {
            "position": self.position.plain(),
            "tally": self.tally.plain(),
            "batches": self.batches,
            "validations": self.validations,
            "validated": self.validated,
            "within": [one.plain() for one in self.within],
            "threshold": self.threshold,
            "interventions": self.interventions,
            "best": None if self.best is None else {"epoch": self.best.epoch, "value": self.best.value},
            "stopping": self.stopping,
            "stopped": self.stopped,
            "roll_backs": [asdict(one) for one in self.roll_backs],
            "magnitudes": self.magnitudes,
            "callbacks": _plain(self.callbacks),
            "preprocessors": _plain(self.preprocessors),
            "preprocessors_before": _plain(self.preprocessors_before),
        }

    @classmethod
    def from_progress(cls, value: Mapping[str, Any]) -> "TrainState":
        """The state that `progress.json` of an epoch or a checkpoint tells.

        Raises:
            ArtifactError: when it is none.
            KeyError: when it tells none.
        """
        return cls.from_plain(value["state"])

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> "TrainState":
        """The state that JSON held.

        Raises:
            ArtifactError: when it is none.
        """
        try:
            best = value["best"]
            return cls(
                position=Position.from_plain(value["position"]),
                tally=Tally.from_plain(value["tally"]),
                batches=int(value["batches"]),
                validations=int(value["validations"]),
                validated=None if value["validated"] is None else int(value["validated"]),
                within=tuple(Validation.from_plain(one) for one in value["within"]),
                threshold=float(value["threshold"]),
                interventions=int(value["interventions"]),
                best=None if best is None else Best(int(best["epoch"]), float(best["value"])),
                stopping=None if value["stopping"] is None else str(value["stopping"]),
                stopped=None if value["stopped"] is None else str(value["stopped"]),
                roll_backs=tuple(RollBack(**one) for one in value["roll_backs"]),
                magnitudes=numbers(value["magnitudes"]),
                callbacks=_memories(value["callbacks"]),
                preprocessors=_memories(value["preprocessors"]),
                preprocessors_before=_memories(value["preprocessors_before"]),
            )
        except MISSHAPEN as error:
            raise ArtifactError(f"not a train state: {in_one_line(error)}") from error


def _plain(memories: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: dict(kept) for name, kept in memories.items()}


def _memories(value: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(name): dict(numbers(kept)) for name, kept in value.items()}


def numbers(value: Any) -> Any:
    """A value from JSON with "nan", "inf" and "-inf" as the numbers they were written for."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return float(value) if value in ("nan", "inf", "-inf") else value
