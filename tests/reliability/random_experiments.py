"""Experiments of random settings: every format of raw files, pictures, series in windows, most of what can be asked.

What is drawn is told by `Drawn`, whose TOML file is of lines that a person can read and change.
"""

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from deeptrain.shards import rewriting
from tests.conftest import write_experiment
from tests.reliability.remembering import DECAY, PIECES

Choices = Mapping[str, Sequence[str | None]]
"""Dotted keys of the experiment, and what each may be, as TOML has it; None leaves it out."""

ANY: Choices = {
    "experiment.seed": ("0", "3"),
    "data.compression": (None, None, '"lz4"', '"zstd"'),
    "data.samples_per_shard": (None, "16", "50"),
    "data.block_bytes": (None, "4096"),
    "data.shuffle": (None, "true", "false"),
    "data.remainder": (None, '"drop"', '"oversample"'),
    "training.epochs": ("1", "2", "3", "5"),
    "training.autosave_seconds": ("0.000001", "0.1", "60"),
    "training.epochs_per_task": (None, "1", "2"),
    "training.keep_every": ("0", "2"),
    "training.threads": ("1", "2"),
    "training.validate": (None, "{ iterations = 3, epochs = 1 }", "{ epochs = 2 }"),
    "training.optimizer": (
        '"adam"',
        '{ use = "sgd", arguments = { learning_rate = 0.05, momentum = 0.9 } }',
        '{ use = "adam", arguments = { learning_rate = 0.01, gradient_accumulation_steps = 3 } }',
        '{ use = "adam", arguments = { use_ema = true, ema_overwrite_frequency = 4 } }',
    ),
    "training.schedule": (
        None,
        None,
        '{ use = "CosineDecay", arguments = { initial_learning_rate = 0.01, decay_steps = 20 } }',
    ),
    "training.order": (None, '"sets"', '"samples"', '"none"'),
    "training.last": (None, '"drop"', '"fill"'),
    "training.superbatch_bytes": (None, "1000"),
    "training.precision": (None, None, '"mixed_float16"', '"mixed_bfloat16"'),
    "training.class_weights": (None, '"balanced"'),
    "training.health": (None, '"roll_back"', '"off"'),
    "training.callbacks": (
        None,
        '[{ use = "my_model:Decay", every = { iterations = 3 } }]',
        '["early_stopping", "data_logger", "watch"]',
        '[{ use = "watch", arguments = { of = ["updates", "gradients", "outputs"] }, every = { iterations = 4, '
        "validations = 1, epochs = 1 } }]",
        '["layer_histograms", { use = "ReduceLROnPlateau", arguments = { monitor = "loss", patience = 1 } }]',
    ),
    "training.phases": (
        None,
        None,
        "[{ epoch = 2, learning_rate = 0.002 }]",
        '[{ epoch = 1, frozen = ["first*"] }, { epoch = 2, optimizer = "sgd", frozen = [] }]',
    ),
    "predictions.epoch": (None, '"last"'),
    "report.dpi": ("50",),
}
OF_TABLES: Choices = {
    "training.batch_size": ("5", "16", "60"),
    "training.preprocessors": (
        '["normalise"]',
        '["normalise", { use = "noise", arguments = { std = 0.1 } }]',
        '["my_model:Pieces", "normalise"]',
        None,
    ),
    "training.sampling": (None, None, '"balanced"'),
}
OF_TWO_CLASSES: Choices = {
    "training.metrics": ('["f1_score", "accuracy"]',),
    "training.key_metric": (None, '"f1_score"'),
    "training.callbacks": (None, None, '[{ use = "dynamic_threshold", arguments = { metric = "f1_score" } }]'),
    "calibration.metric": (None, '"accuracy"'),
    "calibration.resamples": (None, "0"),
    "calibration.subset_size": ("0", "2"),
    "calibration.subset": (None, "{ min_positives = 1 }"),
}
OF_CLASSES: Choices = {
    "training.batch_size": ("5", "16", "30"),
    "training.metrics": ('["accuracy"]',),
    "training.preprocessors": (None, '["random_flip"]', '[{ use = "random_crop", arguments = { size = [5, 5] } }]'),
    "calibration.several": (None, "{ offsets = true }"),
}
OF_SERIES: Choices = {
    "training.batch_size": ("5", "16", "30"),
    "training.windows": (
        "{ size = 4 }",
        "{ size = 4, slide = 3, start_increments = [0, 2], weights = { first = 0.5, last = 1.0 } }",
        '{ size = 5, remainder = "drop" }',
    ),
    "training.preprocessors": (None, '["normalise"]', '["my_model:Pieces"]'),
    "model.arguments": ("{ stateful = true }", "{ stateful = false }"),
}
CALIBRATED: Choices = {
    "calibration.probabilities": (None, None, '{ methods = ["temperature", "isotonic"] }'),
    "calibration.members": (None, None, "{ best = 2 }", '{ seeds = [7], method = "convex" }'),
}
TABLES = ("csv", "tsv", "npy", "npz", "hdf5", "arrow", "parquet", "svmlight")
FORMATS = (*TABLES, "image", "series", "series")
ARGUMENTS: Sequence[Sequence[str]] = ((), ("--workers", "2"))

MODELS = '''
"""Models with what a careless checkpoint forgets, and what else an experiment names."""


def dense(data):
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Dense(6, name="first"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.25),
            layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )


def convolutional(data):
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Rescaling(1 / 255),
            layers.Conv2D(3, 3, name="first", activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.25),
            layers.Dense(data.outputs, activation="softmax", dtype="float32"),
        ]
    )


def recurrent(data, stateful):
    import keras
    from keras import layers

    inputs = keras.Input(batch_shape=(data.batch_size if stateful else None, *data.shape))
    followed = layers.LSTM(4, stateful=stateful, name="first")(inputs)
    outputs = layers.Dense(1, activation="sigmoid", dtype="float32")(layers.Dropout(0.25)(followed))
    return keras.Model(inputs, outputs)
'''
BUILDER = MODELS + DECAY + PIECES


@dataclass(frozen=True)
class Drawn:
    """A random experiment.

    Attributes:
        format: of its raw files.
        settings: by dotted key, as TOML has them.
        arguments: of the command.
        central: whether a central scheduler gives out its tasks.
        messages: whether it is spoken to while it trains.
    """

    format: str
    settings: Mapping[str, str]
    arguments: Sequence[str]
    central: bool
    messages: bool

    @property
    def toml(self) -> str:
        """The experiment's file."""
        tables: dict[str, list[str]] = {}
        for key, value in self.settings.items():
            table, _, name = key.partition(".")
            tables.setdefault(table, []).append(f"{name} = {value}")
        return "\n\n".join("\n".join([f"[{table}]", *lines]) for table, lines in tables.items()) + "\n"


def draw(rng: random.Random) -> Drawn:
    """An experiment whose settings go together."""
    form = rng.choice(FORMATS)
    model = {"image": "convolutional", "series": "recurrent"}.get(form, "dense")
    splits = {"train": 70, "val": 30, "calibration": 48, "test": 52}
    splits = splits if form in TABLES else {name: size // 2 for name, size in splits.items()}
    drawn = ", ".join(f"{name} = {size}" for name, size in splits.items())
    given = {
        "experiment.name": '"tiny"',
        "data.path": '"raw"',
        "data.labels": '{ kind = "classes" }' if form == "image" else "{ positive = 1 }",
        "data.splits": f"{{ {drawn}{', stratify = true' if form == 'image' else ''} }}",
        "data.samples_per_set": "8",
        "model.builder": f'"my_model:{model}"',
    }
    if form == "svmlight":
        given["data.reading"] = "{ features = 4 }"
    if form == "image":
        given["data.dtype"] = '"uint8"'
    kinds = [ANY, CALIBRATED, OF_CLASSES if form == "image" else OF_TWO_CLASSES]
    kinds += [OF_SERIES] if form == "series" else [OF_TABLES] if form in TABLES else []
    for choices in kinds:
        for key, values in choices.items():
            value = rng.choice(values)
            if value is not None:
                given[key] = value
    _make_fit(given)
    return Drawn(form, given, rng.choice(ARGUMENTS), central=rng.random() < 0.25, messages=rng.random() < 0.5)


def _make_fit(given: dict[str, str]) -> None:
    """Leave out what does not go with something else that was drawn."""
    if given["training.epochs"] == "1" and "best" in given.get("calibration.members", ""):
        del given["calibration.members"]
    if "best" in given.get("calibration.members", ""):
        for key in ("training.key_metric", "training.validate"):  # of two epochs each must have it
            given.pop(key, None)
    if "data.dtype" in given and given.get("data.remainder") == '"drop"':
        del given["data.remainder"]  # of so few pictures a class could be what is dropped
    if "training.sampling" in given:
        given["training.order"] = '"samples"'
        given.pop("training.class_weights", None)
    if given.get("training.order") == '"samples"' and "data.compression" in given:
        given.pop("training.superbatch_bytes", None)
    if "training.schedule" in given:
        given["training.optimizer"] = '"adam"'
        given.pop("training.callbacks", None)
        given.pop("training.phases", None)


def write(directory: Path, drawn: Drawn) -> Path:
    """The experiment's file with its builder and raw data beside it; its directory."""
    file = write_experiment(directory, toml=drawn.toml, builder=BUILDER)
    raw = directory / "raw"
    rng = np.random.Generator(np.random.Philox(5))
    if drawn.format == "image":
        shutil.rmtree(raw)
        _write_pictures(raw, rng)
    elif drawn.format == "series":
        shutil.rmtree(raw)
        _write_series(raw, rng)
    elif drawn.format != "csv":
        raw.rename(directory / "table")
        rewriting.rewrite(directory / "table", raw, drawn.format, label_column="y")
        shutil.rmtree(directory / "table")
    return file.parent


def _write_pictures(raw: Path, rng: np.random.Generator) -> None:
    """Forty pictures each of three classes, a folder each, that differ in where they are bright."""
    for number, name in enumerate(("left", "middle", "right")):
        (raw / name).mkdir(parents=True)
        for at in range(40):
            grey = rng.integers(0, 120, (6, 6), np.uint8)
            grey[:, 2 * number : 2 * number + 2] += 100
            Image.fromarray(grey).save(raw / name / f"{at}.png")


def _write_series(raw: Path, rng: np.random.Generator) -> None:
    """A hundred series of 5 to 14 steps, of two numbers a step, whose first goes up or down on the whole."""
    raw.mkdir()
    labels = rng.integers(0, 2, 100)
    steps = [rng.normal(0.6 * label - 0.3, 1.0, (int(rng.integers(5, 15)), 2)).astype(np.float32) for label in labels]
    table = pa.table({"motion": [one.tolist() for one in steps], "y": labels})
    table = table.set_column(0, "motion", table["motion"].cast(pa.list_(pa.list_(pa.float32(), 2))))
    pyarrow.parquet.write_table(table, raw / "series.parquet")
