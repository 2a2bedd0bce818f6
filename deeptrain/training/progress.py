"""Where a running training stands, as a value for people to look at, and the meter of its speed."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from deeptrain.introspection.health import Finding

Phase = Literal["build", "fit", "validate", "checkpoint", "paused", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a running training shows of itself at one instant.

    The loop makes one after every group of fused iterations, so nothing is checked or copied here: a display that is
    wrong is better than a training that a display has stopped. Numbers may be NaN or infinite.

    Attributes:
        stage: what runs, for people.
        phase: what the epoch is busy with; "paused": it waits until somebody lets it go on; "done": nothing more will
            follow in this run.
        epoch: the epoch being trained, from 1; in phase "done" the last one that was trained.
        epochs: how many were asked for.
        iteration: iterations done in this epoch.
        iterations: iterations of the whole epoch, an estimate where preprocessors decide how many; 0 when unknown.
        fitting: tells `batch`; asked by who shows it, since it costs more than an iteration of a small model.
        loss: of the newest iteration.
        iterations_per_second: smoothed, see `Meter`.
        seconds_left_epoch: until the last iteration of this epoch.
        seconds_left_run: until the last iteration of the last epoch asked for.
        metrics: of the latest validation.
        key_metric: the one that chooses the best epoch.
        best: its best value so far.
        best_epoch: the epoch, from 1, that reached it.
        losses: training loss of each finished epoch, from epoch 1; the same tuple until another one is finished.
        validation_losses: likewise; may be shorter, or empty when nothing is validated.
        key_values: the key metric of each finished epoch, likewise.
        maximize: whether more of it is better.
        findings: what is wrong with layers, as health told last.
    """

    phase: Phase
    epoch: int
    epochs: int
    stage: str = "training"
    iteration: int = 0
    iterations: int = 0
    fitting: Callable[[], str] = str
    loss: float | None = None
    iterations_per_second: float | None = None
    seconds_left_epoch: float | None = None
    seconds_left_run: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    key_metric: str = ""
    best: float | None = None
    best_epoch: int | None = None
    losses: tuple[float, ...] = ()
    validation_losses: tuple[float, ...] = ()
    key_values: tuple[float, ...] = ()
    maximize: bool = True
    findings: tuple[Finding, ...] = ()

    @property
    def batch(self) -> str:
        """Name of the set or batch being fit, such as "12" or "b0412 (37 sets)"."""
        return self.fitting()

    @property
    def finished(self) -> int:
        """How many epochs are behind us; an epoch that was stopped in its middle does not count."""
        return self.epoch if self.phase == "done" and self.iteration >= self.iterations else self.epoch - 1

    def was_best(self, epoch: int) -> bool:
        """Whether a finished epoch was better than all before it."""
        sign = 1.0 if self.maximize else -1.0
        values = [sign * value for value in self.key_values[:epoch]]
        before = [value for value in values[:-1] if not math.isnan(value)]
        return len(values) == epoch and not math.isnan(values[-1]) and values[-1] > max(before, default=-math.inf)

    @property
    def fraction(self) -> float:
        """The part of this epoch's iterations that is done, 0 to 1."""
        return min(max(self.iteration / self.iterations, 0.0), 1.0) if self.iterations > 0 else 0.0


class Meter:
    """Measures iterations per second while fitting, and how long the rest will take.

    The rate is a quotient of two sums, iterations over seconds, in which what happened `memory_seconds` ago weighs
    1/e: a constant rate is told exactly from the first interval on, a change is followed smoothly. Only the time
    between `start` and the last `tell` counts, so validating, saving and pausing do not lower the rate.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, memory_seconds: float = 10.0) -> None:
        """Start now, at iteration 0.

        Args:
            clock: gives seconds from any origin.
            memory_seconds: how far back the rate looks.
        """
        self._clock = clock
        self._memory = memory_seconds
        self._iterations = 0.0
        self._seconds = 0.0
        self.start()

    def start(self, done: int = 0) -> None:
        """Fitting begins or goes on now with `done` iterations done; the rate known so far is kept."""
        self._done = done
        self._time = self._clock()

    def tell(self, done: int) -> None:
        """Now `done` iterations are done, counted as in `start`; fewer than before means a new epoch."""
        if done < self._done:
            self.start(done)
            return
        now = self._clock()
        passed = max(now - self._time, 0.0)
        kept = math.exp(-passed / self._memory)
        self._iterations = self._iterations * kept + done - self._done
        self._seconds = self._seconds * kept + passed
        self._done = done
        self._time = now

    @property
    def rate(self) -> float | None:
        """Iterations per second; None while too little is known."""
        return self._iterations / self._seconds if self._iterations > 0 and self._seconds > 0 else None

    def seconds_left(self, iterations: int) -> float | None:
        """Seconds that `iterations` more take at the present rate; None while it is unknown."""
        rate = self.rate
        return None if rate is None else max(iterations, 0) / rate


def in_hours(seconds: float) -> str:
    """A duration as people say it: "0:12", "1:40", "2:05:09", "3 d 04 h"; "?" when it is not finite."""
    if not math.isfinite(seconds):
        return "?"
    minutes, second = divmod(max(math.ceil(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days:,} d {hour:02} h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def in_digits(value: float) -> str:
    """A number in four digits or a few more, at most ten characters: "0.1234", "412.0", "1.23e-05", "nan"."""
    if not math.isfinite(value) or value == 0:
        return f"{value:.0f}"
    size = abs(value)
    if size < 1e-3 or size >= 999_999.5:
        return f"{value:.2e}"
    return f"{value:.{4 if size < 1 else max(3 - math.floor(math.log10(size)), 0)}f}"
