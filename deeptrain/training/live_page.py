"""The page of a running training, `live/index.html`: looked at in a browser, straight from the disk."""

import html
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deeptrain import files
from deeptrain.errors import without_secrets
from deeptrain.training.chronicle import Chronicle, Told
from deeptrain.training.progress import Phase, Progress, in_digits, in_hours

REFRESH_SECONDS = 2
REFRESH_STOPPED_SECONDS = 10
POINTS = 400
LOG_LINES = 12
SHOWN_FINDINGS = 8
WORDS: dict[Phase, str] = {
    "build": "building the model",
    "fit": "fitting",
    "validate": "validating",
    "checkpoint": "saving a checkpoint",
    "paused": "paused",
    "done": "done",
}

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1c2127; --quiet: #5a6572; --rule: #d9dee4;
  --bar: #e6eaef; --train: #0b62c4; --val: #b34700; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e8ebef; --quiet: #a3adb9; --rule: #323a44;
  --bar: #29303a; --train: #6cb2ff; --val: #ffa45c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 2rem; max-width: 46rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 2rem 0 .5rem; font-size: 1rem; }
p { margin: .25rem 0; }
.quiet, th { color: var(--quiet); }
.bar { height: .5rem; margin: .75rem 0; border-radius: .25rem; background: var(--bar); overflow: hidden; }
.bar div { height: 100%; background: var(--train); }
figure { margin: 1.5rem 0; color: var(--quiet); font-size: .875rem; }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .25rem .5rem; }
.plot .y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; }
.plot svg { display: block; width: 100%; height: 13rem; border: solid var(--rule); border-width: 0 0 1px 1px; }
.plot .x { grid-column: 2; display: flex; justify-content: space-between; }
path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-linecap: round; }
.train { stroke: var(--train); } .val { stroke: var(--val); }
.line { stroke-width: 2; } .dashed { stroke-dasharray: 6 5; } .dots { stroke-width: 6; }
.grid { stroke: var(--rule); stroke-width: 1; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: 0 0 .5rem; }
.legend svg { width: 1.75rem; height: .5rem; vertical-align: middle; margin-right: .25rem; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .375rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top;
  font-weight: 400; }
th { width: 40%; padding-right: 1rem; }
thead th { color: var(--quiet); } .beside th, .beside td { width: 30%; padding-right: 1rem; }
pre { margin: 0; padding: .75rem; background: var(--bar); font: .8125rem/1.5 ui-monospace, monospace;
  white-space: pre-wrap; }
a { color: var(--train); } .report { margin: 1.5rem 0 0; }
footer { margin-top: 1.5rem; font-size: .875rem; }
"""


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class LogTail(logging.Handler):
    """The last lines of a log."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=LOG_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        said = datetime.fromtimestamp(record.created, UTC)
        self.lines.append(without_secrets(f"{said:%H:%M:%S} {record.levelname.lower()}: {record.getMessage()}"))


class LivePage:
    """A sink that keeps a page up to date: no script, no network, refreshed by the browser every two seconds.

    It is written at most once `every_seconds`, and when an epoch has ended. It tells what no artifact may: the run's
    number, when, where and how long, how often it was resumed, the end of the log, and how the run before it came out.
    That is kept in `events.jsonl` beside it.

    The page stops refreshing when the training is done. Of a training that was stopped it says so, and looks every
    ten seconds whether it goes on. It is replaced in one step, so a browser never sees half of it.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        number: int | None = None,
        report: str = "",
    ) -> None:
        """Write nothing yet.

        Args:
            path: the page, `live/index.html`; its directory is made when needed.
            name: what is trained, for the title.
            every_seconds: the shortest time between two writes; the last state is always written.
            clock: seconds from any origin.
            now: the wall clock, in UTC.
            number: of the run; None where it has none.
            report: the address of the run's report, from the page; told when the training is done.
        """
        self.path = path
        self._name = name
        self._every = every_seconds
        self._clock = clock
        self._now = now
        self._written_at = -math.inf
        self._last: Progress | None = None
        self._report = report
        self._chronicle = Chronicle(path.parent, number, now)
        self._tail = LogTail()

    def show(self, progress: Progress) -> None:
        """Write the page, unless it was written less than `every_seconds` ago, and nothing ended, paused or goes on."""
        if self._last is None:
            logging.getLogger("deeptrain").addHandler(self._tail)
            self._chronicle.begin(progress.epochs)
        turned = self._last is not None and "paused" in {self._last.phase, progress.phase}
        self._last = progress
        ended = self._chronicle.tell(progress)
        if ended or turned or progress.phase == "done" or self._clock() - self._written_at >= self._every:
            self._write(progress, running=True)

    def close(self) -> None:
        """Write the last state as one that does not move any more."""
        if self._last is not None:
            logging.getLogger("deeptrain").removeHandler(self._tail)
            self._chronicle.tell(self._last)
            self._write(self._last, running=False)

    def _write(self, progress: Progress, *, running: bool) -> None:
        self._written_at = self._clock()
        files.make_directories(self.path.parent)
        page = render(
            progress,
            self._name,
            self._now(),
            running=running,
            told=self._chronicle.told,
            previous=self._chronicle.previous,
            log=tuple(self._tail.lines),
            report=self._report,
        )
        files.write_loose(self.path, page.encode("utf-8", "replace"))


def render(
    progress: Progress,
    name: str,
    now: datetime,
    *,
    running: bool,
    told: Told | None = None,
    previous: Told | None = None,
    log: Sequence[str] = (),
    report: str = "",
) -> str:
    """The page as HTML; every text in it is escaped, and its content policy allows no script at all.

    Args:
        progress: what to show.
        name: what is trained.
        now: when this was so; told on the page, so that a page whose training was killed can be recognised.
        running: whether more is to come.
        told: what the run's log tells.
        previous: what that of the run before it tells.
        log: the last lines that were logged, the newest last.
        report: the address of the report.
    """
    done = progress.phase == "done"
    seconds = REFRESH_SECONDS if running else REFRESH_STOPPED_SECONDS
    refresh = "" if done else f'<meta http-equiv="refresh" content="{seconds}">'
    state = WORDS[progress.phase] if running or done else "not running"
    title = f"{name}: epoch {progress.epoch} of {progress.epochs}, {state}"
    begun = progress.fraction if progress.finished < progress.epoch else 0
    percent = f"{100 * min((progress.finished + begun) / max(progress.epochs, 1), 1):.1f}%"
    metrics = "".join(_row(key, in_digits(value)) for key, value in progress.metrics.items())
    latest = f"<h2>Latest validation</h2><table>{metrics}</table>" if metrics else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<header><h1>{html.escape(name)}</h1><span class="quiet">{html.escape(progress.stage)}: {state}</span></header>
<p>Epoch {progress.epoch} of {progress.epochs}, iteration {progress.iteration:,} of {progress.iterations:,}</p>
<div class="bar" role="progressbar" aria-label="the whole run" aria-valuetext="{percent}">\
<div style="width:{percent}"></div></div>
{_plot(progress.losses, progress.validation_losses)}
<h2>{"At the end" if done else "Now"}</h2><table>{"".join(_row(key, value) for key, value in _state(progress))}</table>
{latest}
{"".join(_sections(progress, told, previous, log, report if done else ""))}
<footer class="quiet">As of {now:%Y-%m-%d %H:%M:%S} UTC.</footer>
</body></html>
"""


def _state(progress: Progress) -> list[tuple[str, str]]:
    rows = [("Batch", progress.batch)] if progress.batch else []
    if progress.loss is not None:
        rows.append(("Loss", in_digits(progress.loss)))
    if progress.iterations_per_second is not None:
        rows.append(("Iterations per second", in_digits(progress.iterations_per_second)))
    if progress.phase not in ("done", "paused") and progress.seconds_left_epoch is not None:
        rows.append(("Left of the epoch", in_hours(progress.seconds_left_epoch)))
    if progress.phase not in ("done", "paused") and progress.seconds_left_run is not None:
        rows.append(("Left of the run", in_hours(progress.seconds_left_run)))
    if progress.best is not None:
        where = "" if progress.best_epoch is None else f" in epoch {progress.best_epoch}"
        rows.append((f"Best {progress.key_metric}", in_digits(progress.best) + where))
    return rows


def _sections(
    progress: Progress, told: Told | None, previous: Told | None, log: Sequence[str], report: str
) -> Iterator[str]:
    if report:
        yield f'<p class="report"><a href="{html.escape(report)}">The report of this run</a></p>'
    if told is not None:
        yield f"<h2>{_named(told)}</h2><table>{''.join(_row(*one) for one in _run(told))}</table>"
    ill = [str(one) for one in progress.findings[:SHOWN_FINDINGS]]
    more = len(progress.findings) - len(ill)
    if ill:
        rows = "".join(_row(*one.split(": ", 1)) for one in ill)
        rest = f'<p class="quiet">and {more} more</p>' if more else ""
        yield f"<h2>Health</h2><table>{rows}</table>{rest}"
    if previous is not None and told is not None and (rows := "".join(_beside(progress, told, previous))):
        head = f"<thead><tr><th></th><th>{_named(told)}</th><th>{_named(previous)}</th></tr></thead>"
        yield f'<h2>Beside the run before</h2><table class="beside">{head}<tbody>{rows}</tbody></table>'
    if log:
        yield f"<h2>Log</h2><pre>{html.escape(chr(10).join(log))}</pre>"


def _named(told: Told) -> str:
    return f"Run {told.number}" if told.number else "This run"


def _run(told: Told) -> Iterator[tuple[str, str]]:
    if told.begun:
        yield "Begun", f"{told.begun[:19].replace('T', ' ')} UTC"
    yield "Host", told.host
    resumed = told.processes - 1
    yield "Resumed", "never" if resumed < 1 else "once" if resumed == 1 else f"{resumed} times"
    if told.ended:
        yield "Time so far", in_hours(told.seconds)
        yield "The last epoch took", in_hours(told.latest)


def _beside(progress: Progress, told: Told, previous: Told) -> Iterator[str]:
    """The two runs at the last epoch that both have ended, and the best of each."""
    both = sorted(told.epochs.keys() & previous.epochs.keys())
    key = progress.key_metric
    if not both:
        return
    at = both[-1]
    names = [("loss", "Training loss"), ("validation_loss", "Validation loss")]
    if key not in ("", "loss") and previous.epochs[at].key_metric == key:
        names.append(("value", key))
    for name, words in names:
        cells = [_number(getattr(run.epochs[at], name)) for run in (told, previous)]
        if any(cells):
            yield _cells(f"{words}, epoch {at}", cells)
    if names[-1][0] == "value":
        yield _cells(f"Best {key}", [_best(run, progress.maximize) for run in (told, previous)])
    yield _cells("Epochs", [str(run.ended) for run in (told, previous)])


def _best(told: Told, maximize: bool) -> str:
    best = told.greatest if maximize else told.least
    return "" if best is None else f"{in_digits(best.value)} in epoch {best.epoch}"


def _number(value: float | None) -> str:
    return "" if value is None else in_digits(value)


def _cells(name: str, values: Sequence[str]) -> str:
    cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>'


def _row(key: str, value: str) -> str:
    return f'<tr><th scope="row">{html.escape(key)}</th><td>{html.escape(value)}</td></tr>'


def _plot(train: Sequence[float], val: Sequence[float]) -> str:
    # The drawing is stretched to the width there is; texts stand beside it in HTML and keep their size, and lines keep
    # their width. A dot is a line of no length with round ends, which stretching does not deform.
    finite = [value for value in (*train, *val) if math.isfinite(value)]
    if not finite:
        return '<p class="quiet">The losses are drawn here when the first epoch is finished.</p>'
    low, high = min(finite), max(finite)
    last = max(len(train), len(val))
    described = f"Loss of {last} epochs, from {in_digits(low)} to {in_digits(high)}"
    drawn = "".join(_curve(values, low, high, last, style) for values, style in ((train, "train"), (val, "val dashed")))
    key = '<svg viewBox="0 0 28 8" aria-hidden="true"><path class="line {}" d="M1 4H27"/></svg> {}'
    legend = f"<span>{key.format('train', 'training loss')}</span>"
    if val:
        legend += f"<span>{key.format('val dashed', 'validation loss')}</span>"
    end = f"<span>epoch {last}</span>" if last > 1 else ""
    return f"""<figure><figcaption class="legend">{legend}</figcaption>
<div class="plot"><div class="y"><span>{in_digits(high)}</span><span>{in_digits(low)}</span></div>
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{described}">
<path class="grid" d="M0 6H100M0 50H100M0 94H100"/>{drawn}</svg>
<div class="x"><span>epoch 1</span>{end}</div></div></figure>"""


def _curve(values: Sequence[float], low: float, high: float, last: int, style: str) -> str:
    span = high / 2 - low / 2  # halves, because the difference of two finite numbers may be infinite
    points: list[tuple[float, float] | None] = []
    for index in thinned(values, POINTS):
        value = values[index]
        if not math.isfinite(value):
            points.append(None)  # the line is broken where there is no number
            continue
        height = (value / 2 - low / 2) / span if span > 0 else 0.5
        points.append((1 + 98 * index / (last - 1) if last > 1 else 50, 94 - 88 * height))
    line = "".join(
        f"M{point[0]:.2f} {point[1]:.2f}h0" if before is None else f"L{point[0]:.2f} {point[1]:.2f}"
        for before, point in zip([None, *points], points, strict=False)
        if point is not None
    )
    dots = "".join(f"M{point[0]:.2f} {point[1]:.2f}h0" for point in points if point is not None)
    drawn = f'<path class="line {style}" d="{line}"/>' if line else ""
    if dots and last <= POINTS // 10:
        drawn += f'<path class="dots {style.split()[0]}" d="{dots}"/>'
    return drawn


def thinned(values: Sequence[float], most: int) -> list[int]:
    """Indices of at most `most` (at least 2) values that draw the same curve, in order.

    Of each of `most // 2` stretches the least and the greatest finite value stay, so no peak is lost.
    """
    if len(values) <= most:
        return list(range(len(values)))
    stretches = most // 2
    kept: set[int] = set()
    for number in range(stretches):
        stretch = range(number * len(values) // stretches, (number + 1) * len(values) // stretches)
        finite = [index for index in stretch if math.isfinite(values[index])]
        if finite:
            kept |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
        else:
            kept.add(stretch[0])
    return sorted(kept)
