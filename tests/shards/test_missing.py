"""Missing values in shards: kept as NaN, counted, and in no mean."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.errors import DataError, SettingsError
from deeptrain.shards.info import Statistics
from deeptrain.shards.moments import RUN, Moments, joined, statistics

SPLITS = {"train": 6, "val": 2}


def rows() -> np.ndarray:
    x = np.arange(16, dtype=np.float32).reshape(8, 2)
    x[1, 0] = x[3, 0] = x[5, 1] = np.nan
    return x


def arrays(base: Path) -> None:
    (base / "raw").mkdir()
    np.save(base / "raw" / "x.npy", rows())
    np.save(base / "raw" / "labels.npy", np.arange(8) % 2)


def table(base: Path, x: np.ndarray) -> None:
    cells = [",".join("" if np.isnan(value) else str(value) for value in row) for row in x.tolist()]
    (base / "raw").mkdir()
    text = "".join(f"{line},{row % 2}\n" for row, line in enumerate(cells))
    (base / "raw" / "a.csv").write_text(f"a,b,label\n{text}")


def test_what_is_missing_is_kept_counted_and_in_no_mean(tmp_path: Path, tools):
    table(tmp_path, rows())
    with pytest.raises(DataError, match=r"a\.csv: line 3, column 'a': the cell is empty; fill it or drop the row"):
        tools.convert(tmp_path, splits=SPLITS, shuffle=False)
    shards = tools.convert(tmp_path, splits=SPLITS, shuffle=False, allow_missing=True)
    train = shards.split("train")
    there = train.take(np.arange(6))
    assert np.isnan(there).sum() == np.isnan(rows()[[train.raw(i)[1] for i in range(6)]]).sum()
    (info,) = shards.info.inputs
    for told, values in ((info.statistics, there.ravel()), *zip(info.features, there.T, strict=True)):
        values = values.astype(np.float64)
        assert (told.nan, told.count) == (np.isnan(values).sum(), (~np.isnan(values)).sum())
        expected = [function(values) for function in (np.nanmin, np.nanmax, np.nanmean, np.nanstd)]
        assert [told.min, told.max, told.mean, told.std] == pytest.approx(expected)
    data = json.loads((shards.directory / "whole" / "data.json").read_bytes())
    assert data["info"]["inputs"][0]["statistics"]["nan"] == info.statistics.nan > 0


def test_arrays_that_are_read_at_random_keep_what_is_missing(tmp_path: Path, tools):
    arrays(tmp_path)
    changes = {"splits": SPLITS, "labels": {}, "shuffle": False, "block_bytes": 4096}
    with pytest.raises(DataError, match=r"x\.npy: row \d: the value is nan; repair it or drop the sample"):
        tools.convert(tmp_path, **changes)
    shards = tools.convert(tmp_path, **changes, allow_missing=True)
    split = shards.split("train")
    found = split.take(np.arange(6))
    np.testing.assert_array_equal(found, rows()[[split.raw(i)[1] for i in range(6)]])
    assert shards.info.statistics.nan == np.isnan(found).sum()


def test_a_column_without_any_value_to_train_on_is_named(tmp_path: Path, tools):
    x = rows()
    x[:, 1] = np.nan
    table(tmp_path, x)
    with pytest.raises(DataError, match="the train split has no value of column 'b': all are missing; leave it out by"):
        tools.convert(tmp_path, splits=SPLITS, allow_missing=True)


def test_weights_are_never_missing(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text("a,w,label\n1,1,0\n,,1\n3,1,0\n4,1,1\n")
    with pytest.raises(DataError, match=r"a\.csv: line 3, column 'w': the cell is empty; fill it or drop the row"):
        tools.convert(tmp_path, weights="w", allow_missing=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "uint8"}, "data.allow_missing: expected a float dtype with it, uint8 does not hold NaN, got True"),
        ({"labels": "input"}, "data.allow_missing: labels are never missing, and here they are the input; leave it"),
    ],
)
def test_only_floats_are_missing_and_no_labels(tools, changes, message):
    with pytest.raises(SettingsError, match=message):
        tools.settings(allow_missing=True, **changes)


def test_data_without_the_setting_keep_their_identity(tools):
    assert "allow_missing" not in tools.settings().relevant()
    assert tools.settings(allow_missing=False) == tools.settings()
    assert tools.settings(allow_missing=True).relevant() == {**tools.settings().relevant(), "allow_missing": True}


@given(
    size=st.integers(1, RUN // 8),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.0, 1e-4, 0.3, 1.0]),
    columns=st.sampled_from([None, 2, 500]),
    cuts=st.lists(st.integers(1, 1 << 12), max_size=3),
)
def test_moments_are_those_of_the_values_that_are_there_however_they_are_cut(size, seed, share, columns, cuts):
    random = np.random.Generator(np.random.Philox(seed))
    values = random.normal(size=(size if columns != 500 else size % 400 + 1, columns or 2))
    values[random.random(values.shape) < share] = np.nan
    whole, pieces = Moments(columns), Moments(columns)
    whole.add(values)
    for part in np.split(values, sorted({min(cut, len(values)) for cut in cuts})):
        pieces.add(part)
    found = whole.sums()
    assert found == pieces.sums()
    for column, sums in list(enumerate(found))[:4]:
        chosen = values.ravel() if columns is None else values[:, column]
        there = chosen[~np.isnan(chosen)]
        assert (sums.count, sums.nan) == (len(there), len(chosen) - len(there))
        assert msgspec.convert(msgspec.to_builtins(sums), type(sums)) == sums
        if len(there):
            told = statistics(joined([sums]))
            assert (told.min, told.max) == (there.min(), there.max())
            assert [told.mean, told.std] == pytest.approx([there.mean(), there.std()], rel=1e-12, abs=1e-12)


def test_shards_of_which_one_has_no_value_are_joined():
    moments = [Moments(), Moments()]
    moments[0].add(np.array([np.nan, np.nan]))
    moments[1].add(np.array([1.0, 3.0, np.nan]))
    sums = [of for one in moments for of in one.sums()]
    assert msgspec.to_builtins(sums[0]) == {"count": 0, "total": 0.0, "squares": 0.0, "min": 0.0, "max": 0.0, "nan": 2}
    assert statistics(joined(sums)) == Statistics(count=2, min=1, max=3, mean=2, std=1, nan=3)
