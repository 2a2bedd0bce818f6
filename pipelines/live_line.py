"""The lines at the bottom of a terminal that move; the only module that imports rich, when there is one to draw."""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

from pipelines.progress_lines import Line

LOOKS = {"strong": "bold", "quiet": "dim", "bar": "green", "good": "green", "rest": "dim", "bad": "bold red"}


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - overridden: rich has no setting for it
        """Leave the cursor as it is: a run killed with -9 would leave the terminal without one."""
        return False


class LiveLine:
    """Lines that replace each other in place, below everything that is printed meanwhile.

    While they are drawn `print` and what else writes to the redirected streams appears above them.
    """

    def __init__(
        self, out: TextIO, *, colour: bool, redirect: tuple[bool, bool], environment: Mapping[str, str]
    ) -> None:
        """Draw nothing yet.

        Args:
            out: the terminal.
            colour: whether to use colours; bold and dim are used anyway.
            redirect: whether sys.stdout and sys.stderr are this terminal.
            environment: TERM and COLORTERM say which colours there are.
        """
        self._console = _Console(
            file=out, force_terminal=True, no_color=not colour, highlight=False, markup=False, emoji=False,
            force_jupyter=False, legacy_windows=False, _environ=dict(environment),
        )  # fmt: skip
        self._redirect = redirect
        self._live: Live | None = None

    def draw(self, lines: Sequence[Line], width: int) -> None:
        """Put these lines in the place of the ones before; none of them may be wider than `width`."""
        height = _height(self._console.file)
        self._console.size = ConsoleDimensions(width, height)
        text = Text("\n", no_wrap=True, overflow="crop").join(_styled(line) for line in lines)
        if self._live is None:
            self._live = Live(
                text, console=self._console, auto_refresh=False, transient=True,
                redirect_stdout=self._redirect[0], redirect_stderr=self._redirect[1],
            )  # fmt: skip
            self._live.start()
        self._live.update(text, refresh=True)

    def print(self, line: Line) -> None:
        """Write a line that stays above the moving ones. The terminal wraps it, so that it can be copied whole."""
        self._console.print(_styled(line), soft_wrap=True)

    def clear(self) -> None:
        """Take the moving lines away."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()


def _styled(line: Line) -> Text:
    return Text.assemble(*((part.text, LOOKS.get(part.look, "")) for part in line))


def _height(file: object) -> int:
    try:
        return os.get_terminal_size(file.fileno()).lines or 25  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return 25
