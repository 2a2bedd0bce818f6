"""Two experiments with labels of their own kind each, small enough to train in a second.

`TABLE` has two outputs from two columns of CSV files; `STEPS` has series whose every step has two labels.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import write_experiment
from tests.memory_split import series

TABLE_BUILDER = """
def build(data):
    import keras
    from keras import layers

    inputs = keras.Input(data.shape)
    x = layers.Dropout(0.2)(layers.Dense(6, "relu")(inputs))
    outputs = {
        "sick": layers.Dense(data.outputs["sick"], activation="sigmoid")(x),
        "cost": layers.Dense(data.outputs["cost"])(x),
    }
    return keras.Model(inputs, outputs)
"""

TABLE = """
[experiment]
name = "tiny"
seed = 3

[data]
path = "raw"
samples_per_set = 8
splits = { train = 70, val = 30, calibration = 48, test = 52 }

[data.labels.sick]
column = "y"
positive = 1

[data.labels.cost]
column = "d"
kind = "values"

[model]
builder = "my_model:build"

[training]
epochs = 3
batch_size = 16
loss = { cost = "mean_absolute_error" }
loss_weights = { cost = 0.5 }
metrics = ["sick.f1", "cost.mean_absolute_error"]
key_metric = "cost.mean_absolute_error"
threads = 1
preprocessors = ["normalise"]

[calibration]
subset_size = 2

[report]
dpi = 50
"""

STEPS_BUILDER = """
def build(data):
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(data.batch_size, *data.shape))
    x = layers.SimpleRNN(5, stateful=True, return_sequences=True)(inputs)
    outputs = {
        "falls": layers.Dense(1, activation="sigmoid")(x),
        "phase": layers.Dense(data.outputs["phase"], activation="softmax")(x),
    }
    return keras.Model(inputs, outputs)
"""

STEPS = """
[experiment]
name = "steps"
seed = 2

[data]
path = "raw"
samples_per_set = 2
splits = { train = 9, val = 4, test = 5 }

[data.labels.falls]
column = "falls"
kind = "binary"

[data.labels.phase]
column = "phase"
kind = "classes"

[model]
builder = "my_model:build"

[training]
epochs = 2
batch_size = 4
metrics = ["falls.accuracy", "phase.accuracy"]
threads = 1

[training.windows]
size = 4
slide = 3

[report]
dpi = 50
"""

LENGTHS = [5, 8, 6, 9, 7, 10] * 3


def table(directory: Path, toml: str = TABLE, builder: str = TABLE_BUILDER) -> Path:
    """The experiment of the table."""
    return write_experiment(directory, toml=toml, builder=builder)


def labels_of(steps: np.ndarray) -> dict[str, np.ndarray]:
    """What the steps of a series are labelled with."""
    return {"falls": (steps[:, 0] > 0.5).astype(np.int8), "phase": np.digitize(steps[:, 1], [-0.5, 0.5])}


def steps(directory: Path, toml: str = STEPS, builder: str = STEPS_BUILDER) -> Path:
    """The experiment of the series: a Parquet file with a list of steps, and lists of labels as long."""
    (directory / "raw").mkdir(parents=True)
    moves = series(LENGTHS, seed=3)
    columns = {
        name: pa.array([labels_of(one)[name].tolist() for one in moves], pa.list_(pa.int64()))
        for name in ("falls", "phase")
    }
    columns["moves"] = pa.array([one.tolist() for one in moves], pa.list_(pa.list_(pa.float32(), 2)))
    pq.write_table(pa.table(columns), directory / "raw" / "series.parquet")
    (directory / "my_model.py").write_text(builder)
    file = directory / "steps.toml"
    file.write_text(toml)
    return file
