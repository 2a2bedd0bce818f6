"""Text measured in the cells of a terminal, and cut to fit."""

import unicodedata


def printable(text: str) -> str:
    """The text on one line, without characters that could move the cursor or change a terminal's state."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def cells(text: str) -> int:
    """How many columns a terminal gives the text; East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cut(text: str, width: int, mark: str = "…") -> str:
    """The text in at most `width` columns, its end replaced by the mark when it is longer."""
    if cells(text) <= width:
        return text
    while text and cells(text) + len(mark) > width:
        text = text[:-1]
    return (text.rstrip() + mark)[: max(width, 0)]


def cut_path(path: str, width: int, mark: str = "…") -> str:
    """The path in at most `width` columns: directories are left out after the first, then its name is cut inside.

    The end says most about an artifact and stays longest: "runs/…/training-5e0f/epochs/0008".
    """
    if cells(path) <= width:
        return path
    start = path.find("/", 1)
    rest = start
    while (rest := path.find("/", rest + 1)) > 0:
        shorter = f"{path[:start]}/{mark}{path[rest:]}"
        if cells(shorter) <= width:
            return shorter
    name = path.rsplit("/", 1)[-1]
    if name and cells(name) <= width:
        return name
    left = max(width - len(mark), 0) // 2
    head, tail = name[:left], name[left:]
    while tail and cells(head) + len(mark) + cells(tail) > width:
        tail = tail[1:]
    return cut(head + mark + tail, width, "")


def wrapped(text: str, width: int | None) -> list[str]:
    """The text in lines of at most `width` columns, broken between words; None breaks nothing."""
    import textwrap

    return [text] if width is None else textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def padded(text: str, width: int) -> str:
    """The text with spaces behind it up to `width` columns."""
    return text + " " * max(width - cells(text), 0)
