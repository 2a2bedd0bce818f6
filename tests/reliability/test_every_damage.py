"""Every file of every artifact of a finished run, and of an unfinished one, spoilt in every way (L6).

Each is found by `verify`, which names the file. Set aside by `verify --set-aside`, or by the run itself where it sees
it, the artifact is made again to the same bytes. That takes a command for each: in `make sample` of a few by chance,
with `--thorough` of all.
"""

import itertools
import shutil
from pathlib import Path

import pytest

from deeptrain.store import verification
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.pipelines.conftest import Trained
from tests.reliability import damages
from tests.reliability.damages import DAMAGES
from tests.reliability.sample import chosen, randomly
from tests.reliability.stopped import trained_two_epochs

FLIPS = 3
"""Of bits in each file."""
SAMPLE = 3


@pytest.mark.parametrize("run", ["trained", "stopped"])
def test_verify_names_every_file_that_was_spoilt_in_any_way(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made = request.getfixturevalue(run)
    here = command.copied(made if run == "stopped" else made.directory, tmp_path / "here")
    rng = randomly("damages")
    missed, spoilt = [], 0
    stages = set()
    for path in list(damages.files_of(here / "runs")):
        artifact = damages.artifact_of(path)
        stages.add(artifact.relative_to(here / "runs/tiny").as_posix().split("-")[0].split("/")[0])
        for damage in [*DAMAGES, *["flipped"] * (FLIPS - 1)]:
            before = damages.spoil(path, damage, rng)
            if before:
                spoilt += 1
                faults = verification.verify(artifact.parent if damage == "removed" else artifact).faults
                # Of two that changed places either may be the one that shows it.
                if not before.keys() & {fault.artifact / fault.file for fault in faults}:
                    missed.append(f"{path.relative_to(here)} {damage}")
            damages.mend(before)
    assert missed == []
    assert spoilt > 20 * len(stages)
    assert verification.verify(here / "runs").faults == ()


def test_what_was_spoilt_is_set_aside_and_made_again_to_the_same_bytes(
    share: int, trained: Trained, tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    rng = randomly("what was spoilt")
    every = list(itertools.product(damages.files_of(trained.directory / "runs"), DAMAGES))
    asked = chosen(every, share, thorough=thorough, count=SAMPLE, rng=rng)
    for number, (file, damage) in enumerate(asked):
        here = command.copied(trained.directory, tmp_path / str(number))
        path = here / file.relative_to(trained.directory)
        if damages.spoil(path, damage, rng):
            made_again(here, path, trained.contents, warm, f"{file.relative_to(trained.directory)} {damage}")
        shutil.rmtree(here)


def made_again(here: Path, path: Path, expected: dict[str, bytes], warm: Warm, told: str) -> None:
    """What was spoilt is set aside: by the run, or where that has no reason to read it, by `verify --set-aside`."""
    finished = warm.job(cwd=here)
    assert finished.code == 0, f"{told}: {finished}"
    if verification.verify(here / "runs").faults:
        assert "everything is there already" in finished.out, told
        aside = warm("verify", "--set-aside", cwd=here, module="pipelines")
        assert aside.code == 1, f"{told}: {aside}"
        assert path.relative_to(here).as_posix() in aside.out, f"{told}: {aside}"
        finished = warm.job(cwd=here)
        assert (finished.code, finished.err) == (0, ""), f"{told}: {finished}"
    else:
        assert "set aside" in finished.err, f"{told}: {finished}"
    assert command.contents(here / "runs") == expected, told
    assert verification.verify(here / "runs").faults == (), told
    assert list(here.glob("runs/tiny/**/quarantine/*")), told


def test_a_checkpoint_that_was_spoilt_is_set_aside_and_the_epoch_ends_in_the_same_bytes(
    stopped: Path, two_epochs: dict[str, bytes], tmp_path: Path, warm: Warm, thorough: bool
) -> None:
    rng = randomly("checkpoints")
    newest = max(stopped.glob("runs/tiny/training-*/unfinished/[0-9]*"))
    asked = list(itertools.product(sorted(newest.iterdir()), DAMAGES))
    for number, (file, damage) in enumerate(asked if thorough else rng.sample(asked, 1)):
        here = command.copied(stopped, tmp_path / str(number))
        path = here / file.relative_to(stopped)
        told = f"{file.relative_to(stopped)} {damage}"
        assert damages.spoil(path, damage, rng), told
        finished = trained_two_epochs(here, warm)
        assert finished.code == 0, f"{told}: {finished}"
        assert "set aside" in finished.err, f"{told}: {finished}"
        assert command.contents(here / "runs") == two_epochs, told
        shutil.rmtree(here)
