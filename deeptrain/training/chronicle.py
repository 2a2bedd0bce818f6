"""What happened to a training, when and where, as its `live/events.jsonl` tells: outside all artifacts.

`began` is one command or process that trains, with the run's `number`, which goes up from run to run; `epoch` is the
end of one, with its `epoch`, `loss`, `validation_loss`, `key_metric` and `value` of it; `paused` and `resumed` are a
pause, which counts in no time; `earlier` is what was told before the log was rotated, see `Story.carried`. A training
whose log is gone or damaged is begun anew here, and in nothing else.
"""

import contextlib
import math
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from deeptrain.store import events
from deeptrain.store.events import EARLIER, Event, EventLog
from deeptrain.training.progress import Progress

NAME = "events.jsonl"
DIRECTORIES = "training-*"


class Ended(NamedTuple):
    """What an epoch came to; None where it is not told, or not known."""

    loss: float | None
    validation_loss: float | None
    key_metric: str
    value: float | None


class Best(NamedTuple):
    """A value of the key metric, and the epoch that reached it."""

    value: float
    epoch: int


@dataclass
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
        ended: how many epochs have ended.
        greatest: the greatest value of the key metric and the first epoch that reached it; None before one has.
        least: likewise.
        epochs: what epochs came to, by their numbers: those that the log still tells of.
    """

    number: int = 0
    begun: str = ""
    processes: int = 0
    host: str = ""
    seconds: float = 0.0
    latest: float = math.nan
    asked: int | None = None
    ended: int = 0
    greatest: Best | None = None
    least: Best | None = None
    epochs: dict[int, Ended] = field(default_factory=dict)


class Story:
    """Takes a log's events one after the other; `told` is what they tell so far."""

    def __init__(self, told: Told | None = None) -> None:
        """Before the first event, or behind what is told already."""
        self.told = told or Told()
        self._last: datetime | None = None
        self._paused: datetime | None = None

    def take(self, event: Event) -> None:
        """Go on with an event; what is none of a training's is passed over."""
        when = _time(event.get("time"))
        if when is None:
            return
        kind, told = event.get("kind"), self.told
        if kind == "began" and isinstance(event.get("number"), int):
            told.number = event["number"]
            told.begun = told.begun or str(event["time"])
            told.processes += 1
            told.host = str(event.get("host", ""))
            asked = event.get("epochs")
            told.asked = asked if isinstance(asked, int) else None
            self._last, self._paused = when, None
        elif kind == "paused":
            self._paused = when
        elif kind == "resumed" and self._last is not None and self._paused is not None:
            with contextlib.suppress(OverflowError):  # of a year that is none, in a stranger's log
                self._last += when - self._paused
            self._paused = None
        elif kind == "epoch" and isinstance(event.get("epoch"), int) and self._last is not None:
            self._end(event["epoch"], event)
            told.latest = max((when - self._last).total_seconds(), 0.0)
            told.seconds += told.latest
            self._last = when
        elif kind == EARLIER:
            self._go_on(event)

    def carried(self) -> dict[str, object]:
        """What "earlier" holds: what is told but each epoch by itself, and `last`, from when the next one counts."""
        told = {name: getattr(self.told, name) for name in CARRIED if getattr(self.told, name) != getattr(Told, name)}
        # the envelope of an event has a host of its own
        told |= {"by": told.pop("host")} if "host" in told else {}
        return {**told, "last": self._last.isoformat()} if told and self._last is not None else {}

    def _end(self, number: int, event: Event) -> None:
        told, value = self.told, _number(event.get("value"))
        told.epochs[number] = Ended(
            _number(event.get("loss")),
            _number(event.get("validation_loss")),
            sys.intern(str(event.get("key_metric", ""))),
            value,
        )
        told.ended = max(told.ended, number)
        if value is not None and math.isfinite(value):
            if told.greatest is None or value > told.greatest.value:
                told.greatest = Best(value, number)
            if told.least is None or value < told.least.value:
                told.least = Best(value, number)

    def _go_on(self, event: Event) -> None:
        """Behind what was told earlier, as far as it is of the right kinds; epochs that are still told stay so."""
        told = Told(epochs=self.told.epochs)
        for name in ("number", "processes", "ended", "asked"):
            if isinstance(one := event.get(name), int):
                setattr(told, name, one)
        for name in ("seconds", "latest"):
            setattr(told, name, _number(event.get(name)) or 0.0)
        told.begun, told.host = str(event.get("begun", "")), str(event.get("by", ""))
        told.greatest, told.least = _best(event.get("greatest")), _best(event.get("least"))
        self.told, self._last, self._paused = told, _time(event.get("last")), None


CARRIED = tuple(one.name for one in fields(Told) if one.name != "epochs")


class Chronicle:
    """Writes a training's log and knows what it tells, and what the run before it came to."""

    def __init__(self, live: Path, number: int | None, clock: Callable[[], datetime] = events.utc_now) -> None:
        """Name the `live/` of a training, and its number; nothing is read or written yet."""
        self._path = live / NAME
        self._log = EventLog(self._path, clock, carried=lambda told: _story(told).carried())
        self._root = live.parent.parent
        self._own = live.parent
        self._number = number or 0
        self._paused = False
        self._story = Story()
        self.previous: Told | None = None

    @property
    def told(self) -> Told:
        """What it tells; it grows with it."""
        return self._story.told

    def begin(self, epochs: int) -> None:
        """Write down that this process trains up to so many epochs, and look at the runs beside it."""
        others = [read(path / "live" / NAME) for path in sorted(self._root.glob(DIRECTORIES)) if path != self._own]
        before = [one for one in others if 0 < one.number < self._number]
        self.previous = max(before, key=lambda one: one.number, default=None)
        with contextlib.suppress(OSError):
            self._story = _story(events.read(self._path))
        if not self._tell("began", number=self._number, epochs=epochs) and not self.told.processes:
            # nothing can be written here
            self._story = Story(Told(number=self._number, processes=1, host=platform.node()))

    def tell(self, progress: Progress) -> bool:
        """Write down the epochs that have ended since; whether there was one."""
        if self._paused != (progress.phase == "paused"):
            self._paused = not self._paused
            self._tell("paused" if self._paused else "resumed")
        before = self.told.ended
        for number in range(before + 1, len(progress.losses) + 1):
            values = {
                "loss": progress.losses[number - 1],
                "validation_loss": _at(progress.validation_losses, number),
                "value": _at(progress.key_values, number),
            }
            if not self._tell("epoch", epoch=number, key_metric=progress.key_metric, **values):
                break
        return self.told.ended > before

    def _tell(self, kind: str, **values: object) -> bool:
        """Write down an event and know it, unless it cannot be written."""
        event = self._log.append(kind, **values)
        if event is not None:
            self._story.take(event)
        return event is not None


def read(path: Path) -> Told:
    """What a log tells; nothing of one that is not there or cannot be read."""
    try:
        return _story(events.read(path)).told
    except OSError:
        return Told()


def _story(told: Iterable[Event]) -> Story:
    story = Story()
    for event in told:
        story.take(event)
    return story


def _at(values: tuple[float, ...], number: int) -> float | None:
    return values[number - 1] if len(values) >= number else None


def _number(value: object) -> float | None:
    """A number as an event holds it: those that are not finite are texts."""
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return math.nan


def _best(value: object) -> Best | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        found = _number(value[0])
        return None if found is None else Best(found, value[1])
    return None


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
