"""An ensemble of epochs, of another seed and of another run, from raw files to the score on the test split."""

from pathlib import Path

import luigi
import numpy as np
import pytest

from deeptrain import ensemble, lineage, session, summary
from deeptrain.errors import AlteredError, ArtifactError, DataError, SettingsError
from deeptrain.lineage import Lineage
from deeptrain.metrics import names
from deeptrain.training import predictions
from tasks import Evaluate, Members, Predictions
from tests.conftest import TOML, write_experiment

WIDE = (
    TOML.replace('"tiny"', '"wide"')
    .replace('builder = "my_model:build"', 'builder = { use = "my_model:build", arguments = { units = 12 } }')
    .replace("epochs = 3", "epochs = 1")
)
MEMBERS = """
[calibration.members]
epochs = [1, 3]
runs = ["wide.toml"]
"""


def build(task: luigi.Task) -> None:
    assert luigi.build([task], local_scheduler=True, log_level="CRITICAL")


def planned(directory: Path, toml: str = TOML + MEMBERS, **others: str) -> Lineage:
    """The plan of the tiny experiment changed, with others beside it."""
    file = write_experiment(directory, toml)
    for name, text in others.items():
        (directory / f"{name}.toml").write_text(text)
    return lineage.read(file, store=directory / "runs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """A run that was finished before members were asked for, and its ensemble."""
    directory = tmp_path_factory.mktemp("members") / "here"
    plain = planned(directory, TOML)
    file, store = str(plain.experiment.file), str(directory / "runs")
    build(Predictions(experiment=file, store=store))
    assert not plain.training.state(1).directory.exists()
    lineage_with_members = planned(directory, wide=WIDE)
    # A name of its own: a process reads the plan of a file once.
    file = str(lineage_with_members.experiment.file.rename(directory / "members.toml"))
    build(Evaluate(experiment=file, store=store))
    return lineage.read(file, store=store)


def test_every_member_is_named_and_weighed(made: Lineage) -> None:
    told = made.artifact("members").json("members.json")
    assert [one["name"] for one in told["members"]] == ["epoch 1", "epoch 3", "wide"]
    assert sum(one["weight"] for one in told["members"]) == pytest.approx(1)
    assert told["metric"] == "log_loss"
    assert told["split"] == "calibration"
    assert 0 < told["threshold"]["value"] < 1


def test_a_member_predicts_what_its_own_run_predicts(made: Lineage) -> None:
    of_epochs = made.artifact("epoch_predictions")
    assert predictions.directories(of_epochs) == {1: "0001/", 3: "0003/"}
    last = lineage.read(made.experiment.file, store=made.root.parent, settings={"predictions.epoch": 3})
    build(
        Predictions(
            experiment=str(made.experiment.file), store=str(made.root.parent), settings={"predictions.epoch": 3}
        )
    )
    alone = predictions.read(last.artifact("predictions"), "test")
    as_member = predictions.read(of_epochs, "test", within="0003/")
    np.testing.assert_array_equal(alone.outputs, as_member.outputs)
    first = predictions.read(of_epochs, "test", within="0001/")
    assert (first.outputs != as_member.outputs).any()


def test_the_state_of_a_member_is_trained_again_and_stays(made: Lineage) -> None:
    assert made.training.state(1).directory.exists()
    assert 1 in made.training.kept(0)


def test_the_ensemble_is_scored_on_the_test_split(made: Lineage) -> None:
    told = made.artifact("evaluation").json("evaluation.json")
    labels = predictions.read(made.artifact("predictions"), "test").labels
    combined = ensemble.predicted(made, "test")
    assert told["members"]["value"] == names.get("log_loss")(labels, combined)
    assert set(told["members"]["alone"]) == {"epoch 1", "epoch 3", "wide"}
    (at,) = [one for one in told["at"] if one["name"] == "members"]
    assert at["threshold"] == ensemble.threshold_of(made)
    assert at["tp"] == np.count_nonzero(combined[labels == 1] > at["threshold"])


def test_what_is_complete_is_not_done_again_and_what_is_altered_is(made: Lineage) -> None:
    assert made.complete("members")
    assert {"members", "epoch_predictions"} <= made.stages["report"].inputs.keys()
    told = {one.stage: one for one in summary.of(made).lineage}
    assert told["members"].inputs == (told["epoch_predictions"].artifact,)
    (other,) = made.others
    (path,) = other.plan.root.glob("predictions-*/test.labels.npy")
    path.write_bytes(path.read_bytes()[::-1])
    again = lineage.read(made.experiment.file, store=made.root.parent)
    with pytest.raises(AlteredError) as found:
        ensemble.predicted(again, "test")
    again.set_aside(found.value)
    assert not again.complete("members")
    assert list(other.plan.root.glob("quarantine/predictions-*"))


def test_another_member_makes_another_ensemble_and_nothing_else(tmp_path: Path) -> None:
    plain = planned(tmp_path / "a", TOML)
    other = planned(tmp_path / "b", TOML + "\n[calibration.members]\nbest = 2\n")
    assert "members" not in plain.stages
    assert plain.left_out["members"] == "there is no table [calibration.members]"
    for stage in ("samples", "shards", "predictions", "threshold", "subset"):
        assert plain.stages[stage].identity == other.stages[stage].identity
    assert plain.training.epoch(3).identity == other.training.epoch(3).identity
    again = planned(tmp_path / "c", TOML + '\n[calibration.members]\nbest = 2\nmethod = "exact"\nrounds = 9\n')
    few = planned(tmp_path / "d", TOML + '\n[calibration.members]\nbest = 2\nmethod = "exact"\n')
    assert again.stages["members"].identity == few.stages["members"].identity
    assert again.stages["members"].identity != other.stages["members"].identity
    asked = {"calibration.resamples": 9}  # of the threshold that the ensemble has for itself
    third = lineage.read(few.experiment.file, store=tmp_path / "d" / "runs", settings=asked)
    assert third.stages["members"].identity != few.stages["members"].identity


def test_the_order_in_which_other_runs_are_named_decides_nothing(tmp_path: Path) -> None:
    one, other = (
        planned(
            tmp_path / name,
            TOML + f"\n[calibration.members]\nseeds = {seeds}\nruns = {runs}\n",
            wide=WIDE,
            deep=WIDE.replace('"wide"', '"deep"').replace("12", "13"),
        )
        for name, seeds, runs in (
            ("one", "[8, 9]", '["deep.toml", "wide.toml"]'),
            ("other", "[9, 8]", '["wide.toml", "deep.toml"]'),
        )
    )
    assert one.stages["members"].identity == other.stages["members"].identity
    named = [[run.name for run in plan.others] for plan in (one, other)]
    assert named == 2 * [["seed 8", "seed 9", "deep", "wide"]]


def test_other_seeds_are_the_same_experiment_without_members(tmp_path: Path) -> None:
    plan = planned(tmp_path, TOML + "\n[calibration.members]\nseeds = [8, 9]\n")
    asked = {"calibration.members.method": "exact", "training.batch_size": 8}
    task = Members(experiment=str(plan.experiment.file), store=str(tmp_path / "runs"), epochs=2, settings=asked)
    own, *others = task.requires()
    assert own.plan.stages["predictions"].identity == task.plan.stages["predictions"].identity
    assert [one.name for one in task.plan.others] == ["seed 8", "seed 9"]
    for required, one in zip(others, task.plan.others, strict=True):
        assert required.plan.experiment.experiment.seed == one.seed
        assert required.plan.epochs == 2
        assert required.plan.stages["predictions"].identity == one.plan.stages["predictions"].identity
        assert "members" not in required.plan.stages


def test_two_runs_may_name_each_other(tmp_path: Path) -> None:
    wide = WIDE + '\n[calibration.members]\nruns = ["tiny.toml"]\n'
    plan = planned(tmp_path, TOML + '\n[calibration.members]\nruns = ["wide.toml"]\n', wide=wide)
    (other,) = plan.others
    assert other.plan.others == ()
    assert other.plan.left_out["members"] == "this run is a member itself"
    there = lineage.read(tmp_path / "wide.toml", store=tmp_path / "runs")
    assert there.stages["predictions"].identity == other.plan.stages["predictions"].identity


VALUES = (
    WIDE.replace("positive = 1", 'kind = "values"')
    .replace('["f1_score", "accuracy"]', "[]")
    .replace("subset_size = 2", "")
)
REFUSED = {
    '["tiny.toml"]': "calibration.members.runs: tiny.toml: is this run itself, which takes part anyway; leave it out",
    '["wide.toml", "again.toml"]': "calibration.members.runs: again.toml: is the same run as wide; name it once",
    '["named.toml"]': "named.toml: is called tiny as another member is; give it an experiment.name of its own",
    '["values.toml"]': "values.toml: its labels are values, those of this experiment binary",
    '["untested.toml"]': "untested.toml: has no test split, this experiment has one",
    '["gone.toml"]': "gone.toml: cannot be read: No such file or directory",
}


@pytest.mark.parametrize(("runs", "message"), REFUSED.items())
def test_a_run_that_can_be_no_member_is_told_when_it_is_planned(tmp_path: Path, runs: str, message: str) -> None:
    others = {
        "wide": WIDE,
        "again": WIDE,
        "named": WIDE.replace('"wide"', '"tiny"'),
        "values": VALUES,
        "untested": WIDE.replace("test = 52", "").replace("calibration = 48, ", "calibration = 48"),
    }
    with pytest.raises(SettingsError, match=message):
        planned(tmp_path, TOML + f"\n[calibration.members]\nruns = {runs}\n", **others)


def test_a_run_of_other_samples_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    other = WIDE.replace("samples_per_set = 8", "samples_per_set = 8\nseed = 9")
    plan = planned(tmp_path, TOML + '\n[calibration.members]\nruns = ["wide.toml"]\n', wide=other)
    message = r"member 'wide' must have the same samples in its calibration split: its labels differ in \d+ of 48"
    with pytest.raises(DataError, match=message):
        session.trainer(plan, writing=True)
    assert not plan.training.directory.joinpath("epochs").exists()


def test_an_epoch_that_was_never_reached_is_told(tmp_path: Path) -> None:
    toml = TOML.replace(
        "epochs = 3",
        'epochs = 6\ncallbacks = [{ use = "early_stopping", arguments = { patience = 1, min_delta = 9 } }]',
    )
    plan = planned(tmp_path, toml + "\n[calibration.members]\nepochs = [1, 5]\n")
    session.trainer(plan, writing=True).train()
    with pytest.raises(ArtifactError, match="epochs: there is no epoch 5: training stopped after epoch 2: "):
        plan.member_epochs()
    assert plan.training.member_epochs(2) == (1,)


def test_the_best_epochs_are_fewer_while_there_are_fewer_and_their_states_stay(tmp_path: Path) -> None:
    plan = planned(tmp_path, TOML + "\n[calibration.members]\nbest = 2\n")
    trainer = session.trainer(plan, writing=True)
    trainer.train(1)
    assert plan.training.member_epochs(1) == (1,)
    trainer.train(3)
    trainer.close()
    assert plan.member_epochs() == plan.training.member_epochs(3)
    assert len(plan.member_epochs()) == 2
    assert {plan.training.state(number).directory.exists() for number in plan.member_epochs()} == {True}
