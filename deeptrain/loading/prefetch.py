"""Reading ahead in the background: slices of a stream come in order, a bounded number of them read at once.

Threads are enough, no processes: reads, checksums and copies let other Python threads run. An error in the background
is raised where the slice it belongs to would have come. A thread that dies is replaced; where nothing comes for a
minute all of them are, and what they had in hand is read again. Closing ends every thread.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, wait
from types import TracebackType
from typing import Any, NamedTuple, Self

from deeptrain.errors import DataError
from deeptrain.loading.order import Stream
from deeptrain.loading.reader import Reader, Window
from deeptrain.loading.threads import Threads
from deeptrain.shards.blocks import Integers

log = logging.getLogger("deeptrain")

STUCK_SECONDS = 60.0
LOOK_SECONDS = 5.0
"""How often one who waits looks after the threads."""

PATIENCE_SECONDS = 10.0
"""That closing waits at most; a thread that is left behind ends when its read does."""

REPLACEMENTS = 3
"""Of all threads for one slice; a disk that still does not answer is waited for."""

MOST_AHEAD = 16
"""Reads of a few bytes each are not begun by the hundred."""

SMALL_BYTES = 8 << 20
"""Of a split that is held in memory: up to here reading ahead costs more than it gains."""


class Slice(NamedTuple):
    """Samples of a stream that were read.

    Attributes:
        first: place in the stream of the first one.
        indices: (samples,) int64 in the split.
        x: by input, what gives samples from one place to another: see `take`.
    """

    first: int
    indices: Integers
    x: Mapping[str, Any]

    def take(self, begin: int, end: int) -> dict[str, Any]:
        """Some of the samples, counted from the first one: by input (samples, *shape), or arrays (steps, *shape).

        Raises:
            AlteredError: as `Window.take`.
        """
        return {name: samples[begin:end] for name, samples in self.x.items()}


class Prefetch:
    """The slices of a stream from a place to its end, read ahead by threads; an iterator to be closed.

    Memory: the read that is being consumed and those of the stream that lie ahead: `ahead_bytes` together, but at
    least two.
    """

    def __init__(self, reader: Reader, stream: Stream, start: int, least: int, ahead_bytes: int) -> None:
        """Stand at a place; reading begins with the first slice that is asked for.

        Args:
            reader: of the split.
            stream: its samples' order.
            start: place in the stream where to begin.
            least: samples that are wanted first.
            ahead_bytes: of reads at once.
        """
        size = reader.split.bytes
        self._reader = reader
        self._stream = stream
        self._ahead = min(max(2, int(ahead_bytes * len(reader.split) / (stream.largest * size))), MOST_AHEAD)
        self._reads = stream.reads(start, least)
        self._pending: deque[tuple[int, Window]] = deque()
        self._threaded = not (reader.way == "held" and size <= SMALL_BYTES)
        self._threads = Threads()
        self._going = self._ended = False

    def __iter__(self) -> Iterator[Slice]:
        """The iterator itself."""
        return self

    def __next__(self) -> Slice:
        """The next slice.

        Raises:
            AlteredError: when bytes of it are not those that were written, naming shard, block and sets.
        """
        if self._ended:
            raise StopIteration
        try:
            return self._next()
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Begin to read the first slice before it is asked for, where threads do it."""
        if self._threaded and not self._ended:
            self._begin(1)

    def close(self) -> None:
        """End the threads and wait for them, but not for a disk that does not answer; may be called again."""
        self._ended = True
        self._pending.clear()
        self._threads.close(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        """Read within a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def __del__(self) -> None:
        """Have the threads end by themselves: waiting for them here could be waiting for who collects this garbage."""
        if hasattr(self, "_ended"):
            self._threads.close()

    def _next(self) -> Slice:
        begins = not self._going
        self._going = True
        self._begin(1 if begins else self._ahead)  # nothing holds up the first one
        if not self._pending:
            raise StopIteration
        first, window = self._pending[0]
        if window.pending:
            window = self._waited(window)
        self._pending.popleft()
        if begins:
            self._begin(self._ahead - 1)
        return Slice(first, window.indices, window.inputs)

    def _begin(self, ahead: int) -> None:
        """Begin reads until there are so many."""
        while len(self._pending) < ahead and (read := next(self._reads, None)) is not None:
            self._pending.append((read[0], self._begun(self._stream.indices(*read))))

    def _begun(self, indices: Integers) -> Window:
        return self._reader.start(indices, self._threads if self._threaded else None)

    def _waited(self, window: Window) -> Window:
        """The window of the first read, once it is read; by other threads if these die or are stuck.

        Raises:
            DataError: when threads die again and again.
        """
        begun = told = time.monotonic()
        replaced = 0
        while True:
            done, unfinished = wait(window.pending, LOOK_SECONDS, FIRST_EXCEPTION)
            errors = [error for one in window.pending if one in done and (error := one.exception())]
            died = any(not isinstance(error, Exception) for error in errors)
            if errors and not died:
                raise errors[0]
            if not unfinished and not died:
                return window
            now = time.monotonic()
            if not died and now - told < STUCK_SECONDS:
                self._threads.tend()
                continue
            told, place = now, self._pending[0][0]
            if replaced < REPLACEMENTS:
                why = "died" if died else f"gave nothing for {now - begun:.0f} s (is the disk still there?)"
                log.warning("threads that read sample %d of the epoch %s: others take their place", place, why)
                window = self._replaced()
                replaced += 1
            elif died:
                raise DataError(f"threads that read sample {place:,} of the epoch died {replaced + 1} times")
            else:
                log.warning("waiting for sample %d of the epoch since %.0f s", place, now - begun)

    def _replaced(self) -> Window:
        """What was begun, begun again by new threads, into memory that the old ones do not know."""
        self._threads.close()
        self._threads = Threads()
        self._reader.renew()
        for at, (first, window) in enumerate(self._pending):
            self._pending[at] = first, self._begun(window.indices)
        return self._pending[0][1]
