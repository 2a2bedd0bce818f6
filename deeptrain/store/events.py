"""The event log of a run: when, where and by which process things happened, which no artifact may hold."""

import contextlib
import fcntl
import json
import logging
import math
import os
import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import ArtifactError, without_secrets

log = logging.getLogger("deeptrain")

ROTATE_BYTES = 8 << 20
LINE_BYTES = 64 << 10
TAIL_BYTES = 256 << 10
ENVELOPE = ("time", "kind", "host", "pid")
EARLIER = "earlier"
"""The kind of the event that stands for all that was told before it."""
MOST_ARTIFACTS = 1_000
"""Of which the time they took is carried on."""

Event = dict[str, Any]


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def seconds_by_artifact(told: Iterable[Event]) -> dict[str, object]:
    """What is carried on of a run's log: `seconds`, of the tasks of each of the newest artifacts, by directory."""
    found = _by_artifact(told)
    return {"seconds": dict(list(found.items())[-MOST_ARTIFACTS:])} if found else {}


class EventLog:
    """Appends events to a file such as `live/events.jsonl`; writing never fails for the caller (law 8).

    One line an event, a JSON object with

    - `time`: ISO 8601 in UTC with milliseconds, "2026-01-31T12:00:00.000+00:00",
    - `kind`: a word, such as "resumed",
    - `host`, `pid`: which process says so,
    - and the event's values, as `files.plain` writes them; one that is called like a key above gets a `_` behind it.

    A line is one `write` to a file opened for appending, so several processes may write at once. A line that a killed
    process left torn is ended before the next; one that looks torn because it is just being written costs an empty
    line, which readers skip. Values longer than 64 KiB in all, or that no reader takes, are replaced by their size.

    Before the file would grow over 8 MiB it is renamed to `events.jsonl.1`, replacing the previous one, and an event
    of the kind "earlier" says in the new one what readers need of all that was told before. So the two take 16 MiB at
    most, however long a training is.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], datetime] = utc_now,
        rotate_bytes: int | None = None,
        carried: Callable[[Iterable[Event]], Mapping[str, object]] = seconds_by_artifact,
    ) -> None:
        """Name the file; it and its directory are made by the first event.

        Args:
            path: of the file.
            clock: the wall clock.
            rotate_bytes: that the file may have, `ROTATE_BYTES` by default.
            carried: the values of "earlier", given all events before it, among them the "earlier" before.
        """
        self.path = path
        self._clock = clock
        self._rotate_bytes = rotate_bytes
        self._carried = carried
        self._told = False

    def append(self, kind: str, /, **values: object) -> Event | None:
        """Write one event; the first failure is told to the logger "deeptrain", the event is lost.

        Returns:
            The event as a reader finds it; None when it was lost.
        """
        try:
            line, event = self._line(kind, values)
            self._write(line)
        except Exception as error:  # noqa: BLE001 - what is written here is never worth stopping a training
            if not self._told:
                self._told = True
                log.warning("%s: events are not recorded: %s: %s", self.path, type(error).__name__, error)
            return None
        return event

    def _line(self, kind: str, values: Mapping[str, object]) -> tuple[bytes, Event]:
        """The line of an event, and the event as a reader finds it."""
        moment = self._clock().isoformat(timespec="milliseconds")
        envelope = {"time": moment, "kind": kind, "host": platform.node(), "pid": os.getpid()}
        plain = {f"{key}_" if key in ENVELOPE else key: files.plain(value) for key, value in values.items()}
        line = without_secrets(json.dumps(envelope | plain, allow_nan=False)).encode("ascii") + b"\n"
        event = next(_event(line), None) if len(line) <= LINE_BYTES else None
        if event is None:  # nobody reads that long a line, nor one with the name of a file that is no Unicode
            event = envelope | {"left_out_bytes": len(line)}
            line = json.dumps(event).encode("ascii") + b"\n"
        return line, event

    def _write(self, line: bytes) -> None:
        files.make_directories(self.path.parent)
        with self._opened() as descriptor:
            size = os.fstat(descriptor).st_size
            most = ROTATE_BYTES if self._rotate_bytes is None else self._rotate_bytes
            if size == 0 or size + len(line) <= most or not self._rotated(descriptor):
                self._carry_on(descriptor)
                _append(descriptor, line)
                return
        with self._opened() as descriptor:
            self._carry_on(descriptor)
            _append(descriptor, line)

    def _carry_on(self, descriptor: int) -> None:
        """Begin a file that took the place of another with what was told before; also if who renamed it was killed."""
        if os.fstat(descriptor).st_size == 0 and _older(self.path).is_file():
            carried = self._carried(read(self.path))
            if carried:
                _append(descriptor, self._line(EARLIER, carried)[0])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        # Read and write, for the look at the last byte. No link is followed: a run's directory may be a stranger's.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _rotated(self, descriptor: int) -> bool:
        # Without waiting: who cannot have the lock appends to the large file. Two processes that both find it too
        # large would otherwise rotate twice and lose the old generation.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if os.path.samestat(os.fstat(descriptor), self.path.lstat()):
            os.replace(self.path, _older(self.path))
        return True


def _append(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = os.write(descriptor, line)
    if written < len(line):
        raise OSError(f"{written} of {len(line)} bytes were written")


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def read(path: Path) -> Iterator[Event]:
    """The events of a log, oldest first, with those of the rotated file; what is no whole JSON object is skipped.

    A log that does not exist has no events. An event of the kind "earlier" stands for all that came before it, also for
    what is still there.

    Raises:
        OSError: when a file is there and cannot be read.
    """
    for generation in (_older(path), path):
        if generation.is_file():
            yield from _events(generation)


def newest(path: Path, most_bytes: int = TAIL_BYTES) -> Iterator[Event]:
    """The last events of a log, the newest first, as far as they are in its last bytes; none of one that is not there.

    Raises:
        OSError: when it is there and cannot be read.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - most_bytes, 0))
        lines = file.read(most_bytes).splitlines()
    for line in reversed(lines):
        yield from _event(line)


def seconds_of(path: Path, artifacts: Collection[str]) -> float | None:
    """Seconds that all tasks worked on artifacts or within them, stopped and failed ones too; None if none is told.

    Args:
        path: of the log of a run.
        artifacts: names of directories in the run's.
    """
    try:
        found = _by_artifact(read(path))
    except OSError:
        return None
    logged = [seconds for artifact, seconds in found.items() if artifact in artifacts]
    return sum(logged) if logged else None


def _by_artifact(told: Iterable[Event]) -> dict[str, float]:
    """The sum of seconds by directory of the run, what was worked on last at the end."""
    found: dict[str, float] = {}
    for event in told:
        if event.get("kind") == EARLIER:
            found = {}
        for artifact, seconds in _seconds(event):
            found[artifact] = found.pop(artifact, 0.0) + seconds
    return found


def _seconds(event: Event) -> Iterator[tuple[str, float]]:
    """Seconds that an event tells of, each with the directory of the run that they were spent on."""
    told = event.get("seconds")
    if event.get("kind") == "task":
        told = {str(event.get("artifact", "")).partition("/")[0]: told}
    elif event.get("kind") != EARLIER or not isinstance(told, dict):
        return
    for artifact, seconds in told.items():
        with contextlib.suppress(OverflowError):
            if isinstance(seconds, int | float) and math.isfinite(seconds):
                yield artifact, float(seconds)


def _events(path: Path) -> Iterator[Event]:
    with path.open("rb") as file:
        inside = False  # of a line longer than any that is written here
        while line := file.readline(LINE_BYTES + 1):
            cut = not line.endswith(b"\n") and len(line) > LINE_BYTES
            if not (inside or cut):
                yield from _event(line)
            inside = cut


def _event(line: bytes) -> Iterator[Event]:
    """The event in a line; nothing of one that is torn or none."""
    with contextlib.suppress(ArtifactError):
        event = files.parse_json(line, Path())
        if isinstance(event, dict):
            yield event
