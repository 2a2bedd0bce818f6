"""The protocol of callbacks: the stages of a training, and what may be done at each."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from deeptrain.errors import UserCodeError
from deeptrain.training.frequency import Every

if TYPE_CHECKING:
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer

OF_ITERATIONS = ("iteration_begin", "iteration_end")
OF_BATCHES = ("batch_begin", "batch_end")
OF_VALIDATION = (
    "validation_begin",
    "validation_batch_begin",
    "validation_iteration_begin",
    "validation_iteration_end",
    "validation_batch_end",
    "validation_end",
)
BESIDE = ("save", "load", "pause", "resume", "exception", "end")
STAGES = ("init", "epoch_begin", *OF_BATCHES, *OF_ITERATIONS, *OF_VALIDATION, "epoch_end", *BESIDE)


class Callback(Protocol):
    """Any object with one or more of these methods; what it lacks costs nothing.

    Order: at every stage callbacks are called in the order in which the trainer was given them. An iteration's end is
    `iteration_end`, then `batch_end` if the batch ends, then `act` of those that are due, then a validation that is
    due, then a checkpoint that is due. An epoch's end is `validation_begin` ... `validation_end`, `epoch_end`, `act`,
    and its checkpoint.

    What may be changed: `init`, `epoch_begin`, `batch_begin`, `iteration_begin`, `iteration_end`, `batch_end`,
    `validation_end`, `epoch_end` and `act` may change what training goes on from: the learner's variables and learning
    rate, `trainer.threshold`, what they themselves keep; and they may call `trainer.stop(reason)` or `trainer.pause()`.
    The other stages come as often as training happens to be saved, stopped or restored, so they may change nothing of
    it, nor what the callback itself keeps: that is checked. During a validation nothing that training goes on from may
    change; what callbacks kept before it is kept again if the validation is broken off.

    A callback that draws random numbers derives them from `trainer.state.iteration` and its own seed.

    `state` and `restore`: what a callback keeps from call to call it must give in the one and take in the other, or a
    resumed training would differ from one that was never stopped.

    `every`: how often `act` is called; one that an experiment's file gives with the callback goes before it.
    """

    every: Every

    def init(self, trainer: "Trainer") -> None:
        """The trainer was made, before a checkpoint is loaded."""

    def epoch_begin(self, trainer: "Trainer") -> None:
        """The first iteration of an epoch is next."""

    def batch_begin(self, trainer: "Trainer") -> None:
        """The first iteration of a batch is next; batches are not fused then."""

    def iteration_begin(self, trainer: "Trainer") -> None:
        """An iteration is next; iterations are not fused then."""

    def iteration_end(self, trainer: "Trainer") -> None:
        """An iteration was fit: `trainer.newest` holds it; iterations are not fused then."""

    def batch_end(self, trainer: "Trainer") -> None:
        """The last iteration of a batch was fit; batches are not fused then."""

    def validation_begin(self, trainer: "Trainer") -> None:
        """The validation split is judged next."""

    def validation_batch_begin(self, trainer: "Trainer") -> None:
        """A batch of it is next."""

    def validation_iteration_begin(self, trainer: "Trainer") -> None:
        """A batch, or a window of one, is next."""

    def validation_iteration_end(self, trainer: "Trainer") -> None:
        """It was judged: `trainer.judged` holds it."""

    def validation_batch_end(self, trainer: "Trainer") -> None:
        """All windows of a batch were judged."""

    def validation_end(self, trainer: "Trainer", metrics: Mapping[str, float]) -> None:
        """The whole split was judged; `trainer.validated` holds labels and outputs."""

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:
        """An epoch was fit and validated."""

    def act(self, trainer: "Trainer") -> None:
        """Do what is done `every` so often."""

    def save(self, trainer: "Trainer") -> None:
        """A checkpoint is written next."""

    def load(self, trainer: "Trainer") -> None:
        """A checkpoint was restored."""

    def pause(self, trainer: "Trainer") -> None:
        """Training stops here, between two iterations, and can go on."""

    def resume(self, trainer: "Trainer") -> None:
        """Training goes on where it stood."""

    def exception(self, trainer: "Trainer", error: Exception) -> None:
        """Training failed; the error is raised afterwards."""

    def end(self, trainer: "Trainer") -> None:
        """Training ended: all epochs that were asked for, or stopped by a callback."""

    def state(self) -> Mapping[str, Any]:
        """What it remembers, as JSON keeps it: text, numbers (also nan and inf), lists, and mappings with text keys."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember again what `state` gave."""
        ...


class On:
    """A function as a callback, made by `on`."""

    def __init__(self, function: Callable[..., Any], stage: "str | Every") -> None:
        """Call a function at a stage, or every so often.

        Raises:
            UserCodeError: when there is no such stage.
        """
        self.__name__ = getattr(function, "__name__", "function")
        if isinstance(stage, Every):
            self.every, stage = stage, "act"
        elif stage not in STAGES:
            raise UserCodeError(f"{self.__name__}: no stage is called {stage!r}; there are {', '.join(STAGES)}")
        setattr(self, stage, function)


def on(stage: "str | Every") -> Callable[[Callable[..., Any]], On]:
    """Make a callback of the function below: `@on("epoch_end")` or `@on(Every(iterations=100))`.

    The function takes what the stage's method takes: the trainer, and what `Callback` names after it.
    """
    return lambda function: On(function, stage)


def check(name: str, callback: Any) -> None:
    """Check that an object is a callback.

    Raises:
        UserCodeError: when it has no method of one, or only one of `state` and `restore`.
    """
    methods = [stage for stage in (*STAGES, "act") if callable(getattr(callback, stage, None))]
    if not methods or isinstance(callback, type):
        raise UserCodeError(
            f"{name}: expected a callback, which has at least one of the methods act, {', '.join(STAGES)}; "
            f"got {callback!r:.80}"
        )
    if hasattr(callback, "state") != hasattr(callback, "restore"):
        raise UserCodeError(f"{name}: a callback that keeps something has both state() and restore(state)")
