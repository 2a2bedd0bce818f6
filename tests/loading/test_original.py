"""Every answer of DeepTrain 0.6.0's preprocessors: the same here, or in the list of those it had wrong.

What they gave is written down as it was recorded of its own functions (github.com/OverLordGoldDragon/deeptrain, commit
e010e3b, MIT licence), by the number of the record. Its epoch 0 is epoch 1 here.
"""

from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.settings import WindowSettings
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.shards import reading
from tests import shard_files


def windows(place, steps, size, slide, increments, epoch):
    """First step and length of each window of a batch of one series whose steps are counted."""
    shard_files.write(place / "shards", [np.arange(steps, dtype=np.float32)[:, None]], np.zeros(1, np.int64))
    batches = Batches(reading.open(place / "shards").split("train"), 1)
    settings = WindowSettings(size=size, slide=slide, start_increments=increments, remainder="drop")
    feed = WindowFeed(batches, settings, 1, training=True)
    found, at = [], Position(epoch + 1)
    while at.batch < len(feed):
        (fed,) = feed.group(at, 1).x[0]
        found.append([int(fed[0, 0]), len(fed)])
        np.testing.assert_array_equal(fed[:, 0], found[-1][0] + np.arange(size))
        at = feed.after(at, 1)
    return found


def batches_without_preprocessors(place):
    """Whether the batch is over before the first iteration, and after each."""
    shard_files.write(place / "shards", np.arange(8, dtype=np.float32)[:, None], np.zeros(8, np.int64))
    feed = BatchFeed(Batches(reading.open(place / "shards").split("train"), 2))
    positions = [Position()]
    while positions[-1].batch < len(feed):
        positions.append(feed.after(positions[-1], 1))
    return [at.window == 0 for at in positions], [at.batch for at in positions]


RIGHT = {
    216: (lambda place: windows(place, 100, 25, 25, (0,), 0), [[start, 25] for start in range(0, 100, 25)]),
    217: (lambda place: windows(place, 100, 25, 10, (0,), 0), [[start, 25] for start in range(0, 80, 10)]),
    218: (lambda place: windows(place, 10, 4, 4, (0, 2), 0), [[0, 4], [4, 4]]),
    219: (lambda place: windows(place, 10, 4, 3, (0, 2), 3), [[2, 4], [5, 4]]),
    221: (batches_without_preprocessors, ([True] * 5, list(range(5)))),
}
"""By the number of the record: what is called here, and what it gave."""

WRONG = {
    220: (
        lambda place: windows(place, 3, 4, 4, (0,), 0),
        DataError("training.windows.size must be at most the 3 steps of the longest series of the train split, got 4"),
        "`TimeseriesPreprocessor`",
        "a window longer than its series never ended",
    ),
}
"""What is called here, what is right, of which function, and what was wrong."""


@pytest.mark.parametrize("number", RIGHT)
def test_an_answer_is_that_of_the_original(tmp_path: Path, number):
    ours, theirs = RIGHT[number]
    assert ours(tmp_path) == theirs


@pytest.mark.parametrize("number", WRONG)
def test_what_went_wrong_in_the_original_is_refused(tmp_path: Path, number):
    ours, right, _, _ = WRONG[number]
    with pytest.raises(DataError) as told:
        ours(tmp_path)
    assert str(right) in str(told.value)


def test_the_docs_list_what_was_wrong():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for _, _, function, why in WRONG.values():
        assert f"| {function} | {why} |" in page
