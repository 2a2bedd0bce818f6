"""What it takes to draw the report of a long training of a deep model: run `make bench`."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, resource, time
from deeptrain.introspection import verdicts
from deeptrain.report import rendering
from tests.report.conftest import _run, weights

layers = 100
model = "\\n".join(f"dense_{number:<20} Dense  (None, 64)  4,160" for number in range(layers))
run = _run(epochs=200, per_epoch=500, health=verdicts.judged(weights(layers)).rows, model=model)
begun, busy = time.perf_counter(), time.process_time()
made = rendering.render(run)
print(json.dumps({
    "seconds": time.perf_counter() - begun,
    "cpu": time.process_time() - busy,
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "page_mb": len(made["index.html"]) / 1e6,
}))
"""


def test_report_of_a_hundred_layers_and_two_hundred_epochs() -> None:
    rounds = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], capture_output=True, check=True
        )
        rounds.append(json.loads(done.stdout))
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    sys.stdout.write(
        f"\nthe report of 100 layers, 200 epochs and 100,000 iterations: {found['seconds']:.1f} s "
        f"({found['cpu']:.1f} of the processor), {found['mb']:.0f} MB at the peak, a page of {found['page_mb']:.1f} MB"
        "\n"
    )
