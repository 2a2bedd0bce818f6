"""Which data: a run that is killed while it is watched, its history as tables, its worst iterations and samples."""

import contextlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pyarrow as pa
import pytest

import pipelines
from deeptrain import hardest, lineage
from deeptrain.errors import ArtifactError, SettingsError, TrainingError
from deeptrain.introspection import history
from deeptrain.introspection.pictures import over_time
from deeptrain.lineage import Lineage
from deeptrain.metrics import losses
from deeptrain.shards import reading
from deeptrain.training import Trainer, predictions
from tests.conftest import TOML, write_experiment

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras reads so

CALLBACKS = """
callbacks = [
    { use = "watch", every = { iterations = 2, epochs = 1 }, arguments = { of = [
        "weights", "gradients", "outputs", "optimizer", "updates", "learning_rate"], histograms = 4 } },
    "event_files",
]
"""
QUANTITIES = {"weights", "gradients", "outputs", "optimizer", "updates", "learning_rate"}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """A run that was killed in its second epoch, and the history as it was then in `then`."""
    directory = tmp_path_factory.mktemp("watched")
    file = write_experiment(directory, toml=TOML.replace("[calibration]", f"{CALLBACKS}\n[calibration]"))
    killed = Trainer.from_experiment(file, store=directory / "runs")
    killed.step(7)
    killed.save_soon()
    killed.step(2)
    run = killed.live.parent
    (directory / "then.json").write_text(
        json.dumps([len(history.iterations(run)), sorted(set(history.watched(run)["iteration"].to_pylist()))])
    )
    killed._loop.record.close()
    task = pipelines.Predictions(experiment=str(file), store=str(directory / "runs"))
    assert luigi.build([task], local_scheduler=True, detailed_summary=True).status.name == "SUCCESS"
    return lineage.read(file, store=directory / "runs")


@pytest.fixture(scope="module")
def undisturbed(plan: Lineage) -> Path:
    trainer = Trainer.from_experiment(plan.experiment.file, store=plan.root.parent.parent / "undisturbed")
    trainer.train()
    trainer.close()
    return trainer.live


def test_a_kill_changes_neither_rows_nor_events(plan: Lineage, undisturbed: Path) -> None:
    live = plan.training.directory / "live"
    for folder in ("watch", "event_files"):
        names = sorted(path.name for path in (undisturbed / folder).iterdir())
        assert names == sorted(path.name for path in (live / folder).iterdir())
    for name in ("epoch-0001.parquet", "epoch-0002.parquet", "epoch-0003.parquet"):
        assert (live / "watch" / name).read_bytes() == (undisturbed / "watch" / name).read_bytes()
    for one, other in zip(*(sorted((at / "event_files").iterdir()) for at in (live, undisturbed)), strict=True):
        assert timeless(one) == timeless(other)


def test_a_running_training_has_a_history_up_to_its_newest_checkpoint(plan: Lineage) -> None:
    assert json.loads((plan.root.parent.parent / "then.json").read_text()) == [7, [2, 4, 5, 6]]


def test_the_history_is_a_table_of_iterations_and_of_epochs(plan: Lineage) -> None:
    table = history.iterations(plan.training.directory)
    assert table.column_names[:6] == ["epoch", "iteration", "batch", "window", "samples", "loss"]
    assert table["iteration"].to_pylist() == list(range(15))
    assert table["epoch"].to_pylist() == [1] * 5 + [2] * 5 + [3] * 5
    some = history.iterations(plan.root, epochs=[2, 3], iterations=(7, 12))
    assert some["iteration"].to_pylist() == [7, 8, 9, 10, 11]
    assert some["loss"].to_numpy().tolist() == table["loss"].to_numpy()[7:12].tolist()
    epochs = history.epochs(plan.root)
    told = plan.training.results(3)
    assert epochs["validation.f1_score"].to_pylist() == [one.validation["f1_score"] for one in told]
    assert epochs["best"].to_pylist() == [one.is_best for one in told]


def test_what_was_watched_is_found_by_quantity_layer_statistic_and_place(plan: Lineage) -> None:
    everything = history.watched(plan.root)
    assert set(everything["quantity"].to_pylist()) == QUANTITIES
    assert sorted(set(everything["iteration"].to_pylist())) == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    kernels = history.watched(plan.root, "weights", layer="dense*/kernel", statistic="norm", epochs=3)
    assert kernels["weight"].to_pylist() == ["kernel"] * 6
    assert kernels["iteration"].to_pylist() == [12, 12, 14, 14, 15, 15]
    state = plan.training.state(3).directory
    assert state.is_dir()
    kept = history.watched(plan.root, "optimizer", iterations=(15, 16), statistic="norm")
    assert {"kernel/momentum", "kernel/velocity"} <= set(kept["weight"].to_pylist())
    assert history.watched(plan.root, "updates", layer="dense")["value"].to_numpy().min() > 0
    bins = history.watched(plan.root, "outputs", statistic="histogram")
    assert {len(one) for one in bins["counts"].to_pylist()} == {4}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"quantity": "wieghts"}, "no quantity 'wieghts' was watched; did you mean weights\\?"),
        ({"statistic": "nrom"}, "no statistic 'nrom' was watched; did you mean norm\\?"),
        ({"layer": "dens"}, "no layer 'dens' was watched; did you mean dense"),
        ({"layer": "conv*"}, "no layer 'conv\\*' was watched; there are batch_norm"),
        ({"iterations": (5, 5)}, "expected the first and the one behind the last, got 5 and 5"),
    ],
)
def test_what_was_not_watched_is_told_with_the_nearest(asked: dict[str, Any], message: str, plan: Lineage) -> None:
    with pytest.raises(SettingsError, match=message):
        history.watched(plan.root, **asked)


def test_runs_without_a_history_and_of_another_version_are_refused(plan: Lineage, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such run"):
        history.iterations(tmp_path / "none")
    with pytest.raises(ArtifactError, match="holds no training"):
        history.iterations(tmp_path)
    training = tmp_path / "training-0"
    training.mkdir()
    with pytest.raises(ArtifactError, match="no iteration of it is on disk yet"):
        history.iterations(tmp_path)
    with pytest.raises(ArtifactError, match="no epoch of it is done yet"):
        history.epochs(tmp_path)
    with pytest.raises(ArtifactError, match=r'nothing was watched; name the callback "watch" in training\.callbacks'):
        history.watched(tmp_path)
    epoch = training / "epochs" / "0001"
    epoch.mkdir(parents=True)
    manifest = json.loads((plan.training.directory / "epochs" / "0001" / "manifest.json").read_text())
    (epoch / "manifest.json").write_text(json.dumps(manifest | {"format": 9}))
    with pytest.raises(ArtifactError, match="format must be 1, got 9: written by another version"):
        history.iterations(tmp_path)


def test_the_worst_iterations_are_told_with_their_samples(plan: Lineage) -> None:
    table = history.iterations(plan.root)
    found = hardest.worst_iterations(plan, 3)
    order = np.argsort(-table["loss"].to_numpy(), kind="stable")[:3]
    assert [one.iteration for one in found] == table["iteration"].to_numpy()[order].tolist()
    assert [one.loss for one in found] == table["loss"].to_numpy()[order].tolist()
    with contextlib.closing(Trainer.open(plan.experiment.file, 3, store=plan.root.parent)) as trainer:
        for one in found:
            group = trainer.replay(one.iteration)
            split = trainer.train_data.split
            assert np.array_equal(group.y[0], one.labels)
            assert len(one.indices) == len(one.places) == 16
            assert list(one.sets) == sorted(set(split.sets[one.indices].tolist()))
            assert np.array_equal(split.take(one.indices), one.x)
            row = dict(zip(one.indices.tolist(), one.places, strict=True))
            assert all(split.raw(index) == place for index, place in row.items())
    assert f"name='{found[0].name}', sets=(" in repr(found[0])
    assert "x=float32 (16, 4), labels=uint8 (16,)" in repr(found[0])
    drawn = hardest.picture(found[0])
    assert list(drawn.numbers["low"]) == list(found[0].columns) == ["a", "b", "c", "d"]
    split = reading.open(plan.conversion.directory).split("train")
    train = split.take(np.arange(len(split)))
    assert np.allclose(list(found[0].columns.values()), np.stack([train.min(axis=0), train.max(axis=0)], axis=1))
    names = [f"label {found[0].classes[label]}" for label in found[0].labels]
    assert [one["title"] for one in drawn.numbers["samples"]] == names
    told = f"Iteration {found[0].iteration} of epoch {found[0].epoch}, batch {found[0].name}, loss "
    assert drawn.words.startswith(told)
    assert {one.epoch for one in hardest.worst_iterations(plan, 99, epochs=[2])} == {2}
    with pytest.raises(ArtifactError, match="expected epochs from 1 to 3, which are done, got 4"):
        hardest.worst_iterations(plan, epochs=[4])


def test_the_hardest_samples_are_told_with_where_they_are_from(plan: Lineage) -> None:
    found = hardest.samples(plan, "test", 5)
    told = predictions.read(plan.artifact("predictions"), "test")
    lost = losses.binary_crossentropy(told.labels, told.values)
    assert [one.index for one in found] == np.argsort(-lost, kind="stable")[:5].tolist()
    split = reading.open(plan.conversion.directory).split("test")
    raw = {path.name: path.read_text().splitlines()[1:] for path in (plan.experiment.beside / "raw").iterdir()}
    for one in found:
        assert one.loss == lost[one.index]
        assert one.set_number == split.sets[one.index]
        cells = [float(cell) for cell in raw[one.file][one.row].split(",")]
        assert np.allclose(one.x, cells[:4])
        assert one.label == cells[4]
        said = "1" if one.output > 0.5 else "0"
        assert one.judgement.startswith(f"{int(one.label)}, said {said} (") or one.classes != ("0", "1")
    with pytest.raises(ArtifactError, match="has no predictions of 'train'; there are "):
        hardest.samples(plan, "train")
    with pytest.raises(SettingsError, match="expected an integer of at least 1 of samples or iterations, got 0"):
        hardest.samples(plan, "test", 0)


def test_the_hardest_samples_of_a_validation_are_those_a_trainer_has_in_hand(plan: Lineage) -> None:
    with contextlib.closing(Trainer.open(plan.experiment.file, 3, store=plan.root.parent)) as trainer:
        found = hardest.validated(trainer, 3)
        judged = trainer.judge()
        assert judged.metrics == trainer.validate()
        with pytest.raises(SettingsError, match="no output is called 'out'; "):
            hardest.validated(trainer, output="out")
        trainer.val_data = None
        with pytest.raises(TrainingError, match="this trainer has no validation data"):
            hardest.validated(trainer)
    lost = losses.binary_crossentropy(judged.labels, judged.outputs)
    assert [one.index for one in found] == np.argsort(-lost, kind="stable")[:3].tolist()
    split = reading.open(plan.conversion.directory).split("val")
    for one in found:
        assert (one.split, one.loss, one.label) == ("val", lost[one.index], judged.labels[one.index])
        assert (one.set_number, (one.file, one.row)) == (split.sets[one.index], split.raw(one.index))
        assert np.array_equal(one.x, split.take([one.index])[0])
        assert "x=float32 (4,), columns={'a': (" in repr(one)


def test_what_was_watched_becomes_curves_by_name(plan: Lineage) -> None:
    rows = history.watched(plan.root, "weights", statistic="norm")
    iterations, curves = history.curves(rows)
    assert iterations.tolist() == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert set(curves) == {f"{row['layer']}/{row['weight']}" for row in rows.to_pylist()}
    kernel = history.watched(plan.root, "weights", layer="dense/kernel", statistic="norm")
    assert kernel["iteration"].to_pylist()[-2:] == [14, 15]
    assert curves["dense/kernel"].tolist() == kernel["value"].to_pylist()
    drawn = over_time.draw(curves, iterations)
    assert drawn.numbers["not_finite"] == dict.fromkeys(curves, 0)
    assert list(history.curves(history.watched(plan.root, "learning_rate"))[1]) == ["learning_rate"]
    _, several = history.curves(history.watched(plan.root, layer="dense", epochs=1))
    assert {"weights dense/kernel norm", "weights dense/kernel std", "updates dense/kernel ratio"} <= set(several)
    some = pa.concat_tables([rows, history.watched(plan.root, "outputs", statistic="norm", iterations=(2, 3))])
    assert np.isnan(history.curves(some)[1]["outputs dense"]).tolist() == [False, *[True] * 8]
    with pytest.raises(SettingsError, match="expected rows with values, got none: histograms are no curves"):
        history.curves(history.watched(plan.root, statistic="histogram"))


def test_event_files_hold_every_step_once(plan: Lineage) -> None:
    found = [
        event for path in sorted((plan.training.directory / "live" / "event_files").iterdir()) for event in events(path)
    ]
    versions = [event for event in found if event[2].HasField("file_version")]
    assert [event[2].file_version for event in versions] == ["brain.Event:2"] * 3
    scalars: dict[str, list[tuple[int, float]]] = {}
    histograms: dict[str, list[tuple[int, Any]]] = {}
    for _, step, event in found:
        for value in event.summary.value:
            if value.HasField("histo"):
                histograms.setdefault(value.tag, []).append((step, value.histo))
            else:
                scalars.setdefault(value.tag, []).append((step, value.simple_value))
    table = history.iterations(plan.root)
    assert scalars["iteration/loss"] == list(zip(range(1, 16), table["loss"].to_pylist(), strict=True))
    assert [step for step, _ in scalars["epoch/validation/f1_score"]] == [5, 10, 15]
    norms = history.watched(plan.root, "weights", layer="dense/kernel", statistic="norm")
    assert [step for step, _ in scalars["weights/dense/kernel/norm"]] == norms["iteration"].to_pylist()
    np.testing.assert_allclose([value for _, value in scalars["weights/dense/kernel/norm"]], norms["value"], rtol=1e-6)
    steps, bins = zip(*histograms["weights/dense/kernel/histogram"], strict=True)
    assert list(steps) == norms["iteration"].to_pylist()
    assert all(one.num == 24 == sum(one.bucket) and one.bucket_limit[-1] == pytest.approx(one.max) for one in bins)
    for values in (*scalars.values(), *histograms.values()):
        assert len({step for step, _ in values}) == len(values)


def test_the_reader_of_tensorboard_reads_them(plan: Lineage) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(plan.training.directory / "live" / "event_files"), {"tensors": 0})
    found.Reload()
    steps = [event.step for event in found.Tensors("iteration/loss")]
    assert steps == list(range(1, 16))


def events(path: Path) -> Iterator[tuple[float, int, Any]]:
    """The events of a file, whose every checksum is compared: time, step and the whole of each."""
    import tensorflow as tf

    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,), (checked,) = struct.unpack_from("<Q", data, at), struct.unpack_from("<I", data, at + 8)
        assert checked == masked_crc32c(data[at : at + 8])
        record = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length) == (masked_crc32c(record),)
        event = tf.compat.v1.Event.FromString(record)
        yield event.wall_time, event.step, event
        at += 16 + length


def timeless(path: Path) -> list[Any]:
    found = [event for _, _, event in events(path)]
    for event in found:
        event.ClearField("wall_time")
    return found


def masked_crc32c(data: bytes) -> int:
    """Castagnoli's, turned and shifted, as `tensorflow/core/lib/hash/crc32c.h` has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
