"""Callbacks being told: which are called at a stage, which are due, and what each remembers."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DeeptrainError, UserCodeError, in_one_line
from deeptrain.loading.preprocessing import Remembering
from deeptrain.training.callbacks.callback import BESIDE, OF_BATCHES, OF_ITERATIONS, STAGES
from deeptrain.training.callbacks.memory import memory_of, same
from deeptrain.training.frequency import Counts, Event, Every, Schedule

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Stages:
    """Tells callbacks, in their order; a callback that fails names itself.

    Attributes:
        callbacks: by name, in order.
    """

    def __init__(self, callbacks: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        """Find out who is told what.

        Args:
            callbacks: by name, in order.
            clock: seconds from any origin.

        Raises:
            UserCodeError: when `act` has no frequency.
        """
        self.callbacks = callbacks
        self._told = {
            stage: [(name, found) for name, one in callbacks.items() if callable(found := getattr(one, stage, None))]
            for stage in STAGES
        }
        self._remembering = {name: one for name, one in callbacks.items() if isinstance(one, Remembering)}
        self._acting = [
            (name, one.act, Schedule(_frequency(name, one), clock))
            for name, one in callbacks.items()
            if callable(getattr(one, "act", None))
        ]
        self.each_iteration = any(self._told[stage] for stage in OF_ITERATIONS)
        self.each_batch = any(self._told[stage] for stage in OF_BATCHES)

    def tell(self, stage: str, trainer: "Trainer", *arguments: Any) -> None:
        """Call every callback that has a method for the stage.

        Raises:
            UserCodeError: when one fails or returns something, naming it and the stage; or when it changes at a stage
                beside training what it keeps.
        """
        for name, method in self._told[stage]:
            before = self._kept(name) if stage in BESIDE else None
            _call(name, stage, method, trainer, *arguments)
            if before is not None and not same(before, self._kept(name)):
                raise UserCodeError(
                    f"callback {name}: {stage}() changed what it keeps in state(); how often that stage comes depends "
                    "on when training happens to be saved or stopped, so nothing that is kept may change there"
                )

    def tell_of_failure(self, trainer: "Trainer", error: Exception) -> None:
        """Tell of an error that is about to be raised; one that callbacks raise meanwhile becomes a note of it."""
        try:
            self.tell("exception", trainer, error)
        except Exception as another:  # noqa: BLE001 - the first error is the one to be raised
            error.add_note(f"and while telling callbacks of it: {another}")

    def act(self, event: Event, counts: Counts, trainer: "Trainer") -> None:
        """Call `act` of those that are due."""
        for name, method, schedule in self._acting:
            if schedule.due(event, counts, lambda: trainer.state):
                _call(name, "act", method, trainer)

    def start(self) -> None:
        """Wait anew for what is done every few seconds."""
        for _, _, schedule in self._acting:
            schedule.start()

    def until_due(self, counts: Counts) -> int | None:
        """How many iterations may be fit before one may be due; None for any number."""
        if self.each_iteration:
            return 1
        found = [schedule.every.until_due(counts) for _, _, schedule in self._acting]
        return min((one for one in (*found, 1 if self.each_batch else None) if one is not None), default=None)

    def memory(self) -> dict[str, dict[str, Any]]:
        """What each callback keeps, by its name."""
        return {name: memory_of(name, one) for name, one in self._remembering.items()}

    def remember(self, memory: Mapping[str, Mapping[str, Any]]) -> None:
        """Give back what each kept."""
        for name, one in self._remembering.items():
            if name in memory:
                one.restore(memory[name])

    def _kept(self, name: str) -> dict[str, Any] | None:
        return memory_of(name, self._remembering[name]) if name in self._remembering else None


def _frequency(name: str, callback: Any) -> Every:
    every = getattr(callback, "every", None)
    if not isinstance(every, Every):
        raise UserCodeError(f"callback {name}: has act(trainer) but no `every`, an Every, that says how often")
    return every


def _call(name: str, stage: str, method: Callable[..., Any], trainer: "Trainer", *arguments: Any) -> None:
    try:
        returned = method(trainer, *arguments)
    except DeeptrainError:
        raise
    except Exception as error:
        at = trainer.position
        raise UserCodeError(
            f"callback {name}: {stage}() failed in epoch {at.epoch}, before iteration {at.iteration} (counted from 0): "
            f"{in_one_line(error)}"
        ) from error
    if returned is not None:
        raise UserCodeError(
            f"callback {name}: {stage}() must return nothing, got {returned!r:.80}; trainer.stop(reason) ends "
            "training, trainer.pause() interrupts it"
        )
