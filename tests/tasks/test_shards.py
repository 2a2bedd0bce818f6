"""The tasks of a conversion: each sweeps the litter of killed runs, and tells the scheduler how far it is."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from luigi.rpc import RPCError

from tasks import base
from tasks.base import ExperimentTask
from tasks.shards import Samples, ShardPart, Shards

STAGES = {"samples": [Samples], "part": [Samples, ShardPart], "shards": [Samples, ShardPart, Shards]}


def made(experiment: Path, kind: type[ExperimentTask]) -> ExperimentTask:
    number = {"number": 1} if kind is ShardPart else {}
    return kind(experiment=str(experiment), store=str(experiment.parent / "runs"), **number)


def told(task: ExperimentTask, say: Callable[[str], None], show: Callable[[int], None]) -> ExperimentTask:
    """As Luigi prepares a task that it runs."""
    task.set_status_message, task.set_progress_percentage = say, show
    return task


@pytest.mark.parametrize("stage", STAGES)
def test_litter_of_killed_runs_is_swept_by_each_task_alone(experiment: Path, stage: str) -> None:
    for kind in STAGES[stage][:-1]:
        made(experiment, kind).run()
    task = made(experiment, STAGES[stage][-1])
    conversion = task.plan.conversion
    litter = [
        conversion.root / f".{conversion.samples.directory.name}.999999.0123abcd",
        conversion.directory / "parts" / ".0001.999999.0123abcd",
        conversion.directory / ".whole.999999.0123abcd",
    ]
    for path in litter:
        path.mkdir(parents=True)
        (path / "half").write_bytes(b"half")
    base._tidied.cache_clear()  # as a process that has just begun
    task.run()
    assert [path for path in litter if path.exists()] == []
    assert task.complete()


@pytest.mark.parametrize("stage", STAGES)
def test_the_scheduler_is_told_how_far_a_conversion_is(experiment: Path, stage: str) -> None:
    for kind in STAGES[stage][:-1]:
        made(experiment, kind).run()
    lines: list[str] = []
    parts: list[int] = []
    told(made(experiment, STAGES[stage][-1]), lines.append, parts.append).run()
    assert lines[-1] == "200 of 200 samples"
    assert parts[-1] == 100


def unreachable(_: object) -> None:
    raise RPCError("no scheduler")


def broken(_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("scheduler", "warnings"), [(unreachable, 0), (broken, 1)])
def test_a_conversion_does_not_notice_that_the_scheduler_died(
    experiment: Path, caplog: pytest.LogCaptureFixture, scheduler: Callable[[object], None], warnings: int
) -> None:
    task = told(made(experiment, Samples), scheduler, scheduler)
    with caplog.at_level(logging.WARNING, "deeptrain"):
        task.run()
    assert task.complete()
    assert len(caplog.records) == warnings
