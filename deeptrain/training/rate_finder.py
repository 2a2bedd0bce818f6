"""Which learning rate to begin with: a range test that leaves the trainer as it found it."""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import BatchError, SettingsError, TrainingError
from deeptrain.loading.feed import Group
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import remembering, unmoved
from deeptrain.training.progress import in_digits
from deeptrain.training.trainer import Trainer

if TYPE_CHECKING:
    from deeptrain.drawing.canvas import Picture

FEWEST = 10
"""Iterations below which a curve says nothing."""

WIDTH = 1 / 25
"""Standard deviation of the smoothing, as a part of the iterations asked for."""

MEMORY = 0.8
"""Of the running mean that tells when the loss has exploded."""


@dataclass(frozen=True, eq=False)
class RateCurve:
    """The loss of each iteration of a range test, and what follows from it; `print` it.

    Attributes:
        rates: (n,) float64, the learning rate of each iteration, growing geometrically.
        losses: (n,) float64, of each batch before its update.
        iterations: how many were asked for.
        stopped: why there are fewer, or None.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    iterations: int
    stopped: str | None = None

    @property
    def smoothed(self) -> NDArray[np.float64]:
        """(n,) the loss without the batches' noise, by local regression, which lags behind in neither direction.

        A loss that has exploded is cut off first: it would reach back to rates at which nothing was wrong.
        """
        return self._fitted[0]

    @property
    def slopes(self) -> NDArray[np.float64]:
        """(n,) how much the smoothed loss rises for each tenfold rate."""
        return self._fitted[1]

    @property
    def suggestion(self) -> float | None:
        """The rate at which the smoothed loss falls fastest before it is least; None where it never falls."""
        falling = self.slopes[: int(np.argmin(self.smoothed)) + 1]
        steepest = int(np.argmin(falling))
        return float(self.rates[steepest]) if falling[steepest] < 0 else None

    @functools.cached_property
    def _fitted(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and slopes of lines fit around each point, weighted by distance (Cleveland 1979, with a Gaussian)."""
        place = np.log10(self.rates)
        spacing = (place[-1] - place[0]) / max(len(place) - 1, 1)
        width = max(WIDTH * self.iterations, 1.0) * spacing
        away = place[None, :] - place[:, None]
        weights = np.exp(-0.5 * (away / width) ** 2)
        total, first, second = ((weights * away**power).sum(axis=1) for power in (0, 1, 2))
        lowest = int(np.argmin(self.losses))
        least, highest = self.losses[lowest], self.losses[: lowest + 1].max()
        losses = np.minimum(self.losses, least + max(3 * abs(least), highest - least))
        level, lever = weights @ losses, (weights * away) @ losses
        shared = total * second - first**2
        return (second * level - first * lever) / shared, (total * lever - first * level) / shared

    def __str__(self) -> str:
        """One screen."""
        least = int(np.argmin(self.smoothed))
        suggestion = "none: the loss did not fall" if self.suggestion is None else f"{self.suggestion:.3g}"
        lines = [
            ("learning rate", f"{suggestion} (where the smoothed loss falls fastest)"),
            ("least loss", f"{in_digits(self.smoothed[least])} at {self.rates[least]:.3g}: go no higher"),
            (
                "tried",
                f"{len(self.rates)} of {self.iterations} iterations, {self.rates[0]:.3g} to {self.rates[-1]:.3g}",
            ),
            ("ended", self.stopped or "with the greatest rate"),
            ("", ""),
            ("rate", f"{'loss':>10}{'smoothed':>12}"),
        ]
        shown = np.unique(np.linspace(0, len(self.rates) - 1, 12).round().astype(int))
        lines += [
            (f"{self.rates[one]:.3g}", f"{in_digits(self.losses[one]):>10}{in_digits(self.smoothed[one]):>12}")
            for one in shown
        ]
        return "\n".join(f"{key:14} {text}".rstrip() for key, text in lines)

    def picture(self) -> "Picture":
        """Loss over learning rate."""
        from deeptrain.introspection.pictures import rate_curve

        return rate_curve.draw(self.rates, self.losses, self.smoothed, self.suggestion)


def find_rate(trainer: Trainer, *, least: float = 1e-7, greatest: float = 1.0, iterations: int = 100) -> RateCurve:
    """Train on from where a trainer stands with a growing learning rate, record the loss, and put everything back.

    The range test of Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3, with rates that
    grow geometrically. It ends early when the loss is not finite, or its running mean is both four times the least
    and above where it began. Data and loss are those of the trainer's epoch, again and again where it is short of
    batches; callbacks are told nothing, and nothing is written.

    Law: a trainer trains afterwards to the same bytes as if this had not been called, wherever it stood.

    Args:
        trainer: stands anywhere between two calls; a rate that its schedule gives is set aside meanwhile.
        least: of the first iteration.
        greatest: of the last one.
        iterations: how many rates are tried.

    Raises:
        SettingsError: for rates that do not grow, and fewer than 10 iterations.
        TrainingError: when the learner has no learning rate, a batch cannot be fit, or the loss is not finite from the
            beginning.
    """
    if not 0 < least < greatest < math.inf:
        raise SettingsError(f"find_rate: expected 0 < least < greatest, got {least!r} and {greatest!r}")
    if iterations < FEWEST:
        raise SettingsError(f"find_rate: expected at least {FEWEST} iterations, got {iterations!r}")
    if math.isnan(trainer.learner.learning_rate):
        raise TrainingError(f"find_rate: {type(trainer.learner).__name__} has no learning rate to set")
    rates = np.geomspace(least, greatest, iterations)
    losses: list[float] = []
    running, lowest, stopped = 0.0, math.inf, None
    with _put_back(trainer):
        for rate, (at, group) in zip(rates, _groups(trainer), strict=False):
            trainer.learner.learning_rate = float(rate)
            loss = _fit(trainer, at, group)
            if not math.isfinite(loss):
                stopped = f"the loss became {loss} at {rate:.3g}"
                break
            losses.append(loss)
            running = MEMORY * running + (1 - MEMORY) * loss
            mean = running / (1 - MEMORY ** len(losses))
            lowest = min(lowest, mean)
            if mean - lowest > max(3 * abs(lowest), losses[0] - lowest):
                stopped = f"the loss exploded at {rate:.3g}"
                break
    if len(losses) < 2:
        raise TrainingError(f"find_rate: {stopped}, with which it began: begin with less than {least:g}")
    return RateCurve(rates[: len(losses)], np.array(losses), iterations, stopped)


def _groups(trainer: Trainer) -> Iterator[tuple[Position, Group]]:
    """Single iterations from where a trainer stands, over the end of its epoch into the same data in another order."""
    data, at, found = trainer.train_data, trainer.position, True
    while True:
        if at.batch == len(data):
            if not found:
                raise TrainingError(f"find_rate: preprocessors left nothing of any batch of epoch {at.epoch}")
            at, found = at.next_epoch(), False
        group = data.group(at, 1)
        if group is not None:
            found = True
            yield at, group
        at = data.after(at, 0 if group is None else 1)


def _fit(trainer: Trainer, at: Position, group: Group) -> float:
    try:
        fitted = trainer.learner.fit(group.x, group.y, weights=group.weights, mask=group.mask, begins=group.begins)
    except BatchError as error:
        raise TrainingError(f"find_rate: batch {trainer.train_data.name(at)} of epoch {at.epoch}: {error}") from error
    return float(fitted.losses[0])


@contextmanager
def _put_back(trainer: Trainer) -> Iterator[None]:
    """Put back what training changes: the learner, its rate, and what preprocessors keep."""
    learner, data = trainer.learner, trainer.train_data
    data.close()  # preprocessors stand where the batch being fed began, as in a checkpoint
    rate, variables = learner.learning_rate, learner.variables()
    with unmoved(remembering(data.preprocessors)):
        try:
            yield
        finally:
            data.close()
            # First, since of some learners the rate is no variable; where it is one, or a schedule gives it, the second
            # line has the last word.
            learner.learning_rate = rate
            learner.restore(variables)
