"""Where a running training stands, for programs: `live/progress.json`, outside all artifacts.

Replaced in one step, at most about twice a second; at once when what training is busy with changes. An object with

- `format`: 1,
- `name`: what people call the model; `stage`: what runs; `pid`, `host`: of the process that writes it,
- `started`, `updated`: ISO 8601 in UTC with milliseconds,
- `running`: false when the process that wrote it let go of the training; after a `kill -9` it stays true, so whether
  somebody trains is asked of the training's lock (`store.locks.holder`),
- `phase`: "build", "fit", "validate", "checkpoint", "paused" or "done"; `paused`: whether it is "paused",
- `epoch`, `epochs`, `iteration`, `iterations` (of this epoch, done and in all), `batch`, `loss`,
  `iterations_per_second`, `seconds_left_epoch`, `seconds_left_run`, `metrics` (of the latest validation, by name),
  `key_metric`, `maximize`, `best`, `best_epoch`: as in `Progress`,
- `findings`: what is wrong with layers, in words, the first 20,
- `log`: the last lines that were logged, the newest last,
- `curves`: lists of [x, value], thinned so that each has at most 500 and keeps its extremes: `loss`, `validation_loss`
  and `key` of each epoch, x its number; `now`: the loss of iterations that this process has shown, x the epochs
  before them, with the part of their own that was done.

What is not known is null, a number that is not finite the text "nan", "inf" or "-inf".
"""

import logging
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.training.live_page import LogTail, thinned, utc_now
from deeptrain.training.progress import Progress

NAME = "progress.json"
FORMAT = 1
POINTS = 500
MOST_BYTES = 1 << 20
MOST_FINDINGS = 20
LONGEST = 500
"""Characters of a text in it."""

PLAIN = (
    "stage", "phase", "epoch", "epochs", "iteration", "iterations", "batch", "loss", "iterations_per_second",
    "seconds_left_epoch", "seconds_left_run", "key_metric", "maximize", "best", "best_epoch",
)  # fmt: skip


class ProgressFile:
    """A sink of the `Reporter` that keeps the file up to date."""

    def __init__(
        self,
        live: Path,
        name: str,
        every_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Write nothing yet.

        Args:
            live: of the training; made when needed.
            name: what is trained.
            every_seconds: the shortest time between two writes.
            clock: seconds from any origin.
            now: the wall clock, in UTC.
        """
        self._path = live / NAME
        self._name = name
        self._every = every_seconds
        self._clock = clock
        self._now = now
        self._written_at = -math.inf
        self._last: Progress | None = None
        self._started = ""
        self._now_curve: list[tuple[float, float]] = []
        self._tail = LogTail()

    def show(self, progress: Progress) -> None:
        """Write the file, unless it was written a moment ago and what training is busy with is the same."""
        before, self._last = self._last, progress
        if before is None:
            logging.getLogger("deeptrain").addHandler(self._tail)
            self._started = _moment(self._now())
        if progress.phase == "fit" and progress.loss is not None:
            self._now_curve.append((progress.epoch - 1 + progress.fraction, progress.loss))
            if len(self._now_curve) > 2 * POINTS:
                self._now_curve = _thin(self._now_curve)
        changed = before is None or (before.phase, before.epoch) != (progress.phase, progress.epoch)
        if changed or self._clock() - self._written_at >= self._every:
            self._write(progress, running=True)

    def close(self) -> None:
        """Write the last state as one that nobody goes on with."""
        if self._last is not None:
            logging.getLogger("deeptrain").removeHandler(self._tail)
            self._write(self._last, running=False)

    def _write(self, progress: Progress, *, running: bool) -> None:
        self._written_at = self._clock()
        told = {name: getattr(progress, name) for name in PLAIN}
        told |= {
            "format": FORMAT,
            "name": self._name,
            "pid": os.getpid(),
            "host": platform.node(),
            "started": self._started,
            "updated": _moment(self._now()),
            "running": running,
            "paused": progress.phase == "paused",
            "batch": progress.batch[:LONGEST],
            "metrics": dict(list(progress.metrics.items())[:LONGEST]),
            "findings": [str(one)[:LONGEST] for one in progress.findings[:MOST_FINDINGS]],
            "log": [line[:LONGEST] for line in tuple(self._tail.lines)],
            "curves": {
                "loss": _of_epochs(progress.losses),
                "validation_loss": _of_epochs(progress.validation_losses),
                "key": _of_epochs(progress.key_values),
                "now": _thin(self._now_curve),
            },
        }
        files.make_directories(self._path.parent)
        files.write_loose(self._path, files.canonical_json(told))


def read(live: Path) -> dict[str, Any] | None:
    """What the file in a training's `live/` says; None where there is none, or it is none of this format."""
    try:
        found = files.read_json(live / NAME, MOST_BYTES)
    except ArtifactError:
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _of_epochs(values: Sequence[float]) -> list[tuple[float, float]]:
    return _thin([(number, value) for number, value in enumerate(values, 1)])


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [points[at] for at in thinned([value for _, value in points], POINTS)]


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds")
