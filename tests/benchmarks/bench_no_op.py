"""A run with nothing to do against bare Luigi with nothing to do, and a large plan; whole processes."""

import os
import subprocess
import sys
from pathlib import Path

from deeptrain import lineage
from tests.benchmarks.side_by_side import bar, measured, show
from tests.conftest import TOML, write_experiment
from tests.published_runs import publish

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
EPOCHS, SHARDS = 500, 1000


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


def test_a_plan_of_many_epochs_and_shards(tmp_path: Path) -> None:
    file = write_experiment(tmp_path / "here", toml=TOML.replace("epochs = 3", f"epochs = {EPOCHS}"))
    store = tmp_path / "runs"
    publish(lineage.read(file, store=store), files=SHARDS)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as a user runs it

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)

    def plan(*more: str) -> None:
        run("-m", "pipelines", "plan", str(file), "--store", str(store), *more)

    seconds = measured(
        {
            "complete": plan,
            "another setting": lambda: plan("--settings", '{"training.batch_size": 8}'),
            "the store's status": lambda: run("-m", "pipelines", "status", str(store)),
            "importing Luigi": lambda: run("-c", "import luigi"),
        }
    )
    show(f"a plan of {EPOCHS} epochs and {SHARDS:,} shards", seconds)
    bar("seconds over Luigi's import", seconds["complete"] - seconds["importing Luigi"], 1)
