from pathlib import Path

import numpy as np
import pytest

from deeptrain.loading.batch import Batch
from deeptrain.loading.normalise import Normalise
from deeptrain.shards import conversion, reading


def test_what_is_missing_stays_so_and_is_in_neither_mean_nor_deviation(tmp_path: Path):
    rows = np.arange(24, dtype=np.float32).reshape(12, 2)
    rows[1, 0] = rows[5, 1] = rows[8, 0] = np.nan
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "x.npy", rows)
    np.save(raw / "labels.npy", np.arange(12) % 3)
    made = conversion.convert(raw, tmp_path / "made", splits={"train": 9, "val": 3}, allow_missing=True)
    split = reading.open(made).split("train")
    x = split.take(np.arange(9))
    given = Batch(x, split.labels[:9], np.arange(9), np.zeros(9, np.int64), 0)
    found = Normalise(split.info).process(given, None).x
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    there = found[~np.isnan(found)].astype(np.float64)
    assert [there.mean(), there.std()] == pytest.approx([0, 1], abs=1e-6)
