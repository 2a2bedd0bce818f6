"""A dtype for all inputs, or one for each by its name."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from deeptrain.errors import DataError

IMAGE = np.arange(8 * 4, dtype=np.int64).reshape(8, 2, 2)
META = np.linspace(0, 1, 8)


def make(base: Path, kind: str) -> None:
    (base / "raw").mkdir()
    if kind == "npz":
        np.savez(base / "raw" / "1.npz", image=IMAGE, meta=META, y=np.arange(8) % 2)
        return
    pictures = pa.array(IMAGE.tolist(), pa.list_(pa.list_(pa.int64(), 2), 2))
    table = pa.table({"image": pictures, "a": META, "b": -META, "y": np.arange(8) % 2})
    parquet.write_table(table, base / "raw" / "1.parquet")


@pytest.mark.parametrize(("kind", "other"), [("npz", "meta"), ("parquet", "x")])
def test_each_input_has_the_dtype_that_is_said_for_it_and_others_float32(tmp_path: Path, tools, kind, other):
    make(tmp_path, kind)
    shards = tools.convert(tmp_path, labels={"column": "y"}, dtype={"image": "uint8"}, shuffle=False)
    assert shards.info.dtype == {"image": "uint8", other: "float32"}
    split = shards.split("train")
    found = split.take(np.arange(4))
    at = [split.raw(index)[1] for index in range(4)]
    assert {name: array.dtype.name for name, array in found.items()} == {"image": "uint8", other: "float32"}
    np.testing.assert_array_equal(found["image"], IMAGE[at])
    np.testing.assert_array_equal(found[other].reshape(4, -1)[:, 0], META[at].astype(np.float32))


def test_a_dtype_of_an_input_that_is_not_there_or_does_not_hold_it_is_refused_by_name(tmp_path: Path, tools):
    make(tmp_path, "npz")
    with pytest.raises(DataError, match=r"raw: data\.dtype names 'imge', which is no input; inputs: image, meta$"):
        tools.convert(tmp_path, labels={"column": "y"}, dtype={"imge": "uint8"})
    with pytest.raises(DataError, match=r"1\.npz: 'meta': row 1: 0\.14.* is no whole number, which dtype uint8 needs"):
        tools.convert(tmp_path, labels={"column": "y"}, dtype={"meta": "uint8"}, shuffle=False)


def test_one_dtype_is_that_of_every_input(tmp_path: Path, tools):
    make(tmp_path, "npz")
    shards = tools.convert(tmp_path, labels={"column": "y"}, dtype="float64")
    assert shards.info.dtype == {"image": "float64", "meta": "float64"}


def test_only_the_inputs_of_a_float_dtype_may_be_missing(tmp_path: Path, tools):
    (tmp_path / "raw").mkdir()
    image, meta = IMAGE.astype(np.float64), META.copy()
    meta[2] = np.nan
    np.savez(tmp_path / "raw" / "1.npz", image=image, meta=meta, y=np.arange(8) % 2)
    asked = {"labels": {"column": "y"}, "dtype": {"image": "uint8"}, "allow_missing": True}
    shards = tools.convert(tmp_path, **asked, splits={"train": 6, "val": 2}, shuffle=False)
    counts = {one.name: one.statistics.nan for one in shards.info.inputs}
    assert counts == {"image": 0, "meta": int(2 in [shards.split("train").raw(i)[1] for i in range(6)])}
    image[3, 0, 0] = np.nan
    np.savez(tmp_path / "raw" / "1.npz", image=image, meta=meta, y=np.arange(8) % 2)
    with pytest.raises(
        DataError, match=r"1\.npz: 'image': row 3: the value is nan, which dtype uint8 does not hold; t"
    ):
        tools.convert(tmp_path, **asked)
