"""What a command says at its end: what each stage did, and where the report is."""

import os
import time
from pathlib import Path

from deeptrain.errors import DeeptrainError
from deeptrain.lineage import Lineage
from deeptrain.store import events
from pipelines.closing_table import Row
from pipelines.terminal import Terminal
from tasks import base, watching


class Closing:
    """Remembers what was there when the command began, and tells what changed when it ends."""

    def __init__(self, terminal: Terminal) -> None:
        """Nothing was planned yet."""
        self._terminal = terminal
        self._plan: Lineage | None = None
        self._process = os.getpid()
        self._there: set[str] = set()
        self._begun = time.monotonic()

    def begin(self, plan: Lineage) -> None:
        """Note what is complete before anything runs; the first plan of a command is the one that was asked for."""
        if self._plan is None:
            self._plan = plan
            self._there = {stage for stage in plan.stages if plan.complete(stage)}
            self._there |= {f"epoch {number}" for number in range(1, plan.training.done(plan.epochs) + 1)}

    def forget(self) -> None:
        """Say nothing at the end."""
        self._plan = None

    def close(self) -> None:
        """Say it, once, and only in the process of the command itself."""
        plan, self._plan = self._plan, None
        if plan is None or os.getpid() != self._process:
            return
        watching.close()
        try:
            self._tell(plan)
        except (DeeptrainError, OSError) as error:
            self._terminal.complain(f"deeptrain: {error}")

    def _tell(self, plan: Lineage) -> None:
        ran = {
            event["stage"]: event
            for event in events.read(plan.live / "events.jsonl")
            if event.get("kind") == "task" and event.get("run") == base.RUN
        }
        report = plan.stages["report"].directory
        complete = plan.complete("report") and plan.trained()
        if not ran:
            if complete:
                plan.remember()
                self._terminal.say(f"{plan.experiment.name}: everything is there already, nothing to do")
                self._terminal.report_line(_shown(report / "index.html"))
            return
        self._terminal.closing_table(self._rows(plan, ran))
        if complete:
            plan.remember()
            self._terminal.report_line(_shown(report / "index.html"))

    def _rows(self, plan: Lineage, ran: dict[str, dict[str, object]]) -> list[Row]:
        rows = []
        for stage, made in plan.stages.items():
            if stage == "predictions":
                rows += self._epochs(plan, ran)
            rows += self._row(stage, made.directory, ran)
        rows += [Row(stage, "left out", None, reason) for stage, reason in plan.left_out.items()]
        return rows

    def _row(self, stage: str, directory: Path, ran: dict[str, dict[str, object]]) -> list[Row]:
        event = ran.get(stage)
        if event is not None:
            seconds = float(str(event["seconds"]))
            if event["outcome"] == "ran":
                return [Row(stage, "ran", seconds, _shown(directory))]
            return [Row(stage, "failed", seconds, str(event["said"]))]
        return [Row(stage, "was there", None, _shown(directory))] if stage in self._there else []

    def _epochs(self, plan: Lineage, ran: dict[str, dict[str, object]]) -> list[Row]:
        step = plan.experiment.training.task_epochs
        rows = []
        for last in [*range(step, plan.epochs, step), plan.epochs]:
            found = self._row(f"epoch {last}", plan.training.epoch(last).directory, ran)
            first = last - (last - 1) % step
            rows += [row._replace(epochs=(first, last)) for row in found]
        return rows


def _shown(path: Path) -> str:
    """A path as it is shortest and can be copied."""
    whole = path.resolve()
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
