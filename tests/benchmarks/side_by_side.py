"""Figures side by side in one run: medians and ratios, since machines are noisy and absolute times mean little."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

PROCESSES = 5

Told = dict[str, dict[str, np.ndarray]]
"""By the clock and by the processor, seconds of each contestant in each round."""


def measured(contestants: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Median seconds of each, taken in turn so that the machine's moods hit all alike, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            begun = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def rounds_of(contestants: Mapping[str, Callable[[], object]], rounds: int, iterations: int = 1) -> Told:
    """Seconds an iteration of each in turn, backwards in every other round, after one round to warm up."""
    told: dict[str, dict[str, list[float]]] = {by: {name: [] for name in contestants} for by in ("clock", "processor")}
    for number in range(rounds + 1):
        for name, run in list(contestants.items())[:: 1 if number % 2 else -1]:
            begun, busy = time.perf_counter(), time.process_time()
            run()
            passed = {"clock": time.perf_counter() - begun, "processor": time.process_time() - busy}
            for by, seconds in passed.items():
                if number:
                    told[by][name].append(seconds / iterations)
    return {by: {name: np.array(one) for name, one in of_each.items()} for by, of_each in told.items()}


def of_processes(measure: Callable[..., Told], *arguments: object) -> Told:
    """The rounds of several processes, one after the other: where memory lies moves each by some hundredths."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        found = [pool.submit(measure, *arguments).result() for _ in range(PROCESSES)]
    return {
        by: {name: np.concatenate([one[by][name] for one in found]) for name in of_each}
        for by, of_each in found[0].items()
    }


def show_rounds(title: str, told: Told, unit: str = "ms", scale: float = 1e3) -> None:
    """Two tables of medians, of the clock and of the processor."""
    for by, of_each in told.items():
        show(f"{title}, {by}", {name: float(np.median(one)) for name, one in of_each.items()}, unit, scale)


def at_most(told: Told, limits: Mapping[str, float]) -> None:
    """How the seconds of the first contestant, over those of others in the same round, stand to their bars."""
    for by, of_each in told.items():
        ours = next(iter(of_each))
        for name, limit in limits.items():
            low, middle, high = np.quantile(of_each[ours] / of_each[name], [0.25, 0.5, 0.75])
            bar(f"{ours}, of {name}, {by} (half the rounds {low:.2f} to {high:.2f})", middle, limit)


def show(title: str, seconds: Mapping[str, float], unit: str = "ms", scale: float = 1e3) -> None:
    """A table with the ratio of each to the last, which is what it is measured against."""
    *_, base = seconds.values()
    width = max(map(len, seconds))
    sys.stdout.write(f"\n{title}\n")
    for name, value in seconds.items():
        sys.stdout.write(f"  {name:<{width}}  {value * scale:10.2f} {unit}  {value / base:6.2f}\n")


def bar(what: str, found: float, limit: float, *, least: bool = False) -> None:
    """A line that says how a figure stands to its bar: at most so much, or at least."""
    kept = found >= limit if least else found <= limit
    rule = "at least" if least else "at most"
    sys.stdout.write(f"  BAR {'kept  ' if kept else 'MISSED'}  {what}: {found:.2f}, {rule} {limit:g}\n")
