"""The whole walk on series: Parquet files with a list of steps, a TOML file with windows, training, loading."""

import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import deeptrain
from deeptrain import lineage, predictor, session
from deeptrain.errors import DataError, Interrupted
from deeptrain.training import Trainer, judging
from deeptrain.training.outputs import interpret
from deeptrain.training.progress import Progress
from tests.conftest import one_by_one, tree
from tests.memory_split import series

BUILDER = '''
"""A stateful model, and a preprocessor that remembers."""
import dataclasses


def build(data, units):
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(data.batch_size, *data.shape))
    x = layers.SimpleRNN(units, stateful=True)(inputs)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.Dropout(0.2)(x)))


class Centre:
    """Takes away the mean of all that was seen in training."""

    def __init__(self, data, share=1.0):
        self.share, self.seen, self.total = share, 0, 0.0

    def process(self, batch, rng):
        if rng is not None:
            self.seen += batch.x.size
            self.total += float(batch.x.sum())
        mean = self.total / self.seen if self.seen else 0.0
        return dataclasses.replace(batch, x=(batch.x - self.share * mean).astype("float32"))

    def state(self):
        return {"seen": self.seen, "total": self.total}

    def restore(self, state):
        self.seen, self.total = state["seen"], state["total"]
'''

TOML = """
[experiment]
name = "series"
seed = 2

[data]
path = "raw"
samples_per_set = 2
weights = "trust"
labels = { column = "label", positive = 1 }
splits = { train = 9, val = 4, test = 5, stratify = false }

[model]
builder = "my_model:build"
arguments = { units = 3 }

[training]
epochs = 2
batch_size = 4
metrics = ["accuracy"]
threads = 1
class_weights = "balanced"
preprocessors = [{ use = "my_model:Centre", arguments = { share = 0.5 } }, { use = "noise", arguments = { std = 0.1 } }]

[training.windows]
size = 4
slide = 3
start_increments = [0, 1]
weights = { first = 0.5, last = 1.0 }
prediction_weights = [0.5, 1.0]
"""


def write(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "raw").mkdir()
    lengths = [5, 8, 6, 9, 7, 10] * 3
    steps = series(lengths, seed=3)
    table = pa.table(
        {
            "label": pa.array([int(number % 3 == 0) for number in range(18)], pa.int8()),
            "trust": pa.array(np.linspace(0.5, 1.5, 18), pa.float32()),
            "moves": pa.array([one.tolist() for one in steps], pa.list_(pa.list_(pa.float32(), 2))),
        }
    )
    pq.write_table(table, directory / "raw" / "series.parquet")
    (directory / "my_model.py").write_text(textwrap.dedent(BUILDER))
    (directory / "series.toml").write_text(TOML)
    return directory / "series.toml"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    file = write(tmp_path_factory.mktemp("undisturbed") / "here")
    trainer = Trainer.from_experiment(file, store=file.parent / "runs")
    trainer.train()
    trainer.close()
    return file, trainer


@pytest.mark.parametrize("iteration", [2, 3])
def test_a_run_on_series_that_is_stopped_in_a_batchs_windows_ends_in_the_same_bytes(
    iteration: int, tmp_path: Path, undisturbed: tuple[Path, Trainer]
) -> None:
    file = write(tmp_path / "here")
    store = file.parent / "runs"

    def watch(progress: Progress) -> None:
        if progress.iteration == iteration and progress.phase == "fit":
            trainer.interrupt()

    for _ in range(2):  # once in each epoch
        trainer = Trainer.from_experiment(file, store=store, watch=watch)
        one_by_one(trainer)
        with pytest.raises(Interrupted, match=rf"after {iteration} of \d+ iterations"):
            trainer.train()
        trainer.close()
    assert trainer.position.epoch == 2
    trainer = Trainer.from_experiment(file, store=store)
    trainer.train()
    trainer.close()
    assert tree(store) == tree(undisturbed[0].parent / "runs")


def test_the_loaded_model_says_of_series_what_the_run_said(undisturbed: tuple[Path, Trainer]) -> None:
    file, _ = undisturbed
    store = file.parent / "runs"
    plan = lineage.read(file, store=store)
    number = plan.training.best(2) or 2
    data = session.open_data(plan).after(number)
    from deeptrain import alive

    learner = data.learner(alive.variables_after(plan, number))
    expected = interpret(judging.predict(learner, data.feed("test")), "binary", "probabilities")
    loaded = deeptrain.load(store / "series", experiment=file)
    split = data.shards.split("test")
    np.testing.assert_array_equal(loaded.probabilities(split.take(np.arange(5))), expected)
    read = predictor.samples(loaded, file.parent / "raw" / "series.parquet")
    rows = [split.raw(index)[1] for index in range(len(split))]
    np.testing.assert_array_equal(loaded.probabilities([read[row] for row in rows]), expected)
    with pytest.raises(DataError, match=r"sequences must have the shape \(steps, 2\), got \(3, 9\) for number 0"):
        loaded.probabilities([np.zeros((3, 9))])
    with pytest.raises(DataError, match=r"a model on windows .* cannot be exported"):
        loaded.export(file.parent / "exported")


def test_weights_are_in_the_groups_and_not_in_the_validation_of_classes(undisturbed: tuple[Path, Trainer]) -> None:
    file, trainer = undisturbed
    data = session.open_data(lineage.read(file, store=file.parent / "runs"))
    split = data.shards.split("val")
    group = next(data.feed("val").judged(0))
    np.testing.assert_array_equal(group.weights[0], split.weights)
    assert trainer.train_data.split.weights is not None


def test_a_window_longer_than_every_series_is_told_before_training(tmp_path: Path) -> None:
    """In the original this hangs."""
    file = write(tmp_path / "here")
    with pytest.raises(DataError, match=r"windows.size must be at most the 10 steps of the longest series"):
        Trainer.from_experiment(file, settings={"training.windows": {"size": 11}})
