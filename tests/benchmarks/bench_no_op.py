"""A run with nothing to do against bare Luigi with nothing to do, whole processes."""

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.side_by_side import measured, show

BARE = """
import luigi

class Step(luigi.Task):
    number = luigi.IntParameter()

    def requires(self):
        return Step(number=self.number - 1) if self.number else []

    def output(self):
        return luigi.LocalTarget(f"done/{self.number}")

    def run(self):
        with self.output().open("w"):
            pass
"""
STEPS = 15


def test_a_no_op_run(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "luigi", "--local-scheduler", *arguments]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    bare = ("--module", "bare", "Step", "--number", str(STEPS - 1))
    ours = ("--module", "pipelines", "TrainModel")
    run(*bare)
    run(*ours)
    seconds = measured({"deeptrain": lambda: run(*ours), "bare Luigi": lambda: run(*bare)}, rounds=15)
    show(f"a run with nothing to do, {STEPS} tasks", seconds)
