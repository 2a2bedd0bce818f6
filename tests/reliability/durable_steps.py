"""What is written durably, each kind by itself and small: run again and again, with a fault at every operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deeptrain import files
from deeptrain.loading.batches import Batches
from deeptrain.shards import conversion, reading
from deeptrain.store import artifact, code_aliases, sweep
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import Every, Trainer, interventions
from deeptrain.training.interventions import Intervention
from deeptrain.training.journal import Journal
from deeptrain.training.run import TrainingRun
from tests import shard_files
from tests.conftest import one_by_one
from tests.numpy_learner import NumpyLearner

RUN = "run"


@dataclass(frozen=True)
class Step:
    """A piece of work that ends in the same bytes however often it was begun.

    Attributes:
        prepare: makes what is there before, given a directory.
        act: does the work, or what is left of it.
        at_once: whether there is nothing between the state before and the one after it.
        sweeps: whether it begins with sweeping what a killed one left.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    at_once: bool = True
    sweeps: bool = False


def _nothing(root: Path) -> None:
    (root / RUN).mkdir()


def _file(root: Path) -> None:
    files.write_file(root / RUN / "file", b"new " * 5_000)


def _old_file(root: Path) -> None:
    _nothing(root)
    files.write_file(root / RUN / "file", b"old " * 7_000)


def _made(root: Path) -> Specification:
    return Specification("thing", 1, root / RUN / "deep" / "er", {"a": 1})


def _artifact(root: Path, text: bytes = b"new ") -> None:
    made = _made(root)
    sweep.sweep(made.root)
    if Checker().complete(made):
        return
    with artifact.writing(made, {}) as writer:
        writer.write("parts/one", text * 5_000)
        writer.write("parts/further/two", text * 3)
        writer.json("three.json", {"text": text.decode()})


def _damaged_artifact(root: Path) -> None:
    """Of the right name, but one of its files is short."""
    _artifact(root, b"old ")
    with (_made(root).directory / "parts/one").open("r+b") as file:
        file.truncate(100)


def _intervention(root: Path) -> None:
    interventions.write(root / RUN, [Intervention(1, 2, "learning_rate", 0.5), Intervention(2, 9, "threshold", 0.25)])


def _old_intervention(root: Path) -> None:
    _nothing(root)
    interventions.write(root / RUN, [Intervention(1, 2, "learning_rate", 0.5)])


def _aliases(root: Path) -> None:
    code_aliases.append(root / RUN, {"a" * 64: "b" * 64})


def _old_aliases(root: Path) -> None:
    _nothing(root)
    code_aliases.append(root / RUN, {"c" * 64: "d" * 64})


def _training_run(root: Path) -> TrainingRun:
    shards = Specification("shards", 1, root / RUN, {"of": "a test"})
    return TrainingRun(root / RUN, {"training": {}}, shards, None, {}, Checker())


def _training(root: Path) -> None:
    """Three epochs with checkpoints within them; of the states at their ends the last two stay.

    What a killed one left is tidied away first, as tasks do it.
    """
    sweep.sweep(root / RUN)
    run = _training_run(root)
    run.tidy(0)
    train, val = (reading.open(root / name).split("train") for name in ("train", "val"))
    trainer = Trainer(
        NumpyLearner(),
        Batches(train, 3, seed=1, order="samples"),
        Batches(val, 3),
        epochs=3,
        journal=Journal(run),
        autosave=Every(iterations=2),
    )
    one_by_one(trainer)
    try:
        trainer.train()
    finally:
        trainer.close()


def _training_data(root: Path) -> None:
    _nothing(root)
    for name, samples in (("train", 14), ("val", 6)):
        x = np.random.Generator(np.random.Philox(samples)).normal(size=(samples, 2)).astype(np.float32)
        shard_files.write(root / name, x, (np.arange(samples) % 2).astype(np.uint8), kind="binary")
    with artifact.writing(_training_run(root).shards, {}) as writer:
        writer.write("data", b"x")


def _raw_files(root: Path) -> None:
    _nothing(root)
    (root / "raw").mkdir()
    for number in range(2):
        rows = np.random.Generator(np.random.Philox(number)).normal(size=(12, 3)).round(3)
        lines = [",".join(map(str, [*row, at % 2])) for at, row in enumerate(rows)]
        (root / "raw" / f"part-{number}.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")


def _conversion(root: Path) -> None:
    conversion.convert(
        root / "raw",
        root / RUN,
        labels={"column": "y"},
        splits={"train": 12, "val": 6, "test": 6},
        samples_per_set=3,
        samples_per_shard=6,
    )


STEPS: Mapping[str, Step] = {
    "file": Step(_nothing, _file),
    "file-over-another": Step(_old_file, _file),
    "artifact": Step(_nothing, _artifact, sweeps=True),
    "artifact-over-a-damaged-one": Step(_damaged_artifact, _artifact, at_once=False, sweeps=True),
    "intervention": Step(_nothing, _intervention),
    "intervention-over-others": Step(_old_intervention, _intervention),
    "code-aliases": Step(_old_aliases, _aliases),
    "conversion": Step(_raw_files, _conversion, at_once=False, sweeps=True),
    "training": Step(_training_data, _training, at_once=False, sweeps=True),
}
