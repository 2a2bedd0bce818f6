"""Raw data written anew: arrays as numbered sets, and any format as arrays that can be read at random.

What is written here is what `deeptrain.loading.open` and `[data]` find by themselves: `set-1.npy`, `set-2.npy` and so
on, with the labels of all samples in their order in `labels.npy` (of numbers) or `labels.csv` (of words) beside them.
Labels keep their dtype, and no sample is lost or changes its label.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.lib.format import write_array
from numpy.typing import NDArray

from deeptrain import files
from deeptrain.errors import DataError
from deeptrain.formats import discovery
from deeptrain.formats.cells import is_number
from deeptrain.formats.discovery import Reading
from deeptrain.formats.labelling import Steps
from deeptrain.seeds import permutation

ROWS = 4096
Remainder = Literal["keep", "drop", "oversample"]


def from_arrays(
    directory: str | Path,
    x: NDArray[Any],
    labels: NDArray[Any] | Sequence[str] | None = None,
    *,
    samples_per_set: int = 32,
    seed: int | None = None,
    remainder: Remainder = "keep",
) -> tuple[Path, ...]:
    """Write an array as numbered sets; it may be a memory map larger than memory, which holds one set at a time.

    Args:
        directory: where to; it must be new or empty.
        x: (samples, ...), numbers.
        labels: (samples, ...) of any dtype but objects, words, or None for none.
        samples_per_set: samples in a file.
        seed: shuffles samples across all sets; None leaves them in their order.
        remainder: what becomes of a last set that is not full: "keep" it shorter, "drop" it, or "oversample": fill it
            with samples drawn by the seed.

    Returns:
        The files, in the order of their numbers.

    Raises:
        DataError: when there are not as many labels as samples, no sample is left, or the directory holds files.
    """
    target = _new(Path(directory))
    given = None if labels is None else np.asarray(labels)
    if x.dtype.hasobject or (given is not None and given.dtype.hasobject):
        raise DataError(f"{target}: arrays of Python objects cannot be written; give numbers, and labels or words")
    if not x.ndim or (given is not None and not given.ndim):
        raise DataError(f"{target}: a single value was given; give an array (samples, ...)")
    if given is not None and len(given) != len(x):
        raise DataError(f"{target}: {len(given):,} labels were given for {len(x):,} samples; give one a sample")
    if samples_per_set < 1:
        raise DataError(f"{target}: samples_per_set must be at least 1, got {samples_per_set}")
    order = np.arange(len(x)) if seed is None else permutation(len(x), "sets", seed)
    order = _filled(order, samples_per_set, 0 if seed is None else seed, remainder)
    if not len(order):
        raise DataError(f"{target}: no samples: {len(x):,} were given, in sets of {samples_per_set:,}")
    if given is not None:
        _check_words(target, given)
        _write_labels(target, given[order])
    written = []
    for number, start in enumerate(range(0, len(order), samples_per_set), 1):
        path = target / f"set-{number}.npy"
        _write_array(path, x[order[start : start + samples_per_set]])
        written.append(path)
    return tuple(written)


def from_format(
    path: str | Path, directory: str | Path, *, dtype: str = "float32", **reading: Unpack[Reading]
) -> tuple[Path, ...]:
    """Write raw data of any format as arrays, in bounded memory: samples, labels and their order stay.

    Each set becomes sets of at most 4,096 samples, numbered through; data of one input whose samples have one shape.

    Args:
        path: file or directory, as for `deeptrain.loading.open`.
        directory: where to; it must be new or empty.
        dtype: of the samples.
        reading: what is said instead of inferred, as for `deeptrain.formats.discovery.open`.

    Returns:
        The files, in the order of their numbers.

    Raises:
        DataError: for whatever is wrong with the raw data, or when it has several inputs or sequences.
    """
    raw = discovery.open(Path(path), **reading)
    target = _new(Path(directory))
    if len(raw.inputs) != 1 or raw.inputs[0].is_sequence:
        told = ", ".join(f"{field.name} {list(field.shape)}" for field in raw.inputs)
        raise DataError(f"{path}: has the inputs {told}; only one whose samples have one shape becomes arrays")
    written: list[Path] = []
    cells: list[Any] = []
    for chunk in raw.chunks(ROWS, dtype):
        destination = target / f"set-{len(written) + 1}.npy"
        _write_array(destination, chunk.inputs[raw.inputs[0].name])
        written.append(destination)
        if isinstance(chunk.labels, Steps):
            raise DataError(f"{path}: its labels are sequences; only one label a sample becomes an array")
        if chunk.labels is not None:
            cells.append(np.asarray(chunk.labels))
    if not written:
        raise DataError(f"{path}: no samples: the raw files are empty")
    if cells:
        _write_labels(target, np.concatenate(cells))
    return tuple(written)


def _new(directory: Path) -> Path:
    files.make_directories(directory)
    if any(directory.iterdir()):
        raise DataError(f"{directory}: holds files already; name a new directory, or empty this one")
    return directory


def _filled(order: NDArray[np.int64], per_set: int, seed: int, remainder: Remainder) -> NDArray[np.int64]:
    rest = len(order) % per_set
    if not rest or remainder == "keep":
        return order
    if remainder == "drop":
        return order[:-rest]
    wanted = per_set - rest
    drawn = [order[permutation(len(order), "oversample", seed, n)] for n in range(-(-wanted // len(order)))]
    return np.concatenate([order, np.concatenate(drawn)[:wanted]])


def _check_words(target: Path, labels: NDArray[Any]) -> None:
    """Refuse words that would not come back as they are, each different from the others."""
    if labels.dtype.kind != "U":
        return
    words = np.unique(labels).tolist()
    if not all(word.strip() for word in words):
        raise DataError(f"{target}: a label is an empty word; give each sample one")
    numeric = all(is_number(word.strip()) for word in words)
    seen: dict[str | float, str] = {}
    for word in words:
        before = seen.setdefault(float(word) if numeric else word.strip(), word)
        if before != word:
            raise DataError(f"{target}: the labels {before!r} and {word!r} would be read as the same; rename one")


def _write_labels(directory: Path, labels: NDArray[Any]) -> None:
    if labels.dtype.kind != "U":
        _write_array(directory / "labels.npy", labels)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["label"], *([word] for word in labels.tolist())])
    files.write_file(directory / "labels.csv", text.getvalue().encode())


def _write_array(path: Path, array: NDArray[Any]) -> None:
    data = io.BytesIO()
    write_array(data, np.ascontiguousarray(array), allow_pickle=False)
    files.write_file(path, data.getvalue())
