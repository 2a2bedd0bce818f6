"""What a run's artifacts were made from, by their manifests alone."""

import shutil
from pathlib import Path

import pytest

from deeptrain import ancestry, lineage
from deeptrain.errors import ArtifactError
from deeptrain.report import lineage_graph
from tests.conftest import write_experiment
from tests.published_runs import publish


def test_a_run_is_told_inputs_first_without_its_experiment(tmp_path: Path) -> None:
    file = write_experiment(tmp_path / "here")
    plan = lineage.read(file, store=tmp_path / "runs")
    publish(plan)
    found = ancestry.of(tmp_path / "runs/tiny")
    stages = {line.artifact: line.stage for line in found}
    made = {line.stage: [stages[name] for name in line.inputs] for line in found}
    assert list(made)[:3] == ["samples", "shards", "training"]
    assert list(made)[-1] == "report"
    assert made["training"] == ["shards"]
    assert made["threshold"] == ["predictions"]
    assert set(made["evaluation"]) == {"predictions", "subset", "threshold"}
    assert ancestry.of(plan.training.directory) == found
    drawn = lineage_graph.svg(found)
    assert drawn == lineage_graph.svg(found)
    assert drawn.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    assert drawn.count(b"<rect ") == len(found)

    other = lineage.read(file, store=tmp_path / "runs", settings={"training.batch_size": 8})
    publish(other)
    assert ancestry.of(plan.training.directory) == found
    assert {line.stage for line in ancestry.of(other.training.directory)} == set(made)
    with pytest.raises(ArtifactError, match="holds 2 trainings"):
        ancestry.of(tmp_path / "runs/tiny")
    other.remember()
    assert ancestry.of(tmp_path / "runs/tiny") == ancestry.of(other.training.directory)
    shutil.rmtree(other.training.directory / "epochs")
    with pytest.raises(ArtifactError, match="no epoch of it is done yet"):
        ancestry.of(tmp_path / "runs/tiny")
