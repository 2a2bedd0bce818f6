"""What a person sees: in a terminal, in a log, through a broken pipe and in a poor encoding."""

import contextlib
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.training.progress import Progress
from pipelines import progress_lines
from pipelines.cells import cells
from pipelines.closing_table import Row
from pipelines.terminal import Terminal

PLAIN = {"TERM": "xterm-256color"}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NUMBER = st.none() | st.floats()


def progress(**changes):
    values = {
        "phase": "fit", "epoch": 3, "epochs": 8, "iteration": 142, "iterations": 350,
        "fitting": lambda: "b0412 (37 sets)",
        "loss": 0.1234, "iterations_per_second": 412.3, "seconds_left_epoch": 12.0, "seconds_left_run": 100.0,
        "metrics": {"f1": 0.91}, "key_metric": "f1", "best": 0.934, "best_epoch": 2, "losses": (0.7, 0.5),
        "validation_losses": (0.8, 0.6),
    }  # fmt: skip
    if "batch" in changes:
        name = changes.pop("batch")
        changes["fitting"] = lambda: name
    return Progress(**(values | changes))


def epochs(count, *, iterations=3):
    """What the loop tells of a run: every iteration of every epoch, and the end."""
    for epoch in range(1, count + 1):
        done = tuple(1 / number for number in range(1, epoch))
        for iteration in range(iterations + 1):
            yield progress(
                epoch=epoch, epochs=count, iteration=iteration, iterations=iterations, losses=done,
                validation_losses=done, best_epoch=epoch - 1,
                key_values=tuple(number / 10 for number in range(1, epoch)),
            )  # fmt: skip
    done = tuple(1 / number for number in range(1, count + 1))
    yield progress(
        phase="done", epoch=count, epochs=count, iteration=iterations, iterations=iterations, losses=done,
        validation_losses=done, key_values=tuple(number / 10 for number in range(1, count + 1)), best_epoch=count,
    )  # fmt: skip


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Screen:
    """A terminal of a given width: `out` to write to, and what is written there after `end`."""

    def __init__(self, width):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.out = open(slave, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a descriptor, closed by `end`
        self._read = b""
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def _drain(self):
        with contextlib.suppress(OSError):  # a pty reports its end as an input/output error
            while data := os.read(self._master, 65536):
                self._read += data

    def end(self):
        self.out.close()
        self._reader.join()
        os.close(self._master)
        return self._read.decode()


def drawn(text, width):
    """The lines a terminal of this width shows after the text, scrolled ones included; fails if a line was wrapped."""
    rows, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", text):
        if token == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b"):
            if token.endswith("A"):
                row -= int(token[2:-1] or 1)
            elif token == "\x1b[2K":
                rows[row] = ""
            else:
                assert token.endswith("m"), f"unknown control {token!r}"
        else:
            rows[row] = rows[row].ljust(column)[:column] + token + rows[row][column + 1 :]
            column += 1
            assert cells(rows[row]) <= width, f"wrapped: {rows[row]}"
    while rows and not rows[-1].strip():
        rows.pop()
    return [line.rstrip() for line in rows]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_moving_lines_that_fit_and_leaves_one_line_an_epoch(width):
    screen = Screen(width)
    terminal = Terminal(screen.out, screen.out, PLAIN)
    terminal.stage("shards")
    terminal.stage("shards", "made in 0.4 s")
    for state in epochs(3):
        terminal.show(state)
    terminal.close()
    text = screen.end()
    assert "\x1b[?25l" not in text, "a killed run would leave the terminal without a cursor"
    shown = drawn(text, width)
    assert shown[0] == "shards       made in 0.4 s"
    assert [line[:25] for line in shown[1:]] == [f"training     epoch {number} of 3" for number in (1, 2, 3)]
    if width >= 80:
        assert shown[3] == "training     epoch 3 of 3  loss 0.3333  val_loss 0.3333  f1 0.3000  best so far"


def test_while_it_runs_the_terminal_shows_where_the_training_stands():
    screen = Screen(80)
    terminal = Terminal(screen.out, screen.out, PLAIN)
    terminal.show(progress())
    terminal.say("a remark")
    terminal.complain("a warning")
    terminal.show(progress(iteration=143))
    assert drawn(screen.end(), 80) == [
        "a remark",
        "a warning",
        "training     epoch 3 of 8  ━━━━━━━━━───────────────  143 of 350  b0412 (37 sets)",
        "             loss 0.1234  412 it/s  0:12 left, 1:40 in all  best f1 0.9340",
    ]


def test_the_stage_that_follows_is_not_wiped_out_by_the_end_of_the_training():
    screen = Screen(80)
    terminal = Terminal(screen.out, screen.out, PLAIN)
    *states, end = epochs(1)
    for state in states:
        terminal.show(state)
    terminal.stage("predictions")
    terminal.show(end)
    assert drawn(screen.end(), 80) == [
        "training     epoch 1 of 1  loss 1.000  val_loss 1.000  f1 0.1000  best so far",
        "predictions  ...",
    ]


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
def test_no_color_takes_the_colours_away(environment, coloured):
    screen = Screen(80)
    terminal = Terminal(screen.out, screen.out, PLAIN | environment)
    for state in epochs(1):
        terminal.show(state)
    terminal.closing_table([Row("shards", "ran", 0.5, "a")])
    codes = re.findall(r"\x1b\[([0-9;]+)m", screen.end())
    assert any(code.startswith("3") for code in codes) == coloured


def test_columns_override_the_width_of_the_terminal():
    screen = Screen(200)
    Terminal(screen.out, screen.out, PLAIN | {"COLUMNS": "60"}).show(progress())
    assert all(cells(line) <= 60 for line in drawn(screen.end(), 60))


def test_a_dumb_terminal_gets_plain_lines():
    screen = Screen(80)
    terminal = Terminal(screen.out, screen.out, {"TERM": "dumb"})
    for state in epochs(2):
        terminal.show(state)
    assert CONTROL.search(screen.end()) is None


@given(
    st.text(max_size=30), st.text(max_size=60), st.sampled_from(["build", "fit", "validate", "checkpoint", "done"]),
    st.integers(1, 10**6), st.integers(0, 10**9), NUMBER, NUMBER, NUMBER, NUMBER, st.integers(1, 200), st.booleans(),
)  # fmt: skip
def test_any_progress_fits_any_width(stage, batch, phase, epoch, done, loss, rate, left, best, width, ascii_only):
    state = progress(
        stage=stage, batch=batch, phase=phase, epoch=epoch, epochs=epoch, iteration=done, iterations=done, loss=loss,
        iterations_per_second=rate, seconds_left_epoch=left, seconds_left_run=left, best=best, losses=(0.5,),
    )  # fmt: skip
    lines = [*progress_lines.moving(state, width, ascii_only=ascii_only), progress_lines.epoch_end(state, 1, width)]
    for line in lines:
        text = progress_lines.text_of(line)
        assert cells(text) <= width
        assert text.isprintable()


def plain(**options):
    out, err, clock = io.StringIO(), io.StringIO(), Clock()
    return out, err, clock, Terminal(out, err, options, clock)


def test_a_log_gets_a_line_an_epoch_and_one_every_ten_seconds():
    out, _, clock, terminal = plain()
    for number, state in enumerate(epochs(2, iterations=50)):
        clock.now = number * 0.5
        terminal.show(state)
    lines = out.getvalue().splitlines()
    assert [line[:66].rstrip() for line in lines] == [
        "training     epoch 1 of 2  iteration 20 of 50  batch b0412 (37 set",
        "training     epoch 1 of 2  iteration 40 of 50  batch b0412 (37 set",
        "training     epoch 1 of 2  loss 1.000  val_loss 1.000  f1 0.1000",
        "training     epoch 2 of 2  iteration 20 of 50  batch b0412 (37 set",
        "training     epoch 2 of 2  iteration 40 of 50  batch b0412 (37 set",
        "training     epoch 2 of 2  loss 0.5000  val_loss 0.5000  f1 0.2000",
    ]
    assert "\r" not in out.getvalue()
    assert CONTROL.search(out.getvalue()) is None


def test_a_log_gets_a_line_when_training_is_paused_and_when_it_goes_on():
    out, now = io.StringIO(), [0.0]
    terminal = Terminal(out, io.StringIO(), PLAIN, lambda: now[0])
    for phase in ("fit", "paused", "paused", "fit", "fit"):
        terminal.show(progress(phase=phase))
    terminal.close()
    first, last = out.getvalue().splitlines()
    assert "iteration 142 of 350  paused  loss 0.1234" in first
    assert "left" not in first
    assert "batch b0412 (37 sets)" in last


def test_epochs_that_were_there_are_not_told_again():
    out, _, _, terminal = plain()
    terminal.show(progress(epoch=4, losses=(0.9, 0.8, 0.7)))
    terminal.show(progress(phase="done", epoch=4, iteration=350, losses=(0.9, 0.8, 0.7, 0.6)))
    terminal.close()
    terminal.show(progress(epoch=5, losses=(0.9, 0.8, 0.7, 0.6)))
    assert [line.split("  ")[:3] for line in out.getvalue().splitlines()] == [
        ["training", "", " epoch 4 of 8"],
    ]


@given(st.lists(st.integers(0, 40), max_size=40))
def test_every_epoch_is_told_once_however_few_states_are_seen(seen):
    out, _, _, terminal = plain()
    states = list(epochs(10))
    for number in [0, *sorted(seen), len(states) - 1]:
        terminal.show(states[number])
    told = re.findall(r"epoch +(\d+) of 10  loss", out.getvalue())
    assert told == [str(number) for number in range(1, 11)]


def test_stages_begin_and_end_with_a_line():
    out, _, _, terminal = plain()
    terminal.stage("shards")
    terminal.stage("shards", "made in 0.4 s")
    assert out.getvalue() == "shards       ...\nshards       made in 0.4 s\n"


def test_complaints_go_to_standard_error():
    out, err, _, terminal = plain()
    terminal.complain("deeptrain: x\x1b[2J: wrong")
    assert (out.getvalue(), err.getvalue()) == ("", "deeptrain: x?[2J: wrong\n")


def test_a_run_that_has_nothing_to_do_says_so():
    out, _, _, terminal = plain()
    terminal.closing_table([Row("shards", "was there", None, "runs/a"), Row("subset", "left out", None, "no sets")])
    assert out.getvalue().splitlines()[-1] == "Nothing was to be done: everything was there."
    out, _, _, terminal = plain()
    terminal.closing_table([Row("shards", "ran", 1.0, "runs/a")])
    assert "Nothing" not in out.getvalue()


@pytest.mark.parametrize("width", [20, 80, 300])
def test_the_path_of_the_report_is_whole(width):
    out, _, _, terminal = plain(COLUMNS=str(width))
    path = "/home/some-one/quite/deep/in/a/directory with spaces/runs/digits/report-fedcba9876543210/index.html"
    terminal.report_line(path)
    assert out.getvalue().splitlines() == (["", f"report       {path}"] if width == 300 else ["", "report", path])


def test_what_came_out_is_broken_between_words():
    out, _, _, terminal = plain(COLUMNS="40")
    terminal.report_line("report", ["On 500 test samples the F1 score is 0.776 (0.666 to 0.860)."])
    assert out.getvalue().splitlines()[1:3] == ["On 500 test samples the F1 score is", "  0.776 (0.666 to 0.860)."]


def test_an_ascii_stream_gets_ascii():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    terminal = Terminal(out, out, {"COLUMNS": "50"})
    terminal.say("数字 – naïve")
    terminal.complain("naïve")
    terminal.closing_table([Row("shards", "ran", 1.0, "runs/digits/" + "x" * 80)])
    terminal.report_line("runs/ä/index.html")
    text = raw.getvalue().decode("ascii")
    assert text.startswith("?? ? na?ve\nna?ve\n")
    assert "..." in text


def test_the_bar_of_an_ascii_terminal_is_ascii():
    screen = Screen(80)
    screen.out.reconfigure(encoding="ascii")
    Terminal(screen.out, screen.out, PLAIN).show(progress())
    assert "########--" in "\n".join(drawn(screen.end(), 80))


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text):
        raise BrokenPipeError(32, f"Broken pipe: {text!r}")


def test_nobody_reading_is_no_error():
    terminal = Terminal(Gone(), Gone(), {})
    terminal.say("a")
    terminal.stage("shards")
    terminal.complain("b")
    for state in epochs(2):
        terminal.show(state)
    terminal.closing_table([Row("shards", "ran", 1.0, "a")])
    terminal.report_line("a")
    terminal.close()


SCRIPT = """
import sys
from pipelines.closing_table import Row
from pipelines.terminal import Terminal
terminal = Terminal()
for number in range(20000):
    terminal.say(f"line {number}")
terminal.closing_table([Row("shards", "was there", None, "a")])
terminal.report_line("runs/report/index.html")
sys.exit(7 if "rich" in sys.modules else 0)
"""


def test_a_pipe_that_is_closed_early_leaves_no_traceback():
    command = f'{shlex.quote(sys.executable)} -c "$SCRIPT" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | {"SCRIPT": SCRIPT}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["line", "0", "0"]
    assert done.stderr == ""


def test_a_run_that_has_nothing_to_do_needs_no_rich():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.endswith("report       runs/report/index.html\n")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")  # the point
def test_a_forked_child_can_speak_while_its_parent_draws():
    screen = Screen(80)
    terminal = Terminal(screen.out, screen.out, PLAIN)
    terminal.show(progress())
    held, done = threading.Event(), threading.Event()

    def hold():
        with terminal._lock:
            held.set()
            done.wait()

    drawing = threading.Thread(target=hold)
    drawing.start()
    held.wait()
    child = os.fork()
    if child == 0:
        terminal.say("from the child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    done.set()
    drawing.join()
    terminal.close()
    assert "from the child" in screen.end()
