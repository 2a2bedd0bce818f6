"""A disk that is full, and a second process that writes the same: nothing is published, and a rerun goes on."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deeptrain.training import mailbox
from tests.conftest import EVEN, write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_BUILDER, SLOW_TOML, Warm, lines_of
from tests.reliability.small_disk import FULL

WIDE = EVEN.replace('"my_model:build"', '"my_model:build"\narguments = { units = 300 }')
SHARDS = ["samples", "part 1", "shards"]


@pytest.fixture(scope="session")
def wide(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tiny experiment with states that are larger than its shards."""
    here = write_experiment(tmp_path_factory.mktemp("wide"), toml=WIDE).parent
    assert warm.job(cwd=here).err == ""
    return command.contents(here / "runs")


@pytest.mark.parametrize(
    ("limit", "name", "made"),
    [
        (4_000, "origin.npy", []),
        (20_000, "state.safetensors", SHARDS),
        (60_000, "", [*SHARDS, "epoch 1", "epoch 2", "epoch 3", "predictions", "threshold", "subset", "evaluation"]),
    ],
)
def test_a_file_that_cannot_be_written_is_not_published_and_a_rerun_goes_on(
    limit: int, name: str, made: list[str], wide: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    """A limit on the size of a file is the full disk that needs no rights: EFBIG where ENOSPC would be."""
    here = write_experiment(tmp_path, toml=WIDE).parent
    finished = command.end(warm.start(*JOB, cwd=here, file_bytes=limit))
    assert finished.code == 30
    (line,) = lines_of(finished.err)
    told = FULL.fullmatch(line)
    assert told is not None, line
    assert name in told["name"]
    assert int(told["needed"].replace(",", "")) > limit
    assert sorted(command.stages(here / "runs")) == sorted(made)
    assert command.litter(here / "runs") == []
    assert command.contents(here / "runs").items() <= wide.items()
    again = warm.job(cwd=here)
    assert (again.code, again.err) == (0, "")
    assert command.contents(here / "runs") == wide


def test_on_a_full_disk_nothing_is_published_and_with_more_space_the_job_goes_on(thorough: bool) -> None:
    """A disk that is too small for it twice; with `--thorough` one besides that grows page by page."""
    again = ["-m", "tests.reliability.small_disk", "--size", "48k", "--size", "144k", *(["--grow"] if thorough else [])]
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", sys.executable, *again],
        cwd=command.ROOT,
        env=command.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    told = f"again by: unshare --mount --map-root-user {shlex.join(['python', *again])}"
    assert [one for one in attempts if one["wrong"]] == [], told
    assert [one["code"] for one in attempts[:3]] == [30, 30, 0], told
    assert [one["code"] for one in attempts[3:]] == [30] * len(attempts[4:]) + [0] * thorough, told


def test_of_two_processes_the_second_says_who_trains_and_the_first_completes(tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path, toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    first = warm.start(*JOB, cwd=here)
    command.wait_until(lambda: command.trained(here / "runs")[1], first)
    (training,) = here.glob("runs/tiny/training-*")
    mailbox.send(training, "pause", command.PATIENCE)  # so that it is not done before the second has come
    second = warm.job(cwd=here)
    assert second.code == 30
    assert re.fullmatch(
        rf'deeptrain: {training.name} is being written by process {first.pid} \("__main__\.py --module pipelines '
        r'TrainModel --experiment tiny\.toml --local-scheduler"\); wait until it ends or stop it, then run again\n',
        second.err,
    )
    mailbox.send(training, "resume", command.PATIENCE)
    finished = command.end(first)
    assert (finished.code, finished.err) == (0, "")
    assert command.litter(here / "runs") == []
    assert "everything is there already" in warm.job(cwd=here).out
