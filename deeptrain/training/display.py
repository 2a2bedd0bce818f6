"""What whoever watches a training is told of it, and how fast it goes."""

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deeptrain.loading.position import Position
from deeptrain.training.progress import Meter, Phase, Progress
from deeptrain.training.record import Record

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer


class Display:
    """Tells where a training stands, after every group of iterations; costs nothing where nobody watches.

    Attributes:
        watch: is told, or None.
        meter: of the iterations.
    """

    def __init__(
        self, watch: Callable[[Progress], None] | None, record: Record, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Tell of a training.

        Args:
            watch: is told.
            record: what training has come to.
            clock: seconds from any origin.
        """
        self.watch = watch
        self.meter = Meter(clock)
        self._record = record

    def tell(
        self,
        phase: Phase,
        trainer: "Trainer",
        last: int,
        fitting: Callable[[], str] = str,
        loss: float | None = None,
    ) -> None:
        """Say what training is busy with.

        Args:
            phase: of the epoch.
            trainer: what is watched.
            last: the epoch that is to be reached.
            fitting: tells the name of the newest batch.
            loss: of the newest iteration.
        """
        if self.watch is not None:
            self.watch(self.made(phase, trainer, last, fitting, loss))

    def tell_now(self, phase: Phase, trainer: "Trainer") -> None:
        """Say what training is busy with between two groups."""
        if self.watch is not None:
            self.watch(self.now(phase, trainer))

    def now(self, phase: Phase, trainer: "Trainer") -> Progress:
        """Where training stands, as any thread may ask."""
        parts, newest = self._record.parts, trainer.newest
        if not parts or newest is None:
            return self.made(phase, trainer, trainer.epochs)
        name = functools.partial(trainer.train_data.name, newest.last)
        return self.made(phase, trainer, trainer.epochs, name, float(parts[-1].loss[-1]))

    def made(
        self, phase: Phase, trainer: "Trainer", last: int, fitting: Callable[[], str] = str, loss: float | None = None
    ) -> Progress:
        """Where training stands, as `tell` says it."""
        record, data, meter = self._record, trainer.train_data, self.meter
        at, done = record.kept.position, record.done
        if phase == "done":
            ends = [0, 0, *(result.iterations for result in record.results)]
            done = ends[-1] - ends[-2]
            at = Position(at.epoch - 1, len(data), at.iteration)
        iterations = done + data.left(at, done)
        best = record.kept.best
        latest = record.results[-1] if record.results else None
        return Progress(
            phase=phase,
            epoch=at.epoch,
            epochs=max(last, trainer.epochs),
            iteration=done,
            iterations=iterations,
            fitting=fitting,
            loss=loss,
            iterations_per_second=meter.rate,
            seconds_left_epoch=meter.seconds_left(iterations - done),
            seconds_left_run=meter.seconds_left(iterations * (trainer.epochs - at.epoch + 1) - done),
            metrics=(latest.validation or latest.train) if latest else {},
            key_metric=trainer.key_metric,
            best=None if best is None else best.value,
            best_epoch=None if best is None else best.epoch,
            **record.curves,
            maximize=trainer.maximize,
            findings=trainer.health.findings,
        )
