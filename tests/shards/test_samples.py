from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.shards import samples


@pytest.fixture
def shards(tmp_path: Path, tools):
    tools.write_csv(tmp_path / "raw" / "a.csv", [[i, 100 + i, i % 2] for i in range(40)], "x,y,label")
    return tools.convert(tmp_path, shape=[2, 1])


def test_the_raw_files_of_a_training_give_its_samples_again(tmp_path: Path, shards):
    values, data = samples.read(shards.info, tmp_path / "raw")
    assert data.names == ("a.csv",)
    for name in ("train", "val"):
        split = shards.split(name)
        assert np.array_equal(split.take(np.arange(len(split))), values[split.rows[:, 2]])


def test_columns_are_found_by_name_and_others_may_hold_anything(tmp_path: Path, tools, shards):
    tools.write_csv(tmp_path / "new.csv", [["Ann", 7, "", 6], ["", 9, "nan", 8]], "who,y,note,x")
    values, _ = samples.read(shards.info, tmp_path / "new.csv")
    assert values.tolist() == [[[6], [7]], [[8], [9]]]
    assert values.dtype == np.float32


def test_a_missing_feature_is_named(tmp_path: Path, tools, shards):
    tools.write_csv(tmp_path / "new.csv", [[1, 2]], "x,z")
    with pytest.raises(
        DataError, match=r"new\.csv: the columns y are missing, which the model was trained on; there are: x"
    ):
        samples.read(shards.info, tmp_path / "new.csv")
