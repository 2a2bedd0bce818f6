"""Raw files written anew, one file at a time and in bounded memory: what is written here, the formats here read back.

A writer is a function of a path and of what is to be written; within its `with` block it takes chunk after chunk. What
a format cannot say is refused before anything is written, with the rule. Every library that writes is well kept: NumPy,
h5py, pyarrow, Pillow, SciPy; lines of svmlight are text, since scikit-learn's writer rounds to 16 digits.

Samples keep their values and their dtype, but for text (`csv`, `tsv`, `svmlight`), which says numbers and no dtype.
"""

import contextlib
import itertools
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deeptrain import files
from deeptrain.errors import DataError
from deeptrain.formats import places, registry, wav
from deeptrain.formats.cells import is_number, listed, shown
from deeptrain.formats.data import RawChunk
from deeptrain.formats.format import Field

Add = Callable[[RawChunk], None]
CHUNK_BYTES = 1 << 20  # of a chunk of HDF5
EXACT = 1 << 53  # whole numbers up to here are floats, too
CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
SOUND = frozenset(wav.DTYPES.values())


@dataclass(frozen=True)
class Contents:
    """What files are to hold.

    Attributes:
        inputs: of each sample, with the dtype that is written.
        columns: names of a table's features, which are the first input; else ().
        group: name of the column of groups, or None.
        labelled: whether there are labels.
        rate: of recordings, steps a second, None if nobody said.
    """

    inputs: tuple[Field, ...]
    columns: tuple[str, ...] = ()
    group: str | None = None
    labelled: bool = False
    rate: int | None = None

    @property
    def only(self) -> Field | None:
        """The input, where there is one only."""
        return self.inputs[0] if len(self.inputs) == 1 else None


@dataclass(frozen=True)
class Kind:
    """How a format is written.

    Attributes:
        extension: of its files.
        write: the writer.
        rule: what contents must be, in words, or "" where these can be said.
        labels_inside: whether labels are in the file itself instead of beside it.
    """

    extension: str
    write: Callable[[Path, Contents], AbstractContextManager[Add]]
    rule: Callable[[Contents], str]
    labels_inside: bool = False


def kind(name: str, contents: Contents, what: str) -> Kind:
    """How a format is written.

    Args:
        name: of the format.
        contents: what is to be written.
        what: where it comes from, for messages.

    Raises:
        DataError: when the format is not known, or cannot say the contents.
    """
    format = registry.named(name)
    found = KINDS[name]
    rule = found.rule(contents)
    if not rule and contents.group is not None and not format.tabular:
        rule = f"has no column for the groups {shown(contents.group)}; arrow and parquet have"
    names = [*contents.columns, *(field.name for field in contents.inputs)]
    taken = [one for one in names if one.lower() in places.LABEL_NAMES]
    if not rule and taken and (format.tabular or len(names) > 1):
        rule = f"would be read with {shown(taken[0])} as labels; rename it"
    if rule:
        told = listed([f"{field.name} {field.dtype} {list(field.shape)}" for field in contents.inputs])
        raise DataError(f"{what}: has the inputs {told}; {name} {rule}")
    return found


@contextlib.contextmanager
def _npy(path: Path, contents: Contents) -> Iterator[Add]:
    (field,) = contents.inputs
    with path.open("wb") as file, _array(file, field) as add:
        yield lambda chunk: add(chunk.inputs[field.name])


@contextlib.contextmanager
def _array(file: IO[bytes], field: Field) -> "Iterator[Callable[[Any], None]]":
    """One array whose number of rows is known when all were written: NumPy's headers leave room for it."""
    import numpy as np
    from numpy.lib.format import dtype_to_descr, write_array_header_1_0

    rows = 0

    def head() -> None:
        told = {"descr": dtype_to_descr(np.dtype(field.dtype)), "fortran_order": False, "shape": (rows, *field.step)}
        write_array_header_1_0(file, told)

    def add(values: Any) -> None:
        nonlocal rows
        rows += len(values)
        file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

    head()
    yield add
    file.seek(0)
    head()


@contextlib.contextmanager
def _npz(path: Path, contents: Contents) -> Iterator[Add]:
    """Its arrays are written beside it first: an archive takes one after the other."""
    parts = {field.name: path.with_name(f".{index}.npy") for index, field in enumerate(contents.inputs)}
    with contextlib.ExitStack() as stack:
        opened = {
            field.name: stack.enter_context(_array(stack.enter_context(parts[field.name].open("wb")), field))
            for field in contents.inputs
        }

        def add(chunk: RawChunk) -> None:
            for name, put in opened.items():
                put(chunk.inputs[name])

        yield add
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            entry = zipfile.ZipInfo(f"{name}.npy", files.EARLIEST)
            with part.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            part.unlink()


@contextlib.contextmanager
def _hdf5(path: Path, contents: Contents) -> Iterator[Add]:
    import h5py

    with h5py.File(path, "w") as file:
        made = {}
        for field in contents.inputs:
            rows = max(1, CHUNK_BYTES // max(_bytes(field), 1))
            made[field.name] = file.create_dataset(
                field.name, (0, *field.step), field.dtype, maxshape=(None, *field.step), chunks=(rows, *field.step)
            )

        def add(chunk: RawChunk) -> None:
            for name, data in made.items():
                before = len(data)
                data.resize(before + chunk.samples, axis=0)
                data[before:] = chunk.inputs[name]

        yield add


def _columns(contents: Contents) -> "Callable[[RawChunk], Any]":
    """Chunks as record batches of Arrow: features as columns of numbers, other inputs as lists."""
    import numpy as np
    import pyarrow

    def array(values: Any, shape: tuple[int, ...]) -> Any:
        column = pyarrow.array(np.ascontiguousarray(values).reshape(-1))
        for size in reversed(shape):
            column = pyarrow.FixedSizeListArray.from_arrays(column, size)
        return column

    def batch(chunk: RawChunk) -> Any:
        found: dict[str, Any] = {}
        for index, field in enumerate(contents.inputs):
            values = chunk.inputs[field.name]
            if contents.columns and not index:
                found |= {name: array(values[:, place], ()) for place, name in enumerate(contents.columns)}
            elif field.is_sequence:
                ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(chunk.lengths[field.name])])
                found[field.name] = pyarrow.LargeListArray.from_arrays(ends, array(values, field.step))
            else:
                found[field.name] = array(values, field.step)
        if contents.group is not None:
            found[contents.group] = pyarrow.array(list(chunk.groups or ()), pyarrow.string())
        return pyarrow.RecordBatch.from_pydict(found)

    return batch


@contextlib.contextmanager
def _arrow(path: Path, contents: Contents) -> Iterator[Add]:
    from pyarrow import ipc

    with _batches(contents, lambda schema: ipc.new_file(str(path), schema)) as add:
        yield add


@contextlib.contextmanager
def _parquet(path: Path, contents: Contents) -> Iterator[Add]:
    from pyarrow import parquet

    with _batches(contents, lambda schema: parquet.ParquetWriter(path, schema, write_page_checksum=True)) as add:
        yield add


@contextlib.contextmanager
def _batches(contents: Contents, opened: Callable[[Any], Any]) -> Iterator[Add]:
    """A file that is opened with the schema of its first batch."""
    of = _columns(contents)
    with contextlib.ExitStack() as stack:
        file: list[Any] = []

        def add(chunk: RawChunk) -> None:
            batch = of(chunk)
            if not file:
                file.append(stack.enter_context(opened(batch.schema)))
            file[0].write_batch(batch)

        yield add


def _text(delimiter: str) -> Callable[[Path, Contents], AbstractContextManager[Add]]:
    @contextlib.contextmanager
    def write(path: Path, contents: Contents) -> Iterator[Add]:
        import numpy as np
        import pyarrow
        from pyarrow import csv

        (field,) = contents.inputs
        names = contents.columns or tuple(f"{field.name}{number}" for number in range(math.prod(field.step)))
        whole = np.dtype(field.dtype).kind in "iu"
        kind = np.dtype(field.dtype) if whole else np.dtype(np.uint8 if field.dtype == "bool" else np.float64)
        columns = [(name, pyarrow.from_numpy_dtype(kind)) for name in names]
        if contents.group is not None:
            columns.append((contents.group, pyarrow.string()))
        # columns that are only counted have no names: a first line of numbers would be a sample
        named = contents.group is not None or list(names) != [str(number) for number in range(len(names))]
        options = csv.WriteOptions(include_header=named, delimiter=delimiter)
        with csv.CSVWriter(path, pyarrow.schema(columns), write_options=options) as file:

            def add(chunk: RawChunk) -> None:
                values = np.asarray(chunk.inputs[field.name]).reshape(chunk.samples, len(names)).astype(kind)
                arrays = [pyarrow.array(np.ascontiguousarray(values[:, place])) for place in range(len(names))]
                arrays += [] if contents.group is None else [pyarrow.array(list(chunk.groups or ()))]
                file.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=pyarrow.schema(columns)))

            yield add

    return write


@contextlib.contextmanager
def _svmlight(path: Path, contents: Contents) -> Iterator[Add]:
    import numpy as np

    (field,) = contents.inputs
    with path.open("w", encoding="ascii") as file:

        def add(chunk: RawChunk) -> None:
            values = np.asarray(chunk.inputs[field.name]).reshape(chunk.samples, -1)
            labels = chunk.labels if isinstance(chunk.labels, list) else np.asarray(chunk.labels).tolist()
            for array in (values, np.asarray(chunk.labels)):
                if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > EXACT:
                    raise DataError(f"{path.name}: holds whole numbers beyond {EXACT:,}, which svmlight rounds")
            for label, row in zip(labels, values, strict=True):
                cell = label if isinstance(label, str | list) else repr(label + 0)
                if isinstance(cell, list) or not is_number(cell):
                    raise DataError(f"{path.name}: the label {shown(str(cell))} is no number, which svmlight needs")
                there = np.flatnonzero(row)
                pairs = zip((there + 1).tolist(), row[there].tolist(), strict=True)
                file.write(" ".join([cell, *(f"{index}:{value + 0!r}" for index, value in pairs)]) + "\n")

        yield add


@contextlib.contextmanager
def _png(path: Path, contents: Contents) -> Iterator[Add]:
    """Each sample a file of its own; the name of `path` counts up."""
    from PIL import Image

    (field,) = contents.inputs
    count = itertools.count(1)

    def add(chunk: RawChunk) -> None:
        for pixels in chunk.inputs[field.name]:
            grey = pixels.shape[-1] == 1
            picture = Image.fromarray(pixels[:, :, 0] if grey else pixels, CHANNELS[pixels.shape[-1]])
            picture.save(path.with_stem(f"{path.stem}-{next(count)}"))

    yield add


@contextlib.contextmanager
def _wav(path: Path, contents: Contents) -> Iterator[Add]:
    """Each sample a file of its own; the name of `path` counts up."""
    import numpy as np
    from scipy.io import wavfile

    (field,) = contents.inputs
    count = itertools.count(1)

    def add(chunk: RawChunk) -> None:
        ends = np.cumsum(chunk.lengths[field.name])
        for steps in np.split(chunk.inputs[field.name], ends[:-1]):
            wavfile.write(path.with_stem(f"{path.stem}-{next(count)}"), contents.rate, steps)

    yield add


def _bytes(field: Field) -> int:
    import numpy as np

    return math.prod(field.step) * np.dtype(field.dtype).itemsize


def _of_arrays(contents: Contents) -> str:
    sequences = any(field.is_sequence for field in contents.inputs)
    return "holds samples of one shape; arrow and parquet hold sequences" if sequences else ""


def _of_one_array(contents: Contents) -> str:
    if contents.only is None:
        return "holds one input; npz, hdf5, arrow and parquet hold several"
    return _of_arrays(contents)


def _of_rows(contents: Contents) -> str:
    flat = contents.only is not None and not contents.only.is_sequence and len(contents.only.shape) < 2
    return "" if flat else "holds one row of numbers a sample, of shape [columns]"


def _of_labelled_rows(contents: Contents) -> str:
    return _of_rows(contents) or ("" if contents.labelled else "begins every line with a label, and there is none")


def _of_pictures(contents: Contents) -> str:
    shape = () if contents.only is None else contents.only.shape
    fits = len(shape) == 3 and shape[0] is not None and shape[2] in CHANNELS
    if contents.only is not None and fits and contents.only.dtype == "uint8":
        return ""
    return "(PNG) holds one input, uint8 of shape [height, width, channels], 1 to 4 channels"


def _of_sound(contents: Contents) -> str:
    only = contents.only
    if only is None or not only.is_sequence or len(only.shape) != 2 or only.dtype not in SOUND:
        return f"holds one sequence [steps, channels] of {listed(sorted(SOUND))}"
    return "" if contents.rate else "needs the steps a second of recordings; say rate"


KINDS = {
    "npy": Kind(".npy", _npy, _of_one_array),
    "npz": Kind(".npz", _npz, _of_arrays),
    "hdf5": Kind(".h5", _hdf5, _of_arrays),
    "csv": Kind(".csv", _text(","), _of_rows),
    "tsv": Kind(".tsv", _text("\t"), _of_rows),
    "arrow": Kind(".arrow", _arrow, lambda contents: ""),  # noqa: ARG005
    "parquet": Kind(".parquet", _parquet, lambda contents: ""),  # noqa: ARG005
    "svmlight": Kind(".svm", _svmlight, _of_labelled_rows, labels_inside=True),
    "image": Kind(".png", _png, _of_pictures),
    "wav": Kind(".wav", _wav, _of_sound),
}
"""By the name of the format; the same names as `registry.FORMATS`."""
