"""What a page says of a training: rows, curves and numbers in words, as its template takes them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deeptrain.drawing import wording
from deeptrain.training.progress import in_digits, in_hours
from deeptrain.training.results import Results
from pipelines.commands.status import age
from pipelines.ui.curves import Chart, Line, chart
from pipelines.ui.live import Live
from pipelines.ui.runs import AT_WORK, Listed, Shown

if TYPE_CHECKING:
    from deeptrain.report.run import Lineage

EPOCH = "epoch {:.0f}"
"""What a place on an axis is called."""

DIGITS = 12
"""Of a digest in a table."""


def row(one: Listed, now: float) -> dict[str, Any]:
    """A training in the list.

    Args:
        one: what is known of it.
        now: seconds since 1970.
    """
    standing, live = one.standing, one.live
    asked = live.epochs if live is not None else standing.asked
    done = part_done(live) if live is not None else None
    return {
        "run": standing.run,
        "training": standing.training,
        "name": standing.name,
        "state": one.state,
        "epochs": f"{standing.epochs}" + ("" if asked is None else f" of {asked}"),
        "done": done,
        "doing": "" if live is None else _now(live),
        "best": "" if standing.best is None else f"{wording.score(standing.best)} at {standing.best_epoch}",
        "metric": wording.metric_name(standing.key_metric) if standing.key_metric else "",
        "age": age(max(now - standing.changed, 0)) if standing.changed else "",
        "told": standing.fault or one.why or (f"ended early: {standing.stopped}" if standing.stopped else ""),
    }


def part_done(live: Live) -> float:
    """The part of all epochs asked for that is done, 0 to 1."""
    within = min(live.iteration / live.iterations, 1.0) if live.iterations > 0 else 0.0
    return min(max((live.epoch - 1 + within) / max(live.epochs, 1), 0.0), 1.0)


def _now(live: Live) -> str:
    iteration = f"epoch {live.epoch}, iteration {live.iteration:,} of {live.iterations:,}"
    loss = live.numbers.get("loss")
    return iteration if loss is None else f"{iteration}, loss {in_digits(loss)}"


def now_rows(shown: Shown, now: float) -> list[tuple[str, str]]:
    """Where a training stands, a line a number."""
    live, standing = shown.live, shown.listed.standing
    rows: list[tuple[str, str]] = []
    if live is not None and shown.listed.state in AT_WORK:
        rows += [("Busy with", live.doing), ("Iteration", f"{live.iteration:,} of {live.iterations:,}")]
        rows += [("Batch", live.batch)] if live.batch else []
        for name, title, said in (
            ("loss", "Loss", in_digits),
            ("iterations_per_second", "Iterations per second", in_digits),
            ("seconds_left_epoch", "Left of the epoch", in_hours),
            ("seconds_left_run", "Left of the run", in_hours),
        ):
            waits = shown.listed.state == "paused" and name != "loss"
            if name in live.numbers and not waits:
                rows.append((title, said(live.numbers[name])))
    if standing.best is not None:
        key = wording.metric_name(standing.key_metric)
        rows.append((f"Best {key}", f"{wording.score(standing.best)} in epoch {standing.best_epoch}"))
    if standing.running:
        rows.append(("Who trains", standing.running))
    if standing.changed:
        rows.append(("Written", f"{age(max(now - standing.changed, 0))} ago".replace("now ago", "now")))
    return rows


def metrics(shown: Shown) -> list[tuple[str, str]]:
    """The latest validation, a line a metric."""
    found: Mapping[str, float] = {}
    if shown.live is not None and shown.listed.state in AT_WORK:
        found = shown.live.metrics
    if not found and shown.epochs:
        found = shown.epochs[-1].validation
    return [(wording.metric_name(name), wording.score(value)) for name, value in found.items()]


def charts(shown: Shown) -> list[Chart]:
    """Losses and the key metric of each epoch, and the loss of what is being fit."""
    epochs, key = shown.epochs, shown.listed.standing.key_metric or "loss"
    best = shown.listed.standing.best_epoch
    drawn = [
        chart(
            "Loss",
            [Line("training", "train", _of(epochs, "train", "loss")), Line("validation", "val", _val(epochs, "loss"))],
            EPOCH,
        )
    ]
    if key != "loss":
        values = _val(epochs, key) or _of(epochs, "train", key)
        lines = [Line("by epoch", "key", values), Line("best", "best dot", [one for one in values if one[0] == best])]
        drawn.append(chart(wording.capital(wording.metric_name(key)), lines, EPOCH))
    if shown.live is not None and shown.listed.state in AT_WORK:
        line = Line("training, since this command began", "now", shown.live.now)
        drawn.append(chart("Loss of single iterations", [line], "{:.2f} epochs done"))
    return [one for one in drawn if one is not None]


def _val(epochs: Sequence[Results], metric: str) -> list[tuple[float, float]]:
    return _of(epochs, "validation", metric)


def _of(epochs: Sequence[Results], split: str, metric: str) -> list[tuple[float, float]]:
    found = ((one.epoch, getattr(one, split).get(metric)) for one in epochs)
    return [(epoch, value) for epoch, value in found if value is not None]


def table(epochs: Sequence[Results]) -> tuple[list[str], list[list[str]]]:
    """All epochs in numbers, the newest first: the heads of the columns, and the rows."""
    names = list(dict.fromkeys(name for one in epochs for name in one.validation if name != "loss"))
    heads = ["epoch", "training loss", "validation loss", *map(wording.metric_name, names), "learning rate"]
    return heads, [list(_cells(one, names)) for one in reversed(epochs)]


def _cells(one: Results, names: Sequence[str]) -> Iterator[str]:
    yield str(one.epoch)
    yield wording.score(one.train.get("loss"))
    yield wording.score(one.validation.get("loss"))
    yield from (wording.score(one.validation.get(name)) for name in names)
    yield wording.NOTHING if math.isnan(one.learning_rate) else wording.rate(one.learning_rate)


def lineage(lines: "Sequence[Lineage]") -> dict[str, Any] | None:
    """What was made from what, as a graph and as rows; None where nothing was."""
    if not lines:
        return None
    from deeptrain.report import lineage_graph

    stages = {line.artifact: line.stage for line in lines}
    rows = [
        {
            "stage": line.stage.replace("_", " "),
            "artifact": line.artifact,
            "content": line.content[:DIGITS],
            "inputs": ", ".join(stages[name].replace("_", " ") for name in line.inputs if name in stages),
        }
        for line in lines
    ]
    return {"graph": lineage_graph.plain(lines), "rows": rows}
