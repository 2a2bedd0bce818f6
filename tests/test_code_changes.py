"""What happens when code changed and nothing else, on epochs that are written by hand."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deeptrain import code_changes, lineage
from deeptrain.errors import ArtifactError, CodeChangeError
from deeptrain.lineage import Lineage
from deeptrain.store import artifact, code_aliases
from deeptrain.store.events import EventLog
from deeptrain.store.manifest import Link
from deeptrain.store.specification import Specification
from tasks import Members
from tests.conftest import BUILDER, TOML, write_experiment

NOTHING = "0" * 64
LOADED = TOML.replace('path = "raw"', 'path = "raw"\nloader = "my_loader:load"\nshape = [4]')
LOADER = "SCALE = 1\n\ndef load(path):\n    return helped(path) * SCALE\n\ndef helped(path):\n    return path\n"


def plan_of(file: Path, **changes: Any) -> Lineage:
    """The plan as it is now."""
    return lineage.read(file, store=file.parent / "runs", **changes)


def make(plan: Lineage, made: Specification, seconds: float | None = None) -> None:
    """Put an artifact there, and what its making cost into the event log."""
    with artifact.writing(made, {name: Link(one.identity, NOTHING) for name, one in made.inputs.items()}):
        pass
    if seconds is not None:
        name = made.directory.relative_to(plan.root).as_posix()
        EventLog(plan.live / "events.jsonl").append("task", artifact=name, outcome="ran", seconds=seconds)


def train(plan: Lineage, *seconds: float | None) -> None:
    """Put epochs there, each of some seconds."""
    plan.record_origins()
    for number, one in enumerate(seconds, 1):
        make(plan, plan.training.epoch(number), one)


def edit(file: Path, old: str = "Dense(units)", new: str = "Dense(units + 1)") -> Lineage:
    """Change the builder, and plan again."""
    model = file.parent / "my_model.py"
    text = model.read_text()
    assert old in text
    model.write_text(text.replace(old, new))
    return plan_of(file)


def test_what_was_cheap_is_made_again_unasked(experiment: Path) -> None:
    train(plan_of(experiment), 100, 200, 299)
    plan = edit(experiment)
    change = code_changes.find(plan)
    assert change is not None
    assert (change.seconds, change.is_dear, change.named) == (599, False, "build in my_model.py")
    assert code_changes.settled(plan, "") is plan
    assert not (plan.root / code_aliases.NAME).exists()


def test_what_was_dear_is_asked_about_with_its_function_and_its_cost(experiment: Path) -> None:
    before = plan_of(experiment)
    train(before, 4000, 3200)
    plan = edit(experiment)
    with pytest.raises(CodeChangeError) as told:
        code_changes.settled(plan, "")
    assert str(told.value) == (
        f"build in my_model.py changed since {before.training.directory} was made, and nothing else; it took 2 h 0 min."
        " Say --on-code-change rerun to make it again, or --on-code-change adopt if the change changes nothing: the "
        f"old code then stands for the new in {plan.root / 'code-aliases.json'}"
    )
    assert code_changes.settled(plan, "rerun") is plan


def test_adopting_lets_the_old_code_stand_for_the_new_and_for_newer(experiment: Path) -> None:
    before = plan_of(experiment)
    train(before, 4000)
    first = edit(experiment)
    assert first.training.directory != before.training.directory
    adopted = code_changes.settled(first, "adopt")
    assert adopted.training.epoch(1).identity == before.training.epoch(1).identity
    assert json.loads((first.root / code_aliases.NAME).read_text()) == {first.training.code: before.training.code}
    assert plan_of(experiment).training.directory == before.training.directory
    assert code_changes.find(plan_of(experiment)) is None
    second = edit(experiment, "units + 1", "units + 2")
    assert code_changes.settled(second, "adopt").training.directory == before.training.directory
    assert len(code_aliases.read(first.root)) == 2
    assert plan_of(experiment, seed=9).training.code == before.training.code


def test_unknown_cost_counts_as_dear(experiment: Path) -> None:
    train(plan_of(experiment), None)
    with pytest.raises(CodeChangeError, match="it took an unknown time"):
        code_changes.settled(edit(experiment), "")


def test_a_log_of_the_training_tells_the_cost_where_that_of_the_run_is_gone(experiment: Path) -> None:
    before = plan_of(experiment)
    train(before, None)
    log = before.training.directory / "live/events.jsonl"
    log.parent.mkdir()
    lines = [
        {"time": "2026-01-31T12:00:00+00:00", "kind": "began", "number": 1},
        {"time": "2026-01-31T12:00:30+00:00", "kind": "epoch", "epoch": 1},
    ]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    change = code_changes.find(edit(experiment))
    assert change is not None
    assert change.seconds == 30
    assert not change.is_dear


def test_nothing_is_asked_when_something_else_changed_too_or_the_new_code_has_begun(experiment: Path) -> None:
    train(plan_of(experiment), 4000)
    plan = edit(experiment)
    assert code_changes.find(plan) is not None
    assert code_changes.find(plan_of(experiment, seed=9)) is None
    assert code_changes.find(plan_of(experiment, settings={"training.batch_size": 8})) is None
    assert code_changes.find(plan_of(experiment, settings={"data.splits.val": 20})) is None
    assert code_changes.find(plan_of(experiment, epochs=9)) is not None
    train(plan, 1)
    assert code_changes.find(plan) is None
    back = edit(experiment, "units + 1", "units")
    assert code_changes.find(back) is None


def test_the_newest_of_several_trainings_is_told_of(experiment: Path) -> None:
    first = plan_of(experiment)
    train(first, 5)
    os.utime(first.training.directory, (1, 1))
    second = edit(experiment)
    train(second, 4000)
    change = code_changes.find(edit(experiment, "units + 1", "units + 2"))
    assert change is not None
    assert change.made == second.training.directory


def test_what_is_not_recorded_of_the_old_code_is_told_by_its_name(experiment: Path) -> None:
    plan = plan_of(experiment)
    make(plan, plan.training.epoch(1), 4000)
    change = code_changes.find(edit(experiment))
    assert change is not None
    assert change.named == "the code of my_model:build"


MEMBERS = """
[calibration.members]
seeds = [4]
runs = ["wide.toml"]
"""


def test_the_code_of_other_runs_that_are_members_is_asked_about_and_adopted_too(experiment: Path) -> None:
    builder = BUILDER.replace("(data, units=6", "(data, units=12")
    (experiment.parent / "wide_model.py").write_text(builder)
    (experiment.parent / "wide.toml").write_text(TOML.replace('"tiny"', '"wide"').replace("my_model", "wide_model"))
    experiment.write_text(TOML + MEMBERS)
    before = plan_of(experiment)
    runs = [before, *(other.plan for other in before.others)]
    for run, seconds in zip(runs, (5, 4000, 7200), strict=True):
        train(run, seconds)
    (experiment.parent / "wide_model.py").write_text(builder.replace("units=12", "units=13"))
    plan = edit(experiment)
    with pytest.raises(CodeChangeError) as told:
        code_changes.settled(plan, "")
    seed, wide, say = str(told.value).split("\n")
    assert seed.startswith(f"build in my_model.py changed since {runs[1].training.directory} was made")
    assert wide.startswith(f"build in wide_model.py changed since {runs[2].training.directory} was made")
    assert wide.endswith("; it took 2 h 0 min")
    assert say.startswith("Say --on-code-change rerun to make them again, or --on-code-change adopt")
    assert [change.seconds for change in code_changes.everywhere(plan)] == [5, 4000, 7200]
    adopted = code_changes.settled(plan, "adopt")
    assert [adopted.training.directory, *(other.plan.training.directory for other in adopted.others)] == [
        run.training.directory for run in runs
    ]
    assert code_changes.everywhere(plan_of(experiment)) == []


def test_what_was_decided_about_code_is_handed_on_to_other_runs_that_are_members(experiment: Path) -> None:
    (experiment.parent / "wide.toml").write_text(TOML.replace('"tiny"', '"wide"').replace("epochs = 3", "epochs = 1"))
    experiment.write_text(TOML + MEMBERS)
    for run in plan_of(experiment).others:
        train(run.plan, 4000)
    edit(experiment)
    members = Members(experiment=str(experiment), store=str(experiment.parent / "runs"), on_code_change="rerun")
    assert [task.on_code_change for task in members.requires()] == ["rerun", "rerun", "rerun"]


def test_a_loader_costs_what_was_converted_and_trained_with_it(tmp_path: Path) -> None:
    file = write_experiment(tmp_path / "here", toml=LOADED, builder=BUILDER)
    loader = file.parent / "my_loader.py"
    loader.write_text(LOADER)
    plan = plan_of(file)
    make(plan, plan.conversion.samples, 200)
    make(plan, plan.conversion.parts[0], 150)
    make(plan, plan.conversion.whole, 150)
    plan.record_origins()
    loader.write_text(LOADER.replace("return path", "return path + 1"))
    change = code_changes.find(plan_of(file))
    assert change is not None
    assert (change.seconds, change.made) == (500, plan.conversion.directory)
    assert change.named == "helped in my_loader.py"
    train(plan, 101)
    both = edit(file)
    change = code_changes.find(both)
    assert change is not None
    assert (change.seconds, change.made) == (601, plan.training.directory)
    assert change.named == "helped in my_loader.py and build in my_model.py"
    adopted = code_changes.settled(both, "adopt")
    assert adopted.training.epoch(1).identity == plan.training.epoch(1).identity


@pytest.mark.parametrize("text", ["[]", '{"a": "b"}', f'{{"{NOTHING}": 1}}', "{"])
def test_aliases_that_are_none_are_told(text: str, experiment: Path) -> None:
    path = experiment.parent / "runs/tiny" / code_aliases.NAME
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"code-aliases\.json"):
        plan_of(experiment)
