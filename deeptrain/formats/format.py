"""What a format of raw files can do, and the table that reading one file gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a plan imports this file and must not load NumPy for it
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """The rows of one raw file.

    Attributes:
        values: (rows, columns) numbers, all finite, of the asked dtype, C order; columns in the file's order
            without the text and ignored ones.
        text: for each text column its stripped cells, one a row; none is empty or "nan".
    """

    values: "NDArray[np.generic]"
    text: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> int:
        """Number of samples in the file."""
        return int(self.values.shape[0])


class Format(Protocol):
    """One kind of raw file. Its module imports what parses it inside `read`, so that planning stays cheap."""

    @property
    def name(self) -> str:
        """What `format = "..."` calls it."""
        ...

    @property
    def extensions(self) -> tuple[str, ...]:
        """How names of its files end, in lower case with the dot."""
        ...

    def columns(self, path: Path) -> tuple[str, ...]:
        """Names of the columns of a file, read from its beginning only.

        Raises:
            DataError: when the file cannot be read or its beginning is not of this format.
        """
        ...

    def read(self, path: Path, dtype: "np.dtype[Any]", text: Sequence[str] = (), ignored: Sequence[str] = ()) -> Table:
        """All rows of a file.

        Args:
            path: the file.
            dtype: of the numbers.
            text: columns that may hold words; all others must be numbers.
            ignored: columns that may hold anything and are left out.

        Raises:
            DataError: naming the line and column of the first cell that is missing, not finite, no number, or does
                not fit `dtype`; also when the file is damaged or has no rows.
        """
        ...

    def place(self, path: Path, row: int) -> str:
        """Where row `row` (from 0) is in the file, in the words of the format ("line 7"), for messages."""
        ...
