from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from deeptrain.errors import DataError
from deeptrain.formats.arrow import ARROW
from deeptrain.formats.format import TEXT, Field
from deeptrain.formats.parquet import PARQUET


def write(path: Path, table: pa.Table, kind: str, rows: int | None = None) -> None:
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=rows)
        return
    options = ipc.IpcWriteOptions(compression="lz4" if kind == "compressed" else None)
    opened = ipc.new_stream if kind == "stream" else ipc.new_file
    with opened(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


KINDS = ["file", "stream", "compressed", "parquet"]


@settings(deadline=None, max_examples=40)  # they write files
@given(
    kind=st.sampled_from(KINDS),
    samples=st.integers(1, 20),
    batch=st.integers(1, 8),
    rows=st.integers(1, 25),
    seed=st.integers(0, 9),
)
def test_columns_arrays_sequences_and_words_come_back(tmp_path_factory, kind, samples, batch, rows, seed):
    path = tmp_path_factory.mktemp("arrow") / "a"
    random = np.random.Generator(np.random.Philox(seed))
    numbers = random.random((samples, 2))
    pictures = random.integers(0, 99, (samples, 2, 3)).astype(np.int16)
    series = [random.random((int(length), 2)).astype(np.float32) for length in random.integers(0, 4, samples)]
    words = [f"w{number}" for number in random.integers(0, 3, samples)]
    pair = pa.list_(pa.float32(), 2)
    table = pa.table(
        {
            "a": numbers[:, 0],
            "b": numbers[:, 1],
            "picture": pa.array(pictures.tolist(), pa.list_(pa.list_(pa.int16(), 3), 2)),
            "series": pa.array([one.tolist() for one in series], pa.list_(pair)),
            "who": pa.array(words).dictionary_encode(),
        }
    )
    write(path, table, kind, batch)
    format = PARQUET if kind == "parquet" else ARROW
    fields = format.fields(path)
    assert fields == (
        Field("a", "float64"),
        Field("b", "float64"),
        Field("picture", "int16", (2, 3)),
        Field("series", "float32", (None, 2)),
        Field("who", TEXT),
    )
    assert format.samples(path, "a") == samples
    chunks = list(format.chunks(path, fields, rows))
    assert max(chunk.samples for chunk in chunks) <= rows
    assert np.concatenate([chunk.table for chunk in chunks]).tolist() == numbers.tolist()
    assert np.concatenate([chunk.arrays["b"] for chunk in chunks]).tolist() == numbers[:, 1].tolist()
    assert np.concatenate([chunk.arrays["picture"] for chunk in chunks]).tolist() == pictures.tolist()
    assert np.concatenate([chunk.arrays["series"] for chunk in chunks]).tolist() == np.concatenate(series).tolist()
    assert np.concatenate([chunk.lengths["series"] for chunk in chunks]).tolist() == list(map(len, series))
    assert [word for chunk in chunks for word in chunk.text["who"]] == words
    if kind in {"file", "stream"}:
        assert format.random_access(path)
        chosen = random.integers(0, samples, 30)
        out = np.empty((30, 2, 3), np.float64)
        format.take(path, fields[2], chosen, out)
        assert out.tolist() == pictures[chosen].tolist()
    else:
        assert not format.random_access(path)


def test_a_tensor_of_fixed_shape_is_an_array(tmp_path: Path):
    path = tmp_path / "a.arrow"
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    write(path, pa.table({"x": pa.FixedShapeTensorArray.from_numpy_ndarray(values)}), "file")
    assert ARROW.fields(path) == (Field("x", "float32", (2, 3)),)
    (chunk,) = ARROW.chunks(path, ARROW.fields(path), 9)
    assert chunk.arrays["x"].tolist() == values.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.0, None, 3.0]), r"row 1, column 'x': the value is missing; fill it or drop the row"),
        (pa.array(["a", "b", None]), r"row 2, column 'x': the value is missing"),
        (pa.array(["a", " ", "c"]), r"row 1, column 'x': the word is missing"),
        (pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float64(), 2)), r"row 2, column 'x': the value is miss"),
        (pa.array([[1.0], [2.0, None], []], pa.list_(pa.float64())), r"row 1, column 'x': the value is missing"),
        (pa.array([1.0, 2.0, np.nan]), r"row 2, column 'x': the value is nan"),
        (pa.array([[1.0], [2.0], [3.0, np.inf]], pa.list_(pa.float64())), r"row 2, column 'x': the value is inf"),
    ],
)
def test_a_missing_value_is_named_with_its_row_and_column(tmp_path: Path, kind, column, message):
    path = tmp_path / "a"
    write(path, pa.table({"x": column}), kind, 2)
    format = PARQUET if kind == "parquet" else ARROW
    with pytest.raises(DataError, match=rf"a: {message}"):
        list(format.chunks(path, format.fields(path), 2))


def test_a_random_read_names_the_row_in_the_file(tmp_path: Path):
    path = tmp_path / "a.arrow"
    write(path, pa.table({"x": [0.0, 1.0, 2.0, np.nan]}), "file", 3)
    with pytest.raises(DataError, match=r"a\.arrow: row 3, column 'x': the value is nan"):
        ARROW.take(path, Field("x", "float64"), np.array([0, 3]), np.empty(2))


def test_a_column_of_dates_is_a_field_with_the_name_of_its_type(tmp_path: Path):
    path = tmp_path / "a.arrow"
    write(path, pa.table({"when": pa.array([0], pa.timestamp("s"))}), "file")
    assert ARROW.fields(path) == (Field("when", "timestamp[s]"),)


@pytest.mark.parametrize("format", [ARROW, PARQUET])
@pytest.mark.parametrize("data", [b"", b"abc", b"ARROW1\0\0junk", b"PAR1junkPAR1", bytes(100)])
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path: Path, format, data):
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a: (is damaged or no|no samples|is no|cannot be read)") as error:
        format.fields(path)
    assert "\n" not in str(error.value)


def test_columns_without_rows_are_no_samples(tmp_path: Path):
    for format, kind in ((ARROW, "file"), (PARQUET, "parquet")):
        write(tmp_path / kind, pa.table({"x": pa.array([], pa.float32())}), kind)
        with pytest.raises(DataError, match="no samples: it has columns and no rows"):
            list(format.chunks(tmp_path / kind, [Field("x", "float32")], 3))


def test_no_cut_and_no_flipped_bit_of_an_ipc_file_crashes(tmp_path: Path):
    path = tmp_path / "a.arrow"
    table = pa.table({"x": np.arange(20.0), "s": pa.array([[1.0] * (i % 3) for i in range(20)]), "w": ["ab"] * 20})
    write(path, table, "file", 7)
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :]):
            path.write_bytes(data)
            try:
                for _ in ARROW.chunks(path, ARROW.fields(path), 5):
                    pass
            except DataError:
                continue
