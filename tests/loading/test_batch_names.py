"""Names of batches, by their sets and the parts of them."""

import numpy as np
import pytest

from deeptrain.loading.batch import letters, name_of
from deeptrain.loading.batches import Batches
from deeptrain.shards.reading import Split


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
