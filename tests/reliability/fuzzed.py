"""What reads a file of ours, with a real file to begin with: for hypothesis, atheris and a loop.

The law: whatever the bytes, a reader gives something or raises an error of `deeptrain.errors`, soon, and in memory of
ten times the file and `ROOM`.
"""

import contextlib
import functools
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from deeptrain import experiment, files, inventory
from deeptrain.calibration import threshold_curve
from deeptrain.calibration.maps import methods
from deeptrain.calibration.threshold_curve import Curve
from deeptrain.errors import DataError, DeeptrainError
from deeptrain.files import FileDigest
from deeptrain.introspection import watched
from deeptrain.introspection.naming import describe
from deeptrain.loading.position import Position
from deeptrain.model_name import read as read_name
from deeptrain.shards import conversion, npy, parts, reading, samples
from deeptrain.store import (
    artifact,
    code_aliases,
    code_record,
    events,
    fingerprints,
    locks,
    manifest,
    raw_record,
    references,
    run_names,
    verification,
)
from deeptrain.store.manifest import Manifest
from deeptrain.store.specification import Source
from deeptrain.training import arrays, chronicle, history, interventions, mailbox, messages, predictions, progress_file
from deeptrain.training.history import History
from deeptrain.training.results import Results
from deeptrain.training.state import TrainState
from deeptrain.training.tally import Tally
from pipelines.ui import live, scheduler_state
from pipelines.ui.kept_files import KeptFile
from tests import written_runs
from tests.conftest import TOML, write_experiment

SECONDS = 20.0
"""Of the processor, for what takes some milliseconds: a hang, not a machine that is slow."""
ROOM = 400 << 20
"""Bytes beside ten times the file: Arrow's claims may take 256 MiB."""
ALTERED_BESIDE = frozenset({manifest.NAME, "data.json"})
"""What a reader here changes beside the file that is spoilt, to make it fit."""


@dataclass(frozen=True)
class Target:
    """A file and what reads it.

    Attributes:
        make: puts a whole file, with what it needs around it, into an empty directory, and returns its path.
        read: reads it; raises nothing but errors of ours.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def sealed(directory: Path) -> artifact.Artifact:
    """An artifact of the files in a directory as they are: a manifest that fits whatever they hold, as a stranger's."""
    names = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != manifest.NAME)
    told = tuple(
        FileDigest(path.relative_to(directory).as_posix(), len(data), hashlib.sha256(data).hexdigest())
        for path, data in ((path, path.read_bytes()) for path in names)
    )
    content = manifest.content_of(told)
    made = Manifest("thing", 1, content, content, {}, {}, {}, None, {}, told)
    (directory / manifest.NAME).write_bytes(files.readable_json(made.plain()))
    return artifact.open(directory)


def written(name: str, data: bytes | str) -> Callable[[Path], Path]:
    """Makes a file of this name with these bytes."""

    def make(directory: Path) -> Path:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return make


def of_json(name: str, value: Any) -> Callable[[Path], Path]:
    """Makes a file of this name with a value as JSON."""
    return written(name, files.readable_json(value))


STATE = TrainState(
    position=Position(3, 2, 18, 0),
    tally=Tally(0.5, 12, (1, 2, 3, 4), {"a": Tally(0.25, 12)}),
    within=(),
    callbacks={"Naming": {"count": 3, "lowest": "inf", "all": [1, 2.5]}},
    magnitudes={"dense": [0.5, 2.0]},
)
RESULTS = Results(3, 30, {"loss": 0.5}, {"loss": 0.4, "f1_score": 0.75}, 1e-3, 0.75, is_best=True)
HISTORY = History(
    *(np.arange(40, dtype=dtype) for dtype in (np.int64, np.int64, np.int32, np.int32)),
    np.linspace(0, 1, 40, dtype=np.float32),
    {"f1_score": np.full(40, np.nan, np.float32)},
)
CURVE = Curve(*(np.arange(20, dtype=np.float64) / 20 for _ in threshold_curve.COLUMNS))
NOW = "2026-01-31T12:00:00.000+00:00"
LIVE = {
    "format": 1, "name": "M1__tiny", "stage": "training", "pid": 3, "host": "here", "started": NOW, "updated": NOW,
    "running": True, "phase": "fit", "paused": False, "epoch": 3, "epochs": 8, "iteration": 2, "iterations": 8,
    "batch": "12", "loss": 0.5, "iterations_per_second": None, "seconds_left_epoch": 1.5, "seconds_left_run": "nan",
    "metrics": {"f1_score": "nan"}, "key_metric": "f1_score", "maximize": True, "best": 0.9, "best_epoch": 1,
    "findings": ["dense: dead"], "log": ["a line"],
    "curves": {"loss": [[1, 1.0]], "validation_loss": [], "key": [[1, 0.9]], "now": [[2.25, 0.5]]},
}  # fmt: skip
EVENTS = "".join(
    json.dumps({"time": NOW, "kind": kind, "host": "here", "pid": 3, **more}) + "\n"
    for kind, more in (
        ("began", {"number": 1, "epochs": 8}),
        ("epoch", {"epoch": 1, "loss": 0.5, "value": 0.5, "key_metric": "loss"}),
        ("paused", {}),
        ("resumed", {}),
        ("task", {"seconds": 1.5, "artifact": "training-0/epochs/0001", "outcome": "ran"}),
    )
)
TASK = {
    **dict.fromkeys(scheduler_state.OF_A_TASK), "status": "DONE", "params": {"a": "1"}, "param_visibilities": {"a": 0},
    "deps": ["b"], "workers": ["w"], "stakeholders": ["w"], "failures": [1.0], "retry_policy": [1, 2, None],
    "resources": {"gpu": 1}, "priority": 1, "time": 1.0, "updated": 1.0,
}  # fmt: skip
WORKER = {
    "reference": "r",
    "started": 1.0,
    "last_get_work": None,
    "info": {"a": "b"},
    "disabled": False,
    "tasks": ["a"],
}
MAP = {"method": "isotonic", "scores": [0.1, 0.5, 0.9], "probabilities": [0.2, 0.4, 0.8]}


def whole_run(directory: Path) -> Path:
    """A run as a stranger could send it, by the metrics of its last epoch."""
    training = written_runs.write(directory / "runs", written_runs.scores())
    return training / "epochs/0003/metrics.json"


def look_at_store(path: Path) -> None:
    """What `status`, `verify`, `clean` and the list of runs read, of a store two directories above a run's file."""
    store = next(one for one in path.parents if one.name == "runs")
    inventory.of(store)
    references.read(store)
    verification.verify(store)


def read_progress(path: Path) -> None:
    """What a checkpoint says of where training stands."""
    sealed(path.parent).told(path.name, TrainState.from_progress)


def shards(directory: Path, compression: str | None = None) -> Path:
    """Small shards of two splits, by their `data.json`."""
    file = write_experiment(directory / "raw_of", samples=40)
    asked: dict[str, Any] = {"splits": {"train": 0.5, "val": 0.5}, "labels": {"column": "y"}}
    if compression:
        asked["compression"] = compression
    made = conversion.convert(str(file.parent / "raw"), str(directory / "converted"), **asked)
    return Path(made) / "whole/data.json"


def read_shards(path: Path) -> None:
    """All samples and labels of shards, by any file in their `whole/`."""
    opened = reading.open(path.parents[1])
    for name in opened.splits:
        split = opened.split(name)
        for number in range(len(split.blocks) - 1):
            split.read_block(number)
        split.take(np.arange(min(len(split), 5)))
        split.raw(0)
        with contextlib.suppress(DataError):  # sets here hold samples of several raw files
            split.raw_of_sets()


def small_array(name: str) -> Callable[[Path], Path]:
    """Shards, by one of their small arrays."""
    return lambda directory: shards(directory).with_name(name)


def read_small_array(path: Path) -> None:
    """The same, after `data.json` was made to tell its checksum, as a stranger would."""
    described = path.with_name("data.json")
    told = json.loads(described.read_bytes())
    told["arrays"][path.stem]["xxh3"] = f"{xxhash.xxh3_64_intdigest(path.read_bytes()[npy.OFFSET :]):016x}"
    described.write_bytes(files.readable_json(told))
    read_shards(path)


def shard(directory: Path, pattern: str, compression: str | None = None) -> Path:
    """Shards, by one of the files in their first part."""
    return next(shards(directory, compression).parents[1].glob(f"parts/0001/{pattern}"))


def read_shard(path: Path) -> None:
    """All samples of shards, by one of the files in a part."""
    read_shards(path.parents[2] / "whole/data.json")


def samples_of(directory: Path) -> Path:
    """What is known of raw samples, by `samples.json`."""
    shards(directory)
    return next(directory.glob("converted/**/samples.json"))


def read_samples(path: Path) -> None:
    """All of it."""
    found = samples.open(sealed(path.parent))
    len(found), found.origin, found.labels, found.classes, found.groups, found.weights, found.lengths
    found.label_places(np.arange(3))


def read_checks(path: Path) -> None:
    """Checksums of the blocks of a shard."""
    parts.checks(sealed(path.parent), path.name.partition(".")[0], ["x"])


def predicted(directory: Path) -> Path:
    """Predictions, by their outputs."""
    whole_run(directory)
    return next(directory.glob("runs/*/predictions-*/test.outputs.npy"))


def read_predictions(path: Path) -> None:
    """All of them, as a calibration and a report read them."""
    found = sealed(path.parent)
    told = predictions.index(found)
    predictions.epochs(told)
    predictions.directories(found)
    predictions.read(found, "test")


def read_events(path: Path) -> None:
    """A log of events, in all ways."""
    list(events.read(path)), list(events.newest(path))
    events.seconds_of(path, ["training-0"])
    chronicle.read(path)


def read_message(path: Path) -> None:
    """What a training hears."""
    for _, text in mailbox.Mailbox(path.parents[1], now=lambda: path.stat().st_mtime).waiting():
        messages.parse(text)


def read_scheduler(path: Path) -> None:
    """What a scheduler knew, and then works with."""
    from luigi.scheduler import Scheduler

    scheduler = Scheduler()
    scheduler_state.restore(scheduler, KeptFile(path.parent, path.name).read())
    scheduler_state.plain(scheduler)
    scheduler.prune()
    scheduler.graph()
    scheduler.task_list("", "")


def read_experiment(path: Path) -> None:
    """An experiment, and what people call it."""
    found = experiment.read(path)
    describe(found.name, found.tables(), found.naming.aliases)


def watched_rows(directory: Path) -> Path:
    """Values that were watched."""
    row = watched.Watched("weights", "dense", "kernel", "mean", 0.5, None, None, None)
    return written("epoch-0001.parquet", watched.encode(watched.table(1, 3, [row] * 5)))(directory)


def decoded(decode: Callable[[bytes, Path], object]) -> Callable[[Path], object]:
    """Reads the bytes of a file with a function of bytes."""
    return lambda path: decode(path.read_bytes(), path)


def manifest_of(directory: Path) -> Path:
    """An artifact of two files, one in a directory of it, by its manifest."""
    written("one.json", "{}")(directory / "a")
    written("in/two.bin", b"2" * 100)(directory / "a")
    return sealed(directory / "a").directory / manifest.NAME


def read_manifest(path: Path) -> None:
    """An artifact in every way in which one is looked at."""
    with_fault = verification.verify(path.parent)
    found = artifact.verify(path.parent)
    assert not with_fault.faults, with_fault
    found.json("one.json")


def _state(directory: Path) -> Path:
    variables = {"model/1/a": np.ones((3, 2), np.float32), "optimizer/1/b": np.arange(4), "seeds/1": np.array(1)}
    return written("state.safetensors", arrays.encode(variables))(directory)


TARGETS: Mapping[str, Target] = {
    "manifest": Target(manifest_of, read_manifest),
    "progress": Target(of_json("a/progress.json", {"state": STATE.plain(), "state_content": "0" * 64}), read_progress),
    "state": Target(_state, decoded(arrays.decode)),
    "data": Target(shards, read_shards),
    "shard": Target(functools.partial(shard, pattern="*.x.npy"), read_shard),
    "blocks": Target(functools.partial(shard, pattern="*.x.blocks", compression="zstd"), read_shard),
    "labels": Target(small_array("train.labels.npy"), read_small_array),
    "origin": Target(small_array("train.origin.npy"), read_small_array),
    "block-starts": Target(small_array("train.blocks.npy"), read_small_array),
    "checks": Target(functools.partial(shard, pattern="*.checks.npy"), read_checks),
    "part": Target(functools.partial(shard, pattern="part.json"), lambda path: parts.open(sealed(path.parent))),
    "samples": Target(samples_of, read_samples),
    "results": Target(of_json("metrics.json", RESULTS.plain()), lambda path: Results.from_plain(files.read_json(path))),
    "metrics-in-a-store": Target(whole_run, look_at_store),
    "progress-in-a-store": Target(lambda at: whole_run(at).with_name("progress.json"), look_at_store),
    "manifest-in-a-store": Target(lambda at: whole_run(at).with_name(manifest.NAME), look_at_store),
    "history": Target(written("history.parquet", history.encode(HISTORY)), decoded(history.decode)),
    "curve": Target(written("curve.parquet", threshold_curve.encode(CURVE)), decoded(threshold_curve.decode)),
    "watched": Target(watched_rows, decoded(watched.decode)),
    "predictions": Target(predicted, read_predictions),
    "predictions-index": Target(lambda at: predicted(at).with_name("predictions.json"), read_predictions),
    "map": Target(of_json("map.json", MAP), lambda path: methods.restored(files.read_json(path)).apply(np.ones(3) / 2)),
    "events": Target(written("events.jsonl", EVENTS), read_events),
    "interventions": Target(
        of_json("interventions.json", [{"epoch": 1, "iteration": 3, "key": "learning_rate", "value": 0.5}]),
        lambda path: interventions.read(path.parent),
    ),
    "code-aliases": Target(
        of_json("code-aliases.json", {"0" * 64: "1" * 64}), lambda path: code_aliases.read(path.parent)
    ),
    "live": Target(
        of_json("runs/tiny/training-1/live/progress.json", LIVE),
        lambda path: (progress_file.read(path.parent), live.read(path.parents[3], "tiny", "training-1")),
    ),
    "name": Target(
        of_json("live/name.json", {"number": 1, "description": "tiny"}), lambda path: read_name(path.parents[1])
    ),
    "latest": Target(
        of_json("live/latest.json", {"training": "training-1", "report": "report-1", "epochs": 3}),
        lambda path: run_names.of(path.parents[1]),
    ),
    "message": Target(written(f"live/mailbox/{'0' * 32}.message", "lr 1e-4"), read_message),
    "lock": Target(written("a.lock", "process 1 (luigi)\n"), locks.holder),
    "fingerprints": Target(
        of_json("known.json", {"/a": [1, 2, 3, 4, "0" * 64]}),
        lambda path: fingerprints.fingerprint([path], path.parent, path, keep=False),
    ),
    "raw-record": Target(
        of_json(f"live/raw/{'0' * 64}.json", {"a.csv": "1" * 64}),
        lambda path: raw_record.changed(path.parents[2], "0" * 64, Source("1" * 64, {"a.csv": "2" * 64})),
    ),
    "code-record": Target(
        of_json(f"live/code/{'0' * 64}.json", {"a.py:build": "1" * 64}),
        lambda path: code_record.changed(path.parents[2], "0" * 64, "1" * 64, [], path.parent),
    ),
    "experiment": Target(written("tiny.toml", TOML), read_experiment),
    "scheduler": Target(
        of_json(".scheduler.json", {"format": 1, "paused": False, "tasks": {"a": TASK}, "workers": {"w": WORKER}}),
        read_scheduler,
    ),
}


class Place:
    """A target's file in a directory of its own; each trial begins with all the others as they were."""

    def __init__(self, target: Target, directory: Path) -> None:
        """Make it."""
        self._target = target
        self._master, self._copy = directory / "master", directory / "copy"
        self._master.mkdir(parents=True)
        path = target.make(self._master)
        self.whole = path.read_bytes()
        shutil.copytree(self._master, self._copy)
        self._path = self._copy / path.relative_to(self._master)
        self._others = {
            one: one.read_bytes() for one in self._copy.rglob("*") if one.is_file() and one.name in ALTERED_BESIDE
        }
        assert not self.read(self.whole), "what is whole is refused"

    def read(self, data: bytes) -> bool:
        """Read these bytes in place of the file's; whether they were refused by an error of ours."""
        for path, before in self._others.items():
            path.write_bytes(before)
        self._path.write_bytes(data)
        try:
            self._target.read(self._path)
        except DeeptrainError as error:
            told = str(error)
        else:
            return False
        assert all(line.isprintable() for line in told.split("\n")), repr(told)
        return True


@contextlib.contextmanager
def within(name: str, data: bytes, keep: Path) -> Iterator[None]:
    """Read the bytes of one trial within the block, by the law; what breaks it is told so that it can be done again.

    Raises:
        AssertionError: for an error that is not ours, or for more than `SECONDS` of the processor.
    """
    begun = time.process_time()
    try:
        yield
        assert (took := time.process_time() - begun) < SECONDS, f"{took:.1f} s of the processor"
    except Exception as error:
        keep.mkdir(exist_ok=True, parents=True)
        file = keep / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
        file.write_bytes(data)
        told = f"{name}: {type(error).__name__}: {str(error)[:200]}; of {len(data):,} bytes, {data[:60]!r}"
        command = f"python -m tests.reliability.fuzz_readers {name} --again {file}"
        raise AssertionError(f"{told}; do it again: {command}") from error
