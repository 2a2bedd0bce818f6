"""Where a training stands at this moment, as its `live/progress.json` says; what it says wrongly is left out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import MISSHAPEN, ArtifactError
from deeptrain.training import progress_file
from deeptrain.training.live_page import WORDS
from pipelines.ui import store_files

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Live:
    """What the process that trains said last.

    Attributes:
        host: where it trains.
        running: whether it has not let go of the training; a process that was killed never does.
        paused: whether it waits.
        doing: what it is busy with, in words.
        updated: when it said so, seconds since 1970.
        epoch: being trained, from 1.
        epochs: how many were asked for.
        iteration: iterations of this epoch that are done.
        iterations: of the whole epoch; 0 where unknown.
        batch: what is being fit.
        numbers: `loss`, `best`, `seconds_left_run`, ... as far as they are known.
        key_metric: the metric that chooses the best epoch.
        best_epoch: the epoch that reached the best value; None before there is one.
        metrics: of the latest validation.
        findings: of health, in words.
        log: the last lines that were logged.
        now: (epochs done, loss) of what this process has fit.
    """

    host: str
    running: bool
    paused: bool
    doing: str
    updated: float
    epoch: int
    epochs: int
    iteration: int
    iterations: int
    batch: str
    numbers: Mapping[str, float]
    key_metric: str
    best_epoch: int | None
    metrics: Mapping[str, float]
    findings: tuple[str, ...]
    log: tuple[str, ...]
    now: Points


def read(store: Path, run: str, training: str) -> Live | None:
    """What a training says of itself; None where it says nothing that can be understood."""
    try:
        data = store_files.read(store, *run.split("/"), training, "live", progress_file.NAME)
        found = files.parse_json(data, Path(progress_file.NAME))
        return _live(found) if found["format"] == progress_file.FORMAT else None
    except (ArtifactError, *MISSHAPEN):
        return None


def _live(found: Mapping[str, Any]) -> Live:
    names = ("loss", "iterations_per_second", "seconds_left_epoch", "seconds_left_run", "best")
    best_epoch = found["best_epoch"]
    return Live(
        host=str(found["host"]),
        running=found["running"] is True,
        paused=found["paused"] is True,
        doing=WORDS.get(found["phase"], str(found["phase"])),
        updated=_seconds(found["updated"]),
        epoch=int(found["epoch"]),
        epochs=int(found["epochs"]),
        iteration=int(found["iteration"]),
        iterations=int(found["iterations"]),
        batch=str(found["batch"]),
        numbers={name: float(found[name]) for name in names if found[name] is not None},
        key_metric=str(found["key_metric"]),
        best_epoch=None if best_epoch is None else int(best_epoch),
        metrics={str(name): float(value) for name, value in found["metrics"].items()},
        findings=tuple(map(str, found["findings"])),
        log=tuple(map(str, found["log"])),
        now=tuple((float(x), float(y)) for x, y in found["curves"]["now"]),
    )


def _seconds(moment: Any) -> float:
    try:
        when = datetime.fromisoformat(str(moment))
    except ValueError:
        return -math.inf
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
