"""Lines of a command for whoever reads them: as wide as the terminal, or whole where no one looks."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from pipelines.cells import cells, cut, cut_path, padded, printable
from pipelines.terminal import Quietly

GAP = "  "
MARK = "..."


def width() -> int | None:
    """Columns of the terminal; None where there is none."""
    return shutil.get_terminal_size((0, 0)).columns or None


def write(lines: Iterable[str]) -> None:
    """Write lines to the standard output, which may go away or not know every sign."""
    out = Quietly(sys.stdout)
    out.write("".join(f"{line}\n" for line in lines))
    out.flush()


def rows(found: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Rows of several columns, the last of which goes on in the next line where it does not fit.

    Args:
        found: of one length each; all but the last column are short.
        width: columns; None where nothing is cut.
    """
    texts = [[printable(cell) for cell in row] for row in found]
    sizes = [max(map(cells, column)) for column in list(zip(*texts, strict=True))[:-1]]
    begin = sum(sizes) + len(GAP) * len(sizes)
    for row in texts:
        head = "".join(f"{padded(cell, size)}{GAP}" for cell, size in zip(row, sizes, strict=False))
        first, *more = wrapped(row[-1], None if width is None else max(width - begin, 20)) or [""]
        yield _fit(f"{head}{first}".rstrip(), width)
        yield from (_fit(" " * begin + line, width) for line in more)


def wrapped(text: str, width: int | None) -> list[str]:
    """The text in lines; a word too long for one, such as a path, is cut in its middle."""
    if width is None:
        return [text]
    words = " ".join(cut_path(word, width, MARK) for word in text.split())
    return textwrap.wrap(words, width, break_long_words=True, break_on_hyphens=False)


def _fit(line: str, width: int | None) -> str:
    return line if width is None else cut(line, width, MARK)
