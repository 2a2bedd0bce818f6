"""What a person sees of a run in the terminal."""

import contextlib
import io
import math
import os
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from deeptrain.training.progress import Progress
from pipelines import progress_lines
from pipelines.cells import cells, printable, wrapped
from pipelines.closing_table import Row, State, table_lines
from pipelines.progress_lines import Line, Part

if TYPE_CHECKING:
    from pipelines.live_line import LiveLine

PLAIN_SECONDS = 10.0
SIGNS = "━─…"
CODES = {"strong": "1", "quiet": "2", "rest": "2", "good": "32", "bar": "32", "bad": "1;31"}
"""How a `Part` looks, in the terminal's own codes (ECMA-48, SGR)."""

STATE_LOOKS: dict[State | None, str] = {
    None: "strong",
    "ran": "good",
    "was there": "",
    "failed": "bad",
    "left out": "quiet",
}


class Terminal:
    """Shows a run on standard output, as lines that move if it is a terminal, as plain lines otherwise.

    A sink of the `Reporter`, and what the tasks use to say what they do; every method may be called from any thread.
    Nothing here raises when nobody can read it any more: what cannot be written is dropped, and so is all that
    follows. Text from data is shown without its control characters, and as "?" where the encoding has no sign.

    `rich` is imported when the first moving line is drawn: a run that has nothing to do never needs it. NO_COLOR
    takes the colours away, COLUMNS overrides the width, TERM=dumb gives plain lines.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write nothing yet.

        Args:
            out: standard output when None, as it is now.
            err: standard error when None, likewise; for `complain`.
            environment: where NO_COLOR, COLUMNS and TERM are looked up.
            clock: seconds from any origin.
        """
        self._out = Quietly(sys.stdout if out is None else out)
        self._err = Quietly(sys.stderr if err is None else err)
        self._environment = environment
        self._clock = clock
        self._lock = threading.RLock()
        self._moves = self._out.isatty() and environment.get("TERM") != "dumb"
        self._styled = self._moves and not environment.get("NO_COLOR")
        self._ascii_only = not self._out.can_say(SIGNS)
        self._live: LiveLine | None = None
        self._drawn = False
        self._stage_runs = False
        self._paused = False
        self._told_epochs: int | None = None
        self._told_at = -math.inf
        os.register_at_fork(after_in_child=self._start_anew)

    def say(self, line: str) -> None:
        """Write a line, whole: the terminal wraps it when it is long."""
        self._put((Part(printable(line)),))

    def complain(self, line: str) -> None:
        """Write a line to standard error, above the moving lines."""
        with self._lock:
            if self._drawn and self._live is not None and self._err.isatty():
                self._live.print((Part(printable(line)),))
            else:
                self._out.flush()
                self._err.write(printable(line) + "\n")
                self._err.flush()

    def stage(self, name: str, state: str = "") -> None:
        """Say that a stage begins (no state), or what became of it: `stage("shards", "made in 0.4 s")`."""
        line = progress_lines.stage(name, state)
        with self._lock:
            self._stage_runs = not state
            if self._moves and not state:
                self._draw(line)
            else:
                self.close()
                self._put(line)

    def show(self, progress: Progress) -> None:
        """Show where the training stands: in moving lines, or in a plain line at most every ten seconds.

        A pause, and its end, is told in a plain line at once.

        Each epoch that was finished since the first call gets a line that stays.
        """
        with self._lock:
            turned, self._paused = self._paused != (progress.phase == "paused"), progress.phase == "paused"
            if self._told_epochs is None or progress.finished < self._told_epochs:
                self._told_epochs = progress.epoch - 1
                self._told_at = self._clock()
            for epoch in range(self._told_epochs + 1, progress.finished + 1):
                self._put(progress_lines.epoch_end(progress, epoch, self._width()))
                self._told_at = self._clock()
            self._told_epochs = progress.finished
            # The end of a training is shown a moment late, and must not wipe out the stage that began meanwhile.
            self._stage_runs = self._stage_runs and progress.phase != "fit"
            if self._stage_runs:
                return
            if progress.phase == "done":
                self.close()
            elif self._moves:
                width = self._width() or 80
                self._draw(*progress_lines.moving(progress, width, ascii_only=self._ascii_only))
            elif turned or self._clock() - self._told_at >= PLAIN_SECONDS:
                self._put(progress_lines.now(progress))
                self._told_at = self._clock()

    def close(self) -> None:
        """Take the moving lines away; showing again brings them back."""
        with self._lock:
            if self._live is not None:
                self._live.clear()
            self._drawn = False

    def closing_table(self, rows: Iterable[Row]) -> None:
        """Write the table of what each stage did; says so when nothing was to be done."""
        rows = list(rows)
        with self._lock:
            self.close()
            self._put(())
            for text, state in table_lines(rows, self._width(), "..." if self._ascii_only else "…"):
                self._put((Part(text, STATE_LOOKS[state]),))
            if rows and not any(row.state in ("ran", "failed") for row in rows):
                self._put(())
                self.say("Nothing was to be done: everything was there.")

    def report_line(self, path: Path | str, outcomes: Iterable[str] = ()) -> None:
        """Write what came out, a line each, and where the report is: its path whole, alone when too long."""
        where = printable(str(path))
        line = progress_lines.stage("report", where)
        width = self._width()
        with self._lock:
            self._put(())
            for part in (part for outcome in outcomes for part in wrapped(printable(outcome), width)):
                self.say(part)
            if width is None or cells(progress_lines.text_of(line)) <= width:
                self._put(line)
            else:
                self._put((Part("report", "strong"),))
                self.say(where)

    def _put(self, line: Line) -> None:
        with self._lock:
            if self._drawn and self._live is not None:
                self._live.print(line)
            else:
                self._out.write("".join(map(self._painted, line)).rstrip(" ") + "\n")
                self._out.flush()

    def _painted(self, part: Part) -> str:
        code = CODES.get(part.look)
        return f"\x1b[{code}m{part.text}\x1b[0m" if code and self._styled else part.text

    def _draw(self, *lines: Line) -> None:
        if self._live is None:
            from pipelines.live_line import LiveLine

            redirect = (self._out.is_stream(sys.stdout), self._err.isatty() and self._err.is_stream(sys.stderr))
            colour = not self._environment.get("NO_COLOR")
            out = typing.cast(TextIO, self._out)
            self._live = LiveLine(out, colour=colour, redirect=redirect, environment=self._environment)
        self._drawn = True
        self._live.draw(lines, self._width() or 80)

    def _start_anew(self) -> None:
        # In the child of a fork: the thread that held the lock is not there, and the moving lines are the parent's.
        self._lock = threading.RLock()
        self._live = None
        self._drawn = False
        sys.stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
        sys.stderr = getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    def _width(self) -> int | None:
        """Columns; None where lines may be of any length."""
        columns = self._environment.get("COLUMNS", "")
        if columns.isascii() and columns.isdigit() and int(columns) > 0:
            return int(columns)
        if not self._moves:
            return None
        try:
            return os.get_terminal_size(self._out.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


class Quietly(io.TextIOBase):
    """A stream whose reader may go away (`| head`), whose disk may be full and whose encoding may be poor.

    After the first error everything is dropped. What the interpreter writes when it ends would fail again and end in
    a traceback, so standard streams with a broken pipe are pointed at the null device.
    """

    def __init__(self, stream: TextIO) -> None:
        """Wrap an open text stream, which stays its owner's to close."""
        self._stream = stream
        self._broken = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream; UTF-8 where there is none."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def can_say(self, text: str) -> bool:
        """Whether the encoding has all these signs."""
        try:
            text.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def is_stream(self, stream: object) -> bool:
        """Whether it is this stream that is wrapped."""
        return self._stream is stream

    def write(self, text: str) -> int:
        """Write what the encoding can say, "?" for the rest."""
        if not self._broken:
            try:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Bring it to the reader."""
        if not self._broken:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        if isinstance(error, BrokenPipeError) and self._stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
