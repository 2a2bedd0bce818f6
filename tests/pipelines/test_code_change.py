"""`--on-code-change` of the command."""

import re
from pathlib import Path

from deeptrain.store.events import EventLog
from tests.pipelines import command
from tests.pipelines.conftest import Trained


def test_a_dear_training_is_asked_about_before_any_work_and_kept_when_adopted(
    here: Path, warm: command.Warm, trained: Trained
) -> None:
    model, live = here / "my_model.py", here / "runs/tiny/live"
    model.write_text(model.read_text().replace("layers.Dense(units)", "layers.Dense(1 * units)"))
    (training,) = here.glob("runs/tiny/training-*")
    EventLog(live / "events.jsonl").append("task", artifact=f"{training.name}/epochs/0003", outcome="ran", seconds=6000)
    stopped = warm.job(cwd=here)
    assert stopped.code == 40
    (line,) = command.lines_of(stopped.err)
    assert line.startswith(f"deeptrain: build in my_model.py changed since runs/tiny/{training.name} was made")
    assert re.search(r"; it took 1 h [0-9]+ min\. Say --on-code-change rerun to make it again", line)
    assert command.contents(here / "runs") == trained.contents
    misspelt = warm.job("--on-code-change", "adpot", cwd=here)
    assert misspelt.code == 40
    assert command.mistake(misspelt)[0] == "deeptrain: --on-code-change: expected rerun or adopt, got 'adpot'\n"
    for options in (("--on-code-change", "adopt"), ()):
        kept = warm.job(*options, cwd=here)
        assert (kept.code, kept.err) == (0, "")
        assert kept.out.startswith("tiny: everything is there already, nothing to do")
    now = command.contents(here / "runs")
    assert now.pop("tiny/code-aliases.json")
    assert now == trained.contents
