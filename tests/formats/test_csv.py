from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.errors import DataError
from deeptrain.formats import cells, csv, discovery
from deeptrain.formats.csv import CSV, TSV, Delimited
from deeptrain.formats.format import TEXT, Field


@dataclass(frozen=True)
class Rows:
    values: np.ndarray
    text: dict[str, list[str]]


def rows_of(file: Path, fields: list[Field], kind: Delimited = CSV) -> Rows:
    chunks = list(kind.chunks(file, fields, 1 << 40))
    words = {
        field.name: [cell for chunk in chunks for cell in chunk.text[field.name]] for field in fields if field.is_text
    }
    return Rows(
        np.concatenate([chunk.table for chunk in chunks]),
        {name: [cell for chunk in chunks for cell in chunk.text[name]] for name in words},
    )


def read(path: Path, data: bytes, dtype: str = "float32", text: tuple[str, ...] = (), kind: Delimited = CSV) -> Rows:
    file = path / f"a.{kind.name}"
    file.write_bytes(data)
    fields = [Field(name, TEXT if name in text else dtype) for name in kind.columns(file)]
    return rows_of(file, fields, kind)


@settings(deadline=None)  # they write files
@given(
    values=st.lists(
        st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1
    ),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    header=st.booleans(),
    blank=st.booleans(),
    last=st.booleans(),
)
def test_every_number_comes_back_exactly(tmp_path_factory, values, line_end, mark, header, blank, last):
    lines = ["x,y,z"] * header + [""] * blank + [",".join(map(repr, row)) for row in values]
    text = "\ufeff" * mark + line_end.join(lines) + line_end * last
    table = read(tmp_path_factory.mktemp("csv"), text.encode(), "float64")
    assert table.values.tobytes() == np.array(values).tobytes()
    assert table.values.flags.c_contiguous


@settings(deadline=None)  # they write files
@given(
    values=st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2), min_size=1, max_size=9),
    rows=st.integers(0, 3),
)
def test_whole_numbers_beyond_a_double_come_back_exactly_and_blank_lines_count_for_places(
    tmp_path_factory, values, rows
):
    path = tmp_path_factory.mktemp("csv")
    table = read(path, b"\n" * rows + "".join(f"{a},{b}\n" for a, b in values).encode(), "int64")
    assert table.values.tolist() == values
    assert CSV.place(path / "a.csv", len(values) - 1) == f"line {rows + len(values)}"


@settings(deadline=None)  # they write files
@given(
    lines=st.lists(st.tuples(st.integers(-99, 99), st.sampled_from(["Ann", "Zoé", " b "]), st.booleans()), min_size=1),
    block=st.integers(1, 60),
    rows=st.integers(1, 9),
    header=st.booleans(),
    last=st.booleans(),
)
def test_parts_of_any_size_are_the_whole_in_order(tmp_path_factory, lines, block, rows, header, last):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = "a,who\r\n" * header + "".join(f"{number},{word}\r\n" + "\n" * blank for number, word, blank in lines)
    path.write_text(text if last else text.rstrip(), newline="")
    reader = CSV if header else Delimited("csv", (".csv",), ",", header=False)
    number, word = reader.columns(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "BLOCK", block)
        chunks = list(reader.chunks(path, [Field(word, TEXT), Field(number, "int8")], rows))
    assert max(chunk.samples for chunk in chunks) <= rows
    assert [chunk.first for chunk in chunks] == [sum(c.samples for c in chunks[:i]) for i in range(len(chunks))]
    assert [value for chunk in chunks for value in chunk.arrays[number].tolist()] == [line[0] for line in lines]
    assert [cell for chunk in chunks for cell in chunk.text[word]] == [line[1].strip() for line in lines]


def test_fields_are_words_where_the_first_lines_have_some_and_numbers_elsewhere(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("a,who,gap\n1,2,\n3,Ann,nan\n")
    assert CSV.fields(path) == (Field("a", "float64"), Field("who", TEXT), Field("gap", "float64"))


def test_a_first_line_of_numbers_is_a_header_when_that_is_said(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("3,1\n5,6\n")
    assert CSV.columns(path) == ("0", "1")
    (chunk,) = Delimited("csv", (".csv",), ",", header=True).chunks(path, [Field("1", "int8")], 9)
    assert chunk.arrays["1"].tolist() == [6]
    assert CSV.first_line(path) == ("3", "1")


def test_columns_of_words_come_as_text_and_others_not_at_all(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_bytes('x,who,note\n1, "Ann, B." ,\n2,Zoé,nan\n'.encode().replace(b' "', b'"').replace(b'" ', b'"'))
    table = rows_of(file, [Field("x", "float32"), Field("who", TEXT)])
    assert table.values.tolist() == [[1], [2]]
    assert table.text == {"who": ["Ann, B.", "Zoé"]}


def test_tabs_separate_the_cells_of_a_tsv(tmp_path: Path):
    assert read(tmp_path, b"a\tb\n1\t2\n", kind=TSV).values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("first", "columns"),
    [
        ("a,b,c", ("a", "b", "c")),
        (" a , b ,c", ("a", "b", "c")),
        ("1,2.5,-3e2", ("0", "1", "2")),
        ("nan,1,2", ("0", "1", "2")),
        ("0,1,label", ("0", "1", "label")),
        ("label,1,2", ("label", "1", "2")),
        ("0", ("0",)),
        ('"0","1","3"', ("0", "1", "2")),
    ],
)
def test_the_first_line_is_a_header_unless_it_is_numbers_only(tmp_path: Path, first, columns):
    file = tmp_path / "a.csv"
    file.write_bytes(f"{first}\n4,5,6\n".encode())
    assert CSV.columns(file) == columns


@pytest.mark.parametrize("first", ["0,1", "0, 1, 2", '"0","1"'])
def test_a_first_line_that_counts_columns_up_is_names_or_a_sample_as_is_said(tmp_path: Path, first):
    file = tmp_path / "a.csv"
    size = first.count(",") + 1
    file.write_text(f"{first}\n{','.join('7' * size)}\n")
    with pytest.raises(DataError, match=r"a\.csv: line 1: 0, 1.* may be the names of the columns or a sample"):
        discovery.open(file)
    for header, samples in ((True, [[7] * size]), (False, [list(range(size)), [7] * size])):
        data = discovery.open(file, header=header)
        assert data.columns == tuple(map(str, range(size)))
        assert [row for chunk in data.chunks(9) for row in chunk.inputs["x"].tolist()] == samples
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match="header = False means nothing for npy files; leave it out"):
        discovery.open(tmp_path / "b.npy", header=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"a\.csv: no samples: the file is empty"),
        (b"\n\r\n", r"a\.csv: no samples: the file is empty"),
        (b"\xef\xbb\xbf", r"a\.csv: no samples: the file is empty"),
        (b"a,b\n", r"a\.csv: no samples: it has a header and no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", r"a\.csv: is no csv: it is binary \(has zero bytes\)"),
        ("a,b\n1,2\n".encode("utf-16"), r"a\.csv: is no csv: it is binary"),
        (b"a,b\n1,2\n3,\xff\n", r"a\.csv: line 3: is not UTF-8 text; save the file as UTF-8"),
        (b"a,b\n1,2\n\n3\n5,6\n", r"a\.csv: line 4: has 1 cells where the first line has 2; is the file cut off"),
        (b"1,2\n3,4,5\n", r"a\.csv: line 2: has 3 cells where the first line has 2"),
        (b"a,b\r\n1,2\r\n3,x\r\n", r"a\.csv: line 3, column 'b': 'x' is no number; a column of words can only be"),
        (b"a,b\n1,0x10\n", r"line 2, column 'b': '0x10' is no number"),
        (b"a,b\n1,1_0\n", r"line 2, column 'b': '1_0' is no number"),
        (b"a,b\n1,\n", r"line 2, column 'b': the cell is empty; fill it or drop the row"),
        (b"1,2\n3,nan\n", r"line 2, column '1': the value is nan; repair it or drop the row"),
        (b"1,2\n-inf,4\n", r"line 2, column '0': the value is -inf; repair it"),
        (b"1,2\n3,1e400\n", r"line 2, column '1': '1e400' is beyond what dtype float32 holds"),
        (b"1,2\n3,1e39\n", r"line 2, column '1': '1e39' is beyond what dtype float32 holds"),
        (
            b"5.1,3.5,setosa\n4,3,versicolor\n",
            r"line 1: mixes numbers and words \('5\.1', 'setosa'\): sample or header\?",
        ),
        (b"a,,c\n1,2,3\n", r"line 1: column 2 of 3 has no name; name it"),
        (b"a,b,a\n1,2,3\n", r"line 1: two columns are named 'a'; rename one"),
        (b"a;b\n1;2\n", r"line 2, column 'a;b': '1;2' is no number"),
        (b"a,b\n1," + b"x" * 200 + b"\n", r"'x{35}\.\.\.' is no number"),
        (b"a," + b"b" * 200_000 + b"\n1,2\n", r"a\.csv: is no csv: line 1: field larger than field limit"),
        (b'a,b\n1,"2\n3"\n', r"a\.csv: line 3, column 'b': '2\\n3' is no number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path, data, message):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("dtype", "cell", "message"),
    [
        ("uint8", "256", r"'256' is beyond dtype uint8 \(0 to 255\)"),
        ("uint8", "-1", r"'-1' is beyond dtype uint8 \(0 to 255\)"),
        ("int64", "9223372036854775808", "is beyond dtype int64"),
        ("int64", "9" * 5000, "is beyond dtype int64"),
        ("int32", "3.0", "'3.0' is no whole number, which dtype int32 needs"),
        ("float16", "70000", "'70000' is beyond what dtype float16 holds"),
    ],
)
def test_a_number_that_the_dtype_does_not_hold_is_refused(tmp_path: Path, dtype, cell, message):
    with pytest.raises(DataError, match=rf"line 3, column 'b': .*{message}"):
        read(tmp_path, f"a,b\n1,2\n3,{cell}\n".encode(), dtype)


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN"])
def test_a_missing_word_is_refused(tmp_path: Path, cell):
    with pytest.raises(DataError, match=r"line 3, column 'who': (the cell is empty|the value is nan)"):
        read(tmp_path, f"a,who\n1,Ann\n3,{cell}\n".replace("NaN", "nan").encode(), text=("who",))


def test_every_cut_of_a_file_that_leaves_a_row_short_is_named_with_its_line(tmp_path: Path):
    whole = b"".join(b"%d,%d,%d\n" % (100 + i, 200 + i, 300 + i) for i in range(6))
    for cut in range(12, len(whole)):
        cells = whole[:cut].rpartition(b"\n")[2].count(b",") + 1
        if whole[:cut].endswith((b"\n", b",")) or cells == 3:
            continue  # whole rows; an empty last cell; a number cut short, which only the labels' count can tell
        with pytest.raises(DataError, match=f"line {cut // 12 + 1}: has {cells} cells where the first line has 3"):
            read(tmp_path, whole[:cut])


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"a\.csv: cannot be read: No such file"):
        CSV.columns(tmp_path / "a.csv")


def test_many_blocks_and_a_fault_in_the_last_are_read_and_found(tmp_path: Path):
    rows = 20_000  # of 1 kB, more than one block of 16 MiB
    data = b"a,b\n" + b"0.%01000d,2\n" % 1 * rows
    assert len(read(tmp_path, data).values) == rows
    with pytest.raises(DataError, match=f"line {rows + 2}, column 'b': 'x' is no number"):
        read(tmp_path, data + b"1,x\n")


@given(st.lists(st.from_regex(r"[ +-]?[0-9.eE_ nainf\n]{0,6}", fullmatch=True), min_size=1, max_size=4))
def test_a_row_of_numbers_is_one_whose_cells_are_all_numbers(row):
    assert cells.are_numbers(row) == all(cells.is_number(cell.strip()) for cell in row)
