"""Stores that a command did not leave so itself: not to be written to, of a newer version, with artifacts of others."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deeptrain import lineage
from deeptrain.files import digest_of, readable_json
from tests.pipelines import command
from tests.pipelines.command import JOB, Warm, lines_of
from tests.pipelines.conftest import Trained
from tests.published_runs import publish

READ_ONLY = """
mount --bind {place} {place} && mount -o remount,ro,bind {place} || exit 99
n=0
while read -r words; do
    n=$((n + 1))
    eval "$words" > ../$n.out 2> ../$n.err < /dev/null; echo $? > ../$n.code
done
"""


def in_a_store_that_cannot_be_written(here: Path, place: Path, *asked: str) -> list[command.Finished]:
    """What commands leave while a directory is mounted to be read only."""
    told = "".join(f"{shlex.quote(sys.executable)} -m {words}\n" for words in asked)
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", READ_ONLY.format(place=shlex.quote(str(place)))],
        cwd=here,
        env=command.environment(),
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = [(here.parent / f"{number}.{kind}").read_text() for number in range(1, len(asked) + 1)
            for kind in ("code", "out", "err")]  # fmt: skip
    return [command.Finished(int(read[at]), *read[at + 1 : at + 3]) for at in range(0, len(read), 3)]


def test_in_a_store_that_cannot_be_written_all_is_read_and_what_must_be_made_is_told(
    here: Path, trained: Trained
) -> None:
    job, store = shlex.join(("luigi", *JOB)), here / "runs"
    more = shlex.join(("--settings", '{"calibration.subset_size": 3}'))
    *read, changed, elsewhere = in_a_store_that_cannot_be_written(
        here, here, job, "pipelines plan tiny.toml", "pipelines status", "pipelines verify runs/tiny",
        f"{job} {more}", f"{job} --store new",
    )  # fmt: skip
    assert [(one.code, one.err) for one in read] == [(0, "")] * 4
    assert read[0].out.startswith("tiny: everything is there already, nothing to do\n")
    cure = "Read-only file system; nothing was published; let it be written to, or name another place with --store"
    for finished, place in ((changed, r"runs/tiny/live/locks/subset-\w+\.lock"), (elsewhere, "new")):
        assert finished.code == 30
        assert re.fullmatch(f"deeptrain: {place}: cannot be written: {cure}", lines_of(finished.err)[-1])
        assert all(": events are not recorded: " in line for line in lines_of(finished.err)[:-1])
    assert command.contents(store) == trained.contents


def newer(directory: Path, **changed: object) -> None:
    """Let an artifact be one that a newer version would write: whole, by its own digest."""
    path = directory / "manifest.json"
    told = {**json.loads(path.read_bytes()), **changed}
    told.pop("sha256")
    path.write_bytes(readable_json({**told, "sha256": digest_of(told)}))


@pytest.mark.parametrize(
    ("pattern", "code"),
    [("shards-*/whole", 40), ("training-*/epochs/0002", 40), ("training-*/states/0003", 35), ("subset-*", 35)],
)
def test_an_artifact_of_a_newer_version_stays_and_the_command_says_so(
    experiment: Path, warm: Warm, pattern: str, code: int
) -> None:
    """In planning, which is before (40) or after (35) Luigi has a task."""
    here = experiment.parent
    publish(lineage.read(experiment, store=here / "runs"))
    (found,) = here.glob(f"runs/tiny/{pattern}")
    newer(found, format=2)
    before = command.contents(here / "runs")
    finished = warm.job(cwd=here)
    told = (
        f"deeptrain: {found.relative_to(here)}/manifest.json: format must be 1, got 2: written by a newer version of "
        "deeptrain; update this one, or name another place with --store"
    )
    assert (finished.code, lines_of(finished.err)) == (code, [told])
    planned = warm("plan", "tiny.toml", cwd=here, module="pipelines")
    assert (planned.code, lines_of(planned.err)) == (1, [told])
    assert command.contents(here / "runs") == before


def test_an_artifact_of_a_newer_recipe_has_another_name_and_is_left_as_it_is(
    here: Path, trained: Trained, warm: Warm
) -> None:
    (subset,) = here.glob("runs/tiny/subset-*")
    other = Path(shutil.copytree(subset, subset.with_name("subset-0123456789abcdef")))
    newer(other, recipe=99, identity="0123456789abcdef" * 4)
    assert warm.job(cwd=here).out.startswith("tiny: everything is there already, nothing to do\n")
    now = command.contents(here / "runs")
    assert {name: data for name, data in now.items() if other.name not in name} == trained.contents
    assert any(other.name in name for name in now)


def test_an_artifact_of_another_experiment_that_was_copied_in_is_told_and_made_anew(
    here: Path, trained: Trained, warm: Warm
) -> None:
    (own,) = here.glob("runs/tiny/subset-*")
    assert warm.job("--settings", '{"calibration.subset_size": 3}', cwd=here).code == 0
    (other,) = set(here.glob("runs/tiny/subset-*")) - {own}
    shutil.rmtree(own)
    shutil.copytree(other, own)
    found = warm("verify", "runs", cwd=here, module="pipelines")
    assert found.code == 1
    assert f"runs/tiny/{own.name}" in found.out
    finished = warm.job(cwd=here)
    assert finished.code == 0
    names = [f"subset {one.name.removeprefix('subset-')}" for one in (other, own)]
    assert f"is {names[0]}, expected {names[1]}: was it copied here?; it was made again, the old one" in finished.err
    now = command.contents(here / "runs")
    assert {name: data for name, data in now.items() if name in trained.contents} == trained.contents
