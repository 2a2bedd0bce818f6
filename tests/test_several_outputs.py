"""Labels of several outputs, by name, from the TOML file to the report; labels of every step of series."""

import argparse
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deeptrain
import pipelines
from deeptrain import experiment as experiments
from deeptrain import lineage
from deeptrain.errors import ArtifactError, DataError, Interrupted, SettingsError, UserCodeError
from deeptrain.predictor import Predictor
from deeptrain.shards import conversion, layout, reading
from deeptrain.training import Trainer, predictions
from deeptrain.training.progress import Progress
from deeptrain.training.state import Best
from pipelines.commands import predict
from tests import several_outputs
from tests.conftest import one_by_one, tree
from tests.memory_split import series


def trained(file: Path) -> Path:
    task = pipelines.TrainModel(experiment=str(file), store=str(file.parent / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return file


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(several_outputs.table(tmp_path_factory.mktemp("table")))


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(several_outputs.steps(tmp_path_factory.mktemp("steps") / "here"))


@pytest.fixture
def planned(table: Path) -> lineage.Lineage:
    return lineage.read(table, store=table.parent / "runs")


@pytest.fixture(scope="module")
def loaded(table: Path) -> Predictor:
    return deeptrain.load(table.parent / "runs" / "tiny", experiment=table)


def test_the_builder_and_the_shards_know_each_output(planned: lineage.Lineage) -> None:
    shards = reading.open(planned.conversion.directory)
    info = shards.info
    assert info.kind == {"cost": "values", "sick": "binary"}
    assert info.classes == {"cost": (), "sick": ("0", "1")}
    assert (info.outputs, info.named, info.columns) == ({"cost": 1, "sick": 1}, ("cost", "sick"), ("a", "b", "c"))
    train = shards.split("train")
    assert {name: labels.dtype.name for name, labels in train.labels.items()} == {"cost": "float32", "sick": "uint8"}
    for index in (0, 17, 69):
        file, row = train.raw(index)
        line = (planned.experiment.beside / "raw" / file).read_text().splitlines()[row + 1].split(",")
        assert train.labels["cost"][index] == np.float32(line[3])
        assert train.labels["sick"][index] == int(line[4])


def test_the_loss_is_the_weighted_sum_of_the_outputs_losses_and_each_is_told(planned: lineage.Lineage) -> None:
    for number in (1, 2, 3):
        told = planned.training.published(number).json("metrics.json")
        for split in ("train", "validation"):
            of = told[split]
            assert of["loss"] == pytest.approx(of["sick.loss"] + 0.5 * of["cost.loss"], rel=1e-6)
        assert of["cost.loss"] == pytest.approx(of["cost.mean_absolute_error"], rel=1e-6)
        assert "sick.f1_score" in told["train"]
        assert told["key_value"] == of["cost.mean_absolute_error"]


def test_predictions_hold_every_output_and_the_one_with_a_threshold_is_calibrated(planned: lineage.Lineage) -> None:
    made = planned.artifact("predictions")
    sick, cost = (predictions.read(made, "test", name) for name in ("sick", "cost"))
    assert set(np.unique(sick.labels)) == {0, 1}
    assert cost.labels.dtype == np.float32
    assert len(sick.values) == len(cost.values) == 52
    told = planned.artifact("evaluation").json("evaluation.json")
    assert [entry["name"] for entry in told["at"]] == ["half", "threshold", "subset"]
    assert told["positives"] == int(sick.labels.sum())
    error = float(np.mean(np.abs(cost.values - cost.labels)))
    assert told["outputs"]["cost"]["metrics"]["mean_absolute_error"] == pytest.approx(error)
    with pytest.raises(ArtifactError, match=r"has no output ''; there are cost, sick"):
        predictions.read(made, "test")


def test_the_loss_of_one_output_tells_the_best_epoch(table: Path) -> None:
    trainer = Trainer.from_experiment(table, settings={"training.key_metric": "cost.loss"})
    trainer.train(2)
    values = [results.validation["cost.loss"] for results in trainer.results]
    assert [results.key_value for results in trainer.results] == values
    assert (trainer.maximize, trainer.state.best) == (False, Best(values.index(min(values)) + 1, min(values)))


def test_the_report_tells_the_metrics_of_the_other_output(planned: lineage.Lineage) -> None:
    page = (planned.artifact("report").directory / "index.html").read_text()
    assert "F1 score of sick, validation" in page
    assert "test, cost" in page


def test_the_loaded_model_says_of_each_output_what_the_run_said(planned: lineage.Lineage, loaded: Predictor) -> None:
    split = reading.open(planned.conversion.directory).split("test")
    said = loaded.probabilities(split.take(np.arange(len(split))))
    for name in ("sick", "cost"):
        np.testing.assert_array_equal(
            said[name], predictions.read(planned.artifact("predictions"), "test", name).values
        )
    assert loaded.calibrated == "sick"
    threshold = planned.artifact("threshold").json("threshold.json")["value"]
    decided = loaded.predict(split.take(np.arange(len(split))))
    np.testing.assert_array_equal(decided["sick"], said["sick"] > threshold)
    np.testing.assert_array_equal(decided["cost"], said["cost"])


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, when it reads its file
def test_the_exported_model_gives_the_outputs_by_name(
    planned: lineage.Lineage, loaded: Predictor, tmp_path: Path
) -> None:
    import keras

    split = reading.open(planned.conversion.directory).split("test")
    x = split.take(np.arange(len(split)))
    loaded.export(tmp_path)
    told = json.loads((tmp_path / "export.json").read_text())
    assert (told["kind"], told["classes"]) == ({"cost": "values", "sick": "binary"}, {"cost": [], "sick": ["0", "1"]})
    assert (told["threshold"], told["threshold_of"]) == (loaded.threshold, "sick")
    said = keras.models.load_model(tmp_path / "model.keras", compile=False)(np.asarray(x, np.float32), training=False)
    for name, expected in loaded.probabilities(x).items():
        np.testing.assert_allclose(said[name].numpy()[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_the_command_writes_the_columns_of_each_output(table: Path, loaded: Predictor, tmp_path: Path) -> None:
    asked = argparse.Namespace(
        run_directory=table.parent / "runs" / "tiny",
        path=table.parent / "raw" / "part-1.csv",
        out=tmp_path / "scores.csv",
        format=None,
        epoch="best",
        experiment=table,
    )
    predict.run(asked)
    rows = list(csv.DictReader(asked.out.read_text().splitlines()))
    assert list(rows[0]) == ["sample", "cost value", "sick probability", "sick decision", "sick class"]
    lines = [line.split(",") for line in asked.path.read_text().splitlines()[1:]]
    said = loaded.probabilities(np.array([line[:3] for line in lines], np.float64))
    assert [float(row["cost value"]) for row in rows] == said["cost"].tolist()
    assert [float(row["sick probability"]) for row in rows] == said["sick"].tolist()


@pytest.mark.parametrize(("which", "cuts"), [("table", [2, 5, 9]), ("steps", [3, 8])])
def test_a_training_of_several_outputs_that_is_stopped_ends_in_the_same_bytes(
    which: str, cuts: list[int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    undisturbed: Path = request.getfixturevalue(which)
    file = getattr(several_outputs, which)(tmp_path / "here")
    seen = 0

    def watch(progress: Progress) -> None:
        nonlocal seen
        seen += progress.phase == "fit"
        if progress.phase == "fit" and seen in cuts:
            trainer.interrupt()

    for _ in cuts:
        trainer = Trainer.from_experiment(file, store=file.parent / "runs", watch=watch)
        one_by_one(trainer)
        with pytest.raises(Interrupted):
            trainer.train()
        trainer.close()
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    trainer.train()
    trainer.close()
    made = tree(file.parent / "runs")
    whole = tree(undisturbed.parent / "runs")
    assert {name: whole[name] for name in made} == made
    assert any(name.endswith("progress.json") for name in made)


def test_the_documented_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    section = document.split("## Several outputs\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", section, flags=re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "toml", "python", "python"]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(blocks[0][1], "docs/data.md", "exec"), names)
    Path("clinic.toml").write_text(blocks[1][1])
    Path("clinic_model.py").write_text(blocks[2][1])
    trainer = Trainer.from_experiment("clinic.toml", store="runs", settings={"training.threads": 1})
    trainer.train()
    trainer.close()
    exec(compile(blocks[3][1], "docs/data.md", "exec"), names)
    assert names["said"].keys() == {"diabetic", "cost"}
    assert trainer.results[-1].validation["cost.loss"] < trainer.results[0].validation["cost.loss"]


def test_labels_of_steps_are_those_of_their_series_in_every_split(steps: Path) -> None:
    shards = reading.open(lineage.read(steps, store=steps.parent / "runs").conversion.directory)
    assert shards.info.per_step
    for name in shards.splits:
        split = shards.split(name)
        moves = np.concatenate(split.take(np.arange(len(split))))
        for output, labels in several_outputs.labels_of(moves).items():
            np.testing.assert_array_equal(split.labels[output], labels)
        counts = shards.info.label_counts[name]["phase"]
        assert sum(counts) == len(moves)


def test_a_model_of_steps_predicts_every_step_of_every_output(steps: Path) -> None:
    plan = lineage.read(steps, store=steps.parent / "runs")
    loaded = deeptrain.load(plan.root, experiment=steps)
    split = reading.open(plan.conversion.directory).split("test")
    said = loaded.probabilities(split.take(np.arange(len(split))))
    for name in ("falls", "phase"):
        told = predictions.read(plan.artifact("predictions"), "test", name)
        np.testing.assert_array_equal(said[name], told.values)
        np.testing.assert_array_equal(told.labels, split.labels[name])
    alone = loaded.probabilities([split.take(np.array([2]))[0]])
    first = sum(split.lengths["x"][:2])
    np.testing.assert_array_equal(alone["phase"], said["phase"][first : first + split.lengths["x"][2]])


def test_one_label_a_step_needs_no_name(tmp_path: Path) -> None:
    toml = several_outputs.STEPS
    first, last = toml.index("[data.labels.falls]"), toml.index("[model]")
    labels = 'reading = { ignored = ["phase"] }\nlabels = { column = "falls", kind = "binary" }\n'
    toml = toml[:first] + labels + toml[last:]
    builder = several_outputs.STEPS_BUILDER.replace(
        "keras.Model(inputs, outputs)", 'keras.Model(inputs, outputs["falls"])'
    )
    file = several_outputs.steps(
        tmp_path / "here",
        toml.replace('"falls.accuracy", "phase.accuracy"', '"accuracy"'),
        builder.replace('data.outputs["phase"]', "2"),
    )
    trainer = Trainer.from_experiment(file, epochs=1)
    trainer.train()
    assert trainer.val_data is not None
    split = trainer.val_data.split
    steps = np.concatenate(split.take(np.arange(4)))
    np.testing.assert_array_equal(trainer.val_data.labels, several_outputs.labels_of(steps)["falls"])
    assert 0 <= trainer.results[0].validation["accuracy"] <= 1


# ruff: noqa: E501 - a case is a line
MISTAKES = [
    ('metrics = ["sick.f1",', 'metrics = ["f1",', "training.metrics: say of which output: cost.f1, sick.f1, got 'f1'"),
    ('"sick.f1", "cost', '"sik.f1", "cost', "training.metrics: expected one of the outputs with labels, cost, sick, got 'sik.f1'"),
    ('"sick.f1", "cost', '"sick.f2_scor", "cost', "training.metrics: unknown metric; "),
    ('key_metric = "cost.mean_absolute_error"', 'key_metric = "cst.loss"', "training.key_metric: expected one of the outputs with labels, cost, sick, got 'cst.loss'"),
    ("loss = { cost =", "loss = { cst =", "training.loss.cst: expected one of the outputs with labels, cost, sick"),
    ("loss_weights = { cost = 0.5 }", "loss_weights = { cost = -1.0 }", "training.loss_weights: expected float >= 0"),
    ("loss_weights = { cost = 0.5 }", "loss_weights = { c = 1.0 }", "training.loss_weights.c: expected one of the outputs"),
    ("subset_size = 2", 'output = "sik"', "calibration.output: expected one of the outputs with labels, cost, sick, got 'sik'"),
    ('kind = "values"', 'kind = "binary"', "calibration.output: name the one that is calibrated: cost or sick"),
    ('kind = "values"', "", 'data.labels.cost.kind: expected "binary", "classes" or "values", or labels.cost.positive'),
    ('column = "d"\n', "", "data.labels.cost: one of several labels must say its column, or the path of its file"),
    ('column = "d"', 'colum = "d"', "data.labels.cost.colum: unknown key; did you mean column?"),
    ("[data.labels.cost]", "[data.labels.loss]", "data.labels.loss: an output's name must be letters, digits and _"),
    ('path = "raw"', 'path = "raw"\nweights = "d"', "data.weights: must be another column than labels.cost.column, got 'd'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_about_outputs_names_them(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in several_outputs.TABLE
    file = several_outputs.table(tmp_path, toml=several_outputs.TABLE.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        experiments.read(file)
    assert any(line.startswith(f"{file}: {message}") for line in str(caught.value).splitlines()), caught.value


def test_what_is_said_of_outputs_is_refused_where_there_is_one(experiment: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"training\.loss\.a: the labels are of one output, which has no name; leave"
    ):
        experiments.read(experiment, {"training.loss": {"a": "mean_squared_error"}})
    with pytest.raises(SettingsError, match=r"calibration\.output: the labels are of one output"):
        experiments.read(experiment, {"calibration.output": "a"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"cost": layers',
            '"price": layers',
            r"the model's outputs \(price, sick\) must be those of the labels \(cost, sick\): no labels for price, "
            r"no output for the labels cost",
        ),
        (
            "keras.Model(inputs, outputs)",
            'keras.Model(inputs, outputs["sick"])',
            r"the labels are of the outputs cost, sick: the model must give them by name, keras\.Model\(inputs, "
            r"{'cost': \.\.\., 'sick': \.\.\.}\)",
        ),
        (
            'layers.Dense(data.outputs["cost"])',
            "layers.Dense(3)",
            r"the model's output cost does not fit the labels: values labels, one a sample need an output of shape "
            r"\[None, 1\], got \(None, 3\)",
        ),
    ],
)
def test_a_model_whose_outputs_are_not_those_of_the_labels_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in several_outputs.TABLE_BUILDER
    file = several_outputs.table(tmp_path, builder=several_outputs.TABLE_BUILDER.replace(old, new))
    with pytest.raises(UserCodeError, match=message):
        Trainer.from_experiment(file)


def test_class_weights_and_balanced_sampling_are_of_one_output(tmp_path: Path) -> None:
    file = several_outputs.table(tmp_path)
    with pytest.raises(
        DataError, match=r"training\.class_weights are for the labels of one output, there are cost, sick"
    ):
        Trainer.from_experiment(file, settings={"training.class_weights": "balanced"})
    with pytest.raises(DataError, match=r'sampling = "balanced" needs one label a sample'):
        Trainer.from_experiment(file, settings={"training.sampling": "balanced"}).train()


def test_an_output_without_a_threshold_may_be_told_first(tmp_path: Path) -> None:
    file = several_outputs.table(tmp_path)
    plan = lineage.read(
        file, store=tmp_path / "runs", settings={"calibration.output": "cost", "calibration.subset_size": 0}
    )
    assert "threshold" not in plan.stages
    assert plan.left_out["threshold"] == "a threshold exists for binary labels; these are values (cost)"


def test_naming_the_only_output_with_a_threshold_changes_no_identity(tmp_path: Path) -> None:
    file = several_outputs.table(tmp_path)
    one, other = (
        lineage.read(file, store=tmp_path / "runs", settings=changes)
        for changes in ({}, {"calibration.output": "sick"})
    )
    for stage in ("predictions", "threshold", "subset", "evaluation"):
        assert one.stages[stage].identity == other.stages[stage].identity


def test_labels_of_two_outputs_may_lie_in_two_files_beside_the_data(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    x = rng.normal(size=(40, 3)).astype(np.float32)
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(4):
        np.save(raw / f"set-{number}.npy", x[10 * number : 10 * number + 10])
    (raw / "doctor.csv").write_text("\n".join(["says", *("yes" if row[0] > 0 else "no" for row in x)]) + "\n")
    np.save(raw / "bill.npy", x[:, 1])
    directory = conversion.convert(
        raw,
        tmp_path / "shards",
        splits={"train": 30, "val": 10},
        samples_per_set=10,
        labels={
            "doctor": {"path": str(raw / "doctor.csv"), "column": "says", "positive": "yes"},
            "bill": {"path": str(raw / "bill.npy"), "kind": "values"},
        },
        seed=3,
    )
    train = reading.open(directory).split("train")
    samples = train.take(np.arange(30))
    np.testing.assert_array_equal(train.labels["doctor"], samples[:, 0] > 0)
    np.testing.assert_array_equal(train.labels["bill"], samples[:, 1])
    assert list(layout.Layout.read(directory).raw) == [f"set-{number}.npy" for number in range(4)]


def written(directory: Path, columns: dict[str, Sequence[object]]) -> Path:
    directory.mkdir()
    moves = series([3, 5, 4, 6], seed=1)
    arrays = {"moves": pa.array([one.tolist() for one in moves], pa.list_(pa.list_(pa.float32(), 2)))}
    pq.write_table(pa.table({**columns, **arrays}), directory / "series.parquet")
    return directory


@pytest.mark.parametrize(
    ("labels", "columns", "message"),
    [
        (
            {"column": "y", "kind": "values"},
            {"y": [[1.0, 2.0, 3.0], [1.0, 2.0], [1.0] * 4, [1.0] * 6]},
            r"row 1: has 2 labels for the 5 steps of x; give one a step",
        ),
        (
            {"a": {"column": "y", "kind": "values"}, "b": {"column": "z", "kind": "values"}},
            {"y": [[1.0] * 3, [1.0] * 5, [1.0] * 4, [1.0] * 6], "z": [1.0, 2.0, 3.0, 4.0]},
            r"the labels of a are one a step, those of b one a sample; give all outputs labels of one of these",
        ),
        (
            {"column": "y", "kind": "binary"},
            {"y": [[0, 0, 1], [0] * 5, [0, 2, 0, 0], [1] * 6]},
            r"binary labels need labels\.positive, which counts as 1; labels that occur: 0, 1, 2",
        ),
        (
            {"a": {"column": "nothing", "kind": "values"}, "b": {"column": "y", "kind": "values"}},
            {"y": [1.0, 2.0, 3.0, 4.0]},
            r"labels\.a\.column 'nothing' is no column; columns: y, moves",
        ),
    ],
)
def test_labels_of_steps_that_do_not_fit_are_told_with_their_place(
    labels: dict[str, object], columns: dict[str, Sequence[object]], message: str, tmp_path: Path
) -> None:
    raw = written(tmp_path / "raw", columns)
    with pytest.raises(DataError, match=message):
        conversion.convert(raw, tmp_path / "shards", splits={"train": 2, "val": 2}, labels=labels)


def test_labels_of_steps_need_sequences(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": [[1.0], [2.0], [3.0], [4.0]]})
    (tmp_path / "raw").mkdir()
    pq.write_table(table, tmp_path / "raw" / "rows.parquet")
    with pytest.raises(DataError, match=r"labels are one a step, but the samples are no sequences"):
        conversion.convert(
            tmp_path / "raw",
            tmp_path / "shards",
            splits={"train": 2, "val": 2},
            labels={"column": "y", "kind": "values"},
        )


def test_rows_of_zeros_and_ones_are_refused_with_the_way_to_have_several_outputs(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "set-1.npy", np.zeros((4, 3), np.float32))
    np.save(raw / "labels.npy", np.array([[0, 1], [1, 1], [0, 0], [1, 0]], np.int8))
    with pytest.raises(DataError, match=r"several of 0 or 1 are as many outputs, each with a column of its own in"):
        conversion.convert(raw, tmp_path / "shards", splits={"train": 2, "val": 2}, labels={"kind": "binary"})


def test_a_name_of_an_output_leads_nowhere(planned: lineage.Lineage, tmp_path: Path) -> None:
    """Law 12: data.json may be a stranger's, and the file of an output's labels is named by it."""
    told = layout.Layout.read(planned.conversion.directory).plain()
    for field in ("kind", "classes"):
        told["info"][field]["../x"] = told["info"][field].pop("cost")
    for counts in told["info"]["label_counts"].values():
        counts["../x"] = counts.pop("cost")
    from deeptrain.files import readable_json

    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "data.json").write_bytes(readable_json(told))
    with pytest.raises(DataError, match=r"an output's name must be letters, digits and _, and not loss, got '\.\./x'"):
        reading.open(tmp_path)
