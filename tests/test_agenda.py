"""What a run would do: exactly what is incomplete, and why."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deeptrain import agenda, files, lineage
from deeptrain.agenda import Agenda
from deeptrain.errors import SettingsError
from deeptrain.store import artifact
from deeptrain.store import manifest as manifests
from tests.conftest import BUILDER, TOML, write_experiment
from tests.published_runs import publish_epoch, seen

AFTER_TRAINING = ["predictions", "threshold", "subset", "evaluation", "report"]
ALL = ["samples", "parts 1", "shards", "epochs 1-3", *AFTER_TRAINING]


def planned(here: Path, **changes: Any) -> Agenda:
    return agenda.of(here / "tiny.toml", store=here / "runs", **changes)


def named(found: Agenda, state: str) -> list[str]:
    steps = [step for step in found.steps if step.state == state]
    return [
        step.stage
        if step.first is None
        else f"{step.stage} {step.first}{'' if step.first == step.last else f'-{step.last}'}"
        for step in steps
    ]


def why(found: Agenda, stage: str) -> str:
    return next(step.why for step in found.steps if step.stage == stage and step.state != "there")


def epoch(here: Path, number: int) -> Path:
    return next(here.glob(f"runs/tiny/training-*/epochs/{number:04d}"))


def test_of_a_finished_run_nothing_would_run(here: Path) -> None:
    found = planned(here)
    assert found.complete
    assert (found.trained, found.epochs) == (3, 3)
    assert named(found, "there") == ALL


def test_of_a_fresh_experiment_everything_would_run_in_the_order_of_its_inputs(here: Path) -> None:
    shutil.rmtree(here / "runs")
    found = planned(here)
    assert named(found, "run") == ALL
    assert {step.why for step in found.steps} == {"not there yet"}
    assert not (here / "runs").exists()


def test_looking_writes_nothing_anywhere_also_when_raw_files_must_be_read(here: Path) -> None:
    (here / "runs/tiny/live/fingerprints.json").unlink(missing_ok=True)
    before = seen(here)
    planned(here)
    planned(here, settings={"training.batch_size": 8})
    assert seen(here) == before


def test_a_setting_of_training_makes_training_and_what_follows_and_is_named(here: Path) -> None:
    found = planned(here, settings={"training.batch_size": 8, "experiment.seed": 4})
    assert named(found, "run") == ["epochs 1-3", *AFTER_TRAINING]
    assert why(found, "epochs") == "experiment.seed is 4, was 3; training.batch_size is 8, was 16"
    assert why(found, "predictions") == "made from other training"
    assert why(found, "evaluation") == "made from other predictions, threshold, subset"
    step = next(step for step in found.steps if step.stage == "epochs")
    assert step.changes[1].plain() == {"kind": "setting", "name": "training.batch_size", "before": 16, "now": 8}
    assert planned(here).complete


def test_a_plan_up_to_another_task_has_what_that_needs_and_no_more(here: Path) -> None:
    asked = {"epochs": 4, "settings": {"training.batch_size": 8}}
    assert named(planned(here, **asked, until=["shards"]), "there") == ["samples", "parts 1", "shards"]
    assert named(planned(here, **asked, until=["shards"]), "run") == []
    assert named(planned(here, **asked, until=["epochs"]), "run") == ["epochs 1-4"]
    chosen = planned(here, **asked, until=["predictions", "threshold", "subset", "members"])
    assert named(chosen, "run") == ["epochs 1-4", "predictions", "threshold", "subset"]
    assert named(planned(here, until=["evaluation"]), "there") == ALL[:-1]
    with pytest.raises(SettingsError, match=r"tiny\.toml: members does not apply: there is no table \[calibration"):
        planned(here, until=["members"])


def test_more_epochs_are_only_the_new_ones(here: Path) -> None:
    found = planned(here, epochs=5)
    assert named(found, "run") == ["epochs 4-5", *AFTER_TRAINING]
    assert why(found, "epochs") == "3 of 5 are trained"
    assert why(found, "predictions") == "of 5 epochs, was of 3"


def test_a_setting_of_calibration_makes_calibration_and_report_only(here: Path) -> None:
    found = planned(here, settings={"calibration.subset_size": 1})
    assert named(found, "run") == ["subset", "evaluation", "report"]
    assert why(found, "subset") == "subset_size is 1, was 2"


def test_a_touched_raw_file_changes_nothing_and_another_byte_all_that_follows(here: Path) -> None:
    raw = here / "raw/part-1.csv"
    raw.touch()
    assert planned(here).complete
    data = raw.read_bytes()
    raw.write_bytes(data.replace(b"1", b"2", 1))
    found = planned(here)
    assert named(found, "run") == ALL
    assert why(found, "samples") == "raw files changed"
    assert why(found, "epochs") == "made from other shards"
    raw.write_bytes(data)
    assert planned(here).complete


def test_raw_files_that_changed_were_added_or_removed_are_named(here: Path) -> None:
    lineage.read(here / "tiny.toml", store=here / "runs").record_origins()
    first, second = here / "raw/part-1.csv", here / "raw/part-2.csv"
    first.write_bytes(first.read_bytes().replace(b"1", b"2", 1))
    assert why(planned(here), "samples") == "part-1.csv changed"
    second.rename(here / "raw/part-3.csv")
    found = planned(here)
    assert why(found, "samples") == "part-1.csv changed, part-2.csv removed, part-3.csv added"
    (step,) = (step for step in found.steps if step.stage == "samples")
    told = {change.name: (change.kind, change.before is None, change.now is None) for change in step.changes}
    assert told == {
        "part-1.csv": ("raw", False, False),
        "part-2.csv": ("raw", False, True),
        "part-3.csv": ("raw", True, False),
    }
    for number in range(4, 9):
        (here / f"raw/part-{number}.csv").write_bytes(first.read_bytes())
    assert why(planned(here), "samples").endswith("part-3.csv added, and 5 more")
    (record,) = here.glob("runs/tiny/live/raw/*.json")
    record.write_text("[]")
    assert why(planned(here), "samples") == "raw files changed"


def test_a_comment_changes_nothing_and_a_statement_training_whose_code_is_named(here: Path) -> None:
    file = here / "my_model.py"
    file.write_text(f"# a comment\n{BUILDER}")
    assert planned(here).complete
    file.write_text(BUILDER.replace("rate=0.25", "rate=0.5"))
    found = planned(here)
    assert named(found, "run") == ["epochs 1-3", *AFTER_TRAINING]
    assert why(found, "epochs") == "code changed: my_model:build, or what it calls"


def test_what_is_deleted_below_complete_artifacts_runs_and_they_may_stay(here: Path) -> None:
    shutil.rmtree(next(here.glob("runs/tiny/samples-*")))
    found = planned(here)
    assert named(found, "run") == ["samples"]
    assert named(found, "maybe") == ALL[1:]
    assert not found.complete


def test_a_deleted_epoch_runs_and_those_behind_it_may_stay(here: Path) -> None:
    shutil.rmtree(epoch(here, 2))
    found = planned(here)
    assert named(found, "there") == ["samples", "parts 1", "shards", "epochs 1"]
    assert named(found, "run") == ["epochs 2"]
    assert named(found, "maybe") == ["epochs 3", *AFTER_TRAINING]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.write_bytes(b""), "metrics.json: expected "),
        (lambda file: file.unlink(), "metrics.json: missing"),
        (lambda file: file.with_name("manifest.json").write_text("{"), "manifest.json: no valid JSON"),
        (lambda file: file.with_name("manifest.json").write_text('{"format": 9}'), "written by another version"),
        (lambda file: file.write_bytes(file.read_bytes()[::-1]), "metrics.json: altered: its sha256 is "),
    ],
)
def test_damage_is_named_with_its_file(here: Path, damage: Any, reason: str) -> None:
    damage(epoch(here, 3) / "metrics.json")
    before = seen(here)
    found = planned(here, epochs=3 if "altered" not in reason else 4)
    assert next(step.first for step in found.steps if step.stage == "epochs" and step.state == "run") == 3
    assert why(found, "epochs").startswith(next(iter(here.glob("runs/tiny/training-*"))).name)
    assert reason in why(found, "epochs")
    assert seen(here) == before


def test_an_artifact_of_another_experiment_that_was_copied_in_runs_again(here: Path) -> None:
    others, own = (next(here.glob(f"runs/tiny/{stage}-*")) for stage in ("subset", "threshold"))
    shutil.rmtree(own)
    shutil.copytree(others, own)
    found = planned(here)
    assert named(found, "run") == ["threshold"]
    assert why(found, "threshold") == f"{own.name}: is another artifact with the same name"


def test_what_was_made_from_an_input_that_has_another_content_now_is_stale(here: Path) -> None:
    plan = lineage.read(here / "tiny.toml", store=here / "runs")
    predictions = plan.stages["predictions"]
    links = plan.checker.links(predictions)
    shutil.rmtree(predictions.directory)
    with artifact.writing(predictions, links) as writer:
        writer.write("made", b"otherwise")
    found = planned(here)
    assert named(found, "run") == ["threshold", "subset", "evaluation", "report"]
    assert "its input predictions has another content than it was made from" in why(found, "threshold")


def test_a_state_that_must_be_kept_and_is_gone_is_trained_again(here: Path) -> None:
    shutil.rmtree(next(here.glob("runs/tiny/training-*/states/0003")))
    found = planned(here)
    assert named(found, "run") == ["states 3"]
    assert "trained again from the nearest that is kept" in why(found, "states")


def test_a_checkpoint_in_the_middle_of_an_epoch_is_where_it_goes_on(here: Path) -> None:
    from deeptrain.loading.position import Position

    plan = lineage.read(here / "tiny.toml", store=here / "runs", epochs=4)
    made = plan.training.unfinished(Position(epoch=4, iteration=17))
    with artifact.writing(made, plan.checker.links(made)) as writer:
        writer.write("made", b"")
    assert "goes on in epoch 4, after 17 iterations" in why(planned(here, epochs=4), "epochs")


def test_epochs_that_another_training_has_in_common_are_taken_over(here: Path) -> None:
    phases = [{"epoch": 4, "loss": "binary_crossentropy"}]
    found = planned(here, epochs=5, settings={"training.phases": phases})
    own = next(here.glob("runs/tiny/training-*")).name
    assert why(found, "epochs") == f"is taken over from {own}, with those behind it that fit"


def test_library_versions_are_told_and_never_a_cause(here: Path) -> None:
    path = epoch(here, 3) / "manifest.json"
    value = json.loads(path.read_text())
    value["versions"]["numpy"] = "1.0"
    value["sha256"] = manifests.digest_of({key: told for key, told in value.items() if key != "sha256"})
    path.write_bytes(files.readable_json(value))
    found = planned(here)
    assert found.complete
    assert found.notes[0].startswith("trained with numpy 1.0, now ")


def test_no_code_of_a_strangers_experiment_is_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\n{BUILDER}\ndef load(path):\n    raise AssertionError\n"
    toml = TOML.replace('path = "raw"', 'path = "raw"\nloader = "my_model:load"').replace(
        '["f1_score", "accuracy"]', '["f1_score", { use = "my_model:load" }]'
    )
    file = write_experiment(tmp_path / "strangers", toml=toml, builder=code)
    found = agenda.of(file, store=tmp_path / "runs")
    assert not found.complete
    assert not (tmp_path / "ran").exists()


def test_a_hundred_epochs_are_grouped_and_stages_that_do_not_apply_say_why(here: Path) -> None:
    found = planned(here, epochs=100, settings={"calibration.subset_size": 0})
    assert "epochs 4-100" in named(found, "run")
    assert [(step.stage, step.why) for step in found.steps if step.state == "left out"] == [
        ("subset", "calibration.subset_size is 0")
    ]
    assert json.loads(json.dumps(found.plain()))["epochs"] == {"asked": 100, "trained": 3}


def test_an_unknown_experiment_and_a_misspelt_setting_are_told(here: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.toml: cannot be read: No such file"):
        agenda.of(here / "nothing.toml")
    with pytest.raises(SettingsError, match="batch_size"):
        planned(here, settings={"training.batch_sise": 8})


def test_one_more_epoch_that_is_published_is_there(here: Path) -> None:
    plan = lineage.read(here / "tiny.toml", store=here / "runs", epochs=4)
    publish_epoch(plan, 4)
    found = planned(here, epochs=4)
    assert named(found, "there")[-1] == "epochs 1-4"
    assert named(found, "run") == AFTER_TRAINING
