"""By what a central scheduler knows a command."""

from pathlib import Path

import pytest

from deeptrain import lineage
from pipelines.luigi_command import worker_id


def test_the_same_command_is_the_same_worker_and_one_that_asks_for_something_else_another(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = experiment.parent / "runs"
    asked = ({}, {"epochs": 2}, {"seed": 4}, {"settings": {"training.batch_size": 8}}, {"settings": {"report.dpi": 60}})
    found = [worker_id(lineage.read(experiment, store=store, **one)) for one in asked]
    assert len(set(found)) == len(asked)
    assert found == [worker_id(lineage.read(experiment, store=store, **one)) for one in asked]
    elsewhere = lineage.read(experiment, store=experiment.parent / "other")
    assert worker_id(elsewhere) not in found
    # It would be given tasks whose paths are those of the directory where they were asked for.
    monkeypatch.chdir(experiment.parent)
    assert worker_id(lineage.read(experiment, store=store)) not in found
