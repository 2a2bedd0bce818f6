"""What a format of raw files can do: the fields of a file, its samples in chunks, its samples by number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray

TEXT = "text"
"""The dtype of a field of words."""


@dataclass(frozen=True)
class Field:
    """What each sample of a file has under one name.

    Attributes:
        name: a column, a key, or "x" for a file that holds one array.
        dtype: NumPy's name of the dtype, native byte order ("float32"), or `TEXT` for words. As stored where a format
            tells it, as wanted where it is asked for: what is read is then cast, and must fit exactly if whole.
        shape: of one sample; () for a number or a word. None, on the first axis only: it differs from sample to
            sample, each is a *sequence* of steps.
        missing: where it is asked for, whether NaN and values that are not there, which become NaN, are let through;
            only a float dtype holds them.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] = ()
    missing: bool = False

    @property
    def is_sequence(self) -> bool:
        """Whether a sample is a number of steps of its own."""
        return bool(self.shape) and self.shape[0] is None

    @property
    def is_text(self) -> bool:
        """Whether a sample is a word."""
        return self.dtype == TEXT

    @property
    def step(self) -> tuple[int, ...]:
        """Shape of one row of the array that holds the samples: of a sample, or of a sequence's step."""
        return tuple(size for size in self.shape if size is not None)


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples of one file.

    Attributes:
        first: row of the first one in the file, or in the key that was asked for.
        samples: how many.
        arrays: of each field of numbers (samples, *shape) in C order; of a sequence the steps of all samples one
            after the other, (steps, *shape[1:]). Nobody else writes to them.
        text: of each field of words its stripped cells, one a sample.
        lengths: of each sequence (samples,) int64, the steps of each sample.
        table: of a tabular format (samples, fields) in C order, the fields of numbers that are scalars side by side in
            the order asked for, if all are of one dtype; `arrays` has its columns.
    """

    first: int
    samples: int
    arrays: "Mapping[str, NDArray[Any]]"
    text: Mapping[str, Sequence[str]]
    lengths: "Mapping[str, NDArray[np.int64]]"
    table: "NDArray[Any] | None" = None


class Format(Protocol):
    """One kind of raw file. Its module imports what parses it inside its methods, so that planning stays cheap.

    All methods raise `DataError` for a file that cannot be read or is not what its name or header says.
    """

    @property
    def name(self) -> str:
        """What `format = "..."` calls it."""
        ...

    @property
    def extensions(self) -> tuple[str, ...]:
        """How names of its files end, in lower case with the dot."""
        ...

    @property
    def tabular(self) -> bool:
        """Whether many scalar columns together are one sample (tables), instead of one field a whole input."""
        ...

    @property
    def single(self) -> bool:
        """Whether a file is one sample (an image, a recording)."""
        ...

    def fields(self, path: Path) -> tuple[Field, ...]:
        """What the file holds, from its header (of text, from its first lines, so its dtypes are a proposal)."""
        ...

    def samples(self, path: Path, field: str) -> int | None:
        """How many samples there are of a field; None when only reading it all tells."""
        ...

    def chunks(self, path: Path, fields: Sequence[Field], rows: int) -> Iterator[Chunk]:
        """Some fields of all samples in order, at most `rows` samples a chunk, in bounded memory.

        Args:
            path: the file.
            fields: of `fields(path)`, each with the dtype that is wanted.
            rows: most samples of a chunk.

        Raises:
            DataError: naming the place of the first number that is missing (unless the field lets it through), not
                finite, or does not fit the dtype.
        """
        ...

    def random_access(self, path: Path) -> bool:
        """Whether `take` reads single samples without reading what lies before them."""
        ...

    def take(self, path: Path, field: Field, rows: "NDArray[np.int64]", out: "NDArray[Any]") -> None:
        """Put the samples of these row numbers into `out`, (len(rows), *shape) of any dtype that can hold them.

        What is missing is let through or not as in `chunks`. Only where `random_access`; never of words or sequences.
        """
        ...

    def place(self, path: Path, row: int) -> str:
        """Where row `row` (from 0) is in the file, in the words of the format ("line 7"), for messages."""
        ...

    def trait(self, path: Path) -> str:
        """What else all files must have in common ("44,100 Hz"), "" if nothing."""
        ...
