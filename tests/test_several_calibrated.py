"""Offsets of classes and thresholds of several binary outputs, from the TOML file to the report."""

from pathlib import Path

import luigi
import numpy as np
import pytest

import deeptrain
import pipelines
from deeptrain import lineage
from deeptrain.calibration import class_offsets, label_thresholds
from deeptrain.errors import SettingsError
from deeptrain.lineage import Lineage
from deeptrain.metrics import names
from deeptrain.shards import reading
from deeptrain.training import predictions
from tests.conftest import write_experiment

BUILDER = """
def build(data):
    import keras
    from keras import layers

    inputs = keras.Input(data.shape)
    x = layers.Dense(6, "relu")(inputs)
    ends = {"form": "softmax", "late": "sigmoid", "sick": "sigmoid"}
    outputs = {name: layers.Dense(data.outputs[name], activation=end)(x) for name, end in ends.items()}
    return keras.Model(inputs, outputs)
"""

TOML = """
[experiment]
name = "tiny"
seed = 3

[data]
path = "raw"
samples_per_set = 8
splits = { train = 70, val = 30, calibration = 120, test = 80 }

[data.labels.sick]
column = "sick"
positive = 1

[data.labels.late]
column = "late"
positive = 1

[data.labels.form]
column = "kind"
kind = "classes"

[model]
builder = "my_model:build"

[training]
epochs = 2
batch_size = 16
threads = 1

[calibration]
output = "form"

[calibration.several]
offsets = true
thresholds = true

[report]
dpi = 50
"""


def write(directory: Path) -> Path:
    """300 rows in three tables: what is sick and late is rare, and of three kinds the first is most."""
    file = write_experiment(directory, toml=TOML, builder=BUILDER)
    generator = np.random.Generator(np.random.Philox(5))
    for path in (directory / "raw").iterdir():
        path.unlink()
    for number in range(3):
        numbers = generator.normal(size=(100, 3))
        sick, late = numbers[:, 0] > 0.8, numbers[:, 1] > 0.4
        kind = np.where(numbers[:, 2] > 1, 2, np.where(numbers[:, 2] < -1, 1, 0))
        rows = [
            f"{a:.4f},{b:.4f},{c:.4f},{int(s)},{int(t)},{k}"
            for (a, b, c), s, t, k in zip(numbers.tolist(), sick, late, kind.tolist(), strict=True)
        ]
        lines = "\n".join(["a,b,c,sick,late,kind", *rows])
        (directory / "raw" / f"part-{number + 1}.csv").write_text(f"{lines}\n")
    return file


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    file = write(tmp_path_factory.mktemp("several"))
    task = pipelines.TrainModel(experiment=str(file), store=str(file.parent / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return lineage.read(file, store=file.parent / "runs")


def test_what_was_chosen_is_what_the_functions_choose(planned: Lineage) -> None:
    made = planned.artifact("predictions")
    kind = predictions.read(made, "calibration", "form")
    offsets = planned.artifact("offsets").json("offsets.json")
    assert offsets.pop("split") == "calibration"
    chosen = class_offsets.choose(kind.labels, kind.values, "f1_score_macro", called=("0", "1", "2"))
    assert offsets == chosen.plain()
    labels, scores, called, _ = predictions.binary_columns(made, "calibration")
    thresholds = planned.artifact("thresholds").json("thresholds.json")
    assert thresholds.pop("split") == "calibration"
    assert called == ("late", "sick")
    assert thresholds == label_thresholds.choose(labels, scores, called=called).plain()


def test_both_are_scored_once_on_the_test_split(planned: Lineage) -> None:
    made, told = planned.artifact("predictions"), planned.artifact("evaluation").json("evaluation.json")
    kind = predictions.read(made, "test", "form")
    chosen = planned.artifact("offsets").json("offsets.json")["offsets"]
    macro = names.get("f1_score_macro")
    values = [macro(kind.labels, kind.values), macro(kind.labels, class_offsets.weighed(kind.values, chosen))]
    assert [entry["name"] for entry in told["at"]] == ["largest", "offsets"]
    assert [entry["metrics"]["f1_score_macro"] for entry in told["at"]] == pytest.approx(values)
    assert told["at"][1]["gain"]["value"] == pytest.approx(values[1] - values[0])
    labels, scores, _, _ = predictions.binary_columns(made, "test")
    own = planned.artifact("thresholds").json("thresholds.json")["values"]
    values = [macro(labels, scores, threshold=cut) for cut in (0.5, own)]
    assert [entry["metrics"]["f1_score_macro"] for entry in told["labels"]["at"]] == pytest.approx(values)
    assert set(told["outputs"]) == {"late", "sick"}


def test_the_loaded_model_decides_as_was_scored(planned: Lineage) -> None:
    loaded = deeptrain.load(planned.root, experiment=planned.experiment.file)
    split = reading.open(planned.conversion.directory).split("test")
    said = loaded.probabilities(split.take(np.arange(len(split))))
    decided = loaded.decided(said)
    offsets = planned.artifact("offsets").json("offsets.json")["offsets"]
    np.testing.assert_array_equal(decided["form"], class_offsets.weighed(said["form"], offsets).argmax(axis=1))
    thresholds = planned.artifact("thresholds").json("thresholds.json")
    for name, value in zip(thresholds["labels"], thresholds["values"], strict=True):
        np.testing.assert_array_equal(decided[name], said[name] > value)


def test_the_report_shows_both(planned: Lineage) -> None:
    page = (planned.artifact("report").directory / "index.html").read_text()
    assert "On 80 test samples the F1 score macro is" in page
    assert "with offsets" in page
    assert "test, several labels" in page
    assert "gain over 0.5" in page


def planned_with(file: Path, **changes: object) -> Lineage:
    settings = {f"calibration.{name.replace('__', '.')}": value for name, value in changes.items()}
    return lineage.read(file, store=file.parent / "runs", settings=settings)


def test_what_does_not_apply_leaves_the_plan_with_a_reason(planned: Lineage) -> None:
    file = planned.experiment.file
    left_out = planned_with(file, output="sick").left_out
    assert left_out["offsets"] == "offsets exist for one of several classes; these are binary"
    less = planned_with(file, several__offsets=False)
    assert "offsets" not in {**less.stages, **less.left_out}
    without = planned_with(file, several__offsets=False, several__thresholds=False)
    assert without.stages["threshold" if "threshold" in without.stages else "predictions"]
    assert "thresholds" not in {**without.stages, **without.left_out}


def test_what_is_not_asked_for_is_in_no_identity(planned: Lineage) -> None:
    file = planned.experiment.file
    one = planned_with(file, several__offsets=False, several__thresholds=False)
    other = planned_with(file, several__offsets=False, several__thresholds=False, several__average="micro")
    assert {name: made.identity for name, made in one.stages.items()} == {
        name: made.identity for name, made in other.stages.items()
    }


def test_settings_that_do_not_fit_are_told(planned: Lineage) -> None:
    file = planned.experiment.file
    with pytest.raises(SettingsError, match=r"must be one that is averaged over labels, as are f1_score, .*'accuracy'"):
        planned_with(file, metric="accuracy")
    with pytest.raises(SettingsError, match=r"several.average: expected macro or weighted: informedness is no ratio"):
        planned_with(file, metric="informedness", several__average="micro")


def test_which_output_of_classes_is_told_first_is_in_the_identity_of_the_evaluation(tmp_path: Path) -> None:
    file = write(tmp_path)
    toml = TOML.split("[calibration]")[0].replace('column = "late"\npositive = 1', 'column = "late"\nkind = "classes"')
    file.write_text(toml)
    form, late = (
        lineage.read(file, store=tmp_path / "runs", settings={"calibration.output": name}) for name in ("form", "late")
    )
    assert form.stages["predictions"].identity == late.stages["predictions"].identity
    assert form.stages["evaluation"].identity != late.stages["evaluation"].identity
