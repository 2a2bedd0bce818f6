"""Weights of classes and samples."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.loading import weights
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.shards.info import DataInfo, InputInfo, Statistics
from tests import shard_files

STATISTICS = Statistics(count=1, min=0.0, max=1.0, mean=0.0, std=1.0)


def info(counts: tuple[int, ...], kind: Any = "classes") -> DataInfo:
    names = tuple("abcdefgh"[: len(counts)])
    nothing = tuple([0] * len(counts))
    return DataInfo(
        inputs=(InputInfo(name="x", shape=(2,), dtype="float32", statistics=STATISTICS),),
        kind=kind,
        classes=names,
        samples={"train": sum(counts), "val": 0, "calibration": 0, "test": 0},
        label_counts={"train": counts, "val": nothing, "calibration": nothing, "test": nothing},
    )


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=8))
def test_balanced_weights_make_all_classes_count_alike_and_are_one_in_the_mean(counts: list[int]) -> None:
    found = weights.of_classes("balanced", info(tuple(counts)))
    assert found is not None
    assert found.dtype == np.float32
    shares = found.astype(np.float64) * counts
    np.testing.assert_allclose(shares, sum(counts) / len(counts), rtol=1e-6)


def test_balanced_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], [70, 20, 10])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(weights.of_classes("balanced", info((70, 20, 10))), expected, rtol=1e-6)


def test_classes_that_are_not_named_weigh_one() -> None:
    """In the original a missing class is a KeyError."""
    found = weights.of_classes({"c": 5.0}, info((7, 2, 1)))
    assert found is not None
    assert found.tolist() == [1, 1, 5]
    assert weights.of_classes(None, info((7, 2))) is None


@pytest.mark.parametrize(
    ("given_weights", "counts", "message"),
    [
        (
            "balanced",
            (5, 0),
            "class_weights = balanced: the train split has no sample of the class 'b'; give the weights",
        ),
        ({"z": 1.0}, (5, 5), "class_weights: there is no class 'z'; the classes are a, b"),
        ({"a": -1.0}, (5, 5), "class_weights.a: expected a finite number from 0, got -1.0"),
        ({"a": float("nan")}, (5, 5), "class_weights.a: expected a finite number from 0, got nan"),
    ],
)
def test_class_weights_that_fit_no_class_are_told(given_weights: Any, counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        weights.of_classes(given_weights, info(counts))


def test_values_have_no_class_weights() -> None:
    with pytest.raises(DataError, match="class_weights need labels that are classes; these are values"):
        weights.of_classes("balanced", info((), "values"))


@pytest.mark.parametrize("own", [None, "weights"])
@pytest.mark.parametrize("classes", [None, "classes"])
def test_a_group_has_the_product_of_both_weights_of_its_samples_and_none_without_any(
    own: str | None, classes: str | None, tmp_path: Any
) -> None:
    labels = np.arange(20).astype(np.uint8) % 2
    given_own = np.linspace(0, 2, 20).astype(np.float32) if own else None
    by_class = np.array([1, 7], np.float32) if classes else None
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    split = shard_files.split(tmp_path, x, labels, weights=given_own, kind="binary")
    data = BatchFeed(Batches(split, 6, seed=1, order="samples"), class_weights=by_class)
    at = Position(epoch=2, batch=1)
    group = data.group(at, 5)
    indices = data.batches.indices(2, 1, 2)
    assert len(group) == 2  # the last batch is shorter
    np.testing.assert_array_equal(group.x.reshape(12, 2), x[indices])
    np.testing.assert_array_equal(group.y.reshape(12), labels[indices])
    if own is None and classes is None:
        assert group.weights is None
        return
    expected = np.ones(20, np.float32)
    expected = expected * given_own if own else expected
    expected = expected * by_class[labels] if classes else expected
    np.testing.assert_array_equal(group.weights.reshape(12), expected[indices])
    assert group.weights.dtype == np.float32
    assert len(data.group(data.after(at, 2), 5)) == 1


def test_sequences_that_are_not_cut_are_told_how_to_be(tmp_path: Any) -> None:
    sequences = [np.zeros((length, 2), np.float32) for length in (3, 9, 5)]
    split = shard_files.split(tmp_path, sequences, np.array([0, 1, 0], np.uint8), kind="binary")
    with pytest.raises(
        DataError, match=r"sequences of up to 9 steps: add \[training.windows\] with size = 9 to feed each"
    ):
        BatchFeed(Batches(split, 2))


def test_samples_drawn_by_their_weight_do_not_weigh_again(tmp_path: Any) -> None:
    x, own = np.zeros((20, 2), np.float32), np.linspace(1, 2, 20).astype(np.float32)
    split = shard_files.split(tmp_path, x, np.arange(20).astype(np.uint8) % 2, weights=own, kind="binary")
    batches = Batches(split, 5, order="samples", sampling="weighted")
    assert BatchFeed(batches, own_weights=False).group(Position(), 2).weights is None
    assert BatchFeed(batches).group(Position(), 2).weights is not None
