"""Probabilities from the table in the TOML to the report, the predictor and the export."""

import json
from pathlib import Path

import luigi
import numpy as np
import pytest

import deeptrain
import pipelines
from deeptrain import lineage
from deeptrain.calibration import probabilities, subset, threshold_curve
from deeptrain.errors import SettingsError
from deeptrain.shards import reading
from deeptrain.training import predictions
from pipelines import __main__ as command
from tests.conftest import TOML, WEIGHED, weigh, write_experiment

TABLE = '\n[calibration.probabilities]\nmethods = ["temperature", "platt", "beta"]\n'
ASKED = TOML.replace("epochs = 3", "epochs = 1") + TABLE


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's experiment file, of samples that count differently; its store is `runs` beside it."""
    toml = WEIGHED.replace("epochs = 3", "epochs = 1") + TABLE
    file = write_experiment(tmp_path_factory.mktemp("finished"), toml=toml)
    weigh(file, [1, 2, 0.5])
    task = pipelines.TrainModel(experiment=str(file), store=str(file.parent / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return file


def test_the_map_is_chosen_on_the_calibration_split_and_scored_on_the_test_split(finished: Path) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    made = plan.artifact("predictions")
    scored, tested = (predictions.read(made, split) for split in ("calibration", "test"))
    methods = ["temperature", "platt", "beta"]
    expected = probabilities.choose(scored.labels, scored.values, methods, weights=scored.weights)
    assert plan.artifact("probabilities").json("probabilities.json") == {**expected.plain(), "split": "calibration"}
    assert expected != probabilities.choose(scored.labels, scored.values, methods)
    change = probabilities.score(tested.labels, tested.values, expected.fitted, tested.weights)
    assert plan.artifact("evaluation").json("evaluation.json")["probabilities"] == change.plain()
    told = json.loads((plan.artifact("report").directory / "report.json").read_bytes())
    assert told["probabilities"]["map"] == expected.plain()["map"]
    drawn = told["pictures"]["probabilities"]
    assert drawn["before"]["expected_calibration_error"] == change.before.expected_calibration_error
    assert drawn["after"]["expected_calibration_error"] == change.after.expected_calibration_error
    page = (plan.artifact("report").directory / "index.html").read_text()
    assert "Decisions are by the scores: positive if over the threshold." in page


def test_the_best_sets_are_those_of_the_weighted_samples(finished: Path) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    scored, asked = predictions.read(plan.artifact("predictions"), "calibration"), plan.experiment.calibration
    given = (scored.labels, scored.values, scored.sets, asked.subset_size, asked.metric)
    expected = subset.best(*given, weights=scored.weights)
    assert plan.artifact("subset").json("subset.json") == {**expected.plain(), "split": "calibration"}
    assert expected.all_sets != subset.best(*given).all_sets, "the test needs weights that matter"


def test_calibrate_is_all_that_is_chosen_without_evaluation_and_report(finished: Path) -> None:
    task = pipelines.Calibrate(experiment=str(finished), store=str(finished.parent / "runs"))
    assert [one.stage for one in task.requires()] == ["predictions", "threshold", "subset", "probabilities"]
    assert task.complete()
    found = task.plan.stages["subset"].directory
    aside = found.rename(found.with_name("aside"))
    task.plan.checker.forget()
    assert not task.complete()
    aside.rename(found)
    task.plan.checker.forget()
    assert task.complete()


def test_threshold_and_evaluation_hold_the_curve_of_their_metric(finished: Path) -> None:
    plan = lineage.read(finished, store=finished.parent / "runs")
    chosen = plan.artifact("threshold").json("threshold.json")
    half, at, *_ = plan.artifact("evaluation").json("evaluation.json")["at"]
    for stage, told in (
        ("threshold", {chosen["value"]: chosen["in_sample"], 0.5: chosen["value_at_half"]}),
        ("evaluation", {one["threshold"]: one["metrics"][chosen["metric"]] for one in (half, at)}),
    ):
        made = plan.artifact(stage)
        data, path = made.verified(threshold_curve.FILE), made.directory / threshold_curve.FILE
        curve = threshold_curve.decode(data, path)
        for threshold, value in told.items():
            assert curve.value[np.searchsorted(curve.threshold, threshold, side="right") - 1] == value


def test_only_a_split_that_chose_nothing_is_scored(finished: Path) -> None:
    asked = {"experiment": str(finished), "store": str(finished.parent / "runs")}
    assert pipelines.Evaluate(**asked, split="test").complete()
    used = "chose threshold, subset, probabilities"
    with pytest.raises(
        SettingsError, match=f"^split to score: expected one that chose nothing, got .*: it {used}; score"
    ):
        pipelines.Evaluate(**asked, split="calibration")
    with pytest.raises(SettingsError, match=r"it chose the epoch; score 'test'$"):
        pipelines.Evaluate(**asked, split="val")


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, when it writes and reads its file
def test_predictor_command_and_export_apply_it_and_decide_by_the_scores(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    plan = lineage.read(finished, store=finished.parent / "runs")
    loaded = deeptrain.load(plan.root, experiment=finished)
    assert loaded.probability_map is not None
    split = reading.open(plan.conversion.directory).split("test")
    x = split.take(np.arange(len(split)))
    scored = predictions.read(plan.artifact("predictions"), "test")
    np.testing.assert_array_equal(loaded.scores(x), scored.values)
    np.testing.assert_array_equal(loaded.probabilities(x), loaded.probability_map.apply(scored.values))
    np.testing.assert_array_equal(loaded.predict(x), scored.values > loaded.threshold)

    loaded.export(tmp_path / "export")
    said = keras.models.load_model(tmp_path / "export" / "model.keras").predict(np.asarray(x), verbose=0)
    np.testing.assert_allclose(said["score"][:, 0], scored.values, rtol=0, atol=1e-6)
    again = loaded.probability_map.apply(said["score"][:, 0].astype(np.float64))
    np.testing.assert_allclose(said["probability"][:, 0], again, rtol=0, atol=2.0**-24)
    told = json.loads((tmp_path / "export" / "export.json").read_bytes())
    assert told["probabilities"] == plan.artifact("probabilities").json("probabilities.json")["map"]

    (tmp_path / "new.csv").write_text("a,b,c,d\n0.5,-1,2,0\n")
    asked = ["predict", str(plan.root), str(tmp_path / "new.csv"), "--experiment", str(finished)]
    assert not command.main(asked)
    header, row = capsys.readouterr().out.splitlines()
    assert header == "sample,probability,decision,class,score"
    probability, score = float(row.split(",")[1]), float(row.split(",")[4])
    assert probability == loaded.probability_map.apply(np.array([score]))[0]
    assert int(row.split(",")[2]) == (score > loaded.threshold)


def test_without_the_table_nothing_is_asked_for_and_no_identity_differs(tmp_path: Path) -> None:
    toml = TOML.replace("epochs = 3", "epochs = 1")
    plan = lineage.read(write_experiment(tmp_path, toml=toml), store=tmp_path / "runs")
    assert "probabilities" not in plan.stages
    assert plan.left_out["probabilities"] == "there is no table [calibration.probabilities]"
    assert "probabilities" not in plan.stages["report"].settings["asked"]["calibration"]
    assert plan.stages["report"].settings["left_out"] == {}
    (tmp_path / "tiny.toml").write_text(ASKED)
    asked = lineage.read(tmp_path / "tiny.toml", store=tmp_path / "runs")
    same = {name for name, one in plan.stages.items() if asked.stages[name].identity == one.identity}
    assert same == {"samples", "shards", "predictions", "threshold", "subset"}
    assert set(asked.stages) - set(plan.stages) == {"probabilities"}


def test_values_have_no_probabilities_and_vector_is_for_several_classes(tmp_path: Path) -> None:
    toml = ASKED.replace("positive = 1", 'kind = "values"').replace('metrics = ["f1_score", "accuracy"]', "")
    plan = lineage.read(write_experiment(tmp_path, toml=toml), store=tmp_path / "runs")
    assert plan.left_out["probabilities"] == "probabilities are of two or more classes; these are values"
    (tmp_path / "tiny.toml").write_text(ASKED.replace("platt", "vector"))
    message = r"calibration\.probabilities\.methods: vector is for several classes; of two it is beta calibration: say"
    with pytest.raises(SettingsError, match=message):
        lineage.read(tmp_path / "tiny.toml", store=tmp_path / "runs")
