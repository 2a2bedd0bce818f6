"""Reading: every byte checked, what changes noticed, no thread and no memory left over."""

import contextlib
import errno
import gc
import os
import shutil
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import AlteredError, LackingError
from deeptrain.loading import reader
from deeptrain.loading.batches import Batches
from deeptrain.shards import page_cache
from deeptrain.shards.column import Column
from deeptrain.shards.reading import Split
from tests import shard_files
from tests.hundred_samples import LABELS, ORDERS, SAMPLES, SETS, X, check_samples


def readers() -> int:
    """Threads that read ahead: pytest may have others."""
    return sum(thread.name.startswith("deeptrain read") for thread in threading.enumerate())


def wait_for_none() -> None:
    """Threads whose reader was collected end by themselves, soon."""
    deadline = time.monotonic() + 10
    while readers() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["one", "series", "both", "pages"])
@given(data=st.data())
def test_what_the_page_cache_holds_is_read_by_who_asks_for_it_whatever_is_asked_for(
    splits: dict[str, Split], kind: str, data: st.DataObject
) -> None:
    split = splits[kind]
    first = data.draw(st.integers(0, SAMPLES - 1))
    last = data.draw(st.integers(first + 1, SAMPLES))
    places = st.integers(0, last - first)
    steps = data.draw(st.lists(places, max_size=10).map(sorted)) + data.draw(st.lists(places, max_size=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_cache, "holds", lambda *_: True)
        patch.setattr(reader, "STREAM_BYTES", data.draw(st.sampled_from([0, 100, 1 << 20])))
        window = reader.Reader(split, 0).start(np.arange(first, last), None)
        assert not window.pending
        kept = []
        for one, two in pairwise([0, *steps]):
            begin, end = min(one, two), max(one, two)
            if begin < end:
                kept.append((window.take(begin, end), np.arange(first + begin, first + end)))
        for found, indices in kept:
            check_samples(kind, found if len(found) > 1 else next(iter(found.values())), indices)


@pytest.mark.parametrize("superbatch_bytes", [0, 1 << 20])
@pytest.mark.parametrize("order", ORDERS)
def test_a_damaged_block_is_named_with_shard_and_sets_where_its_batch_would_come(
    tmp_path: Path, order: Any, superbatch_bytes: int
) -> None:
    split = shard_files.split(tmp_path, X, LABELS, set_sizes=SETS, samples_per_shard=33, block_bytes=100)
    path = tmp_path / "parts/0001/train-00002.x.npy"
    data = bytearray(path.read_bytes())
    data[4096 + 24 * 20] ^= 8
    path.write_bytes(data)
    batches = Batches(split, 4, order=order, superbatch_bytes=superbatch_bytes)
    with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block 5 \(counted from 0; sets? [4-9]"):
        list(batches)
    with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block 5 "):
        [batches.batch(1, number) for number in range(len(batches))]
    assert readers() == 0


@pytest.mark.parametrize("order", ORDERS)
def test_a_file_that_changes_between_epochs_is_noticed(tmp_path: Path, order: Any) -> None:
    split = shard_files.split(tmp_path, X, LABELS, set_sizes=SETS, samples_per_shard=33, block_bytes=100)
    batches = Batches(split, 4, order=order, superbatch_bytes=0)
    list(batches.prefetch(1))
    path = tmp_path / "parts/0001/train-00002.x.npy"
    with path.open("r+b") as file:
        file.seek(4096 + 24 * 20)
        file.write(b"\x7f")
    with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block 5 "):
        list(batches.prefetch(2))


@pytest.mark.parametrize("order", ORDERS)
def test_a_file_replaced_while_it_is_read_is_noticed_or_goes_on_as_it_was(tmp_path: Path, order: Any) -> None:
    """Either the old file is still held, and its samples come, or the new one is compared."""
    split = shard_files.split(tmp_path, X, LABELS, set_sizes=SETS, samples_per_shard=33, block_bytes=100)
    batches = Batches(split, 4, order=order, superbatch_bytes=0)
    path = tmp_path / "parts/0001/train-00002.x.npy"
    data = path.read_bytes()
    with contextlib.suppress(AlteredError):
        for batch in batches.prefetch(1):
            np.testing.assert_array_equal(batch.x, X[batch.indices])
            path.with_name("new").write_bytes(data[:4096] + bytes(len(data) - 4096))
            path.with_name("new").replace(path)


@pytest.mark.parametrize("when", ["while they are copied", "when they are copied"])
@pytest.mark.parametrize("restored", ["", "as another file", "with its times"])
def test_samples_from_everywhere_that_were_read_ahead_of_a_file_that_changed_are_not_handed_out(
    tmp_path: Path, when: str, restored: str
) -> None:
    split = shard_files.split(tmp_path, X, LABELS, set_sizes=SETS, samples_per_shard=33, block_bytes=100)
    path = tmp_path / "parts/0001/train-00002.x.npy"
    kept = Path(shutil.copy2(path, tmp_path / "kept"))
    whole = path.read_bytes()
    copy = Column._copy

    def change() -> None:
        path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))

    def disturbed(self: Column, *arguments: Any) -> None:
        change()
        copy(self, *arguments)

    halves = np.split(np.random.default_rng(0).permutation(SAMPLES), 2)
    everywhere = reader.Reader(split, 0, scattered=True)
    everywhere.read(np.arange(SAMPLES))
    with pytest.MonkeyPatch.context() as patch:
        if when == "while they are copied":
            patch.setattr(Column, "_copy", disturbed)
        windows = [everywhere.start(half, None) for half in halves]
    if when == "when they are copied":
        change()
    if restored == "with its times":
        shutil.copy2(kept, path)
    elif restored:
        kept.replace(path)
    for half, window in zip(halves, windows, strict=True):
        if restored:
            np.testing.assert_array_equal(window.take(0, len(half))["x"], X[half])
            continue
        for _ in range(2):
            with pytest.raises(AlteredError, match=r"train-00002\.x\.npy: altered: block "):
                window.take(0, len(half))


@pytest.mark.parametrize("order", ORDERS)
def test_shards_that_the_system_has_no_files_left_to_open_with_are_not_taken_for_altered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any
) -> None:
    """Altered ones are set aside and made again."""
    split = shard_files.split(tmp_path, X, LABELS, set_sizes=SETS, samples_per_shard=33, block_bytes=100)
    opened = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(".npy"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LackingError, match=r"\.x\.npy: cannot be read: Too many open files; allow more open files"):
        list(Batches(split, 4, order=order))


@pytest.mark.parametrize(
    ("order", "superbatch_bytes"), [("blocks", 0), ("none", 0), ("samples", 0), ("samples", 1 << 20)]
)
def test_nothing_is_left_over_after_a_thousand_epochs(split: Split, order: Any, superbatch_bytes: int) -> None:
    def left() -> tuple[int, int]:
        gc.collect()
        wait_for_none()
        return readers(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    batches = Batches(split, 16, order=order, superbatch_bytes=superbatch_bytes)
    before = None
    for epoch in range(1, 251):
        if epoch % 3:
            sum(len(batch.x) for batch in batches.prefetch(epoch))
        else:
            abandoned = batches.prefetch(epoch)
            next(abandoned)
            del abandoned
        if epoch == 10:
            before = left()
    assert left() == before


def test_closing_ends_the_threads_and_reading_goes_on_afterwards(split: Split) -> None:
    batches = Batches(split, 4, order="blocks", superbatch_bytes=0)
    batches.batch(1, 0)
    assert readers() > 0
    batches.close()
    assert readers() == 0
    np.testing.assert_array_equal(batches.batch(1, 1).x, X[batches.indices(1, 1)])
    del batches
    gc.collect()
    wait_for_none()
    assert readers() == 0


def test_a_reader_that_is_collected_waits_for_no_thread(split: Split) -> None:
    """Garbage is collected anywhere, also while a lock is held that the thread needs to end."""
    batches = Batches(split, 4, order="blocks", superbatch_bytes=0)
    batches.batch(1, 0)
    (column,) = split.columns.values()
    with column._lock:
        begun = time.monotonic()
        batches._running = None
        gc.collect()
        assert time.monotonic() - begun < 5
    wait_for_none()
    assert readers() == 0


def test_batches_that_are_kept_keep_their_samples(tmp_path: Path) -> None:
    """Memory is recycled only when nobody holds a view of it."""
    x = np.arange(400_000, dtype=np.float32).reshape(20_000, 20)
    split = shard_files.split(tmp_path, x, np.zeros(20_000, np.int64), samples_per_shard=7000, block_bytes=4000)
    batches = Batches(split, 33, order="blocks", superbatch_bytes=1 << 20)
    kept = [batch for epoch in (1, 2, 3) for batch in batches.prefetch(epoch)]
    for batch in kept:
        np.testing.assert_array_equal(batch.x, x[batch.indices])


def test_held_samples_cannot_be_changed_through_a_batch(split: Split) -> None:
    batch = Batches(split, 4).batch(1, 0)
    with pytest.raises(ValueError, match="read-only"):
        batch.x[:] = 0
