"""The order of samples: a pure function of seed and epoch."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.loading.batches import Batches
from deeptrain.loading.order import stream
from deeptrain.shards.reading import Split
from tests import shard_files
from tests.hundred_samples import LABELS, ORDERS, SAMPLES, SETS, X


@given(st.sampled_from(ORDERS), st.integers(0, 99), st.integers(0, 99))
def test_any_part_of_a_stream_is_that_part_of_the_whole(split: Split, order: Any, first: int, last: int) -> None:
    epoch = stream(order, split, 1, 1)
    np.testing.assert_array_equal(epoch.indices(first, last), epoch.indices(0, 100)[first:last])
    reads = list(epoch.reads(first))
    assert reads[0][0] == first
    assert reads[-1][1] == SAMPLES
    assert all(before[1] == after[0] < after[1] for before, after in pairwise(reads))


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
