"""`python -m pipelines plan`, `status`, `verify`, `graph`, as a user runs them: they only read."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from deeptrain.training import mailbox
from pipelines.__main__ import main
from pipelines.commands.status import age
from tests.pipelines import command
from tests.pipelines.command import SLOW_BUILDER, SLOW_TOML, Finished, Warm, run
from tests.pipelines.conftest import Trained
from tests.pipelines.test_command import HEAVY
from tests.published_runs import seen


def asked(*arguments: str, cwd: Path, **more: str) -> Finished:
    return run(*arguments, cwd=cwd, module="pipelines", **more)


def test_they_write_nothing_and_load_nothing_heavy(here: Path) -> None:
    for arguments in (("plan", "tiny.toml"), ("status",), ("verify",)):
        before = seen(here)
        done = asked(*arguments, cwd=here, PYTHONPROFILEIMPORTTIME="1")
        assert done.code == 0, done.err
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.err.splitlines()}
        assert imported & HEAVY == set()
        assert seen(here) == before


def test_what_the_plan_says_is_what_runs(here: Path, trained: Trained) -> None:
    fresh = json.loads(asked("plan", "tiny.toml", "--store", "fresh", "--json", cwd=here).out)
    names = [step["stage"] for step in fresh["steps"] for _ in range(step["first"] or 1, (step["last"] or 1) + 1)]
    ran = [stage.partition(" ")[0] for stage in command.stages(trained.directory / "runs")]
    assert sorted(name.replace("epochs", "epoch").replace("parts", "part") for name in names) == sorted(ran)

    shutil.rmtree(next(here.glob("runs/tiny/threshold-*")))
    before = len(command.stages(here / "runs"))
    told = asked("plan", "tiny.toml", cwd=here, COLUMNS="80").out.splitlines()
    assert told[0] == "tiny: 1 to run, 2 maybe, 6 there; 3 of 3 epochs are trained"
    assert told[-4:] == [
        "run    threshold    not there yet",
        "there  subset",
        "maybe  evaluation   stays if what it is made from comes out the same",
        "maybe  report       stays if what it is made from comes out the same",
    ]
    assert command.job(cwd=here).code == 0
    assert command.stages(here / "runs")[before:] == ["threshold"]
    assert asked("plan", "tiny.toml", cwd=here).out.splitlines()[0] == (
        "tiny: everything is there in runs/tiny, nothing would run"
    )


def test_a_plan_up_to_another_task_ends_there(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    changed = ("--settings", '{"training.batch_size": 8}')
    stages = {"Shards": "shards", "Epochs": "epochs", "Calibrate": "subset", "Evaluate": "evaluation"}
    for task, last in stages.items():
        assert main(["plan", "tiny.toml", "--task", task, "--json", *changed]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["steps"][-1]["stage"], told["complete"]) == (last, task == "Shards")
    assert main(["plan", "tiny.toml", "--task", "Calibrat"]) == 1
    assert capsys.readouterr().err == "deeptrain: --task Calibrat: no such task; did you mean Calibrate?\n"
    assert main(["plan", "tiny.toml", "--task", "Offsets"]) == 1
    assert "tiny.toml: offsets does not apply: it is not asked for in [calibration]" in capsys.readouterr().err


def test_no_line_is_wider_than_the_terminal(here: Path) -> None:
    shutil.rmtree(next(here.glob("runs/tiny/training-*/epochs/0002")))
    (next(here.glob("runs/tiny/subset-*")) / "subset.json").write_text("")
    for columns in (60, 80):
        for arguments in (("plan", "tiny.toml", "--epochs", "5"), ("status",), ("verify",), ("graph", "runs/tiny")):
            done = asked(*arguments, cwd=here, COLUMNS=str(columns))
            assert max(map(len, done.out.splitlines())) <= columns, done.out


def test_verify_names_what_is_damaged_and_exits_with_one(here: Path) -> None:
    damaged = next(here.glob("runs/tiny/training-*/states/0003")) / "state.safetensors"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    done = asked("verify", cwd=here)
    assert done.code == 1
    name, said = done.out.splitlines()
    assert name == str(damaged.relative_to(here))
    assert said.strip().startswith("must have sha256 ")
    assert "deeptrain: runs: 1 of " in done.err
    assert "Traceback" not in done.err
    told = asked("verify", "runs/tiny", "--json", cwd=here)
    assert told.code == 1
    assert [fault["file"] for fault in json.loads(told.out)["faults"]] == ["state.safetensors"]


def test_graph_draws_what_was_made_from_what(here: Path) -> None:
    done = asked("graph", "runs/tiny", "--svg", "lineage.svg", cwd=here)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "lineage.svg"
    assert (here / "lineage.svg").read_bytes().count(b"<rect ") == 8
    told = json.loads(asked("graph", "runs/tiny", "--json", cwd=here).out)
    assert [line["stage"] for line in told][:3] == ["samples", "shards", "training"]


def test_status_tells_who_trains_and_how_far_a_stopped_training_came(warm: Warm, tmp_path: Path) -> None:
    from tests.conftest import write_experiment

    here = write_experiment(tmp_path / "here", SLOW_TOML, SLOW_BUILDER).parent
    process = warm.start(*command.TRAINING, "6", cwd=here)
    command.wait_until(lambda: command.trained(here / "runs")[0], process)
    mailbox.send(next(here.glob("runs/tiny/training-*")), "pause", command.PATIENCE)  # it waits for all that is asked
    (one,) = json.loads(asked("status", "--json", cwd=here).out)
    assert (one["state"], one["asked"], one["name"]) == ("running", 6, "M1__tiny")
    assert one["running"].startswith(f"process {process.pid} (")
    table = asked("status", cwd=here, COLUMNS="80").out.splitlines()
    assert table[1].split()[:2] == ["M1__tiny", "running"]
    os.kill(process.pid, signal.SIGINT)
    assert command.end(process).code == 130
    (one,) = json.loads(asked("status", "--json", cwd=here).out)
    assert (one["state"], one["running"]) == ("unfinished", "")
    plan = asked("plan", "tiny.toml", cwd=here).out
    following = one["epochs"] + 1
    # Stopped just where an epoch ends, it leaves no checkpoint.
    left = list(here.glob(f"runs/tiny/*/unfinished/{following:05d}.*"))
    assert (f"goes on in epoch {following}, after " in plan) is bool(left)


def test_mistakes_are_a_line_and_no_traceback(here: Path) -> None:
    for arguments, said in (
        (("plan", "nothing.toml"), "nothing.toml: cannot be read: No such file or directory"),
        (("plan", "tiny.toml", "--settings", "{"), "--settings: expected a JSON object, got '{'"),
        (("status", "nowhere"), "nowhere: no such store"),
        (("verify", "nowhere"), "nowhere: no such directory"),
        (("graph", "nowhere"), "nowhere: no such run"),
    ):
        done = asked(*arguments, cwd=here)
        assert done.code == 1
        assert done.err.startswith(f"deeptrain: {said}")
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (-5, "now"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200000, "2 d")]
)
def test_an_age_is_told_in_the_greatest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text
