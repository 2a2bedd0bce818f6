"""What a command says at its end: what each stage did, and where the report is."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeptrain import model_name
from deeptrain.errors import DeeptrainError
from deeptrain.lineage import Lineage
from deeptrain.store import events
from pipelines.closing_table import Row, State
from pipelines.terminal import Terminal
from tasks import base, watching


class Closing:
    """Remembers what was there when the command began, and tells what changed when it ends.

    Attributes:
        complete: whether all of the main job was there at the end, whoever made it.
    """

    def __init__(self, terminal: Terminal) -> None:
        """Nothing was planned yet."""
        self._terminal = terminal
        self._plan: Lineage | None = None
        self._process = os.getpid()
        self._trained = 0
        self.complete = False

    def begin(self, plan: Lineage) -> None:
        """Note what is trained before anything runs; the first plan of a command is the one that was asked for."""
        if self._plan is None:
            self._plan = plan
            self._trained = plan.training.done(plan.epochs)

    def forget(self) -> None:
        """Say nothing at the end."""
        self._plan = None

    def close(self, *, refused: bool = False) -> None:
        """Say it, once, and only in the process of the command itself.

        Args:
            refused: whether an error was told, so that where nothing ran there is nothing to say.
        """
        plan, self._plan = self._plan, None
        if plan is None or os.getpid() != self._process:
            return
        watching.close()
        try:
            self._tell(plan, refused)
        except (DeeptrainError, OSError) as error:
            if not refused:
                self._terminal.complain(f"deeptrain: {error}")

    def _tell(self, plan: Lineage, refused: bool) -> None:
        ran = {
            event["stage"]: event
            for event in events.read(plan.live / "events.jsonl")
            if event.get("kind") == "task" and event.get("run") == base.RUN
        }
        report = plan.stages["report"].directory
        complete = self.complete = plan.complete("report") and plan.trained()
        if not ran:
            _tidy(plan)
            if complete and not refused:
                plan.remember()
                self._terminal.say(f"{plan.experiment.name}: everything is there already, nothing to do")
                self._terminal.report_line(_shown(report / "index.html"))
            return
        self._terminal.closing_table(self._rows(plan, ran))
        if complete:
            plan.remember()
            self._terminal.report_line(
                _shown(report / "index.html"), [f"model {model_name.of(plan)}", *_outcomes(plan)]
            )

    def _rows(self, plan: Lineage, ran: dict[str, dict[str, object]]) -> list[Row]:
        rows = []
        for stage, made in plan.stages.items():
            if stage == "predictions":
                rows += self._epochs(plan, ran)
            if stage == "shards":
                rows += _shards(plan, ran)
                continue
            otherwise: State | None = "was there" if plan.complete(stage) else None
            rows += _row(stage, made.directory, ran, otherwise)
        told = plan.stages["report"].settings["left_out"]
        rows += [Row(stage, "left out", None, reason) for stage, reason in told.items()]
        return rows

    def _epochs(self, plan: Lineage, ran: dict[str, dict[str, object]]) -> list[Row]:
        step = plan.experiment.training.task_epochs
        done = plan.training.done(plan.epochs)
        # Epochs are also there again when only their shards were repaired.
        trained = self._trained if any(label.startswith("epoch ") for label in ran) else done
        rows = []
        for last in [*range(step, plan.epochs, step), plan.epochs]:
            first = last - (last - 1) % step
            # Training may stop within a task, and a task in a child process trains what others were to train.
            until = min(last, max(first, done))
            otherwise: State | None = None if done < until else "was there" if until <= trained else "ran"
            found = _row(f"epoch {last}", plan.training.epoch(until).directory, ran, otherwise)
            rows += [row._replace(epochs=(first, until)) for row in found]
        return rows


def _tidy(plan: Lineage) -> None:
    """Remove what a command left that was killed when nothing was left to do: no task comes to it."""
    with contextlib.suppress(DeeptrainError, OSError):
        if plan.untidy:
            plan.tidy()


def _outcomes(plan: Lineage) -> list[str]:
    """What the decisions are worth where they were chosen, and on the test split."""
    from deeptrain.report import outcome

    lines = []
    if "threshold" in plan.stages:
        lines.append(_worth(plan.artifact("threshold").json("threshold.json")))
    if "evaluation" in plan.stages:
        tested = outcome.on_test(plan.artifact("evaluation").json("evaluation.json"))
        lines += [tested] if tested else []
    return lines


def _worth(threshold: Mapping[str, Any]) -> str:
    """What the threshold is worth on other samples, beside what it seems to be worth on those it was chosen on."""
    metric, promise = threshold["metric"], threshold["promise"]
    kept = ""
    if promise is not None:
        kept = f"; {promise['constraint']} {'is' if promise['met'] else 'cannot be'} promised"
    return (
        f"threshold {float(threshold['value']):.4f}: {metric} {float(threshold['cross_fitted']):.3f} cross-fitted, "
        f"{float(threshold['in_sample']):.3f} in sample, {float(threshold['value_at_half']):.3f} at 0.5{kept}"
    )


def _shards(plan: Lineage, ran: Mapping[str, Mapping[str, object]]) -> list[Row]:
    """All parts and what joins them, as one row."""
    labels = [f"part {number}" for number in range(1, len(plan.conversion.parts) + 1)]
    found = [row for label in [*labels, "shards"] for row in _row(label, plan.conversion.directory, ran, None)]
    failed = [row for row in found if row.state == "failed"]
    if failed:
        return failed
    if found:
        seconds = sum(row.seconds or 0.0 for row in found)
        return [Row("shards", "ran", seconds, _shown(plan.conversion.directory))]
    return [Row("shards", "was there", None, _shown(plan.conversion.directory))] if plan.complete("shards") else []


def _row(label: str, directory: Path, ran: Mapping[str, Mapping[str, object]], otherwise: State | None) -> list[Row]:
    event = ran.get(label)
    if event is None:
        return [] if otherwise is None else [Row(label, otherwise, None, _shown(directory))]
    seconds = float(str(event["seconds"]))
    if event["outcome"] == "ran":
        return [Row(label, "ran", seconds, _shown(directory))]
    return [Row(label, "failed", seconds, str(event["said"]))]


def _shown(path: Path) -> str:
    """A path as it is shortest and can be copied."""
    whole = path.resolve()
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
