"""Three hundred tasks under luigid: ours, and bare Luigi tasks that durably write as many files.

Each task of either writes six files in two directories and syncs ten times: the files, the directories, and the parents
of these once they have their names.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.side_by_side import bar, show
from tests.conftest import TOML, write_experiment
from tests.luigid import Luigid

TASKS = 300
ROUNDS = 5

BARE = """
import os, sys, time
from pathlib import Path
import luigi

FILES = {"state": ["state", "manifest"], "epoch": ["metrics", "progress", "history", "manifest"]}

def synced(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)

class Step(luigi.Task):
    number = luigi.IntParameter()

    def requires(self):
        return Step(number=self.number - 1) if self.number > 1 else []

    def output(self):
        return luigi.LocalTarget(f"epoch-{self.number}")

    def run(self):
        for name, files in FILES.items():
            part = Path(f".{name}-{self.number}")
            part.mkdir()
            for file in files:
                with (part / file).open("wb") as opened:
                    opened.write(b"x" * 1000)
                    opened.flush()
                    os.fsync(opened.fileno())
            synced(part)
            part.rename(f"{name}-{self.number}")
            synced(".")

task = Step(number=int(sys.argv[2]))
"""
OURS = """
import sys, time
import luigi
import tasks.epoch
from pipelines import scheduler
from deeptrain.store import artifact
from deeptrain.training.results import Results
from deeptrain.training.run import HISTORY, METRICS, PROGRESS, STATE
from tests.published_runs import publish_shards

class Published:
    def reach(self, plan, until, shared):
        state, epoch = plan.training.state(until), plan.training.epoch(until)
        with artifact.writing(state, plan.checker.links(state)) as writer:
            writer.write(STATE, b"x" * 1000)
            content = writer.content
        with artifact.writing(epoch, plan.checker.links(epoch)) as writer:
            writer.json(METRICS, Results(until, 1, {}, {}, 0.1, 0.1, is_best=True).plain())
            writer.json(PROGRESS, {"state_content": content, "state": {"best": {"epoch": until, "value": 0.1}}})
            writer.write(HISTORY, b"x" * 1000)
        return True

    def ask(self, text):
        return None

    def close(self):
        pass

tasks.epoch.alive_trainer = Published
scheduler.ask_directly()
task = tasks.Epochs(experiment="tiny.toml", store="runs", epochs=int(sys.argv[2]))
publish_shards(task.plan)
"""
TIMED = """
begun, worked = time.perf_counter(), time.process_time()
done = luigi.build([task], scheduler_host="127.0.0.1", scheduler_port=int(sys.argv[1]), log_level="CRITICAL")
assert done
print(time.perf_counter() - begun, time.process_time() - worked)
"""


def test_three_hundred_tasks_under_luigid(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    seconds: dict[str, list[float]] = {"deeptrain": [], "bare Luigi": []}
    processor: dict[str, list[float]] = {"deeptrain": [], "bare Luigi": []}
    for number in range(ROUNDS):
        for name, script in (("deeptrain", OURS), ("bare Luigi", BARE)):
            here = tmp_path / f"{name} {number}"
            write_experiment(here, TOML)
            luigid = Luigid(here)
            try:
                asked = [sys.executable, "-W", "ignore", "-c", script + TIMED, str(luigid.port), str(TASKS)]
                told = subprocess.run(asked, cwd=here, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            finally:
                luigid.kill()
            clock, worked = map(float, told.stdout.split()[-2:])
            seconds[name].append(clock)
            processor[name].append(worked)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    show(f"{TASKS} tasks under luigid, each with six files in two directories", medians, "s", 1)
    worked = {name: statistics.median(found) for name, found in processor.items()}
    show("processor time of the process that works, without luigid's", worked, "s", 1)
    bar("times bare Luigi", medians["deeptrain"] / medians["bare Luigi"], 1.2)
