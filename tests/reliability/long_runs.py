"""A long training, and what it takes of the machine from epoch to epoch: memory, threads, open files, disk.

    python -m tests.reliability.long_runs command DIRECTORY     a Keras model, trained by the command
    python -m tests.reliability.long_runs trainer DIRECTORY     a model in NumPy, where little hides what grows

Either trains 200 iterations in each of 1,000 epochs (`--iterations`, `--epochs`) and prints, as a line of JSON, what it
took: see `Taken`. What it took epoch by epoch is in `gauge.jsonl` of the directory.
"""

import inspect
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deeptrain.loading.batches import Batches
from deeptrain.shards import reading
from deeptrain.store import artifact, events, retention
from deeptrain.store.completeness import Checker
from deeptrain.store.specification import Specification
from deeptrain.training import Every, Trainer
from deeptrain.training.journal import Journal
from deeptrain.training.live_page import LivePage
from deeptrain.training.progress_file import ProgressFile
from deeptrain.training.reporter import Reporter
from deeptrain.training.run import TrainingRun
from tests import shard_files
from tests.conftest import BUILDER, TOML, write_experiment
from tests.numpy_learner import NumpyLearner
from tests.pipelines import command
from tests.reliability import tools

ITERATIONS = 200
"""Of an epoch."""
EPOCHS = 1_000
BATCH = 4
KEEP_EVERY = 100
GAUGE = "gauge.jsonl"
LOG_BYTES = 16 << 10
"""That an event log may have before it is rotated: so few that it is, again and again."""
NAME = "long"


class Taken(NamedTuple):
    """What a training took of the machine.

    Attributes:
        epochs: how many were trained.
        iterations: in all of them.
        memory: bytes in memory at the ends of some epochs, by their numbers.
        growth: of the memory after the first 5 % of the epochs, as a part of what it was then; medians of 5 %.
        threads: the fewest and the most after these.
        files: open ones, likewise.
        checkpoints: the most that were there before an epoch's end.
        states: the epochs whose states are on disk after the last one.
        kept: those that have to be, by `keep_every`.
        log: bytes of the event log and of the rotated one.
        epoch: bytes on disk of the middle epoch, without its state, and of the last.
    """

    epochs: int
    iterations: int
    memory: dict[int, int]
    growth: float
    threads: tuple[int, int]
    files: tuple[int, int]
    checkpoints: int
    states: list[int]
    kept: list[int]
    log: list[int]
    epoch: tuple[int, int]


class Gauge:
    """A callback that writes down what its process takes at the end of every epoch; it keeps nothing."""

    def __init__(self, file: str = GAUGE) -> None:
        """Name the file; by default in the working directory."""
        self._file = Path(file)

    def epoch_end(self, trainer: Any, results: Any) -> None:
        """Append a line."""
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        told = {
            "epoch": results.epoch,
            "iterations": results.iterations,
            "memory": int(fields["VmRSS"].split()[0]) << 10,
            "threads": int(fields["Threads"]),
            "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone
            "checkpoints": len(list(trainer.live.parent.glob("unfinished/[0-9]*"))),
        }
        with self._file.open("a") as file:
            file.write(json.dumps(told) + "\n")


def by_command(directory: Path, epochs: int, iterations: int) -> None:
    """Train as a user does."""
    samples = BATCH * iterations
    training = f'epochs = {epochs}\nkeep_every = {KEEP_EVERY}\nautosave_seconds = 0.2\ncallbacks = ["my_model:Gauge"]'
    toml = (
        TOML.replace("train = 70", f"train = {samples}")
        .replace("epochs = 3", training)
        .replace("batch_size = 16", f"batch_size = {BATCH}")
    )
    builder = (
        f"{BUILDER}\nimport json\nimport os\nfrom pathlib import Path\nfrom typing import Any\n\nGAUGE = {GAUGE!r}\n\n"
    )
    write_experiment(directory, toml=toml, builder=builder + inspect.getsource(Gauge), samples=samples + 130)
    finished = command.end(command.start(*command.TRAINING, str(epochs), cwd=directory), seconds=100_000)
    assert (finished.code, finished.err) == (0, ""), finished


def by_trainer(directory: Path, epochs: int, iterations: int) -> None:
    """Train in this process, watched as a command's training is."""
    directory.mkdir(parents=True)
    for name, samples in (("train", BATCH * iterations), ("val", 16)):
        x = np.random.Generator(np.random.Philox(samples)).normal(size=(samples, 2)).astype(np.float32)
        shard_files.write(directory / name, x, (np.arange(samples) % 2).astype(np.uint8), kind="binary")
    root = directory / "runs" / NAME
    shards = Specification("shards", 1, root, {"of": "a test"})
    with artifact.writing(shards, {}) as writer:
        writer.write("data", b"x")
    journal = Journal(TrainingRun(root, {"training": {}}, shards, None, {}, Checker()), KEEP_EVERY)
    train, val = (reading.open(directory / name).split("train") for name in ("train", "val"))
    events.ROTATE_BYTES = LOG_BYTES
    with Reporter([LivePage(journal.live / "index.html", NAME, number=1), ProgressFile(journal.live, NAME)]) as shown:
        trainer = Trainer(
            NumpyLearner(),
            Batches(train, BATCH, seed=1, order="samples"),
            Batches(val, BATCH),
            epochs=epochs,
            journal=journal,
            autosave=Every(seconds=0.2),
            callbacks={"gauge": Gauge(str(directory / GAUGE))},
            watch=shown.update,
        )
        try:
            trainer.train()
        finally:
            trainer.close()


def taken(directory: Path) -> Taken:
    """What a training that has ended took."""
    lines = [json.loads(line) for line in (directory / GAUGE).read_text().splitlines()]
    (training,) = directory.glob("runs/*/training-*")
    first = len(lines) // 20
    settled, end = lines[first:], lines[-max(first, 1) :]
    before, after = (statistics.median(one["memory"] for one in some) for some in (settled[: len(end)], end))
    states = sorted(int(path.name) for path in training.glob("states/[0-9]*"))
    last = json.loads((training / f"epochs/{len(lines):04d}/progress.json").read_bytes())["state"]
    log = training / "live/events.jsonl"
    return Taken(
        epochs=len(lines),
        iterations=lines[-1]["iterations"],
        memory={lines[at - 1]["epoch"]: lines[at - 1]["memory"] for at in _some(len(lines))},
        growth=after / before - 1,
        threads=_range(one["threads"] for one in settled),
        files=_range(one["files"] for one in settled),
        checkpoints=max(one["checkpoints"] for one in lines),
        states=states,
        kept=sorted(retention.kept(range(1, len(lines) + 1), last["best"]["epoch"], KEEP_EVERY)),
        log=[path.stat().st_size for path in (log.with_name(f"{log.name}.1"), log) if path.exists()],
        epoch=(_bytes(training / f"epochs/{len(lines) // 2:04d}"), _bytes(training / f"epochs/{len(lines):04d}")),
    )


def _some(count: int) -> list[int]:
    return sorted({1, max(count // 20, 1), *(count * tenth // 10 for tenth in range(1, 11))} - {0})


def _range(values: Any) -> tuple[int, int]:
    found = list(values)
    return min(found), max(found)


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


KINDS = {"command": by_command, "trainer": by_trainer}


def main() -> int:
    """Train, and print what it took."""
    parser = tools.parser("long_runs", __doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of an epoch")
    asked = parser.parse_args()
    KINDS[asked.kind](asked.directory, asked.epochs, asked.iterations)
    tools.tell(json.dumps(taken(asked.directory)._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
