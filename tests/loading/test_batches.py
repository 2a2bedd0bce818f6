"""Batches: every sample once an epoch, from any place on, of any size."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.loading.batches import Batches
from deeptrain.shards.reading import Split
from tests import shard_files
from tests.hundred_samples import LABELS, ORDERS, SAMPLES, WEIGHTS, X, check_samples, made, options


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
