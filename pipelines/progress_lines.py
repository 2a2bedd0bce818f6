"""How the progress of a training reads in a terminal: the lines that move, and those that stay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deeptrain.training.progress import Phase, Progress, in_digits, in_hours
from pipelines.cells import cells, cut, padded, printable

BUSY: dict[Phase, str] = {
    "build": "building the model",
    "fit": "",
    "validate": "validating",
    "checkpoint": "saving a checkpoint",
    "paused": "paused",
    "done": "done",
}
BAR_WIDTHS = (8, 36)
STAGE_WIDTH = 11
GAP = "  "


@dataclass(frozen=True)
class Part:
    """A piece of a line: its text, how it looks ("", "strong", "quiet", "good", "bad", "bar", "rest") and its weight.

    Of a line that is too long the part with the least weight goes first.
    """

    text: str
    look: str = ""
    weight: int = 9


Line = tuple[Part, ...]


def moving(progress: Progress, width: int, *, ascii_only: bool) -> tuple[Line, Line]:
    """Two lines for now, each of at most `width` columns.

        training     epoch 3 of 8  ━━━━━━━━━━━─────────────  142 of 350  b0412 (37 sets)
                     loss 0.1234  412 it/s  0:12 left, 1:40 in all  best f1 0.9340

    What does not fit is left out, the least needed first. A sign for an unbroken line is used unless `ascii_only`.
    """
    first = [_stage(progress.stage, 8), Part(_epoch(progress.epoch, progress.epochs), "strong")]
    if progress.iterations > 0:
        first.append(Part(f"{progress.iteration:,} of {progress.iterations:,}", "", 7))
    doing = BUSY[progress.phase] or printable(progress.batch)
    if doing:
        room = width - sum(cells(part.text) + len(GAP) for part in first) - BAR_WIDTHS[0] - len(GAP)
        first.append(Part(cut(doing, max(room, 12), "..." if ascii_only else "…"), "quiet", 6))
    line = _fitting(first, width)
    spare = width - _width(line) - len(GAP)
    if spare >= BAR_WIDTHS[0]:
        at = next((n for n, part in enumerate(line) if part.look != "strong"), len(line))
        line[at:at] = _bar(progress.fraction, min(spare, BAR_WIDTHS[1]), ascii_only)
    indent = Part(" " * cells(first[0].text), "", 7)
    second = [indent, *_numbers(progress)]
    if _width(second) > width:
        second = _fitting([indent, *_numbers(progress, briefly=True)], width)
    return _spaced(line), _spaced(second)


def epoch_end(progress: Progress, epoch: int, width: int | None = None) -> Line:
    """One line about an epoch that is finished: its losses and its key metric.

    What does not fit into `width` columns is left out, the least needed first; None leaves nothing out.
    """
    parts = [_stage(progress.stage), Part(_epoch(epoch, progress.epochs))]
    values = [("loss", progress.losses, 5), ("val_loss", progress.validation_losses, 7)]
    if progress.key_metric not in ("loss", "val_loss"):
        values.append((printable(progress.key_metric), progress.key_values, 8))
    parts += [
        Part(f"{name} {in_digits(of[epoch - 1])}", "" if math.isfinite(of[epoch - 1]) else "bad", weight)
        for name, of, weight in values
        if len(of) >= epoch
    ]
    if progress.was_best(epoch):
        parts.append(Part("best so far", "good", 6))
    return _spaced(parts if width is None else _fitting(parts, width))


def now(progress: Progress) -> Line:
    """One line about the middle of an epoch, for logs."""
    parts = [_stage(progress.stage), Part(_epoch(progress.epoch, progress.epochs))]
    if progress.iterations > 0:
        parts.append(Part(f"iteration {progress.iteration:,} of {progress.iterations:,}"))
    doing = BUSY[progress.phase] or (f"batch {printable(progress.batch)}" if progress.batch else "")
    parts += [Part(doing)] if doing else []
    return _spaced(parts + _numbers(progress))


def stage(name: str, state: str) -> Line:
    """One line about a stage: "shards       made in 0.4 s"; no state means that it begins."""
    return _spaced([_stage(name), Part(printable(state) or "...", "" if state else "quiet")])


def text_of(line: Line) -> str:
    """A line without its looks."""
    return "".join(part.text for part in line)


def _stage(name: str, weight: int = 9) -> Part:
    return Part(padded(printable(name), STAGE_WIDTH), "strong", weight)


def _epoch(epoch: int, epochs: int) -> str:
    return f"epoch {epoch:>{len(str(epochs))}} of {epochs}"


def _numbers(progress: Progress, *, briefly: bool = False) -> list[Part]:
    parts = []
    if progress.loss is not None:
        parts.append(Part(f"loss {in_digits(progress.loss)}", "" if math.isfinite(progress.loss) else "bad", 8))
    if progress.iterations_per_second is not None:
        rate = progress.iterations_per_second
        parts.append(Part(f"{f'{rate:,.0f}' if rate >= 100 else in_digits(rate)} it/s", "", 5))
    left = [
        f"{in_hours(seconds)} {word}"
        for seconds, word in ((progress.seconds_left_epoch, "left"), (progress.seconds_left_run, "in all"))
        if seconds is not None
    ]
    if left and progress.phase not in ("done", "paused"):
        parts.append(Part(", ".join(left), "", 6))
    if progress.best is not None:
        where = "" if briefly or progress.best_epoch is None else f" in epoch {progress.best_epoch}"
        parts.append(Part(f"best {printable(progress.key_metric)} {in_digits(progress.best)}{where}", "quiet", 4))
    return parts


def _bar(fraction: float, width: int, ascii_only: bool) -> list[Part]:
    full, empty = "#-" if ascii_only else "━─"
    done = math.floor(fraction * width)
    return [Part(full * done, "bar"), Part(empty * (width - done), "rest")]


def _fitting(parts: Sequence[Part], width: int) -> list[Part]:
    kept = list(parts)
    while len(kept) > 1 and _width(kept) > width:
        kept.remove(min(kept, key=lambda part: part.weight))
    return [Part(cut(kept[0].text, width, ""), kept[0].look)] if _width(kept) > width else kept


def _width(parts: Sequence[Part]) -> int:
    return sum(cells(part.text) for part in parts) + len(GAP) * max(len(parts) - 1, 0)


def _spaced(parts: Sequence[Part]) -> Line:
    spaced: list[Part] = []
    for part in parts:
        if spaced and not (part.look == "rest" and spaced[-1].look == "bar"):
            spaced.append(Part(GAP))
        spaced.append(part)
    return tuple(spaced)
