"""The mean of the weights of several epochs: from the files, in a run's predictions, report, and loaded model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deeptrain
import pipelines
from deeptrain import alive, lineage, predictor
from deeptrain.drawing import wording
from deeptrain.errors import ArtifactError, Interrupted, SettingsError, TrainingError
from deeptrain.shards import reading
from deeptrain.training import Trainer, averaged, averaging, predictions
from deeptrain.training.journal import Journal
from deeptrain.training.progress import Progress
from tests.conftest import EVEN, one_by_one, tree, write_experiment

EPOCHS = 6
AVERAGING = EVEN.replace("epochs = 3", f"epochs = {EPOCHS}") + '\n[predictions]\nepoch = "last"\naverage = 3\n'


def trained(file: Path, **given: Any) -> Any:
    trainer = Trainer.from_experiment(file, store=file.parent / "runs", **given)
    trainer.train()
    trainer.close()
    return lineage.read(file, store=file.parent / "runs", **given)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A training of which every state is kept."""
    file = write_experiment(tmp_path_factory.mktemp("kept"), toml=EVEN.replace("epochs = 3", f"epochs = {EPOCHS}"))
    return trained(file, settings={"training.keep_every": 1})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment's file of a finished run that predicts with the mean of the last three."""
    file = write_experiment(tmp_path_factory.mktemp("finished"), toml=AVERAGING)
    task = pipelines.TrainModel(experiment=str(file), store=str(file.parent / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return file


def expected_mean(run: Any, epochs: list[int]) -> dict[str, np.ndarray]:
    states = [Journal(run).variables(number) for number in epochs]
    found = dict(states[-1])
    for name in found:
        if name.startswith("model/") and found[name].dtype.kind == "f":
            total = np.float64(0)
            for state in states:
                total = total + state[name].astype(np.float64)
            found[name] = (total / len(states)).astype(np.float32)
    return found


@pytest.mark.parametrize("epochs", [[2, 3], [1, 3, 6], [5, 6, 4], [2]])
def test_weights_and_statistics_are_averaged_and_all_else_is_of_the_last(kept: Any, epochs: list[int]) -> None:
    found = averaging.average(kept.training, epochs=epochs)
    expected = expected_mean(kept.training, epochs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert found[name].dtype == value.dtype
    assert any("moving_variance" in name for name in found)
    assert {name.partition("/")[0] for name in found} == {"model", "optimizer", "seeds"}


def test_the_last_and_the_best_are_found(kept: Any) -> None:
    values = [results.key_value for results in kept.training.results(EPOCHS)]
    ranked = sorted(range(1, EPOCHS + 1), key=lambda number: values[number - 1])
    best = averaging.average(kept.training, best=3)
    last = averaging.average(kept.training, last=2)
    for found, epochs in ((best, [*sorted(ranked[1:3]), ranked[0]]), (last, [EPOCHS - 1, EPOCHS])):
        for name, value in expected_mean(kept.training, epochs).items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_trainer_goes_on_from_averaged_weights(kept: Any) -> None:
    trainer = Trainer.open(kept.experiment.file, EPOCHS, store=kept.root.parent)
    trainer.learner.restore(averaging.average(kept.training, last=3))
    assert np.isfinite(trainer.validate()["loss"])
    trainer.epochs = EPOCHS + 1
    trainer.train()
    trainer.close()


@given(
    st.lists(st.one_of(st.just(float("nan")), st.integers(0, 5).map(float)), min_size=1, max_size=12),
    st.integers(1, 12),
    st.booleans(),
)
def test_the_best_are_those_that_training_would_have_called_so(values: list[float], count: int, maximize: bool) -> None:
    sign = 1 if maximize else -1
    recorded = None
    for number, value in enumerate(values, 1):
        if not np.isnan(value) and (recorded is None or sign * value > sign * values[recorded - 1]):
            recorded = number
    found = averaged.best(values, recorded, count)
    real = [number for number, value in enumerate(values, 1) if not np.isnan(value)]
    assert len(found) == min(count, len(real)) == len(set(found))
    if found:
        assert found[-1] == recorded
        assert list(found[:-1]) == sorted(found[:-1])
        worst = min(sign * values[number - 1] for number in found)
        assert all(sign * values[number - 1] <= worst for number in set(real) - set(found))


def test_means_are_exact_in_float64_and_rounded_once() -> None:
    states = {1: {"w": np.float32([1e8, 1]), "n": np.int64([3])}, 2: {"w": np.float32([1, 2]), "n": np.int64([8])}}
    states[3] = {"w": np.float32([-1e8, 4]), "n": np.int64([5])}
    found = averaging.mean([1, 2, 3], states.__getitem__)
    np.testing.assert_array_equal(found["w"], np.float32([1 / 3, 7 / 3]))
    np.testing.assert_array_equal(found["n"], [5])
    assert states[3]["w"].tolist() == [-1e8, 4]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w": np.zeros(3)}, r"average: w is \[2\] in epoch 1 and \[3\] in epoch 2; only epochs with the same weights"),
        ({"w": np.zeros(2), "v": np.zeros(())}, "average: v is not there in epoch 1 and"),
        ({}, r"average: w is \[2\] in epoch 1 and not there in epoch 2"),
    ],
)
def test_other_weights_are_refused(other: dict[str, np.ndarray], message: str) -> None:
    states = {1: {"w": np.zeros(2)}, 2: other}
    with pytest.raises(TrainingError, match=message):
        averaging.mean([1, 2], states.__getitem__)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "average: expected one of epochs, last and best"),
        ({"last": 1, "best": 1}, "expected one of"),
        ({"last": 7}, "average: last: expected from 1 to the 6 epochs that are done, got 7"),
        ({"best": 0}, "average: best: expected from 1 to the 6"),
        ({"epochs": []}, r"average: expected epochs, each once, got \[\]"),
        ({"epochs": [2, 2]}, r"each once, got \[2, 2\]"),
    ],
)
def test_what_is_no_choice_is_refused(asked: Any, message: str, kept: Any) -> None:
    with pytest.raises(SettingsError, match=message):
        averaging.average(kept.training, **asked)


def test_a_state_that_was_not_kept_or_is_damaged_is_named(kept: Any, tmp_path: Path) -> None:
    shutil.copytree(kept.root.parent, tmp_path / "runs")
    run = lineage.read(kept.experiment.file, store=tmp_path / "runs").training
    with pytest.raises(ArtifactError, match="expected an epoch from 1 to 6, which are done, got 7"):
        averaging.average(run, epochs=[6, 7])
    state = run.state(2).directory / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[-1] ^= 1
    state.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"states/0002/state\.safetensors: altered"):
        averaging.average(run, last=5)
    shutil.rmtree(state.parent)
    told = r"the state of epoch 2 was not kept; those of 1, 3, 4, 5, 6 are on disk, and training\.keep_every keeps more"
    with pytest.raises(ArtifactError, match=told):
        averaging.average(run, last=5)


def test_a_run_predicts_reports_and_loads_with_the_mean(finished: Path) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    assert plan.predicting_epochs() == (4, 5, 6)
    told = predictions.index(plan.artifact("predictions"))
    assert (told["epoch"], told["averaged"]) == (6, [4, 5, 6])
    loaded = deeptrain.load(plan.root, "last", experiment=finished)
    assert (loaded.epoch, loaded.averaged) == (6, (4, 5, 6))
    split = reading.open(plan.conversion.directory).split("test")
    x = split.take(np.arange(len(split)))
    expected = predictions.read(plan.artifact("predictions"), "test")
    np.testing.assert_array_equal(loaded.probabilities(x), expected.values)
    assert loaded.threshold == plan.artifact("threshold").json("threshold.json")["value"]
    mean = expected_mean(plan.training, [4, 5, 6])
    weights = [value for name, value in mean.items() if name.startswith("model/")]
    for variable, value in zip(loaded.model.weights, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), value)
    alone = deeptrain.load(plan.root, "last", experiment=finished, average=1)
    assert alone.averaged == (6,)
    assert alone.threshold_source == "0.5, since the chosen threshold is for the mean of epochs 4, 5 and 6"
    assert np.abs(alone.probabilities(x) - expected.values).max() > 0
    two = deeptrain.load(plan.root, 6, experiment=finished, average=2)
    assert two.averaged == (5, 6)
    report = plan.artifact("report")
    assert report.json("report.json")["averaged"] == [4, 5, 6]
    page = report.verified("index.html").decode()
    assert "The model has the mean weights of the epochs 4, 5 and 6 of 6." in page


def test_averaged_states_stay_and_stopping_changes_nothing(
    finished: Path, make_experiment: Callable[..., Path]
) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    best = plan.training.best(EPOCHS)
    assert {int(path.name) for path in plan.training.directory.glob("states/*")} == {best, 4, 5, 6}

    file = make_experiment(toml=AVERAGING)
    trainer: Trainer

    def watch(progress: Progress) -> None:
        if progress.phase == "fit" and progress.epoch in {2, 5} and progress.iteration == 3:
            trainer.interrupt()

    stops = 0
    while True:
        trainer = Trainer.from_experiment(file, store=file.parent / "runs", watch=watch)
        one_by_one(trainer)
        try:
            trainer.train()
        except Interrupted:
            stops += 1
        else:
            break
        finally:
            trainer.close()
    assert stops == 2
    training = plan.training.directory.relative_to(finished.parent)
    assert tree(file.parent / training) == tree(finished.parent / training)


@pytest.mark.parametrize(("epoch", "count"), [("best", 3), (4, 3)])
def test_states_that_were_let_go_are_rebuilt_for_an_average_that_is_asked_for_later(
    epoch: str | int, count: int, make_experiment: Callable[..., Path]
) -> None:
    experiment = make_experiment(toml=EVEN)
    before = trained(experiment, epochs=EPOCHS)
    settings = {"predictions.epoch": epoch, "predictions.average": count}
    plan = lineage.read(experiment, store=experiment.parent / "runs", epochs=EPOCHS, settings=settings)
    assert plan.training.directory == before.training.directory
    assert plan.stages["predictions"].identity != before.stages["predictions"].identity
    chosen = plan.predicting_epochs()
    found = alive.predicting_variables(plan)
    assert len(chosen) == count
    alive.rebuild_lacking(plan)
    assert plan.trained()
    assert {int(path.name) for path in plan.training.directory.glob("states/*")} >= set(chosen)
    for name, value in expected_mean(plan.training, list(chosen)).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    loaded = predictor.open(plan.root, epoch, experiment, count)
    assert loaded.averaged == chosen


def test_phases_with_other_optimizers_predict_and_are_averaged(make_experiment: Callable[..., Path]) -> None:
    phase = '[[training.phases]]\nepoch = 3\noptimizer = { use = "sgd", arguments = { learning_rate = 0.01 } }\n'
    chosen = '[predictions]\nepoch = "last"\naverage = 2\n'
    file = make_experiment(toml=EVEN.replace("[calibration]", f"{phase}\n{chosen}\n[calibration]"))
    task = pipelines.TrainModel(experiment=str(file), store=str(file.parent / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    plan = lineage.read(file, store=file.parent / "runs")
    assert predictions.index(plan.artifact("predictions"))["averaged"] == [2, 3]
    variables = averaging.average(plan.training, epochs=[2, 3])
    assert any(name.startswith("optimizer/0000/sgd") for name in variables)


def test_not_averaging_changes_no_identity(experiment: Path) -> None:
    plain = lineage.read(experiment, store=experiment.parent / "runs")
    said = lineage.read(experiment, store=experiment.parent / "runs", settings={"predictions.average": 1})
    assert {name: made.identity for name, made in plain.stages.items()} == {
        name: made.identity for name, made in said.stages.items()
    }
    assert json.loads(json.dumps(plain.stages["predictions"].settings)) == {"epoch": "best", "of": 3}
    assert plain.stages["report"].settings["asked"]["predictions"] == {"epoch": "best"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"predictions.average": 4}, "predictions.average: expected at most the 3 epochs up to the one that predicts"),
        ({"predictions.average": 3, "predictions.epoch": 2}, "expected at most the 2 epochs"),
        ({"predictions.average": 0}, "predictions.average: expected"),
    ],
)
def test_more_epochs_than_there_are_cannot_be_averaged(settings: Any, message: str, experiment: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        lineage.read(experiment, settings=settings)


@pytest.mark.parametrize("average", [0, 7, True, "two"])
def test_loading_an_average_of_epochs_that_are_not_there_is_refused(average: Any, finished: Path) -> None:
    with pytest.raises(ArtifactError, match=r"average must be a number of epochs from 1 to 6, got"):
        deeptrain.load(finished.parent / "runs" / "tiny", experiment=finished, average=average)


def test_epochs_are_listed_as_in_a_sentence() -> None:
    assert [wording.listed(one) for one in ((3,), (3, 4), (3, 4, 5))] == ["3", "3 and 4", "3, 4 and 5"]
