"""Windows: every step of every series is fed where it belongs, and padding counts for nothing."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError, SettingsError
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.settings import LinearWeights, WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.loading.windows import Cut, counts
from deeptrain.settings import Mistakes, typed
from tests.memory_split import MemorySplit, series

lengths_of = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def feed(
    lengths: list[int], batch_size: int = 3, labels: Any = None, order: str = "none", **arguments: Any
) -> WindowFeed:
    settings = arguments.pop("settings", None) or WindowSettings(size=arguments.pop("size", 4))
    labels = np.arange(len(lengths)) % 2 if labels is None else labels
    split: Any = MemorySplit(series(lengths), labels, weights=arguments.pop("weights", None))
    batches = Batches(split, min(batch_size, len(lengths)), seed=3, order=order)
    return WindowFeed(batches, settings, batch_size, **arguments)


def positions(data: WindowFeed, epoch: int = 1) -> list[Position]:
    found, at = [], Position(epoch)
    while at.batch < len(data):
        found.append(at)
        at = data.after(at, 1)
    return found


@given(lengths_of, st.integers(1, 12), st.integers(1, 15), st.integers(0, 3))
def test_with_padding_every_step_from_the_start_on_is_in_a_window_unless_the_slide_skips_it(
    lengths: list[int], size: int, slide: int, start: int
) -> None:
    settings = WindowSettings(size=size, slide=slide)
    lengths = [length + start for length in lengths]
    cut = Cut(settings, start, np.array(lengths))
    seen = [set() for _ in lengths]
    for window in range(cut.windows):
        for row, valid in enumerate(cut.valid(window)):
            begin = start + window * slide
            seen[row] |= {begin + int(step) for step in np.flatnonzero(valid)}
            assert valid.any() == (window < cut.counts[row])
    for length, steps in zip(lengths, seen, strict=True):
        expected = {step for step in range(start, length) if (step - start) % slide < size}
        assert steps == expected


@given(lengths_of, st.integers(1, 12), st.integers(1, 15), st.integers(0, 3))
def test_without_the_remainder_windows_are_whole_and_as_many_as_fit(
    lengths: list[int], size: int, slide: int, start: int
) -> None:
    settings = WindowSettings(size=size, slide=slide, remainder="drop")
    lengths = [length + start + size for length in lengths]
    found = counts(np.array(lengths), start, settings)
    expected = [len(range(start, length - size + 1, slide)) for length in lengths]
    assert found.tolist() == expected
    cut = Cut(settings, start, np.array(lengths))
    assert all(cut.valid(window).sum() in range(0, len(lengths) * size + 1, size) for window in range(cut.windows))


@given(lengths_of, st.integers(1, 9), st.integers(1, 12), st.integers(1, 4), st.sampled_from(["pad", "drop"]))
def test_what_is_fed_is_the_series_cut_and_everything_else_is_zero_and_weighs_nothing(
    lengths: list[int], size: int, slide: int, batch_size: int, remainder: Any
) -> None:
    lengths = [length + size for length in lengths]
    data = feed(
        lengths, batch_size, settings=WindowSettings(size=size, slide=slide, remainder=remainder), order="samples"
    )
    split = data.split
    for at in positions(data, epoch=2):
        group = data.group(at, 1)
        indices = data.batches.indices(2, at.batch)
        x, real, weights = group.x[0], group.real[0], group.weights[0]
        assert x.shape == (batch_size, size, 2)
        begin = at.window * slide
        for row in range(batch_size):
            whole = split.samples[indices[row]][begin : begin + size] if row < len(indices) else x[row, :0]
            ended = row < len(indices) and at.window >= counts(split.lengths["x"][indices], 0, data._settings)[row]
            if ended:  # overlapping windows before this one had all of it
                whole = whole[:0]
            np.testing.assert_array_equal(x[row, : len(whole)], whole)
            assert not x[row, len(whole) :].any()
            assert real[row] == (len(whole) > 0)
            if group.mask is not None:
                np.testing.assert_array_equal(group.mask[0, row], np.arange(size) < len(whole))
            if row < len(indices):
                assert group.y[0, row] == split.labels[indices[row]]
        assert (group.mask is None) == (remainder == "drop")
        np.testing.assert_allclose(weights, real * batch_size / real.sum(), rtol=1e-6)
        assert group.counted.tolist() == [real.sum()]
        assert group.begins.tolist() == [at.window == 0]


@given(lengths_of, st.integers(1, 6), st.integers(1, 4), st.integers(1, 50))
def test_groups_of_any_size_give_the_windows_one_by_one_and_never_cross_a_batch_of_sequences(
    lengths: list[int], size: int, batch_size: int, most: int
) -> None:
    data = feed([length + size for length in lengths], batch_size, size=size, order="samples")
    one_by_one = [data.group(at, 1) for at in positions(data)]
    at, found, iteration = Position(), 0, 0
    while at.batch < len(data):
        group = data.group(at, most)
        assert len(group) <= most
        for offset in range(len(group)):
            for part in ("x", "y", "weights", "mask", "real", "begins"):
                expected = getattr(one_by_one[found + offset], part)[0]
                np.testing.assert_array_equal(getattr(group, part)[offset], expected)
        assert not group.begins[1:].any()
        assert data.left(at, found) == len(one_by_one) - found
        found, iteration, at = found + len(group), iteration + len(group), data.after(at, len(group))
        assert at.iteration == iteration
    assert found == len(one_by_one)
    assert data.left(at, found) == 0


def test_every_epoch_begins_at_its_increment_and_validation_at_the_front() -> None:
    settings = WindowSettings(size=4, start_increments=(0, 2, 3))
    training = feed([12, 11, 9], settings=settings, training=True)
    for epoch, start in [(1, 0), (2, 2), (3, 3), (4, 0)]:
        x = training.group(Position(epoch), 1).x[0]
        np.testing.assert_array_equal(x[0], training.split.samples[0][start : start + 4])
    validating = feed([12, 11, 9], settings=settings)
    np.testing.assert_array_equal(validating.group(Position(2), 1).x[0, 0], training.split.samples[0][:4])
    assert [training.left(Position(epoch), 0) for epoch in (1, 2, 3)] == [3, 3, 3]
    assert [Cut(settings, start, np.array([12, 11, 9])).counts.tolist() for start in (0, 2, 3)] == [
        [3, 3, 3], [3, 3, 2], [3, 2, 2]
    ]  # fmt: skip


@given(lengths_of, st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_the_prediction_for_a_series_is_the_weighted_mean_over_its_own_windows(
    lengths: list[int], size: int, slide: int, linear: bool
) -> None:
    weights: Any = LinearWeights(first=1.0, last=3.0) if linear else (1.0, 0.5, 2.0)
    lengths = [length + size for length in lengths]
    data = feed(lengths, len(lengths), settings=WindowSettings(size=size, slide=slide, prediction_weights=weights))
    cut = Cut(data._settings, 0, np.array(lengths))
    rng = np.random.Generator(np.random.Philox(1))
    outputs = rng.random((cut.windows, len(lengths), 3)).astype(np.float32)
    for row, count in enumerate(cut.counts):
        outputs[count:, row] = np.nan  # what a model says of padding is never looked at
    found = data.combined(0, list(outputs))
    for row, count in enumerate(cut.counts):
        given_weights = (
            np.linspace(1, 3, count) if linear else [[1.0, 0.5, 2.0][min(window, 2)] for window in range(count)]
        )
        np.testing.assert_allclose(
            found[row], np.average(outputs[:count, row], axis=0, weights=given_weights), rtol=1e-5
        )
    assert found.dtype == np.float32


@given(lengths_of, st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_labels_for_every_step_are_fed_with_their_steps_and_predictions_come_back_step_by_step(
    lengths: list[int], size: int, slide: int, batch_size: int
) -> None:
    slide = min(slide, size)
    lengths = [length + size for length in lengths]
    labels = np.arange(sum(lengths)) % 7
    data = feed(lengths, batch_size, labels, settings=WindowSettings(size=size, slide=slide))
    assert data.per_step
    outputs = []
    for number in range(len(data)):
        groups = list(data.judged(number))
        assert all(group.y.shape == group.real.shape == (1, batch_size, size) for group in groups)
        outputs.append(data.combined(number, [group.y[0].astype(np.float32)[..., None] for group in groups]))
    np.testing.assert_array_equal(np.concatenate(outputs)[:, 0], labels)
    np.testing.assert_array_equal(data.labels, labels)
    np.testing.assert_array_equal(data.label_sets, np.repeat(np.arange(len(lengths)), lengths))


def test_a_window_that_is_its_own_label_comes_back_as_the_series_were() -> None:
    data = feed([9, 7, 12], 2, settings=WindowSettings(size=4, slide=3), labels_are_input=True)
    for group in data.judged(0):
        np.testing.assert_array_equal(group.x, group.y)
    np.testing.assert_allclose(data.labels, np.concatenate(data.split.samples), rtol=1e-6)


def test_weights_of_windows_classes_and_samples_are_multiplied() -> None:
    settings = WindowSettings(size=4, weights=LinearWeights(first=0.5, last=1.5))
    data = feed(
        [12, 8], 2, settings=settings, training=True, weights=np.array([1.0, 10.0], np.float32),
        class_weights=np.array([2.0, 3.0], np.float32),
    )  # fmt: skip
    found = [data.group(Position(window=window), 1).weights[0].tolist() for window in range(3)]
    # series 0: class 0, windows weigh 0.5 1 1.5; series 1: class 1, 0.5 1.5, and its padding leaves twice the weight
    assert found == [[1.0, 15.0], [2.0, 45.0], [6.0, 0.0]]
    validating = feed([12, 8], 2, settings=settings, weights=np.array([1.0, 10.0], np.float32))
    assert validating.group(Position(), 1).weights[0].tolist() == [1.0, 10.0]


def test_inputs_that_are_no_sequence_stand_beside_every_window() -> None:
    still = np.arange(6, dtype=np.float32).reshape(3, 2)
    split: Any = MemorySplit({"moves": series([9, 5, 7]), "person": still}, np.array([0, 1, 0]))
    data = WindowFeed(Batches(split, 3), WindowSettings(size=4), 4)
    group = data.group(Position(), 3)
    assert {name: part.shape for name, part in group.x.items()} == {"moves": (3, 4, 4, 2), "person": (3, 4, 2)}
    np.testing.assert_array_equal(group.x["person"][2, :3], still)
    assert list(group.mask) == ["moves"]


def test_a_preprocessor_is_given_each_window_with_a_generator_of_its_own_and_padding_stays_zero() -> None:
    class Shift:
        def __init__(self) -> None:
            self.seen: list[float | None] = []

        def process(self, batch, rng):  # type: ignore[no-untyped-def]
            import dataclasses

            self.seen.append(None if rng is None else float(rng.random()))
            assert len(batch.x) == len(batch.indices)
            return dataclasses.replace(batch, x=batch.x + 5)

    shift = Shift()
    data = feed([9, 5, 7], 4, preprocessors=[shift], augment=True)
    group = data.group(Position(), 3)
    assert (group.x[group.mask] > 0).all()
    assert not group.x[~group.mask].any()
    assert len(set(shift.seen)) == 3
    seen = list(shift.seen)
    data.group(Position(window=1), 1)
    assert shift.seen[3] == seen[1]


def make(**settings: Any) -> Callable[[], WindowFeed]:
    arguments = {name: settings.pop(name) for name in ("training", "labels_are_input") if name in settings}
    return lambda: feed([9, 5, 7], 2, settings=WindowSettings(**settings), **arguments)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            make(size=10),
            "training.windows.size must be at most the 9 steps of the longest series of the train split, got 10",
        ),
        (make(size=6, remainder="drop"), "series 1 of the train split has 5 steps, fewer than one window .*: 6 \\+ 0"),
        (make(size=4, remainder="drop", start_increments=(0, 2), training=True), "has 5 steps, .*: 4 \\+ 2"),
        (make(size=4, start_increments=(5,), training=True), "has 5 steps, fewer than one window .*: 1 \\+ 5"),
        (
            make(size=4, remainder="drop", labels_are_input=True),
            'labels for every step need remainder = "pad" and a slide',
        ),
        (make(size=4, slide=5, labels_are_input=True), r'slide of at most size \(4\), .*; got "pad" and 5'),
    ],
)
def test_windows_that_do_not_fit_are_refused_with_the_numbers(made: Callable[[], WindowFeed], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made()


def test_samples_that_are_no_sequences_cannot_be_cut() -> None:
    split: Any = MemorySplit(np.zeros((4, 3), np.float32), np.zeros(4))
    with pytest.raises(DataError, match="the samples of the train split are no sequences; leave it out"):
        WindowFeed(Batches(split, 2), WindowSettings(size=2), 2)
    split = MemorySplit({"a": series([4, 5]), "b": series([4, 6])}, np.zeros(2))
    with pytest.raises(DataError, match="must have as many steps in each of a, b"):
        WindowFeed(Batches(split, 2), WindowSettings(size=2), 2)
    split = MemorySplit(series([4, 5]), np.zeros(8))
    with pytest.raises(DataError, match=re.escape("one a sequence (2) or one a step (9), got 8")):
        WindowFeed(Batches(split, 2), WindowSettings(size=2), 2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"size": 0}, "windows.size: expected int >= 1, got 0"),
        (
            {"size": 4, "start_increments": []},
            "windows.start_increments: expected at least one number of steps, got []",
        ),
        ({"size": 4, "weights": [0, 1]}, "windows.weights: expected a first weight above 0"),
        ({"size": 4, "weights": {"first": -1, "last": 1}}, "windows.weights: expected finite numbers from 0"),
        ({"size": 4, "sise": 4}, "windows.sise: unknown key; did you mean size, slide?"),
    ],
)
def test_settings_that_break_a_rule_are_told(table: dict[str, Any], message: str) -> None:
    mistakes = Mistakes("my.toml")
    typed(WindowSettings, table, "windows", mistakes)
    with pytest.raises(SettingsError, match=re.escape(message)):
        mistakes.raise_if_any()
