"""All systems side by side: what is asked of whom, in which turn, and what comes of it."""

import contextlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tests.benchmarks.loading import cold, dataset, environments
from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.peer import System
from tests.benchmarks.loading.process import Process, SystemFailedError

PREPARE_SECONDS = 3600
GRACE_SECONDS = 120
"""Beyond the seconds of a pass: for opening, for the first batch, for a neighbour's load."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        systems: in the order of the tables; at least one of them raw.
        datasets: of `dataset.KINDS`.
        size: bytes of the samples of each.
        batches: batch sizes.
        orders: of "sequential", "shuffled", "samples".
        repetitions: rounds, each with all systems in turn.
        seconds: after which an epoch is cut short.
        drop_caches: whether the whole page cache is dropped before a cold pass, as root, or only the files' pages.
        seed: of the orders.
    """

    systems: tuple[System, ...]
    datasets: tuple[str, ...] = ("floats", "images")
    size: int = 2_000_000_000
    batches: tuple[int, ...] = (32, 256)
    orders: tuple[str, ...] = ("sequential", "shuffled", "samples")
    repetitions: int = 3
    seconds: float = 10.0
    drop_caches: bool = True
    seed: int = 0


@dataclass
class Results:
    """Every single measurement, from which the tables are computed; written as JSON as they come.

    Attributes:
        machine: what it was measured on.
        plan: what was asked.
        prepared: of each dataset and system: seconds, bytes, how it orders, import time.
        passes: one epoch each; `rate` see `epoch_rate`, `ratio` of it to the faster raw read of the same round.
        checks: whether each sample came once, and how evenly classes came.
        resumes: time to the first batch from the middle, and whether it went on exactly.
        conversions: into shards, against copying and bare parsing.
        failures: what could not be measured, with the system's own words.
    """

    machine: dict[str, Any]
    plan: dict[str, Any]
    prepared: list[dict[str, Any]] = field(default_factory=list)
    passes: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    resumes: list[dict[str, Any]] = field(default_factory=list)
    conversions: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)


class Bench:
    """Runs a plan in a directory, which keeps the data for the next time."""

    def __init__(self, plan: Plan, place: Path, progress: Callable[[str], object] = lambda _: None) -> None:
        """Make the directory.

        Args:
            plan: what to measure.
            place: a directory on the disk to be measured.
            progress: called with a line before each thing that takes time.
        """
        self.plan = plan
        self.place = place
        self.results = Results(machine(), {**asdict(plan), "systems": [system.name for system in plan.systems]})
        self.progress = progress
        self._hello: dict[tuple[str, str], dict[str, Any]] = {}
        place.mkdir(parents=True, exist_ok=True)

    def run(self, *, speed: bool = True, checks: bool = True) -> Results:
        """All of the plan, one set of samples after the other.

        Args:
            speed: whether epochs are timed.
            checks: whether samples are counted, classes too, and whether systems go on where they stopped.
        """
        for name in self.plan.datasets:
            self.progress(f"{name}: {self.plan.size / 1e9:.3g} GB of samples")
            data = dataset.make(name, self.plan.size, self.place / name / "samples")
            there = [system for system in self.plan.systems if self._prepared(data, system)]
            timed = [system for system in there if system.timed]
            for order, batch in product(self.plan.orders, self.plan.batches) if speed else ():
                self._speed(data, timed, order, batch)
            for system in there if checks else ():
                self._check_and_resume(data, system)
        self.results.machine["load_at_end"] = os.getloadavg()[0]
        return self.results

    def _prepared(self, data: Dataset, system: System) -> bool:
        """Whether a system's own copy of the samples is there; it is written if it is not."""
        directory = self._directory(data, system)
        mark = directory.with_suffix(".json")
        known = json.loads(mark.read_text()) if mark.exists() else {}
        there = not system.own and known.get("rows") == data.rows and set(self.plan.batches) <= set(known["batches"])
        with self._failing(data, system, "preparing"):
            if not there:
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir(parents=True)
            with self._process(data, system) as process:
                self._hello[data.name, system.name] = process.hello
                if not there:
                    self.progress(f"{data.name}: {system.title} writes its copy")
                    took = process.ask("prepare", PREPARE_SECONDS, batches=self.plan.batches)
                    size = sum(path.stat().st_size for path in cold.files_in([directory]))
                    known = {"rows": data.rows, "batches": self.plan.batches, "seconds": took["seconds"], "bytes": size}
                    mark.write_text(json.dumps(known))
            told = {"seconds": known["seconds"], "bytes": known["bytes"], **process.hello}
            self.results.prepared.append({"dataset": data.name, "system": system.name, **told})
            return True
        return False

    def _speed(self, data: Dataset, systems: list[System], order: str, batch: int) -> None:
        """Rounds of all systems that offer an order; the raw reads, in sequence, are in each."""
        turn = [system for system in systems if system.raw or order in self._orders(data, system)]
        for repetition in range(self.plan.repetitions):
            self.progress(f"{data.name}, {order}, batches of {batch}: round {repetition + 1}")
            first = repetition % max(1, len(turn))
            found: list[dict[str, Any]] = []
            for system in turn[first:] + turn[:first]:
                with self._failing(data, system, f"{order}, batches of {batch}"):
                    found += self._passes(data, system, order, batch)
            for one in found:
                like = [other for other in found if other["raw"] and other["temperature"] == one["temperature"]]
                one["ratio"] = one["rate"] / max(other["rate"] for other in like) if like else None
                self.results.passes.append({**one, "repetition": repetition})

    def _passes(self, data: Dataset, system: System, order: str, batch: int) -> list[dict[str, Any]]:
        """A cold and a warm pass of one system, in one process."""
        asked = {"order": "sequential" if system.raw else order, "batch": batch, "seed": self.plan.seed}
        files = self._files(data, system)
        told = {"dataset": data.name, "system": system.name, "raw": system.raw, "order": order, "batch": batch}
        passes = []
        with self._process(data, system) as process:
            for temperature in ("cold", "warm"):
                if temperature == "cold":
                    how = cold.evict(files, self.plan.drop_caches)
                else:
                    cold.fill(files)
                    how = "read before"
                resident = cold.resident(files)
                load = os.getloadavg()[0]
                took = process.ask("run", self.plan.seconds + GRACE_SECONDS, seconds=self.plan.seconds, **asked)
                took["rate"] = epoch_rate(data.bytes, took)
                passes.append(
                    {**told, "temperature": temperature, "by": how, "resident": resident, "load": load, **took}
                )
        return passes

    def _check_and_resume(self, data: Dataset, system: System) -> None:
        """Is each sample handed out once, and does the system go on where it stopped in the middle of an epoch?"""
        batch = max(self.plan.batches)
        longer = 3 * self.plan.seconds
        for order in self._orders(data, system):
            told = {"dataset": data.name, "system": system.name, "order": order, "batch": batch}
            asked = {"order": order, "batch": batch, "seed": self.plan.seed}
            saved = self.place / data.name / "saved" / f"{system.name}-{order}"
            self.progress(f"{data.name}, {order}: {system.title} is checked")
            with self._failing(data, system, f"{order}: check"), self._process(data, system) as process:
                checked = process.ask("check", longer + GRACE_SECONDS, seconds=longer, **asked)
                self.results.checks.append({**told, **checked})
            if not system.timed or order not in self._hello[data.name, system.name]["resumes"]:
                continue
            with self._failing(data, system, f"{order}: resume"):
                shutil.rmtree(saved, ignore_errors=True)
                middle = data.rows // batch // 2
                with self._process(data, system) as process:
                    stop = {"batches": middle, "seconds": longer, "saved": str(saved)}
                    before = process.ask("save", longer + GRACE_SECONDS, **stop, **asked)
                os.sync()
                self._resume(data, system, told, asked, saved, before)

    def _resume(
        self,
        data: Dataset,
        system: System,
        told: dict[str, Any],
        asked: dict[str, Any],
        saved: Path,
        before: dict[str, Any],
    ) -> None:
        """Go on in new processes."""
        files = self._files(data, system)
        for repetition, temperature in product(range(self.plan.repetitions), ("cold", "warm")):
            with self._process(data, system) as process:
                if temperature == "cold":
                    cold.evict(files, self.plan.drop_caches)
                else:
                    cold.fill(files)
                after = process.ask("resume", self.plan.seconds + GRACE_SECONDS, saved=str(saved), **asked)
            found = {
                "temperature": temperature,
                "repetition": repetition,
                "first_seconds": after["first_seconds"],
                "exact": after["following"] == before["following"],
                "state_bytes": before["state_bytes"],
                "at_batch": before["batches"],
            }
            self.results.resumes.append({**told, **found})

    def _orders(self, data: Dataset, system: System) -> list[str]:
        offered = self._hello[data.name, system.name]["orders"]
        return [order for order in (offered if system.raw else self.plan.orders) if order in offered]

    def _directory(self, data: Dataset, system: System) -> Path:
        return self.place / data.name / system.name

    def _files(self, data: Dataset, system: System) -> list[Path]:
        """What a pass of a system reads."""
        return cold.files_in([self._directory(data, system)]) or [data.path]

    def _process(self, data: Dataset, system: System) -> Process:
        log = self.place / f"{system.name}.log"
        return Process(environments.python(system), system.module, data, self._directory(data, system), log)

    @contextlib.contextmanager
    def _failing(self, data: Dataset, system: System, doing: str) -> Iterator[None]:
        """What a system says when it fails goes into the results, and the others go on."""
        try:
            yield
        except SystemFailedError as error:
            self.failed(data.name, system.title, doing, error)

    def failed(self, source: str, title: str, doing: str, error: SystemFailedError) -> None:
        """Put what a system says into the results, once."""
        told = {"dataset": source, "system": title, "doing": doing, "error": str(error)}
        if told not in self.results.failures:
            self.results.failures.append(told)
        self.progress(f"{title} fails: {error}")


def epoch_rate(size: int, took: Mapping[str, Any]) -> float:
    """Bytes a second of a whole epoch of `size` bytes.

    One that was cut short would go on as it went after its first batch: filling a buffer, say, is paid once.
    """
    after = took["bytes"] - took["first_bytes"]
    if took["whole"] or not after:
        return float(took["bytes"] / took["seconds"])
    rest = (took["seconds"] - took["first_seconds"]) / after
    return float(size / (took["first_seconds"] + rest * (size - took["first_bytes"])))


def machine() -> dict[str, Any]:
    """What figures depend on."""
    return {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "load_at_start": os.getloadavg()[0],
        "began": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }
