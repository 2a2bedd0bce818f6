"""The process of one system: it alone imports it, and answers requests, a JSON object a line.

    python -m tests.benchmarks.loading.worker MODULE DATASET PREPARED

First of all it answers with what importing took. What the system prints goes to stderr.
"""

import importlib
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from tests.benchmarks.loading.dataset import Dataset, digest_rows, load
from tests.benchmarks.loading.peer import Pair
from tests.benchmarks.loading.spread import Spread

Values = dict[str, Any]


def consume(x: np.ndarray, y: np.ndarray) -> int:
    """Look at every byte of a batch, the same for every system; where its memory has gaps it is copied first."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(x).reshape(-1).view(np.uint8), len(y))


class Measured:
    """A system on samples, and the requests it answers."""

    def __init__(self, module: str, dataset: Dataset, directory: Path) -> None:
        self.dataset = dataset
        self.directory = directory
        begun = time.perf_counter()
        self.peer = importlib.import_module(module).PEER
        self.importing = time.perf_counter() - begun

    def hello(self) -> Values:
        return {
            "import_seconds": self.importing,
            "orders": dict(self.peer.orders),
            "resumes": list(getattr(self.peer, "resumes", ())),
            "numpy": metadata.version("numpy"),
        }

    def prepare(self, batches: list[int]) -> Values:
        begun = time.perf_counter()
        self.peer.prepare(self.dataset, self.directory, batches)
        os.sync()
        return {"seconds": time.perf_counter() - begun}

    def run(self, order: str, batch: int, seed: int, seconds: float) -> Values:
        """One epoch, cut after `seconds`, from before anything is opened."""
        _forget_peak()
        begun, cpu = time.perf_counter(), _cpu()
        first = first_size = None
        samples = size = digest = 0
        stream = self.peer.open(self.dataset, self.directory, order, batch, seed)
        for x, y in stream:
            first = first or time.perf_counter() - begun
            digest ^= consume(x, y)
            samples += len(y)
            size += x.nbytes
            if size != samples * self.dataset.sample_bytes:
                raise ValueError(f"{x.shape} of {x.dtype} is no batch of {len(y)} samples of {self.dataset.dtype}")
            first_size = first_size or size
            if time.perf_counter() - begun > seconds:
                break
        took, used = time.perf_counter() - begun, _cpu() - cpu
        _close(stream)
        return {
            "seconds": took,
            "cpu_seconds": used,
            "first_seconds": first,
            "first_bytes": first_size,
            "samples": samples,
            "bytes": size,
            "whole": samples == self.dataset.rows,
            "digest": digest,
            "peak_bytes": _peak(),
        }

    def check(self, order: str, batch: int, seed: int, seconds: float) -> Values:
        """Whether each sample comes once, whole and with its label, and how evenly classes come; not timed."""
        digests = self.dataset.digests
        sorting = np.argsort(digests)
        seen = np.zeros(len(digests), np.int64)
        spread = Spread(self.dataset.y, batch)
        unknown = 0
        until = time.perf_counter() + seconds
        stream = self.peer.open(self.dataset, self.directory, order, batch, seed)
        for x, y in stream:
            rows = self._rows(digests, sorting, x, y)
            unknown += int(np.count_nonzero(rows < 0))
            np.add.at(seen, rows[rows >= 0], 1)
            spread.add(y)
            if time.perf_counter() > until:
                break
        _close(stream)
        given = int(seen.sum()) + unknown
        return {
            "samples": given,
            "unknown": unknown,
            "repeated": int(np.count_nonzero(seen > 1)),
            "missing": int(np.count_nonzero(seen == 0)) if given >= len(seen) else None,
            "spread": spread.ratio,
            "spread_batches": spread.batches,
        }

    def save(self, order: str, batch: int, seed: int, batches: int, seconds: float, saved: str) -> Values:
        """Stop after some batches, or seconds, write the state, and say what the next two batches are."""
        stream = self.peer.open(self.dataset, self.directory, order, batch, seed)
        until = time.perf_counter() + seconds
        passed = 0
        while passed < batches and time.perf_counter() < until:
            next(stream)
            passed += 1
        Path(saved).mkdir(parents=True)
        self.peer.save(stream, Path(saved))
        size = sum(path.stat().st_size for path in Path(saved).rglob("*") if path.is_file())
        following = [_digest(next(stream)) for _ in range(2)]
        _close(stream)
        return {"state_bytes": size, "following": following, "batches": passed}

    def resume(self, order: str, batch: int, seed: int, saved: str) -> Values:
        """Go on from a state: the time to the first batch, and what the first two batches are."""
        begun = time.perf_counter()
        stream = self.peer.resume(self.dataset, self.directory, order, batch, seed, Path(saved))
        x, y = next(stream)
        consume(x, y)
        first = time.perf_counter() - begun
        following = [_digest((x, y)), _digest(next(stream))]
        _close(stream)
        return {"first_seconds": first, "following": following}

    def convert(self, source: str, target: str) -> Values:
        """Time `PEER.convert(source, target)`, which leaves durable bytes, or none for the bare reading of a file."""
        shutil.rmtree(target, ignore_errors=True)
        _forget_peak()
        begun, cpu = time.perf_counter(), _cpu()
        self.peer.convert(Path(source), Path(target))
        return {"seconds": time.perf_counter() - begun, "cpu_seconds": _cpu() - cpu, "peak_bytes": _peak()}

    def _rows(self, digests: np.ndarray, sorting: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which samples of the data these are, -1 for what is not among them."""
        found = digest_rows(x, y)
        places = np.searchsorted(digests, found, sorter=sorting).clip(max=len(digests) - 1)
        rows = sorting[places]
        return np.where(digests[rows] == found, rows, -1)


def _digest(pair: Pair) -> str:
    x, y = pair
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(digest_rows(x, y)))


def _close(stream: Iterator[Pair]) -> None:
    if hasattr(stream, "close"):
        stream.close()


def _cpu() -> float:
    """CPU seconds of all threads, and of processes that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The largest resident memory since `_forget_peak`, mapped files included, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def serve(module: str, dataset: str, directory: str) -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(function: Callable[..., Values], **arguments: Any) -> None:
        try:
            value: Values = {"value": function(**arguments)}
        except BaseException as error:  # noqa: BLE001 - a peer may raise anything, and it is reported
            traceback.print_exc()
            value = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    measured: Measured | None = None

    def begin() -> Values:
        nonlocal measured
        measured = Measured(f"tests.benchmarks.loading.{module}", load(Path(dataset)), Path(directory))
        return measured.hello()

    answer(begin)
    for line in sys.stdin:
        request = json.loads(line)
        answer(getattr(measured, request.pop("do")), **request)


if __name__ == "__main__":
    serve(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # some peers wait for their threads forever
