"""What the scheduler is asked for, by Luigi's own settings."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigi.configuration import get_config

from deeptrain.errors import ArtifactError
from tasks import Epoch, Epochs, Evaluate, Predictions, Shards, base, scheduling


@pytest.fixture
def asked() -> Iterator[None]:
    """Settings of `[Scheduling]`."""
    get_config().set("Scheduling", "gpu", "1")
    get_config().set("Scheduling", "priority", "7")
    scheduling.asked.cache_clear()
    yield
    get_config().remove_section("Scheduling")
    scheduling.asked.cache_clear()


@pytest.mark.usefixtures("asked")
def test_what_trains_or_predicts_takes_the_device_and_all_of_a_run_has_its_priority(experiment: Path) -> None:
    mine = {"experiment": str(experiment), "store": str(experiment.parent / "runs")}
    for task in (Epoch(number=1, **mine), Predictions(**mine)):
        assert (task.process_resources(), task.priority) == ({"gpu": 1}, 7)
    for task in (Shards(**mine), Evaluate(**mine), Epochs(**mine)):
        assert (task.process_resources(), task.priority) == ({}, 7)


def test_unasked_nothing_is_taken(experiment: Path) -> None:
    task = Epoch(number=1, experiment=str(experiment), store=str(experiment.parent / "runs"))
    assert (task.process_resources(), task.priority) == ({}, 0)


def test_the_tasks_of_an_edited_file_and_of_another_directory_are_others_to_a_scheduler(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(directory: Path) -> str:
        monkeypatch.chdir(directory)
        task = Epoch(experiment=experiment.name, number=1)
        for cache in (base._plan.cache_clear, base._digest.cache_clear, Epoch.clear_instance_cache):
            cache()  # each is asked for in a process of its own
        return str(task.task_id)

    here = experiment.parent
    first = found(here)
    there = Path(shutil.copytree(here, here.with_name("there")))
    experiment.write_text(f"# Of me.\n{experiment.read_text()}")
    assert found(here) == first
    assert found(there) != first
    experiment.write_text(experiment.read_text().replace("seed = 3", "seed = 4"))
    assert found(here) != first


def test_a_task_whose_artifact_cannot_be_read_when_it_was_made_says_why(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Shards(experiment=str(experiment), store=str(experiment.parent / "runs"))
    monkeypatch.setattr(Shards, "make_unless_done", lambda *_: True)
    with pytest.raises(ArtifactError, match=r"shards: is not complete although it was made: .*: not made yet"):
        task.run()
