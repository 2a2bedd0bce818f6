"""Batches: every sample once an epoch, in an order that is a pure function of seed and epoch, from any place on."""

import contextlib
import dataclasses
import gc
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import AlteredError, ArtifactError, DataError
from deeptrain.loading import reader
from deeptrain.loading.batch import letters, name_of
from deeptrain.loading.batches import Batches
from deeptrain.loading.order import stream
from deeptrain.loading.position import Position
from deeptrain.shards import page_cache
from deeptrain.shards.reading import Split
from tests import shard_files

SETS = [7, 12, 1, 30, 5, 5, 20, 13, 2, 5]
SAMPLES = sum(SETS)
ORDERS = ["none", "sets", "blocks", "samples"]
X = np.arange(SAMPLES * 6, dtype=np.float32).reshape(SAMPLES, 3, 2)
PAGES = np.repeat(np.arange(SAMPLES, dtype=np.float32)[:, np.newaxis], 1024, axis=1)
SERIES = [np.full((number % 5 + 1, 2), number, np.float32) for number in range(SAMPLES)]
LABELS = (np.arange(SAMPLES) % 5 == 0).astype(np.uint8)
WEIGHTS = (np.arange(SAMPLES) % 3).astype(np.float32)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Split]:
    """100 samples in shards and blocks of 1 to 5 samples: one input, sequences, both, compressed, whole pages."""

    def made(x: Any, samples_per_shard: int = 33, **arguments: Any) -> Split:
        return shard_files.split(
            tmp_path_factory.mktemp("shards"),
            x,
            LABELS,
            set_sizes=SETS,
            samples_per_shard=samples_per_shard,
            weights=WEIGHTS,
            kind="binary",
            parts=2,
            **arguments,
        )

    return {
        "one": made(X, block_bytes=100),
        "series": made(SERIES, block_bytes=60),
        "both": made({"a": X, "b": SERIES}, block_bytes=70),
        "compressed": made(X, block_bytes=100, compression="lz4"),
        "pages": made(PAGES, samples_per_shard=32, block_bytes=9000),
    }


@pytest.fixture(scope="module")
def split(splits: dict[str, Split]) -> Split:
    return splits["one"]


def readers() -> int:
    """Threads that read ahead: pytest may have others."""
    return sum(thread.name.startswith("deeptrain read") for thread in threading.enumerate())


def wait_for_none() -> None:
    """Threads whose reader was collected end by themselves, soon."""
    deadline = time.monotonic() + 10
    while readers() and time.monotonic() < deadline:
        time.sleep(0.01)


def expected(kind: str, index: int) -> Any:
    return {"one": X, "compressed": X, "series": SERIES, "pages": PAGES}[kind][index]


def check_samples(kind: str, x: Any, indices: np.ndarray) -> None:
    if kind == "both":
        check_samples("one", x["a"], indices)
        check_samples("series", x["b"], indices)
        return
    assert len(x) == len(indices)
    for one, index in zip(x, indices.tolist(), strict=True):
        np.testing.assert_array_equal(one, expected(kind, index))


options = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**63 - 1),
        "order": st.sampled_from(ORDERS),
        "sets": st.none() | st.lists(st.integers(1, len(SETS)), min_size=1, max_size=6),
        "last": st.sampled_from(["keep", "drop", "fill"]),
        "sampling": st.sampled_from([None, None, "balanced", "weighted"]),
        "superbatch_bytes": st.sampled_from([0, 200, 1 << 20]),
    }
)


def made(split: Split, batch_size: int, options: dict[str, Any]) -> Batches:
    arguments = dict(options)
    if arguments["sampling"]:
        arguments["order"] = "samples"
    if arguments["sets"]:
        held = sum(SETS[number - 1] for number in set(arguments["sets"]))
        batch_size = min(batch_size, held)
        if arguments["sampling"] == "weighted" and held < 4:
            arguments["sampling"] = None
    return Batches(split, batch_size, **arguments)


@given(
    st.sampled_from(["one", "series", "both", "compressed", "pages"]),
    options,
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 10**6),
    st.data(),
)
@settings(max_examples=150)
def test_restoring_at_any_step_gives_the_same_remaining_stream_for_any_batch_size(
    splits: dict[str, Split],
    kind: str,
    options: dict[str, Any],
    batch_size: int,
    other_size: int,
    epoch: int,
    data: st.DataObject,
) -> None:
    if (kind == "compressed" and options["order"] == "samples") or options["sampling"]:
        options = options | {"superbatch_bytes": 1 << 20}
    whole = made(splits[kind], batch_size, options)
    batches = list(whole.prefetch(epoch))
    assert [batch.number for batch in batches] == list(range(len(whole)))
    for batch in batches:
        check_samples(kind, batch.x, batch.indices)
        np.testing.assert_array_equal(batch.y, LABELS[batch.indices])
        np.testing.assert_array_equal(batch.weights, WEIGHTS[batch.indices])
        np.testing.assert_array_equal(batch.sets, splits[kind].sets[batch.indices])
        np.testing.assert_array_equal(batch.indices, whole.indices(epoch, batch.number))
        assert len(batch.indices) == whole.size(batch.number)
        assert batch.name == whole.name(epoch, batch.number)
    if not batches:
        return
    restored = made(splits[kind], batch_size, options)
    step = data.draw(st.integers(0, len(whole) - 1))
    for number in range(step, len(whole)):
        check_samples(kind, restored.batch(epoch, number).x, batches[number].indices)
    for batch, same in zip(batches[step:], restored.prefetch(epoch, step), strict=True):
        check_samples(kind, same.x, batch.indices)
        np.testing.assert_array_equal(same.indices, batch.indices)
    other = made(splits[kind], other_size, options | {"last": "keep"})
    stream = np.concatenate([batch.indices for batch in other.prefetch(epoch)])
    found = np.concatenate([batch.indices for batch in batches])[: whole.samples]
    np.testing.assert_array_equal(stream[: len(found)], found)


@given(options, st.integers(1, 100), st.integers(1, 10**6))
def test_every_chosen_sample_comes_once_an_epoch(
    split: Split, options: dict[str, Any], batch_size: int, epoch: int
) -> None:
    batches = made(split, batch_size, options | {"sampling": None, "last": "keep"})
    indices = np.concatenate([batches.indices(epoch, number) for number in range(len(batches))])
    chosen = options["sets"] or split.sets
    np.testing.assert_array_equal(np.sort(indices), np.flatnonzero(np.isin(split.sets, chosen)))


@given(st.sampled_from(ORDERS), st.integers(0, 99), st.integers(0, 99))
def test_any_part_of_a_stream_is_that_part_of_the_whole(split: Split, order: Any, first: int, last: int) -> None:
    epoch = stream(order, split, 1, 1)
    np.testing.assert_array_equal(epoch.indices(first, last), epoch.indices(0, 100)[first:last])
    reads = list(epoch.reads(first))
    assert reads[0][0] == first
    assert reads[-1][1] == SAMPLES
    assert all(before[1] == after[0] < after[1] for before, after in pairwise(reads))


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


def test_sets_stay_together_in_the_order_of_sets(split: Split) -> None:
    indices = stream("sets", split, 3, 1).indices(0, SAMPLES)
    sets = split.sets[indices]
    assert np.count_nonzero(np.diff(sets)) == len(SETS) - 1
    assert all((np.diff(indices[sets == number]) == 1).all() for number in range(1, len(SETS) + 1))
    assert sets.tolist() != split.sets.tolist()


def test_blocks_are_permuted_and_their_samples_stay_within_their_window(tmp_path: Path) -> None:
    split = shard_files.split(
        tmp_path, np.zeros((2000, 4), np.float32), np.zeros(2000, np.int64), block_bytes=32, samples_per_shard=601
    )
    order = stream("blocks", split, 1, 1)
    reads = list(order.reads(0))
    blocks = np.searchsorted(split.blocks, order.indices(0, 2000), side="right") - 1
    held = [set(blocks[first:last].tolist()) for first, last in reads]
    assert [len(one) for one in held] == [256] * 3 + [len(split.blocks) - 1 - 3 * 256]
    assert sum(map(len, held)) == len(set().union(*held))
    assert np.corrcoef(blocks[:-1], blocks[1:])[0, 1] < 0.2


def test_small_blocks_mix_data_sorted_by_class_nearly_as_well_as_independent_draws(tmp_path: Path) -> None:
    """How much the count of a class differs between batches, over what it does for independent draws."""
    labels = np.sort(np.arange(2**18) % 10)
    x = np.zeros((2**18, 1), np.uint8)
    split = shard_files.split(tmp_path, x, labels, samples_per_shard=2**15, block_bytes=64)
    batches = split.labels[stream("blocks", split, 1, 1).indices(0, 2**18)].reshape(-1, 256)
    counts = np.stack([(batches == label).sum(axis=1) for label in range(10)])
    assert counts.std() / np.sqrt(256 * 0.1 * 0.9) < 1.5


def test_seeds_are_hashed_and_not_added(split: Split) -> None:
    """In one peer seed 5 in epoch 1 is seed 6 in epoch 0."""
    for order in ("sets", "blocks", "samples"):
        streams = {
            tuple(stream(order, split, seed, epoch).indices(0, SAMPLES)) for seed in range(5) for epoch in range(1, 5)
        }
        assert len(streams) == 20


@pytest.mark.parametrize("order", ["blocks", "samples"])
def test_the_order_is_a_fair_shuffle(tmp_path: Path, order: Any) -> None:
    """Each sample comes first equally often, and no sample tells of the next."""
    few = shard_files.split(tmp_path / "few", np.zeros((8, 1), np.float32), np.zeros(8, np.int64), block_bytes=4)
    first = np.array([stream(order, few, 1, epoch).indices(0, 1)[0] for epoch in range(1, 2001)])
    counts = np.bincount(first, minlength=8)
    assert abs(counts - 250).max() < 5 * np.sqrt(250)
    many = shard_files.split(
        tmp_path / "many", np.zeros((20000, 1), np.float32), np.zeros(20000, np.int64), block_bytes=4
    )
    found = stream("samples", many, 1, 1).indices(0, 20000).astype(np.float64)
    for lag in (1, 2, 64, 1000):
        assert abs(np.corrcoef(found[:-lag], found[lag:])[0, 1]) < 5 / np.sqrt(20000)


def test_orders_never_change_between_versions(split: Split) -> None:
    """An order that changed would silently make every resumed run another one."""
    found = {order: stream(order, split, 7, 3).indices(0, 12).tolist() for order in ("sets", "blocks", "samples")}
    assert found == PINNED


PINNED = {
    "sets": [60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71],
    "blocks": [56, 79, 41, 53, 87, 34, 7, 73, 63, 83, 90, 48],
    "samples": [88, 21, 15, 27, 13, 11, 62, 94, 90, 33, 29, 89],
}


def test_balanced_sampling_takes_every_class_equally_and_each_sample_nearly_so(split: Split) -> None:
    for epoch in (1, 2):
        indices = stream("samples", split, 1, epoch, sampling="balanced").indices(0, SAMPLES)
        assert np.bincount(LABELS[indices]).tolist() == [50, 50]
        counts = np.bincount(indices, minlength=SAMPLES)
        assert set(counts[LABELS == 1]) == {2, 3}
        assert set(counts[LABELS == 0]) == {0, 1}


def test_weighted_sampling_draws_by_weight(split: Split) -> None:
    drawn = np.concatenate(
        [stream("samples", split, 1, epoch, sampling="weighted").indices(0, SAMPLES) for epoch in range(1, 201)]
    )
    shares = np.bincount((drawn % 3).astype(int), minlength=3) / len(drawn)
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1:], [1 / 3, 2 / 3], atol=0.02)


@pytest.mark.parametrize("order", ["none", "sets", "blocks"])
def test_sampling_needs_the_order_samples(split: Split, order: Any) -> None:
    with pytest.raises(DataError, match=rf'it needs order = "samples", got "{order}"'):
        list(Batches(split, 4, order=order, sampling="balanced"))


def test_sampling_needs_what_it_goes_by(tmp_path: Path) -> None:
    split = shard_files.split(tmp_path, X, LABELS.astype(np.float32), kind="values")
    with pytest.raises(DataError, match='sampling = "balanced" needs labels that are classes'):
        list(Batches(split, 4, order="samples", sampling="balanced"))
    with pytest.raises(DataError, match='sampling = "weighted" needs samples with weights'):
        list(Batches(split, 4, order="samples", sampling="weighted"))


def test_batches_are_named_by_their_sets_and_the_parts_of_them(split: Split) -> None:
    batches = Batches(split, 5)
    assert [batches.name(1, number) for number in range(len(batches))][:12] == [
        "1-a", "1-b+2-a", "2-b", "2-c+3", "4-a", "4-b", "4-c", "4-d", "4-e", "4-f", "5", "6",
    ]  # fmt: skip
    names = [batches.name(1, number) for number in range(len(batches))]
    assert len(set(names)) == len(names)
    assert Batches(split, 12).name(1, 0) == "1+2-a"
    assert Batches(split, 30, sets=[4]).name(1, 0) == "4"
    parts = Batches(split, 1, sets=[4])
    assert [parts.name(1, number) for number in (0, 25, 26, 29)] == ["4-a", "4-z", "4-aa", "4-ad"]
    assert Batches(split, 5, sets=[5, 6], order="sets", seed=1).name(1, 1) in {"5", "6"}
    mixed = Batches(split, 30, order="samples", seed=1)
    assert mixed.name(1, 2) == f"b0002 ({len(mixed.sets(1, 2))} sets)"


@pytest.mark.parametrize(("part", "name"), [(0, "a"), (25, "z"), (26, "aa"), (51, "az"), (52, "ba"), (702, "aaa")])
def test_parts_go_on_after_z(part: int, name: str) -> None:
    assert letters(part) == name


@pytest.mark.parametrize(
    ("sets", "name"), [([4], "4"), ([4, 4, 4], "4"), ([12, 13], "12+13"), (list(range(37)), "b0412 (37 sets)")]
)
def test_a_batch_of_no_known_order_is_named_by_its_sets(sets: list[int], name: str) -> None:
    assert name_of(412, np.array(sets)) == name


def test_a_stack_holds_the_batches_it_names(split: Split) -> None:
    batches = Batches(split, 16, seed=1, order="samples")
    x, y = batches.stack(2, 1, 3)
    assert x.shape == (3, 16, 3, 2)
    for offset in range(3):
        batch = batches.batch(2, 1 + offset)
        np.testing.assert_array_equal(batch.x, split.take(batch.indices))
        np.testing.assert_array_equal(batch.x, x[offset])
        np.testing.assert_array_equal(split.labels[batch.indices], y[offset])
        assert batches.sets(2, 1 + offset) == sorted(set(split.sets[batch.indices].tolist()))


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 14)), max_size=25), st.sampled_from(ORDERS))
def test_batches_asked_for_in_any_order_are_those_of_their_number(
    split: Split, asked: list[tuple[int, int]], order: Any
) -> None:
    batches = Batches(split, 7, seed=2, order=order, superbatch_bytes=0)
    for epoch, number in asked:
        batch = batches.batch(epoch, number)
        np.testing.assert_array_equal(batch.indices, batches.indices(epoch, number))
        np.testing.assert_array_equal(batch.x, X[batch.indices])


@pytest.mark.parametrize("batch_size", [0, -1, SAMPLES + 1])
def test_a_batch_size_that_does_not_fit_is_refused_with_both_numbers(split: Split, batch_size: int) -> None:
    with pytest.raises(
        DataError, match=f"batch_size must be between 1 and the 100 samples of the train split, got {batch_size}"
    ):
        Batches(split, batch_size)
    with pytest.raises(DataError, match="between 1 and the 7 samples of the train split in the chosen sets, got 8"):
        Batches(split, 8, sets=[1])


def test_a_set_that_is_not_there_is_refused(split: Split) -> None:
    with pytest.raises(DataError, match="set 11 is not in the train split, which has 10 sets, 1 to 10"):
        Batches(split, 1, sets=[3, 11])


def test_compressed_samples_from_everywhere_must_fit_into_memory(splits: dict[str, Split]) -> None:
    with pytest.raises(DataError, match="train needs 2,400 bytes, superbatch_bytes allows 100; raise it"):
        Batches(splits["compressed"], 4, order="samples", superbatch_bytes=100)


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


@pytest.mark.parametrize(("last", "count"), [("keep", 15), ("drop", 14), ("fill", 15)])
def test_batches_that_no_epoch_has_are_refused(split: Split, last: Any, count: int) -> None:
    batches = Batches(split, 7, last=last)
    for number in (-1, count, count + 1):
        with pytest.raises(IndexError, match=f"train has batches 0 to {count - 1} of 7 samples, got {number}"):
            batches.batch(1, number)
    with pytest.raises(
        IndexError, match=f"train has batches 0 to {count - 1} of 7 samples, got {count - 1} to {count}"
    ):
        batches.stack(1, count - 1, 2)
    for number in (-1, count + 1):
        with pytest.raises(IndexError, match=f"prefetch begins at a batch from 0 to {count}, got {number}"):
            next(batches.prefetch(1, number))
    assert list(batches.prefetch(1, count)) == []
    assert len(batches.batch(1, count - 1).x) == batches.size(count - 1)


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


def test_labels_that_are_the_input_come_as_the_input(tmp_path: Path) -> None:
    split = shard_files.split(tmp_path, X)
    batch = Batches(split, 10, order="samples").batch(1, 3)
    np.testing.assert_array_equal(batch.y, X[batch.indices])
    assert batch.weights is None


def test_a_preprocessor_gets_a_generator_of_its_own_for_each_batch_and_none_when_validating(split: Split) -> None:
    class Noise:
        def __init__(self) -> None:
            self.seen: list[float | None] = []

        def process(self, batch, rng):  # type: ignore[no-untyped-def]
            self.seen.append(None if rng is None else float(rng.random()))
            return batch

    noise = Noise()
    training = Batches(split, 16, seed=1, preprocessors=[noise], augment=True)
    for epoch, number in [(1, 0), (1, 1), (2, 0), (1, 0)]:
        training.batch(epoch, number)
    assert len(set(noise.seen[:3])) == 3
    assert noise.seen[3] == noise.seen[0]
    Batches(split, 16, preprocessors=[noise]).batch(1, 0)
    assert noise.seen[4] is None


def test_a_preprocessor_that_loses_samples_is_named(split: Split) -> None:
    class Half:
        def process(self, batch, _):  # type: ignore[no-untyped-def]
            return dataclasses.replace(batch, x=batch.x[:3])

    with pytest.raises(DataError, match=r"Half\.process must return as many samples as it got: expected 16, got 3"):
        Batches(split, 16, preprocessors=[Half()]).batch(1, 0)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_position_survives_json(epoch: int, batch: int, iteration: int, window: int) -> None:
    position = Position(epoch, batch, iteration, window)
    assert Position.from_plain(position.plain()) == position


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"epoch": 1},
        {"epoch": 0, "batch": 0, "iteration": 0, "window": 0},
        [],
        {"epoch": "1", "batch": 0, "iteration": 0, "window": 0},
    ],
)
def test_what_is_no_position_is_refused(value: object) -> None:
    with pytest.raises(ArtifactError, match="a position"):
        Position.from_plain(value)  # type: ignore[arg-type]
