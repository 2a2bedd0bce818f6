"""Each ready-made callback: what it finds, what it writes, and that training is none the wiser."""

import io
import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deeptrain import lineage
from deeptrain.calibration import optimum, set_means, subset, threshold
from deeptrain.errors import IntrospectionError, SettingsError, UserCodeError
from deeptrain.introspection import gradients, history
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.training import Every, Trainer, on, runtime
from deeptrain.training.callbacks.autoencoder_pictures import AutoencoderPictures
from deeptrain.training.callbacks.best_subset import BestSubset
from deeptrain.training.callbacks.data_logger import DataLogger
from deeptrain.training.callbacks.dynamic_threshold import DynamicThreshold
from deeptrain.training.callbacks.layer_histograms import Distribution, LayerHistograms
from deeptrain.training.callbacks.naming import callbacks as from_experiment
from deeptrain.training.callbacks.prediction_pictures import PredictionPictures
from deeptrain.training.callbacks.seed_setter import SeedSetter
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from deeptrain.training.learner import Fitted
from deeptrain.training.settings import CallbackUse
from tests import shard_files
from tests.conftest import tree, write_experiment
from tests.memory_journal import MemoryJournal
from tests.numpy_learner import NumpyLearner

SAMPLES = 40
SETS = [8] * 5


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    rng = np.random.Generator(np.random.Philox(1))
    directory = tmp_path_factory.mktemp("splits")
    found = []
    for name in ("train", "val"):
        x = rng.normal(size=(SAMPLES, 2)).astype(np.float32)
        y = (x @ [1.0, -1.0] + rng.normal(size=SAMPLES) > 0.7).astype(np.uint8)
        found.append(shard_files.split(directory / name, x, y, kind="binary", set_sizes=SETS))
    return found


def trainer(splits: list[Any], callbacks: Any, live: Path | None = None, **arguments: Any) -> Trainer:
    data = [Batches(splits[0], 8, seed=1, order="sets"), Batches(splits[1], 8)]
    given: dict[str, Any] = {"epochs": 3, "metrics": ["f1_score"], **arguments}
    if live is not None:
        given["journal"] = MemoryJournal(live)
    return Trainer(NumpyLearner(), *data, callbacks=callbacks, **given)


@pytest.mark.parametrize("name", ["f1_score", "accuracy"])
def test_the_dynamic_threshold_is_that_of_the_exact_search(name: str, splits: list[Any]) -> None:
    callback = DynamicThreshold(name)
    made = trainer(splits, [callback], metrics=["f1_score", "accuracy"])
    expected = 0.5
    for _ in range(3):
        made.step(epochs=1)
        found = made.validated
        before = made.results[-1].validation[name]
        assert before == made.metrics[["f1_score", "accuracy"].index(name)](
            found.labels, found.outputs, threshold=expected
        )
        best = optimum.of(found.labels, found.outputs, name)
        expected = best.value
        assert made.threshold == made.state.threshold == expected
        assert callback.value == callback.state()["value"] == best.in_sample >= before
        others = threshold.choose(found.labels, found.outputs, name, resamples=0)
        assert callback.cross_fitted == callback.state()["cross_fitted"] == others.cross_fitted


def test_the_dynamic_threshold_keeps_to_its_bounds(splits: list[Any]) -> None:
    made = trainer(splits, [callback := DynamicThreshold("f1_score", bounds=[0.7, 0.75])], metrics=["f1_score"])
    made.step(epochs=1)
    best = optimum.of(made.validated.labels, made.validated.outputs, "f1_score", bounds=(0.7, 0.75))
    assert (made.threshold, callback.value) == (best.value, best.in_sample)
    assert 0.7 <= made.threshold <= 0.75
    with pytest.raises(SettingsError, match=r"^bounds must be two thresholds between 0 and 1, the lower first, got \["):
        DynamicThreshold("f1_score", bounds=(0.9, 0.1))


def test_a_threshold_needs_binary_labels_and_a_metric_of_counts(splits: list[Any]) -> None:
    with pytest.raises(
        SettingsError, match="dynamic_threshold: no threshold changes loss, the key metric; give a metr"
    ):
        trainer(splits, [DynamicThreshold()])
    with pytest.raises(SettingsError, match="only binary labels have a threshold, these are classes"):
        trainer(splits, [DynamicThreshold("f1_score")], kind="classes", metrics=())
    trainer(splits, [DynamicThreshold()], key_metric="f1_score").train()


def test_the_best_subset_is_that_of_the_exact_search(splits: list[Any]) -> None:
    callback = BestSubset(2, "f1_score")
    made = trainer(splits, [DynamicThreshold("f1_score"), callback])
    made.train()
    found = made.validated
    best = subset.best(found.labels, found.outputs, found.sets, 2, "f1_score", made.threshold)
    assert callback.sets == list(best.sets)
    assert callback.value == best.value
    assert made.state.callbacks["BestSubset"] == {"sets": callback.sets, "value": callback.value}


def test_options_keep_the_names_of_the_original(splits: list[Any]) -> None:
    limits, sets = {"dynamic_predict_threshold_min_max": [0.7, 0.75]}, {"best_subset_size": 2}
    uses = [
        CallbackUse(use="dynamic_threshold", arguments={"metric": "f1_score", **limits}),
        CallbackUse(use="best_subset", arguments={"metric": "f1_score", **sets}),
    ]
    ours = [DynamicThreshold("f1_score", bounds=(0.7, 0.75)), BestSubset(2, "f1_score")]
    named, made = (trainer(splits, callbacks) for callbacks in (from_experiment(uses, None), ours))
    named.train()
    made.train()
    assert 0.7 <= named.threshold == made.threshold <= 0.75
    assert list(named.state.callbacks.values()) == list(made.state.callbacks.values())
    assert named.callbacks["best_subset"].best_subset_nums == ours[1].sets != []
    with pytest.raises(SettingsError, match=r"bounds and dynamic_predict_threshold_min_max are two names of one opt"):
        DynamicThreshold("f1_score", (0.1, 0.9), dynamic_predict_threshold_min_max=(0.1, 0.9))
    for wrong in ([0.9, 0.1], 0.5, [0.1], ["low", "high"]):
        with pytest.raises(SettingsError, match="bounds must be two thresholds between 0 and 1, the lower first, got"):
            DynamicThreshold("f1_score", dynamic_predict_threshold_min_max=wrong)


def test_the_history_tells_the_loss_of_each_set_that_was_fit(splits: list[Any]) -> None:
    made = trainer(splits, [], metrics=["f1_score"])
    made.train()
    feed, history = made.train_data, made.history()
    told = made.losses_by_set([2])
    first, last = made.results[0].iterations, made.results[1].iterations
    rows = [row for row in range(len(history)) if first <= history.iteration[row] < last]
    sets = [
        feed.sets(Position(2, *(int(history.__dict__[key][row]) for key in ("batch", "iteration", "window"))))
        for row in rows
    ]
    assert all(sets)
    assert told.sets.tolist() == [number for numbers in sets for number in numbers]
    assert told.losses.tolist() == [history.loss[row] for row, numbers in zip(rows, sets, strict=True) for _ in numbers]
    best = set_means.best(told.losses, told.sets, 2, "loss", weights=told.samples, maximize=False)
    assert best.certified
    assert len(made.losses_by_set().sets) == sum(len(made.losses_by_set([one.epoch]).sets) for one in made.results)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, r"size \(or best_subset_size\) must be an integer of at least 1, got 0"),
        ({"best_subset_size": 0}, r"size \(or best_subset_size\) must be an integer of at least 1, got 0"),
        ({"metric": "f1_score"}, r"size \(or best_subset_size\) must be an integer of at least 1, got None"),
        ({"size": 2, "best_subset_size": 3}, "size and best_subset_size are two names of one option; .* got 2 and 3"),
        ({"size": 6, "metric": "f1_score"}, "size must be at most the 5 sets of the validation split, got 6"),
        ({"size": 2}, "loss, the key metric, is not made of counts"),
        ({"size": 2, "metric": "roc_auc"}, "does not depend on a threshold"),
    ],
)
def test_a_subset_that_cannot_be_is_told(arguments: dict[str, Any], message: str, splits: list[Any]) -> None:
    with pytest.raises(SettingsError, match=message):
        trainer(splits, [BestSubset(**arguments)])


def test_seeds_of_global_generators_follow_from_the_iteration(splits: list[Any]) -> None:
    def drawn(cut: int | None) -> list[Any]:
        found: list[Any] = []
        draws = on("iteration_end")(lambda _: found.append((random.random(), np.random.rand())))  # noqa: NPY002
        kept, state = random.getstate(), np.random.get_state()  # noqa: NPY002
        journal = MemoryJournal()
        try:
            if cut is not None:
                first = trainer(splits, [SeedSetter(5), draws], journal=journal)
                first.step(cut)
                first._loop.requests.save()
                first._loop._answer()
                random.seed(7)
            trainer(splits, [SeedSetter(5), draws], journal=journal).train()
        finally:
            random.setstate(kept)
            np.random.set_state(state)  # noqa: NPY002
        return found

    whole = drawn(None)
    assert len(set(whole)) == len(whole) == 15
    for cut in (1, 5, 7):
        assert drawn(cut) == whole


@pytest.mark.parametrize("digests", [False, True])
def test_the_data_logger_notes_what_was_fit(digests: bool, splits: list[Any], tmp_path: Path) -> None:
    logger = DataLogger(digests)
    made = trainer(splits, [logger], tmp_path)
    made.train()
    for epoch in (1, 2, 3):
        rows = pq.read_table(tmp_path / f"data_logger/epoch-000{epoch}.parquet").to_pydict()
        assert rows["iteration"] == list(range(5 * epoch - 5, 5 * epoch))
        assert sorted(number for (number,) in rows["sets"]) == [1, 2, 3, 4, 5]
        assert [name.split("-")[0] for name in rows["name"]] == [str(one) for (one,) in rows["sets"]]
        assert sorted(itertools.chain(*rows["samples"])) == list(range(SAMPLES))
        assert rows["samples"] == [made.train_data.batches.indices(epoch, batch).tolist() for batch in rows["batch"]]
        assert ("x" in rows) == digests
    if digests:
        # The same five sets in each epoch, in another order
        tables = [pq.read_table(file).to_pydict() for file in sorted((tmp_path / "data_logger").iterdir())]
        found = [dict(zip([one for (one,) in rows["sets"]], rows["x"], strict=True)) for rows in tables]
        assert found[0] == found[1] == found[2]
        assert len(set(found[0].values())) == 5
        assert tables[0]["x"] != tables[1]["x"]
    assert logger.rows["epoch"] == [3] * 5


def test_a_distribution_tells_numbers_and_what_is_none() -> None:
    found = Distribution.of(np.array([[0.0, 3.0], [np.nan, -1.0], [np.inf, 0.0]], np.float32), 4)
    held = found.statistics
    assert (held.size, held.nan, held.inf, held.zeros) == (6, 1, 1, 2)
    assert (held.mean, held.low, held.high, found.counts) == (0.5, -1.0, 3.0, (1, 2, 0, 1))
    assert held.norm == pytest.approx(10**0.5)
    assert Distribution.of(np.array([np.nan]), 3).counts == (0, 0, 0)


def test_histograms_of_any_learners_weights_are_written(splits: list[Any], tmp_path: Path) -> None:
    callback = LayerHistograms(bins=7, every=Every(epochs=2))
    made = trainer(splits, [callback], tmp_path)
    made.train()
    assert sorted(file.name for file in (tmp_path / "layer_histograms").iterdir()) == ["0000010.json", "0000010.png"]
    told = json.loads((tmp_path / "layer_histograms/0000010.json").read_text())
    assert told["weights"]["weights"]["size"] == 3
    assert sum(told["weights"]["velocity"]["counts"]) == 3
    assert Image.open(io.BytesIO(callback.picture)).format == "PNG"


def recurrent() -> KerasLearner:
    import keras

    runtime.start(1, True)
    with fresh_names_and_seeds(4):
        inputs = keras.Input(batch_shape=(8, 2))
        x = keras.layers.Reshape((2, 1))(inputs)
        x = keras.layers.LSTM(3, stateful=True, dropout=0.2, recurrent_dropout=0.2, name="memory")(x)
        model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="yes")(x))
        return KerasLearner(model, keras.optimizers.Adam(0.1), keras.losses.BinaryCrossentropy(), "binary")


def test_looking_into_a_model_changes_nothing_of_it(splits: list[Any]) -> None:
    found = []
    for callbacks in ([], [LayerHistograms(["weights", "outputs", "gradients"], every=Every(iterations=3))]):
        data = [Batches(split, 8, seed=1) for split in splits]
        made = Trainer(recurrent(), *data, callbacks=callbacks, epochs=2)
        made.train()
        found.append({name: value.tolist() for name, value in made.learner.variables().items()})
    assert found[0] == found[1]
    numbers = callbacks[0].numbers
    assert list(numbers["outputs"]) == ["reshape", "memory", "yes"]
    assert numbers["outputs"]["memory"].statistics.size == 8 * 3
    assert list(numbers["gradients"]) == list(numbers["weights"])[: len(numbers["gradients"])]
    assert numbers["gradients"]["yes/kernel"].statistics.norm > 0


def test_gradients_are_those_of_the_loss(splits: list[Any]) -> None:
    learner = recurrent()
    probe = next(BatchFeed(Batches(splits[1], 8)).judged(0))
    found = gradients(learner, probe.x[0], probe.y[0])["yes/kernel"]
    kernel = learner.model.get_layer("yes").kernel
    before = kernel.numpy()
    step = np.zeros_like(before)
    step[1, 0] = 1e-2
    losses = []
    for sign in (1, -1):
        kernel.assign(before + sign * step)
        losses.append(learner.evaluate(probe.x[0], probe.y[0])[0])
    assert found[1, 0] == pytest.approx((losses[0] - losses[1]) / 2e-2, rel=1e-2)


def test_outputs_and_gradients_need_a_keras_model(splits: list[Any]) -> None:
    with pytest.raises(IntrospectionError, match="layers are those of a Keras model or its learner, got NumpyLearner"):
        trainer(splits, [LayerHistograms(["outputs"])]).train()
    with pytest.raises(SettingsError, match="of must be some of weights, outputs, gradients, got \\['biases'\\]"):
        LayerHistograms(["biases"])


class Autoencoder(NumpyLearner):
    """Gives its input again, a little darker."""

    def fit(self, x: Any, *_: Any, **__: Any) -> Any:
        self._held["drawn"] = self._held["drawn"] + len(x)
        return Fitted(np.ones(len(x), np.float32), x * 0.9)

    def evaluate(self, x: Any, *_: Any, **__: Any) -> Any:
        return 1.0, self.predict(x)

    def predict(self, x: Any, **_: Any) -> Any:
        return x * (0.5 + 0.05 * int(self._held["drawn"]))


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 1), (6, 6, 3), (12, 2), (9,)])
def test_autoencoder_pictures_show_originals_and_reconstructions(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.Generator(np.random.Philox(2)).random((12, *shape)).astype(np.float32)
    split = shard_files.split(tmp_path / "shards", x)
    callback = AutoencoderPictures(5)
    made = Trainer(
        Autoencoder(),
        Batches(split, 4),
        Batches(split, 4),
        epochs=2,
        callbacks=[callback],
        journal=MemoryJournal(tmp_path),
    )
    made.train()
    drawn = 0.5 + 0.05 * 6
    expected = ((1 - drawn) ** 2 * x[:5].astype(np.float64) ** 2).reshape(5, -1).mean(axis=1)
    np.testing.assert_allclose(callback.errors, expected, rtol=1e-5)
    files = sorted((tmp_path / "autoencoder_pictures").iterdir())
    assert [file.name for file in files] == ["0000003.png", "0000006.png", "reconstructions.gif"]
    assert files[1].read_bytes() == callback.picture
    with Image.open(files[2]) as animated:
        assert animated.n_frames == 2


def test_autoencoder_pictures_need_labels_like_the_input(splits: list[Any]) -> None:
    with pytest.raises(SettingsError, match=r"expected labels that are the input, .*; labels are \[\], outputs \[\] a"):
        trainer(splits, [AutoencoderPictures()]).train()


@pytest.mark.parametrize("kind", ["binary", "classes", "values"])
def test_predictions_are_drawn_for_each_kind_of_task(kind: str, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(60, 3)).astype(np.float32)
    labels = {"binary": x[:, 0] > 0, "classes": x.argmax(1), "values": x.sum(1)}[kind]
    labels = labels.astype({"binary": np.uint8, "classes": np.int64, "values": np.float32}[kind])
    split = shard_files.split(tmp_path / "shards", x, labels, kind=kind, set_sizes=[20, 30, 10])

    class Fixed(Autoencoder):
        def predict(self, x: Any, **_: Any) -> Any:
            if kind == "classes":
                return np.exp(x) / np.exp(x).sum(-1, keepdims=True)
            return 1 / (1 + np.exp(-x[..., 0])) if kind == "binary" else 0.8 * x.sum(-1)

        def fit(self, x: Any, *_: Any, **__: Any) -> Any:
            return Fitted(np.ones(len(x), np.float32), self.predict(x))

    callback = PredictionPictures()
    made = Trainer(Fixed(), Batches(split, 6), Batches(split, 6), callbacks=[callback], journal=MemoryJournal(tmp_path))
    made.train()
    (file,) = (tmp_path / "prediction_pictures").iterdir()
    assert file.name == "0000010.png"
    assert np.asarray(Image.open(file)).std() > 10
    before = callback.picture
    callback.act(made)
    assert callback.picture == before


def test_what_is_drawn_is_not_written_without_a_run_unless_a_directory_is_given(
    splits: list[Any], tmp_path: Path
) -> None:
    callbacks = {"nowhere": PredictionPictures(), "here": PredictionPictures(directory=tmp_path / "a")}
    trainer(splits, callbacks, epochs=1).train()
    assert callbacks["nowhere"].picture == (tmp_path / "a/0000005.png").read_bytes()


def test_a_disk_that_fails_is_told_once_and_disturbs_nothing(
    splits: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "layer_histograms").write_text("a file, no directory")
    made = trainer(splits, [LayerHistograms(pictures=False)], tmp_path)
    made.train()
    assert made.state.epoch == 4
    assert caplog.text.count("layer_histograms/0000005.json is not written: ") == 1
    assert caplog.text.count("is not written") == 1


def test_an_experiment_names_them() -> None:
    uses = ["seed_setter", CallbackUse(use="best_subset", arguments={"size": 3}), "data_logger", "layer_histograms"]
    others = ["autoencoder_pictures", "prediction_pictures", "dynamic_threshold", "watch", "event_files"]
    found = from_experiment([*uses, *others], None)
    assert [type(one).__name__ for one in found.values()] == [
        *["SeedSetter", "BestSubset", "DataLogger", "LayerHistograms", "AutoencoderPictures", "PredictionPictures"],
        *["DynamicThreshold", "Watch", "EventFiles"],
    ]
    with pytest.raises(SettingsError, match=r"best_subset: size \(or best_subset_size\) must be an integer of"):
        from_experiment(["best_subset"], None)
    with pytest.raises(UserCodeError, match="best_subset: raised TypeError"):
        from_experiment([CallbackUse(use="best_subset", arguments={"sise": 3})], None)


WATCHING = [
    *["prediction_pictures", "data_logger", {"use": "layer_histograms", "arguments": {"of": ["outputs"]}}],
    *[{"use": "watch", "every": {"iterations": 2}}, "event_files"],
]
KEEPING = [
    {"use": "dynamic_threshold", "arguments": {"metric": "f1_score"}},
    {"use": "best_subset", "arguments": {"size": 2, "metric": "f1_score"}},
    {"use": "ReduceLROnPlateau", "arguments": {"patience": 1, "min_delta": 0.5}},
    {"use": "CSVLogger", "arguments": {"filename": "epochs.csv"}},
]


def test_callbacks_that_only_look_are_in_no_identity(tmp_path: Path) -> None:
    file = write_experiment(tmp_path)
    given: list[list[Any]] = [KEEPING, [WATCHING[0], *KEEPING, *WATCHING[1:]], KEEPING[1:], [*KEEPING, "seed_setter"]]
    plans = [lineage.read(file, settings={"training.callbacks": callbacks}) for callbacks in given]
    identities = [plan.training.specification.identity for plan in plans]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 3


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras reads so
def test_an_experiment_with_all_of_them_that_is_stopped_ends_in_the_same_bytes(tmp_path: Path) -> None:
    found, logs = [], []
    for stopped, callbacks in ((True, [*KEEPING, *WATCHING]), (False, KEEPING)):
        file = write_experiment(tmp_path / str(stopped))
        store, settings = file.parent / "runs", {"training.callbacks": callbacks}
        if stopped:
            first = Trainer.from_experiment(file, store=store, settings=settings)
            stop = on(Every(when=lambda state: state.iteration == 7))(lambda made: made.pause())
            first.callbacks = {**first.callbacks, "stop": stop}
            assert first.train().iteration == 7
            first.close()
        made = Trainer.from_experiment(file, store=store, settings=settings)
        made.train()
        made.close()
        found.append(tree(store))
        logs.append((made.live / "epochs.csv").read_text())
        if stopped:
            written = sorted(path.relative_to(made.live).as_posix() for path in made.live.rglob("*.p*"))
            assert written == [
                *[f"data_logger/epoch-000{number}.parquet" for number in (1, 2, 3)],
                *[f"layer_histograms/00000{number}.png" for number in ("05", "10", "15")],
                *[f"prediction_pictures/00000{number}.png" for number in ("05", "10", "15")],
                *[f"watch/epoch-000{number}.parquet" for number in (1, 2, 3)],
            ]
    epochs, kept = history.epochs(made.live.parent), made.state.callbacks["dynamic_threshold"]
    assert epochs["threshold"].to_pylist()[-1] == made.threshold
    for key in ("value", "cross_fitted"):
        told = epochs[f"callback.dynamic_threshold.{key}"].to_pylist()
        assert (len(told), told[-1]) == (3, kept[key])
    assert found[0] == found[1]
    assert logs[0] == logs[1]
    assert logs[0].count("\n") == 4
