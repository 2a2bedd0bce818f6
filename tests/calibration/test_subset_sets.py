"""The sets that were chosen, opened and fed again."""

from pathlib import Path

import numpy as np
import pytest

from deeptrain import lineage, session
from deeptrain.calibration import subset
from deeptrain.errors import DataError
from deeptrain.loading.position import Position
from tests.conftest import write_experiment


def test_chosen_sets_can_be_opened_and_trained_on(tmp_path: Path) -> None:
    plan = lineage.read(write_experiment(tmp_path), store=tmp_path / "runs")
    opened = session.open_data(plan)
    split = opened.shards.split("calibration")
    scores = np.random.Generator(np.random.Philox(1)).random(len(split))
    chosen = subset.best(split.labels, scores, split.sets, 2).sets
    for training in (False, True):
        feed = opened.feed("calibration", training=training, batch_size=4, sets=chosen)
        found = {number for batch in range(len(feed)) for number in feed.sets(Position(1, batch, batch))}
        assert found == set(chosen)
        assert len(feed.group(Position(), 1).x[0]) == 4
        feed.close()
    if len({split.raw(row)[0] for row in range(len(split))}) == 1:
        assert set(split.raw_of_sets()) == set(split.sets.tolist())
    else:
        with pytest.raises(DataError, match=r"holds samples of . raw files, so it comes from no one of them; say data"):
            split.raw_of_sets()
