"""The whole state of a run on one picture: outcome, training, data, settings, seeds, artifacts, versions."""

import itertools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import Picture, Theme
from deeptrain.report import outcome
from deeptrain.report.outcome import Tile
from deeptrain.report.run import Plain, Run

WIDTH, MARGIN, GAP, COLUMNS = 1200, 36, 36, 3
TILES, TOP, ROW, TITLE, BETWEEN = 124, 232, 19, 30, 20
CHARACTER = 7.25
"""Width of a character of the 12 pixel monospaced font."""
CHARACTERS = int((WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS / CHARACTER)
"""Of a column."""
NAME_WIDTH = 22
"""Most characters of a name."""
BREAKS = tuple(map(re.compile, (" ", r"[=./(:-](?!\d)", "_")))
"""Behind which a long name or value goes on in another line, what is better first; never within a number."""
MOST_LINES = 4
"""Of a name or a value."""
MOST_ROWS = 40
MOST_SEEN = 12
MOST_ILL = 6
SENTENCE = 155
"""Characters of a line that fill the picture."""


@dataclass(frozen=True)
class Block:
    """A titled table of (name, value)."""

    title: str
    rows: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The rows, with long names and values in several lines."""
        return tuple(
            line
            for name, value in self.rows
            for line in itertools.zip_longest(
                _indented(name), _in_lines(value, CHARACTERS - NAME_WIDTH - 2), fillvalue=""
            )
        )

    @property
    def height(self) -> int:
        """In pixels, with the space below it."""
        return TITLE + ROW * len(self.lines) + BETWEEN


def draw(run: Run, theme: Theme) -> Picture:
    """Everything that is known of the run, in three columns of aligned names and values, as high as it takes.

    Names and values begin at the same places in all of them. What is long has up to four lines; what is too long for
    these loses its middle. Call it within `canvas.drawing()`.
    """
    columns = _columns(blocks(run))
    height = TOP + max(sum(block.height for block in column) for column in columns) + 10
    figure = canvas.new_figure(WIDTH, height, theme)
    canvas.write(
        figure, MARGIN, 24, wording.cut(run.title, 60), color=theme.ink, fontsize=canvas.points(26), fontweight="bold"
    )
    for number, line in enumerate(_wrapped(outcome.sentence(run))):
        canvas.write(figure, MARGIN, 66 + 20 * number, line, color=theme.muted, fontsize=canvas.points(13.5))
    for number, tile in enumerate(outcome.tiles(run)):
        _write_tile(figure, theme, tile, MARGIN + number * (WIDTH - 2 * MARGIN) / outcome.MOST_TILES)
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    for number, column in enumerate(columns):
        left, top = MARGIN + number * (width + GAP), float(TOP)
        for block in column:
            _write_block(figure, theme, block, left, top, width)
            top += block.height
    numbers = {block.title: dict(block.rows) for column in columns for block in column}
    numbers["Outcome"] = {tile.label: tile.value for tile in outcome.tiles(run)}
    return Picture(figure, numbers, f"State of the run {run.name}. {outcome.sentence(run)}")


def blocks(run: Run) -> list[Block]:
    """What the picture shows below the outcome, in reading order."""
    made = [
        Block("Training", tuple(_training(run))),
        Block(f"Metrics of epoch {run.used_epoch}", tuple(_metrics(run))),
        Block("Calibration", tuple(_calibration(run))),
        Block(f"Health after epoch {run.health_epoch}", tuple(_health(run))),
        Block("Data", tuple(_data(run))),
        *(Block(f"{wording.capital(name)} data", tuple(_fed(told))) for name, told in run.feeds.items()),
    ]
    for section, table in run.settings.items():
        rows = wording.rows(table) if hasattr(table, "items") else iter([("", wording.setting(table))])
        made.append(Block(f"[{section}]", _few(rows, MOST_ROWS)))
    seeds = {f"{line.stage} {name}": str(seed) for line in run.lineage for name, seed in line.seeds.items()}
    made.append(Block("Seeds", _few(iter(seeds.items()), MOST_SEEN)))
    made.append(Block("Artifacts", _few(((line.stage, line.identity[:16]) for line in run.lineage), MOST_SEEN)))
    made.append(Block("Versions", _few(((name, str(version)) for name, version in run.versions.items()), MOST_SEEN)))
    made.append(Block("Left out", tuple(run.left_out)))
    return [block for block in made if block.rows]


def _training(run: Run) -> Iterator[tuple[str, str]]:
    last = run.epochs[-1]
    yield "epochs", wording.count(last["epoch"])
    yield "iterations", wording.count(last["iterations"])
    yield "best epoch", wording.count(run.best_epoch)
    if run.averaged:
        yield "predicted with mean of", f"epochs {wording.listed(run.averaged)}"
    else:
        yield "predicted with epoch", wording.count(run.used_epoch)
    yield "chosen by", outcome.key_name(run)
    yield "better is", "more" if run.maximize else "less"
    yield "learning rate at end", wording.rate(last.get("learning_rate"))
    yield "parameters", wording.count(run.parameters)
    if run.stopped:
        yield "stopped", run.stopped
    if run.changed:
        yield "changed by hand", wording.count(len(run.changed)) + (" time" if len(run.changed) == 1 else " times")


def _metrics(run: Run) -> Iterator[tuple[str, str]]:
    epoch = run.epoch(run.used_epoch)
    train, validation = epoch.get("train") or {}, epoch.get("validation") or {}
    names = list(dict.fromkeys([*validation, *train]))[:MOST_SEEN]
    if names:
        yield "", f"{'validation':<12}training"
    for name in names:
        shown = [wording.score(values[name]) if name in values else "" for values in (validation, train)]
        yield wording.metric_name(name), f"{shown[0]:<12}{shown[1]}".rstrip()


def _calibration(run: Run) -> Iterator[tuple[str, str]]:
    if run.threshold:
        yield "metric", wording.metric_name(run.threshold["metric"])
        yield "threshold", wording.score(run.threshold["value"], 4)
        yield "in sample", wording.score(run.threshold["in_sample"])
        yield "cross-fitted", wording.score(run.threshold["cross_fitted"])
        yield "at 0.5", wording.score(run.threshold["value_at_half"])
    if run.subset:
        yield "best sets", ", ".join(str(number) for number in run.subset["sets"])
        if run.subset["threshold"] is not None:
            yield "their threshold", wording.score(run.subset["threshold"], 4)
        yield "their value in sample", wording.score(run.subset["value"])


def _data(run: Run) -> Iterator[tuple[str, str]]:
    for name in ("shape", "dtype", "kind", "classes"):
        if run.data.get(name) not in (None, [], ()):
            value = run.data[name]
            yield name, wording.setting(list(value) if isinstance(value, tuple) else value)
    counts = run.data.get("label_counts") or {}
    for split, samples in (run.data.get("samples") or {}).items():
        if not samples:
            continue
        found = list(counts.get(split) or ())
        parts = f" ({' / '.join(wording.count(number) for number in found)})" if 0 < len(found) <= 4 else ""
        yield outcome.SPLITS.get(split, split), wording.count(samples) + parts
    for name, value in (run.data.get("statistics") or {}).items():
        yield f"training {wording.metric_name(name)}", wording.statistic(value)


def _fed(told: Plain) -> Iterator[tuple[str, str]]:
    for name, value in told.items():
        if value not in (None, [], ()):
            yield name, wording.count(value) if isinstance(value, int) else wording.setting(value)


def _health(run: Run) -> Iterator[tuple[str, str]]:
    ill = [one for one in run.health if one.findings]
    if run.health:
        yield "layers", wording.count(len(run.health))
        yield "healthy", wording.count(len(run.health) - len(ill))
    yield from _few(((one.layer, one.verdict) for one in ill), MOST_ILL)


def _few(rows: Iterator[tuple[str, str]], most: int) -> tuple[tuple[str, str], ...]:
    """The first rows, and how many there are beyond them."""
    found = list(rows)
    if len(found) <= most:
        return tuple(found)
    return (*found[: most - 1], ("...", f"{len(found) - most + 1} more"))


def _columns(found: list[Block]) -> list[list[Block]]:
    """The blocks in order over the columns, so that the highest column is as low as can be."""
    low, high = max(block.height for block in found), sum(block.height for block in found)
    while low < high:
        middle = (low + high) // 2
        if len(_filled(found, middle)) <= COLUMNS:
            high = middle
        else:
            low = middle + 1
    return _filled(found, low)


def _filled(found: list[Block], height: int) -> list[list[Block]]:
    columns: list[list[Block]] = [[]]
    used = 0
    for block in found:
        if columns[-1] and used + block.height > height:
            columns.append([])
            used = 0
        columns[-1].append(block)
        used += block.height
    return columns


def _in_lines(text: str, width: int, most: int = MOST_LINES) -> list[str]:
    """The text in at most so many lines; the last loses its middle where the text is longer than these."""
    if len(text) <= width or most == 1:
        return [wording.cut(text, width)]
    places = [max((found.end() for found in mark.finditer(text) if found.end() <= width), default=0) for mark in BREAKS]
    place = next((found for found in places if found > width // 5), width)
    return [text[:place].rstrip(), *_in_lines(text[place:].lstrip(), width, most - 1)]


def _indented(name: str) -> list[str]:
    """A name, in several lines where it is long: those after the first stand further in, since they are no names."""
    if len(name) <= NAME_WIDTH:
        return [name]
    first, *others = _in_lines(name, NAME_WIDTH - 2)
    return [first, *(f"  {one}" for one in others)]


def _wrapped(text: str) -> list[str]:
    """The text in one line, or in two of about one length; what does not fit in two is left out."""
    if len(text) <= SENTENCE:
        return [text]
    return textwrap.wrap(text, min(SENTENCE, len(text) // 2 + 12), max_lines=2, placeholder=" \N{HORIZONTAL ELLIPSIS}")


def _write_tile(figure: Figure, theme: Theme, tile: Tile, left: float) -> None:
    style = {"fontsize": canvas.points(12)}
    canvas.write(figure, left, TILES, wording.cut(tile.label, 38), color=theme.muted, **style)
    canvas.write(figure, left, TILES + 18, tile.value, color=theme.ink, fontsize=canvas.points(28), fontweight="bold")
    for row, part in enumerate(tile.note.split("; ")):
        canvas.write(figure, left, TILES + 54 + 16 * row, wording.cut(part, 38), color=theme.muted, **style)


def _write_block(figure: Figure, theme: Theme, block: Block, left: float, top: float, width: float) -> None:
    wide, high = figure.get_size_inches() * canvas.PIXELS_PER_INCH
    title = canvas.points(13.5)
    canvas.write(figure, left, top, wording.cut(block.title, 40), color=theme.main, fontsize=title, fontweight="bold")
    line = 1 - (top + 21) / high
    figure.add_artist(Line2D([left / wide, (left + width) / wide], [line, line], color=theme.line, linewidth=0.9))
    font = {"family": "DejaVu Sans Mono", "fontsize": canvas.points(12), "va": "center"}
    for number, (name, value) in enumerate(block.lines):
        middle = top + TITLE + ROW * (number + 0.5) - 1
        canvas.write(figure, left, middle, name, color=theme.muted, **font)
        canvas.write(figure, left + (NAME_WIDTH + 2) * CHARACTER, middle, value, color=theme.ink, **font)
