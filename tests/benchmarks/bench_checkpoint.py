"""A checkpoint of 50 million parameters with Adam, 600 MB: what the loop waits for, what is written, what is read."""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.store import artifact
from deeptrain.store.specification import Specification
from deeptrain.training import arrays, runtime
from deeptrain.training.keras_globals import fresh_names_and_seeds
from deeptrain.training.keras_learner import KerasLearner
from tests.benchmarks.side_by_side import bar, measured, show

PARAMETERS = 50_000_000
LAYERS = 8
BLOCK = 1 << 20
ITERATIONS = 16
"""Fit while a checkpoint is written: longer than that takes."""


def width() -> int:
    """Of each layer."""
    return int((PARAMETERS / LAYERS) ** 0.5)


def large() -> KerasLearner:
    import keras

    with fresh_names_and_seeds(1):
        layers = [keras.layers.Dense(width(), use_bias=False) for _ in range(LAYERS)]
        model = keras.Sequential([keras.Input((width(),)), *layers])
        return KerasLearner(model, keras.optimizers.Adam(), keras.losses.MeanSquaredError(), "values")


def plain_write(path: Path, pieces: list[Any]) -> None:
    """As durable as it gets without a checksum: another name, fsync, rename, fsync of the directory."""
    hidden = path.with_name(".new")
    with hidden.open("wb", buffering=0) as file:
        for piece in pieces:
            for at in range(0, len(piece), BLOCK):
                file.write(piece[at : at + BLOCK])
        os.fsync(file.fileno())
    hidden.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def read_and_hash(path: Path) -> str:
    """Every byte, hashed by a second thread while the next are read."""
    data, digest, there = bytearray(path.stat().st_size), hashlib.sha256(), threading.Semaphore(0)
    view = memoryview(data)

    def hashing() -> None:
        for at in range(0, len(view), BLOCK):
            there.acquire()
            digest.update(view[at : at + BLOCK])

    thread = threading.Thread(target=hashing)
    thread.start()
    with path.open("rb", buffering=0) as file:
        for at in range(0, len(view), BLOCK):
            file.readinto(view[at : at + BLOCK])
            there.release()
    thread.join()
    return digest.hexdigest()


def out_of_memory(path: Path) -> None:
    """Let the next read come from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def test_a_checkpoint_of_fifty_million_parameters(tmp_path: Path) -> None:
    runtime.start(2, False)
    learner = large()
    specification = Specification("state", 1, tmp_path / "states", {"size": PARAMETERS})
    plain = tmp_path / "plain"

    def write(pieces: Callable[[], list[Any]]) -> None:
        shutil.rmtree(specification.directory, ignore_errors=True)
        with artifact.writing(specification, {}) as writer, writer.open("state.safetensors") as file:
            for piece in pieces():
                file.write(piece)

    waited = measured(
        {
            "a snapshot of every variable": learner.variables,
            "copying the arrays": lambda: [np.array(value) for value in learner.variables().values()],
        },
        rounds=3,
    )
    show("what the loop waits for", waited)
    snapshot, copying = waited.values()
    bar("what the loop waits for, of copying the arrays", snapshot / copying, 1.0)

    written = measured(
        {
            "an artifact, piece by piece": lambda: write(lambda: list(arrays.pieces(learner.variables()))),
            "an artifact, encoded as one": lambda: write(lambda: [arrays.encode(learner.variables())]),
            "a plain durable write": lambda: plain_write(plain, list(arrays.pieces(learner.variables()))),
        },
        rounds=3,
    )
    show("writing", written)
    artifact_seconds, _, plain_seconds = written.values()
    bar("the speed of writing, of a plain durable write's", plain_seconds / artifact_seconds, 0.7, least=True)

    x = np.random.Generator(np.random.Philox(1)).standard_normal((ITERATIONS, 8, width()), np.float32)

    def train() -> None:
        learner.fit(x, x)

    def train_and_save() -> None:
        """As the trainer does: a snapshot, which a thread writes while training goes on."""
        variables = learner.variables()
        thread = threading.Thread(target=write, args=(lambda: list(arrays.pieces(variables)),))
        thread.start()
        train()
        thread.join()

    trained = measured({f"{ITERATIONS} iterations and a checkpoint": train_and_save, "without": train}, rounds=3)
    show("training while a checkpoint is written", trained)
    saving, alone = trained.values()
    bar("saving every minute, percent of training time", 100 * (saving - alone) / 60, 2.0)

    path = specification.directory / "state.safetensors"

    def restore() -> None:
        out_of_memory(path)
        data = artifact.open(specification.directory).verified(path.name)
        learner.restore(arrays.decode(data, path))

    def read() -> None:
        out_of_memory(path)
        read_and_hash(path)

    found = measured({"restore": restore, "reading and hashing the bytes": read}, rounds=3)
    show("restoring, cold", found)
    restoring, reading = found.values()
    bar("the speed of restoring, of reading and hashing", reading / restoring, 0.7, least=True)
