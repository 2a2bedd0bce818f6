"""Stores that a command did not leave so itself: of a newer version, with artifacts of others."""

import json
import shutil
from pathlib import Path

import pytest

from deeptrain import lineage
from deeptrain.files import digest_of, readable_json
from tests.pipelines import command
from tests.pipelines.command import Warm, lines_of
from tests.pipelines.conftest import Trained
from tests.published_runs import publish


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
