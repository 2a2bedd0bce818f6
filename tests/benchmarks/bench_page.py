"""The list of a thousand runs: read and written by the server, the first time and when nothing was written since."""

import shutil
import statistics
import sys
import time
from pathlib import Path

from deeptrain import lineage
from tests.conftest import write_experiment
from tests.pipelines.ui.served import serving
from tests.published_runs import publish

RUNS = 1000
LOOKS = 9


def test_a_thousand_runs_are_listed(tmp_path: Path) -> None:
    file = write_experiment(tmp_path / "here")
    publish(lineage.read(file, store=tmp_path / "one"))
    run = next((tmp_path / "one").iterdir())
    for number in range(RUNS):
        for part in (*run.glob("training-*"), *run.glob("report-*"), *run.glob("live")):
            shutil.copytree(part, tmp_path / "runs" / f"run{number:04}" / part.name)
    seconds, processor = [], []
    with serving(tmp_path / "runs") as served:
        for _ in range(LOOKS):
            begun, worked = time.perf_counter(), time.process_time()
            answer = served.ask("/")
            seconds.append(time.perf_counter() - begun)
            processor.append(time.process_time() - worked)
            assert answer.text.count("<tr data-live=") == RUNS
    again, work = (1e3 * statistics.median(found[1:]) for found in (seconds, processor))
    size = len(answer.text) / 1e6
    sys.stdout.write(
        f"\nlist of {RUNS:,} runs: median {again:.0f} ms, of the processor {work:.0f} ms, {size:.2f} MB; "
        f"the first time, when all is read, {seconds[0]:.2f} s, of the processor {processor[0]:.2f} s\n"
    )
