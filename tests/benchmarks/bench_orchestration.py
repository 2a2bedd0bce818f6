"""What an epoch costs beside fitting, validating and durable writes, from the first to the 500th."""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import luigi
import pytest

import pipelines
from deeptrain.store import artifact
from deeptrain.training.trainer import Trainer
from tests.conftest import TOML, write_experiment

EPOCHS = 500


class Stopwatch:
    def __init__(self) -> None:
        self.inside = 0.0
        self.marks: list[tuple[float, float]] = []

    def around(self, function: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object, **options: object) -> object:
            begun = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.inside += time.perf_counter() - begun

        return timed


def test_the_cost_of_an_epoch_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Stopwatch()
    for name in ("_group", "_validate"):
        monkeypatch.setattr(Trainer, name, watch.around(getattr(Trainer, name)))
    writing = artifact.writing

    @contextlib.contextmanager
    def timed_writing(*arguments: object) -> Iterator[object]:
        begun = time.perf_counter()
        with writing(*arguments) as writer:  # type: ignore[arg-type]
            yield writer
        watch.inside += time.perf_counter() - begun
        if arguments[0].stage == "epoch":  # type: ignore[attr-defined]
            watch.marks.append((time.perf_counter(), watch.inside))

    monkeypatch.setattr(artifact, "writing", timed_writing)
    monkeypatch.setattr(artifact, "remove", watch.around(artifact.remove))
    file = write_experiment(tmp_path, toml=TOML.replace("epochs = 3", f"epochs = {EPOCHS}"))
    task = pipelines.Epoch(experiment=str(file), store=str(tmp_path / "runs"), number=EPOCHS)
    luigi.build([task], local_scheduler=True)
    spent = [
        (after[0] - before[0]) - (after[1] - before[1])
        for before, after in zip(watch.marks, watch.marks[1:], strict=False)
    ]
    assert len(spent) == EPOCHS - 1
    sys.stdout.write(f"\norchestration of an epoch, {EPOCHS} epochs, one task each\n")
    for first in (1, 101, 201, 301, 401):
        part = spent[first - 1 : first + 99]
        sys.stdout.write(f"  epochs {first:3d}-{first + 99:3d}  median {1e3 * statistics.median(part):7.2f} ms\n")
