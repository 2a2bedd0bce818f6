"""Conversion into shards against what no conversion can avoid: copying the bytes durably, or parsing the text."""

import os
import sys
from itertools import islice
from pathlib import Path

from tests.benchmarks.loading import cold, dataset
from tests.benchmarks.loading.dataset import Dataset
from tests.benchmarks.loading.measuring import Bench
from tests.benchmarks.loading.process import Process, SystemFailedError

WAYS = {
    "npy": (("deeptrain", "convert_npy"), ("copy with fsync", "convert_copy")),
    "csv": (("deeptrain", "convert_csv"), ("pyarrow.csv alone", "convert_arrow")),
}
CSV_PART = 8
"""A CSV file has this part of the samples: its text is three times as long as their bytes."""


def run(bench: Bench, size: int) -> None:
    """Each source in each way, in turn, every source warm in the page cache as after it was written."""
    data = dataset.make("floats", size, bench.place / "floats" / "samples")
    place = bench.place / "sources" / str(data.rows)
    sources = {"npy": _npy(data, place / "npy"), "csv": _csv(data, place / "csv")}
    for source, directory in sources.items():
        bytes_read = sum(path.stat().st_size for path in directory.glob("raw/*"))
        for repetition in range(bench.plan.repetitions):
            seconds: dict[str, dict[str, float]] = {}
            for way, module in WAYS[source]:
                bench.progress(f"conversion from {source}: {way}, round {repetition + 1}")
                cold.fill(cold.files_in([directory / "raw"]))
                try:
                    seconds[way] = _convert(bench, data, module, directory, bench.place / "converted")
                except SystemFailedError as error:
                    bench.failed(source, way, "conversion", error)
            base = seconds.get(WAYS[source][-1][0])
            for way, took in seconds.items():
                ratio = base["seconds"] / took["seconds"] if base else None
                told = {"source": source, "way": way, "bytes": bytes_read, "ratio": ratio, "load": os.getloadavg()[0]}
                bench.results.conversions.append({**told, "repetition": repetition, **took})


def _convert(bench: Bench, data: Dataset, module: str, source: Path, target: Path) -> dict[str, float]:
    log = bench.place / f"{module}.log"
    with Process(Path(sys.executable), module, data, target, log) as process:
        os.sync()
        return process.ask("convert", 3600, source=str(source), target=str(target))


def _npy(data: Dataset, directory: Path) -> Path:
    """Samples and labels as two files, as a user has them."""
    raw = directory / "raw"
    if not raw.exists():
        raw.mkdir(parents=True)
        os.link(data.path, raw / "x.npy")
        (directory / "labels").mkdir()
        os.link(data.directory / "y.npy", directory / "labels" / "labels.npy")
    return directory


def _csv(data: Dataset, directory: Path) -> Path:
    """Every eighth sample as text, a column a value, the label last."""
    path = directory / "raw" / "samples.csv"
    rows = max(data.rows // CSV_PART, 100)
    if not path.exists():
        path.parent.mkdir(parents=True)
        step = max(1, data.rows // rows)
        x, y = data.x[::step], data.y[::step]
        values = x.reshape(len(x), -1)
        with path.open("w") as file:
            file.write(",".join([*(f"x{column}" for column in range(values.shape[1])), "label"]) + "\n")
            for row, label in islice(zip(values, y, strict=True), rows):
                file.write(",".join([*map(repr, row.tolist()), str(label)]) + "\n")
        os.sync()
    return directory
