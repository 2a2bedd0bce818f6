"""Series are read ahead in the background, and what is fed is what was stored, from any window on."""

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import AlteredError
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.loading.windows import Cut
from deeptrain.shards.reading import Split
from tests import shard_files
from tests.memory_split import series

ORDERS = ["none", "sets", "blocks", "samples"]
LENGTHS = [int(length) for length in np.random.Generator(np.random.Philox(3)).integers(3, 40, 50)]
SERIES = series(LENGTHS)
STILL = np.arange(100, dtype=np.float32).reshape(50, 2)
LABELS = np.arange(50, dtype=np.uint8) % 2
WINDOWS = WindowSettings(size=6, slide=4, start_increments=(0, 2))


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Split]:
    def made(x: Any, **arguments: Any) -> Split:
        directory = tmp_path_factory.mktemp("shards")
        arguments |= {"samples_per_shard": 17, "set_sizes": [9, 20, 1, 20], "kind": "binary"}
        return shard_files.split(directory, x, LABELS, **arguments)

    return {
        "one": made(SERIES, block_bytes=300),
        "compressed": made(SERIES, block_bytes=300, compression="lz4"),
        "both": made({"moves": SERIES, "person": STILL}, block_bytes=300),
    }


def windows(split: Split, order: Any = "blocks", superbatch_bytes: int = 0) -> WindowFeed:
    batches = Batches(split, 4, seed=2, order=order, superbatch_bytes=superbatch_bytes)
    return WindowFeed(batches, WINDOWS, 4, training=True)


def positions(data: WindowFeed, epoch: int = 1) -> list[Position]:
    found, at = [], Position(epoch)
    while at.batch < len(data):
        found.append(at)
        at = data.after(at, 1)
    return found


def check(data: WindowFeed, at: Position) -> None:
    """Against the arrays that were stored."""
    group = data.group(at, 1)
    assert group is not None
    indices = data.batches.indices(at.epoch, at.batch)
    cut = Cut(WINDOWS, (0, 2)[(at.epoch - 1) % 2], np.array(LENGTHS)[indices])
    x = group.x["moves"] if isinstance(group.x, dict) else group.x
    np.testing.assert_array_equal(x[0, : len(indices)], cut.steps([SERIES[index] for index in indices], at.window))
    if isinstance(group.x, dict):
        np.testing.assert_array_equal(group.x["person"][0, : len(indices)], STILL[indices])
    np.testing.assert_array_equal(group.y[0, : len(indices)], LABELS[indices])


@pytest.mark.parametrize(
    ("kind", "order", "superbatch_bytes"),
    [
        (kind, order, superbatch_bytes)
        for kind in ("one", "compressed", "both")
        for order in ORDERS
        for superbatch_bytes in (0, 1 << 20)
        if (kind, order, superbatch_bytes) != ("compressed", "samples", 0)  # that must be held in memory
    ],
)
def test_every_window_of_two_epochs_is_as_it_was_stored(
    splits: dict[str, Split], kind: str, order: Any, superbatch_bytes: int
) -> None:
    data = windows(splits[kind], order, superbatch_bytes)
    for epoch in (1, 2):
        for at in positions(data, epoch):
            check(data, at)
    data.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2), st.floats(0, 1, exclude_max=True)), max_size=12), st.sampled_from(ORDERS))
def test_windows_asked_for_in_any_order_are_those_of_their_position(
    splits: dict[str, Split], asked: list[tuple[int, float]], order: Any
) -> None:
    data = windows(splits["one"], order)
    for epoch, part in asked:
        everywhere = positions(data, epoch)
        check(data, everywhere[int(part * len(everywhere))])
    data.close()


@pytest.mark.parametrize("superbatch_bytes", [0, 1 << 20])
def test_a_damaged_series_is_named_with_its_set_where_its_batch_would_come(
    tmp_path: Path, superbatch_bytes: int
) -> None:
    split = shard_files.split(
        tmp_path, SERIES, LABELS, samples_per_shard=17, set_sizes=[9, 20, 1, 20], block_bytes=300, kind="binary"
    )
    path = tmp_path / "parts/0001/train-00002.x.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 8
    path.write_bytes(data)
    feed = windows(split, "none", superbatch_bytes)
    seen = []

    def go_through() -> None:
        for at in positions(feed):
            check(feed, at)
            seen.append(at.batch)

    with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block \d+ \(counted from 0; sets? [0-9]"):
        go_through()
    assert max(seen) < 9  # series 33, the damaged shard's last one, is of batch 8
    assert readers() == 0


def readers() -> int:
    """Threads that read."""
    return sum(one.name.startswith("deeptrain read") for one in threading.enumerate())


def test_nothing_is_left_over_after_a_thousand_epochs(splits: dict[str, Split]) -> None:
    def left() -> tuple[int, int]:
        gc.collect()
        until = time.monotonic() + 10
        while readers() and time.monotonic() < until:
            time.sleep(0.01)
        return readers(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    data, before = windows(splits["one"]), None
    for epoch in range(1, 1001):
        batches = range(len(data)) if epoch % 3 else range(2)  # every third one is left in its middle
        for number in batches:
            data.group(Position(epoch, number), 1)
        if epoch == 10:
            data.close()
            before = left()
    data.close()
    assert left() == before


def test_closing_ends_the_threads_and_reading_goes_on_afterwards(splits: dict[str, Split]) -> None:
    data = windows(splits["one"])
    check(data, Position())
    assert readers() > 0
    data.close()
    assert readers() == 0
    check(data, Position(window=1))
    data.close()
