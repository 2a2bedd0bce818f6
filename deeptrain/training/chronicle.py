"""What happened to a training, when and where, as its `live/events.jsonl` tells: outside all artifacts.

`began` is one command or process that trains, with the run's `number`, which goes up from run to run; `epoch` is the
end of one, with its `epoch`, `loss`, `validation_loss`, `key_metric` and `value` of it; `paused` and `resumed` are a
pause, which counts in no time. A training whose log is gone or damaged is begun anew here, and in nothing else.
"""

import contextlib
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deeptrain.store import events
from deeptrain.store.events import EventLog
from deeptrain.training.progress import Progress

NAME = "events.jsonl"
DIRECTORIES = "training-*"


@dataclass(frozen=True)
class Told:
    """What a log tells.

    Attributes:
        number: of the run, from 1; 0 where it has none.
        begun: when the first process began, as ISO 8601 in UTC; "" when that is not known.
        processes: how many have trained.
        host: where the last one did.
        seconds: that all of them worked, from their beginning to the last epoch each ended.
        latest: seconds of the last epoch; NaN before the first.
        asked: how many epochs the last process was to reach; None where it did not say.
        epochs: what each epoch came to, by its number.
    """

    number: int = 0
    begun: str = ""
    processes: int = 0
    host: str = ""
    seconds: float = 0.0
    latest: float = math.nan
    asked: int | None = None
    epochs: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


class Chronicle:
    """Writes a training's log and knows what it tells, and what the run before it came to."""

    def __init__(self, live: Path, number: int | None, clock: Callable[[], datetime] = events.utc_now) -> None:
        """Name the `live/` of a training, and its number; nothing is read or written yet."""
        self._path = live / NAME
        self._log = EventLog(self._path, clock)
        self._root = live.parent.parent
        self._own = live.parent
        self._number = number or 0
        self._paused = False
        self.told = Told()
        self.previous: Told | None = None

    def begin(self, epochs: int) -> None:
        """Write down that this process trains up to so many epochs, and look at the runs beside it."""
        others = [read(path / "live" / NAME) for path in sorted(self._root.glob(DIRECTORIES)) if path != self._own]
        before = [one for one in others if 0 < one.number < self._number]
        self.previous = max(before, key=lambda one: one.number, default=None)
        self._log.append("began", number=self._number, epochs=epochs)
        self.told = read(self._path)
        if not self.told.processes:  # nothing can be written here
            self.told = Told(number=self._number, processes=1, host=platform.node())

    def tell(self, progress: Progress) -> bool:
        """Write down the epochs that have ended since; whether there was one."""
        if self._paused != (progress.phase == "paused"):
            self._paused = not self._paused
            self._log.append("paused" if self._paused else "resumed")
        ended = len(progress.losses)
        new = [number for number in range(1, ended + 1) if number not in self.told.epochs]
        for number in new:
            values = {
                "loss": progress.losses[number - 1],
                "validation_loss": _at(progress.validation_losses, number),
                "value": _at(progress.key_values, number),
            }
            self._log.append("epoch", epoch=number, key_metric=progress.key_metric, **values)
        if new:
            self.told = read(self._path)
        return bool(new)


def read(path: Path) -> Told:
    """What a log tells; nothing of one that is not there or cannot be read."""
    told: dict[str, Any] = {"epochs": {}}
    last: datetime | None = None
    paused: datetime | None = None
    with contextlib.suppress(OSError):
        for event in events.read(path):
            when = _time(event.get("time"))
            if when is None:
                continue
            if event.get("kind") == "began" and isinstance(event.get("number"), int):
                told["number"] = event["number"]
                told.setdefault("begun", str(event["time"]))
                told["processes"] = told.get("processes", 0) + 1
                told["host"] = str(event.get("host", ""))
                asked = event.get("epochs")
                told["asked"] = asked if isinstance(asked, int) else None
                last, paused = when, None
            elif event.get("kind") == "paused":
                paused = when
            elif event.get("kind") == "resumed" and last is not None and paused is not None:
                last, paused = last + (when - paused), None
            elif event.get("kind") == "epoch" and isinstance(event.get("epoch"), int) and last is not None:
                told["epochs"][event["epoch"]] = event
                told["latest"] = max((when - last).total_seconds(), 0.0)
                told["seconds"] = told.get("seconds", 0.0) + told["latest"]
                last = when
    return Told(**told)


def _at(values: tuple[float, ...], number: int) -> float | None:
    return values[number - 1] if len(values) >= number else None


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
