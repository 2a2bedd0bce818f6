"""Figures side by side in one run: medians and ratios, since machines are noisy and absolute times mean little."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping


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
