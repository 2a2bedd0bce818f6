"""A tiny experiment on real-looking files, small enough to train in a second."""

import os
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

from deeptrain import lineage
from tests.published_runs import publish

if TYPE_CHECKING:
    from deeptrain.training import Trainer

# Time is no property of the code under test: machines that run tests are busy.
settings.register_profile("deeptrain", deadline=None)
# What lands is tried with the same examples each time; `make test` by itself draws others.
settings.register_profile("landing", deadline=None, derandomize=True)
settings.load_profile("deeptrain")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

BUILDER = '''
"""A model with everything that a careless checkpoint forgets."""


def build(data, units=6, rate=0.25):
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.shape),
            layers.Dense(units),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(rate),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
'''

TOML = """
[experiment]
name = "tiny"
seed = 3

[data]
path = "raw"
samples_per_set = 8
labels = { column = "y", positive = 1 }
splits = { train = 70, val = 30, calibration = 48, test = 52 }

[model]
builder = "my_model:build"

[training]
epochs = 3
batch_size = 16
metrics = ["f1_score", "accuracy"]
threads = 1
preprocessors = ["normalise"]

[calibration]
subset_size = 2

[report]
dpi = 50
"""

EVEN = TOML.replace("train = 70, val = 30", "train = 64, val = 32")
"""The same where all batches have as many samples: a model is compiled for each number, which is most of the time."""

WEIGHED = TOML.replace("samples_per_set", 'weights = "w"\nsamples_per_set')
"""The same where a column of the samples, see `weigh`, says what each counts for."""


def write_experiment(directory: Path, toml: str = TOML, builder: str = BUILDER, samples: int = 200) -> Path:
    """An experiment's file with its builder and raw data beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.Philox(5))
    x = rng.normal(size=(samples, 4)).round(4)
    y = (x @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=samples) > 1.2).astype(int)
    raw = directory / "raw"
    raw.mkdir(exist_ok=True)
    for number in range(2):
        rows = range(number * samples // 2, (number + 1) * samples // 2)
        lines = ["a,b,c,d,y", *(",".join([*map(str, x[row]), str(y[row])]) for row in rows)]
        (raw / f"part-{number + 1}.csv").write_text("\n".join(lines) + "\n")
    (directory / "my_model.py").write_text(textwrap.dedent(builder))
    file = directory / "tiny.toml"
    file.write_text(toml)
    return file


def weigh(file: Path, weights: list[float]) -> None:
    """Give the samples these weights in turn."""
    for path in (file.parent / "raw").iterdir():
        head, *rows = path.read_text().split()
        weighed = [f"{row},{weights[number % len(weights)]}" for number, row in enumerate(rows)]
        path.write_text("\n".join([f"{head},w", *weighed]) + "\n")


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """The tiny experiment's file."""
    return write_experiment(tmp_path / "here")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the tiny experiment with a complete store of small files, to be copied."""
    file = write_experiment(tmp_path_factory.mktemp("published") / "here")
    publish(lineage.read(file, store=file.parent / "runs"))
    return file.parent


@pytest.fixture
def here(published: Path, tmp_path: Path) -> Path:
    """A copy of it, of one's own."""
    return Path(shutil.copytree(published, tmp_path / "here"))


@pytest.fixture
def make_experiment(tmp_path: Path) -> Callable[..., Path]:
    """Makes a changed tiny experiment: `make(name, toml=..., builder=...)`."""
    return lambda name="other", **changes: write_experiment(tmp_path / name, **changes)


def one_by_one(trainer: "Trainer", size: int = 1) -> None:
    """Fit so many iterations a group, by default one, so that every iteration is a place to stop."""
    pace = trainer._loop.course.pace
    pace.size = size
    pace.took = lambda *_: None  # type: ignore[method-assign]


def tree(directory: Path) -> dict[str, bytes]:
    """Every file of a run but those in `live/`, by name: what two runs must have in common."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "live" not in path.relative_to(directory).parts
    }
