"""Batches: every sample once an epoch, in an order that is a pure function of seed and epoch."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain import lineage, seeds, session
from deeptrain.errors import ArtifactError, DataError
from deeptrain.loading.batch import name_of
from deeptrain.loading.batches import Batches
from deeptrain.loading.order import order
from deeptrain.loading.position import Position
from deeptrain.shards import reading
from deeptrain.shards.reading import Split
from tests.conftest import write_experiment


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    plan = lineage.read(write_experiment(tmp_path_factory.mktemp("data")), store=tmp_path_factory.mktemp("store"))
    return reading.open(session.make_shards(plan).directory.parent).split("train")


@given(st.integers(1, 70), st.integers(0, 2**63 - 1), st.integers(1, 10**6))
@settings(max_examples=60, deadline=None)
def test_every_sample_comes_once_an_epoch_whatever_the_batch_size(
    split: Split, batch_size: int, seed: int, epoch: int
) -> None:
    batches = Batches(split, batch_size, seed=seed, kind="samples")
    indices = np.concatenate([batches.indices(epoch, number) for number in range(len(batches))])
    np.testing.assert_array_equal(np.sort(indices), np.arange(len(split)))
    assert [batches.size(number) for number in range(len(batches))] == [
        len(batches.indices(epoch, number)) for number in range(len(batches))
    ]


def test_the_stream_of_samples_does_not_depend_on_the_batch_size(split: Split) -> None:
    streams = []
    for batch_size in (1, 7, 16, 70):
        batches = Batches(split, batch_size, seed=4, kind="samples")
        streams.append(np.concatenate([batches.indices(3, number) for number in range(len(batches))]))
    for stream in streams[1:]:
        np.testing.assert_array_equal(stream, streams[0])


def test_a_batch_holds_the_samples_it_names(split: Split) -> None:
    batches = Batches(split, 16, seed=1, kind="samples")
    x, y = batches.stack(2, 1, 3)
    assert x.shape == (3, 16, 4)
    for offset in range(3):
        batch = batches.batch(2, 1 + offset)
        np.testing.assert_array_equal(batch.x, split.take(batch.indices))
        np.testing.assert_array_equal(batch.x, x[offset])
        np.testing.assert_array_equal(split.labels[batch.indices], y[offset])
        assert batches.sets(2, 1 + offset) == sorted(set(split.sets[batch.indices].tolist()))
        assert batch.name == batches.name(2, 1 + offset)


def test_seeds_are_hashed_and_not_added() -> None:
    """In one peer seed 5 in epoch 1 is seed 6 in epoch 0."""
    orders = {(seed, epoch): tuple(order("samples", 50, seed, epoch)) for seed in range(6) for epoch in range(1, 6)}
    assert len(set(orders.values())) == len(orders)


def test_the_order_is_a_fair_shuffle() -> None:
    first = np.array([order("samples", 8, 1, epoch)[0] for epoch in range(1, 4001)])
    counts = np.bincount(first, minlength=8)
    assert counts.min() > 500 - 5 * np.sqrt(500)
    assert counts.max() < 500 + 5 * np.sqrt(500)


def test_orders_never_change_between_versions() -> None:
    """An order that changed would silently make every resumed run another one."""
    assert order("samples", 12, 7, 3).tolist() == PINNED
    assert seeds.derive("model", 7) == PINNED_SEED


PINNED = [11, 10, 4, 8, 6, 2, 9, 5, 0, 1, 7, 3]
PINNED_SEED = 2690601961397493743


@pytest.mark.parametrize(
    ("sets", "name"), [([4], "4"), ([4, 4, 4], "4"), ([12, 13], "12+13"), (list(range(37)), "b0412 (37 sets)")]
)
def test_a_batch_is_named_by_its_sets(sets: list[int], name: str) -> None:
    assert name_of(412, np.array(sets)) == name


@pytest.mark.parametrize("batch_size", [0, -1, 71])
def test_a_batch_size_that_does_not_fit_is_refused_with_both_numbers(split: Split, batch_size: int) -> None:
    with pytest.raises(
        DataError, match=f"batch_size must be between 1 and the 70 samples of the train split, got {batch_size}"
    ):
        Batches(split, batch_size)


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
