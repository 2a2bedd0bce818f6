"""Reading ahead in the background: slices of a stream come in order, a bounded number of them held.

Threads are enough, no processes: reads, checksums and copies let other Python threads run. An error in the background
is raised where the slice it belongs to would have come. Closing ends and joins every thread.
"""

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from deeptrain.loading.order import Stream
from deeptrain.loading.reader import THREADS, Reader, Window
from deeptrain.shards.blocks import Integers

log = logging.getLogger("deeptrain")

STUCK_SECONDS = 60.0
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 10.0
"""That closing waits at most; a thread that is left behind ends when its read does."""

MOST_AHEAD = 16
"""Reads of a few bytes each are not begun by the hundred."""

PIECE_BYTES = 8 << 20
"""Samples are put in order so many bytes at a time: a window of 64 blocks needs no second one of its size."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Samples of a stream, read and in order.

    Attributes:
        first: place in the stream of the first one.
        last: place after the last one.
        indices: (samples,) int64 in the split.
        x: by input: an array (samples, *shape), or a list of arrays (steps, *shape).
    """

    first: int
    last: int
    indices: Integers
    x: dict[str, Any]


class Prefetch:
    """The slices of a stream from a place to its end, read ahead by threads; an iterator to be closed.

    Memory: the reads of the stream that lie ahead, `ahead_bytes` together but at least two, and three pieces of
    `PIECE_BYTES`: one being put in order, one waiting, and what the consumer holds.
    """

    def __init__(self, reader: Reader, stream: Stream, start: int, least: int, ahead_bytes: int) -> None:
        """Begin to read.

        Args:
            reader: of the split.
            stream: its samples' order.
            start: place in the stream where to begin.
            least: samples that are wanted first.
            ahead_bytes: of reads at once.
        """
        sample_bytes = reader.split.bytes / len(reader.split)
        ahead = int(ahead_bytes / (stream.largest * sample_bytes))
        self._found: queue.Queue[Slice | BaseException | None] = queue.Queue(1)
        self._closing = threading.Event()
        self._ended = False
        self._place = start
        # The thread knows what it needs and not this object, which can so be collected, and closes then.
        self._thread = threading.Thread(
            target=_serve,
            args=(
                reader,
                stream,
                stream.reads(start, least),
                least,
                min(max(2, ahead), MOST_AHEAD),
                self._found,
                self._closing,
            ),
            name="deeptrain read ahead",
            daemon=True,
        )
        self._thread.start()

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
        found = self._wait()
        if isinstance(found, Slice):
            self._place = found.last
            return found
        self.close()
        if found is None:
            raise StopIteration
        raise found

    def close(self) -> None:
        """End the threads and wait for them, but not for a disk that does not answer; may be called again."""
        self._ended = True
        self._closing.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._found.get_nowait()
        if self._thread is not threading.current_thread():
            self._thread.join(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        """Read within a block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def __del__(self) -> None:
        """Have the threads end by themselves: waiting for them here could be waiting for who collects this garbage."""
        if hasattr(self, "_closing"):
            self._closing.set()

    def _wait(self) -> Slice | BaseException | None:
        waited = 0.0
        while True:
            try:
                return self._found.get(timeout=STUCK_SECONDS)
            except queue.Empty:
                waited += STUCK_SECONDS
                if not self._thread.is_alive():
                    return RuntimeError(f"the thread that reads ahead ended at sample {self._place} of the epoch")
                log.warning(
                    "waiting for data since %.0f s, from sample %d of the epoch on: is the disk still there?",
                    waited,
                    self._place,
                )


def _serve(
    reader: Reader,
    stream: Stream,
    reads: Iterator[tuple[int, int]],
    least: int,
    ahead: int,
    found: "queue.Queue[Slice | BaseException | None]",
    closing: threading.Event,
) -> None:
    """The producer: begins reads `ahead` of the one it puts in order, and hands slices over one by one."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="deeptrain read")
    try:
        pending: deque[Iterator[Slice]] = deque()
        while not closing.is_set():
            while len(pending) < ahead and (read := next(reads, None)) is not None:
                pending.append(_begun(reader, stream.indices(*read), read[0], least, threads))
            if not pending:
                _hand(None, found, closing)
                return
            for piece in pending.popleft():
                _hand(piece, found, closing)
                del piece  # its memory may serve the next one
    except BaseException as error:  # noqa: BLE001 - raised where the consumer waits
        _hand(error, found, closing)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _begun(reader: Reader, indices: Integers, first: int, least: int, threads: ThreadPoolExecutor) -> Iterator[Slice]:
    """The slices of a read: threads begin it now, or it is done when its turn comes."""
    parts = reader.parts(indices, least)
    return _runs(reader, indices, first, parts) if parts else pieces(reader, reader.start(indices, threads), first)


def _runs(reader: Reader, indices: Integers, first: int, parts: Sequence[slice]) -> Iterator[Slice]:
    begin = int(indices[0])
    for part in parts:
        x = reader.read_run(begin + part.start, begin + part.stop)
        yield Slice(first + part.start, first + part.stop, indices[part], x)
        del x  # its memory may serve the next one


def pieces(reader: Reader, window: Window, first: int) -> Iterator[Slice]:
    """The samples of a window, in order, once they are read; those that need no copy all at once.

    Args:
        reader: of the window.
        window: which samples.
        first: place of the first one in the stream.
    """
    window.wait()
    count = len(window.indices)
    step = count
    if not window.ordered:
        step = max(1, int(PIECE_BYTES * len(reader.split) / reader.split.bytes))
    for at in range(0, count, step):
        end = min(at + step, count)
        yield Slice(first + at, first + end, window.indices[at:end], window.take(at, end))


def _hand(
    value: Slice | BaseException | None,
    found: "queue.Queue[Slice | BaseException | None]",
    closing: threading.Event,
) -> None:
    while not closing.is_set():
        try:
            found.put(value, timeout=POLL_SECONDS)
        except queue.Full:
            continue
        return
