"""Where a trainer stands, as plain attributes and on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.introspection.health import Finding
from deeptrain.loading.feed import Feed
from deeptrain.loading.position import Position
from deeptrain.training.history import History
from deeptrain.training.progress import in_digits, in_hours
from deeptrain.training.results import Results, Validation
from deeptrain.training.state import Best, RollBack, TrainState

SHOWN_SETS = 8


@dataclass(frozen=True, kw_only=True, repr=False)
class Standing:
    """A trainer's state at one instant; it does not change when training goes on. `print` it, or let a notebook.

    Attributes:
        kept: what a checkpoint holds of it, beside the learner's variables.
        data: what the model is fit on.
        epochs: how many were asked for.
        results: of every epoch that has ended, from the first.
        newest: the position of the newest iteration that was fit, None before the first here or behind a checkpoint
            that was loaded.
        learning_rate: of the next iteration.
        key_metric: tells which epoch is best.
        maximize: whether more of it is better.
        paused: whether training was stopped between two iterations and can go on.
        iterations_per_second: smoothed, None while too little is known.
        saved: iterations fit when the newest checkpoint was written; None where nothing is written, or not yet.
        seconds_at_risk: of training since then, which a crash now would cost; None where nothing is written.
        health: what the newest look at every layer found, by layer; empty where all is well, or before the first.
    """

    kept: TrainState
    data: Feed
    epochs: int
    results: Sequence[Results]
    newest: Position | None
    learning_rate: float
    key_metric: str
    maximize: bool
    paused: bool
    iterations_per_second: float | None
    saved: int | None
    seconds_at_risk: float | None
    health: Sequence[Finding]
    _parts: Sequence[History]
    _count: int

    @property
    def position(self) -> Position:
        """The next iteration to be fit."""
        return self.kept.position

    @property
    def epoch(self) -> int:
        """The epoch being trained, from 1; one more than `epochs` when all have ended."""
        return self.position.epoch

    @property
    def iteration(self) -> int:
        """Iterations fit since the training began."""
        return self.position.iteration

    @property
    def iterations_done(self) -> int:
        """Iterations of this epoch that were fit."""
        return self.iteration - (self.results[-1].iterations if self.results else 0)

    @property
    def iterations_in_epoch(self) -> int:
        """Iterations of this epoch; an estimate where preprocessors decide how many a batch becomes."""
        return self.iterations_done + self.iterations_left

    @property
    def iterations_left(self) -> int:
        """Iterations of this epoch that are still to be fit."""
        return self.data.left(self.position, self.iterations_done)

    @property
    def batch(self) -> int:
        """The number of the next batch in its epoch, from 0; as many as there are at the epoch's end."""
        return self.position.batch

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return len(self.data)

    @property
    def window(self) -> int:
        """The number of the next window in its batch, from 0; 0 for data that is not cut along time."""
        return self.position.window

    @property
    def fitting(self) -> Position:
        """The position of the iteration that was fit last, or before any, of the next."""
        return self.position if self.newest is None else self.newest

    @property
    def name(self) -> str:
        """What the batch at `fitting` is called: "12-b", "b0412 (37 sets)", "12+13 window 2 of 9"."""
        return self.data.name(self.fitting)

    @property
    def sets(self) -> list[int]:
        """The set numbers in the batch at `fitting`, ascending."""
        return self.data.sets(self.fitting)

    @property
    def seconds_left_epoch(self) -> float | None:
        """Until the last iteration of this epoch at the present rate; None while it is unknown."""
        return self._seconds(self.iterations_left)

    @property
    def seconds_left(self) -> float | None:
        """Until the last iteration of the last epoch at the present rate; None while it is unknown."""
        return self._seconds(self.iterations_left + self.iterations_in_epoch * max(self.epochs - self.epoch, 0))

    @property
    def history(self) -> History:
        """The iterations of this epoch so far."""
        return History.joined([History.empty(), *self._parts[: self._count]])

    @property
    def loss(self) -> float | None:
        """Of the newest iteration, before its update; None before the epoch's first."""
        return float(self._parts[self._count - 1].loss[-1]) if self._count else None

    @property
    def metrics(self) -> dict[str, float]:
        """The loss of the newest iteration and what else is known of it alone; empty before the epoch's first."""
        if not self._count:
            return {}
        newest = self._parts[self._count - 1]
        return {"loss": float(newest.loss[-1])} | {name: float(one[-1]) for name, one in newest.metrics.items()}

    @property
    def running_loss(self) -> float | None:
        """The mean over this epoch's samples so far; None before its first iteration."""
        tally = self.kept.tally
        return tally.loss / tally.samples if tally.samples else None

    @property
    def validation(self) -> Mapping[str, float]:
        """The metrics of the newest validation; empty before the first."""
        if self.kept.within:
            return self.kept.within[-1].metrics
        for results in reversed(self.results):
            if results.validation:
                return results.validation
            if results.within:
                return results.within[-1].metrics
        return {}

    @property
    def validations(self) -> list[Validation]:
        """Every validation so far, from the first."""
        found: list[Validation] = []
        for results in self.results:
            found += results.within
            if results.validation:
                found.append(Validation(results.iterations, results.validation))
        return [*found, *self.kept.within]

    @property
    def best(self) -> Best | None:
        """The best value of the key metric and the epoch that reached it; None before the first epoch has ended."""
        return self.kept.best

    @property
    def threshold(self) -> float:
        """Above which probability a sample counts as positive in metrics."""
        return self.kept.threshold

    @property
    def stopped(self) -> str | None:
        """Why training ended before the epochs asked for, None while it has not."""
        return self.kept.stopped

    @property
    def roll_backs(self) -> Sequence[RollBack]:
        """The epochs that were begun anew with a lower learning rate, in order."""
        return self.kept.roll_backs

    @property
    def preprocessors(self) -> Mapping[str, Mapping[str, Any]]:
        """What each preprocessor keeps, as it stood when the batch began."""
        return self.kept.preprocessors

    @property
    def callbacks(self) -> Mapping[str, Mapping[str, Any]]:
        """What each callback kept when it was asked last: for a checkpoint, or when a validation began."""
        return self.kept.callbacks

    def __str__(self) -> str:
        """One screen."""
        lines = [("training", self._where())]
        if self.epoch <= self.epochs or self.newest is not None:
            lines.append(("batch", self._batch()))
        lines.append(("loss", self._losses()))
        lines.append(("learning rate", f"{self.learning_rate:.4g}"))
        if self.validation:
            lines.append(("validation", ", ".join(f"{name} {in_digits(one)}" for name, one in self.validation.items())))
        if self.best is not None:
            direction = "greatest" if self.maximize else "least"
            value = f"{self.key_metric} {in_digits(self.best.value)} ({direction})"
            lines.append(("best", f"epoch {self.best.epoch}, {value}"))
        if self.roll_backs:
            last = self.roll_backs[-1]
            lines.append(("begun anew", f"{len(self.roll_backs)} times, the last epoch {last.epoch}: {last.reason}"))
        if self.health:
            lines.append(("health", self._health()))
        if self.threshold != 0.5:
            lines.append(("threshold", in_digits(self.threshold)))
        if self.seconds_left is not None and self.stopped is None and self.epoch <= self.epochs:
            left = f"{in_hours(self.seconds_left_epoch or 0)} of this epoch, {in_hours(self.seconds_left)} in all"
            lines.append(("left", f"{left}, at {self.iterations_per_second:,.1f} iterations a second"))
        lines.append(("saved", self._saved()))
        return "\n".join(f"{key:14} {text}" for key, text in lines)

    __repr__ = __str__

    def _health(self) -> str:
        worst = next((one for one in self.health if one.serious), self.health[0])
        more = f"; and {len(self.health) - 1} more, see state.health" if len(self.health) > 1 else ""
        return f"{worst.layer}: {worst.rule}{more}"

    def _where(self) -> str:
        if self.stopped is not None:
            return f"stopped after epoch {self.epoch - 1}: {self.stopped}"
        if self.epoch > self.epochs:
            return f"all {self.epochs} epochs have ended, {self.iteration:,} iterations"
        state = "paused in" if self.paused else "in"
        return (
            f"{state} epoch {self.epoch} of {self.epochs}, {self.iterations_done:,} of {self.iterations_in_epoch:,} "
            f"iterations fit, {self.iteration:,} in all"
        )

    def _batch(self) -> str:
        sets = self.sets
        shown = ", ".join(map(str, sets[:SHOWN_SETS])) + (", ..." if len(sets) > SHOWN_SETS else "")
        return f"{self.name}, {'set' if len(sets) == 1 else 'sets'} {shown}"

    def _losses(self) -> str:
        if self.loss is None or self.running_loss is None:
            return "none yet in this epoch" if self.epoch <= self.epochs else in_digits(self.results[-1].train["loss"])
        return f"{in_digits(self.loss)}, mean of this epoch so far {in_digits(self.running_loss)}"

    def _saved(self) -> str:
        if self.seconds_at_risk is None:
            return "nothing is written: a crash costs everything"
        if self.saved == self.iteration:
            return f"after {self.saved:,} iterations; a crash now would cost nothing"
        at = "not yet" if self.saved is None else f"after {self.saved:,} iterations"
        return f"{at}; a crash now would cost {in_hours(self.seconds_at_risk)}"

    def _seconds(self, iterations: int) -> float | None:
        return iterations / self.iterations_per_second if self.iterations_per_second else None
