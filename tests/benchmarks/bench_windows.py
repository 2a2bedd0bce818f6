"""An epoch of series in windows for a consumer of 2 ms an iteration, against the consumer alone; and going on."""

import itertools
import statistics
import time
from pathlib import Path

import numpy as np

from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.shards import reading
from tests import shard_files
from tests.benchmarks.side_by_side import measured, show

SERIES, SIZE, BATCH = 2000, 100, 32
SECONDS = 0.002


def test_an_epoch_of_windows(tmp_path: Path) -> None:
    """80 MB: series of 500 to 2,000 steps of 8 float32, held in memory or read with 32 MB."""
    rng = np.random.Generator(np.random.Philox(1))
    lengths = rng.integers(500, 2001, SERIES)
    shard_files.write(
        tmp_path,
        [rng.standard_normal((length, 8), np.float32) for length in lengths],
        np.arange(SERIES).astype(np.uint8) % 2,
        kind="binary",
        samples_per_shard=500,
    )
    epochs = itertools.count(1)

    def feed(superbatch_bytes: int) -> WindowFeed:
        split = reading.open(tmp_path).split("train")
        batches = Batches(split, BATCH, seed=1, order="blocks", superbatch_bytes=superbatch_bytes)
        return WindowFeed(batches, WindowSettings(size=SIZE), BATCH, training=True)

    iterations = feed(0).left(Position(), 0)

    def alone() -> None:
        for _ in range(iterations):
            time.sleep(SECONDS)

    def epoch(superbatch_bytes: int, seconds: float) -> None:
        data, at = feed(superbatch_bytes), Position(next(epochs))
        while at.batch < len(data):
            data.group(at, 1)
            at = data.after(at, 1)
            time.sleep(seconds)
        data.close()

    show(
        f"an epoch of {iterations:,} windows, {SECONDS * 1e3:g} ms each",
        measured(
            {
                "held in memory": lambda: epoch(512 << 20, SECONDS),
                "read ahead with 32 MB": lambda: epoch(32 << 20, SECONDS),
                "the windows alone": lambda: epoch(512 << 20, 0.0),
                "the consumer alone": alone,
            },
            rounds=3,
        ),
        "s",
        1.0,
    )

    def resumed() -> float:
        begun = time.perf_counter()
        data = feed(32 << 20)
        data.group(Position(1, 40, window=9), 1)
        seconds = time.perf_counter() - begun
        data.close()  # what is read ahead is not waited for before
        return seconds

    def taken() -> float:
        begun = time.perf_counter()
        split = reading.open(tmp_path).split("train")
        split.take(Batches(split, BATCH, seed=1, order="blocks").indices(1, 40))
        return time.perf_counter() - begun

    seconds = [(resumed(), taken()) for _ in range(7)]
    of_window, of_series = (statistics.median(part) for part in zip(*seconds, strict=True))
    show("the first window after a resume", {"of batch 40": of_window, "opened, and its series taken": of_series})
