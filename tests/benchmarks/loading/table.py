"""Results as tables that are read in a terminal or a file; wide ones are wide, nothing is cut off."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, TextIO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tests.benchmarks.loading.measuring import Results
from tests.benchmarks.loading.peer import SYSTEMS

TITLES = {system.name: system.title for system in SYSTEMS}
ABSENT = "–"
LONG = 100
"""Words of failures are as long as they are; they go on in the next line after so many."""


def median(values: Iterable[float | None]) -> float | None:
    """Of the values that are there."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def summary(passes: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Medians of passes of one system under one condition."""
    return {
        "gb_per_second": median(one["rate"] / 1e9 for one in passes),
        "ratio": median(one["ratio"] for one in passes),
        "lowest": min((one["ratio"] for one in passes if one["ratio"] is not None), default=None),
        "highest": max((one["ratio"] for one in passes if one["ratio"] is not None), default=None),
        "cpu_seconds_per_gb": median(one["cpu_seconds"] / one["bytes"] * 1e9 for one in passes),
        "first_ms": median(1e3 * one["first_seconds"] for one in passes),
        "peak_mb": median(one["peak_bytes"] / 1e6 for one in passes),
        "private_mb": median(one["private_peak_bytes"] / 1e6 for one in passes),
    }


def show(results: Results, file: TextIO) -> None:
    """All tables, one after the other."""
    file.write(_machine(results))
    for table in [*_speed(results), *_mixing(results), *_resume(results), *_conversion(results), *_prepared(results)]:
        _print(table, file)
    _print(_failures(results), file)


def _speed(results: Results) -> Iterable[Table]:
    def key(one: Mapping[str, Any]) -> tuple[Any, ...]:
        return one["dataset"], one["order"], one["batch"]

    for (name, order, batch), group in groupby(results.passes, key):
        passes = list(group)
        columns = ("GB/s", "of raw", "lowest–highest", "CPU-s/GB", "first batch, ms", "peak MB", "own MB")
        table = _table(
            f"{name}, {order}, batches of {batch}: median of {results.plan['repetitions']} rounds",
            ["system", "how", "", *columns],
        )
        raw_order = "sequential"
        for system in dict.fromkeys(one["system"] for one in sorted(passes, key=lambda one: _place(one["system"]))):
            for temperature in ("cold", "warm"):
                mine = [one for one in passes if one["system"] == system and one["temperature"] == temperature]
                raw = bool(mine) and mine[0]["raw"]
                how = _how(results, name, system, raw_order if raw else order)
                titled = [TITLES[system], how] if temperature == "cold" else ["", ""]
                if not mine:
                    table.add_row(*titled, temperature, *[ABSENT] * len(columns))
                    continue
                told = summary(mine)
                cut = "" if all(one["whole"] for one in mine) else " *"
                table.add_row(
                    *titled,
                    temperature,
                    _number(told["gb_per_second"], 3) + cut,
                    _number(told["ratio"], 3),
                    f"{_number(told['lowest'], 2)}–{_number(told['highest'], 2)}",
                    _number(told["cpu_seconds_per_gb"], 3),
                    _number(told["first_ms"], 1),
                    _number(told["peak_mb"], 0),
                    _number(told["private_mb"], 0),
                )
        table.caption = "* from the part of an epoch that was read   own MB: without mapped files"
        yield table


def _mixing(results: Results) -> Iterable[Table]:
    if not results.checks:
        return
    columns = (
        "system",
        "data",
        "order",
        "batches of",
        "samples seen",
        "unknown",
        "twice",
        "missing",
        "spread",
        "of batches",
    )
    table = _table("each sample once? class counts of batches on data sorted by class, 1 = independent draws", columns)
    for one in results.checks:
        missing = ABSENT if one["missing"] is None else f"{one['missing']:,}"
        table.add_row(
            TITLES[one["system"]],
            one["dataset"],
            one["order"],
            str(one["batch"]),
            f"{one['samples']:,}",
            f"{one['unknown']:,}",
            f"{one['repeated']:,}",
            missing,
            _number(one["spread"], 2),
            f"{one['spread_batches']:,}",
        )
    yield table


def _resume(results: Results) -> Iterable[Table]:
    if not results.resumes:
        return
    table = _table(
        "resumed in a new process, to the first batch",
        ("system", "data", "order", "at batch", "cold, ms", "warm, ms", "the same batches", "state, bytes"),
    )

    def key(one: Mapping[str, Any]) -> tuple[Any, ...]:
        return one["dataset"], one["system"], one["order"]

    for (name, system, order), group in groupby(results.resumes, key):
        found = list(group)
        times = {
            temperature: median(1e3 * one["first_seconds"] for one in found if one["temperature"] == temperature)
            for temperature in ("cold", "warm")
        }
        table.add_row(
            TITLES[system],
            name,
            order,
            f"{found[0]['at_batch']:,}",
            _number(times["cold"], 1),
            _number(times["warm"], 1),
            "yes" if all(one["exact"] for one in found) else "NO",
            f"{found[0]['state_bytes']:,}",
        )
    cannot = [
        f"{TITLES[one['system']]} ({order})"
        for one in results.prepared
        for order in one["orders"]
        if order not in one["resumes"] and one["dataset"] == results.plan["datasets"][0]
        if not any(system.raw for system in SYSTEMS if system.name == one["system"])
    ]
    table.caption = f"cannot: {', '.join(cannot)}" if cannot else None
    yield table


def _conversion(results: Results) -> Iterable[Table]:
    if not results.conversions:
        return
    columns = ("from", "way", "GB/s", "of the last", "CPU-s/GB", "peak MB")
    table = _table("converted into shards, durably", columns)
    for source in dict.fromkeys(one["source"] for one in results.conversions):
        mine = [one for one in results.conversions if one["source"] == source]
        for way in dict.fromkeys(one["way"] for one in mine):
            found = [one for one in mine if one["way"] == way]
            table.add_row(
                source,
                way,
                _number(median(one["bytes"] / one["seconds"] / 1e9 for one in found), 3),
                _number(median(one["ratio"] for one in found), 2),
                _number(median(one["cpu_seconds"] / one["bytes"] * 1e9 for one in found), 2),
                _number(median(one["private_peak_bytes"] / 1e6 for one in found), 0),
            )
    yield table


def _prepared(results: Results) -> Iterable[Table]:
    table = _table("what was written for each system", ("system", "data", "seconds", "GB", "import, s", "numpy"))
    for one in results.prepared:
        table.add_row(
            TITLES[one["system"]],
            one["dataset"],
            _number(one["seconds"], 1),
            _number(one["bytes"] / 1e9, 3),
            _number(one["import_seconds"], 1),
            one["numpy"],
        )
    yield table


def _failures(results: Results) -> Table:
    table = _table("not measured" if results.failures else "everything was measured", ("system", "data", "what", "why"))
    why = table.columns[-1]
    why.justify, why.no_wrap, why.overflow, why.max_width = "left", False, "fold", LONG
    for one in results.failures:
        table.add_row(one["system"], one["dataset"], one["doing"], one["error"])
    return table


def _machine(results: Results) -> str:
    told = results.machine
    loads = [one["load"] for one in results.passes]
    load = f"load {min(loads):.1f} to {max(loads):.1f} while measuring" if loads else ""
    return (
        f"\n{told['began']}  {told['cores']} cores, {told['memory_bytes'] / 2**30:.0f} GiB  {told['system']}  "
        f"Python {told['python']}  {load}\n"
        f"Every batch is hashed whole by xxh3_64, the raw reads' too.\n"
        f"of raw: against the faster raw read of the same round, which reads in sequence whatever the order.\n"
    )


def _how(results: Results, name: str, system: str, order: str) -> str:
    for one in results.prepared:
        if (one["dataset"], one["system"]) == (name, system):
            return str(one["orders"].get(order, ""))
    return ""


def _place(system: str) -> int:
    return list(TITLES).index(system)


def _number(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:,.{digits}f}"


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=Text(title, "bold"), title_justify="left", caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right", no_wrap=True)
    return table


def _print(table: Table, file: TextIO) -> None:
    """As wide as it needs, whatever the terminal."""
    wide = Console(file=file, width=10_000)
    width = Measurement.get(wide, wide.options, table).maximum
    title = max((len(str(text)) for text in (table.title, table.caption) if text), default=0)
    Console(file=file, width=max(width, title)).print("", table)
