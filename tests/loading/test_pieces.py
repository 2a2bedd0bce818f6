"""Preprocessors that end a batch early or hold it longer: whatever they make of it, every resume makes the same."""

import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError, UserCodeError
from deeptrain.loading.batch import Batch
from deeptrain.loading.batches import Batches
from deeptrain.loading.feed import Feed, Group, estimated
from deeptrain.loading.piece_feed import PieceFeed
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import piecewise, preprocessors, remembering
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.settings import Use
from deeptrain.shards.reading import Split
from tests import shard_files
from tests.memory_split import series
from tests.piecewise import Debt, Ended, Halves, Held, Mean, Plain

EPOCHS = 2


KINDS: Mapping[str, Callable[[], Any]] = {
    "held": Held, "ended": Ended, "halves": Halves, "mean": Mean, "debt": Debt,
}  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Split:
    x = np.arange(13 * 3, dtype=np.float32).reshape(13, 3)
    weights = np.linspace(1, 2, 13).astype(np.float32)
    directory = tmp_path_factory.mktemp("samples")
    return shard_files.split(directory, x, np.arange(13, dtype=np.uint8) % 2, weights=weights, kind="binary")


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Split:
    labels = np.arange(6, dtype=np.uint8) % 2
    directory = tmp_path_factory.mktemp("sequences")
    return shard_files.split(directory, series([9, 5, 7, 4, 12, 3]), labels, kind="binary")


def in_pieces(split: Split, chain: list[Any], batch_size: int = 5) -> PieceFeed:
    batches = Batches(split, batch_size, seed=3, order="samples")
    return PieceFeed(batches, preprocessors=chain, class_weights=np.array([1, 3], np.float32))


def in_windows(split: Split, chain: list[Any]) -> WindowFeed:
    cut = WindowSettings(size=4, slide=3, start_increments=(0, 2))
    batches = Batches(split, 3, seed=3, order="samples")
    return WindowFeed(batches, cut, 3, preprocessors=chain, augment=True, training=True)


def kept(feed: Feed) -> dict[str, Any]:
    """What a checkpoint would hold: a copy."""
    return {name: copy.deepcopy(dict(one.state())) for name, one in remembering(feed.preprocessors).items()}


def told(group: Group | None) -> list[Any]:
    """Each iteration of a group as something to be compared."""
    if group is None:
        return []
    parts = [group.x, group.y, group.weights, group.real, group.mask, group.begins]
    return [[None if part is None else part[row].tolist() for part in parts] for row in range(len(group))]


def fed(
    feed: Feed, at: Position, memory: dict[str, Any], most: int, between: Callable[[], None] = lambda: None
) -> Iterator[tuple[Position, dict[str, Any], list[Any]]]:
    """All that follows, as a trainer asks for it: the place, what a checkpoint there holds, and the group."""
    while at.epoch <= EPOCHS:
        group = feed.group(at, most)
        yield at, memory, told(group)
        at = feed.after(at, len(group) if group else 0)
        at = at.next_epoch() if at.batch == len(feed) else at
        memory = memory if at.window else kept(feed)
        between()
    yield at, memory, []


chains = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3)


def chosen(
    samples: Split, sequences: Split, kinds: list[str], windowed: bool
) -> tuple[Callable[[], Feed], list[tuple[Position, dict[str, Any], list[Any]]]]:
    """A way to make feeds, and all that one gives that is never disturbed."""

    def make() -> Feed:
        made = [KINDS[kind]() for kind in kinds if not (windowed and kind == "halves")]
        return in_windows(sequences, made) if windowed else in_pieces(samples, made)

    feed = make()
    return make, list(fed(feed, Position(), kept(feed), 1))


@settings(max_examples=25, deadline=None)
@given(chains, st.integers(1, 5), st.booleans())
def test_a_cut_at_any_iteration_is_followed_by_what_would_have_followed(
    samples: Split, sequences: Split, kinds: list[str], most: int, windowed: bool
) -> None:
    make, whole = chosen(samples, sequences, kinds, windowed)
    everything = [one for _, _, iterations in whole for one in iterations]
    counted = np.cumsum([0, *(len(part) for _, _, part in whole[:-1])])
    assert [at.iteration for at, _, _ in whole] == counted.tolist()
    for at, memory, _ in whole:
        again = make()
        for name, one in remembering(again.preprocessors).items():
            one.restore(memory[name])
        rest = list(fed(again, at, memory, most))
        assert [one for _, _, iterations in rest for one in iterations] == everything[at.iteration :]
        assert rest[-1][:2] == whole[-1][:2]


@settings(max_examples=25, deadline=None)
@given(chains, st.integers(1, 5), st.booleans())
def test_closing_in_the_middle_of_a_batch_and_asking_again_for_what_was_given_change_nothing(
    samples: Split, sequences: Split, kinds: list[str], most: int, windowed: bool
) -> None:
    make, whole = chosen(samples, sequences, kinds, windowed)
    feed = make()
    found = []
    for at, _, iterations in fed(feed, Position(), kept(feed), most, between=feed.close):
        found += iterations
        if at.epoch <= EPOCHS and iterations:
            assert told(feed.group(at, most)) == iterations
    assert found == [one for _, _, iterations in whole for one in iterations]
    assert kept(feed) == whole[-1][1]


def test_a_memory_that_is_not_taken_back_to_the_batchs_beginning_would_be_noticed(
    samples: Split, sequences: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the law of `Walk` broken on purpose."""
    make, whole = chosen(samples, sequences, ["mean", "held"], windowed=False)
    monkeypatch.setattr(Mean, "restore", lambda *_: None)
    feed = make()
    found = [one for _, _, part in fed(feed, Position(), kept(feed), 2, between=feed.close) for one in part]
    assert found != [one for _, _, part in whole for one in part]


def test_pieces_are_iterations_of_their_batch_with_the_weights_of_their_samples(samples: Split) -> None:
    data = in_pieces(samples, [Halves()])
    batches = Batches(samples, 5, seed=3, order="samples")
    at, seen = Position(), []
    for number in range(len(data)):
        indices = batches.indices(1, number)
        middle = len(indices) // 2
        for part in (indices[:middle], indices[middle:][::-1]):
            group = data.group(at, 9)
            assert group is not None
            assert len(group) == 1  # the halves are not of one size
            np.testing.assert_array_equal(group.x[0], np.stack([samples.take([index])[0] for index in part]))
            np.testing.assert_array_equal(group.y[0], samples.labels[part])
            expected = samples.weights[part] * np.array([1, 3], np.float32)[samples.labels[part]]
            np.testing.assert_array_equal(group.weights[0], expected)
            assert group.begins.tolist() == [True]  # other samples, other states
            assert data.name(at) == f"1 piece {at.window + 1}"
            assert data.sets(at) == [1]
            seen.append((at.batch, at.window))
            at = data.after(at, 1)
    assert seen == [(number, half) for number in range(3) for half in range(2)]
    assert at == Position(1, 3, 6, 0)
    data.close()


def test_pieces_of_one_shape_are_fit_in_one_call_and_states_go_on_through_those_of_the_same_samples(
    samples: Split,
) -> None:
    data = in_pieces(samples, [Held()])
    group = data.group(Position(), 9)
    assert group is not None
    assert group.x.shape == (3, 5, 3)
    assert group.begins.tolist() == [True, False, False]
    assert len(np.unique(group.x[:, 0, 0])) == 3
    assert data.after(Position(), 3) == Position(1, 1, 3, 0)
    assert data.after(Position(), 2) == Position(1, 0, 2, 2)
    data.close()


def test_a_window_may_be_held_too_and_states_go_on(sequences: Split) -> None:
    data = in_windows(sequences, [Held()])
    first = data.group(Position(), 3)
    assert first is not None
    assert first.begins.tolist() == [True, False, False]
    assert not first.x[~first.mask].any()
    second = data.group(Position(window=3), 1)
    assert second is not None
    assert not second.begins.any()
    plain = WindowFeed(
        Batches(sequences, 3, seed=3, order="samples"), WindowSettings(size=4, slide=3, start_increments=(0, 2)), 3,
        training=True,
    )  # fmt: skip
    np.testing.assert_array_equal(second.mask, plain.group(Position(window=1), 1).mask)
    assert data.name(Position(window=3)).endswith(" piece 4")
    data.close()
    plain.close()


@given(st.integers(1, 50), st.integers(1, 9))
def test_what_is_left_is_exact_at_the_end_and_where_all_batches_are_alike(batches: int, pieces: int) -> None:
    for batch in range(1, batches + 1):
        assert estimated(Position(1, batch), batch * pieces, batches) == (batches - batch) * pieces
    assert estimated(Position(), 0, batches) == batches
    assert estimated(Position(1, batches - 1, window=1), 1, batches) >= 1


def test_a_batch_without_pieces_is_passed_over(samples: Split) -> None:
    class Nothing(Plain):
        def pieces(self, batch: Batch, rng: np.random.Generator) -> list[Batch]:  # noqa: ARG002 - the protocol's
            return []

    data = in_pieces(samples, [Nothing()])
    assert data.group(Position(), 4) is None
    assert data.after(Position(), 0) == Position(1, 1, 0, 0)
    data.close()


def test_what_is_judged_is_whole_and_without_chance(samples: Split) -> None:
    data = in_pieces(samples, [Held(), Ended()])
    found = [group.x[0] for number in range(len(data)) for group in data.judged(number)]
    indices = Batches(samples, 5, seed=3, order="samples").indices(1, 0, 3)
    np.testing.assert_array_equal(np.concatenate(found), samples.take(indices))
    data.close()


def test_an_error_in_the_middle_of_a_batch_is_no_end_of_it(samples: Split) -> None:
    class Failing(Plain):
        def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterator[Batch]:  # noqa: ARG002 - the protocol's
            yield batch
            yield batch
            raise RuntimeError("the third one")

    data = in_pieces(samples, [Failing()])
    assert len(data.group(Position(), 1) or ()) == 1
    for _ in range(3):
        with pytest.raises(RuntimeError, match="the third one"):
            data.group(Position(window=1), 5)
    data.close()


class Wrong(Plain):
    def __init__(self, made: Callable[[Batch], Any]) -> None:
        self.made = made

    def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterator[Any]:  # noqa: ARG002 - the protocol's
        yield self.made(batch)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda batch: batch.x, "Wrong.pieces must give batches, got ndarray; make them by batch.rows"),
        (
            lambda batch: dataclasses.replace(batch, x=batch.x[:2]),
            "Wrong.pieces: a piece must have at least one sample, and as many inputs and labels as indices: "
            "got 2 inputs and 5 labels for 5 indices",
        ),
        (lambda batch: batch.rows([]), "at least one sample.*got 0 inputs"),
    ],
)
def test_pieces_that_are_none_are_told(samples: Split, made: Callable[[Batch], Any], message: str) -> None:
    data = in_pieces(samples, [Wrong(made)])
    with pytest.raises(DataError, match=message):
        data.group(Position(), 1)
    data.close()


def test_a_piece_of_a_window_has_all_its_series(sequences: Split) -> None:
    data = in_windows(sequences, [Halves()])
    with pytest.raises(DataError, match="a piece of a window must have each of its series in their order"):
        data.group(Position(), 1)
    data.close()


def test_pieces_that_do_not_follow_from_the_batch_are_told(samples: Split) -> None:
    class Forgetful(Plain):
        made = 3

        def pieces(self, batch: Batch, rng: np.random.Generator) -> list[Batch]:  # noqa: ARG002 - the protocol's
            self.made -= 1
            return [batch] * self.made

    data = in_pieces(samples, [Forgetful()])
    data.group(Position(), 1)
    data.close()
    told = "batch 0 of epoch 1 became 1 iterations, 2 of which were done before: Forgetful.pieces must follow from the"
    with pytest.raises(DataError, match=told):
        data.group(Position(window=2), 1)
    data.close()


def test_batches_by_themselves_are_one_iteration_each(samples: Split) -> None:
    with pytest.raises(DataError, match=re.escape("Held.pieces decides how many iterations a batch becomes")):
        Batches(samples, 5, preprocessors=[Held()], augment=True)
    assert len(Batches(samples, 5, preprocessors=[Held()]).batch(1, 0).x) == 5


def test_rows_of_a_batch_are_its_samples_in_any_order(samples: Split) -> None:
    batch = Batches(samples, 5).batch(1, 0)
    found = batch.rows([3, 0, 3])
    for part in ("x", "y", "indices", "sets", "weights"):
        np.testing.assert_array_equal(getattr(found, part), getattr(batch, part)[[3, 0, 3]])
    several = Batch({"a": batch.x, "b": series([2, 3])}, batch.y, batch.indices, batch.sets, 0)
    found = several.rows([1])
    np.testing.assert_array_equal(found.x["a"], batch.x[[1]])
    assert [len(one) for one in found.x["b"]] == [3]
    own = dataclasses.replace(batch, y=batch.x).rows([2])
    assert own.y is own.x


def test_pieces_stand_beside_process(tmp_path: Path) -> None:
    assert piecewise([Mean(), Held(), Debt()]) == ["Held", "Debt"]
    (tmp_path / "pieces_alone.py").write_text(
        "class Alone:\n    def __init__(self, data): ...\n    def pieces(self, batch, rng): ...\n"
    )
    data: Any = None
    with pytest.raises(UserCodeError, match=r"pieces_alone:Alone: must return an object with process\(batch, rng\)"):
        preprocessors([Use(use="pieces_alone:Alone")], data, tmp_path)
