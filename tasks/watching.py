"""Who watches what runs in this process: displays that the command adds, the live page, and Luigi's scheduler."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from deeptrain import model_name
from deeptrain.lineage import Lineage
from deeptrain.shards import progress as conversion
from deeptrain.training import messages
from deeptrain.training.progress import Progress
from tasks.messages import UNHEARD, as_html

if TYPE_CHECKING:
    import luigi

    from deeptrain.training.reporter import Reporter, Sink

CURVE = 40
"""Signs of the curve on the scheduler's page."""

displays: list[Callable[[], "Sink[Progress]"]] = []
"""Makes the displays of the command that runs, such as its terminal; a child process makes its own."""

_reporters: dict[str, "Reporter[Progress]"] = {}
_scheduler: dict[str, "SchedulerStatus"] = {}


class SchedulerStatus:
    """Tells Luigi's scheduler how far the running training is; called from the reporter's thread only (law 8)."""

    def __init__(self, every_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        """No task runs yet.

        Args:
            every_seconds: the shortest time between two calls about the same phase of an epoch.
            clock: seconds from any origin.
        """
        self.task: luigi.Task | None = None
        self._every = every_seconds
        self._clock = clock
        self._told_at = -math.inf
        self._told: tuple[object, ...] = ()
        self._losses: list[float] = []

    def show(self, progress: Progress) -> None:
        """Send where training stands, a curve of the losses shown so far, and the percentage of the epoch."""
        from deeptrain.training import sparkline
        from deeptrain.training.live_page import thinned

        if progress.loss is not None:
            self._losses.append(progress.loss)
            if len(self._losses) > 2 * CURVE:
                self._losses = [self._losses[at] for at in thinned(self._losses, CURVE)]
        of = (self.task, progress.phase, progress.epoch)
        if of == self._told and self._clock() - self._told_at < self._every:
            return
        self._told, self._told_at = of, self._clock()
        whole = (progress.finished + progress.fraction * (progress.finished < progress.epoch)) / max(progress.epochs, 1)
        told = f"{messages.status(progress)}\n{100 * whole:.1f} % of the whole training"
        curve = sparkline.of(progress.losses if len(progress.losses) > 2 else self._losses, CURVE)
        _tell(self.task, f"{told}, loss {curve}" if len(curve) > 1 else told, progress.fraction)

    def close(self) -> None:
        """Nothing is kept open."""


class ConversionStatus:
    """Tells Luigi's scheduler how far a task of a conversion is; called from the reporter's thread only (law 8)."""

    def __init__(self, task: "luigi.Task") -> None:
        """Of this task."""
        self._task = task

    def show(self, progress: conversion.Progress) -> None:
        """Send one line, and a percentage where it is known how much there is to do."""
        if progress.of is None:
            _tell(self._task, f"{progress.samples:,} samples", None)
        else:
            _tell(self._task, f"{progress.samples:,} of {progress.of:,} samples", progress.samples / progress.of)

    def close(self) -> None:
        """Nothing is kept open."""


def _tell(task: "luigi.Task | None", line: str, fraction: float | None) -> None:
    """Send a task's line and its part that is done to the scheduler, whose page shows the line as HTML.

    A scheduler that does not answer is left alone: Luigi asks it too, and the command tells what follows.
    """
    # Taken once: Luigi takes them from the task when it ends, which may be now.
    say = None if task is None else task.set_status_message
    set_percentage = None if task is None else task.set_progress_percentage
    if say is None or set_percentage is None:
        return
    with contextlib.suppress(*UNHEARD):
        say(as_html(line))
        if fraction is not None:
            set_percentage(round(100 * fraction))


@contextlib.contextmanager
def converting(task: "luigi.Task") -> Iterator[conversion.Watch]:
    """Where a task of a conversion is to tell where it stands, within the block."""
    from deeptrain.training.reporter import Reporter

    with Reporter([], quiet=[ConversionStatus(task)]) as reporter:
        yield reporter.update


def watch(plan: Lineage) -> Callable[[Progress], None]:
    """Where the training of a run is to tell where it stands."""
    from deeptrain.training.live_page import LivePage
    from deeptrain.training.progress_file import ProgressFile
    from deeptrain.training.reporter import Reporter

    key = str(plan.training.directory.resolve())
    if key not in _reporters:
        status = _scheduler.setdefault(key, SchedulerStatus())
        name, report = model_name.take(plan), f"../../{plan.stages['report'].directory.name}/index.html"
        live = plan.training.directory / "live"
        page = LivePage(live / "index.html", str(name), number=name.number, report=report)
        facts = ProgressFile(live, str(name))
        _reporters[key] = Reporter([*(display() for display in displays), page, facts], quiet=[status])
    return _reporters[key].update


@contextlib.contextmanager
def running(plan: Lineage, task: "luigi.Task") -> Iterator[None]:
    """Which task of a run is being worked on, within the block."""
    status = _scheduler.setdefault(str(plan.training.directory.resolve()), SchedulerStatus())
    status.task = task
    try:
        yield
    finally:
        status.task = None


def close() -> None:
    """Show the last state everywhere and let the displays go."""
    while _reporters:
        _reporters.popitem()[1].close()
