"""A disk that is full, and a second process that writes the same: nothing is published, and a rerun goes on."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deeptrain.training import mailbox
from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import JOB, SLOW_BUILDER, SLOW_TOML, Warm, lines_of, start
from tests.pipelines.conftest import Trained

WIDE = TOML.replace('"my_model:build"', '"my_model:build"\narguments = { units = 300 }')
FULL = re.compile(
    r"deeptrain: (?P<where>\S+): the disk is full: at least (?P<needed>[\d,]+) bytes are needed for (?P<name>\S+), "
    r"[\d,]+ are free; nothing was published; free some space and run again"
)
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


SMALL_DISK = """
mkdir disk && mount -t tmpfs -o size={size} small disk || exit 99
{job} 2> first.err; echo $? > first.code
find disk > first.files
mount -o remount,size=64m disk
{job} 2> second.err; echo $? > second.code
cp -r disk runs
"""


@pytest.mark.parametrize("size", ["48k", "144k"])
def test_on_a_full_disk_nothing_is_published_and_with_more_space_the_job_goes_on(
    size: str, trained: Trained, tmp_path: Path
) -> None:
    here = write_experiment(tmp_path).parent
    job = shlex.join([sys.executable, "-m", "luigi", *JOB, "--store", "disk"])
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", SMALL_DISK.format(size=size, job=job)],
        cwd=here,
        env=command.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (here / "first.code").read_text() == "30\n"
    (line,) = [line for line in lines_of((here / "first.err").read_text()) if "warning" not in line]
    assert FULL.fullmatch(line), line
    assert not [name for name in (here / "first.files").read_text().split() if "/." in name]
    assert ((here / "second.code").read_text(), (here / "second.err").read_text()) == ("0\n", "")
    assert command.contents(here / "runs") == trained.contents


def test_of_two_processes_the_second_says_who_trains_and_the_first_completes(tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path, toml=SLOW_TOML, builder=SLOW_BUILDER).parent
    first = start(*JOB, cwd=here)
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
