"""Two machines that share a store: no work is done twice, nobody waits for ever, the bytes are those of one machine.

The other machine is a process that knows another host name, in a UTS namespace of its own; of processes here it sees no
more than their locks, as with a file system that is shared.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import write_experiment
from tests.luigid import Luigid
from tests.pipelines import command
from tests.pipelines.command import SLOW_BUILDER, SLOW_TOML, Finished, Warm

OTHER = "another-machine"
ASKED = ("--module", "pipelines", "TrainModel", "--experiment", "tiny.toml")
LOCAL = (*ASKED, "--local-scheduler")
SMALL_PARTS = """
import deeptrain.shards.plan
deeptrain.shards.plan.PART_BYTES = 700
"""
IN_PARTS = f"""{SMALL_PARTS}
import runpy, sys
sys.argv[0] = "luigi"
runpy.run_module("luigi", run_name="__main__", alter_sys=True)
"""
PARTS = 10
"""Of the shards, so that there is work to share."""

STAYING = "[worker]\nkeep_alive = true\nwait_interval = 0.1\nwait_jitter = 0.1\n"
EPOCHS = [f"epoch {number}" for number in range(1, 7)]
STAGES = sorted(["samples", *(f"part {number}" for number in range(1, PARTS + 1)), "shards", *EPOCHS, "predictions",
                 "threshold", "subset", "evaluation", "report"])  # fmt: skip


def start(*arguments: str, cwd: Path, host: str = "") -> "subprocess.Popen[str]":
    """Start the command with small parts, as another machine if one is named."""
    elsewhere = ("unshare", "--map-root-user", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh")
    return subprocess.Popen(
        [*(elsewhere if host else ()), sys.executable, "-c", IN_PARTS, *arguments],
        cwd=cwd,
        env=command.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(warm: Warm, cwd: Path) -> Finished:
    """What this machine alone does."""
    return command.end(warm.start(*LOCAL, cwd=cwd, before=SMALL_PARTS))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> dict[str, bytes]:
    """What one machine makes."""
    here = experiment(tmp_path_factory.mktemp("alone"))
    finished = run(warm, here)
    assert (finished.code, finished.err) == (0, "")
    assert sorted(command.stages(here / "runs")) == STAGES
    return command.contents(here / "runs")


def experiment(directory: Path) -> Path:
    return write_experiment(directory, toml=SLOW_TOML, builder=SLOW_BUILDER).parent


def workers(here: Path) -> dict[str, str]:
    """Which command made what, by the name of its run."""
    events = map(json.loads, (here / "runs/tiny/live/events.jsonl").read_text().splitlines())
    return {event["stage"]: event["run"] for event in events if event.get("outcome") == "ran"}


@pytest.mark.thorough
def test_two_machines_share_the_work_by_one_scheduler(alone: dict[str, bytes], tmp_path: Path) -> None:
    """Both stay until all is done, and end with 0; one takes over what the other has not begun when it is killed."""
    here = experiment(tmp_path / "here")
    (here / "luigi.cfg").write_text(STAYING)
    luigid = Luigid(tmp_path)
    try:
        both = [start(*ASKED, *luigid.arguments, cwd=here, host=host) for host in ("", OTHER)]
        ended = [command.end(one) for one in both]
    finally:
        luigid.kill()
    assert [(one.code, one.err) for one in ended] == [(0, ""), (0, "")]
    assert sorted(command.stages(here / "runs")) == STAGES
    assert command.stages(here / "runs", "failed") == []
    assert command.contents(here / "runs") == alone


@pytest.mark.thorough
def test_two_machines_with_schedulers_of_their_own_do_nothing_twice(
    alone: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = experiment(tmp_path / "here")
    ended = [command.end(one) for one in [start(*LOCAL, cwd=here, host=host) for host in ("", OTHER)]]
    for one in ended:
        assert one.code in (0, 30)
        assert (one.code == 0) is (one.err == "")
        assert all(" is being written by process " in line for line in one.err.splitlines())
    finished = run(warm, here)
    assert (finished.code, finished.err) == (0, "")
    assert sorted(command.stages(here / "runs")) == STAGES
    assert command.contents(here / "runs") == alone


class Gone(NamedTuple):
    """An experiment that another machine was training when it was killed, and what was said of that machine before."""

    here: Path
    training: str
    refused: Finished
    lock: str


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Gone:
    """Refused while the other machine trains, which is killed then."""
    here = experiment(tmp_path_factory.mktemp("gone"))
    command.hold(here, 1)
    there = start(*LOCAL, cwd=here, host=OTHER)
    command.arrive(here, there)
    refused = run(warm, here)
    command.kill_group(there)
    command.let_go(here)
    (training,) = here.glob("runs/tiny/training-*")
    (lock,) = here.glob("runs/tiny/live/locks/training-*[0-9a-f].lock")
    return Gone(here, training.name, refused, lock.read_text())


def test_the_training_of_another_machine_is_named(gone: Gone) -> None:
    assert gone.refused.code == 30
    assert gone.refused.err.startswith(f"deeptrain: {gone.training} is being written by process ")
    assert f' on {OTHER} ("' in gone.refused.err
    assert gone.refused.err.count("\n") == 1


@pytest.mark.thorough
def test_the_training_of_another_machine_is_gone_on_with_when_that_is_gone(
    alone: dict[str, bytes], gone: Gone, tmp_path: Path, warm: Warm
) -> None:
    # The file of the lock still names it: what holds is the lock of the kernel, which is free.
    assert OTHER in gone.lock
    here = command.copied(gone.here, tmp_path / "here")
    finished = run(warm, here)
    assert (finished.code, finished.err) == (0, "")
    assert [stage for stage in command.stages(here / "runs") if stage in EPOCHS] == EPOCHS
    assert command.contents(here / "runs") == alone
