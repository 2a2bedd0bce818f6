"""Columns of Arrow, from IPC files and Parquet, as fields and arrays.

Numbers and booleans are scalars, strings (dictionaries of them, too) words, lists of fixed size and tensors of fixed
shape are arrays, other lists are sequences. A missing value is NaN where a field lets it through, else an error that
names its row; a missing list is always one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain.errors import DataError
from deeptrain.formats import numbers
from deeptrain.formats.cells import shown
from deeptrain.formats.format import TEXT, Chunk, Field

if TYPE_CHECKING:  # a plan imports the formats and must not load NumPy for it
    import pyarrow
    from numpy.typing import NDArray


def fields(schema: "pyarrow.Schema", path: Path) -> tuple[Field, ...]:
    """One field a column; of a column that cannot be read, the dtype is Arrow's name of its type.

    Raises:
        DataError: when two columns have one name, or there are none.
    """
    doubled = [name for index, name in enumerate(schema.names) if name in schema.names[:index]]
    if doubled:
        raise DataError(f"{path}: two columns are named {shown(doubled[0])}; rename one")
    if not schema.names:
        raise DataError(f"{path}: no samples: it has no columns")
    return tuple(_field(column.name, column.type) for column in schema)


def _field(name: str, kind: "pyarrow.DataType") -> Field:
    from pyarrow import types

    shape: list[int | None] = []
    inner = kind
    while True:
        if hasattr(inner, "permutation") and hasattr(inner, "value_type") and hasattr(inner, "shape"):
            if inner.permutation is not None and list(inner.permutation) != sorted(inner.permutation):
                return Field(name, str(kind))
            shape += inner.shape
            inner = inner.value_type
        elif types.is_fixed_size_list(inner):
            shape.append(inner.list_size)
            inner = inner.value_type
        elif (types.is_list(inner) or types.is_large_list(inner)) and not shape:
            shape.append(None)
            inner = inner.value_type
        else:
            break
    word = inner.value_type if types.is_dictionary(inner) else inner
    if not shape and (types.is_string(word) or types.is_large_string(word)):
        return Field(name, TEXT)
    if types.is_boolean(inner):
        return Field(name, "bool", tuple(shape))
    if types.is_integer(inner) or types.is_floating(inner):
        return Field(
            name,
            {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(inner), str(inner)),
            tuple(shape),
        )
    return Field(name, str(kind))


def chunk(batch: "pyarrow.RecordBatch", asked: Sequence[Field], first: int, path: Path) -> Chunk:
    """The samples of a batch, whose first row is `first` in the file."""
    import numpy as np

    arrays: dict[str, NDArray[Any]] = {}
    lengths: dict[str, NDArray[np.int64]] = {}
    text: dict[str, list[str]] = {}
    scalars = [field for field in asked if not field.is_text and not field.shape]
    table = _table(batch, scalars, first, path) if len({field.dtype for field in scalars}) == 1 else None
    for field in asked:
        column = batch.column(field.name)

        def where(row: int, field: Field = field) -> str:
            return f"{path}: row {first + row:,}, column {shown(field.name)}"

        _refuse_missing(column, where, None if field.shape else field)
        if field.is_text:
            text[field.name] = numbers.words(np.array(column.to_pylist(), object), where)
        elif field.is_sequence:
            counts = column.value_lengths().to_numpy().astype(np.int64)
            ends = np.cumsum(counts)

            def sequence(row: int, where: Callable[[int], str] = where, ends: "NDArray[np.int64]" = ends) -> str:
                return where(int(np.searchsorted(ends, row, side="right")))

            lengths[field.name] = counts
            arrays[field.name] = _dense(column.flatten(), field, sequence)
        elif table is not None and not field.shape:
            arrays[field.name] = table[:, scalars.index(field)]
        else:
            arrays[field.name] = _dense(column, field, where)
    return Chunk(first, batch.num_rows, arrays, text, lengths, table)


def _table(batch: "pyarrow.RecordBatch", scalars: Sequence[Field], first: int, path: Path) -> "NDArray[Any]":
    """Columns of numbers side by side, (rows, columns)."""
    import numpy as np

    columns = [batch.column(field.name) for field in scalars]
    values = np.empty((batch.num_rows, len(scalars)), scalars[0].dtype)
    for index, (field, column) in enumerate(zip(scalars, columns, strict=True)):

        def where(row: int, field: Field = field) -> str:
            return f"{path}: row {first + row:,}, column {shown(field.name)}"

        _refuse_missing(column, where, field)
        values[:, index] = numbers.cast(_values(column), field.dtype, where, field.missing)
    return values


def _dense(column: "pyarrow.Array", field: Field, where: Callable[[int], str]) -> "NDArray[Any]":
    import pyarrow
    from pyarrow import types

    rows = len(column)

    def within(row: int) -> str:
        return where(row * rows // len(column))

    if isinstance(column, pyarrow.ExtensionArray):
        column = column.storage
    while types.is_fixed_size_list(column.type):
        _refuse_missing(column, within, None)  # flattened, it would be left out
        column = column.flatten()
    _refuse_missing(column, within, field)
    return numbers.cast(_values(column).reshape(rows, *field.step), field.dtype, where, field.missing)


def _values(column: "pyarrow.Array") -> "NDArray[Any]":
    """As NumPy has them; what is missing is NaN."""
    import pyarrow
    from pyarrow import types

    if column.null_count and types.is_boolean(column.type):
        column = column.cast(pyarrow.int8())
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _refuse_missing(column: "pyarrow.Array", where: Callable[[int], str], field: Field | None) -> None:
    """Refuse missing values, unless they are numbers of a field that lets them through."""
    if not column.null_count or (field is not None and field.missing and field.dtype.startswith("float")):
        return
    row = column.is_null().to_pylist().index(True)
    held = (
        f", which dtype {field.dtype} does not hold; take a float dtype" if field is not None and field.missing else ""
    )
    raise DataError(f"{where(row)}: the value is missing{held or '; fill it or drop the row'}")
